"""Where hands are in a whole picture: one shot, every cell of a map says whether a hand's middle lies there.

Zhou et al. 2019, "Objects as points" (CenterNet), with the direction in which each hand points. Left or right it does
not say: that a shape is the mirror image of another, turned anyhow, is hard to see before it is turned upright.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import Network, at_least_float32, full_precision
from ownhand.estimators.decoder import Decoder
from ownhand.structs import TensorStruct

RARE = 0.01
"""How probable a hand is in a cell before anything is learnt: keeps the loss of empty cells from drowning the rest."""


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """A `Detector`.

    Attributes:
        backbone: See `Backbone`.
        pretrained: Start from ImageNet weights.
        width: Channels of the decoder.
    """

    backbone: str | dict[str, Any] = "resnet-16-narrow"
    pretrained: bool = False
    width: int = 64
    kind: Literal["detector"] = field(default="detector", init=False)


@dataclass(frozen=True, kw_only=True)
class HandMaps(TensorStruct):
    """What each cell of a map says of the hand whose middle it holds.

    Attributes:
        logits: Whether there is one.
        offset: From the cell's middle to the middle of the hand's box, in cells.
        log_side: Logarithm of the longer side of that box, in cells.
        up: Cosine and sine of the angle by which to turn the picture for the palm to point up, at any length.
    """

    logits: Float[Tensor, "*batch rows cols"]
    offset: Float[Tensor, "*batch 2 rows cols"]
    log_side: Float[Tensor, "*batch rows cols"]
    up: Float[Tensor, "*batch 2 rows cols"]


@dataclass(frozen=True, kw_only=True)
class FoundHands(TensorStruct):
    """Hands in pictures, best first; the last batch axis counts the hands of a picture.

    Attributes:
        score: Probability of each.
        centre: Middle of its box [px].
        side: Longer side of that box [px].
        angle: By which to turn the picture for the palm to point up [rad], clockwise as seen.
    """

    score: Float[Tensor, "*batch"]
    centre: Float[Tensor, "*batch 2"]
    side: Float[Tensor, "*batch"]
    angle: Float[Tensor, "*batch"]


class HandDetector(Network, ABC):
    """What finds hands in whole pictures."""

    @abstractmethod
    def find(self, image: Float[Tensor, "batch 3 h w"], count: int) -> FoundHands:
        """The `count` best hands of each picture; those that are none have small scores.

        Args:
            image: RGB in [0, 1], sides multiples of 32.
            count: How many.
        """


class Detector(HandDetector):
    """Cells of eight pixels, seen by a backbone whose three coarsest maps are merged.

    Args:
        config: What to build.

    Raises:
        ValueError: See `Backbone`.
    """

    def __init__(self, config: DetectorConfig):
        super().__init__()
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        self.auxiliary = None
        self.decoder = Decoder(self.backbone.channels[1:], config.width)
        self.head = nn.Sequential(
            nn.Conv2d(config.width, config.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.width),
            nn.ReLU(),
            nn.Conv2d(config.width, 6, 1),
        )
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.normal_(last.weight, std=0.01)
        with torch.no_grad():
            last.bias[0] = -math.log(1 / RARE - 1)

    def forward(self, image: Float[Tensor, "batch 3 h w"]) -> HandMaps:
        """Look at whole pictures, RGB in [0, 1]; sides that are multiples of 32 are used to the last pixel."""
        out = at_least_float32(self.head(self.decoder(self.backbone(image).maps[1:])))
        return HandMaps(logits=out[:, 0], offset=out[:, 1:3], log_side=out[:, 3], up=out[:, 4:])

    def find(self, image: Float[Tensor, "batch 3 h w"], count: int) -> FoundHands:
        return found_hands(self(image), (image.shape[-2], image.shape[-1]), count)


def found_hands(maps: HandMaps, size: tuple[int, int], count: int) -> FoundHands:
    """The `count` best peaks: cells that no neighbour surpasses.

    Args:
        maps: What a detector says.
        size: Height and width of its picture [px].
        count: How many hands to return; those that are none have small scores.
    """
    with full_precision(maps.logits):
        rows, cols = maps.logits.shape[-2:]
        score = maps.logits.sigmoid()
        peak = score.where(score == F.max_pool2d(score[:, None], 3, 1, 1)[:, 0], 0)
        best, cell = peak.flatten(1).topk(min(count, rows * cols))

        def read(values: Float[Tensor, "batch _ rows cols"]) -> Float[Tensor, "batch n _"]:
            flat = values.flatten(2).mT
            return flat.gather(1, cell[..., None].expand(-1, -1, flat.shape[-1]))

        pixels = best.new_tensor([size[1] / cols, size[0] / rows])
        ys, xs = (torch.arange(n, device=cell.device) + 0.5 for n in (rows, cols))
        middle = torch.stack([xs.expand(rows, cols), ys[:, None].expand(rows, cols)], -1).flatten(0, 1)[cell]
        up = read(maps.up)
        return FoundHands(
            score=best,
            centre=(middle + read(maps.offset)) * pixels,
            side=read(maps.log_side[:, None])[..., 0].exp() * pixels.mean(),
            angle=torch.atan2(up[..., 1], up[..., 0]),
        )
