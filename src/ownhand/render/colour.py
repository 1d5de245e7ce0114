"""Linear light and sRGB, the encoding of stored pictures (IEC 61966-2-1); colours of a quantity."""

import numpy as np

Array = np.ndarray

_HEAT = ((0.05, 0.16, 0.30), (0.16, 0.45, 0.55), (0.98, 0.72, 0.30))
"""From nothing to the most, linear RGB; brightness rises evenly enough to be read without colour."""


def heat(share: Array) -> Array:
    """Linear RGB `[... 3]` of shares in [0, 1], from dark (0) to bright (1)."""
    stops = np.linspace(0, 1, len(_HEAT))
    return np.stack([np.interp(share, stops, channel) for channel in zip(*_HEAT, strict=True)], -1).astype(np.float32)


def srgb_from_linear(linear: Array) -> Array:
    """Encode linear RGB, clipped to [0, 1], as sRGB in [0, 1]; any shape."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def linear_from_srgb(srgb: Array) -> Array:
    """Decode sRGB in [0, 1] to linear RGB; any shape."""
    srgb = np.clip(srgb, 0, 1)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def saturation(amount: float) -> Array:
    """Matrix `[3 3]` that pulls RGB to its grey by 1 - `amount`; its rows and columns are alike."""
    return amount * np.eye(3, dtype=np.float32) + np.float32((1 - amount) / 3)


def mixed(rgb: Array, matrix: Array) -> Array:
    """RGB `[... 3]` as rows times a matrix `[3 3]`: much faster than arithmetic along so short an axis."""
    return (rgb.reshape(-1, 3) @ matrix.astype(np.float32)).reshape(rgb.shape)
