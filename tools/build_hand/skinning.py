"""Skin weights by heat diffusion over the surface (Baran & Popovic 2007)."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

SHARPNESS = 0.5  # low: wide blends, so that skin inside a bent joint does not fold over
MAX_INFLUENCES = 4
NEGLIGIBLE = 0.02  # subtracted from every weight: small ones end without a jump
ARM_FADE = (-0.012, 0.010)  # x [m] over which finger and thumb weights fade to the wrist's


def diffuse_weights(verts: np.ndarray, faces: np.ndarray, joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """Weights [verts 16] of a rest hand: each bone heats the skin nearest to it, heat spreads.

    Args:
        verts: [verts 3] m.
        faces: [faces 3].
        joints: [16 3] m.
        tips: [5 3] m.
    """
    distance = np.maximum(_bone_distances(verts, joints, tips), 0.002)
    nearest, least = distance.argmin(1), distance.min(1)
    L, area = cotangent_laplacian(verts, faces)
    heat = diags_array(SHARPNESS * area / least**2)
    source = np.eye(16)[nearest]
    weights = np.clip(splu((L + heat).tocsc()).solve(heat @ source), 0, None)
    hand = np.clip((verts[:, :1] - ARM_FADE[0]) / (ARM_FADE[1] - ARM_FADE[0]), 0, 1)
    hand = hand * hand * (3 - 2 * hand)
    weights *= _own_finger(distance)
    weights /= weights.sum(1, keepdims=True)
    weights = hand * weights + (1 - hand) * np.eye(16)[0]
    weights = np.maximum(weights - NEGLIGIBLE, 0)
    lightest = np.argsort(-weights, axis=1, kind="stable")[:, MAX_INFLUENCES:]
    np.put_along_axis(weights, lightest, 0, axis=1)
    return weights / weights.sum(1, keepdims=True)


def cotangent_laplacian(verts: np.ndarray, faces: np.ndarray):
    """Sparse positive semi-definite Laplacian [verts verts] and vertex areas [verts]."""
    n = len(verts)
    p = verts[faces]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1) / 2
    i, j, w = [], [], []
    for k in range(3):
        a, b, c = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        u, v = verts[a] - verts[c], verts[b] - verts[c]
        cotangent = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-12)
        i, j, w = [*i, a, b], [*j, b, a], [*w, *[np.clip(cotangent, 0.02, 10) / 2] * 2]
    W = coo_array((np.concatenate(w), (np.concatenate(i), np.concatenate(j))), shape=(n, n)).tocsr()
    vertex_area = np.bincount(faces.ravel(), np.repeat(area / 3, 3), n)
    return diags_array(W.sum(1)) - W, vertex_area


def neighbour_average(faces: np.ndarray, count: int):
    """Sparse matrix [verts verts] that replaces each vertex by the mean of its neighbours."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.unique(np.concatenate([ends, ends[:, ::-1]]), axis=0)
    adjacency = coo_array((np.ones(len(ends)), ends.T), shape=(count, count)).tocsr()
    return (diags_array(1 / adjacency.sum(1)) @ adjacency).tocsr()


def _bone_distances(verts: np.ndarray, joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
    """Distance of each vertex to each joint's bones [verts 16]; the wrist has the palm's bones."""
    out = np.full((len(verts), 16), np.inf)
    for f in range(5):
        base = 1 + 3 * f
        chain = [*joints[base : base + 3], tips[f]]
        out[:, 0] = np.minimum(out[:, 0], _segment_distance(verts, joints[0], chain[0]))
        for k in range(3):
            out[:, base + k] = _segment_distance(verts, chain[k], chain[k + 1])
    return out


def _own_finger(distance: np.ndarray) -> np.ndarray:
    """1 to 0 [verts 16]: a finger moves the webs beside it, but not the skin of its neighbours."""
    finger = distance[:, 1:].reshape(-1, 5, 3).min(2)
    ratio = finger / np.minimum(finger.min(1), distance[:, 0])[:, None]
    fade = np.clip((3.0 - ratio) / 1.2, 0, 1)
    return np.concatenate([np.ones((len(distance), 1)), np.repeat(fade, 3, axis=1)], 1)


def _segment_distance(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    t = np.clip((x - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.linalg.norm(x - a - t[:, None] * (b - a), axis=1)
