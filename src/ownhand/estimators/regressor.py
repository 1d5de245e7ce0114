"""The paper's network (Kong et al. 2022): a picture's feature -> joint rotations, and with or without the shape."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import (
    Auxiliary,
    FeatureEstimator,
    Features,
    HandBuffers,
    Prediction,
    at_least_float32,
    full_precision,
)
from ownhand.estimators.decoder import AuxiliaryDecoder
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel, HandPose

Variant = Literal["baseline", "identity", "conditioned"]


@dataclass(frozen=True, kw_only=True)
class RegressorConfig:
    """A `Regressor`.

    Attributes:
        variant: `baseline` predicts the shape; `identity` is given it, and puts it into the hand model only (both the
            paper's); `conditioned` also shows it to the pose head.
        backbone: See `Backbone`.
        pretrained: Start from ImageNet weights.
        widths: Hidden layers of every head.
        steps: Refinement steps of the pose.
        ray_aligned: Predict the hand's orientation as seen along the ray through the crop's centre, upright in the
            crop, and turn it into the camera frame with the intrinsics. Otherwise (the paper) a picture is taken
            to show the orientation in the camera frame wherever it was cropped, which holds for no rotated crop.
        auxiliary: Channels of the dense decoder that teaches the backbone in training; 0 for none.
    """

    variant: Variant = "baseline"
    backbone: str | dict[str, Any] = "resnet-18-half"
    pretrained: bool = False
    widths: tuple[int, ...] = (512, 256, 128)
    steps: int = 3
    ray_aligned: bool = True
    auxiliary: int = 0
    kind: Literal["regressor"] = field(default="regressor", init=False)


class Regressor(FeatureEstimator):
    """Pose, and for the baseline shape, of a hand whose wrist it leaves at the origin.

    Args:
        config: What to build.
        hand: Turns pose and shape into joints and mesh.

    Raises:
        ValueError: See `Backbone`.
    """

    def __init__(self, config: RegressorConfig, hand: HandModel):
        super().__init__()
        shapes = hand.shape_basis.shape[-1]
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        channels = self.backbone.channels[-1]
        seen = channels + shapes if config.variant == "conditioned" else channels
        self.pose_head = PoseHead(seen, config.widths, config.steps)
        self.shape_head = _mlp(channels, config.widths, shapes) if config.variant == "baseline" else None
        self.auxiliary = AuxiliaryDecoder(self.backbone.channels, config.auxiliary) if config.auxiliary else None
        self.hand = HandBuffers(hand)

    @property
    def hand_id(self) -> str:
        return self.hand().id

    @property
    def feature_channels(self) -> int:
        return self.backbone.channels[-1]

    def encode(self, image: Float[Tensor, "batch 3 h w"]) -> Features:
        return self.backbone(image)

    def predict(
        self, features: Features, camera: Camera, shape: Float[Tensor, "batch shapes"] | None = None
    ) -> Prediction:
        """The baseline looks at no shape that it is given."""
        seen = features.pooled
        if self.shape_head is not None:
            shape = at_least_float32(self.shape_head(seen))
        elif shape is None:
            raise ValueError(f"the {self.config.variant} regressor needs the person's shape, got None")
        if self.config.variant == "conditioned":
            seen = torch.cat([seen, shape.to(seen)], -1)
        R = self.pose_head(seen)
        with full_precision(R):
            R_cam_root = R[:, 0]
            if self.config.ray_aligned:
                R_cam_root = camera.crop_frame().to(R) @ R_cam_root
            pose = HandPose(R_cam_root=R_cam_root, R_parent_joint=R[:, 1:], t_cam_root=torch.zeros_like(R[:, 0, 0]))
            posed = self.hand().shaped(shape).posed(pose)
        return Prediction(pose=pose, shape=shape, joints=posed.joints, verts=posed.verts)

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        features = self.encode(image)
        auxiliary = Auxiliary() if self.auxiliary is None else self.auxiliary(features.maps)
        return self.predict(features, camera, shape), auxiliary


class PoseHead(nn.Module):
    """Refines 16 rotations step by step, each step by a rotation multiplied onto the last.

    Each step sees the feature and the current rotations in the 6D representation (Zhou et al. 2019: the first two
    columns). It starts as the identity: its last layer is zero and is added to the identity's 6D.
    """

    def __init__(self, features: int, widths: tuple[int, ...], steps: int):
        super().__init__()
        self.steps = nn.ModuleList(_mlp(features + 96, widths, 96) for _ in range(steps))

    def forward(self, feature: Float[Tensor, "batch features"]) -> Float[Tensor, "batch 16 3 3"]:
        eye = torch.eye(3, device=feature.device, dtype=torch.promote_types(feature.dtype, torch.float32))
        R = eye.expand(feature.shape[0], 16, 3, 3)
        for step in self.steps:
            seen = torch.cat([feature, R[..., :2].flatten(1).to(feature)], -1)
            offset = at_least_float32(step(seen)).unflatten(-1, (16, 3, 2))
            with full_precision(R):
                R = roma.special_gramschmidt(eye[:, :2] + offset, epsilon=1e-6) @ R  # pyright: ignore
        return R


def _mlp(inputs: int, widths: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Linear layers with leaky ReLU between them; the last one starts at zero.

    Plain ReLU dies in the shape head: a picture says so little about shape that noise drives every unit out of reach.
    """
    sizes = (inputs, *widths)
    layers: list[nn.Module] = []
    for before, after in zip(sizes, widths, strict=False):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.1)]
    last = nn.Linear(sizes[-1], outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
