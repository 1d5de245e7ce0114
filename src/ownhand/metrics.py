"""Errors of reconstructed hands: pure functions, one value per sample.

Each name says what is aligned. Unless it says otherwise, points are compared relative to their own wrist joint, in the
camera's orientation, and the mean goes over all vertices, or all 21 joints including the wrist, which is then exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from ownhand.geometry.align import best_scale, procrustes, relative_to
from ownhand.hand.measure import length_mm, width_mm
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import FINGERS


def camera_error_mm(points: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch"]:
    """Mean distance of joints or vertices in the camera frame [m], nothing aligned."""
    return distances_mm(points, truth).mean(-1)


def distances_mm(points: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n"]:
    """Distance of each point [m] from its truth, nothing aligned."""
    return 1000 * (points - truth).norm(dim=-1)


def mpjpe_mm(joints: Float[Tensor, "*batch 21 3"], truth: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch"]:
    """Mean per-joint position error, relative to the wrist."""
    return camera_error_mm(_from_wrist(joints), _from_wrist(truth))


def mpvpe_mm(
    verts: Float[Tensor, "*batch verts 3"],
    truth: Float[Tensor, "*batch verts 3"],
    joints: Float[Tensor, "*batch 21 3"],
    true_joints: Float[Tensor, "*batch 21 3"],
) -> Float[Tensor, "*batch"]:
    """Mean per-vertex position error, relative to the wrist joint."""
    return camera_error_mm(relative_to(verts, joints[..., 0, :]), relative_to(truth, true_joints[..., 0, :]))


def mpvpe_from_origin_mm(
    verts: Float[Tensor, "*batch verts 3"],
    truth: Float[Tensor, "*batch verts 3"],
    wrist: Float[Tensor, "*batch 3"],
    true_wrist: Float[Tensor, "*batch 3"],
    rest_wrist: Float[Tensor, "*batch 3"],
    true_rest_wrist: Float[Tensor, "*batch 3"],
) -> Float[Tensor, "*batch"]:
    """Mean per-vertex position error, relative to MANO's origin (the paper's release).

    That origin is where `t_cam_root - J_0(beta)` puts it: it also counts the error of the rest wrist J_0.

    Args:
        verts: Mesh [m].
        truth: True mesh [m].
        wrist: Wrist joint, in the frame of `verts` [m].
        true_wrist: True wrist joint [m].
        rest_wrist: Wrist joint of the rest hand, in the model's frame [m].
        true_rest_wrist: That of the true rest hand [m].
    """
    return camera_error_mm(relative_to(verts, wrist - rest_wrist), relative_to(truth, true_wrist - true_rest_wrist))


def scale_aligned_mpjpe_mm(
    joints: Float[Tensor, "*batch 21 3"], truth: Float[Tensor, "*batch 21 3"]
) -> Float[Tensor, "*batch"]:
    """Mean per-joint position error, relative to the wrist, after the best scale."""
    joints, truth = _from_wrist(joints), _from_wrist(truth)
    return camera_error_mm(best_scale(joints, truth)[..., None, None] * joints, truth)


def procrustes_aligned_error_mm(
    points: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch n 3"]
) -> Float[Tensor, "*batch"]:
    """Mean distance after the best similarity transform: PA-MPJPE of joints, PA-MPVPE of vertices."""
    return camera_error_mm(procrustes(points, truth), truth)


def area_under_pck(distances: Float[Tensor, "*batch n"], limit_mm: float = 50.0) -> Float[Tensor, "*batch"]:
    """Area under the curve of the share of points closer than a threshold, over thresholds from 0 to the limit.

    Computed exactly, not from a list of thresholds. 1 is perfect.

    Args:
        distances: Of each point from its truth, however aligned [mm].
        limit_mm: Largest threshold.
    """
    return (1 - distances / limit_mm).clamp_min(0).mean(-1)


def f_scores(
    points: Float[Tensor, "*batch n 3"], truth: Float[Tensor, "*batch m 3"], thresholds_mm: Sequence[float]
) -> list[Float[Tensor, "*batch"]]:
    """Harmonic mean of precision and recall of two point sets (Knapitsch et al. 2017), nothing aligned.

    Args:
        points: Points [m].
        truth: True points [m].
        thresholds_mm: How near a point must be to one of the others; gives a score for each.
    """
    batch, limits = points.shape[:-2], np.asarray(thresholds_mm)[:, None]
    scores = []
    for found, true in zip(_flat(points), _flat(truth), strict=True):
        precision, recall = (
            (1000 * KDTree(b).query(a, distance_upper_bound=limits.max() / 1000 + 1e-6)[0] < limits).mean(-1)
            for a, b in ((found, true), (true, found))
        )
        scores.append(2 * precision * recall / np.maximum(precision + recall, 1e-9))
    return list(torch.from_numpy(np.stack(scores, -1)).to(points).unflatten(-1, batch or (1,)))


def _flat(points: Float[Tensor, "*batch n 3"]) -> Float[np.ndarray, "flat n 3"]:
    return points.detach().cpu().double().numpy().reshape(-1, *points.shape[-2:])


def mse_mano(shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Mean squared error of the shape coefficients (the paper's MSE_mano)."""
    return (shape - truth).square().mean(-1)


