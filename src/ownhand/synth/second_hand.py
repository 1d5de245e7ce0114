"""A second hand beside, behind or before the first one: the same person's other one, or a stranger's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ownhand.hand.builtin import open_hand
from ownhand.render import Material, Mesh, Surface
from ownhand.structs import given
from ownhand.synth.people.forearm import LENGTH
from ownhand.synth.posing import BentHand

Array = np.ndarray
Rng = np.random.Generator

APART = 0.045  # metres between the joints and forearms of two hands, at least
BESIDE = (0.09, 0.28)  # metres between the middles of the two hands
TRIES = 20

_MIRRORED = np.array([1.0, -1.0, 1.0])


def second_hand(
    rng: Rng,
    joints: Float[Array, "21 3"],
    R_world_root: Float[Array, "3 3"],
    elbow: Float[Array, "3"],
    hand: BentHand,
) -> tuple[Float[Array, "verts 3"], bool] | None:
    """Where a second hand is, if there is room for it.

    Args:
        rng: Random numbers.
        joints: The first hand's 21 joints, world [m].
        R_world_root: How it is turned.
        elbow: Where its forearm ends [m].
        hand: The second one, as a right hand.

    Returns:
        Its vertices in the world [m], and whether it is a left hand (its faces are then `surface(True)`'s).
    """
    is_left = bool(rng.random() < 0.8)
    mirror = _MIRRORED if is_left else np.ones(3)
    arm = np.linspace(0.15, 1, 8)[:, None]
    first = np.vstack([joints, joints[0] + arm * (elbow - joints[0])])
    for _ in range(TRIES):
        if rng.random() < 0.6:  # turned as the first, mirrored as left and right hands are
            R = R_world_root @ Rotation.from_rotvec(rng.normal(0, 0.5, 3)).as_matrix()
        else:
            R = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
        own = (hand.joints * mirror) @ R.T
        end = LENGTH * R @ (hand.forearm * mirror)
        direction = rng.standard_normal(3) * [1, 1, 0.6]
        offset = joints.mean(0) + direction / np.linalg.norm(direction) * rng.uniform(*BESIDE) - own.mean(0)
        second = np.vstack([own, arm * end]) + offset
        if second[:, 2].min() < 0.12:
            continue
        if np.linalg.norm(first[:, None] - second[None], axis=-1).min() > APART:
            return np.asarray((hand.verts * mirror) @ R.T + offset, np.float32), is_left
    return None


@lru_cache(maxsize=2)
def surface(is_left: bool) -> Surface:
    """A hand that is not the one to look for: without part labels. A left one's faces are turned."""
    model = open_hand(forearm=True)
    order = [0, 2, 1] if is_left else [0, 1, 2]
    template = model.template.numpy()
    return Surface(
        faces=model.faces.numpy()[:, order],
        uv=given(model.uv, "texture coordinates").numpy(),
        uv_faces=given(model.uv_faces, "texture coordinates").numpy()[:, order],
        rest=template * _MIRRORED.astype(np.float32) if is_left else template,
    )


def mesh(verts: Float[Array, "verts 3"], is_left: bool, material: Material) -> Mesh:
    """A second hand as `second_hand` places it."""
    return Mesh(verts=verts, surface=surface(is_left), material=material)
