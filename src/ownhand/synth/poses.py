"""Natural hand poses: a mixture of what hands do, within the joints' limits."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, joint_limits, rotations_from_angles

DIP_PER_PIP = 0.62


def sample_poses(n: int, seed: int, axes: Float[Tensor, "15 3 3"], first: int = 0) -> Float[Tensor, "n 15 3 3"]:
    """Draw joint rotations `R_parent_joint`; pose i depends on (seed, first + i) alone.

    Args:
        n: How many.
        seed: Any whole number.
        axes: The hand model's joint axes.
        first: Index of the first pose.
    """
    angles = np.stack([_draw(np.random.default_rng((seed, first + i))) for i in range(n)])
    return rotations_from_angles(torch.from_numpy(angles.astype(np.float32)), axes)


def _draw(rng: np.random.Generator) -> np.ndarray:
    """Angles [15 3] in radians."""
    curl = np.clip(rng.beta(1, 1.3) + rng.normal(0, 0.2, 4), 0, 1)
    angles = np.zeros((5, 3, 3))
    angles[1:, 0, FLEXION] = -10 + 95 * curl
    angles[1:, 1, FLEXION] = 100 * curl
    angles[1:, 2, FLEXION] = DIP_PER_PIP * angles[1:, 1, FLEXION]
    angles[1:, 0, ABDUCTION] = (1 - curl) * rng.normal(0, 0.5) * np.array([8, 0, -8, -12])
    angles[0, 0] = rng.uniform(-10, 10), rng.uniform(-15, 25), rng.uniform(-20, 25)
    angles[0, 1:, FLEXION] = rng.uniform(-5, 40), rng.uniform(-10, 55)
    angles += rng.normal(0, 2, angles.shape) * (angles != 0)
    limits = np.rad2deg(joint_limits().numpy())
    angles = angles.reshape(15, 3)
    angles[:, TWIST] += rng.normal(0, 1.5, 15)
    return np.deg2rad(np.clip(angles, limits[..., 0], limits[..., 1]))
