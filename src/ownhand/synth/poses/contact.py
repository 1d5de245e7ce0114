"""Hands that touch themselves but do not sink in: the angles of a few joints move, by damped least squares.

Skin that lies inside another part is pushed out along its own normal, and parts that are to touch are pulled together
at their nearest vertices; both ask for a relative motion of two bones, which is linear in the angles of the joints
between them (Plücker coordinates of the axes).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.anatomy import ABDUCTION, FLEXION, joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandPose, ShapedHand
from ownhand.hand.skeleton import PARENTS_16
from ownhand.render import Surface
from ownhand.render.queries import self_penetration_depth
from ownhand.structs import given
from ownhand.synth.poses.mixture import DIP_PER_PIP

Array = np.ndarray

DEEPEST = 0.001  # metres that one part of the hand may sink into another: soft flesh
PRESSED = 0.0004  # depth that skin in contact is brought to
GRAIN = 0.001  # metres between the nearest vertices of surfaces that touch, at most, about
APART = 0.001  # parts that are to touch may be as far from each other
STEPS = 8  # of least squares
PULLS = 7  # the first of them, in which parts are also pulled together
ROWS = 12  # vertices of a hand that are pushed at a time, the deepest
DAMPING = 0.004  # metres of penetration that one radian of a joint is worth
LARGEST_TURN = 0.3  # of a joint in one step [rad]

_BASES = (1, 4, 7, 10, 13)
_NEIGHBOURS = (*((j, PARENTS_16[j]) for j in range(1, 16)), *((j, k) for j in _BASES for k in _BASES))
"""Parts that touch anyway."""

_TURNS = (
    *((1, axis, (1, axis), 1.0) for axis in (ABDUCTION, FLEXION)),
    *((joint, FLEXION, (joint, FLEXION), 1.0) for joint in (2, 3)),
    *((base, axis, (base, axis), 1.0) for base in _BASES[1:] for axis in (ABDUCTION, FLEXION)),
    *((base + 1, FLEXION, (base + 1, FLEXION), 1.0) for base in _BASES[1:]),
    *((base + 2, FLEXION, (base + 1, FLEXION), DIP_PER_PIP) for base in _BASES[1:]),
)
"""Joints (1 to 15) and axes that turn, and what with and how much: end joints follow the middle ones."""


def repaired(
    R_parent_joint: Float[Tensor, "n 15 3 3"],
    shape: Float[Tensor, "n shapes"],
    touching: Int[Array, "n pairs 2"] | None = None,
) -> tuple[Float[Tensor, "n 15 3 3"], Float[Array, "n"], Float[Array, "n"]]:
    """Poses nearby in which no part sinks deeper than `DEEPEST` into another and those that are to touch do, mostly.

    Args:
        R_parent_joint: Poses.
        shape: Who poses.
        touching: Pairs of parts (0 the palm, else the joint that the part hangs on) that are to touch; (0, 0) is none.

    Returns:
        The poses, how deep each hand sinks into itself, and the widest gap between parts that are to touch [m].
    """
    touching = np.zeros((len(shape), 0, 2), int) if touching is None else touching
    R, shaped = R_parent_joint.float().clone(), open_hand().shaped(shape.float())
    depth, gap, waiting = np.zeros(len(R)), np.zeros(len(R)), np.arange(len(R))
    for step in range(STEPS + 1):
        hand = _Bent(shaped[waiting], R[waiting])
        sunk = sinking(hand.verts)
        gaps = [_gaps(hand, k, touching[waiting[k]]) for k in range(len(waiting))]
        depth[waiting] = sunk.max(-1)
        gap[waiting] = [max((row.wanted[0] for row in some), default=0.0) for some in gaps]
        if step >= PULLS:
            gaps = [[]] * len(waiting)
        bad = np.flatnonzero((depth[waiting] > DEEPEST) | [any(row.wanted[0] > APART for row in some) for some in gaps])
        if step == STEPS or not len(bad):
            break
        turns = np.stack([_turns(hand, k, [*_pushes(hand, k, sunk[k]), *gaps[k]]) for k in bad.tolist()])
        waiting = waiting[bad]
        R[waiting] = _turned(R[waiting], torch.from_numpy(turns))
    return R, depth, gap


def turns_apart(
    R_parent_joint: Float[Tensor, "n 15 3 3"], shape: Float[Tensor, "n shapes"]
) -> tuple[Float[Array, "n"], Float[Array, "n 15 3"]]:
    """How deep each hand sinks into itself [m], and one step out of it: angles as `open_hand_limits` reads them."""
    hand = _Bent(open_hand().shaped(shape.float()), R_parent_joint.float())
    sunk, turns = sinking(hand.verts), np.zeros((len(shape), 15, 3), np.float32)
    for k in np.flatnonzero(sunk.max(-1) > DEEPEST).tolist():
        turns[k] = _turns(hand, k, _pushes(hand, k, sunk[k]))
    return sunk.max(-1), turns


def penetration(R_parent_joint: Float[Tensor, "n 15 3 3"], shape: Float[Tensor, "n shapes"]) -> Float[Array, "n"]:
    """How deep each hand sinks into itself at worst [m]."""
    hand = _Bent(open_hand().shaped(shape.float()), R_parent_joint.float())
    return sinking(hand.verts).max(-1)


def unmoved(R_parent_joint: Float[Tensor, "n 15 3 3"]) -> HandPose:
    """A pose in the hand's own frame, wrist at the origin."""
    n, like = len(R_parent_joint), R_parent_joint
    return HandPose(
        R_cam_root=torch.eye(3).to(like).expand(n, 3, 3), R_parent_joint=R_parent_joint, t_cam_root=like.new_zeros(n, 3)
    )


