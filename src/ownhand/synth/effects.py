"""What a camera does to light: exposure, blur, noise, encoding."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter
from scipy.special import ndtri

from ownhand.render.colour import mixed, saturation, srgb_from_linear

Array = np.ndarray
Rng = np.random.Generator

_STEPS = 4096
_ENCODED = srgb_from_linear(np.linspace(0, 1, _STEPS))
_NORMAL = ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


def photographed(linear: Float[Array, "h w 3"], rng: Rng) -> UInt8[Array, "h w 3"]:
    """A linear picture as a camera stores it (sRGB)."""
    balance = np.exp(rng.normal(0, 0.045, 3) + rng.normal(0, 0.18))
    linear = mixed(linear, np.diag(balance))
    if rng.random() < 0.2:
        linear = _moved(linear, rng)
    bright = np.clip(linear, 0, 1)
    amount = rng.uniform(0, 0.03) ** 2 if rng.random() < 0.7 else rng.uniform(0.02, 0.06) ** 2
    noise = _NORMAL[np.frombuffer(rng.bytes(2 * linear.size), np.uint16)].reshape(linear.shape)
    linear = bright + noise * np.sqrt(amount * (0.08 + bright))
    encoded = _ENCODED[np.clip(linear * (_STEPS - 1), 0, _STEPS - 1).astype(np.int32)]
    colourful, contrast = rng.uniform(0.75, 1.2), rng.uniform(0.85, 1.15)
    encoded = mixed(encoded, saturation(colourful) * contrast) + 0.5 * (1 - contrast)
    image = Image.fromarray(np.clip(encoded * 255 + 0.5, 0, 255).astype(np.uint8))
    return np.asarray(_resolved(image, rng))


def _moved(linear: Array, rng: Rng) -> Array:
    """Motion blur: the mean over a short straight path."""
    length = rng.uniform(0.005, 0.035) * len(linear)
    angle = rng.uniform(0, np.pi)
    offsets = np.unique(np.round(np.linspace(-0.5, 0.5, 7)[:, None] * length * [np.cos(angle), np.sin(angle)]), axis=0)
    reach = int(np.abs(offsets).max())
    padded = np.pad(linear, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = linear.shape[:2]
    total = np.zeros_like(linear)
    for dx, dy in offsets.astype(int):
        total += padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
    return total / len(offsets)


def _resolved(image: Image.Image, rng: Rng) -> Image.Image:
    """Out of focus, enlarged from a coarser picture, or sharpened."""
    chance, size = rng.random(), image.width
    if chance < 0.3:
        return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 1.0) * size / 160)))
    if chance < 0.5:
        coarse = int(size * rng.uniform(0.35, 0.9))
        return image.resize((coarse, coarse), Image.Resampling.BOX).resize((size, size), Image.Resampling.BICUBIC)
    if chance < 0.62:
        return image.filter(ImageFilter.UnsharpMask(radius=1.2, percent=int(rng.uniform(20, 90)), threshold=0))
    return image
