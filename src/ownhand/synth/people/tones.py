"""Tones of human skin, by the Monk Skin Tone scale (Monk 2019), and what a pigment of any strength looks like."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ownhand.render import linear_from_srgb

Array = np.ndarray

_HEX = "f6ede4 f3e7db f7ead0 eadaba d7bd96 a07e56 825c43 604134 3a312a 292420"
MONK = linear_from_srgb(np.array([list(bytes.fromhex(h)) for h in _HEX.split()]) / 255)
"""Its ten tones, linear RGB, light to dark. Place k + 0.5 of the scale is its tone k."""

FLUSH = np.array([2.2, 3.0, 3.5, 4.0, 4.5, 3.0, 1.5, 1.5, 3.5, 3.5])  # a* that living skin has over the scale's swatch
TINGE = np.array([-0.6, 0.6, 0.0, -0.5, -0.5, -1.5, 0.5, 1.5, 3.0, 2.5])  # b*, likewise
UNDERTONES = np.array([[0.0, 0.0], [1.2, -2.2], [0.6, 2.6], [-2.4, 1.4]])  # neutral, cool, warm, olive: a*, b*

_FROM_XYZ = np.array(
    [[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560], [0.0556434, -0.2040259, 1.0572252]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
_EDGE = 6 / 29


def lab_from_linear(rgb: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """CIELAB (D65) of linear sRGB."""
    xyz = np.asarray(rgb) @ np.linalg.inv(_FROM_XYZ).T / _WHITE
    f = np.where(xyz > _EDGE**3, np.cbrt(xyz), xyz / (3 * _EDGE**2) + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def linear_from_lab(lab: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    """Linear sRGB of CIELAB (D65), not clipped."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], -1)
    return np.where(f > _EDGE, f**3, 3 * _EDGE**2 * (f - 4 / 29)) * _WHITE @ _FROM_XYZ.T


def nearest_tone(rgb: Float[Array, "*batch 3"]) -> Array:
    """Number, 0 to 9, of the Monk tone nearest to linear RGB in CIELAB."""
    return np.linalg.norm(lab_from_linear(rgb)[..., None, :] - lab_from_linear(MONK), axis=-1).argmin(-1)


def skin_colour(place: float, undertone: Float[Array, "2"]) -> Float[Array, "3"]:
    """Linear RGB of living skin at a place of the scale, 0 to 10.

    Args:
        place: Along the scale.
        undertone: How far a* and b* are from the usual ones; the lightest and the darkest show less of it.
    """
    k = np.clip(place - 0.5, -0.5, 9.5)
    low = int(np.clip(np.floor(k), 0, 8))
    lab = _LIVING[low] + (k - low) * (_LIVING[low + 1] - _LIVING[low])
    lab[1:] += undertone * np.interp(place, [1, 4, 7, 10], [0.35, 1, 1, 0.5])
    return np.clip(linear_from_lab(lab), 0.004, 0.98)


def albedo(melanin: Array) -> Array:
    """Linear RGB of an amount of pigment: the logarithm of how much darker than white it is, -0.2 to 5.2."""
    return _PIGMENT[np.clip((melanin + 0.2) * (511 / 5.4), 0, 511).astype(np.int32)]


def melanin_of(rgb: Float[Array, "3"]) -> float:
    """The amount of pigment of a skin colour."""
    return float(-np.log(rgb @ np.linalg.inv(_FROM_XYZ)[1]))


def _pigment_table() -> Array:
    lab = _LIVING[[1, *range(3, 10)]]
    rgb = np.clip(linear_from_lab(lab), 0.004, 0.98)
    amount = -np.log(rgb @ np.linalg.inv(_FROM_XYZ)[1])
    amount = np.concatenate([[-0.2], amount, [5.2]])
    table = np.log(rgb)
    dark = table[-1] + (amount[-1] - amount[-2]) * np.array([-0.9, -1.0, -1.0])
    table = np.concatenate([table[:1] * 0.3, table, dark[None]])
    fine = np.linspace(-0.2, 5.2, 512)
    return np.exp(np.stack([np.interp(fine, amount, table[:, c]) for c in range(3)], -1)).astype(np.float32)


_LIVING = lab_from_linear(MONK) + np.stack([np.zeros(10), FLUSH, TINGE], -1)
_PIGMENT = _pigment_table()
