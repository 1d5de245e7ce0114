"""From a pyramid of feature maps to dense answers: heatmaps, part labels, depth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.base import Auxiliary, at_least_float32

PARTS = 34
"""Classes of `HandSample.labels`."""


class Decoder(nn.Module):
    """Merges feature maps from coarse to fine (Lin et al. 2017, feature pyramid networks).

    Args:
        channels: Channels of the maps, finest first.
        width: Channels of the result, which is as fine as the finest map.
    """

    def __init__(self, channels: Sequence[int], width: int):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            for _ in channels[1:]
        )

    def forward(self, maps: Sequence[Float[Tensor, "batch _ _ _"]]) -> Float[Tensor, "batch width rows cols"]:
        merged = self.lateral[-1](maps[-1])
        for lateral, smooth, finer in zip(self.lateral[-2::-1], self.smooth[::-1], maps[-2::-1], strict=True):
            skip = lateral(finer)
            merged = smooth(F.interpolate(merged, size=skip.shape[-2:], mode="nearest") + skip)
        return merged


class PartsAndDepth(nn.Module):
    """What is at each place, and how far."""

    def __init__(self, width: int):
        super().__init__()
        self.head = nn.Conv2d(width, PARTS + 1, 1)

    def forward(self, decoded: Float[Tensor, "batch width rows cols"]) -> Auxiliary:
        out = at_least_float32(self.head(decoded))
        return Auxiliary(part_logits=out[:, :PARTS], depth=out[:, PARTS])


class AuxiliaryDecoder(nn.Module):
    """All dense answers, for an estimator that has none of its own: they teach its backbone."""

    def __init__(self, channels: Sequence[int], width: int):
        super().__init__()
        self.decoder = Decoder(channels, width)
        self.heatmaps = nn.Conv2d(width, 21, 1)
        self.rest = PartsAndDepth(width)

    def forward(self, maps: Sequence[Float[Tensor, "batch _ _ _"]]) -> Auxiliary:
        decoded = self.decoder(maps)
        rest = self.rest(decoded)
        heatmaps = at_least_float32(self.heatmaps(decoded))
        return Auxiliary(heatmap_logits=heatmaps, part_logits=rest.part_logits, depth=rest.depth)


def soft_argmax(
    logits: Float[Tensor, "*batch rows cols"], radius: int = 3
) -> tuple[Float[Tensor, "*batch 2"], Float[Tensor, "*batch"], Float[Tensor, "*batch rows cols"]]:
    """The sub-pixel place of a heatmap's main peak: mean of the probabilities in a window around it.

    The main peak is where 5 x 5 cells together are most probable, which noise moves less than the highest cell. The
    window keeps other peaks, and the even background, from drawing the mean away.

    Args:
        logits: Their softmax is the probability of each cell.
        radius: The window reaches this many cells to each side of the peak.

    Returns:
        The place as (x, y) in cells, where the centre of the first cell is (0.5, 0.5); the probability inside the
        window; and the window's probabilities, normalised to sum to 1.
    """
    rows, cols = logits.shape[-2:]
    probability = logits.flatten(-2).softmax(-1).unflatten(-1, (rows, cols))
    around = F.avg_pool2d(probability.detach().reshape(-1, rows, cols), 5, stride=1, padding=2)
    peak = around.reshape(logits.shape).flatten(-2).argmax(-1)
    ys, xs = (torch.arange(n, device=logits.device) for n in (rows, cols))
    near_y = (ys - (peak // cols)[..., None]).abs() <= radius
    near_x = (xs - (peak % cols)[..., None]).abs() <= radius
    window = probability * (near_y[..., :, None] & near_x[..., None, :])
    mass = window.sum((-2, -1))
    window = window / mass[..., None, None]
    x, y = window.sum(-2) @ (xs + 0.5).to(logits), window.sum(-1) @ (ys + 0.5).to(logits)
    return torch.stack([x, y], -1), mass, window
