"""From labelled pictures to per-picture records: every row of the results, with and without what each could know.

Rows differ only in who supplies the shape; all but the baseline share one network's pose. The calibration pictures of a
person are the first ones, the test pictures are the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import Anchor, Calibration
from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import HandSample
from ownhand.estimators.confidence import TARGETS
from ownhand.hand.identity import ShapeLikelihood
from ownhand.hand.measure import length_mm, size_direction
from ownhand.hand.model import HandModel, HandPose
from ownhand.pipeline import Pipeline, Seen
from ownhand.structs import TensorStruct, concatenate, stack
from ownhand.views import View

ROWS = ("baseline", "true shape", "calibrated", "true size, mean proportions", "mean hand", "another person's hand")
SIDES = ("palm", "back", "thumb's side", "little finger's side", "fingertips", "wrist")
"""From where a hand is seen: along which of its own axes the camera lies most."""

TAPE_SD_MM = 1.0
"""Noise of the tape measurement of anchored rows."""


@dataclass(frozen=True, kw_only=True)
class Observations(TensorStruct):
    """What the networks say of labelled pictures, and the truth.

    Attributes:
        seen: What the networks say.
        pose: True pose.
        shape: True shape.
        keypoints: True keypoints in the crop [px].
        visible: Which of them are in the picture, and no thing before them.
        zoom: Pixels of the crop per pixel of the picture.
        subject: Number of the person.
    """

    seen: Seen
    pose: HandPose
    shape: Float[Tensor, "*batch shapes"]
    keypoints: Float[Tensor, "*batch 21 2"]
    visible: Bool[Tensor, "*batch 21"]
    zoom: Float[Tensor, "*batch"]
    subject: Int[Tensor, "*batch"]

    def people(self) -> Iterator[tuple[int, Observations]]:
        """Each person's pictures, in their order."""
        for subject in self.subject.unique().tolist():
            yield subject, self[self.subject == subject]


def seen_from(pose: HandPose) -> list[str]:
    """Which of SIDES each hand shows the camera."""
    towards = (pose.R_cam_root.mT @ -pose.t_cam_root[..., None])[..., 0]
    signed = torch.stack(
        [-towards[..., 2], towards[..., 2], towards[..., 1], -towards[..., 1], towards[..., 0], -towards[..., 0]], -1
    )
    return [SIDES[i] for i in signed.argmax(-1).flatten().tolist()]


def observe(
    pipeline: Pipeline,
    data: ShardDataset,
    *,
    rows: Sequence[int] | None = None,
    batch: int = 100,
    progress: Any = None,
) -> Observations:
    """Run the networks over all pictures, or some rows, cropped as in use; evaluation and tuning start from here."""
    rows = range(len(data)) if rows is None else rows
    parts = []
    for start in range(0, len(rows), batch):
        sample = data.load(rows[start : start + batch])
        pose, shape, subject = _known(sample)
        views = [View(image=image, camera=sample.camera[i]) for i, image in enumerate(sample.image)]
        crops, seen = pipeline.crop(views)
        crop = stack(crops)
        parts.append(
            Observations(
                seen=seen,
                pose=pose,
                shape=shape,
                keypoints=crop.keypoints(sample.keypoints),
                visible=sample.visible,
                zoom=torch.linalg.det(crop.T_crop_image[:, :2, :2]).sqrt(),
                subject=subject,
            )
        )
        if progress is not None:
            progress(start + len(subject), len(rows))
    return concatenate(parts)


def rescaled(model: HandModel, shape: Float[Tensor, "*batch n"], factor: Float[Tensor, "*batch"]) -> Tensor:
    """The coefficients of a hand `factor` times as large about its wrist.

    As exact as `size_direction`.
    """
    return factor[..., None] * shape + (factor[..., None] - 1) * size_direction(model).to(shape)


def tape_mm(model: HandModel, shape: Float[Tensor, "n"], subject: int, seed: int = 0) -> float:
    """A tape measurement of a person's hand length: the truth and seeded noise of `TAPE_SD_MM`."""
    noise = np.random.default_rng([seed, subject]).normal(0, TAPE_SD_MM)
    return float(length_mm(model, shape)) + noise


