"""The pinhole camera: the one place where frames and pixels are defined.

Camera frame: OpenCV (x right, y down, z forward), metres. Pixel (0, 0) is the image's top-left *corner*, so the
centre of the first pixel is (0.5, 0.5). Intrinsics that put pixel centres at whole numbers (OpenCV files) enter through
`Camera.from_integer_centres`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class Camera(TensorStruct):
    """Intrinsics of a picture.

    Attributes:
        K: Maps camera-frame points to homogeneous pixels [px]. Usually upper triangular.
        size: Height and width of the picture [px].
    """

    K: Float[Tensor, "*batch 3 3"]
    size: tuple[int, int]

    @classmethod
    def from_fov(cls, fov_deg: float, size: tuple[int, int]) -> Camera:
        """A camera with square pixels and a centred principal point.

        Args:
            fov_deg: Field of view along the longer side [degrees].
            size: Height and width [px].

        Raises:
            ValueError: The field of view is not between 0 and 180 degrees.
        """
        if not 0 < fov_deg < 180:
            raise ValueError(f"expected a field of view between 0 and 180 degrees, got {fov_deg}")
        height, width = size
        focal = max(size) / 2 / math.tan(math.radians(fov_deg) / 2)
        return cls(K=torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]), size=size)

    @classmethod
    def from_integer_centres(cls, K: Float[Tensor, "*batch 3 3"], size: tuple[int, int]) -> Camera:
        """From intrinsics whose pixel centres are whole numbers (OpenCV): the principal point moves by +0.5 px."""
        shift = torch.eye(3, dtype=K.dtype, device=K.device)
        shift[:2, 2] = 0.5
        return cls(K=shift @ K, size=size)

    @property
    def focal(self) -> Float[Tensor, "*batch"]:
        """Geometric mean of the two focal lengths [px]."""
        return torch.linalg.det(self.K[..., :2, :2]).abs().sqrt()

    def project(self, points: Float[Tensor, "*#batch n 3"]) -> Float[Tensor, "*#batch n 2"]:
        """Camera-frame points [m] to pixels. Points behind the camera give mirrored pixels."""
        homogeneous = points @ self.K.mT
        return homogeneous[..., :2] / homogeneous[..., 2:]

    def rays(self, pixels: Float[Tensor, "*batch n 2"]) -> Float[Tensor, "*batch n 3"]:
        """Viewing rays through pixels, scaled to z = 1."""
        homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        rays = torch.linalg.solve(self.K, homogeneous.mT).mT
        return rays / rays[..., 2:]

    def unproject(
        self, pixels: Float[Tensor, "*batch n 2"], depth: Float[Tensor, "*batch n"]
    ) -> Float[Tensor, "*batch n 3"]:
        """The camera-frame points [m] at `depth` [m, along z] seen at `pixels`."""
        return self.rays(pixels) * depth[..., None]

    def crop_frame(self) -> Float[Tensor, "*batch 3 3"]:
        """The frame in which the picture looks as if taken straight ahead, as R_cam_crop.

        Its z axis is the ray through the picture's centre, its x axis points to the picture's right. A crop off the
        axis, or a rotated one, shows what lies in this frame, not in the camera's.
        """
        height, width = self.size
        centre = self.K.new_tensor([width / 2, height / 2, 1])
        K_inverse = torch.linalg.inv(self.K)
        z = torch.nn.functional.normalize(K_inverse @ centre, dim=-1)
        right = K_inverse[..., 0]
        x = torch.nn.functional.normalize(right - (right * z).sum(-1, keepdim=True) * z, dim=-1)
        return torch.stack([x, torch.linalg.cross(z, x), z], -1)


@dataclass(frozen=True, kw_only=True)
class Placement(TensorStruct):
    """Where the cameras of some pictures stood, and which pictures were taken at one instant.

    Attributes:
        R_cam_world, t_cam_world: From a frame that all cameras of an instant share to the camera's [m].
        instant: The same number for pictures of one instant; those of others say nothing of each other.
    """

    R_cam_world: Float[Tensor, "*batch 3 3"]
    t_cam_world: Float[Tensor, "*batch 3"]
    instant: Int[Tensor, "*batch"]
