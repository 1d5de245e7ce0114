"""Digits that close on things until they touch, for many hands at once.

All by conservative advancement: nothing moves further in a step than its distance to what it could hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.hand.anatomy import ABDUCTION
from ownhand.hand.builtin import open_hand
from ownhand.structs import given
from ownhand.synth.things.digits import Digits, chosen_vertices
from ownhand.synth.things.thing import Thing

Array = np.ndarray

GAP = 0.0003  # metres between skin and thing that closing aims at
NODES = 33  # along each side of the grids of signed distances
_MARGIN = 0.015  # by which they reach beyond things [m]
_EDGES = (0, NODES, NODES**2, NODES**2 + NODES)  # of a cell: steps to where its edges along z begin
_NEAR = 0.0015  # metres at which a bone has touched and the joints before it stop
_STEPS = (8, 5, 4)  # of each stage of closing, and of falling onto the palm
_FALL = 10
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
        nodes: Signed distance at the nodes of a grid around each thing [m].
        low: The first node of each grid [m].
        per_step: Nodes per metre.
    """

    things: tuple[Thing, ...]
    R: Float[Array, "n 3 3"]
    t: Float[Array, "n 3"]
    nodes: Float[Array, "n nodes"]
    low: Float[Array, "n 3"]
    per_step: Float[Array, "n 3"]

    @classmethod
    def of(cls, things: Sequence[Thing]) -> Held:
        nodes, low, per_step = (np.stack(x) for x in zip(*(_grid(thing) for thing in things), strict=True))
        R, t = np.tile(np.eye(3), (len(things), 1, 1)), np.zeros((len(things), 3))
        return cls(things=tuple(things), R=R, t=t, nodes=nodes, low=low, per_step=per_step)

    def __getitem__(self, index: Array) -> Held:
        return Held(
            things=tuple(self.things[k] for k in index),
            R=self.R[index],
            t=self.t[index],
            nodes=self.nodes[index],
            low=self.low[index],
            per_step=self.per_step[index],
        )

    def placed(self, R: Float[Array, "n 3 3"], t: Float[Array, "n 3"]) -> Held:
        return replace(self, R=R, t=t)

    def distance(self, points: Float[Array, "n m 3"]) -> Float[Array, "n m"]:
        """Signed distance of each hand's points to its thing [m]."""
        local = (points - self.t[:, None]) @ self.R
        return np.stack([thing.distance(own) for thing, own in zip(self.things, local, strict=True)])

    def nearly(self, points: Float[Array, "n m 3"]) -> Float[Array, "n m"]:
        """The same between the nodes of grids: faster, off by up to about a millimetre at edges; far away less."""
        local = ((points - self.t[:, None]) @ self.R).astype(np.float32)
        place = (local - self.low[:, None]) * self.per_step[:, None]
        within = np.clip(place, 0, NODES - 1.001)
        cell = within.astype(np.int32)
        u = within - cell
        index = (np.arange(len(points))[:, None] * NODES + cell[..., 0]) * NODES + cell[..., 1]
        index = index * NODES + cell[..., 2]
        flat = self.nodes.reshape(-1)
        along_z = [flat[index + k] + u[..., 2] * (flat[index + k + 1] - flat[index + k]) for k in _EDGES]
        low = along_z[0] + u[..., 1] * (along_z[1] - along_z[0])
        high = along_z[2] + u[..., 1] * (along_z[3] - along_z[2])
        inner = low + u[..., 0] * (high - low)
        beyond = (place - within) / self.per_step[:, None]
        outside = _dot(beyond, beyond)
        return np.where(outside > 1e-8, np.sqrt(outside + np.maximum(inner, 0) ** 2), inner)


@lru_cache(maxsize=64)
def _grid(thing: Thing) -> tuple[Array, Array, Array]:
    """Signed distance at the nodes of a grid around a thing, the first node, and nodes per metre."""
    low, high = thing.verts.min(0) - _MARGIN, thing.verts.max(0) + _MARGIN
    axes = [np.linspace(a, b, NODES) for a, b in zip(low, high, strict=True)]
    nodes = thing.distance(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    return nodes.astype(np.float32), low.astype(np.float32), ((NODES - 1) / (high - low)).astype(np.float32)


def approached(held: Held, static: Float[Array, "n m 3"], direction: Float[Array, "n 3"]) -> Float[Array, "n 3"]:
    """Where things are after they moved in a direction until they touch."""
    t = held.t.copy()
    for _ in range(_FALL):
        gap = held.placed(held.R, t).nearly(static).min(1) - GAP
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
            gap = held.nearly(verts.reshape(n, -1, 3)).reshape(n, d, -1) - GAP + _SOFT * web
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
        square = (
            _dot(tips, tips)[..., None] - 2 * tips @ self.verts.swapaxes(1, 2) + _dot(self.verts, self.verts)[:, None]
        )
        nearest = square.argmin(-1)
        base = np.take_along_axis(self.verts, nearest[..., None], 1)
        height = ((tips - base) * self.normals[nearest]).sum(-1)
        away = np.sqrt(np.maximum(square.min(-1), 0)) - _GRAIN
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
        away = (verts.reshape(len(verts), -1, 1, 3) - self.begin[:, None]).astype(np.float32)
        way = self.way[:, None].astype(np.float32)
        along, length = _dot(away, way), _dot(way, way)
        share = np.clip(along / length, _FREE, 1)
        square = _dot(away, away) - 2 * share * along + share**2 * length
        return (np.sqrt(np.maximum(square, 0)) - self.radius[:, None]).min(-1).reshape(verts.shape[:3])


def _backs() -> Float[Array, "4 3"]:
    """Directions out of the back of the fingers' last bones at rest."""
    return given(open_hand().axes, "anatomical axes").double().numpy()[5::3, :, ABDUCTION]


def _dot(a: Array, b: Array) -> Array:
    return np.einsum("...c,...c->...", a, b)
