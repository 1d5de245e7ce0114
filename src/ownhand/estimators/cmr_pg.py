"""CMR-PG (Chen et al. 2021, Camera-Space Hand Mesh Recovery via Semantic Aggregation and Adaptive 2D-1D Registration).

Three ResNets in a row: the first two say where the joints are in the picture, the last one, which sees these maps and
those of pairs of fingertips, says what hand it is. Spiral convolutions turn that into a mesh, coarse to fine. Where
the hand is before the camera follows from `fit.register`. The silhouette that the authors also teach is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import (
    UNIT,
    Auxiliary,
    HandBuffers,
    HandEstimator,
    Level,
    Prediction,
    at_least_float32,
    full_precision,
)
from ownhand.geometry.camera import Camera
from ownhand.hand.levels import MeshLevels
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import TIPS_21

PAIRS = tuple(combinations(TIPS_21, 2))
"""Pairs of fingertips whose maps the third stage sees together."""


@dataclass(frozen=True, kw_only=True)
class CmrPgConfig:
    """A `CmrPg`.

    Attributes:
        backbone: Of each stage: a ResNet of `Backbone`; the paper's is ResNet-18.
        pretrained: Start from ImageNet weights.
        levels: Vertices of the coarser meshes, from fine to coarse.
        widths: Channels of each level that is decoded, from coarse to fine: one more than there are between levels.
        feature: Length of the vector from which the mesh is decoded.
        spiral: Length of the spirals.
        identity: Whether every vertex also sees where it is in the person's rest hand, whose shape must then be given.
    """

    backbone: str | dict[str, Any] = "resnet-18"
    pretrained: bool = False
    levels: tuple[int, ...] = (389, 195, 98, 49)
    widths: tuple[int, ...] = (512, 256, 128, 64)
    feature: int = 1000
    spiral: int = 27
    identity: bool = False
    kind: Literal["cmr_pg"] = field(default="cmr_pg", init=False)


class CmrPg(HandEstimator):
    """Mesh and joints seen from the wrist, and keypoints in the picture; no pose, no shape.

    The mesh is predicted as seen along the ray through the crop's centre, and turned into the camera frame.

    Args:
        config: What to build.
        hand: The hand model whose mesh is predicted.

    Raises:
        ValueError: See `Backbone`; it is no ResNet; the mesh cannot be made so coarse; widths and levels disagree.
    """

    def __init__(self, config: CmrPgConfig, hand: HandModel):
        super().__init__()
        if len(config.widths) != len(config.levels):
            raise ValueError(f"expected as many widths as coarser levels, got {config.widths} and {config.levels}")
        first = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=first.config, pretrained=False)
        if first.config["model_type"] != "resnet":
            raise ValueError(f"expected a ResNet for CMR-PG, got {first.config['model_type']}")
        self.first = first
        later = [Backbone(config.backbone, pretrained=config.pretrained) for _ in range(2)]
        stem, channels = first.config.get("embedding_size", 64), first.channels
        self.reduce = nn.ModuleList(_reduce(stem + maps, stem) for maps in (21, 21 + len(PAIRS)))
        self.later = nn.ModuleList(backbone._body.encoder for backbone in later)
        self.decoders = nn.ModuleList(HeatmapDecoder(channels) for _ in range(3))
        self.feature = nn.Linear(channels[-1], config.feature)
        self.attention = SelfAttention(config.feature)
        levels = MeshLevels.of(hand, config.levels)
        self.levels = levels
        self.start = nn.Linear(config.feature, config.levels[-1] * config.widths[0])
        extra = 3 if config.identity else 0
        inputs = [config.widths[0], *(width + 3 for width in config.widths[:-1])]
        spirals = [levels.spirals(level, config.spiral) for level in range(len(config.levels))][::-1]
        self.blocks = nn.ModuleList(
            Block(before + extra, width, spiral)
            for before, width, spiral in zip(inputs, config.widths, spirals, strict=True)
        )
        self.heads = nn.ModuleList(
            SpiralConv(width, 3, spiral) for width, spiral in zip(config.widths, spirals, strict=True)
        )
        self.auxiliary = None
        self.hand = HandBuffers(hand)

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        maps, pooled = self._look(image)
        meshes = self._meshes(self.attention(self.feature(pooled)), shape)
        with full_precision(pooled):
            hand, R = self.hand(), camera.crop_frame().to(meshes[-1])
            joints = hand.joints_of_mesh(meshes[-1])
            wrist = joints[:, :1]
            probability = maps[-1].sigmoid()
            keypoints, confidence = peak(probability)
            (rows, cols), (height, width) = probability.shape[-2:], camera.size
            prediction = Prediction(
                joints=UNIT * (joints - wrist) @ R.mT,
                verts=UNIT * (meshes[-1] - wrist) @ R.mT,
                keypoints=keypoints * keypoints.new_tensor([width / cols, height / rows]),
                keypoint_confidence=confidence,
            )
            kept = torch.arange(len(hand.template), device=image.device)
            coarse = []
            for down, mesh in zip(self.levels.down, meshes[-2::-1], strict=False):
                kept = kept[down.to(image.device)]
                coarse.append(Level(vertices=kept, verts=UNIT * (mesh - wrist) @ R.mT))
        return prediction, Auxiliary(masks=torch.stack(maps, 1), levels=tuple(coarse))

    def _look(self, image: Float[Tensor, "batch 3 h w"]) -> tuple[list[Tensor], Float[Tensor, "batch channels"]]:
        """Logits of the heatmaps of the three stages, and the last one's pooled feature."""
        body: Any = self.first._body
        stem = body.embedder.embedder((image - self.first.mean) / self.first.std)
        seen = _stages(body.encoder, body.embedder.pooler(stem))
        maps = [at_least_float32(self.decoders[0](seen))]
        for stage in range(2):
            probability = maps[-1].sigmoid().to(stem)
            pairs = [probability[:, list(pair)].sum(1, keepdim=True) for pair in PAIRS] if stage else []
            x = self.reduce[stage](torch.cat([stem, probability, *pairs], 1))
            seen = _stages(self.later[stage], body.embedder.pooler(x))
            maps.append(at_least_float32(self.decoders[stage + 1](seen)))
        return maps, seen[-1].mean((-2, -1))

    def _meshes(
        self, feature: Float[Tensor, "batch feature"], shape: Float[Tensor, "batch shapes"] | None
    ) -> list[Float[Tensor, "batch verts 3"]]:
        """From the coarsest that is decoded to the finest [UNIT], each averaged with the one before it."""
        rest = self._rest(shape) if self.config.identity else None
        x = self.start(feature).unflatten(-1, (self.config.levels[-1], -1))
        meshes: list[Tensor] = []
        for number, (block, head) in enumerate(zip(self.blocks, self.heads, strict=True)):
            level = len(self.config.levels) - number
            x = self.levels.finer(x, level)
            if rest is not None:
                x = torch.cat([x, rest[level - 1].to(x)], -1)
            x = block(x)
            mesh = at_least_float32(head(x))
            if meshes:
                mesh = (mesh + self.levels.finer(meshes[-1], level)) / 2
            meshes.append(mesh)
            x = torch.cat([x, mesh.to(x)], -1)
        return meshes

    def _rest(self, shape: Float[Tensor, "batch shapes"] | None) -> list[Float[Tensor, "batch verts 3"]]:
        if shape is None:
            raise ValueError("this CMR-PG sees the person's rest hand and needs the shape, got None")
        hand = self.hand().shaped(shape)
        rest = [(hand.verts - hand.joints.mean(1, keepdim=True)) / UNIT]
        for level in range(len(self.config.levels)):
            rest.append(self.levels.coarser(rest[-1], level))
        return rest


