"""Cloth of sleeves: a small texture that repeats around and along the arm."""

from __future__ import annotations

import numpy as np

from ownhand.render import Texture
from ownhand.synth.people.outfit import Sleeve

Array = np.ndarray
Rng = np.random.Generator

TEXELS = 96
TILE = 0.06  # metres of arm along which the texture repeats
TILES_AROUND = 4


def cloth(sleeve: Sleeve, rng: Rng) -> Texture:
    """Colour and relief of a sleeve's cloth."""
    v, u = np.meshgrid(*(np.arange(TEXELS) / TEXELS,) * 2, indexing="ij")
    ground, second = (np.array(c) for c in sleeve.colours)
    threads = rng.integers(18, 32)
    weave = 0.5 * np.sin(2 * np.pi * threads * u) * np.sin(2 * np.pi * threads * v)
    relief, shade, mix = 0.00004 * weave, 1 + 0.12 * weave, np.zeros_like(u)
    if sleeve.pattern == "knit":
        columns, rows = rng.integers(8, 14), rng.integers(12, 20)
        slanted = (v * rows + np.abs((u * columns) % 1 - 0.5)) % 1
        stitch = np.sin(np.pi * slanted) * (0.4 + 0.6 * np.abs(np.sin(np.pi * columns * u)))
        relief, shade = 0.0009 * stitch, 0.55 + 0.5 * stitch
    elif sleeve.pattern == "ribbed":
        rib = 0.5 + 0.5 * np.cos(2 * np.pi * rng.integers(9, 20) * u)
        relief, shade = 0.0009 * rib, 0.65 + 0.4 * rib
    elif sleeve.pattern == "striped":
        along = v if rng.random() < 0.7 else u
        mix = _stripes(rng, along)
    elif sleeve.pattern == "checked":
        mix = (_stripes(rng, u) + _stripes(rng, v)) / 2
    shade = shade * (1 + 0.05 * rng.standard_normal(u.shape))
    colour = (ground + mix[..., None] * (second - ground)) * np.clip(shade, 0.2, 1.6)[..., None]
    return Texture(colour=np.clip(colour, 0.003, 0.95), height=relief)


def _stripes(rng: Rng, along: Array) -> Array:
    count, width = rng.integers(1, 8), rng.uniform(0.15, 0.6)
    return ((along * count) % 1 < width).astype(np.float64)
