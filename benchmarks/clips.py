"""Frames of clips: do their errors go together, what does calibration make of them, and how much may be smoothed?

    ownhand benchmark data/id --parts val
    python benchmarks/clips.py data/id/val [--people 20]

Prints how the errors of two pictures of a person correlate with how differently the hand is turned and bent, beside the
kernel of `calibrate.alike`; size-free errors and squared errors in units of their bars of the method `joint`, with all
pictures taken for independent and not; joint errors and jitter (second differences of camera-space errors per frame)
with and without the filter of `ownhand.smooth`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import roma
import torch
import tyro
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import alike, calibrate, standardised
from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import CLIP, SINGLE
from ownhand.observations import Observations, observe
from ownhand.pipeline import Pipeline, load
from ownhand.smooth import PoseFilter, Smoothness
from ownhand.structs import concatenate, given, stack

TURNED = (0.0, 0.2, 0.5, 0.8, 1.2, 3.2)  # angles between wrists [rad], from and to
BENT = 0.2  # root mean square angle between joints below which hands count as bent alike [rad]
FILTERS = (None, Smoothness(), Smoothness(cutoff=1.0), Smoothness(cutoff=0.5), Smoothness(turn=1.0, move=6.0))


def main(data: tyro.conf.Positional[Path], weights: Path | None = None, people: int = 20) -> None:
    torch.manual_seed(0)
    pipeline, pictures = load(weights), ShardDataset(data, fields=())
    known = pictures.numbers(range(len(pictures)))
    taken, subject = given(known.taken, "how pictures were taken"), given(known.subject, "people")
    rows = ((taken.kind <= CLIP) & (subject < people)).nonzero()[:, 0].tolist()
    everybody = [person for _, person in observe(pipeline, pictures, rows=rows).people()]
    correlations(everybody)
    calibrations(pipeline, everybody)
    smoothing(pipeline, [_of(person, CLIP) for person in everybody])


def _of(person: Observations, kind: int) -> Observations:
    some = person[given(person.taken, "how pictures were taken").kind == kind]
    return some[given(some.taken, "how pictures were taken").instant.argsort()]


def correlations(everybody: list[Observations]) -> None:
    """Of the baseline's errors, less the person's mean over single pictures, in units of those pictures' variance."""
    found: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
    variances, kernel = [], defaultdict(list)
    for person in everybody:
        mean = (_of(person, SINGLE).seen.shape - _of(person, SINGLE).shape).mean(0)
        for kind in (SINGLE, CLIP):
            some = _of(person, kind)
            error, pose = some.seen.shape - some.shape - mean, some.seen.pose
            first, second = torch.randint(len(some), (2, 1500))
            first, second = first[first != second], second[first != second]
            turned = roma.rotmat_geodesic_distance(pose.R_cam_root[first], pose.R_cam_root[second])
            bends = roma.rotmat_geodesic_distance(pose.R_parent_joint[first], pose.R_parent_joint[second])
            together = alike(pose.R_cam_root, pose.R_parent_joint)[first, second]
            if kind == SINGLE:
                variances.append(error.square().mean(0))
            for k in range(len(TURNED) - 1):
                here = (turned >= TURNED[k]) & (turned < TURNED[k + 1]) & (bends.square().mean(-1).sqrt() < BENT)
                found[kind, k].append((error[first] * error[second])[here])
                kernel[kind, k].append(together[here])
    variance = torch.stack(variances).mean(0)
    for (kind, k), products in sorted(found.items()):
        values, name = torch.cat(products), ("single pictures", "frames of a clip")[kind]
        if len(values) > 60:
            mean, expected = (values.mean(0) / variance).mean(), torch.cat(kernel[kind, k]).mean()
            print(f"{name}, turned {TURNED[k]} to {TURNED[k + 1]} rad: correlation {mean:.2f}, kernel {expected:.2f}")


def calibrations(pipeline: Pipeline, everybody: list[Observations]) -> None:
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    model, settings = pipeline.hand, pipeline.settings
    for person in everybody:
        single, clip, truth = _of(person, SINGLE), _of(person, CLIP), person.shape[0].double()
        few = [x[torch.randperm(len(x))[:20]] for x in (single, clip)]
        sets = {"20 single": few[0], "100 single": single, "20 frames": few[1], "100 frames": clip}
        sets["100 frames and 5 single"] = concatenate([clip, few[0][:5]])
        for name, some in sets.items():
            seen, said = some.seen, pipeline.keypoint_likelihood(some.seen)
            for how, R in (("independent", None), ("alike", seen.pose.R_cam_root)):
                identity = calibrate(
                    model, seen.pose.R_parent_joint, seen.shape, seen.confidence, method="joint", keypoints=said,
                    weight_map=settings.weight_maps["joint"], error_model=settings.error_models["joint"], R_cam_root=R,
                ).identity  # fmt: skip
                size_free = metrics.size_free_error_mm(identity.shape[None].float(), truth[None].float(), model)
                bars = standardised(identity.shape - truth, given(identity.covariance, "error bars")).square().mean()
                errors[f"{name}, {how}"].append((float(size_free), float(bars)))
        mean_hand = metrics.size_free_error_mm(torch.zeros(1, 10), truth[None].float(), model)
        errors["mean hand"].append((float(mean_hand), float(truth.square().mean())))
    for name, pairs in errors.items():
        error, bars = torch.tensor(pairs).mean(0).tolist()
        print(f"{name}: size-free {error:.2f} mm, squared {bars:.2f}")


def smoothing(pipeline: Pipeline, clips: list[Observations]) -> None:
    """The identity network's poses with the true shape, placed by keypoints, 30 frames per second."""
    for how in FILTERS:
        joint_errors, jitter = [], []
        for clip in clips:
            hand = pipeline.hand.shaped(clip.shape)
            pose, _ = pipeline.put(clip.seen, hand, pipeline.pose_given(clip.seen, clip.shape))
            if how is not None:
                keep = PoseFilter(how)
                pose = stack([keep(pose[k], k / 30) for k in range(len(clip.shape))])
            joints, true = hand.posed(pose).joints, hand.posed(clip.pose).joints
            joint_errors.append(metrics.mpjpe_mm(joints, true).mean())
            jitter.append((joints - true).diff(n=2, dim=0).norm(dim=-1).mean() * 1000)
        mean, shaking = torch.stack(joint_errors).mean(), torch.stack(jitter).mean()
        print(f"{how or 'not smoothed'}: joints {mean:.2f} mm, jitter {shaking:.1f} mm")


if __name__ == "__main__":
    tyro.cli(main)
