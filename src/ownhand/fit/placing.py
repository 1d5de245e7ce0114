"""Where a hand of known size and pose is."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.hand.pose_prior import PosePrior
from ownhand.metrics import hand_length

NEAR = 0.01
"""No joint may come closer to the camera than this along the optical axis [m]."""


def place(
    joints: Float[Tensor, "*batch n 3"],
    keypoints: Float[Tensor, "*batch n 2"],
    confidence: Float[Tensor, "*batch n"],
    camera: Camera,
    *,
    rounds: int = 3,
) -> Float[Tensor, "*batch 3"]:
    """Where a hand of known size and pose is: the translation that makes its joints project onto the keypoints.

    The first guess is weak perspective: the depth at which the hand has its apparent size. Then a few rounds of
    Gauss-Newton on the reprojection error; where one would lead behind the camera, the first guess remains.

    Args:
        joints: Joints relative to the wrist, along the camera's axes [m].
        keypoints: Where they are seen [px].
        confidence: Weight of each squared error; 0 leaves a keypoint out, whatever its value.
        camera: Intrinsics.
        rounds: Gauss-Newton steps.

    Returns:
        t_cam_root [m], in front of the camera; NaN where fewer than two keypoints have confidence, all are at one
        place, or one with confidence is not finite.
    """
    used = confidence > 0
    keypoints = torch.where(used[..., None], keypoints, 0)
    X, weight = joints.double(), torch.where(used, confidence, 0).double()[..., None]
    xy = camera.to(torch.float64).rays(keypoints.double())[..., :2]
    total = weight.sum(-2, keepdim=True)

    def centred(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (weight * values).sum(-2, keepdim=True) / total
        return mean, (weight * (values - mean).square()).sum((-2, -1), keepdim=True).sqrt()

    (X_mean, _), (_, X_spread), (xy_mean, xy_spread) = centred(X), centred(X[..., :2]), centred(xy)
    distance = X_spread / xy_spread
    weak = torch.cat([xy_mean * distance, distance], -1) - X_mean
    weak[..., 2:] = torch.maximum(weak[..., 2:], NEAR - X[..., 2:].amin(-2, keepdim=True))
    t = weak
    for _ in range(rounds):
        points = X + t
        depth = points[..., 2:]
        seen = points[..., :2] / depth
        by_t = torch.cat([torch.eye(2).to(seen).expand(*seen.shape, 2), -seen[..., None]], -1) / depth[..., None]
        weighted = (by_t * weight[..., None]).flatten(-3, -2).mT
        error = (xy - seen).flatten(-2)[..., None]
        step = torch.linalg.solve_ex(weighted @ by_t.flatten(-3, -2), weighted @ error)[0].mT
        in_front = (points + step)[..., 2:].amin(-2, keepdim=True) > NEAR
        t = torch.where(in_front, t + step, weak)
    t = t[..., 0, :]
    known = (used.sum(-1) >= 2) & t.isfinite().all(-1)
    return torch.where(known[..., None], t, torch.nan).to(joints.dtype)


def register(
    joints: Float[Tensor, "*batch n 3"],
    keypoints: Float[Tensor, "*batch n 2"],
    confidence: Float[Tensor, "*batch n"],
    camera: Camera,
    *,
    rounds: int = 5,
) -> Float[Tensor, "*batch 3"]:
    """Where a hand is, by the adaptive 2D-1D registration of Chen et al. (2021), without silhouettes.

    Keypoints of a confidence up to 0.1 do not count. `place` is repeated without those whose error is more than a
    standard deviation above the mean, until the mean error is at most 2 px or fewer than 13 would be left.

    Args:
        joints: As in `place`, likewise the others; all keypoints that count, count alike.
        keypoints: Where they are seen [px].
        confidence: Of the keypoints.
        camera: Intrinsics.
        rounds: Placements at most.

    Returns:
        t_cam_root [m]; NaN where `place` has none.
    """
    used = (confidence > 0.1).to(joints.dtype)
    t = place(joints, keypoints, used, camera)
    for _ in range(rounds - 1):
        error = (camera.project(joints + t[..., None, :]) - keypoints).norm(dim=-1)
        count = used.sum(-1, keepdim=True)
        mean = (error * used).sum(-1, keepdim=True) / count
        spread = ((error - mean).square() * used).sum(-1, keepdim=True).div(count).sqrt()
        fewer = used * (error < mean + spread)
        again = (mean > 2) & (fewer.sum(-1, keepdim=True) >= 13)
        if not again.any():
            break
        used = torch.where(again, fewer, used)
        t = torch.where(again, place(joints, keypoints, used, camera), t)
    return t


def believe(
    t_cam_root: Float[Tensor, "*batch 3"],
    joints: Float[Tensor, "*batch 21 3"],
    camera: Camera,
    prior: PosePrior,
) -> Float[Tensor, "*batch 3"]:
    """Correct where `place` puts a hand by what validation people taught, the hand's middle staying where it is seen.

    Poses and keypoints that err together put hands too far away on average, and keypoints that fall together put them
    anywhere. Crops are cut so that hands fill about the same part of them, which bounds the distance.

    Args:
        t_cam_root: From `place` [m].
        joints: As given to `place` [m].
        camera: Intrinsics of the crop.
        prior: With its `distance_bias` and `apparent_length`.

    Returns:
        t_cam_root [m].
    """
    ray = camera.crop_frame()[..., 2]
    distance = (t_cam_root * ray).sum(-1)
    wanted = distance * math.exp(-prior.distance_bias)
    if prior.apparent_length is not None:
        smallest, largest = prior.apparent_length
        fills = distance_at_which_it_fills(joints, camera)
        wanted = torch.clamp(wanted, fills / largest, fills / smallest)
    middle = joints.mean(-2)
    ahead = (middle * ray).sum(-1)
    stretch = (wanted + ahead) / (distance + ahead)
    return (middle + t_cam_root) * stretch[..., None] - middle


def distance_at_which_it_fills(joints: Float[Tensor, "*batch 21 3"], camera: Camera) -> Float[Tensor, "*batch"]:
    """Where the hand's length, held straight across, covers the side of the picture [m]."""
    return hand_length(joints) * camera.focal / max(camera.size)
