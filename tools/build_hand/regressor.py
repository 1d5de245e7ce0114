"""Joints as sparse, non-negative means of skin vertices that hold over the whole population."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

CANDIDATES = 160
SUM_WEIGHT = 1.0


def fit_joint_regressor(verts: np.ndarray, joints: np.ndarray, template: np.ndarray, allowed: int) -> np.ndarray:
    """Non-negative least squares from the nearest vertices.

    Args:
        verts: [people verts 3] m.
        joints: [people 16 3] m.
        template: [verts 3] m; candidates are the vertices nearest to each joint here.
        allowed: Vertices from this index on are never used.

    Returns:
        [16 verts], rows sum to 1.
    """
    out = np.zeros((16, template.shape[0]))
    rest = joints.mean(0)
    for j in range(16):
        near = np.argsort(np.linalg.norm(template[:allowed] - rest[j], axis=1), kind="stable")[:CANDIDATES]
        A = verts[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        A = np.concatenate([A, np.full((1, len(near)), SUM_WEIGHT)])
        b = np.append(joints[:, j].ravel(), SUM_WEIGHT)
        weights = nnls(A, b)[0]
        weights[weights < 1e-3] = 0
        out[j, near] = weights / weights.sum()
    return out