def calibrations(
    pipeline: Pipeline, person: Observations, subject: int, pictures: int, **options: Any
) -> dict[bool, Calibration]:
    """A person calibrated from the first `pictures` pictures: not anchored (False) and anchored (True)."""
    tape = Anchor(length_mm=tape_mm(pipeline.hand, person.shape[0], subject), std_mm=TAPE_SD_MM)
    seen = person.seen[:pictures]
    return {
        anchored: pipeline.combine(seen, anchor=tape if anchored else None, **options) for anchored in (False, True)
    }


def row_shapes(
    pipeline: Pipeline,
    row: str,
    test: Observations,
    calibrated: Float[Tensor, "n"],
    other: Float[Tensor, "n"],
    tape: float | None,
) -> Float[Tensor, "pictures n"]:
    """The shape that a row uses in each test picture of a person.

    Args:
        pipeline: Networks and hand model.
        row: One of `ROWS`.
        test: The person's test pictures.
        calibrated: The person's calibrated shape (already anchored, if it is to be).
        other: True shape of somebody else.
        tape: The tape measurement [mm] to which rows without a measured size are scaled; None for unanchored rows.
    """
    truth = test.shape
    mean = torch.zeros_like(truth)
    size_only = mean.clone()
    size_only[..., 0] = truth[..., 0]
    shape = {
        "baseline": test.seen.shape,
        "true shape": truth,
        "calibrated": calibrated.to(truth).expand_as(truth),
        "true size, mean proportions": size_only,
        "mean hand": mean,
        "another person's hand": other.expand_as(truth),
    }[row]
    if tape is None or row in ("true shape", "calibrated"):
        return shape
    return rescaled(pipeline.hand, shape, tape / length_mm(pipeline.hand, shape))


def picture_errors(
    pipeline: Pipeline, row: str, test: Observations, shape: Float[Tensor, "pictures n"], *, refine: bool
) -> dict[str, Tensor]:
    """Errors of one row in each test picture."""
    hand, true = pipeline.hand.shaped(shape), pipeline.hand.shaped(test.shape).posed(test.pose)
    own = row == "baseline"
    pose = test.seen.pose if own else pipeline.pose_given(test.seen, shape)
    pose, _ = pipeline.put(test.seen, hand, pose, refine=refine, prior="baseline" if own else "identity")
    posed = hand.posed(pose)
    errors = {
        "mpjpe_mm": metrics.mpjpe_mm(posed.joints, true.joints),
        "mpvpe_mm": metrics.mpvpe_mm(posed.verts, true.verts, posed.joints, true.joints),
        "pa_mpjpe_mm": metrics.procrustes_aligned_error_mm(posed.joints, true.joints),
        "camera_mm": metrics.camera_error_mm(posed.joints, true.joints),
        "length_mm": length_mm(pipeline.hand, shape),
        "true_length_mm": length_mm(pipeline.hand, test.shape),
        "keypoints_px": _keypoint_error_px(test),
        "reprojection_px": metrics.keypoint_error_px(test.seen.camera.project(posed.joints), test.seen.keypoints),
    }
    return errors


def _keypoint_error_px(test: Observations) -> Float[Tensor, "pictures"]:
    """Mean distance of the keypoints that can be seen from where they are, in pixels of the pictures as stored."""
    error = (test.seen.keypoints - test.keypoints).norm(dim=-1) * test.visible
    return error.sum(-1) / test.visible.sum(-1).clamp_min(1) / test.zoom


def shape_errors(
    model: HandModel, shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"]
) -> dict[str, Tensor]:
    """Errors of rest hands."""
    return {
        "mse_mano": metrics.mse_mano(shape, truth),
        "width_mm": metrics.width_error_mm(shape, truth, model),
        "length_mm": metrics.length_error_mm(shape, truth, model),
        "size_free_mm": metrics.size_free_error_mm(shape, truth, model),
    }


