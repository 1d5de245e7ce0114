"""What lenses do to pictures, and how to undo it.

A lens moves points of the plane z = 1 of the camera frame before the intrinsics make pixels of them. Two models are
known, with the names and the order of coefficients that OpenCV gives them: its own (Brown 1966, with the rational
radial factor of Claus & Fitzgibbon 2005 in OpenCV's form) and fisheyes (Kannala & Brandt 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.structs import TensorStruct

LensModel = Literal["opencv", "fisheye"]

COUNTS: dict[LensModel, tuple[int, ...]] = {"opencv": (4, 5, 8), "fisheye": (4,)}
"""How many coefficients a model may have."""

FARTHEST = math.radians(85)
"""Angle off the axis beyond which nothing is undistorted: the plane z = 1 ends at 90 degrees [rad]."""

WIDEST = math.tan(math.radians(60))
"""How far an undistorted picture reaches on the plane z = 1 at most: beyond, pinholes smear everything."""

_STEPS = 30
_CLOSE = 1e-9
"""Error on the distorted plane with which a point counts as undistorted; a millionth of a pixel or so."""


class LensError(ValueError):
    """Coefficients that are no lens; the message says why, in one sentence."""


@dataclass(frozen=True, kw_only=True)
class Lens(TensorStruct):
    """The distortion of a lens.

    Attributes:
        model: `opencv`, with r^2 = x^2 + y^2,

                x' = x c + 2 p1 x y + p2 (r^2 + 2 x^2),
                y' = y c + p1 (r^2 + 2 y^2) + 2 p2 x y,
                c = (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6);

            `fisheye`: light at the angle a off the axis falls at a (1 + k1 a^2 + k2 a^4 + k3 a^6 + k4 a^8).
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6]], or k1 k2 k3 k4 of a fisheye.
    """

    model: LensModel
    coefficients: Float[Tensor, "n"]

    def __post_init__(self) -> None:
        counts = COUNTS[self.model]
        if len(self.coefficients) not in counts or not self.coefficients.isfinite().all():
            wanted = " or ".join(map(str, counts))
            raise LensError(
                f"expected {wanted} finite coefficients of the lens model {self.model!r}, "
                f"got {self.coefficients.tolist()}"
            )

    def distort(self, points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """Where the lens puts points of the plane z = 1, on the same plane."""
        square = points.square().sum(-1)
        bent = points * self._radial(square)[0][..., None]
        if self.model == "opencv":
            q = self._tangential.to(points)
            bent = bent + q * square[..., None] + 2 * (points @ q)[..., None] * points
        return bent

    def jacobian(self, points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2 2"]:
        """Derivatives of `distort` by the points."""
        outer, eye = points[..., :, None] * points[..., None, :], torch.eye(2).to(points)
        factor, slope = self._radial(points.square().sum(-1))
        jacobian = factor[..., None, None] * eye + 2 * slope[..., None, None] * outer
        if self.model == "opencv":
            q = self._tangential.to(points)
            crossed = q[:, None] * points[..., None, :]
            jacobian = jacobian + 2 * (crossed + crossed.mT + (points @ q)[..., None, None] * eye)
        return jacobian

    def undistort(self, points: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        """The points of the plane z = 1 that the lens puts here: the way back of `distort`, in float64 inside.

        NaN where there is none nearer than `FARTHEST` to the axis, or none before the distortion folds.
        """
        given, limit = points.double(), math.tan(self.farthest)
        lens = self.to(torch.float64)
        if self.model == "fisheye":
            radius = given.norm(dim=-1, keepdim=True)
            angle = radius.clamp(max=self.farthest)
            for _ in range(_STEPS):
                value, slope = _angle_seen(lens.coefficients, angle)
                angle = (angle - (value - radius) / slope.clamp_min(1e-6)).clamp(0, self.farthest)
            found = given * torch.where(radius > 0, angle.tan() / radius, 1)
        else:
            found = given
            for _ in range(_STEPS):
                missing = (given - lens.distort(found))[..., None]
                step = torch.linalg.solve_ex(lens.jacobian(found), missing)[0][..., 0]
                found = found + step
                found = found * (limit / found.norm(dim=-1, keepdim=True).clamp_min(limit))
        met = (lens.distort(found) - given).abs().amax(-1) < _CLOSE
        seen = met & (torch.linalg.det(lens.jacobian(found)) > 0)
        return torch.where(seen[..., None], found, torch.nan).to(points.dtype)

    @property
    def farthest(self) -> float:
        """Angle off the axis up to which points farther out are also seen farther out, at most `FARTHEST` [rad].

        That is where the radial part folds.
        """
        lens = self.to(torch.float64)
        angle = torch.linspace(0, FARTHEST, 4001, dtype=torch.float64)[1:]
        if self.model == "fisheye":
            grows = _angle_seen(lens.coefficients, angle)[1] > 0
        else:
            square = angle.tan().square()
            factor, slope = lens._radial(square)
            grows = (factor + 2 * square * slope > 0) & (factor > 0)
        folds = (~grows).nonzero()
        return FARTHEST if len(folds) == 0 else float(angle[max(int(folds[0, 0]) - 1, 0)])

    @property
    def _tangential(self) -> Float[Tensor, "2"]:
        """q with the tangential part q r^2 + 2 (q . x) x: OpenCV counts p1 along y."""
        return self.coefficients[[3, 2]]

    def _radial(self, square: Float[Tensor, "*batch"]) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
        """Factor of the radial part at r^2, and its derivative by r^2."""
        k = torch.nn.functional.pad(self.coefficients, (0, 8 - len(self.coefficients))).to(square)
        if self.model == "opencv":
            s = square
            over, by_over = 1 + s * (k[0] + s * (k[1] + s * k[4])), k[0] + s * (2 * k[1] + 3 * s * k[4])
            under, by_under = 1 + s * (k[5] + s * (k[6] + s * k[7])), k[5] + s * (2 * k[6] + 3 * s * k[7])
            return over / under, (by_over - over / under * by_under) / under
        near = square < 1e-8
        s = square.where(~near, 1)
        radius = s.sqrt()
        value, slope = _angle_seen(k[:4], radius.atan())
        factor = value / radius
        return (
            torch.where(near, 1 + (k[0] - 1 / 3) * square, factor),
            torch.where(near, k[0] - 1 / 3, (slope / (1 + s) - factor) / (2 * s)),
        )


def _angle_seen(k: Float[Tensor, "4"], angle: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
    """How far off the centre a fisheye puts light at an angle [focal lengths], and the derivative by the angle."""
    s = angle.square()
    value = angle * (1 + s * (k[0] + s * (k[1] + s * (k[2] + s * k[3]))))
    return value, 1 + s * (3 * k[0] + s * (5 * k[1] + s * (7 * k[2] + s * 9 * k[3])))


@dataclass(frozen=True, kw_only=True)
class Undistortion(TensorStruct):
    """A picture as a lens made it, and as a pinhole would have.

    Attributes:
        lens: The lens.
        camera: K and size of the picture as it came.
        pinhole: The same focal length, without the lens; its picture holds all of the other up to `WIDEST`.
    """

    lens: Lens
    camera: Camera
    pinhole: Camera

    @classmethod
    def of(cls, lens: Lens, camera: Camera) -> Undistortion:
        """What undoes a lens.

        Args:
            lens: The lens.
            camera: K and size of the picture as it came.

        Raises:
            LensError: The distortion folds inside the picture: what is seen there comes from two places.
        """
        camera = camera.to(torch.float64)
        height, width = camera.size
        along, down = torch.meshgrid(
            *(torch.linspace(0, n, 65, dtype=torch.float64) for n in (width, height)), indexing="xy"
        )
        pixels = torch.stack([along, down], -1).reshape(-1, 2)
        bent = camera.rays(pixels)[:, :2]
        seen = lens.undistort(bent)
        lost = seen.isnan().any(-1)
        if lost.any() and lens.farthest < FARTHEST:
            nearest = (pixels[lost] - camera.K[:2, 2]).norm(dim=-1).min()
            raise LensError(
                f"expected a distortion that is one to one over the whole picture of {width} x {height} px, but the "
                f"model {lens.model!r} with {lens.coefficients.tolist()} folds {math.degrees(lens.farthest):.0f} "
                f"degrees off the axis, {nearest:.0f} px from the principal point"
            )
        if lost.all():
            raise LensError("expected a picture that a pinhole could take, but it looks more than 85 degrees aside")
        far = torch.nn.functional.normalize(bent, dim=-1) * 100
        seen = torch.where(lost[:, None], far, seen).clamp(-WIDEST, WIDEST)
        ends = camera.project(torch.cat([seen, torch.ones_like(seen[:, :1])], -1))
        low, high = (ends.amin(0) + 1e-3).floor(), (ends.amax(0) - 1e-3).ceil()
        shift = torch.eye(3, dtype=torch.float64)
        shift[:2, 2] = -low
        size = (int(high[1] - low[1]), int(high[0] - low[0]))
        return cls(lens=lens, camera=camera, pinhole=Camera(K=shift @ camera.K, size=size)).to(torch.float64)

    def to_picture(self, pixels: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the pinhole's picture to those of the picture as it came.

        What lies beyond `Lens.farthest` is taken to lie there.
        """
        points, limit = _on_plane(self.pinhole, pixels), math.tan(self.lens.farthest)
        within = points * (limit / points.norm(dim=-1, keepdim=True).clamp_min(limit))
        return _pixels(self.camera, self.lens.distort(within)).to(pixels.dtype)

    def to_pinhole(self, pixels: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """Pixels of the picture as it came to those of the pinhole's; NaN where `Lens.undistort` knows none."""
        return _pixels(self.pinhole, self.lens.undistort(_on_plane(self.camera, pixels))).to(pixels.dtype)

    def image(self, image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h2 w2"]:
        """The pinhole's picture; black where the picture as it came shows nothing."""
        return F.grid_sample(image[None], self._grid.to(image), align_corners=False)[0]

    @cached_property
    def _grid(self) -> Float[Tensor, "1 h w 2"]:
        """Where the pinhole's pixels are in the picture as it came, as `grid_sample` counts."""
        height, width = self.pinhole.size
        ys, xs = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        pixels = torch.stack([xs, ys], -1)
        grid = self.to_picture(pixels) / torch.tensor(self.camera.size).flip(0) * 2 - 1
        beyond = _on_plane(self.pinhole, pixels).norm(dim=-1) > math.tan(self.lens.farthest)
        return torch.where(beyond[..., None], -10, grid)[None]


def _on_plane(camera: Camera, pixels: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
    """Pixels to points of the plane z = 1, of a camera whose K has last row 0 0 1; in float64."""
    K = camera.K.double()
    return (pixels.double() - K[:2, 2]) @ torch.linalg.inv(K[:2, :2]).mT


def _pixels(camera: Camera, points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
    """The way back."""
    K = camera.K.double()
    return points @ K[:2, :2].mT + K[:2, 2]
