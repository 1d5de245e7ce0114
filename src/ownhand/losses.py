"""Losses: pure functions, one value per sample, and the one place where they are summed.

Lengths are compared relative to the wrist, in units of 0.2 m (`UNIT`). The paper takes them relative to the origin of
MANO's rest frame, which adds the same error to all vertices of a hand when its shape is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from ownhand import metrics
from ownhand.data.sample import HandSample
from ownhand.estimators.base import UNIT, Auxiliary, Level, Prediction, full_precision
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel, HandPose
from ownhand.structs import given

PAPER = {"verts": 1.0, "normals": 0.1, "edges": 1.0, "pose": 1.0, "shape": 1.0}
"""Weights of Kong et al. (2022); without `shape` where the shape is given."""

DENSE = {"heatmaps": 0.1, "parts": 0.3, "depth": 1.0}
"""Weights to add where dense truth teaches the backbone: there, the three gradients are about equally strong."""

KEYPOINTS = {"heatmaps": 1.0, "keypoints": 10.0, "keypoint_depth": 1.0}
"""Weights of the keypoint network."""

BOUKHAYMA = {"verts": 1.0, "normals": 0.1, "edges": 1.0, "keypoints": 1.0}
"""Weights of Boukhayma et al. (2019) retrained by Kong et al. (2022); keypoints teach its own camera."""

SPURR = {"keypoints": 5.0, "keypoint_depth": 5.0, "joints": 1.0, "bone_lengths": 0.1, "palm": 0.1, "angles": 0.01}
"""Weights of Spurr et al. (2020); joints teach the wrist's depth."""

METRO = {"verts": 0.5, "levels": 0.5, "joints": 1.0, "side_joints": 1.0, "keypoints": 1.0}
"""Weights of Lin et al. (2021); keypoints by absolute instead of squared error."""

CMR_PG = {"verts": 1.0, "levels": 1.0, "masks": 10.0, "normals": 0.1, "edges": 1.0}
"""Weights of Chen et al. (2021)."""

CONFIDENCE = {"rank_shape": 1.0, "rank_size_free": 1.0}
"""Weights of the confidence predictor. The two scores share nothing, so the weights do not matter."""


SIDE = {"side": 1.0}
"""Weights of what tells left from right."""


