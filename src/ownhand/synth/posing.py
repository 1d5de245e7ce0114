"""Hands bent but not yet placed: whose they are, natural poses without self-penetration, the wrist.

Pictures are posed in blocks of a fixed size, in double precision: what a picture shows must not depend on which others
were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandModel
from ownhand.structs import given
from ownhand.synth import forearm
from ownhand.synth.contact import DEEPEST, repaired, unmoved
from ownhand.synth.population import draw_people
from ownhand.synth.poses import touching_poses

Array = np.ndarray

BLOCK = 32  # pictures posed together
TRIES = 3  # poses drawn per picture until one does not penetrate itself

_POSES = 1  # stream of random numbers


@dataclass(frozen=True, kw_only=True)
class BentHand:
    """A person's bent hand and forearm in the hand's frame, wrist at the origin [m].

    Attributes:
        forearm: Direction from wrist to elbow.
        dorsal: Direction from the palm to the back of the hand.
    """

    verts: Float[Array, "verts 3"]
    joints: Float[Array, "21 3"]
    forearm: Float[Array, "3"]
    dorsal: Float[Array, "3"]
    R_parent_joint: Float[Tensor, "15 3 3"]


@lru_cache(maxsize=4)
def bent_hands(seed: int, pictures_per_person: int, number: int, spread: float = 1.0) -> list[BentHand]:
    """The hands of block `number`: BLOCK consecutive pictures, each as Generator's fields and `index` say."""
    first = number * BLOCK
    indices = range(first, first + BLOCK)
    model = _double_model()
    shape = torch.stack([person(seed, i // pictures_per_person, spread)[0] for i in indices]).double()
    shaped = model.shaped(shape)
    R = natural_poses(seed, first, BLOCK, shape)
    posed = shaped.posed(unmoved(R))
    bends = np.stack([forearm.draw_bend(np.random.default_rng([seed, i, _POSES, 1])) for i in indices])
    verts = forearm.bent(posed.verts, torch.from_numpy(bends))
    elbows = forearm.direction(torch.from_numpy(bends))
    palm_back = given(model.axes, "anatomical axes")[6, :, ABDUCTION].numpy()
    return [
        BentHand(
            verts=verts[k].numpy(),
            joints=posed.joints[k].numpy(),
            forearm=elbows[k].numpy(),
            dorsal=palm_back,
            R_parent_joint=R[k].float(),
        )
        for k in range(BLOCK)
    ]


def natural_poses(
    seed: int, first: int, count: int, shape: Float[Tensor, "count shapes"]
) -> Float[Tensor, "count 15 3 3"]:
    """Poses of pictures `first` on that do not penetrate themselves, unless TRIES poses in a row did.

    Args:
        seed: Of the pictures.
        first: Index of the first picture.
        count: How many.
        shape: Who poses.
    """
    axes = given(open_hand().axes, "anatomical axes")
    chosen = torch.empty(count, 15, 3, 3)
    waiting = np.arange(count)
    for attempt in range(TRIES):
        R, touching = touching_poses((first + waiting).tolist(), _pose_seed(seed, attempt), axes)
        chosen[waiting], depth, _ = repaired(R, shape[waiting], touching)
        waiting = waiting[depth > DEEPEST]
        if not len(waiting):
            break
    return chosen.double()


def _pose_seed(seed: int, attempt: int) -> int:
    return int(np.random.SeedSequence([seed, attempt, _POSES]).generate_state(1)[0])


@lru_cache(maxsize=64)
def person(seed: int, number: int, spread: float = 1.0) -> tuple[Float[Tensor, "shapes"], bool]:
    """Shape of a person, all but its size times `spread`, and whether he is a man."""
    shape, is_male = draw_people(1, seed, first=number)
    shape[:, 1:] *= spread
    return shape[0], bool(is_male[0])


@lru_cache(maxsize=1)
def _double_model() -> HandModel:
    return open_hand(forearm=True).to(torch.float64)
