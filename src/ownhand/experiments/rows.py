"""From observations to per-picture records: every row of the results, with and without what each could know.

Rows differ only in who supplies the shape; all but the baseline share one network's pose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import Anchor, Calibration
from ownhand.experiments.parting import Protocol, parted
from ownhand.geometry.align import procrustes
from ownhand.hand.measure import length_mm, size_direction
from ownhand.hand.model import HandModel, PosedHand
from ownhand.observations import Observations, seen_from
from ownhand.pipeline import Pipeline

ROWS = ("baseline", "true shape", "calibrated", "true size, mean proportions", "mean hand", "another person's hand")
TAPE_SD_MM = 1.0
"""Noise of the tape measurement of anchored rows."""


def rescaled(model: HandModel, shape: Float[Tensor, "*batch n"], factor: Float[Tensor, "*batch"]) -> Tensor:
    """The coefficients of a hand `factor` times as large about its wrist.

    As exact as `size_direction`.
    """
    return factor[..., None] * shape + (factor[..., None] - 1) * size_direction(model).to(shape)


def tape_mm(model: HandModel, shape: Float[Tensor, "n"], subject: int, seed: int = 0) -> float:
    """A tape measurement of a person's hand length: the truth and seeded noise of `TAPE_SD_MM`."""
    noise = np.random.default_rng([seed, subject]).normal(0, TAPE_SD_MM)
    return float(length_mm(model, shape)) + noise


