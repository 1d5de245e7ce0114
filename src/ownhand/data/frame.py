"""What a labelled picture of any number of hands contains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.structs import TensorStruct

HANDS = 4
"""Hands that one picture may show."""


@dataclass(frozen=True, kw_only=True)
class HandFrame(TensorStruct):
    """A whole picture, as cameras take it, and the hands in it: what a detector learns from.

    Attributes:
        image: RGB in [0, 1].
        present: Which of the places for hands are taken; the others hold zeros.
        keypoints: The 21 joints of each hand in the picture [px].
        visible: Whether each joint is in the picture and not hidden by something else than its own hand.
        is_right: Whether each hand is a right one.
        complete: Whether every hand that can be seen has a place.
    """

    image: Float[Tensor, "*batch 3 h w"]
    present: Bool[Tensor, "*batch hands"]
    keypoints: Float[Tensor, "*batch hands 21 2"]
    visible: Bool[Tensor, "*batch hands 21"]
    is_right: Bool[Tensor, "*batch hands"]
    complete: Bool[Tensor, "*batch"]

    @property
    def boxes(self) -> tuple[Float[Tensor, "*batch hands 2"], Float[Tensor, "*batch hands"]]:
        """Centre, and longer side, of the box of each hand's joints, as far as the picture shows it [px]."""
        height, width = self.image.shape[-2:]
        edge = self.keypoints.new_tensor([width, height])
        low, high = (bound.clamp_min(0).minimum(edge) for bound in (self.keypoints.amin(-2), self.keypoints.amax(-2)))
        return (low + high) / 2, (high - low).amax(-1)


def joint_count(frame: HandFrame) -> Tensor:
    """How many joints of each hand can be seen."""
    return (frame.visible & frame.present[..., None]).sum(-1, dtype=torch.long)