class _Bent:
    """Hands [n] in poses: skin, bones, and the axes about which `_TURNS` turn them, wrist at the origin [m]."""

    def __init__(self, shaped: ShapedHand, R_parent_joint: Tensor) -> None:
        n = len(R_parent_joint)
        limits, axes = open_hand_limits(), given(open_hand().axes, "anatomical axes")
        self.verts = shaped.posed(unmoved(R_parent_joint)).verts.numpy()
        root = torch.eye(3).expand(n, 1, 3, 3)
        T = forward_kinematics(torch.cat([root, R_parent_joint], 1), shaped.joints_16, PARENTS_16)
        self.R = T[..., :3, :3].numpy()
        origin = (T[..., :3, 3] - shaped.joints_16[:, :1]).numpy()
        joints, kinds = _turning()
        flexion = limits.angles(R_parent_joint)[..., FLEXION, None] * axes[..., FLEXION]
        turned = (roma.rotvec_to_rotmat(flexion) @ axes[..., ABDUCTION, None])[..., 0]
        local = np.where(kinds[:, None] == FLEXION, axes[joints - 1, :, FLEXION], turned[:, joints - 1])
        axis = np.einsum("ndab,ndb->nda", self.R[:, np.array(PARENTS_16)[joints]], local)
        self.plucker = np.concatenate([axis, np.cross(origin[:, joints], axis)], -1)


class _Motions(NamedTuple):
    """Vertices that are to move relative to another part.

    Attributes:
        points: Where they are [rows 3] m.
        along: Direction of the motion [rows 3].
        part, other: What they are on, and relative to what they are to move [rows].
        wanted: How far [rows] m.
    """

    points: Array
    along: Array
    part: Array
    other: Array
    wanted: Array


def _pushes(hand: _Bent, k: int, sunk: Array) -> list[_Motions]:
    """The deepest vertices of hand k move out of the part next to them, against their own normals."""
    deep = np.argpartition(-sunk, ROWS)[:ROWS]
    deep = deep[sunk[deep] > PRESSED] if sunk.max() > DEEPEST else deep[:0]
    if not len(deep):
        return []
    verts, part = hand.verts[k], _parts()
    distance = (verts**2).sum(1) - 2 * verts[deep] @ verts.T
    near = np.where(_FOREIGN[part[deep]][:, part], distance, np.inf).argmin(1)
    along = -np.einsum("rab,rb->ra", hand.R[k][part[deep]], _rest_normals()[deep])
    return [_Motions(verts[deep], along, part[deep], part[near], sunk[deep] - PRESSED)]