class SpiralConv(nn.Module):
    """A linear map of what is along a spiral around each vertex (Lim et al. 2018)."""

    spiral: Tensor

    def __init__(self, inputs: int, outputs: int, spiral: Int[Tensor, "verts length"]):
        super().__init__()
        self.inputs = inputs
        self.register_buffer("spiral", spiral, persistent=False)
        self.weigh = nn.Linear(inputs * spiral.shape[1], outputs)
        nn.init.xavier_uniform_(self.weigh.weight)
        nn.init.zeros_(self.weigh.bias)

    def forward(self, x: Float[Tensor, "batch verts inputs"]) -> Float[Tensor, "batch verts outputs"]:
        length = self.spiral.shape[1]
        if self.inputs <= len(self.weigh.weight):
            return self.weigh(x.index_select(1, self.spiral.flatten()).unflatten(1, (-1, length)).flatten(-2))
        # The same sum with less to move: first weighed for each place along a spiral, then gathered.
        places = self.weigh.weight.unflatten(1, (length, self.inputs)).transpose(0, 1).flatten(0, 1)
        weighed = F.linear(x, places).unflatten(-1, (length, -1)).unbind(-2)
        out = self.weigh.bias.to(x)
        for place, part in enumerate(weighed):
            out = out + part.index_select(1, self.spiral[:, place])
        return out


