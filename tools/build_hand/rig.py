"""Puts the joints where anatomy has them, lays the fingers flat, and gives every part its mean adult size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import root

from tools.build_hand.cut import Cut
from tools.build_hand.skinning import diffuse_weights, neighbour_average
from tools.build_hand.survey import MEAN, measure

# Buryanov & Kotiuk 2010 [m], thumb to little: the thumb's metacarpal and phalanges, else three phalanges.
BONES = 1e-3 * np.array(
    [[46.2, 31.6, 21.7], [39.8, 22.4, 15.8], [44.6, 26.3, 17.4], [41.4, 25.7, 17.3], [32.7, 18.1, 16.0]]
)
PULP = 0.004
LENGTHS = BONES + np.array([0, 0, PULP])
PALM_LENGTH = MEAN[0] / 1000 - LENGTHS[2].sum()  # wrist crease to middle MCP
FINGER_GIRTH = 1.07  # MakeHuman's fingers are slender
WEB_SMOOTHINGS = 5
SPLAY = np.radians([0.0, 8.0, 0.0, -9.0, -20.0])  # of the rest fingers; towards the thumb is positive

# Places in MakeHuman's own mesh [m].
CMC = np.array([0.020, 0.0175, -0.010])
THUMB_DORSAL = np.array([-0.22, 0.95, 0.21])  # its nail's normal
PIP_SHIFT = np.array([0.0, 0.003, 0.003, 0.003, 0.0])  # its joints lie proximal of its creases
JOINT_DEPTH = 1e-3 * np.array([[0, 0, 6.0], [9.0, 6.4, 4.9], [9.0, 6.4, 4.9], [8.5, 6.0, 4.6], [8.0, 5.2, 4.0]])
FOREARM_SLOPE = np.array([0.115, -0.03])  # of its axis in y and z: straightened, so that the wrist is neutral


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
    """Rig the cut hand; what comes back lies flat and has anatomical bones and the survey's mean girths."""
    verts = _straighten_forearm(cut.verts)
    joints, tips, tip_verts = _joints_in_mesh(verts, cut.joints)
    R = _rotation_between(joints[7] - joints[0], np.array([1.0, 0, 0]))
    verts, joints, tips = verts @ R.T, joints @ R.T, tips @ R.T
    weights = diffuse_weights(verts, cut.faces, joints, tips)

    def reshaped(girths: np.ndarray) -> Rig:
        warp = _Warp(*girths, stretch=PALM_LENGTH / joints[7, 0])
        new_joints, new_tips = _flat_joints(joints, tips, warp)
        new_verts = _reshape(verts, weights, joints, tips, new_joints, new_tips, warp)
        return Rig(_round_webs(new_verts, cut, weights), new_joints, new_tips, tip_verts, weights)

    def excess(girths: np.ndarray) -> np.ndarray:
        return (measure(reshaped(girths), cut) - MEAN)[2:]

    solution = root(excess, np.array([1.0, 1.0, 1.2]), tol=1e-6)
    if not solution.success:
        raise RuntimeError(f"the template does not reach the survey's mean girths: {solution.message}")
    final = reshaped(solution.x)
    exact = final.verts[tip_verts]
    return Rig(
        verts=final.verts,
        joints=final.joints,
        tips=exact,
        tip_verts=tip_verts,
        weights=diffuse_weights(final.verts, cut.faces, final.joints, exact),
    )


class _Warp:
    """Scales the palm and forearm: breadth and thickness at the knuckles, girth at the wrist, length."""

    def __init__(self, breadth: float, thickness: float, wrist: float, stretch: float):
        places = np.array([-0.25, -0.19, -0.06, 0.0, 0.035, 0.085, 0.25])
        scales = [[1.10, 1.10, wrist, wrist, 0.35 * wrist + 0.65 * s, s, s] for s in (breadth, thickness)]
        self.stretch = stretch
        self.scale = PchipInterpolator(places, np.stack(scales, 1))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x * np.concatenate([np.full((*x.shape[:-1], 1), self.stretch), self.scale(x[..., 0])], -1)


def _straighten_forearm(verts: np.ndarray) -> np.ndarray:
    proximal = np.minimum(verts[:, 0] + 0.01, 0)[:, None]
    return verts + np.concatenate([np.zeros_like(proximal), proximal * FOREARM_SLOPE], 1)


