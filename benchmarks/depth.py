"""How far away are hands, and do the error bars of that hold? Known intrinsics, people never seen.

    ownhand benchmark data/id --parts test
    python benchmarks/depth.py data/id/test [--people 20]

Every person is calibrated from 20 pictures, with one tape measurement of the hand's length (anchored) and without, and
the hand is placed in that person's other pictures in which one is recognised. Printed are the median relative error of
the wrist's depth, median over all pictures, and how much of the truth 50, 68, 90 and 95 % intervals hold of depth, and
90 % ellipsoids of the place.
"""

from __future__ import annotations

from pathlib import Path

import torch
import tyro
from scipy.stats import chi2, norm
from torch import Tensor

from ownhand.data.dataset import ShardDataset
from ownhand.experiments.parting import parted
from ownhand.experiments.rows import calibrations
from ownhand.hand.identity import Identity
from ownhand.observations import observe
from ownhand.pipeline import load
from ownhand.structs import given

PICTURES = 20
LEVELS = (0.5, 0.68, 0.9, 0.95)


def main(data: tyro.conf.Positional[Path], weights: Path | None = None, people: int = 20) -> None:
    pipeline, pictures = load(weights), ShardDataset(data, fields=())
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for subject in given(pictures.subjects, "people").unique()[:people].tolist():
        person = observe(pipeline, pictures, rows=(pictures.subjects == subject).nonzero()[:, 0].tolist())
        calibration, testing = parted(person, PICTURES, "honest", subject)
        known = calibrations(pipeline, person[calibration], subject)
        test = person[testing]
        test = test[pipeline.has_hand(test.seen)]
        shape = test.shape[0].double()
        truth = Identity(
            shape=shape, covariance=torch.zeros(len(shape), len(shape)).double(), model_id=pipeline.hand.id
        )
        shapes = {"anchored": known[True].identity, "not anchored": known[False].identity, "true shape": truth}
        for name, identity in {**shapes, "guessed": None}.items():
            for refine in (False, True):
                solved = pipeline.solve(test.seen, identity, refine=refine)
                error = solved.pose.t_cam_root - test.pose.t_cam_root
                covariance = given(solved.position_covariance, "error bars of the place")
                squared = (error * torch.linalg.solve(covariance, error)).sum(-1)
                relative = error[:, 2] / test.pose.t_cam_root[:, 2]
                deviation = error[:, 2] / covariance[:, 2, 2].sqrt()
                key = name + (", refined" if refine else "")
                found.setdefault(key, []).append((relative, torch.stack([deviation.abs(), squared])))
    for name, pairs in found.items():
        relative, (deviation, squared) = torch.cat([r for r, _ in pairs]), torch.cat([d for _, d in pairs], 1)
        held = ", ".join(f"{(deviation < norm.ppf((1 + level) / 2)).float().mean():.3f}" for level in LEVELS)
        inside = (squared < chi2.ppf(0.9, 3)).float().mean()
        print(
            f"{name}: {len(relative)} pictures of {len(pairs)} people, depth {100 * relative.abs().median():.2f} % off "
            f"(bias {100 * relative.median():+.2f} %), intervals hold {held}, ellipsoids {inside:.3f}"
        )


if __name__ == "__main__":
    tyro.cli(main)
