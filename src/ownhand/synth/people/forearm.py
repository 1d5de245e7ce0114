"""The forearm, which bends at the wrist and twists while the hand keeps still."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.builtin import open_hand
from ownhand.synth.people.tubes import forearm_loops

Array = np.ndarray
Rng = np.random.Generator

BENT_WITHIN = 0.07  # metres proximal of the hand's last vertices, where the forearm is straight again
TWISTED_WITHIN = 0.20  # metres, likewise, where all of the twist is reached
STRETCHED, STRETCH = -0.09, 1.6  # from here on the forearm is longer than the model's, so that its end is out of sight
LENGTH = 0.35  # metres from the wrist to the forearm's end, about

FLEXED, EXTENDED, RADIAL, ULNAR, TWISTED = np.deg2rad([60, 55, 15, 30, 75])  # largest angles
DARTS = 0.25  # radial deviation that comes with each radian of extension: the dart thrower's motion
FAR = 0.15  # share of wrists that are bent anywhere in their range


@lru_cache(maxsize=1)
def hand_verts() -> int:
    """How many vertices, the first ones, belong to the hand."""
    return len(open_hand().template)


def draw_bend(rng: Rng) -> Float[Array, "3"]:
    """Twist, extension and ulnar deviation of the wrist [rad]: turns about the hand's x, y and z.

    Most wrists are a little extended; extended ones go with radial, flexed ones with ulnar deviation, and the further
    a wrist is bent one way, the less it is the other.
    """
    extension = rng.uniform(-FLEXED, EXTENDED) if rng.random() < FAR else rng.normal(np.deg2rad(10), np.deg2rad(20))
    extension = np.clip(extension, -FLEXED, EXTENDED)
    deviation = rng.normal(np.deg2rad(4), np.deg2rad(9)) - DARTS * extension
    left = np.sqrt(1 - 0.75 * (extension / (EXTENDED if extension > 0 else FLEXED)) ** 2)
    deviation = np.clip(deviation, -left * RADIAL, left * ULNAR)
    return np.array([np.clip(rng.normal(0, np.deg2rad(30)), -TWISTED, TWISTED), extension, deviation])


def bent(verts: Float[Tensor, "*batch verts 3"], bend: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch verts 3"]:
    """Lengthen the forearm, twist it about its own axis and bend it at the wrist, loop of vertices by loop.

    Loops keep their shape, so the arm gets no thinner; the hand's vertices stay.

    Args:
        verts: Hand and forearm, hand's frame with the wrist at the origin [m].
        bend: As `draw_bend` gives it.
    """
    first = hand_verts()
    loops, bent_share, twisted_share = _loops()
    arm = verts[..., first:, :]
    longer = (STRETCHED - arm[..., :1]).clamp_min(0) * STRETCH
    straight = torch.cat([verts[..., :first, :], torch.cat([arm[..., :1] - longer, arm[..., 1:]], -1)], -2)
    rings = straight[..., loops, :]
    centres = rings.mean(-2)
    bend_axis = torch.cat([torch.zeros_like(bend[..., :1]), bend[..., 1:]], -1)[..., None, :]
    axis = torch.nn.functional.normalize(centres[..., 1:, :] - centres[..., :-1, :], dim=-1)
    axis = -torch.cat([axis[..., :1, :], axis], -2)
    R = roma.rotvec_to_rotmat(bend_axis * bent_share.to(bend)[:, None])
    R_twist = roma.rotvec_to_rotmat(axis * (bend[..., :1] * twisted_share.to(bend))[..., None])
    halfway = roma.rotvec_to_rotmat(bend_axis * ((bent_share[1:] + bent_share[:-1]) / 2).to(bend)[:, None])
    steps = (halfway @ (centres[..., 1:, :] - centres[..., :-1, :])[..., None])[..., 0]
    moved = centres[..., :1, :] + steps.cumsum(-2)
    turned = (rings[..., 1:, :, :] - centres[..., 1:, None, :]) @ (R @ R_twist)[..., 1:, :, :].mT
    out = straight.clone()
    out[..., loops[1:].reshape(-1), :] = (moved[..., None, :] + turned).flatten(-3, -2)
    return out


def direction(bend: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """From the wrist to the elbow, in the hand's frame."""
    return -roma.rotvec_to_rotmat(torch.cat([torch.zeros_like(bend[..., :1]), bend[..., 1:]], -1))[..., 0]


@lru_cache(maxsize=1)
def _loops() -> tuple[Tensor, Tensor, Tensor]:
    """Vertices of each loop, and how much of the bend and of the twist it takes; the first loop is the hand's last."""
    loops, distances = (torch.from_numpy(part) for part in forearm_loops())
    ahead = 1 - (distances / BENT_WITHIN).clamp(0, 1)
    return loops, 1 - ahead**2, (distances / TWISTED_WITHIN).clamp(0, 1)
