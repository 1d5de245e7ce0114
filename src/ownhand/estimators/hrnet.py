"""HRNet (Wang et al. 2020, Deep High-Resolution Representation Learning): four resolutions side by side.

Parameters are named as in the authors' and timm's files, so published ImageNet weights load as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

STEM = 64


class HRNet(nn.Module):
    """Feature maps at strides 4, 8, 16, 32 and, from all of them together, one more at 32.

    Args:
        width: Channels of the finest branch; each coarser one has twice as many.
        modules: Modules of the stages with two, three and four branches.
        blocks: Blocks of a branch in a module.
        head: Channels, before the factor 4 of a bottleneck, of what each branch adds to the last map.
        out: Channels of the last map.

    Attributes:
        channels: Of each map.
    """

    def __init__(
        self,
        width: int = 32,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        head: Sequence[int] = (32, 64, 128, 256),
        out: int = 2048,
    ):
        super().__init__()
        branches = [width, 2 * width, 4 * width, 8 * width]
        self.channels = [*branches, out]
        self.conv1, self.bn1 = nn.Conv2d(3, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM)
        self.conv2, self.bn2 = nn.Conv2d(STEM, STEM, 3, 2, 1, bias=False), nn.BatchNorm2d(STEM)
        self.layer1 = nn.Sequential(Bottleneck(STEM, STEM), *(Bottleneck(4 * STEM, STEM) for _ in range(3)))
        self.transition1 = _transition([4 * STEM], branches[:2])
        self.stage2 = _stage(modules[0], branches[:2], blocks)
        self.transition2 = _transition(branches[:2], branches[:3])
        self.stage3 = _stage(modules[1], branches[:3], blocks)
        self.transition3 = _transition(branches[:3], branches)
        self.stage4 = _stage(modules[2], branches, blocks)
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(before, after)) for before, after in zip(branches, head, strict=True)
        )
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(nn.Conv2d(4 * a, 4 * b, 3, 2, 1), nn.BatchNorm2d(4 * b), nn.ReLU()) for a, b in pairwise(head)
        )
        self.final_layer = nn.Sequential(nn.Conv2d(4 * head[-1], out, 1), nn.BatchNorm2d(out), nn.ReLU())

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> list[Float[Tensor, "batch _ _ _"]]:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        maps = [self.layer1(x)]
        stages = ((self.transition1, self.stage2), (self.transition2, self.stage3), (self.transition3, self.stage4))
        for transition, stage in stages:
            # A branch that begins takes the coarsest map there is.
            maps = [begin(maps[min(i, len(maps) - 1)]) for i, begin in enumerate(transition)]
            maps = stage(maps)
        last = self.incre_modules[0](maps[0])
        for down, grow, coarser in zip(self.downsamp_modules, self.incre_modules[1:], maps[1:], strict=True):
            last = grow(coarser) + down(last)
        return [*maps, self.final_layer(last)]


class Module(nn.Module):
    """Branches of residual blocks, then everything is added to everything at its own resolution."""

    def __init__(self, channels: Sequence[int], blocks: int):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c) for _ in range(blocks))) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )

    def forward(self, maps: list[Float[Tensor, "batch _ _ _"]]) -> list[Float[Tensor, "batch _ _ _"]]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, layers in enumerate(cast(Iterable[nn.ModuleList], self.fuse_layers)):
            rows_cols = maps[target].shape[-2:]
            parts = []
            for source, (layer, x) in enumerate(zip(layers, maps, strict=True)):
                y = layer(x)
                parts.append(F.interpolate(y, size=rows_cols, mode="nearest") if source > target else y)
            fused.append(F.relu(reduce(torch.add, parts)))
        return fused


class BasicBlock(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Bottleneck(nn.Module):
    """Three convolutions, the middle one narrow, to four times its width; a way around them."""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
        around = nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))
        self.downsample = around if inputs != 4 * width else nn.Identity()

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h w"]:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _stage(modules: int, channels: Sequence[int], blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Module(channels, blocks) for _ in range(modules)))


def _strided(inputs: int, outputs: int, *, active: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.ReLU()] if active else []))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From the maps of one stage to those of the next; a new one is half as fine as the coarsest."""
    layers: list[nn.Module] = []
    for place, channels in enumerate(after):
        if place >= len(before):
            layers.append(nn.Sequential(_strided(before[-1], channels, active=True)))
        elif before[place] != channels:
            keep = nn.Conv2d(before[place], channels, 3, 1, 1, bias=False)
            layers.append(nn.Sequential(keep, nn.BatchNorm2d(channels), nn.ReLU()))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)


def _exchange(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch's channels and resolution to another's; to a finer one, what is left is to be enlarged."""
    a, b = channels[source], channels[target]
    if source > target:
        return nn.Sequential(nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b))
    steps = target - source
    return (
        nn.Sequential(*(_strided(a, b if step == steps - 1 else a, active=step < steps - 1) for step in range(steps)))
        if steps
        else nn.Identity()
    )