def evaluate(
    pipeline: Pipeline, observations: Observations, *, pictures: int = 20, progress: Any = None
) -> tuple[pa.Table, pa.Table]:
    """All rows over all people.

    Args:
        pipeline: Networks and settings.
        observations: What they say of at least `pictures` + 1 pictures of each person.
        pictures: How many of each person's pictures are for calibration.
        progress: Called with (done, all) people.

    Returns:
        Records per (row, anchored, refined, picture), and per (method, anchored, person).

    Raises:
        ValueError: A person has too few pictures.
    """
    people = list(observations.people())
    records, shapes = [], []
    for number, (subject, person) in enumerate(people):
        if len(person) <= pictures:
            raise ValueError(
                f"expected more than {pictures} pictures of each person, person {subject} has {len(person)}"
            )
        test = person[pictures:]
        sides = seen_from(test.pose)
        other = people[(number + 1) % len(people)][1].shape[0]
        keypoints = pipeline.keypoint_likelihood(person.seen[:pictures])
        found = calibrations(pipeline, person, subject, pictures, keypoints=keypoints)
        for anchored in (False, True):
            tape = tape_mm(pipeline.hand, person.shape[0], subject) if anchored else None
            for row in ROWS:
                shape = row_shapes(pipeline, row, test, found[anchored].identity.shape, other, tape)
                for refined in (False, True):
                    errors = picture_errors(pipeline, row, test, shape, refine=refined)
                    labels = {"row": row, "anchored": anchored, "refined": refined, "subject": subject}
                    records.append(_table(errors, labels, picture=range(pictures, len(person)), seen_from=sides))
        shapes += list(_person_shapes(pipeline, person, subject, pictures, found, keypoints))
        if progress is not None:
            progress(number + 1, len(people))
    return pa.concat_tables(records), pa.concat_tables(shapes)


METHODS = ("paper", "robust", "mean", "median", "top-k", "bayes", "joint")
"""Ways to combine pictures; the last two only where validation people were enough for their error models."""


def _person_shapes(
    pipeline: Pipeline,
    person: Observations,
    subject: int,
    pictures: int,
    found: dict[bool, Calibration],
    keypoints: ShapeLikelihood,
) -> Iterator[pa.Table]:
    """Shape errors of one person for every way to combine pictures, and of hands that need none."""
    truth, seen = person.shape[:1], person.seen[:pictures]
    order = np.random.default_rng([7, subject]).permutation(pictures)
    shuffled = replace(seen, confidence=seen.confidence[torch.from_numpy(order)])
    equal = replace(seen, confidence=torch.zeros_like(seen.confidence))
    taught_by_shape = replace(seen, confidence=seen.scores[:, TARGETS.index("shape")])
    methods = [m for m in METHODS if m not in ("bayes", "joint") or m in pipeline.settings.error_models]
    shapes = {
        "mean hand": torch.zeros_like(truth),
        "default": found[False].identity.shape,
        "paper, equal weights": pipeline.combine(equal, method="paper").identity.shape,
        "paper, shuffled confidence": pipeline.combine(shuffled, method="paper").identity.shape,
        "paper, confidence taught by shape": pipeline.combine(taught_by_shape, method="paper").identity.shape,
        "mean, equal weights": pipeline.combine(equal, method="mean").identity.shape,
        **{method: pipeline.combine(seen, method=method, keypoints=keypoints).identity.shape for method in methods},
    }
    for anchored in (False, True):
        if anchored:
            tape = tape_mm(pipeline.hand, truth[0], subject)
            shapes = {
                name: rescaled(pipeline.hand, shape.to(truth), tape / length_mm(pipeline.hand, shape.to(truth)))
                for name, shape in shapes.items()
            }
            shapes["default"] = found[True].identity.shape
        for method, shape in shapes.items():
            errors = shape_errors(pipeline.hand, shape.reshape(1, -1).to(truth), truth)
            yield _table(errors, {"method": method, "anchored": anchored, "subject": subject})
    single = shape_errors(pipeline.hand, seen.shape, truth.expand_as(seen.shape))
    mean = {name: values.mean(0, keepdim=True) for name, values in single.items()}
    yield _table(mean, {"method": "one picture", "anchored": False, "subject": subject})


def _known(sample: HandSample) -> tuple[HandPose, Tensor, Tensor]:
    if sample.pose is None or sample.shape is None or sample.subject is None:
        raise ValueError("expected pictures with known pose, shape and person")
    return sample.pose, sample.shape, sample.subject


def _table(columns: dict[str, Tensor], labels: dict[str, Any], **more: Any) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table(
        {name: [value] * count for name, value in labels.items()}
        | {name: list(values) for name, values in more.items()}
        | {name: values.double().numpy() for name, values in columns.items()}
    )
