"""The palm's side of many hands at once, few vertices per digit, so that fingers close quickly. Frame: the hand's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST
from ownhand.hand.builtin import open_hand
from ownhand.structs import given

Array = np.ndarray

PER_DIGIT, PER_PALM, PER_PAD = 60, 48, 8  # vertices looked at
_SHARE = 0.35  # least share of its own joints in a digit's vertices
_WEB = 0.75  # with less of its own joints a vertex belongs to the web
_SIDE = 0.4  # largest cosine between a vertex normal and the back of its digit: palm's side and flanks


@dataclass(frozen=True, kw_only=True, eq=False)
class Digits:
    """The same chosen vertices of several people's hands.

    Attributes:
        verts: At rest, PER_DIGIT per digit, the wrist at the origin [m].
        joints: The three rotating joints of each digit at rest [m].
        palm: Vertices of the palm [m].
    """

    verts: Float[Array, "n 5 v 3"]
    joints: Float[Array, "n 5 3 3"]
    palm: Float[Array, "n p 3"]

    @classmethod
    def of(cls, shape: Float[Array, "n shapes"]) -> Digits:
        """The hands of people by their shape."""
        chosen = chosen_vertices()
        rest = chosen.template + np.tensordot(shape, chosen.shape_basis, (1, 2))
        joints = chosen.joints + np.tensordot(shape, chosen.joint_basis, (1, 2))
        wrist = joints[:, :1]
        rest, joints = rest - wrist, joints - wrist
        count = 5 * PER_DIGIT
        return cls(
            verts=rest[:, :count].reshape(-1, 5, PER_DIGIT, 3),
            joints=joints[:, 1:].reshape(-1, 5, 3, 3),
            palm=rest[:, count:],
        )

    def __getitem__(self, index: Array) -> Digits:
        return Digits(verts=self.verts[index], joints=self.joints[index], palm=self.palm[index])

    def bent(
        self, angles: Float[Array, "n d 3 3"], digits: slice = slice(5)
    ) -> tuple[Float[Array, "n d v 3"], Float[Array, "n d 3 3"], Float[Array, "n d 3 3 3"]]:
        """Vertices, joints and the joints' orientations of some of the digits bent by angles [rad] (`anatomy`)."""
        chosen = chosen_vertices()
        n, d = angles.shape[:2]
        R = _rotations(angles, chosen.hats[digits])
        rest, joints, weights = self.verts[:, digits], self.joints[:, digits], chosen.weights[digits]
        features = (R - np.eye(3)).reshape(n, d, 27, 1)
        verts = rest + (chosen.pose_basis[digits] @ features).reshape(n, d, PER_DIGIT, 3)
        turned, places = [R[:, :, 0]], [joints[:, :, 0]]
        for k in (1, 2):
            bone = joints[:, :, k] - joints[:, :, k - 1]
            places.append(places[-1] + (turned[-1] @ bone[..., None])[..., 0])
            turned.append(turned[-1] @ R[:, :, k])
        G, at = np.stack(turned, 2), np.stack(places, 2)
        shift = at - (G @ joints[..., None])[..., 0]
        motion = np.concatenate([G.reshape(n, d, 3, 9), shift], -1)
        blend = weights @ motion
        still = 1 - weights.sum(-1)
        moved = (blend[..., :9].reshape(n, d, PER_DIGIT, 3, 3) @ verts[..., None])[..., 0] + blend[..., 9:]
        return moved + still[..., None] * verts, at, G

    def bent_palm(self, angles: Float[Array, "n 5 3 3"]) -> Float[Array, "n p 3"]:
        """Vertices of the palm, which the digits' bases pull along: mostly the thumb's."""
        chosen = chosen_vertices()
        n = len(angles)
        turn = _rotations(angles[:, :, 0], chosen.hats[:, 0]) - np.eye(3)
        rest = self.palm + (turn.reshape(n, 45) @ chosen.palm_pose_basis.T).reshape(n, PER_PALM, 3)
        away = rest[:, None] - self.joints[:, :, :1]
        return rest + np.einsum("pd,ndpc->npc", chosen.palm_weights, away @ turn.swapaxes(-1, -2))

    def reach(self) -> Float[Array, "n 5 v 3"]:
        """By how much a vertex moves at most per angle of each joint of its digit [m/rad]."""
        weights = chosen_vertices().weights
        beyond = np.cumsum(weights[..., ::-1], -1)[..., ::-1]
        away = np.linalg.norm(self.verts[:, :, :, None] - self.joints[:, :, None], axis=-1)
        return beyond * away


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """What is computed once. Vertices: PER_DIGIT of each digit, then PER_PALM of the palm.

    Attributes:
        template: At rest [m].
        shape_basis: Their displacement with shape [m].
        joints: The 16 rotating joints [m].
        joint_basis: Their displacement with shape [m].
        weights: Shares of the digit's own three joints.
        pose_basis: Displacement per entry of the three matrices R - I [m].
        segment: Which of its digit's three bones a vertex belongs to.
        pad: Vertices of each digit's pad, among its own.
        hats: Cross product matrix of each axis of each joint, and its square.
        is_web: Which vertices lie where a digit leaves the palm: soft.
        palm_normals: Of the palm's vertices, outwards.
        palm_weights: Shares of the five digits' base joints in the palm's vertices.
        palm_pose_basis: Displacement of the palm per entry of their matrices R - I [m].
        flank: Vertices at the thumb's side of each finger's middle bone, among its own.
    """

    template: Float[Array, "m 3"]
    shape_basis: Float[Array, "m 3 shapes"]
    joints: Float[Array, "16 3"]
    joint_basis: Float[Array, "16 3 shapes"]
    weights: Float[Array, "5 v 3"]
    pose_basis: Float[Array, "5 v3 27"]
    segment: Int[Array, "5 v"]
    pad: Int[Array, "5 k"]
    flank: Int[Array, "5 k"]
    hats: Float[Array, "5 3 3 2 9"]
    is_web: Bool[Array, "5 v"]
    palm_normals: Float[Array, "p 3"]
    palm_weights: Float[Array, "p 5"]
    palm_pose_basis: Float[Array, "p3 45"]


