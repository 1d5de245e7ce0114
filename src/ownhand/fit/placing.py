"""Where a hand of known size and pose is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.camera import Camera

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
