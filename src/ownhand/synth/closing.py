"""Digits that close on things until they touch, for many hands at once.

All by conservative advancement: nothing moves further in a step than its distance to what it could hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ownhand.hand.anatomy import ABDUCTION
from ownhand.hand.builtin import open_hand
from ownhand.structs import given
from ownhand.synth.digits import Digits, chosen_vertices
from ownhand.synth.thing import Thing

Array = np.ndarray

GAP = 0.0003  # metres between skin and thing that closing aims at
_NEAR = 0.0015  # metres at which a bone has touched and the joints before it stop
_STEPS = (10, 7, 5)  # of each stage of closing, and of falling onto the palm
_FALL = 14
_SOFT = 0.001  # metres that closing lets webs sink into things, and digits into what stands for palm and fingers
_GRAIN = 0.008  # distance between the palm's vertices, about [m]
_THICK = np.array([1.25, 1.1, 1.0])  # half the thickness of a finger's three bones, relative to that of its pad
_FREE = 0.15  # share of a bone, from its beginning, that is no obstacle


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Things in hands: place k is in hand k.

    Attributes:
        things: What they are.
        R: R_hand_object.
        t: t_hand_object [m].
    """

    things: tuple[Thing, ...]
    R: Float[Array, "n 3 3"]
    t: Float[Array, "n 3"]

    @classmethod
    def of(cls, things: Sequence[Thing]) -> Held:
        return cls(things=tuple(things), R=np.tile(np.eye(3), (len(things), 1, 1)), t=np.zeros((len(things), 3)))

    def __getitem__(self, index: Array) -> Held:
        return Held(things=tuple(self.things[k] for k in index), R=self.R[index], t=self.t[index])

    def placed(self, R: Float[Array, "n 3 3"], t: Float[Array, "n 3"]) -> Held:
        return Held(things=self.things, R=R, t=t)

    def distance(self, points: Float[Array, "n m 3"]) -> Float[Array, "n m"]:
        """Signed distance of each hand's points to its thing [m]."""
        local = (points - self.t[:, None]) @ self.R
        distance = np.empty(points.shape[:2])
        for thing in set(self.things):
            mine = [k for k, other in enumerate(self.things) if other is thing]
            distance[mine] = thing.distance(local[mine].reshape(-1, 3)).reshape(len(mine), -1)
        return distance


