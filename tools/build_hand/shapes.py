"""Ways in which hands differ, as linear displacement fields of the rigged template."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.build_hand.rig import Rig

FINGERS = ("thumb", "index", "middle", "ring", "little")
# name: standard deviation expected before the survey is fitted (log units; metres for the last three)
GENERATORS = {
    "palm_length": 0.025,
    "breadth": 0.045,
    "thickness": 0.06,
    "finger_length": 0.028,
    **{f"{name}_length": sd for name, sd in zip(FINGERS, (0.035, 0.018, 0.012, 0.016, 0.035), strict=True)},
    "girth": 0.055,
    "thumb_girth": 0.04,
    "taper": 0.03,
    "finger_thickness": 0.03,
    "wrist": 0.045,
    "thenar": 0.0016,
    "hypothenar": 0.0013,
    "knuckle": 0.0005,
}
STEP = 1e-4


@dataclass(frozen=True)
class Fields:
    """Displacements of the template, one per way of being different.

    Attributes:
        verts: [fields verts 3] m.
        joints: [fields 16 3] m.
    """

    verts: np.ndarray
    joints: np.ndarray

    def mixed(self, mix: np.ndarray) -> Fields:
        """Linear combinations; mix is [new old]."""
        return Fields(np.tensordot(mix, self.verts, 1), np.tensordot(mix, self.joints, 1))


def shape_fields(rig: Rig, normals: np.ndarray, axes: np.ndarray, hand_verts: int) -> Fields:
    """Field 0 is size, the template itself; the others are the generators without their share of size.

    Without: orthogonal to the template over the hand's vertices, so that the best scale about the wrist stays.
    """
    verts, joints = [rig.verts], [rig.joints]
    T = rig.verts[:hand_verts]
    for name in GENERATORS:
        up, down = (_deform(rig, normals, axes, {name: sign * STEP}) for sign in (1, -1))
        field, joint_field = ((a - b) / (2 * STEP) for a, b in zip(up, down, strict=True))
        size = (field[:hand_verts] * T).sum() / (T * T).sum()
        verts.append(field - size * rig.verts)
        joints.append(joint_field - size * rig.joints)
    return Fields(np.stack(verts), np.stack(joints))


def _deform(rig: Rig, normals: np.ndarray, axes: np.ndarray, amount: dict[str, float]):
    """The hand with each bone stretched along its axes, and pads and knuckles swollen."""
    p = dict.fromkeys(GENERATORS, 0.0) | amount
    stretch = np.zeros((16, 3, 3))
    stretch[0] = np.diag(np.exp([p["palm_length"], p["breadth"], p["thickness"]]))
    for f, name in enumerate(FINGERS):
        length = p["finger_length"] + p[f"{name}_length"]
        for k in range(3):
            girth = p["girth"] + (p["thumb_girth"] if f == 0 else 0) + p["taper"] * (k - 0.7)
            along, up, side = axes[3 * f + k].T
            frame = np.stack([along, side, up])
            factors = np.exp([length, girth + 0.35 * p["breadth"], girth + p["finger_thickness"]])
            stretch[1 + 3 * f + k] = frame.T @ (factors[:, None] * frame)
    joints = np.zeros((16, 3))
    for j in range(1, 16):
        parent = 0 if j % 3 == 1 else j - 1
        joints[j] = joints[parent] + stretch[parent] @ (rig.joints[j] - rig.joints[parent])
    moved = joints + np.einsum("jab,vjb->vja", stretch, rig.verts[:, None] - rig.joints)
    verts = np.einsum("vj,vja->va", rig.weights, moved)
    verts, joints = verts + _wrist(rig.verts, p["wrist"]), joints + _wrist(rig.joints, p["wrist"])
    x = rig.verts
    thenar = 0.55 * rig.joints[1] + 0.45 * rig.joints[2] + [0, 0, -0.012]
    hypothenar = np.array([0.045, -0.030, -0.012])
    swell = p["thenar"] * _bump(x - thenar, 0.022) + p["hypothenar"] * _bump(x - hypothenar, 0.022)
    swell += p["knuckle"] * sum(_bump(x - rig.joints[j], 0.009) for j in range(2, 16))
    return verts + swell[:, None] * normals, joints


def _wrist(x: np.ndarray, amount: float) -> np.ndarray:
    """Displacements of points [any 3] where wrist and forearm swell."""
    here = _bump(np.maximum(x[:, :1] + 0.01, 0), 0.035)
    return (np.expm1(amount) * here)[:, None] * x * [0, 1, 1]


def _bump(x: np.ndarray, radius: float) -> np.ndarray:
    """1 at the origin of x [verts any], falling off like a Gaussian."""
    return np.exp(-((np.linalg.norm(x, axis=1) / radius) ** 2))


def vertex_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals [verts 3]."""
    normals = np.zeros_like(verts)
    face = np.cross(verts[faces[:, 1]] - verts[faces[:, 0]], verts[faces[:, 2]] - verts[faces[:, 0]])
    for k in range(3):
        np.add.at(normals, faces[:, k], face)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)
