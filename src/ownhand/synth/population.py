"""Adults to draw pictures of: half women, half men, with hands as a survey measured them.

The survey is ANSUR II (Gordon et al. 2014).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.hand.builtin import asset


def draw_people(n: int, seed: int, *, first: int = 0) -> tuple[Float[Tensor, "n 10"], Bool[Tensor, "n"]]:
    """Draw adults for the open hand; person i depends on (seed, first + i) alone.

    Args:
        n: How many.
        seed: Non-negative.
        first: Index of the first person.

    Returns:
        Shape coefficients (zero mean and identity covariance over everybody) and who is a man.

    Raises:
        ValueError: A negative number.
    """
    if min(n, seed, first) < 0:
        raise ValueError(f"n, seed and first must not be negative, got {n}, {seed}, {first}")
    data = asset()
    mean, root = (
        data["people_mean"].astype(np.float64),
        np.linalg.cholesky(data["people_covariance"].astype(np.float64)),
    )
    shape, is_male = np.empty((n, mean.shape[1]), np.float32), np.empty(n, bool)
    for i in range(n):
        rng = np.random.default_rng((seed, first + i))
        sex = int(rng.integers(2))
        shape[i] = mean[sex] + root[sex] @ rng.standard_normal(mean.shape[1])
        is_male[i] = sex
    return torch.from_numpy(shape), torch.from_numpy(is_male)
