"""What a camera does to where things are: the edge of its sensor, and fisheye pictures that are kept distorted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates

Array = np.ndarray

FILLS = ("black", "edge", "mirrored", "blurred")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lens:
    """A fisheye: light at the angle a off the axis falls at r = a + k1 a^3 + k2 a^5 [focal lengths].

    Kannala & Brandt 2006, "A generic camera model and calibration method". A crop is drawn through the pinhole that
    touches the fisheye at the crop's centre (`K`: same place, same derivative) and then moved to where the fisheye
    has it, so a kept-fisheye picture's K is that of the tangent camera only: exact at the centre, a few per cent of the
    hand's size off at its edge.

    Attributes:
        k1: Third-order coefficient.
        k2: Fifth-order coefficient.
        centre: Of the crop on the plane z = 1 `[2]`.
        scale: Pixels of the crop per focal length of the fisheye.
        size: Side of the crop [px].
    """

    k1: float
    k2: float
    centre: Float[Array, "2"] | None = None
    scale: float = 1.0
    size: int = 0

    def bent(self, flat: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """Points of the plane z = 1 to the fisheye's picture [focal lengths]."""
        rho = np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)
        angle = np.arctan(rho)
        return flat * (angle * (1 + self.k1 * angle**2 + self.k2 * angle**4) / rho)

    def straight(self, bent: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """The way back, for angles below 85 degrees (Newton)."""
        r = np.maximum(np.linalg.norm(bent, axis=-1, keepdims=True), 1e-6)
        angle = np.minimum(r, 1.0)
        for _ in range(6):
            value = angle * (1 + self.k1 * angle**2 + self.k2 * angle**4) - r
            angle = np.clip(angle - value / (1 + 3 * self.k1 * angle**2 + 5 * self.k2 * angle**4), 0, np.deg2rad(85))
        return bent * (np.tan(angle) / r)

    @property
    def K(self) -> Float[Array, "3 3"]:
        """Of the tangent camera [px]."""
        assert self.centre is not None
        rho = max(float(np.linalg.norm(self.centre)), 1e-3)
        angle = np.arctan(rho)
        r = angle * (1 + self.k1 * angle**2 + self.k2 * angle**4)
        slope = (1 + 3 * self.k1 * angle**2 + 5 * self.k2 * angle**4) / (1 + rho**2)
        outward = self.centre / rho
        J = self.scale * (r / rho * np.eye(2) + (slope - r / rho) * np.outer(outward, outward))
        K = np.eye(3)
        K[:2, :2], K[:2, 2] = J, self.size / 2 - J @ self.centre
        return K

    def distorted(self, pixels: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """Pixels of the tangent camera to pixels of the distorted picture."""
        flat = np.linalg.solve(self.K, np.c_[pixels, np.ones(len(pixels))].T).T[:, :2]
        assert self.centre is not None
        return (self.bent(flat) - self.bent(self.centre[None])) * self.scale + self.size / 2

    def sources(self) -> Float[Array, "size size 2"]:
        """Pixel of the tangent camera that each pixel's centre of the distorted picture shows."""
        assert self.centre is not None
        x, y = np.meshgrid(*[np.arange(self.size) + 0.5] * 2)
        bent = (np.stack([x, y], -1).reshape(-1, 2) - self.size / 2) / self.scale + self.bent(self.centre[None])
        flat = self.straight(bent)
        return (flat @ self.K[:2, :2].T + self.K[:2, 2]).reshape(self.size, self.size, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Device:
    """The camera of one crop, besides its pinhole.

    Attributes:
        kind: What it is: a key of `cameras.KINDS`.
        frame: Left, top, right and bottom of what the sensor sees, in pixels of the crop; may lie outside it.
        pixels: Pixels of the sensor per pixel of the crop; below 1 the crop is an enlargement.
        fill: How the crop is filled beyond the sensor's edge, one of `FILLS`.
        grey: Whether the sensor sees no colours.
        lens: Of a fisheye picture that is kept distorted.
    """

    kind: str
    frame: tuple[float, float, float, float]
    pixels: float = 1.0
    fill: str = "black"
    grey: bool = False
    lens: Lens | None = None

    def inside(self, keypoints: Float[Array, "n 2"]) -> Bool[Array, "n"]:
        """Whether the sensor sees pixels of the crop (where the picture has them: after `distorted`)."""
        return np.all((keypoints >= self.frame[:2]) & (keypoints < self.frame[2:]), axis=-1)

    def distorted(self, keypoints: Float[Array, "n 2"]) -> Float[Array, "n 2"]:
        """Where the picture has what `Camera.project` puts at `keypoints` [px]."""
        return keypoints if self.lens is None else self.lens.distorted(keypoints)

    def through_lens(self, image: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
        """The linear picture of the tangent camera as the lens has it."""
        if self.lens is None:
            return image
        rows, columns = np.moveaxis(self.lens.sources() - 0.5, -1, 0)[::-1]
        channels = [map_coordinates(image[..., c], [rows, columns], order=1, mode="nearest") for c in range(3)]
        return np.stack(channels, -1)

    def labels(self, values: Shaped[Array, "h w"]) -> Shaped[Array, "h w"]:
        """Dense labels as the picture has them: moved with it (nearest pixel), 0 beyond the sensor's edge."""
        if self.lens is not None:
            last = np.array(values.shape) - 1
            rows, columns = np.moveaxis(np.clip(self.lens.sources()[..., ::-1].astype(int), 0, last), -1, 0)
            values = values[rows, columns]
        if self.seen(values.shape) == 1:
            return values
        left, top, right, bottom = self._window(values.shape)
        out = np.zeros_like(values)
        out[top:bottom, left:right] = values[top:bottom, left:right]
        return out

    def framed(self, image: UInt8[Array, "h w 3"]) -> UInt8[Array, "h w 3"]:
        """The finished picture with what lies beyond the sensor's edge filled in."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._window(image.shape)
        if self.seen(image.shape) in (0, 1):
            return image
        seen = image[top:bottom, left:right]
        around = ((top, height - bottom), (left, width - right), (0, 0))
        if self.fill == "edge":
            return np.pad(seen, around, mode="edge")
        if self.fill == "mirrored":
            return np.pad(seen, around, mode="symmetric")
        out = np.zeros_like(image)
        if self.fill == "blurred":
            large = Image.fromarray(seen).resize((width, height), Image.Resampling.BILINEAR)
            out = np.array(large.filter(ImageFilter.GaussianBlur(width / 16)))
        out[top:bottom, left:right] = seen
        return out

    def seen(self, size: tuple[int, ...]) -> float:
        """Share of a crop of `size` (height, width) that the sensor sees."""
        left, top, right, bottom = self._window(size)
        return max(right - left, 0) * max(bottom - top, 0) / (size[0] * size[1])

    def _window(self, size: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the pixels whose centres the sensor sees."""
        low = np.ceil(np.array(self.frame) - 0.5)
        left, top, right, bottom = np.clip(low, 0, [size[1], size[0]] * 2).astype(int).tolist()
        return left, top, right, bottom