def shape_error(shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the shape coefficients: what the paper's confidence is taught to order."""
    return (shape - truth).abs().mean(-1)


def width_error_mm(
    shape: Float[Tensor, "*#batch n"], truth: Float[Tensor, "*#batch n"], hand: HandModel
) -> Float[Tensor, "*batch"]:
    """W-error: absolute error of the rest hand's distance from index to little MCP."""
    return (width_mm(hand, shape) - width_mm(hand, truth)).abs()


def length_error_mm(
    shape: Float[Tensor, "*#batch n"], truth: Float[Tensor, "*#batch n"], hand: HandModel
) -> Float[Tensor, "*batch"]:
    """L-error: absolute error of the rest hand's distance from wrist to middle fingertip."""
    return (length_mm(hand, shape) - length_mm(hand, truth)).abs()


def size_free_error_mm(
    shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"], hand: HandModel
) -> Float[Tensor, "*batch"]:
    """Mean vertex distance of the rest hands, relative to the wrist, after the best scale of the first."""
    rest, true_rest = hand.shaped(shape), hand.shaped(truth)
    verts = relative_to(rest.verts, rest.joints_16[..., 0, :])
    true_verts = relative_to(true_rest.verts, true_rest.joints_16[..., 0, :])
    return camera_error_mm(best_scale(verts, true_verts)[..., None, None] * verts, true_verts)


def rest_error_mm(
    shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"], hand: HandModel
) -> Float[Tensor, "*batch"]:
    """Mean vertex distance of the rest hands, relative to the wrist: what shape challenges compare."""
    rest, true_rest = hand.shaped(shape), hand.shaped(truth)
    return camera_error_mm(
        relative_to(rest.verts, rest.joints_16[..., 0, :]), relative_to(true_rest.verts, true_rest.joints_16[..., 0, :])
    )


def keypoint_error_px(
    keypoints: Float[Tensor, "*batch n 2"], truth: Float[Tensor, "*batch n 2"]
) -> Float[Tensor, "*batch"]:
    """Mean distance of the keypoints in the picture."""
    return (keypoints - truth).norm(dim=-1).mean(-1)


def hand_length(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch"]:
    """Length along the bones from the wrist to the middle fingertip [m]; bending the hand does not change it."""
    first = 1 + 4 * FINGERS.index("middle")
    chain = torch.cat([joints[..., :1, :], joints[..., first : first + 4, :]], -2)
    return chain.diff(dim=-2).norm(dim=-1).sum(-1)


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: Float[Tensor, "samples"],
    subject: Int[Tensor, "samples"],
    *,
    n: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean over people, and its percentile bootstrap interval (Efron 1979) over people.

    Pictures of one person are not independent, so people are drawn, not pictures, and each person counts once: the
    statistic is the mean over people of each person's mean. For a paired comparison pass the differences of the two
    methods on the same samples.

    Args:
        values: One value per sample.
        subject: Whose sample it is.
        n: Number of draws.
        seed: Of the draws: equal seeds and people give equal draws.
        level: Share of draws inside the interval.

    Raises:
        ValueError: No value, or a value that is not a number.
    """
    if len(values) == 0 or not values.isfinite().all():
        raise ValueError(f"expected finite values of one sample or more, got {int(values.isfinite().sum())} finite")
    _, person = subject.unique(return_inverse=True)
    people = int(person.max()) + 1
    sums = torch.zeros(people, dtype=torch.float64).index_add(0, person.cpu(), values.double().cpu())
    means = sums / person.cpu().bincount(minlength=people)
    drawn = torch.randint(people, (n, people), generator=torch.Generator().manual_seed(seed))
    tail = (1 - level) / 2
    low, high = means[drawn].mean(1).quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return Interval(means.mean().item(), low, high)


def _from_wrist(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 21 3"]:
    return relative_to(joints, joints[..., 0, :])
