"""Pose correctives: what smooth skin would do beyond linear blend skinning, as a linear function of the rotations.

Delta mush (Mancewicz et al. 2014) smooths the posed skin and puts the rest skin's detail back. Its difference from
plain skinning, taken back to the rest pose, is regressed on the entries of R - I (as in SMPL, Loper et al. 2015).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch

from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.skeleton import PARENTS_16
from tools.build_hand.rig import Rig
from tools.build_hand.shapes import vertex_normals
from tools.build_hand.skinning import neighbour_average

SMOOTHINGS = 5
LARGEST = 0.010  # corrections are cut off here [m]
LEAST_SPREAD = 0.15  # of a face's area must stay turned outwards in a crease
FOLD_ROUNDS = 15
RIDGE = 0.5
JOINTS_PER_VERTEX = 4
CHUNK = 100


def fit_correctives(rig: Rig, faces: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Pose basis [verts 3 135] from poses [poses 15 3 3]; at most `JOINTS_PER_VERTEX` joints move a vertex."""
    features, corrections = pose_features(R), mush_corrections(rig, faces, R)
    basis = np.zeros((len(rig.verts), 3, 15, 9))
    for joints, verts in _groups(rig.weights).items():
        X = features.reshape(len(R), 15, 9)[:, list(joints)].reshape(len(R), -1)
        Y = corrections[:, verts].reshape(len(R), -1)
        B = np.linalg.solve(X.T @ X + RIDGE * np.eye(X.shape[1]), X.T @ Y)
        B = B.reshape(len(joints), 9, len(verts), 3).transpose(2, 3, 0, 1)
        basis[np.ix_(verts, range(3), joints)] = B
    return basis.reshape(len(rig.verts), 3, 135)


def explained(rig: Rig, faces: np.ndarray, basis: np.ndarray, R: np.ndarray) -> tuple[float, np.ndarray]:
    """Share of the squared corrections that the basis predicts, and the corrections' lengths [poses verts] m."""
    truth = mush_corrections(rig, faces, R)
    predicted = np.einsum("pf,vcf->pvc", pose_features(R), basis)
    lengths = np.linalg.norm(truth, axis=-1)
    return 1 - ((truth - predicted) ** 2).sum() / (truth**2).sum(), lengths


def pose_features(R: np.ndarray) -> np.ndarray:
    """Entries [poses 135] of R - I, row by row."""
    return (R - np.eye(3)).reshape(len(R), 135)


def mush_corrections(rig: Rig, faces: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Displacements [poses verts 3] of the rest skin [m] that make skinning agree with delta mush."""
    mush = _DeltaMush(rig.verts, faces)
    out = np.empty((len(R), *rig.verts.shape), np.float32)
    for start in range(0, len(R), CHUNK):
        blend, shift = _skinning(rig, R[start : start + CHUNK])
        posed = np.einsum("pvab,vb->pva", blend, rig.verts) + shift
        back = np.linalg.solve(blend, (mush(posed) - posed)[..., None])[..., 0]
        length = np.linalg.norm(back, axis=-1, keepdims=True)
        back *= np.minimum(1, LARGEST / np.maximum(length, 1e-12))
        out[start : start + CHUNK] = _without_folds(rig.verts, faces, blend, shift, back)
    return out


def _without_folds(verts, faces, blend, shift, offsets) -> np.ndarray:
    """Smooth posed skin, given by corrections [poses verts 3], wherever it folds over itself, until it does not."""
    rest = _face_normals(verts, faces)
    turned = np.einsum("pfkab,fb->pfa", blend[:, faces], rest) / 3
    average = neighbour_average(faces, len(verts))
    posed = np.einsum("pvab,pvb->pva", blend, verts + offsets) + shift
    for _ in range(FOLD_ROUNDS):
        folded = (turned * _face_normals(posed, faces)).sum(-1) <= LEAST_SPREAD * (rest**2).sum(-1)
        pose, face = np.nonzero(folded)
        if not len(pose):
            break
        here = np.zeros(posed.shape[:2], bool)
        here[pose[:, None], faces[face]] = True
        for p in np.unique(pose):
            posed[p, here[p]] += 0.5 * (average[here[p]] @ posed[p] - posed[p, here[p]])
    return np.linalg.solve(blend, (posed - shift)[..., None])[..., 0] - verts


def _face_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals [*any faces 3] as long as twice the face's area."""
    p = verts[..., faces, :]
    return np.cross(p[..., 1, :] - p[..., 0, :], p[..., 2, :] - p[..., 0, :])


class _DeltaMush:
    """Smooths posed vertices [poses verts 3] and adds the rest detail in the smooth surface's frames."""

    def __init__(self, verts: np.ndarray, faces: np.ndarray):
        self.average = neighbour_average(faces, len(verts))
        self.faces = faces
        self.beside = np.zeros(len(verts), int)
        self.beside[faces.ravel()] = np.roll(faces, -1, 1).ravel()
        smooth = self._smooth(verts[None])
        self.detail = np.einsum("pvji,pvj->pvi", self._frames(smooth), verts[None] - smooth)[0]

    def __call__(self, posed: np.ndarray) -> np.ndarray:
        smooth = self._smooth(posed)
        return smooth + np.einsum("pvij,vj->pvi", self._frames(smooth), self.detail)

    def _smooth(self, x: np.ndarray) -> np.ndarray:
        flat = x.transpose(1, 0, 2).reshape(x.shape[1], -1)
        for _ in range(SMOOTHINGS):
            flat = 0.5 * flat + 0.5 * (self.average @ flat)
        return flat.reshape(x.shape[1], -1, 3).transpose(1, 0, 2)

    def _frames(self, x: np.ndarray) -> np.ndarray:
        normal = np.stack([vertex_normals(v, self.faces) for v in x])
        along = x[:, self.beside] - x
        along -= (along * normal).sum(-1, keepdims=True) * normal
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        return np.stack([normal, along, np.cross(normal, along)], -1)


def _skinning(rig: Rig, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blended rotations [poses verts 3 3] and translations [poses verts 3]."""
    joints = torch.from_numpy(rig.joints)
    root = torch.eye(3, dtype=torch.float64).expand(len(R), 1, 3, 3)
    T = forward_kinematics(torch.cat([root, torch.from_numpy(R)], 1), joints, PARENTS_16).numpy()
    rotation = T[..., :3, :3]
    shift = T[..., :3, 3] - np.einsum("pjab,jb->pja", rotation, rig.joints)
    return np.einsum("vj,pjab->pvab", rig.weights, rotation), np.einsum("vj,pja->pva", rig.weights, shift)


def _groups(weights: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """Vertices by the joints (0 to 14) that may move them: the heaviest, then those next to them along the finger."""
    finger = np.arange(15) // 3
    beside = (np.abs(np.subtract.outer(np.arange(15), np.arange(15))) == 1) & (finger[:, None] == finger)
    reach = weights[:, 1:] + 0.01 * weights[:, 1:] @ beside
    groups = defaultdict(list)
    for v, row in enumerate(reach):
        joints = np.argsort(-row, kind="stable")[:JOINTS_PER_VERTEX]
        joints = np.sort(joints[row[joints] > 0])
        if len(joints):
            groups[tuple(joints.tolist())].append(v)
    return {joints: np.array(verts) for joints, verts in groups.items()}