def training_loss(
    prediction: Prediction,
    auxiliary: Auxiliary,
    sample: HandSample,
    hand: HandModel,
    weights: Mapping[str, float] = PAPER,
) -> dict[str, Float[Tensor, "batch"]]:
    """Every term named in `weights`, unweighted, and their weighted sum as `total`.

    Args:
        prediction: What the estimator said.
        auxiliary: What it said in training only.
        sample: The truth.
        hand: The hand model of both.
        weights: Weight of each term.

    Returns:
        One value per sample of each term.

    Raises:
        ValueError: A weight has no term, or a term needs what the prediction or the sample lacks.
    """

    @cache
    def true_verts() -> Tensor:
        at_origin = replace(given(sample.pose, "sample.pose"), t_cam_root=torch.zeros_like(sample.joints[..., 0, :]))
        return hand.shaped(given(sample.shape, "sample.shape")).posed(at_origin).verts

    def verts() -> Tensor:
        joints = given(prediction.joints, "prediction.joints")
        return given(prediction.verts, "prediction.verts") - joints[..., :1, :]

    def score(i: int) -> Tensor:
        return given(prediction.scores, "prediction.scores")[..., i]

    def shapes() -> tuple[Tensor, Tensor]:
        return given(prediction.shape, "prediction.shape"), given(sample.shape, "sample.shape")

    def biomechanics(i: int) -> Tensor:
        return given(auxiliary.biomechanics, "auxiliary.biomechanics")[..., i]

    size = sample.camera.size
    terms: dict[str, Callable[[], Tensor]] = {
        "verts": lambda: vertex_loss(verts(), true_verts()),
        "normals": lambda: normal_loss(verts(), true_verts(), hand.faces),
        "edges": lambda: edge_loss(verts(), true_verts(), hand.faces),
        "levels": lambda: level_loss(auxiliary.levels, true_verts()),
        "joints": lambda: joint_loss(given(prediction.joints, "prediction.joints"), sample.joints),
        "side_joints": lambda: joint_loss(given(auxiliary.joints, "auxiliary.joints"), sample.joints),
        "bone_lengths": lambda: biomechanics(0),
        "palm": lambda: biomechanics(1),
        "angles": lambda: biomechanics(2),
        "masks": lambda: mask_loss(given(auxiliary.masks, "auxiliary.masks"), sample.keypoints, size),
        "pose": lambda: pose_loss(given(prediction.pose, "prediction.pose"), given(sample.pose, "sample.pose")),
        "shape": lambda: shape_loss(*shapes()),
        "heatmaps": lambda: heatmap_loss(
            given(auxiliary.heatmap_logits, "auxiliary.heatmap_logits"), sample.keypoints, size
        ),
        "keypoints": lambda: keypoint_loss(given(prediction.keypoints, "prediction.keypoints"), sample.keypoints, size),
        "keypoint_depth": lambda: keypoint_depth_loss(
            given(prediction.keypoint_depth, "prediction.keypoint_depth"), sample.joints, sample.camera
        ),
        "side": lambda: F.softplus(-given(auxiliary.side_logit, "auxiliary.side_logit")),
        "parts": lambda: part_loss(
            given(auxiliary.part_logits, "auxiliary.part_logits"), given(sample.labels, "sample.labels")
        ),
        "depth": lambda: depth_loss(
            given(auxiliary.depth, "auxiliary.depth"),
            given(sample.depth, "sample.depth"),
            sample.joints,
            sample.camera,
        ),
        "rank_shape": lambda: ranking_loss(score(0), metrics.shape_error(*shapes())),
        "rank_size_free": lambda: ranking_loss(
            score(1), metrics.size_free_error_mm(*shapes(), hand), given(sample.subject, "sample.subject")
        ),
    }
    if unknown := weights.keys() - terms.keys():
        raise ValueError(f"no loss is named {', '.join(sorted(unknown))}: expected some of {', '.join(terms)}")
    with full_precision(sample.joints):
        values = {name: terms[name]() for name in weights}
        total = torch.stack([weight * values[name] for name, weight in weights.items()]).sum(0)
    return values | {"total": total}


T = TypeVar("T")


def vertex_loss(
    verts: Float[Tensor, "*batch verts 3"], truth: Float[Tensor, "*batch verts 3"]
) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the vertices' coordinates, relative to the wrist [0.2 m]."""
    return (verts - truth).abs().mean((-2, -1)) / UNIT


def level_loss(levels: Sequence[Level], truth: Float[Tensor, "*batch verts 3"]) -> Float[Tensor, "*batch"]:
    """`vertex_loss` of all coarser meshes, summed; `truth` is the finest, relative to the wrist [m]."""
    if not levels:
        raise ValueError("expected coarser meshes, got none")
    return torch.stack([vertex_loss(level.verts, truth[..., level.vertices, :]) for level in levels]).sum(0)