def _joints_in_mesh(verts: np.ndarray, makehuman: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints [16 3] and tips [5 3] inside MakeHuman's own pose, and the fingertip vertices."""
    joints, tips, tip_verts = np.zeros((16, 3)), np.zeros((5, 3)), np.zeros(5, int)
    for f in range(5):
        base, middle, end, tip = makehuman[f]
        up = THUMB_DORSAL if f == 0 else np.array([0.0, 0.0, 1.0])
        along = _unit(tip - end)
        near = np.linalg.norm(verts - tip, axis=1) < 0.012
        reach = (verts - tip) @ along - 0.5 * _off_axis(verts - tip, along)
        tip_verts[f] = np.where(near, reach, -1).argmax()
        tip = verts[tip_verts[f]]
        if f == 0:
            end = _at_depth(verts, end, along, up, JOINT_DEPTH[f, 2])
            middle = end - _unit(end - middle) * (LENGTHS[0, 1] + 0.001)
            base = CMC
        else:
            distal = tip - along * LENGTHS[f, 2]
            end = _at_depth(verts, distal, along, up, JOINT_DEPTH[f, 2])
            middle = middle + _unit(end - middle) * PIP_SHIFT[f]
            middle = _at_depth(verts, middle, _unit(middle - base), up, JOINT_DEPTH[f, 1])
            base = middle - _unit(middle - base) * LENGTHS[f, 0]
            base = _at_depth(verts, base, np.array([1.0, 0, 0]), up, JOINT_DEPTH[f, 0])
        joints[1 + 3 * f : 4 + 3 * f] = base, middle, end
        tips[f] = tip
    return joints, tips, tip_verts


def _at_depth(verts: np.ndarray, point: np.ndarray, along: np.ndarray, up: np.ndarray, depth: float) -> np.ndarray:
    """The point moved across the bone to a depth under the dorsal skin."""
    up = _unit(up - (up @ along) * along)
    offset = verts - point
    column = (np.abs(offset @ along) < 0.005) & (np.abs(offset @ np.cross(up, along)) < 0.005)
    column &= np.abs(offset @ up) < 0.03
    return point + ((offset[column] @ up).max() - depth) * up


def _flat_joints(joints: np.ndarray, tips: np.ndarray, warp: _Warp) -> tuple[np.ndarray, np.ndarray]:
    """Straight fingers parallel to the palm; the thumb keeps its directions."""
    new, new_tips = warp(joints), tips.copy()
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


def _reshape(verts, weights, joints, tips, new_joints, new_tips, warp: _Warp) -> np.ndarray:
    """Move the mesh with its bones: each bone turns and stretches along itself, blended by skin weights."""
    out = weights[:, :1] * warp(verts)
    for j in range(1, 16):
        end, new_end = (tips[j // 3 - 1], new_tips[j // 3 - 1]) if j % 3 == 0 else (joints[j + 1], new_joints[j + 1])
        out += weights[:, [j]] * _follow(verts, joints[j], end, new_joints[j], new_end)
    return out


def _round_webs(verts: np.ndarray, cut: Cut, weights: np.ndarray) -> np.ndarray:
    """Smooth the webs, which are sharp once the fingers lie closer: skin shared by two fingers moves to the mean."""
    second, first = np.sort(weights[:, 1:].reshape(-1, 5, 3).sum(2), 1)[:, -2:].T
    shared = np.clip(4 * first * second, 0, 1)[:, None]
    average = neighbour_average(cut.faces, len(verts))
    for _ in range(WEB_SMOOTHINGS):
        verts = verts + 0.5 * shared * (average @ verts - verts)
    return verts


def _follow(x, a, b, new_a, new_b) -> np.ndarray:
    """Points moved with a bone from a-b to new_a-new_b."""
    u = _unit(b - a)
    stretch = np.linalg.norm(new_b - new_a) / np.linalg.norm(b - a)
    S = FINGER_GIRTH * np.eye(3) + (stretch - FINGER_GIRTH) * np.outer(u, u)
    return new_a + (x - a) @ (_rotation_between(b - a, new_b - new_a) @ S).T


def _rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that turns direction a into direction b."""
    u, v = _unit(a), _unit(b)
    w = np.cross(u, v)
    K = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]])
    return np.eye(3) + K + K @ K / (1 + u @ v)


def _off_axis(x: np.ndarray, along: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x - (x @ along)[:, None] * along, axis=1)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
