"""Puts the joints where anatomy has them, lays the fingers flat and gives every bone its length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ownhand.hand.skeleton import PARENTS_16
from tools.build_hand.cut import Cut
from tools.build_hand.skinning import diffuse_weights

# Buryanov & Kotiuk 2010 [m], fingers thumb to little: metacarpal, proximal, distal of the thumb; three phalanges else.
BONES = (
    np.array(
        [[46.2, 31.6, 21.7], [39.8, 22.4, 15.8], [44.6, 26.3, 17.4], [41.4, 25.7, 17.3], [32.7, 18.1, 16.0]]
    )
    / 1000
)
PULP = 0.004
LENGTHS = BONES + [0, 0, PULP]
HAND_LENGTH = 0.1872  # mean of women and men, ANSUR II
SPLAY = np.radians([0.0, 8.0, 0.0, -9.0, -20.0])  # of the rest fingers; towards the thumb is positive
CMC = np.array([0.020, 0.0175, -0.010])  # in MakeHuman's mesh
PIP_SHIFT = np.array([0.0, 0.003, 0.003, 0.003, 0.0])  # MakeHuman's joints lie proximal of its creases


@dataclass(frozen=True)
class Rig:
    """A hand with joints.

    Attributes:
        verts: [verts 3] m.
        joints: [16 3] m.
        tips: [5 3] m, the fingertip vertices.
        tip_verts: [5] their indices.
        weights: [verts 16] skin weights.
    """

    verts: np.ndarray
    joints: np.ndarray
    tips: np.ndarray
    tip_verts: np.ndarray
    weights: np.ndarray


def rig(cut: Cut) -> Rig:
    """Rig the cut hand; what comes back lies flat, with anatomical bones."""
    joints, tips, tip_verts = _joints_in_mesh(cut)
    new_joints, new_tips = _flat_joints(joints, tips)
    weights = diffuse_weights(cut.verts, cut.faces, joints, tips)
    verts = _reshape(cut.verts, weights, joints, tips, new_joints, new_tips)
    verts = verts + (weights[:, 3::3] @ (new_tips - verts[tip_verts])) * 0
    return Rig(
        verts=verts,
        joints=new_joints,
        tips=verts[tip_verts],
        tip_verts=tip_verts,
        weights=diffuse_weights(verts, cut.faces, new_joints, verts[tip_verts]),
    )


def _joints_in_mesh(cut: Cut) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints [16 3] and tips [5 3] inside MakeHuman's own pose, and the fingertip vertices."""
    joints, tips, tip_verts = np.zeros((16, 3)), np.zeros((5, 3)), np.zeros(5, int)
    for f in range(5):
        base, middle, end, tip = cut.joints[f]
        along = _unit(tip - end)
        near = np.linalg.norm(cut.verts - tip, axis=1) < 0.012
        reach = np.where(near, (cut.verts - tip) @ along - 0.5 * _off_axis(cut.verts - tip, along), -1)
        tip_verts[f] = reach.argmax()
        tip = cut.verts[tip_verts[f]]
        distal = tip - along * LENGTHS[f, 2]
        distal = distal + 0.5 * (end - distal - along * ((end - distal) @ along))
        middle = middle + _unit(distal - middle) * PIP_SHIFT[f]
        if f == 0:
            distal = end
            middle = distal - _unit(distal - middle) * (LENGTHS[0, 1] + 0.001)
            base = CMC
        else:
            base = middle - _unit(middle - base) * LENGTHS[f, 0]
        joints[1 + 3 * f : 4 + 3 * f] = base, middle, distal
        tips[f] = tip
    return joints, tips, tip_verts


def _flat_joints(joints: np.ndarray, tips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Straight fingers in the palm's plane; the thumb keeps its directions."""
    scale = (HAND_LENGTH - LENGTHS[2].sum()) / joints[7, 0]
    new, new_tips = joints * scale, tips.copy()
    new[7, 1:] = 0
    for f in range(5):
        chain = [*joints[1 + 3 * f : 4 + 3 * f], tips[f]]
        at = new[1 + 3 * f]
        for k in range(3):
            along = np.array([np.cos(SPLAY[f]), np.sin(SPLAY[f]), 0.0])
            if f == 0:
                along = _unit(chain[k + 1] - chain[k])
            at = at + along * LENGTHS[f, k]
            if k < 2:
                new[2 + 3 * f + k] = at
        new_tips[f] = at
    return new, new_tips


def _reshape(verts, weights, joints, tips, new_joints, new_tips) -> np.ndarray:
    """Move the mesh with its bones: each bone turns and stretches along itself, blended by skin weights."""
    out = weights[:, :1] * _follow(verts, joints[0], joints[7], new_joints[0], new_joints[7], uniform=True)
    for j in range(1, 16):
        end, new_end = (tips[j // 3 - 1], new_tips[j // 3 - 1]) if j % 3 == 0 else (joints[j + 1], new_joints[j + 1])
        out += weights[:, j : j + 1] * _follow(verts, joints[j], end, new_joints[j], new_end)
    return out


def _follow(x, a, b, new_a, new_b, uniform=False) -> np.ndarray:
    """Points moved with a bone from a-b to new_a-new_b."""
    u, v = _unit(b - a), _unit(new_b - new_a)
    stretch = np.linalg.norm(new_b - new_a) / np.linalg.norm(b - a)
    w = np.cross(u, v)
    K = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    R = np.eye(3) + K + K @ K / (1 + u @ v)
    S = stretch * np.eye(3) if uniform else np.eye(3) + (stretch - 1) * np.outer(u, u)
    return new_a + (x - a) @ (R @ S).T


def bone_lengths(joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """[5 3] m, thumb to little; the last to the fingertip."""
    chain = np.concatenate([joints[1:].reshape(5, 3, 3), tips[:, None]], 1)
    return np.linalg.norm(np.diff(chain, axis=1), axis=-1)


def _off_axis(x: np.ndarray, along: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x - (x @ along)[:, None] * along, axis=1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


PARENTS = PARENTS_16
