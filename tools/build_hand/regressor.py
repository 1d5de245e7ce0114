"""Joints as sparse, non-negative means of skin vertices that hold over the whole population."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from tools.build_hand.shapes import Fields

CANDIDATES = 500
SUM_WEIGHT = 10.0
NEGLIGIBLE = 1e-4


def fit_joint_regressor(template: Fields, basis: Fields, hand_verts: int) -> np.ndarray:
    """Non-negative least squares over the hand's vertices nearest to each joint.

    Coefficients are independent with unit variance, so the mean squared error over people is the sum of squared errors
    of the template and of each basis field.

    Returns:
        [16 verts], rows sum to 1.
    """
    verts = np.concatenate([template.verts, basis.verts])
    joints = np.concatenate([template.joints, basis.joints])
    out = np.zeros((16, verts.shape[1]))
    for j in range(16):
        distance = np.linalg.norm(template.verts[0, :hand_verts] - template.joints[0, j], axis=1)
        near = np.argsort(distance, kind="stable")[:CANDIDATES]
        A = verts[:, near].transpose(0, 2, 1).reshape(-1, len(near))
        A = np.concatenate([A, np.full((1, len(near)), SUM_WEIGHT)])
        b = np.append(joints[:, j].ravel(), SUM_WEIGHT)
        weights = nnls(A, b)[0]
        weights[weights < NEGLIGIBLE] = 0
        out[j, near] = weights / weights.sum()
    return out
