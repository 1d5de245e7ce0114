"""Cropping: one affine map moves pixels, keypoints and intrinsics together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.structs import TensorStruct


def rotation(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 2 2"]:
    """Turns picture coordinates by `angle` [rad], from x towards y (clockwise as seen)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


@dataclass(frozen=True, kw_only=True)
class Crop(TensorStruct):
    """A similarity from picture pixels to crop pixels.

    Attributes:
        T_crop_image: Affine map in homogeneous pixels; last row 0 0 1.
        size: Height and width of the crop [px].
    """

    T_crop_image: Float[Tensor, "*batch 3 3"]
    size: tuple[int, int]

    @classmethod
    def square(
        cls,
        centre: Float[Tensor, "*batch 2"],
        side: Float[Tensor, "*batch"],
        size: int,
        angle: Float[Tensor, "*batch"] | None = None,
    ) -> Crop:
        """The square of `side` [px] around `centre` [px], resampled to `size` x `size`.

        Args:
            centre: Centre of the square in the picture.
            side: Side of the square in the picture.
            size: Side of the crop.
            angle: Rotation of the content about the centre [rad], from x towards y (clockwise as seen).
        """
        linear = (size / side)[..., None, None] * rotation(torch.zeros_like(side) if angle is None else angle)
        offset = size / 2 - (linear @ centre[..., None])[..., 0]
        T = torch.zeros(*side.shape, 3, 3, dtype=side.dtype, device=side.device)
        T[..., :2, :2], T[..., :2, 2], T[..., 2, 2] = linear, offset, 1
        return cls(T_crop_image=T, size=(size, size))

    @classmethod
    def around_keypoints(
        cls,
        keypoints: Float[Tensor, "*batch n 2"],
        size: int,
        scale: float | Float[Tensor, "*batch"] = 2.0,
        visible: Bool[Tensor, "*batch n"] | None = None,
        angle: Float[Tensor, "*batch"] | None = None,
        shift: Float[Tensor, "*batch 2"] | None = None,
        smallest: float | Float[Tensor, "*batch"] = 1.0,
    ) -> Crop:
        """The paper's crop: centred on the keypoints' box, side = `scale` x its larger side (Kong et al. 2022).

        Args:
            keypoints: Keypoints in the picture [px].
            size: Side of the crop [px].
            scale: Side of the square relative to the larger side of the box.
            visible: Keypoints to use; all when None.
            angle: Rotation of the content as in `square`; the box is then that of the turned keypoints.
            shift: Displacement of the square along the picture's axes, in shares of its side.
            smallest: The box counts as at least this large [px].
        """
        turn = None if angle is None else rotation(angle)
        turned = keypoints if turn is None else keypoints @ turn.mT
        if visible is None:
            low, high = turned.amin(-2), turned.amax(-2)
        else:
            far = torch.full_like(turned, torch.inf)
            low = torch.where(visible[..., None], turned, far).amin(-2)
            high = torch.where(visible[..., None], turned, -far).amax(-2)
        centre, side = (low + high) / 2, scale * (high - low).amax(-1).clamp_min(smallest)
        if turn is not None:
            centre = (turn.mT @ centre[..., None])[..., 0]
        return cls.square(centre if shift is None else centre + shift * side[..., None], side, size, angle)

    def keypoints(self, keypoints: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 2"]:
        """Picture pixels to crop pixels."""
        return keypoints @ self.T_crop_image[..., :2, :2].mT + self.T_crop_image[..., None, :2, 2]

    def camera(self, camera: Camera) -> Camera:
        """The camera that would have taken the crop (K is not upper triangular if the crop rotates)."""
        return Camera(K=self.T_crop_image @ camera.K, size=self.size)

    def inverse(self, size: tuple[int, int]) -> Crop:
        """From crop pixels back to the picture of `size`."""
        return Crop(T_crop_image=torch.linalg.inv(self.T_crop_image), size=size)

    def image(
        self,
        image: Float[Tensor, "*batch c h w"],
        padding: str = "zeros",
        mode: str = "bilinear",
        shrink: int | None = None,
    ) -> Float[Tensor, "*batch c h2 w2"]:
        """Resample a picture, after averaging down by whole factors where the crop shrinks it.

        Args:
            image: The picture.
            padding: What lies outside, `zeros` or `border` (as torch's `grid_sample`).
            mode: `bilinear` or, for labels, `nearest`.
            shrink: Factor by which to average down first; None: the largest that suits every crop of the batch.
        """
        batch, (channels, height, width) = image.shape[:-3], image.shape[-3:]
        flat = image.reshape(-1, channels, height, width)
        T_image_crop = torch.linalg.inv(self.T_crop_image.double()).to(image.dtype)
        T_image_crop = T_image_crop.expand(*batch, 3, 3).reshape(-1, 3, 3)
        if shrink is None:
            shrink = int(torch.linalg.det(T_image_crop[:, :2, :2]).abs().sqrt().min().clamp_min(1).item() + 1e-3)
        if shrink > 1:
            flat = F.avg_pool2d(flat, shrink, ceil_mode=True, count_include_pad=False)
        source_height, source_width = flat.shape[-2] * shrink, flat.shape[-1] * shrink
        # grid_sample's coordinates run from -1 to 1 between outer edges. Sums are ten times as fast as `affine_grid`.
        to_grid = T_image_crop.new_tensor([[2 / source_width, 0, -1], [0, 2 / source_height, -1]])
        along_x, along_y, start = (to_grid @ T_image_crop)[:, None, None].unbind(-1)
        ys, xs = (torch.arange(n, dtype=image.dtype, device=image.device) + 0.5 for n in self.size)
        grid = xs[:, None] * along_x + (ys[:, None, None] * along_y + start)
        out = F.grid_sample(flat, grid, mode=mode, padding_mode=padding, align_corners=False)
        return out.reshape(*batch, channels, *self.size)