def approached(held: Held, static: Float[Array, "n m 3"], direction: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Where things are after they moved in a direction until they touch."""
    t = held.t.copy()
    for _ in range(_FALL):
        gap = held.placed(held.R, t).distance(static).min(1) - GAP
        t += gap[:, None] * direction
    return t


def closed(
    hands: Digits, held: Held, begin: Float[Array, "n 5 3 3"], end: Float[Array, "n 5 3 3"]
) -> Float[Array, "n 5 3 3"]:
    """Angles [rad] after closing from `begin` towards `end`: fingers first, then the thumb, which keeps off them."""
    fingers = _closed(hands, held, begin, end, slice(1, 5), _Palm.of(hands, begin))
    thumb = _closed(hands, held, begin, end, slice(0, 1), _Fingers.of(hands, fingers))
    return np.concatenate([thumb, fingers], 1)


def _closed(
    hands: Digits, held: Held, begin: Array, end: Array, digits: slice, others: _Palm | _Fingers
) -> Float[Array, "n d 3 3"]:
    """One stage per joint: a bone that touches stops the joints before it, the others go on."""
    chosen = chosen_vertices()
    angles, end = begin[:, digits].copy(), end[:, digits]
    n, d = angles.shape[:2]
    reach, segment, web = hands.reach()[:, digits], chosen.segment[digits], chosen.is_web[digits]
    first = np.zeros((n, d), int)  # joint that still moves
    for steps in _STEPS:
        free = np.arange(3) >= first[..., None]
        way = (end - angles) * free[..., None]
        speed = (reach * np.abs(way).sum(-1)[:, :, None]).sum(-1) + 1e-6
        moving = segment >= first[..., None]
        share = np.zeros((n, d))
        for _ in range(steps):
            verts = hands.bent(angles + share[..., None, None] * way, digits)[0]
            gap = held.distance(verts.reshape(n, -1, 3)).reshape(n, d, -1) - GAP + _SOFT * web
            gap = np.minimum(gap, others.distance(verts) + _SOFT)
            share = np.clip(share + np.where(moving, gap / speed, np.inf).min(-1), 0, 1)
        angles = angles + share[..., None, None] * way
        near = (gap < _NEAR) & moving & ~web
        stop = np.select(
            [(near & (segment == k)).any(-1) for k in range(3)], [1, 2, 3], np.where(share < 1, first + 1, 3)
        )
        first = np.maximum(first, stop)
    return angles


@dataclass(frozen=True, kw_only=True, eq=False)
class _Palm:
    """The palm as an obstacle to the fingers' pads [m]."""

    verts: Float[Array, "n p 3"]
    normals: Float[Array, "p 3"]

    @classmethod
    def of(cls, hands: Digits, angles: Float[Array, "n 5 3 3"]) -> _Palm:
        return cls(verts=hands.bent_palm(angles), normals=chosen_vertices().palm_normals)

    def distance(self, verts: Float[Array, "n 4 v 3"]) -> Float[Array, "n 4 v"]:
        """Of the pads' vertices; infinite for others."""
        pads = chosen_vertices().pad[None, 1:, :, None]
        tips = np.take_along_axis(verts, pads, 2).reshape(len(verts), -1, 3)
        square = ((tips[:, :, None] - self.verts[:, None]) ** 2).sum(-1)
        nearest = square.argmin(-1)
        base = np.take_along_axis(self.verts, nearest[..., None], 1)
        height = ((tips - base) * self.normals[nearest]).sum(-1)
        away = np.sqrt(square.min(-1)) - _GRAIN
        distance = np.full(verts.shape[:3], np.inf)
        np.put_along_axis(distance, pads[..., 0], np.maximum(height, away).reshape(len(verts), 4, -1), 2)
        return distance


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fingers:
    """Fingers as an obstacle to the thumb: round rods [m]."""

    begin: Float[Array, "n 12 3"]
    way: Float[Array, "n 12 3"]
    radius: Float[Array, "n 12"]

    @classmethod
    def of(cls, hands: Digits, angles: Float[Array, "n 4 3 3"]) -> _Fingers:
        pads = chosen_vertices().pad[None, 1:, :, None]
        verts, joints, R = hands.bent(angles, slice(1, 5))
        tips = np.take_along_axis(verts, pads, 2).mean(2)
        rest = np.take_along_axis(hands.verts[:, 1:], pads, 2).mean(2) - hands.joints[:, 1:, 2]
        axes = _backs()
        back = R[:, :, 2] @ axes[None, ..., None]
        tips = tips - back[..., 0] * (rest * axes).sum(-1, keepdims=True)
        n = len(angles)
        thick = np.abs((rest * axes).sum(-1))[..., None] * _THICK
        way = np.concatenate([joints[:, :, 1:], tips[:, :, None]], 2) - joints
        return cls(begin=joints.reshape(n, -1, 3), way=way.reshape(n, -1, 3), radius=thick.reshape(n, -1))

    def distance(self, verts: Float[Array, "n d v 3"]) -> Float[Array, "n d v"]:
        away = verts[:, :, :, None] - self.begin[:, None, None]
        way = self.way[:, None, None]
        share = np.clip((away * way).sum(-1) / (way**2).sum(-1), _FREE, 1)
        return (np.linalg.norm(away - share[..., None] * way, axis=-1) - self.radius[:, None, None]).min(-1)


def _backs() -> Float[Array, "4 3"]:
    """Directions out of the back of the fingers' last bones at rest."""
    return given(open_hand().axes, "anatomical axes").double().numpy()[5::3, :, ABDUCTION]