class Block(nn.Module):
    """Inception spiral module: spirals of three lengths side by side, and a way around them."""

    def __init__(self, inputs: int, width: int, spiral: Int[Tensor, "verts length"]):
        super().__init__()
        third = spiral.shape[1] // 3
        self.whole = SpiralConv(inputs, width // 2, spiral)
        self.middle = SpiralConv(inputs, width // 4, spiral[:, : 2 * third])
        self.near = SpiralConv(inputs, width // 4, spiral[:, :third])
        self.around = nn.Linear(inputs, width)

    def forward(self, x: Float[Tensor, "batch verts inputs"]) -> Float[Tensor, "batch verts width"]:
        return F.relu(self.around(x) + torch.cat([self.whole(x), self.middle(x), self.near(x)], -1))


class SelfAttention(nn.Module):
    """Each entry of a vector attends to all of them; a gate that starts at zero lets the answer in."""

    def __init__(self, length: int):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(length, length) for _ in range(3))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Float[Tensor, "batch length"]) -> Float[Tensor, "batch length"]:
        attention = (self.query(x)[:, :, None] * self.key(x)[:, None]).softmax(-1)
        return x + self.gate * (attention @ self.value(x)[..., None])[..., 0]


class HeatmapDecoder(nn.Module):
    """From a pyramid of features to heatmaps of twice its finest resolution."""

    def __init__(self, channels: list[int]):
        super().__init__()
        coarse_first = channels[::-1]
        steps = zip(coarse_first, [*coarse_first[1:], 0], [*coarse_first[1:], coarse_first[-1]], strict=True)
        self.merge = nn.ModuleList(_convolution(before + skip, after, 3) for before, skip, after in steps)
        self.head = nn.Conv2d(channels[0], 21, 3, padding=1)

    def forward(self, maps: list[Float[Tensor, "batch _ _ _"]]) -> Float[Tensor, "batch 21 rows cols"]:
        x = maps[-1]
        for merge, finer in zip(self.merge, [*maps[-2::-1], None], strict=True):
            if finer is None:
                x = F.interpolate(x, scale_factor=2, mode="bilinear")
            else:
                x = torch.cat([F.interpolate(x, size=finer.shape[-2:], mode="bilinear"), finer], 1)
            x = merge(x)
        return self.head(x)


def peak(probability: Float[Tensor, "*batch rows cols"]) -> tuple[Float[Tensor, "*batch 2"], Float[Tensor, "*batch"]]:
    """Where a heatmap is highest, as the centre of a cell (x, y) [cells], and how high."""
    cols = probability.shape[-1]
    highest, at = probability.flatten(-2).max(-1)
    return torch.stack([at % cols, at // cols], -1) + 0.5, highest


def _stages(encoder: Any, x: Tensor) -> list[Tensor]:
    """The feature maps of a ResNet's stages."""
    maps = []
    for stage in encoder.stages:
        x = stage(x)
        maps.append(x)
    return maps


def _convolution(inputs: int, outputs: int, kernel: int, *, active: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


def _reduce(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(inputs, inputs, 3),
        _convolution(inputs, 2 * outputs, 3),
        _convolution(2 * outputs, outputs, 1, active=False),
    )
