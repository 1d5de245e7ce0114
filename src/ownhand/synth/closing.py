"""Digits that close on things until they touch, for many hands at once.

All by conservative advancement: nothing moves further in a step than its distance to what it could hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ownhand.synth.digits import Digits, chosen_vertices
from ownhand.synth.thing import Thing

Array = np.ndarray

GAP = 0.0003  # metres between skin and thing that closing aims at
_NEAR = 0.0015  # metres at which a bone has touched and the joints before it stop
_STEPS = (10, 7, 5)  # of each stage of closing, and of falling onto the palm
_FALL = 14
_SOFT = 0.001  # metres that the thumb may sink into the fingers' round stand-ins


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


def approached(
    held: Held, static: Float[Array, "n m 3"], direction: Float[Array, "n 3"]
) -> Float[Array, "n 3"]:
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
    fingers = _closed(hands, held, begin, end, slice(1, 5), None)
    _, joints, _ = hands.bent(fingers, slice(1, 5))
    thumb = _closed(hands, held, begin, end, slice(0, 1), _bones(hands, fingers))
    return np.concatenate([thumb, fingers], 1)


def _closed(
    hands: Digits, held: Held, begin: Array, end: Array, digits: slice, bones: tuple[Array, Array, Array] | None
) -> Array:
    """One stage per joint: a bone that touches stops the joints before it, the others go on."""
    angles, end = begin[:, digits].copy(), end[:, digits]
    n, d = angles.shape[:2]
    reach, segment = hands.reach()[:, digits], chosen_vertices().segment[digits]
    first = np.zeros((n, d), int)  # joint that still moves
    for steps in _STEPS:
        free = np.arange(3) >= first[..., None]
        way = (end - angles) * free[..., None]
        speed = (reach * np.abs(way).sum(-1)[:, :, None]).sum(-1) + 1e-6
        moving = segment >= first[..., None]
        share = np.zeros((n, d))
        for _ in range(steps):
            verts = hands.bent(angles + share[..., None, None] * way, digits)[0]
            gap = held.distance(verts.reshape(n, -1, 3)).reshape(n, d, -1) - GAP
            if bones is not None:
                gap = np.minimum(gap, _clearance(verts, bones))
            share = np.clip(share + np.where(moving, gap / speed, np.inf).min(-1), 0, 1)
        angles = angles + share[..., None, None] * way
        touched = [((gap < _NEAR) & moving & (segment == k)).any(-1) for k in range(3)]
        stop = np.select(touched, [1, 2, 3], 0)
        first = np.where(stop > 0, np.maximum(first, stop), 3)
    return angles


def _bones(hands: Digits, fingers: Float[Array, "n 4 3 3"]) -> tuple[Array, Array, Array]:
    """Where the fingers' bones begin and lead, and how thick the fingers are there: round rods [m]."""
    chosen = chosen_vertices()
    verts, joints, _ = hands.bent(fingers, slice(1, 5))
    tips = np.take_along_axis(verts, chosen.pad[None, 1:, :, None], 2).mean(2)
    begin = joints
    way = np.concatenate([joints[:, :, 1:], tips[:, :, None]], 2) - begin
    thick = np.linalg.norm(hands.verts[:, 1:, chosen.pad[1]].mean(2) - hands.joints[:, 1:, 2], axis=-1) * 0 + 0.0078
    radius = thick[..., None] * np.array([1.1, 1.0, 0.9])
    flat = len(verts), -1
    return begin.reshape(*flat, 3), way.reshape(*flat, 3), radius.reshape(flat)


def _clearance(verts: Float[Array, "n d v 3"], bones: tuple[Array, Array, Array]) -> Float[Array, "n d v"]:
    """Distance of vertices to rods [m]."""
    begin, way, radius = bones
    away = verts[:, :, :, None] - begin[:, None, None]
    share = np.clip((away * way[:, None, None]).sum(-1) / (way**2).sum(-1)[:, None, None], 0.15, 1)
    gap = np.linalg.norm(away - share[..., None] * way[:, None, None], axis=-1) - radius[:, None, None]
    return gap.min(-1) + _SOFT
