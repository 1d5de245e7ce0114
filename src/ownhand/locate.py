"""Where in a picture the hands are.

A locator answers with one `HandBox` per hand. Until a detector is there, `WholePicture` takes the picture as a crop of
one hand; a detector will implement the same interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.crops import Crop


@dataclass(frozen=True, kw_only=True)
class HandBox:
    """One hand in a picture.

    Attributes:
        centre: Centre of the square that holds the hand [px].
        side: Side of that square [px].
        is_right: Whether it is a right hand.
        score: Confidence in [0, 1].
    """

    centre: tuple[float, float]
    side: float
    is_right: bool
    score: float = 1.0

    def crop(self, size: int) -> Crop:
        """The square, resampled to `size` x `size`."""
        return Crop.square(torch.tensor(self.centre), torch.tensor(float(self.side)), size)


class Locator(ABC):
    """Finds hands in a picture."""

    @abstractmethod
    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[HandBox]:
        """The hands in an upright RGB picture in [0, 1], best first; empty if there is none."""


@dataclass(frozen=True)
class WholePicture(Locator):
    """Takes for granted that the picture shows one hand of a known side."""

    is_right: bool = True

    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[HandBox]:
        height, width = image.shape[-2:]
        return [HandBox(centre=(width / 2, height / 2), side=max(height, width), is_right=self.is_right)]