def joint_loss(joints: Float[Tensor, "*batch 21 3"], truth: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch"]:
    """Mean squared error of the joints' coordinates, relative to the wrist [0.2 m, squared]."""
    error = (joints - joints[..., :1, :]) - (truth - truth[..., :1, :])
    return (error / UNIT).square().mean((-2, -1))


def normal_loss(
    verts: Float[Tensor, "*batch verts 3"], truth: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "*batch"]:
    """Mean absolute cosine between each edge of a face and the face's true normal (Wang et al. 2018)."""
    edges, true_edges = _edges(verts, faces), _edges(truth, faces)
    normals = torch.linalg.cross(true_edges[..., :1, :], true_edges[..., 1:2, :], dim=-3)
    cosine = (edges * normals).sum(-3) / (_lengths(edges) * _lengths(normals))
    return cosine.abs().mean((-2, -1))


def edge_loss(
    verts: Float[Tensor, "*batch verts 3"], truth: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the lengths of all faces' edges [0.2 m]."""
    error = _lengths(_edges(verts, faces)) - _lengths(_edges(truth, faces))
    return error.abs().mean((-2, -1)) / UNIT


def _edges(verts: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"]) -> Float[Tensor, "*batch 3 3 faces"]:
    """The three edges of each face. Their x, y, z lead: sums over a last axis of three are slow."""
    corners = verts.mT.index_select(-1, faces.T.flatten()).unflatten(-1, (3, -1))
    return corners.roll(-1, -2) - corners


def _lengths(vectors: Float[Tensor, "*batch 3 n faces"]) -> Float[Tensor, "*batch n faces"]:
    return vectors.square().sum(-3).clamp_min(1e-24).sqrt()


def pose_loss(pose: HandPose, truth: HandPose) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the 16 rotations in the 6D representation (Zhou et al. 2019)."""
    root = (pose.R_cam_root - truth.R_cam_root)[..., None, :, :2]
    rest = (pose.R_parent_joint - truth.R_parent_joint)[..., :2]
    return torch.cat([root, rest], -3).abs().mean((-3, -2, -1))


def shape_loss(shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the shape coefficients [standard deviations]."""
    return (shape - truth).abs().mean(-1)


def heatmap_target(
    cells: Float[Tensor, "*batch 2"], rows: int, cols: int, sigma: float
) -> Float[Tensor, "*batch rows cols"]:
    """A probability for each cell: a Gaussian around the joint; what of it lies outside the map is spread evenly.

    So a joint outside the picture teaches the network to be unsure.

    Args:
        cells: Where the joint is, x and y [cells].
        rows: Height of the map.
        cols: Width of the map.
        sigma: Standard deviation [cells].
    """

    def share(n: int, at: Tensor) -> Tensor:
        borders = torch.arange(n + 1, device=at.device, dtype=at.dtype)
        return torch.special.ndtr((borders - at[..., None]) / sigma).diff(dim=-1)

    inside = share(rows, cells[..., 1])[..., :, None] * share(cols, cells[..., 0])[..., None, :]
    outside = 1 - inside.sum((-2, -1), keepdim=True)
    return inside + outside.clamp_min(0) / (rows * cols)


def heatmap_loss(
    logits: Float[Tensor, "*batch joints rows cols"],
    keypoints: Float[Tensor, "*batch joints 2"],
    size: tuple[int, int],
    sigma: float = 1.0,
) -> Float[Tensor, "*batch"]:
    """Cross-entropy between each joint's softmaxed heatmap and its target, less the least possible (KL divergence).

    Args:
        logits: The heatmaps.
        keypoints: Where the joints are [px].
        size: Height and width of the picture [px].
        sigma: Standard deviation of the target [cells].
    """
    rows, cols = logits.shape[-2:]
    target = heatmap_target(keypoints * keypoints.new_tensor([cols / size[1], rows / size[0]]), rows, cols, sigma)
    log_probability = logits.flatten(-2).log_softmax(-1)
    divergence = torch.special.xlogy(target, target).flatten(-2) - target.flatten(-2) * log_probability
    return divergence.sum(-1).mean(-1)


def mask_loss(
    logits: Float[Tensor, "*batch sets 21 rows cols"],
    keypoints: Float[Tensor, "*batch 21 2"],
    size: tuple[int, int],
    sigma: float = 1.0,
) -> Float[Tensor, "*batch"]:
    """Binary cross-entropy between sigmoids and Gaussians of height 1 around the joints; sets are summed.

    Args:
        logits: Before the sigmoid.
        keypoints: Where the joints are [px].
        size: Height and width of the picture [px].
        sigma: Standard deviation of the target [cells].
    """
    rows, cols = logits.shape[-2:]
    cells = keypoints * keypoints.new_tensor([cols / size[1], rows / size[0]])

    def bump(n: int, at: Tensor) -> Tensor:
        places = torch.arange(n, device=logits.device) + 0.5
        return (-(places - at[..., None]).square() / (2 * sigma**2)).exp()

    target = bump(rows, cells[..., 1])[..., :, None] * bump(cols, cells[..., 0])[..., None, :]
    target = target[..., None, :, :, :].expand_as(logits)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return loss.mean((-3, -2, -1)).sum(-1)


def keypoint_loss(
    keypoints: Float[Tensor, "*batch joints 2"], truth: Float[Tensor, "*batch joints 2"], size: tuple[int, int]
) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the keypoints that lie in the picture [sides of the picture]."""
    extent = truth.new_tensor([size[1], size[0]])
    inside = ((truth >= 0) & (truth <= extent)).all(-1)
    error = ((keypoints - truth) / extent).abs().mean(-1)
    return _masked_mean(error, inside)


def keypoint_depth_loss(
    depth: Float[Tensor, "*batch 21"], joints: Float[Tensor, "*batch 21 3"], camera: Camera
) -> Float[Tensor, "*batch"]:
    """Mean absolute error of the joints' depths relative to the wrist [lengths of the hand].

    Args:
        depth: Predicted, along the ray through the picture's centre.
        joints: True joints, camera frame [m].
        camera: Intrinsics of the picture.
    """
    along = _along_central_ray(joints, camera)
    return (depth - (along - along[..., :1]) / metrics.hand_length(joints)[..., None]).abs().mean(-1)


def part_loss(
    logits: Float[Tensor, "*batch classes rows cols"], labels: Shaped[Tensor, "*batch h w"]
) -> Float[Tensor, "*batch"]:
    """Mean cross-entropy of the part labels at the cells' centres."""
    target = _at_cells(labels, logits.shape[-2:]).long()
    log_probability = logits.log_softmax(-3)
    return -log_probability.gather(-3, target[..., None, :, :]).mean((-3, -2, -1))


def depth_loss(
    depth: Float[Tensor, "*batch rows cols"],
    truth: Float[Tensor, "*batch h w"],
    joints: Float[Tensor, "*batch 21 3"],
    camera: Camera,
) -> Float[Tensor, "*batch"]:
    """Mean absolute error, where the hand is, of its depth relative to the wrist [lengths of the hand].

    Args:
        depth: Predicted, along the ray through the picture's centre.
        truth: Depth along the optical axis [mm], 0 where no hand is.
        joints: True joints, camera frame [m].
        camera: Intrinsics of the picture.
    """
    (rows, cols), (height, width) = depth.shape[-2:], camera.size
    ys, xs = (torch.arange(n).to(depth) + 0.5 for n in (rows, cols))
    x, y = torch.meshgrid(xs * (width / cols), ys * (height / rows), indexing="xy")
    pixels = torch.stack([x, y], -1).flatten(0, 1).expand(*joints.shape[:-2], rows * cols, 2)
    truth = _at_cells(truth, (rows, cols)).flatten(-2) / 1000
    along = _along_central_ray(camera.unproject(pixels, truth), camera)
    wrist = _along_central_ray(joints[..., :1, :], camera)
    relative = (along - wrist) / metrics.hand_length(joints)[..., None]
    return _masked_mean((depth.flatten(-2) - relative).abs(), truth > 0)


def _along_central_ray(points: Float[Tensor, "*batch n 3"], camera: Camera) -> Float[Tensor, "*batch n"]:
    return (points @ camera.crop_frame()[..., 2:])[..., 0]


def ranking_loss(
    score: Float[Tensor, "batch"],
    error: Float[Tensor, "batch"],
    group: Int[Tensor, "batch"] | None = None,
    margin: float = 1.0,
) -> Float[Tensor, "batch"]:
    """Margin ranking loss over all pairs: a smaller error should score higher, by `margin` at least.

    Args:
        score: Predicted.
        error: What orders the samples.
        group: Compare only within a group (a person); over the whole batch when None.
        margin: How much higher.

    Returns:
        Each sample's share; their mean over the batch is the mean over the pairs.
    """
    better = (error[None, :] - error[:, None]).sign()
    compared = better != 0
    if group is not None:
        compared &= group[None, :] == group[:, None]
    loss = (margin - better * (score[:, None] - score[None, :])).clamp_min(0) * compared
    return loss.sum(-1) * len(score) / compared.sum().clamp_min(1)


def _at_cells(picture: Shaped[Tensor, "*batch h w"], cells: tuple[int, ...]) -> Shaped[Tensor, "*batch rows cols"]:
    """The pixels nearest to the centres of coarser cells."""
    flat = picture.reshape(-1, 1, *picture.shape[-2:]).float()
    return F.interpolate(flat, size=tuple(cells), mode="nearest-exact").reshape(*picture.shape[:-2], *cells)


def _masked_mean(values: Float[Tensor, "*batch n"], mask: Shaped[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    return (values * mask).sum(-1) / mask.sum(-1).clamp_min(1)