def calibrations(pipeline: Pipeline, person: Observations, subject: int, **options: Any) -> dict[bool, Calibration]:
    """A person calibrated from some pictures: not anchored (False) and anchored (True)."""
    tape = tape_mm(pipeline.hand, person.shape[0], subject)
    free = pipeline.combine(person.seen, **options)
    if free.identity.covariance is None:  # validation people were too few to say how far to trust pictures
        shape = free.identity.shape
        taped = rescaled(pipeline.hand, shape, tape / length_mm(pipeline.hand, shape.float()))
        return {False: free, True: replace(free, identity=replace(free.identity, shape=taped))}
    return {
        False: free,
        True: pipeline.combine(person.seen, anchor=Anchor(length_mm=tape, std_mm=TAPE_SD_MM), **options),
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


def reconstructed(
    pipeline: Pipeline, row: str, test: Observations, shape: Float[Tensor, "pictures n"], *, refine: bool
) -> PosedHand:
    """The hands of one row, in the camera frame of each test picture."""
    hand, own = pipeline.hand.shaped(shape), row == "baseline"
    pose = test.seen.pose if own else pipeline.pose_given(test.seen, shape)
    pose, _ = pipeline.put(test.seen, hand, pose, refine=refine, prior="baseline" if own else "identity")
    return hand.posed(pose)


def picture_errors(
    pipeline: Pipeline,
    row: str,
    test: Observations,
    shape: Float[Tensor, "pictures n"],
    *,
    refine: bool,
    f_scores: bool = True,
) -> dict[str, Tensor]:
    """Errors of one row in each test picture, by the names of the records' columns; F-scores take half of the time."""
    posed = reconstructed(pipeline, row, test, shape, refine=refine)
    true = pipeline.hand.shaped(test.shape).posed(test.pose)
    return {
        **mesh_errors(posed.joints, true.joints, posed.verts, true.verts, f_scores=f_scores),
        "camera_mm": metrics.camera_error_mm(posed.joints, true.joints),
        "length_mm": length_mm(pipeline.hand, shape),
        "true_length_mm": length_mm(pipeline.hand, test.shape),
        "keypoints_px": _keypoint_error_px(test),
        "reprojection_px": metrics.keypoint_error_px(test.seen.camera.project(posed.joints), test.seen.keypoints),
    }


def mesh_errors(
    joints: Float[Tensor, "pictures 21 3"],
    true_joints: Float[Tensor, "pictures 21 3"],
    verts: Float[Tensor, "pictures verts 3"] | None = None,
    true_verts: Float[Tensor, "pictures verts 3"] | None = None,
    *,
    f_scores: bool = True,
) -> dict[str, Tensor]:
    """Errors of hands wherever they are; NaN for what is not asked for, or not there without meshes.

    MPJPE, MPVPE and AUC (0 to 50 mm) are relative to the wrist; those with `pa_`, and the F-scores of the meshes at 5
    and 15 mm, after the best similarity transform.
    """
    aligned = procrustes(joints, true_joints)
    wrist, true_wrist = joints[..., :1, :], true_joints[..., :1, :]
    errors = {
        "mpjpe_mm": metrics.mpjpe_mm(joints, true_joints),
        "pa_mpjpe_mm": metrics.camera_error_mm(aligned, true_joints),
        "auc": metrics.area_under_pck(metrics.distances_mm(joints - wrist, true_joints - true_wrist)),
        "pa_auc": metrics.area_under_pck(metrics.distances_mm(aligned, true_joints)),
    }
    meshes = dict.fromkeys(("mpvpe_mm", "pa_mpvpe_mm", "f5", "f15"), torch.full_like(errors["auc"], torch.nan))
    if verts is not None and true_verts is not None:
        aligned = procrustes(verts, true_verts)
        meshes["mpvpe_mm"] = metrics.mpvpe_mm(verts, true_verts, joints, true_joints)
        meshes["pa_mpvpe_mm"] = metrics.camera_error_mm(aligned, true_verts)
        if f_scores:
            meshes["f5"], meshes["f15"] = metrics.f_scores(aligned, true_verts, (5.0, 15.0))
    return errors | meshes


def _keypoint_error_px(test: Observations) -> Float[Tensor, "pictures"]:
    """Mean distance of the keypoints that can be seen from where they are, in pixels of the pictures as stored."""
    error = (test.seen.keypoints - test.keypoints).norm(dim=-1) * test.visible
    return error.sum(-1) / test.visible.sum(-1).clamp_min(1) / test.zoom


def person_records(
    pipeline: Pipeline,
    person: Observations,
    subject: int,
    other: Float[Tensor, "n"],
    *,
    pictures: int = 20,
    protocol: Protocol = "honest",
    rows: Sequence[str] = ROWS,
) -> pa.Table:
    """All rows of one person.

    Args:
        pipeline: Networks and settings.
        person: What the networks say of all pictures of the person.
        subject: Number of the person.
        other: True shape of somebody else.
        pictures: How many of the pictures are for calibration.
        protocol: How they are chosen.
        rows: Which of `ROWS`.

    Returns:
        Records per (row, anchored, refined, picture).

    Raises:
        ValueError: The person has too few pictures.
    """
    calibration, testing = parted(person, pictures, protocol, subject)
    test, sides = person[testing], seen_from(person[testing].pose)
    found = calibrations(pipeline, person[calibration], subject)
    records = []
    for anchored in (False, True):
        tape = tape_mm(pipeline.hand, person.shape[0], subject) if anchored else None
        for row in rows:
            shape = row_shapes(pipeline, row, test, found[anchored].identity.shape, other, tape)
            for refined in (False, True):
                errors = picture_errors(pipeline, row, test, shape, refine=refined, f_scores=not anchored)
                labels = {"row": row, "anchored": anchored, "refined": refined, "subject": subject}
                records.append(as_table(errors, labels, picture=testing.tolist(), seen_from=sides))
    return pa.concat_tables(records)


def as_table(columns: dict[str, Tensor], labels: dict[str, Any], **more: Sequence[Any]) -> pa.Table:
    """Columns of numbers, beside labels that all rows share."""
    count = len(next(iter(columns.values())))
    return pa.table(
        {name: [value] * count for name, value in labels.items()}
        | {name: list(values) for name, values in more.items()}
        | {name: values.double().numpy() for name, values in columns.items()}
    )
