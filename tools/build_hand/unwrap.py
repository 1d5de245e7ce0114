"""Relaxes and packs texture coordinates."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

HAND_BOX = (0.005, 0.005, 0.99, 0.99)
FOREARM_BOX = (0.46, 0.01, 0.53, 0.27)


def relax(corners: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray, rounds: int) -> np.ndarray:
    """Make charts more isometric: as rigid as possible (Liu et al. 2008), local and global steps in turn.

    Args:
        corners: [faces 3 3] corners in space.
        uv: [uvs 2] start without flipped faces.
        uv_faces: [faces 3].
        rounds: How many; few keep the start's layout.
    """
    flat = _flatten(corners)  # [faces 3 2]
    scale = np.sqrt(_area(flat).sum() / np.abs(_area(uv[uv_faces])).sum())
    uv, count = uv * scale, len(uv)
    if _area(uv[uv_faces]).sum() < 0:
        flat = flat * [1, -1]
    rows, columns, weights, edges = [], [], [], []
    for i in range(3):
        a, b, c = i, (i + 1) % 3, (i + 2) % 3
        u, v = flat[:, a] - flat[:, c], flat[:, b] - flat[:, c]
        cotangent = (u * v).sum(1) / np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
        weights.append(np.clip(cotangent, 0.05, 5) / 2)
        rows.append(uv_faces[:, a])
        columns.append(uv_faces[:, b])
        edges.append(flat[:, a] - flat[:, b])
    i, j, w = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    e = np.concatenate(edges)
    face = np.tile(np.arange(len(uv_faces)), 3)
    L = coo_array(
        (np.concatenate([w, w, -w, -w]), (np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i]))),
        shape=(count, count),
    )
    label = connected_components(L, directed=False)[1]
    pins = np.unique(label, return_index=True)[1]
    pin = coo_array((np.full(len(pins), 1e3), (pins, pins)), shape=(count, count))
    solve = splu((L + pin).tocsc()).solve
    for _ in range(rounds):
        S = np.zeros((len(uv_faces), 2, 2))
        np.add.at(S, face, w[:, None, None] * (uv[i] - uv[j])[:, :, None] * e[:, None, :])
        cos, sin = S[:, 0, 0] + S[:, 1, 1], S[:, 1, 0] - S[:, 0, 1]
        norm = np.maximum(np.hypot(cos, sin), 1e-15)
        R = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2) / norm[:, None, None]
        pull = w[:, None] * np.einsum("fab,fb->fa", R[face], e)
        rhs = np.zeros((count, 2))
        np.add.at(rhs, i, pull)
        np.add.at(rhs, j, -pull)
        rhs[pins] += 1e3 * uv[pins]
        uv = solve(rhs)
    return uv / scale


def pack(uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """Fill the unit square with the first chart (hand) and put the second (forearm) into its free corner."""
    ends = np.concatenate([uv_faces[:, [0, 1]], uv_faces[:, [1, 2]]])
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(len(uv), len(uv)))
    chart = connected_components(graph, directed=False)[1]
    out = np.empty_like(uv)
    for i, (x, y, width, height) in enumerate((HAND_BOX, FOREARM_BOX)):
        mine = uv[chart == i]
        scale = min(np.array([width, height]) / np.ptp(mine, axis=0))
        out[chart == i] = [x, y] + (mine - mine.min(0)) * scale
    return out


def _flatten(corners: np.ndarray) -> np.ndarray:
    """Each triangle laid in the plane: [faces 3 2]."""
    u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(u, axis=1)
    x = (u * v).sum(1) / length
    y = np.linalg.norm(np.cross(u, v), axis=1) / length
    zero = np.zeros_like(x)
    return np.stack([np.stack([zero, zero], 1), np.stack([length, zero], 1), np.stack([x, y], 1)], 1)


def _area(p: np.ndarray) -> np.ndarray:
    u, v = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    return (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2