def _gaps(hand: _Bent, k: int, touching: Array) -> list[_Motions]:
    """Parts of hand k that are to touch but do not move towards each other, at their nearest vertices."""
    found, verts = [], hand.verts[k]
    for a, b in touching[touching.any(-1)].tolist():
        on_a, on_b = _members(a), _members(b)
        distance = (verts[on_b] ** 2).sum(1) - 2 * verts[on_a] @ verts[on_b].T + (verts[on_a] ** 2).sum(1)[:, None]
        i, j = np.unravel_index(distance.argmin(), distance.shape)
        point, away = verts[on_a[i]], hand.R[k][b] @ _rest_normals()[on_b[j]]
        offset = point - verts[on_b[j]]
        gap, length = away @ offset, np.linalg.norm(offset)
        if length - GRAIN > gap:  # beside each other: the normal does not point across the gap
            gap, away = length - GRAIN, offset / length
        if gap > 0:
            found.append(_Motions(point[None], -away[None], np.array([a]), np.array([b]), np.array([gap])))
    return found


def _turns(hand: _Bent, k: int, motions: list[_Motions]) -> Array:
    """Angles [15 3] by which the joints of hand k turn to move vertices as wanted [rad]."""
    points, along, part, other, wanted = map(np.concatenate, zip(*motions, strict=True))
    moves = _moved_by()[part] - _moved_by()[other]
    lines = np.concatenate([np.cross(points, along), along], -1)
    jacobian = (lines @ hand.plucker[k].T * moves) @ _shares()
    weighted = jacobian * (wanted / wanted.sum())[:, None]
    normal_matrix = jacobian.T @ weighted + DAMPING**2 * np.eye(jacobian.shape[1])
    free = np.clip(np.linalg.solve(normal_matrix, weighted.T @ wanted), -LARGEST_TURN, LARGEST_TURN)
    angles = np.zeros((15, 3), np.float32)
    joints, kinds = _turning()
    angles[joints - 1, kinds] = _shares() @ free
    return angles


def _turned(R_parent_joint: Tensor, turns: Tensor) -> Tensor:
    """Poses with other angles, no further beyond the limits than before."""
    limits = open_hand_limits()
    before = limits.angles(R_parent_joint)
    after = torch.minimum(torch.maximum(before + turns, limits.low.minimum(before)), limits.high.maximum(before))
    return limits.rotations(after)


def sinking(verts: Float[Array, "n verts 3"]) -> Float[Array, "n verts"]:
    """How deep each vertex of hands sinks into other parts of its own hand [m]."""
    return self_penetration_depth(verts, parts_surface(), ignore=_NEIGHBOURS)


_FOREIGN = ~np.eye(16, dtype=bool)
for _a, _b in _NEIGHBOURS:
    _FOREIGN[_a, _b] = _FOREIGN[_b, _a] = False


@lru_cache(maxsize=1)
def _turning() -> tuple[Array, Array]:
    """Joints and axes of `_TURNS`."""
    return np.array([turn[0] for turn in _TURNS]), np.array([turn[1] for turn in _TURNS])


@lru_cache(maxsize=1)
def _shares() -> Array:
    """How `_TURNS` follow from those that are free [turns free]."""
    leaders = list(dict.fromkeys(turn[2] for turn in _TURNS))
    shares = np.zeros((len(_TURNS), len(leaders)))
    for row, (_, _, leader, share) in zip(shares, _TURNS, strict=True):
        row[leaders.index(leader)] = share
    return shares


@lru_cache(maxsize=1)
def _moved_by() -> Array:
    """1 where a part [16] is moved by a turn [turns]."""
    joints, moved = _turning()[0], np.zeros((16, len(_TURNS)))
    for part in range(1, 16):
        chain = [part, PARENTS_16[part], PARENTS_16[PARENTS_16[part]]]
        moved[part] = np.isin(joints, [j for j in chain if j > 0])
    return moved


@lru_cache(maxsize=1)
def open_hand_limits() -> JointLimits:
    """Limits of the open hand's joints, and the angles that they are about."""
    return JointLimits.of(joint_limits(), given(open_hand().axes, "anatomical axes"))


@lru_cache(maxsize=1)
def _parts() -> Array:
    """The part that each vertex belongs to."""
    return open_hand().skin_weights.argmax(1).numpy()


@lru_cache(maxsize=16)
def _members(part: int) -> Array:
    return np.flatnonzero(_parts() == part)


@lru_cache(maxsize=1)
def _rest_normals() -> Array:
    return vertex_normals(open_hand().template, open_hand().faces).numpy()


@lru_cache(maxsize=1)
def parts_surface() -> Surface:
    """The open hand's surface; labels are the joints that move its faces."""
    model = open_hand()
    return Surface(
        faces=model.faces.numpy(),
        labels=model.skin_weights[model.faces].sum(1).argmax(1).numpy(),
        rest=model.template.numpy(),
    )
