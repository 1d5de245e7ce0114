"""METRO (Lin, Wang & Liu 2021, End-to-End Human Pose and Mesh Reconstruction with Transformers), for hands.

A picture's feature is joined to the rest position of every joint and of every vertex of a coarse mesh: one token each.
Three transformer encoders, ever narrower, turn the tokens into positions; a linear map makes the fine mesh.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
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

MASK = 0.01
"""What a masked token holds everywhere, as in the authors' code."""


@dataclass(frozen=True, kw_only=True)
class MetroConfig:
    """A `Metro`.

    Attributes:
        backbone: See `Backbone`; the paper's is HRNet-W64.
        pretrained: Start from ImageNet weights.
        coarse: Vertices of the coarse mesh.
        hidden: Width of each of the three encoders.
        between: Width of the tokens that the first two pass on.
        layers: Layers of each encoder.
        heads: Attention heads.
        dropout: In training.
        masked: Largest share of tokens that are masked in training (masked vertex modelling).
        identity: Whether tokens hold the rest hand of the person, whose shape must then be given, not the mean hand.
    """

    backbone: str | dict[str, Any] = "hrnet-w64"
    pretrained: bool = False
    coarse: int = 195
    hidden: tuple[int, ...] = (1024, 256, 64)
    between: tuple[int, ...] = (512, 128)
    layers: int = 4
    heads: int = 4
    dropout: float = 0.1
    masked: float = 0.05
    identity: bool = False
    kind: Literal["metro"] = field(default="metro", init=False)


class Metro(HandEstimator):
    """Joints and mesh seen from the wrist; no pose, no shape.

    Positions are predicted as seen along the ray through the crop's centre, and turned into the camera frame.

    Args:
        config: What to build.
        hand: The hand model whose mesh is predicted.

    Raises:
        ValueError: See `Backbone`; the mesh cannot be made so coarse.
    """

    coarse: Tensor

    def __init__(self, config: MetroConfig, hand: HandModel):
        super().__init__()
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        levels = MeshLevels.of(hand, (config.coarse,))
        self.register_buffer("coarse", levels.down[0], persistent=False)
        inputs = (self.backbone.channels[-1] + 3, *config.between)
        self.encoders = nn.ModuleList(
            Encoder(before, width, after, config)
            for before, width, after in zip(inputs, config.hidden, (*config.between, 3), strict=True)
        )
        self.upsample = nn.Linear(config.coarse, len(hand.template))
        with torch.no_grad():  # starts as linear interpolation
            nn.init.zeros_(self.upsample.bias)
            nn.init.zeros_(self.upsample.weight)
            self.upsample.weight.scatter_add_(1, levels.up[0], levels.up_weights[0])
        self.camera = nn.Linear(3 * config.coarse, 3)
        self.auxiliary = None
        self.hand = HandBuffers(hand)

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        tokens = self.tokens(self.backbone(image).pooled, shape)
        if self.training and self.config.masked:
            tokens = self._masked(tokens)
        for encoder in self.encoders:
            tokens, _ = encoder(tokens)
        found = at_least_float32(tokens)
        fine = at_least_float32(self.upsample(found[:, 21:].mT)).mT
        scale, *move = at_least_float32(self.camera(found[:, 21:].flatten(1))).unbind(-1)
        with full_precision(found):
            hand, R = self.hand(), camera.crop_frame().to(found)
            joints = hand.joints_of_mesh(fine)
            wrist, token_wrist = joints[:, :1], found[:, :1]
            plane = scale[:, None, None] * joints[..., :2] + torch.stack(move, -1)[:, None]
            size = joints.new_tensor([camera.size[1], camera.size[0]])
            prediction = Prediction(
                joints=UNIT * (joints - wrist) @ R.mT,
                verts=UNIT * (fine - wrist) @ R.mT,
                keypoints=(0.5 + plane) * size,
            )
            auxiliary = Auxiliary(
                joints=UNIT * (found[:, :21] - token_wrist) @ R.mT,
                levels=(Level(vertices=self.coarse, verts=UNIT * (found[:, 21:] - wrist) @ R.mT),),
            )
        return prediction, auxiliary

    def tokens(
        self, pooled: Float[Tensor, "batch channels"], shape: Float[Tensor, "batch shapes"] | None
    ) -> Float[Tensor, "batch tokens width"]:
        """Rest positions of joints and coarse vertices, each with the picture's feature; Raises as `forward`."""
        hand = self.hand()
        if self.config.identity and shape is None:
            raise ValueError("this METRO starts from the person's rest hand and needs the shape, got None")
        if not self.config.identity or shape is None:
            shape = pooled.new_zeros(len(pooled), hand.shape_basis.shape[-1], dtype=hand.template.dtype)
        rest = hand.shaped(shape)
        points = torch.cat([rest.joints, rest.verts[:, self.coarse]], 1)
        points = (points - rest.joints.mean(1, keepdim=True)) / UNIT
        return torch.cat([points.to(pooled), pooled[:, None].expand(-1, points.shape[1], -1)], -1)

    def attention(
        self, image: Float[Tensor, "batch 3 h w"], joint: int, shape: Float[Tensor, "batch shapes"] | None = None
    ) -> Float[Tensor, "batch tokens"]:
        """How much a joint attends to each token (21 joints, then coarse vertices) in the last layer; mean of heads."""
        tokens, weights = self.tokens(self.backbone(image).pooled, shape), None
        for encoder in self.encoders:
            tokens, weights = encoder(tokens)
        assert weights is not None
        return weights[:, joint]

    def _masked(self, tokens: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        """Some tokens say nothing: in each picture a share that is drawn up to the largest."""
        share = self.config.masked * torch.rand(len(tokens), 1, device=tokens.device)
        hidden = torch.rand(tokens.shape[:2], device=tokens.device) < share
        return torch.where(hidden[..., None], MASK, tokens)


class Encoder(nn.Module):
    """A transformer encoder between tokens of two widths, with a linear way around it and a learnt vector per token."""

    def __init__(self, inputs: int, width: int, outputs: int, config: MetroConfig):
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(21 + config.coarse, width))
        self.enter, self.around, self.leave = (
            nn.Linear(inputs, width),
            nn.Linear(inputs, outputs),
            nn.Linear(width, outputs),
        )
        self.layers = nn.ModuleList(Layer(width, config.heads, config.dropout) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, tokens: Float[Tensor, "batch tokens inputs"]
    ) -> tuple[Float[Tensor, "batch tokens outputs"], Float[Tensor, "batch tokens tokens"]]:
        """Tokens, and the last layer's attention."""
        x = self.dropout(self.enter(tokens) + self.positions)
        weights = None
        for layer in self.layers:
            x, weights = layer(x)
        assert weights is not None
        return self.leave(x) + self.around(tokens), weights


class Layer(nn.Module):
    """As in BERT (Devlin et al. 2019): attention, then two linear layers, each normalised after it is added."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.attend = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "batch tokens width"]
    ) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch tokens tokens"]]:
        seen, weights = self.attend(x, x, x)
        x = self.norms[0](x + self.dropout(seen))
        return self.norms[1](x + self.dropout(self.think(x))), weights
