"""The forearm, which bends at the wrist while the hand keeps still."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.builtin import open_hand

Array = np.ndarray
Rng = np.random.Generator

FULLY_BENT = 0.09  # metres proximal of the wrist loop, where the forearm is straight again
STRETCHED, STRETCH = -0.09, 1.6  # from here on the forearm is longer than the model's, so that its end is out of sight
LENGTH = 0.35  # metres from the wrist to the forearm's end, about
FLEXION, DEVIATION, TURN = np.deg2rad([45, 20, 20])  # largest angles


@lru_cache(maxsize=1)
def hand_verts() -> int:
    """How many vertices, the first ones, belong to the hand."""
    return len(open_hand().template)


def draw_bend(rng: Rng) -> Float[Array, "3"]:
    """Rotation of the forearm relative to the hand, axis-angle in the hand's frame [rad]."""
    spread = np.clip(rng.normal(0, 0.45, 3), -1, 1)
    return spread * np.array([TURN, FLEXION, DEVIATION])


def bent(verts: Float[Tensor, "*batch verts 3"], rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch verts 3"]:
    """Lengthen the forearm and turn it about the wrist joint; the turn grows smoothly from the hand's last vertices.

    Args:
        verts: Hand and forearm, hand's frame with the wrist at the origin [m].
        rotvec: As `draw_bend` gives it.
    """
    first = hand_verts()
    share = _share().to(verts)
    arm = verts[..., first:, :]
    longer = (STRETCHED - arm[..., :1]).clamp_min(0) * STRETCH
    arm = torch.cat([arm[..., :1] - longer, arm[..., 1:]], -1)
    R = roma.rotvec_to_rotmat(rotvec[..., None, :] * share[:, None])
    return torch.cat([verts[..., :first, :], (R @ arm[..., None])[..., 0]], -2)


def direction(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """From the wrist to the elbow, in the hand's frame."""
    return -roma.rotvec_to_rotmat(rotvec)[..., 0]


@lru_cache(maxsize=1)
def _share() -> Tensor:
    """How much of the turn each vertex of the forearm takes."""
    x = open_hand(forearm=True).template[hand_verts() :, 0]
    t = ((x.max() + 0.004 - x) / FULLY_BENT).clamp(0, 1)
    return t * t * (3 - 2 * t)
