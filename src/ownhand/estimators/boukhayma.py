"""Boukhayma et al. (2019), 3D Hand Shape and Pose from Images in the Wild: a hand straight from a ResNet.

One linear layer gives 22 numbers: scale and translation of a weak-perspective camera, the hand's orientation as axis
times angle, 6 pose components and 10 shape coefficients. Retrained as in Kong et al. (2022), with losses on the mesh.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import (
    UNIT,
    Auxiliary,
    HandBuffers,
    HandEstimator,
    Prediction,
    at_least_float32,
    full_precision,
)
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel, HandPose

PUBLISHED_MEAN = (545.0, 128.0, 128.0)
"""What the published network adds to its scale [px per m] and translation [px]; its pictures are 256 px wide."""

PUBLISHED_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class BoukhaymaConfig:
    """A `Boukhayma`.

    Attributes:
        backbone: See `Backbone`; the paper's is ResNet-34.
        pretrained: Start from ImageNet weights.
        components: Pose components.
        published: As it was released: the orientation is in the camera frame, and features are pooled over 7 x 7 cells.
            Otherwise it is as seen along the ray through the crop's centre (`RegressorConfig.ray_aligned`).
    """

    backbone: str | dict[str, Any] = "resnet-34"
    pretrained: bool = False
    components: int = 6
    published: bool = False
    kind: Literal["boukhayma"] = field(default="boukhayma", init=False)


class Boukhayma(HandEstimator):
    """Pose and shape of a hand, the wrist at the origin, and keypoints by its own weak-perspective camera.

    Args:
        config: What to build.
        hand: A hand model with pose components.

    Raises:
        ValueError: See `Backbone`; the hand model has too few components.
    """

    def __init__(self, config: BoukhaymaConfig, hand: HandModel):
        super().__init__()
        if len(hand.pose_components) < config.components:
            raise ValueError(f"expected {config.components} pose components, the hand has {len(hand.pose_components)}")
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        self.head = nn.Linear(self.backbone.channels[-1], 6 + config.components + hand.shape_basis.shape[-1])
        nn.init.normal_(self.head.weight, std=1e-3)
        nn.init.zeros_(self.head.bias)
        self.auxiliary = None
        self.hand = HandBuffers(hand)

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        """Looks at no shape that it is given."""
        features = self.backbone(image)
        pooled = features.maps[-1][..., :7, :7].mean((-2, -1)) if self.config.published else features.pooled
        numbers = at_least_float32(self.head(pooled))
        with full_precision(numbers):
            hand, n = self.hand(), self.config.components
            scale, move, turn, bend, shape = numbers.tensor_split([1, 3, 6, 6 + n], -1)
            R_cam_root = roma.rotvec_to_rotmat(turn)
            seen = HandPose(
                R_cam_root=R_cam_root,
                R_parent_joint=hand.rotations_from_pca(bend),
                t_cam_root=torch.zeros_like(turn),
            )
            posed = hand.shaped(shape).posed(seen)
            size = numbers.new_tensor([camera.size[1], camera.size[0]])
            plane = (1 + scale[:, None]) * posed.joints[..., :2] / UNIT + move[:, None]
            pose = seen
            if not self.config.published:
                R = camera.crop_frame().to(R_cam_root)
                pose = replace(seen, R_cam_root=R @ R_cam_root)
                posed = replace(posed, joints=posed.joints @ R.mT, verts=posed.verts @ R.mT)
        keypoints = (0.5 + plane) * size
        said = Prediction(pose=pose, shape=shape, joints=posed.joints, verts=posed.verts, keypoints=keypoints)
        return said, Auxiliary()


def load_published(path: str | Path, hand: HandModel) -> Boukhayma:
    """The authors' released network, for pictures alone, in the form of ours.

    Its orientation is in the camera frame, and MANO's joints and pose components are those that it was trained with.

    Args:
        path: Their file: a dictionary of tensors in the names of torchvision's ResNet-34, `fc` with 22 rows. Nothing
            else in it is read, and nothing is executed.
        hand: MANO.

    Raises:
        ValueError: The file does not hold that network.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {name.removeprefix("module."): x for name, x in found.items() if isinstance(x, Tensor)}
    except Exception as error:  # torch raises of many kinds
        raise ValueError(f"{path}: expected a file of tensors ({type(error).__name__})") from None
    estimator = Boukhayma(BoukhaymaConfig(published=True), hand)
    ours, renamed = estimator.state_dict(), {}
    for name, x in tensors.items():
        if (new := _our_name(name)) in ours:
            renamed[new] = x.float()
    # Theirs: scale x + move, in px of 256; ours: (1 + scale) x / UNIT + move, in sides, from the middle.
    if {"head.weight", "head.bias"} <= renamed.keys() and renamed["head.bias"].shape == ours["head.bias"].shape:
        factor = torch.ones(len(renamed["head.bias"]))
        factor[0], factor[1:3] = UNIT / PUBLISHED_SIZE, 1 / PUBLISHED_SIZE
        offset = torch.zeros_like(factor)
        offset[:3] = torch.tensor(PUBLISHED_MEAN) * factor[:3] - torch.tensor([1, 0.5, 0.5])
        renamed["head.weight"] = factor[:, None] * renamed["head.weight"]
        renamed["head.bias"] = factor * renamed["head.bias"] + offset
    wrong = [name for name in ours if name not in renamed or renamed[name].shape != ours[name].shape]
    if wrong:
        raise ValueError(f"{path}: expected a ResNet-34 with 22 outputs, but {', '.join(wrong[:3])} is not as expected")
    estimator.load_state_dict(renamed)
    return estimator.eval()


def _our_name(name: str) -> str:
    """From torchvision's names of a ResNet with basic blocks to ours."""
    rules = {
        r"^conv1\.": "backbone._body.embedder.embedder.convolution.",
        r"^bn1\.": "backbone._body.embedder.embedder.normalization.",
        r"^fc\.": "head.",
    }
    for pattern, new in rules.items():
        if re.match(pattern, name):
            return re.sub(pattern, new, name)
    found = re.match(r"^layer(\d)\.(\d)\.(?:(conv|bn)(\d)|downsample\.(\d))\.(\w+)$", name)
    if not found:
        return name
    stage, block, part, number, down, rest = found.groups()
    start = f"backbone._body.encoder.stages.{int(stage) - 1}.layers.{block}"
    if down is not None:
        return f"{start}.shortcut.{('convolution', 'normalization')[int(down)]}.{rest}"
    return f"{start}.layer.{int(number) - 1}.{'convolution' if part == 'conv' else 'normalization'}.{rest}"
