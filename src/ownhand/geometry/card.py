"""A bank card in a picture: from its four corners to the plane in which it lies, with error bars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.structs import TensorStruct

LONG, SHORT = 0.08560, 0.05398
"""Sides of a bank card, ISO/IEC 7810 format ID-1 [m]."""

CORNER_SIGMA = 1.0
"""Standard deviation of x and y of a clicked corner [px]."""

NO_CARD = 30.0
"""Squared error of the corners, in units of `CORNER_SIGMA`, above which they are those of no card: two degrees of
freedom are left, so that one card in a few millions has more."""

UNCLEAR = 0.01
"""Probability of the less likely side being the long one above which that counts as unknown."""

_LEVER = np.array([[-LONG, -SHORT], [LONG, -SHORT], [LONG, SHORT], [-LONG, SHORT]]) / 2
_Array = np.ndarray


class CardError(ValueError):
    """Corners that are no card's; the message says why, in one sentence."""


@dataclass(frozen=True, kw_only=True)
class Plane(TensorStruct):
    """A plane before the camera, not through it.

    Attributes:
        inverse: m with m . x = 1 for every point x of the plane, camera frame [1/m]; NaN if there is none.
        covariance: Of its error [1/m^2].
    """

    inverse: Float[Tensor, "*batch 3"]
    covariance: Float[Tensor, "*batch 3 3"]

    @classmethod
    def unknown(cls) -> Plane:
        """For a picture without one."""
        return cls(inverse=torch.full((3,), torch.nan), covariance=torch.full((3, 3), torch.nan))

    def mirrored(self) -> Plane:
        """In the mirrored camera frame, x reversed."""
        flip = self.inverse.new_tensor([-1.0, 1.0, 1.0])
        return Plane(inverse=self.inverse * flip, covariance=self.covariance * flip[:, None] * flip)


def card_plane(corners: Float[Tensor, "4 2"], camera: Camera, sigma: float = CORNER_SIGMA) -> Plane:
    """The plane of a bank card, from its four corners.

    The pose that fits the corners best (least squares on the reprojection error), from the homography's decomposition
    (Zhang 2000). A small card has up to four that fit: either side may be the long one, and the plane may lean towards
    either side of the line of sight (Collins & Bartoli 2014). All are tried, and those that fit count by how well.

    Args:
        corners: In any order [px].
        camera: Intrinsics.
        sigma: Standard deviation of x and y of each corner [px].

    Raises:
        CardError: The corners are no convex quadrangle, not those of a card, or which side is the long one is unclear.
    """
    pixels = _ordered(corners)
    rays = camera.to(torch.float64).rays(torch.from_numpy(pixels))[:, :2].numpy()
    K = camera.K.double().numpy()
    solutions = []
    for long_first in (True, False):
        seen = rays if long_first else np.roll(rays, 1, 0)
        wanted = pixels if long_first else np.roll(pixels, 1, 0)
        for start in _starts(seen):
            solutions.append((long_first, *_fitted(start, wanted, K, sigma)))
    least = min(square for _, square, _, _ in solutions)
    if not least < NO_CARD:
        raise CardError(
            "expected the corners of a bank card, but they miss the best one by "
            f"{math.sqrt(least / 8) * sigma:.1f} px: check the corners, and the intrinsics"
        )
    weights = np.array([math.exp((least - square) / 2) for _, square, _, _ in solutions])
    # Starts that end in the same minimum are one solution.
    for i in range(len(solutions)):
        for j in range(i):
            if np.abs(solutions[i][2] - solutions[j][2]).max() < 1e-3 * np.abs(solutions[j][2]).max():
                weights[i] = 0
    weights = weights / weights.sum()
    first = sum(w for w, (long_first, *_) in zip(weights, solutions, strict=True) if long_first)
    if min(first, 1 - first) > UNCLEAR:
        raise CardError(
            "expected a card that is seen large enough to tell its long side, but both fit: take a picture nearer by, "
            "or more from above"
        )
    means, spreads = np.stack([m for _, _, m, _ in solutions]), np.stack([c for *_, c in solutions])
    mean = weights @ means
    apart = means - mean
    covariance = np.einsum("k,kij->ij", weights, spreads + apart[:, :, None] * apart[:, None])
    return Plane(inverse=torch.from_numpy(mean).float(), covariance=torch.from_numpy(covariance).float())


def _ordered(corners: Float[Tensor, "4 2"]) -> _Array:
    """Counter-clockwise around their middle, as x and y count."""
    points = corners.double().numpy()
    if not np.isfinite(points).all():
        raise CardError("expected four corners of a card as finite numbers")
    around = points - points.mean(0)
    points = points[np.argsort(np.arctan2(around[:, 1], around[:, 0]))]
    edges = np.roll(points, -1, 0) - points
    turns = edges[:, 0] * np.roll(edges, -1, 0)[:, 1] - edges[:, 1] * np.roll(edges, -1, 0)[:, 0]
    if not (turns > 1).all():  # a square pixel twice
        raise CardError(f"expected four corners around a card, got {corners.tolist()}")
    return points


def _starts(rays: _Array) -> list[tuple[_Array, _Array]]:
    """Rotation and translation of the card from the homography, and those of the plane leaning the other way."""
    rows = []
    for (X, Y), (x, y) in zip(_LEVER, rays, strict=True):
        rows += [[X, Y, 1, 0, 0, 0, -x * X, -x * Y, -x], [0, 0, 0, X, Y, 1, -y * X, -y * Y, -y]]
    H = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    H = H / (np.sign(H[2, 2]) * math.sqrt(np.linalg.norm(H[:, 0]) * np.linalg.norm(H[:, 1])))
    t, line = H[:, 2], H[:, 2] / np.linalg.norm(H[:, 2])
    U, _, V = np.linalg.svd(np.stack([H[:, 0], H[:, 1], np.cross(H[:, 0], H[:, 1])], 1))
    R = U @ np.diag([1, 1, np.linalg.det(U @ V)]) @ V
    other = (np.eye(3) - 2 * np.outer(line, line)) @ R @ np.diag([1, 1, -1])
    return [(R, t), (other, t)]


def _fitted(start: tuple[_Array, _Array], pixels: _Array, K: _Array, sigma: float) -> tuple[float, _Array, _Array]:
    """Squared error, and inverse of the plane with its covariance, of the best pose near one."""
    R_start, t_start = start
    size = np.linalg.norm(t_start)
    points = np.c_[_LEVER, np.zeros(4)]

    def pose(step: _Array) -> tuple[_Array, _Array]:
        return Rotation.from_rotvec(step[:3]).as_matrix() @ R_start, t_start + step[3:] * size

    def residuals(step: _Array) -> _Array:
        R, t = pose(step)
        seen = (points @ R.T + t) @ K.T
        return ((seen[:, :2] / np.maximum(seen[:, 2:], 1e-6) - pixels) / sigma).ravel()

    def inverse(step: _Array) -> _Array:
        R, t = pose(step)
        return R[:, 2] / (R[:, 2] @ t)

    found = least_squares(residuals, np.zeros(6), method="lm", x_scale=0.1)
    h = 1e-6
    by_step = np.stack([(inverse(found.x + h * e) - inverse(found.x - h * e)) / (2 * h) for e in np.eye(6)], 1)
    covariance = by_step @ np.linalg.pinv(found.jac.T @ found.jac) @ by_step.T
    return float(2 * found.cost), inverse(found.x), covariance
