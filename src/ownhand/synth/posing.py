"""Hands bent but not yet placed: whose they are, natural poses without self-penetration, the wrist.

Pictures are posed in blocks of a fixed size, in double precision: what a picture shows must not depend on which others
were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandModel
from ownhand.structs import given
from ownhand.synth.people import forearm
from ownhand.synth.poses.contact import DEEPEST, repaired, unmoved
from ownhand.synth.poses.mixture import touching_poses
from ownhand.synth.poses.motion import pose_path
from ownhand.synth.things.grasps import Grasp, grasps
from ownhand.synth.world import World

Array = np.ndarray
Rng = np.random.Generator

BLOCK = 64  # pictures posed together
TRIES = 3  # poses drawn per picture until one does not penetrate itself

_POSES = 1  # stream of random numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class BentHand:
    """A person's bent hand and forearm in the hand's frame, wrist at the origin [m].

    Attributes:
        subject: Number of the person.
        forearm: Direction from wrist to elbow.
        dorsal: Direction from the palm to the back of the hand.
        held: What it holds, and where.
        tries: How many poses were drawn until one did not penetrate itself.
    """

    subject: int
    verts: Float[Array, "verts 3"]
    joints: Float[Array, "21 3"]
    forearm: Float[Array, "3"]
    dorsal: Float[Array, "3"]
    R_parent_joint: Float[Tensor, "15 3 3"]
    held: Grasp | None
    tries: int


@lru_cache(maxsize=4)
def bent_hands(world: World, number: int) -> list[BentHand]:
    """The hands of block `number`: BLOCK consecutive instants, `world.instants` of each person."""
    indices = range(number * BLOCK, (number + 1) * BLOCK)
    subjects = [i // world.instants for i in indices]
    shape = torch.from_numpy(np.stack([world.person(subject).shape for subject in subjects])).double()
    rngs = [np.random.default_rng([world.seed, i, _POSES, 2]) for i in indices]
    holding = [k for k, rng in enumerate(rngs) if rng.random() < _holding(world)]
    held: list[Grasp | None] = [None] * BLOCK
    if holding:
        for k, found in zip(holding, grasps([rngs[k] for k in holding], shape[holding]), strict=True):
            held[k] = found
    free = np.array([k for k in range(BLOCK) if held[k] is None], int)
    R, tries = torch.empty(BLOCK, 15, 3, 3, dtype=torch.float64), np.ones(BLOCK, int)
    for k, grasp in enumerate(held):
        if grasp is not None:
            R[k] = grasp.R_parent_joint
    if "poses" in world.without:
        R[free] = gaussian_poses(np.array(indices)[free], world.seed).double()
    elif len(free):
        R[free], tries[free] = natural_poses(world.seed, np.array(indices)[free], shape[free])
    bends = np.stack([_bend(world, np.random.default_rng([world.seed, i, _POSES, 1])) for i in indices])
    return _bent(subjects, shape, R, bends, held, tries)


@lru_cache(maxsize=2)
def moving_hand(world: World, subject: int) -> list[BentHand]:
    """The hand of a person's clip, frame by frame. One that holds something keeps its pose."""
    rng = np.random.default_rng([world.seed, subject, _POSES, 3])
    one = torch.from_numpy(world.person(subject).shape).double()[None]
    held = grasps([rng], one)[0] if rng.random() < _holding(world) else None
    if held is None:
        axes = given(open_hand().axes, "anatomical axes")
        R = pose_path(world.seed, subject, world.clip, axes, one[0].float()).double()
    else:
        R = held.R_parent_joint.expand(world.clip, 15, 3, 3)
    bends = np.broadcast_to(_bend(world, rng), (world.clip, 3))
    shape = one.expand(world.clip, -1)
    return _bent([subject] * world.clip, shape, R, bends, [held] * world.clip, np.ones(world.clip, int))


def _holding(world: World) -> float:
    return 0.0 if "things" in world.without else world.holding


def _bend(world: World, rng: Rng) -> Float[Array, "3"]:
    return np.zeros(3) if "forearm" in world.without else forearm.draw_bend(rng)


def _bent(
    subjects: list[int],
    shape: Float[Tensor, "n shapes"],
    R_parent_joint: Float[Tensor, "n 15 3 3"],
    bends: Float[Array, "n 3"],
    held: list[Grasp | None],
    tries: Int[Array, "n"],
) -> list[BentHand]:
    model = _double_model()
    posed = model.shaped(shape).posed(unmoved(R_parent_joint))
    turns = torch.from_numpy(np.array(bends))
    verts, elbows = forearm.bent(posed.verts, turns), forearm.direction(turns)
    palm_back = given(model.axes, "anatomical axes")[6, :, ABDUCTION].numpy()
    return [
        BentHand(
            subject=subjects[k],
            verts=verts[k].numpy(),
            joints=posed.joints[k].numpy(),
            forearm=elbows[k].numpy(),
            dorsal=palm_back,
            R_parent_joint=R_parent_joint[k].float(),
            held=held[k],
            tries=int(tries[k]),
        )
        for k in range(len(subjects))
    ]


def natural_poses(
    seed: int, indices: Int[Array, "n"], shape: Float[Tensor, "n shapes"]
) -> tuple[Float[Tensor, "n 15 3 3"], Int[Array, "n"]]:
    """Poses that do not penetrate themselves, unless TRIES poses in a row did, and how many were tried.

    Args:
        seed: Of the pictures.
        indices: Of the pictures.
        shape: Who poses.
    """
    axes = given(open_hand().axes, "anatomical axes")
    chosen, tries = torch.empty(len(indices), 15, 3, 3), np.zeros(len(indices), int)
    waiting = np.arange(len(indices))
    for attempt in range(TRIES):
        R, touching = touching_poses(indices[waiting].tolist(), _pose_seed(seed, attempt), axes)
        chosen[waiting], depth, _ = repaired(R, shape[waiting], touching)
        tries[waiting] += 1
        waiting = waiting[depth > DEEPEST]
        if not len(waiting):
            break
    return chosen.double(), tries


def gaussian_poses(indices: Int[Array, "n"], seed: int) -> Float[Tensor, "n 15 3 3"]:
    """What a model's pose components alone say: independent and normal, with penetration and beyond all limits."""
    model = open_hand()
    draws = np.stack([np.random.default_rng([seed, int(i), _POSES, 4]).standard_normal(45) for i in indices])
    rotvec = model.pose_mean + torch.from_numpy(draws).float() @ model.pose_components
    return roma.rotvec_to_rotmat(rotvec.unflatten(-1, (15, 3)))


def _pose_seed(seed: int, attempt: int) -> int:
    return int(np.random.SeedSequence([seed, attempt, _POSES]).generate_state(1)[0])


@lru_cache(maxsize=1)
def _double_model() -> HandModel:
    return open_hand(forearm=True).to(torch.float64)
