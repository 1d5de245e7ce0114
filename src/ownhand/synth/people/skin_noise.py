"""Smooth noise over the skin, by the size of its features."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from ownhand.synth.people.skin_map import SkinMap, skin_map

Array = np.ndarray
Rng = np.random.Generator

LATTICE = 32
CELLS = {
    "patch": (0.028,) * 3,
    "blotch": (0.011,) * 3,
    "mottle": (0.0042,) * 3,
    "grain": (0.0016,) * 3,
    "pore": (0.0008,) * 3,
    "crinkle": (0.0017, 0.005, 0.005),
}
"""Size of a feature along, across and through the hand [m]; equal ones are turned away from the hand's axes."""


class Noise:
    """Fresh smooth noise of about unit variance."""

    def __init__(self, rng: Rng, surface: SkinMap) -> None:
        self._rng, self._surface = rng, surface

    def __call__(self, name: str) -> Array:
        weights = _lattice_weights(self._surface.size, name)
        return weights @ self._rng.standard_normal(LATTICE**3, dtype=np.float32)


@lru_cache(maxsize=16)
def _lattice_weights(size: int, name: str) -> csr_array:
    """Trilinear weights of each texel over a lattice of random numbers that repeats in space."""
    cell = np.array(CELLS[name])
    place = skin_map(size).position / cell
    if (cell == cell[0]).all():
        place = place @ np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
    place = place + 100
    low = np.floor(place).astype(np.int64)
    part = place - low
    part = part * part * (3 - 2 * part)
    columns, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        node = (low + corner) % LATTICE
        columns.append((node[:, 0] * LATTICE + node[:, 1]) * LATTICE + node[:, 2])
        weights.append(np.prod(np.where(corner, part, 1 - part), -1))
    weights = np.stack(weights, -1)
    weights /= np.sqrt((weights**2).sum(-1, keepdims=True))
    count = len(place)
    return csr_array(
        (weights.ravel().astype(np.float32), np.stack(columns, -1).ravel(), np.arange(0, 8 * count + 1, 8)),
        shape=(count, LATTICE**3),
    )