@lru_cache(maxsize=1)
def chosen_vertices() -> Chosen:
    model = open_hand().to(torch.float64)
    verts, weights = model.template.numpy(), model.skin_weights.numpy()
    axes = given(model.axes, "anatomical axes").numpy()
    normals = vertex_normals(model.template, model.faces).numpy()
    joints, tips = (model.joint_regressor @ model.template).numpy(), verts[list(model.tips)]
    per_digit, own_weights, bases, pads, flanks = [], [], [], [], []
    correctives = model.pose_basis.numpy().reshape(len(verts), 3, 15, 9)
    for digit in range(5):
        own = weights[:, 1 + 3 * digit : 4 + 3 * digit]
        backs, sides = axes[3 * digit : 3 * digit + 3, :, ABDUCTION], axes[3 * digit + 2, :, FLEXION]
        facing = (normals * backs[own.argmax(1)]).sum(1)
        candidates = np.flatnonzero((own.sum(1) > _SHARE) & (facing < _SIDE))
        spread = candidates[_spread(verts[candidates], PER_DIGIT)]
        per_digit.append(spread)
        own_weights.append(own[spread])
        bases.append(correctives[spread][:, :, 3 * digit : 3 * digit + 3].reshape(3 * PER_DIGIT, 27))
        last = joints[3 + 3 * digit]
        pad = last + 0.6 * (tips[digit] - last) - 0.008 * backs[2]
        pads.append(np.argsort(np.linalg.norm(verts[spread] - pad, axis=1))[:PER_PAD])
        middle = (joints[2 + 3 * digit] + last) / 2 + 0.008 * sides
        flanks.append(np.argsort(np.linalg.norm(verts[spread] - middle, axis=1))[:PER_PAD])
    hat = np.cross(axes.reshape(5, 3, 3, 3).swapaxes(-1, -2)[..., None, :], np.eye(3)).swapaxes(-1, -2)
    dorsal = axes[6, :, ABDUCTION]
    palm = np.flatnonzero((weights[:, 0] > 0.5) & (normals @ dorsal < 0.0) & (verts[:, 0] > 0.015))
    palm = palm[_spread(verts[palm], PER_PALM)]
    everything = np.concatenate([*per_digit, palm])
    basis = model.shape_basis.numpy()
    return Chosen(
        template=verts[everything],
        shape_basis=basis[everything],
        joints=joints,
        joint_basis=np.tensordot(model.joint_regressor.numpy(), basis, (1, 0)),
        weights=np.stack(own_weights),
        pose_basis=np.stack(bases),
        segment=np.stack(own_weights).argmax(-1),
        pad=np.stack(pads),
        flank=np.stack(flanks),
        hats=np.stack([hat, hat @ hat], -3).reshape(5, 3, 3, 2, 9),
        is_web=np.stack(own_weights).sum(-1) < _WEB,
        palm_normals=normals[palm],
        palm_weights=weights[palm][:, 1::3],
        palm_pose_basis=correctives[palm][:, :, ::3].reshape(3 * PER_PALM, 45),
    )


def _rotations(angles: Float[Array, "*batch 3"], hats: Float[Array, "*joints 3 2 9"]) -> Float[Array, "*batch 3 3"]:
    """As `anatomy.rotations_from_angles`, in a tenth of its time (Rodrigues' formula)."""
    part = np.sin(angles)[..., None] * hats[..., 0, :] + (1 - np.cos(angles))[..., None] * hats[..., 1, :]
    R = (part + np.eye(3).ravel()).reshape(*angles.shape, 3, 3)
    return R[..., ABDUCTION, :, :] @ R[..., FLEXION, :, :] @ R[..., TWIST, :, :]


def _spread(points: Array, count: int) -> Array:
    """Indices of `count` points far from each other."""
    chosen = [0]
    distance = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen)
