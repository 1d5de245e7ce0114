"""Where a hand of known size and pose is."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.geometry.card import Plane
from ownhand.hand.pose_prior import PosePrior
from ownhand.metrics import hand_length

BEFORE, BEFORE_SIGMA = 0.012, 0.008
"""How far the middle of a hand's joints lies before the plane of a card beside it, and the standard deviation of that
[m]: half the thickness of a hand that lies flat on the table with the card, give or take a bent finger."""

SHARED = 0.04
"""How much the errors of the places of different hands of one person go together, as a correlation: on the validation
people of OwnHand-ID the means of 100 single pictures vary by 0.2 standard deviations of one."""

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
    confidence: Float[Tensor, "*batch 21"],
    camera: Camera,
    prior: PosePrior,
) -> Float[Tensor, "*batch 3"]:
    """Correct where `place` puts a hand by what validation people taught, the hand's middle staying where it is seen.

    Poses and keypoints that err together put hands too far away on average, the more so the less sure they are, and
    keypoints that fall together put them anywhere. Crops are cut so that hands fill about the same part of them, which
    bounds the distance.

    Args:
        t_cam_root: From `place` [m].
        joints: As given to `place` [m].
        confidence: Of the keypoints.
        camera: Intrinsics of the crop.
        prior: With its `distance_bias` and `apparent_length`.

    Returns:
        t_cam_root [m].
    """
    ray = camera.crop_frame()[..., 2]
    distance = (t_cam_root * ray).sum(-1)
    wanted = distance * (-prior.distance_bias * prior.unsureness(confidence)).exp()
    if prior.apparent_length is not None:
        smallest, largest = prior.apparent_length
        fills = distance_at_which_it_fills(joints, camera)
        wanted = torch.clamp(wanted, fills / largest, fills / smallest)
    middle = joints.mean(-2)
    ahead = (middle * ray).sum(-1)
    stretch = (wanted + ahead) / (distance + ahead)
    return (middle + t_cam_root) * stretch[..., None] - middle


def place_covariance(
    t_cam_root: Float[Tensor, "*batch 3"],
    joints: Float[Tensor, "*batch 21 3"],
    by_shape: Float[Tensor, "*batch 21 3 shapes"],
    shape_covariance: Float[Tensor, "*#batch shapes shapes"],
    confidence: Float[Tensor, "*batch 21"],
    camera: Camera,
    prior: PosePrior,
) -> Float[Tensor, "*batch 3 3"]:
    """Covariance of a placed wrist, intrinsics taken for exact [m^2].

    What keypoints and poses get wrong together is as validation people taught: `distance_sigma` along the ray through
    the crop's centre and `across_sigma` across it. What is not known of the hand's shape moves it by the derivative of
    `place`, at residuals of zero: for weights W and derivatives J_t, J_b of the projections by t and shape,

        dt / db = -(J_t^T W J_t)^-1 J_t^T W J_b.

    Args:
        t_cam_root: Where it is [m].
        joints: Joints relative to the wrist, along the camera's axes [m].
        by_shape: Their derivatives by shape [m].
        shape_covariance: Of the shape's error.
        confidence: Of the keypoints.
        camera: Intrinsics of the crop.
        prior: With the errors of a place.

    Raises:
        ValueError: The prior does not know the errors of a place.
    """
    if prior.distance_sigma is None or prior.across_sigma is None:
        raise ValueError("expected a prior that knows the errors of a hand's place, got one without")
    points = (joints + t_cam_root[..., None, :]).double()
    seen = points[..., :2] / points[..., 2:]
    by_point = torch.cat([torch.eye(2).to(seen).expand(*seen.shape, 2), -seen[..., None]], -1) / points[..., 2:, None]
    weighted = by_point * (prior.sigma(confidence).double() ** -2)[..., None, None]
    precision = torch.einsum("...pia,...pib->...ab", weighted, by_point)
    moved = torch.einsum("...pia,...pib,...pbs->...as", weighted, by_point, by_shape.double())
    by_shape_of_all = torch.linalg.solve(precision, moved)
    of_shape = by_shape_of_all @ shape_covariance.double() @ by_shape_of_all.mT
    ray = camera.crop_frame()[..., 2].double()
    along = ray[..., :, None] * ray[..., None, :]
    unsure = prior.unsureness(confidence).double()
    distance = ((t_cam_root * camera.crop_frame()[..., 2]).sum(-1) * prior.distance_sigma * unsure).square()
    aside = (hand_length(joints) * prior.across_sigma * unsure).square()
    of_place = distance[..., None, None] * along + aside[..., None, None] * (torch.eye(3).to(along) - along)
    return (of_place + of_shape).to(t_cam_root.dtype)


def size_beside(
    card: Plane,
    middle: Float[Tensor, "pictures 3"],
    covariance: Float[Tensor, "pictures 3 3"],
    together: Float[Tensor, "pictures pictures"],
) -> tuple[float, float]:
    """How much larger a hand is than it was taken to be when it was placed, from cards that lie in its plane.

    A hand s times as large is seen where it is if it is s times as far away. Its middle x is then `BEFORE` in front of
    the card's plane m . x = 1:  s m . x = 1 - BEFORE |m|.

    Args:
        card: The cards' planes, all known.
        middle: Mean of the 21 joints where the hand was placed [m].
        covariance: Of the error of that place for a hand of the right size [m^2].
        together: How much the errors of two pictures' places go together; those of a person do by `SHARED` at least.

    Returns:
        Logarithm of the size, and its standard deviation; pictures weighted by their variances.
    """
    m, x = card.inverse.double(), middle.double()
    along, steepness = (m * x).sum(-1), m.norm(dim=-1)
    growth = (1 - BEFORE * steepness).log() - along.log()
    of_card = (x * (card.covariance.double() @ x[..., None])[..., 0]).sum(-1) / along.square()
    of_place = (m * (covariance.double() @ m[..., None])[..., 0]).sum(-1) / along.square()
    of_offset = (BEFORE_SIGMA * steepness / (1 - BEFORE * steepness)).square()
    weight = 1 / (of_card + of_place + of_offset)
    weight = weight / weight.sum()
    alike = together.double().clamp_min(SHARED).fill_diagonal_(1)
    scaled = weight * of_place.sqrt()
    variance = scaled @ alike @ scaled + weight.square() @ of_card + (weight @ of_offset.sqrt()).square()
    return float(weight @ growth), float(variance.sqrt())


def distance_at_which_it_fills(joints: Float[Tensor, "*batch 21 3"], camera: Camera) -> Float[Tensor, "*batch"]:
    """Where the hand's length, held straight across, covers the side of the picture [m]."""
    return hand_length(joints) * camera.focal / max(camera.size)
