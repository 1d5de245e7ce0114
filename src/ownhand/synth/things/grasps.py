"""Hands that hold things: the thing is laid against palm or between fingertips, then the digits close until they touch.

Hand's frame: wrist at the origin, x distal, y to the thumb's side, z out of the back of the hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from ownhand.hand.anatomy import rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render.queries import signed_distance
from ownhand.structs import given
from ownhand.synth.poses.contact import parts_surface, sinking
from ownhand.synth.things.closing import Held, approached, closed
from ownhand.synth.things.digits import Digits, chosen_vertices
from ownhand.synth.things.objects import catalogue
from ownhand.synth.things.preshapes import PRESHAPES, Preshape
from ownhand.synth.things.thing import Hold, Thing

Array = np.ndarray
Rng = np.random.Generator

TRIES = 4  # draws per picture until one is held
DEEPEST = 0.0018  # metres that hand and thing may sink into each other
DEEPEST_SELF = 0.001  # metres that a hand may sink into itself
TOUCH = 0.002  # distance [m] that counts as contact
_LEVELS = 9  # openings between open and closed hand that are compared with the thing's thickness
_AHEAD = 0.35  # share of the way before that opening where the digits begin to close
_BEYOND = 0.2  # share of the way that they go on beyond the closed hand
WEB = np.array([-0.004, 0.02, 0.006])  # from the index finger MCP joint to where a pen leans [m]
_CLEAR_OF_THUMB = 0.55  # share of its half width by which a flat thing lies further out, so that the thumb has room
_FAR = 0.2  # metres before the palm where a thing starts


@dataclass(frozen=True, kw_only=True, eq=False)
class Grasp:
    """A hand that holds a thing.

    Attributes:
        R_parent_joint: The hand's pose.
        thing: What it holds.
        R_hand_object: Its orientation in the hand's frame.
        t_hand_object: Its place, the wrist being the origin [m].
        grasp: Name of the grasp.
    """

    R_parent_joint: Float[Tensor, "15 3 3"]
    thing: Thing
    R_hand_object: Float[Array, "3 3"]
    t_hand_object: Float[Array, "3"]
    grasp: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Draw:
    """What is tried."""

    thing: Thing
    hold: Hold
    preshape: Preshape
    open: Float[Array, "5 3 3"]
    closed: Float[Array, "5 3 3"]
    R_grip_object: Float[Array, "3 3"]
    point: Float[Array, "3"]
    place: Float[Array, "2"]
    oblique: float


def grasps(rngs: Sequence[Rng], shape: Float[Tensor, "n shapes"]) -> list[Grasp | None]:
    """One grasp per picture, or None where none of TRIES draws could be held.

    Args:
        rngs: One per picture.
        shape: Whose hands.
    """
    found: list[Grasp | None] = [None] * len(rngs)
    hands = Digits.of(shape.double().numpy())
    waiting = np.arange(len(rngs))
    for _ in range(TRIES):
        draws = [draw(rngs[k]) for k in waiting.tolist()]
        results = solved(draws, hands[waiting], shape[waiting])
        for k, result in zip(waiting, results, strict=True):
            found[k] = result
        waiting = np.array([k for k in waiting if found[k] is None], int)
        if not len(waiting):
            break
    return found


def draw(rng: Rng, thing: Thing | None = None, hold: Hold | None = None) -> _Draw:
    """What to hold and how; both drawn where not given."""
    thing = thing or catalogue()[rng.integers(len(catalogue()))]
    if hold is None:
        shares = np.array([h.share for h in thing.holds])
        hold = thing.holds[rng.choice(len(shares), p=shares / shares.sum())]
    preshape = PRESHAPES[hold.grasp]
    opened, shut = preshape.draw(rng)
    along, face = np.array(hold.along), np.array(hold.face)
    R_object_grip = np.stack([along, np.cross(face, along), face], -1)
    spin = Rotation.from_rotvec([0, 0, np.deg2rad(hold.spin) * rng.uniform(-1, 1)]).as_matrix()
    turn = Rotation.from_rotvec([0, 0, np.deg2rad(hold.turn) * rng.uniform(-1, 1)]).as_matrix()
    point = np.array(hold.point) + rng.uniform(-1, 1) * np.array(hold.slide)
    x, x_spread, y, y_spread = preshape.place
    return _Draw(
        thing=thing,
        hold=hold,
        preshape=preshape,
        open=opened,
        closed=shut,
        R_grip_object=turn @ R_object_grip.T @ spin,
        point=spin.T @ point,
        place=rng.normal([x, y], [x_spread, y_spread]),
        oblique=np.deg2rad(rng.normal(*preshape.oblique)),
    )


def solved(draws: Sequence[_Draw], hands: Digits, shape: Float[Tensor, "n shapes"]) -> list[Grasp | None]:
    """Each draw carried out, None where it fails."""
    begin, end = np.stack([d.open for d in draws]), np.stack([d.closed for d in draws])
    held = Held.of([d.thing for d in draws])
    on_palm = np.array([d.preshape.where == "palm" for d in draws])
    for mask, place in ((on_palm, _on_palm), (~on_palm, _between_tips)):
        which = np.flatnonzero(mask)
        if len(which):
            chosen = [draws[k] for k in which.tolist()]
            held.R[which], held.t[which], begin[which], end[which] = place(
                chosen, hands[which], begin[which], end[which], held[which]
            )
    angles = closed(hands, held, begin, end)
    return _checked(draws, held, angles, shape)


def _on_palm(
    draws: Sequence[_Draw], hands: Digits, begin: Array, end: Array, held: Held
) -> tuple[Array, Array, Array, Array]:
    """Things fall onto palm and open fingers."""
    lean = np.array([d.oblique for d in draws])
    zero = np.zeros_like(lean)
    along = np.stack([np.sin(lean), np.cos(lean), zero], -1)
    face = np.broadcast_to([0.0, 0.0, 1.0], along.shape)
    R = np.stack([along, np.cross(face, along), face], -1) @ np.stack([d.R_grip_object for d in draws])
    length = hands.joints[:, 2, 0, 0]
    xy = np.stack([d.place for d in draws]) * length[:, None]
    xy[:, 0] += np.array([d.hold.half_width for d in draws]) * _CLEAR_OF_THUMB
    grip = np.concatenate([xy, np.full((len(draws), 1), -_FAR)], 1)
    t = grip - (R @ np.stack([d.point for d in draws])[..., None])[..., 0]
    verts, web = hands.bent(begin)[0], chosen_vertices().is_web[0]
    static = np.concatenate([hands.bent_palm(begin), verts[:, 0, web], verts[:, 1:].reshape(len(draws), -1, 3)], 1)
    return R, approached(held.placed(R, t), static, face), begin, end


def _between_tips(
    draws: Sequence[_Draw], hands: Digits, begin: Array, end: Array, held: Held
) -> tuple[Array, Array, Array, Array]:
    """Things come where the pads meet, the hand as open as they are thick."""
    n, levels = len(draws), np.linspace(0, 1.05, _LEVELS)
    chosen = chosen_vertices()
    is_side = np.array([d.preshape.where == "side" for d in draws])
    meets = np.zeros((n, 5))
    for k, d in enumerate(draws):
        meets[k, list(d.preshape.tips)] = 1 / len(d.preshape.tips)
    bends = begin[:, None] + levels[:, None, None, None] * (end - begin)[:, None]
    verts, joints, _ = hands[np.repeat(np.arange(n), _LEVELS)].bent(bends.reshape(-1, 5, 3, 3))
    pads = np.take_along_axis(verts, chosen.pad[None, :, :, None], 2).mean(2).reshape(n, _LEVELS, 5, 3)
    ways = pads - joints[:, :, 2].reshape(pads.shape)
    flank = verts[:, 1, chosen.flank[1]].mean(1).reshape(n, _LEVELS, 3)
    met, pointed = (np.einsum("nd,nldc->nlc", meets, x) for x in (pads, ways))
    thumb, knuckle = pads[:, :, 0], joints[:, 1, 0].reshape(n, _LEVELS, 3)
    fingers = np.where(is_side[:, None, None], flank, met)
    distal = np.where(is_side[:, None, None], ways[:, :, 0], pointed)
    aperture = np.linalg.norm(fingers - thumb, axis=-1)
    share, R, t = np.empty(n), np.empty((n, 3, 3)), np.empty((n, 3))
    for k, d in enumerate(draws):
        thickness, middle = _thickness(d)
        share[k] = np.interp(-thickness, -aperture[k], levels)
        f, g, u, w = (
            np.stack([np.interp(share[k], levels, x[k, :, c]) for c in range(3)])
            for x in (fingers, thumb, distal, knuckle)
        )
        face = (f - g) / np.linalg.norm(f - g)
        if d.hold.grasp == "writing":
            u = w + WEB - (f + g) / 2
        along = u - face * (u @ face)
        along /= np.linalg.norm(along)
        R[k] = np.stack([along, np.cross(face, along), face], -1) @ d.R_grip_object
        t[k] = (f + g) / 2 - R[k] @ middle
    way = end - begin
    s = share[:, None, None, None]
    start = begin + np.maximum(s - _AHEAD, 0) * way
    side = np.flatnonzero(is_side)
    if len(side):
        start[side, 1:] = begin[side, 1:]
        face = (R[side] @ np.stack([draws[k].R_grip_object for k in side.tolist()]).swapaxes(-1, -2))[..., 2]
        away = held[side].placed(R[side], t[side] - 0.01 * face)
        verts = hands[side].bent(begin[side, 1:], slice(1, 5))[0].reshape(len(side), -1, 3)
        t[side] = approached(away, verts, face)
    return R, t, start, begin + (1 + _BEYOND) * way


def _thickness(d: _Draw) -> tuple[float, Array]:
    """How thick a thing is along its face's normal at the grip, and the middle there, in the thing's frame [m]."""
    face = d.R_grip_object.T @ [0.0, 0.0, 1.0]
    at = np.linspace(-0.06, 0.06, 241)
    outside = d.thing.distance(d.point + at[:, None] * face) > 0
    if outside[len(at) // 2]:  # hollow: taken from outside
        first, last = at[~outside][[0, -1]]
    else:
        low, high = np.flatnonzero(outside & (at < 0)), np.flatnonzero(outside & (at > 0))
        first, last = at[low[-1]] if len(low) else at[0], at[high[0]] if len(high) else at[-1]
    return float(last - first), d.point + (first + last) / 2 * face


def _checked(
    draws: Sequence[_Draw], held: Held, angles: Float[Array, "n 5 3 3"], shape: Float[Tensor, "n shapes"]
) -> list[Grasp | None]:
    """The grasps that hold without sinking in, on the real mesh."""
    model = open_hand()
    n = len(draws)
    axes = given(model.axes, "anatomical axes").double()
    R = rotations_from_angles(torch.from_numpy(angles.reshape(n, 15, 3)), axes)
    pose = HandPose(R_cam_root=torch.eye(3).expand(n, 3, 3), R_parent_joint=R.float(), t_cam_root=torch.zeros(n, 3))
    verts = model.shaped(shape.float()).posed(pose).verts.numpy()
    distance = held.distance(verts.astype(float))
    part = model.skin_weights.argmax(1).numpy()
    digit = np.where(part > 0, (part - 1) // 3, 5)
    touched = np.stack([(np.abs(distance[:, digit == k]) < TOUCH).any(1) for k in range(6)], -1)
    found: list[Grasp | None] = [None] * n
    for k in np.flatnonzero((distance.min(1) > -DEEPEST) & (touched.sum(1) >= 2) & touched[:, 1:5].any(1)).tolist():
        mine = draws[k].thing.verts @ held.R[k].T + held.t[k]
        sunk, own = signed_distance(mine, verts[k], parts_surface())[0].min(), sinking(verts[k : k + 1]).max()
        if sunk < -DEEPEST or own > DEEPEST_SELF:
            continue
        found[k] = Grasp(
            R_parent_joint=R[k],
            thing=draws[k].thing,
            R_hand_object=held.R[k],
            t_hand_object=held.t[k],
            grasp=draws[k].hold.grasp,
        )
    return found
