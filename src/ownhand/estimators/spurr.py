"""Spurr et al. (2020), Weakly Supervised 3D Hand Pose Estimation via Biomechanical Constraints: joints, no mesh.

A heatmap and a depth map per joint (2.5D), depths relative to the wrist's in units of one bone (Iqbal et al. 2018).
With the intrinsics, that bone's length fixes where the wrist is, in closed form. A small network then corrects that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import (
    Auxiliary,
    HandBuffers,
    HandEstimator,
    Prediction,
    at_least_float32,
    full_precision,
)
from ownhand.estimators.biomechanics import Biomechanics
from ownhand.estimators.decoder import Decoder
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import JOINTS

BONE = JOINTS.index("index_mcp"), JOINTS.index("index_pip")
"""The bone whose length is the unit."""


@dataclass(frozen=True, kw_only=True)
class SpurrConfig:
    """A `Spurr`.

    Attributes:
        backbone: See `Backbone`; the paper's are ResNet-50 and HRNet-W32.
        pretrained: Start from ImageNet weights.
        width: Channels of the decoder.
        hidden: Units of the network that corrects the wrist's depth.
    """

    backbone: str | dict[str, Any] = "resnet-50"
    pretrained: bool = False
    width: int = 256
    hidden: int = 128
    kind: Literal["spurr"] = field(default="spurr", init=False)


class Spurr(HandEstimator):
    """The 21 joints seen from the wrist, and in the picture; no mesh.

    The unit is the mean hand's bone, or the person's if the shape is given. Depths are along the ray through the crop's
    centre.

    Args:
        config: What to build.
        hand: Says how long the bone is.

    Raises:
        ValueError: See `Backbone`.
    """

    def __init__(self, config: SpurrConfig, hand: HandModel):
        super().__init__()
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        self.decoder = Decoder(self.backbone.channels, config.width)
        self.head = nn.Conv2d(config.width, 2 * 21, 1)
        self.correct = nn.Sequential(
            nn.Linear(3 * 21 + 1, config.hidden), nn.LeakyReLU(0.1), nn.Linear(config.hidden, 1)
        )
        nn.init.normal_(self.correct[-1].weight, std=1e-3)  # pyright: ignore
        nn.init.zeros_(self.correct[-1].bias)  # pyright: ignore
        self.biomechanics = Biomechanics()
        self.auxiliary = None
        self.hand = HandBuffers(hand)

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        logits, depths = at_least_float32(self.head(self.decoder(self.backbone(image).maps))).chunk(2, 1)
        with full_precision(logits):
            (rows, cols), (height, width) = logits.shape[-2:], camera.size
            probability = logits.flatten(-2).softmax(-1).unflatten(-1, (rows, cols))
            x = probability.sum(-2) @ (torch.arange(cols).to(logits) + 0.5) * (width / cols)
            y = probability.sum(-1) @ (torch.arange(rows).to(logits) + 0.5) * (height / rows)
            keypoints = torch.stack([x, y], -1)
            relative = (probability * depths).sum((-2, -1))
            relative = relative - relative[:, :1]
            R = camera.crop_frame().to(logits)
            rays = camera.rays(keypoints) @ R
            rays = rays / rays[..., 2:].clamp_min(1e-3)
            first = root_depth(rays, relative)
            seen = torch.cat([rays[..., :2].flatten(1), relative, first[:, None]], -1)
            root = first + self.correct(seen)[:, 0]
            joints = (root[:, None] + relative)[..., None] * rays
            unit, length = self._lengths(shape, joints)
            joints = (joints - joints[:, :1]) * unit @ R.mT
        prediction = Prediction(
            joints=joints,
            keypoints=keypoints,
            keypoint_confidence=probability.flatten(-2).amax(-1),
            keypoint_depth=relative * (unit / length)[..., 0],
        )
        return prediction, Auxiliary(biomechanics=self.biomechanics(joints / unit))

    def prepare(self, joints: Float[Tensor, "hands 21 3"], shape: Float[Tensor, "hands shapes"] | None) -> None:
        """Limits of what is penalised."""
        self.biomechanics.learn((joints - joints[:, :1]) / self._lengths(shape, joints)[0])

    def _lengths(self, shape: Float[Tensor, "batch shapes"] | None, like: Tensor) -> Float[Tensor, "2 batch 1 1"]:
        """Of the bone, and of the hand from the wrist along the middle finger [m]."""
        hand = self.hand()
        if shape is None:
            shape = like.new_zeros(len(like), hand.shape_basis.shape[-1])
        rest = hand.shaped(shape.to(like)).joints
        bone = (rest[:, BONE[0]] - rest[:, BONE[1]]).norm(dim=-1)
        along = rest[:, [0, 9, 10, 11, 12]].diff(dim=1).norm(dim=-1).sum(-1)
        return torch.stack([bone, along])[..., None, None]


def root_depth(rays: Float[Tensor, "*batch 21 3"], relative: Float[Tensor, "*batch 21"]) -> Float[Tensor, "*batch"]:
    """Depth of the wrist in bone lengths: where the back-projected bone has length 1.

    With joint j at (Z + z_j) x_j the bone is Z (x_a - x_b) + z_a x_a - z_b x_b, which gives a quadratic equation for Z;
    its larger root is the hand before the camera. Where there is none, the bone is as long as it can be.

    Args:
        rays: Viewing rays x_j of the joints, scaled to z = 1.
        relative: Depths z_j less the wrist's [bone lengths].
    """
    a, b = BONE
    d = rays[..., a, :] - rays[..., b, :]
    e = relative[..., a, None] * rays[..., a, :] - relative[..., b, None] * rays[..., b, :]
    square, half, rest = d.square().sum(-1), (d * e).sum(-1), e.square().sum(-1) - 1
    square = square.clamp_min(1e-8)
    return ((half.square() - square * rest).clamp_min(1e-12).sqrt() - half) / square
