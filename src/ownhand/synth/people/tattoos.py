"""Tattoos: line art, letters and bands, drawn flat and laid onto the back of the hand, the fingers or the forearm."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import map_coordinates

from ownhand.hand.anatomy import FLEXION, TWIST
from ownhand.synth.people.skin_map import SkinMap, joint_frames
from ownhand.synth.people.skin_noise import Noise

Array = np.ndarray
Rng = np.random.Generator

SIDE, FINE = 96, 3  # pixels of a drawing, and by how much it is drawn larger
BLACK, COLOURS = (0.10, 0.11, 0.14), ((0.55, 0.10, 0.10), (0.10, 0.30, 0.16), (0.12, 0.18, 0.45), (0.5, 0.32, 0.1))
"""What ink lets through of the skin's colour, linear RGB."""


def tattooed(rng: Rng, count: int, surface: SkinMap, noise: Noise) -> Float[Array, "texels 3"]:
    """Share of its colour that the skin keeps under some tattoos."""
    kept = np.ones((len(surface.position), 3), np.float32)
    blur = 0.0004 * np.stack([noise("blotch"), noise("mottle")], -1)  # ink spreads unevenly
    for _ in range(count):
        place = rng.choice(["back", "fingers", "forearm", "band"], p=[0.35, 0.25, 0.3, 0.1])
        ink = _PLACES[place](rng, surface, blur) * rng.uniform(0.55, 0.95)
        through = np.array(COLOURS[rng.integers(len(COLOURS))] if rng.random() < 0.2 else BLACK)
        kept *= 1 - ink[:, None] * (1 - through)
    return kept


def _on_back(rng: Rng, surface: SkinMap, blur: Array) -> Array:
    middle = np.array([rng.uniform(0.035, 0.06), rng.uniform(-0.012, 0.012)])
    place = (surface.position[:, :2] + blur - middle) / rng.uniform(0.025, 0.062)
    return _laid(rng, _drawing(rng), place) * surface.back


def _on_fingers(rng: Rng, surface: SkinMap, blur: Array) -> Array:
    """One sign, or one on each of several fingers."""
    origins, axes = joint_frames()
    out = np.zeros(len(blur), np.float32)
    joints = np.array([4, 7, 10, 13])[np.sort(rng.choice(4, rng.choice([1, 2, 4], p=[0.5, 0.2, 0.3]), replace=False))]
    side, sign = rng.uniform(0.011, 0.017), _letter if rng.random() < 0.5 else _symbol
    for joint in joints:
        on = np.flatnonzero(surface.weight[:, joint] > 0.5)
        place = (surface.position[on] - origins[joint]) @ axes[joint]
        place = place[:, [TWIST, FLEXION]] + blur[on] - [rng.uniform(0.022, 0.027), 0]
        out[on] = _laid(rng, sign(rng), place / side, turned=False) * surface.dorsal[on]
    return out


def _on_forearm(rng: Rng, surface: SkinMap, blur: Array) -> Array:
    x, around = _around_arm(surface)
    place = np.stack([x + rng.uniform(0.035, 0.13), _wrapped(around - rng.uniform(-np.pi, np.pi)) * 0.03], -1) + blur
    return _laid(rng, _drawing(rng), place / rng.uniform(0.04, 0.09)) * (x < 0.01)


def _band(rng: Rng, surface: SkinMap, blur: Array) -> Array:
    x, around = _around_arm(surface)
    t = x + blur[:, 0] + rng.uniform(0.0, 0.1)
    width, waves = rng.uniform(0.004, 0.02), rng.integers(6, 20)
    zigzag = np.abs((around / np.pi * waves) % 2 - 1) - 0.5
    edges = np.abs(np.abs(t) - width / 2) < 0.0012
    inside = (np.abs(t - 0.6 * width * zigzag) < 0.0012) if rng.random() < 0.6 else np.abs(t) < width / 2
    return np.where(edges | inside & (np.abs(t) < width / 2), 1.0, 0.0) * (surface.weight[:, 0] > 0.5)


_PLACES = {"back": _on_back, "fingers": _on_fingers, "forearm": _on_forearm, "band": _band}


def _around_arm(surface: SkinMap) -> tuple[Array, Array]:
    x, y, z = surface.position.T
    return x, np.arctan2(y, z - 0.08 * np.minimum(x, 0))


def _wrapped(angle: Array) -> Array:
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _laid(rng: Rng, drawing: Array, place: Float[Array, "texels 2"], *, turned: bool = True) -> Array:
    """Ink of a drawing one unit wide, centred on the origin of (up, left), where up is towards the fingertips."""
    angle = rng.uniform(0, 2 * np.pi) if turned and rng.random() < 0.6 else 0.0
    up, left = (place @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])).T
    return map_coordinates(drawing, np.stack([0.5 - up, 0.5 - left]) * (SIDE - 1), order=1)


def _drawing(rng: Rng) -> Array:
    return (_mandala, _word, _curves, _symbol)[rng.integers(4)](rng)


def _canvas() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (SIDE * FINE, SIDE * FINE))
    return image, ImageDraw.Draw(image)


def _finished(image: Image.Image) -> Array:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255


def _mandala(rng: Rng) -> Array:
    """Petals, rings and dots with the symmetry of a flower."""
    image, draw = _canvas()
    half, folds, width = SIDE * FINE / 2, int(rng.integers(5, 13)), int(rng.integers(4, 9))
    for radius in np.sort(rng.uniform(0.15, 0.9, rng.integers(2, 5))):
        kind, turn = rng.integers(3), rng.uniform(0, 1)
        if kind == 0:
            r = half * radius
            draw.ellipse((half - r, half - r, half + r, half + r), outline=255, width=width)
            continue
        for k in range(folds):
            t = 2 * np.pi * (np.linspace(0, 1, 12) + k + turn) / folds
            r = half * (radius - 0.12 + 0.24 * np.sin(np.linspace(0, np.pi, 12))).clip(0.02, 0.97)
            if kind == 1:
                points = np.stack([half + r * np.cos(t), half + r * np.sin(t)], -1)
                draw.line([tuple(p) for p in points.tolist()], fill=255, width=width, joint="curve")
            else:
                x, y, d = half + half * radius * np.cos(t[0]), half + half * radius * np.sin(t[0]), 1.3 * width
                draw.ellipse((x - d, y - d, x + d, y + d), fill=255)
    return _finished(image)


def _word(rng: Rng) -> Array:
    image, draw = _canvas()
    letters = "".join(rng.choice(list("abcdefghiklmnoprstuvwxyzABCDEHJKLMRST&0123456789"), rng.integers(2, 8)))
    middle, font = SIDE * FINE / 2, ImageFont.load_default(SIDE * FINE * 1.5 / len(letters))
    draw.text((middle, middle), letters, fill=255, font=font, anchor="mm", stroke_width=2)
    return _finished(image)


def _letter(rng: Rng) -> Array:
    image, draw = _canvas()
    letter = rng.choice(list("ABDEHIKLMNORSTVX37"))
    font = ImageFont.load_default(SIDE * FINE)
    draw.text((SIDE * FINE / 2, SIDE * FINE / 2), letter, fill=255, font=font, anchor="mm", stroke_width=4)
    return _finished(image)


def _curves(rng: Rng) -> Array:
    """A few bold strokes that taper, often mirrored, and dots."""
    image, draw = _canvas()
    side, mirrored, bold = SIDE * FINE, rng.random() < 0.7, rng.uniform(4, 18)
    for _ in range(rng.integers(2, 6)):
        a, b, c, d = rng.uniform(0.05, 0.95, (4, 2)) * side
        t = np.linspace(0, 1, 48)[:, None]
        path = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        for (x, y), share in zip(path, np.sin(np.pi * t[:, 0]) ** 0.6, strict=True):
            r = 1.5 + bold / 2 * share
            draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
            if mirrored:
                draw.ellipse((side - x - r, y - r, side - x + r, y + r), fill=255)
    return _finished(image)


def _symbol(rng: Rng) -> Array:
    """A star, cross or regular figure; filled or as an outline."""
    image, draw = _canvas()
    half, corners = SIDE * FINE / 2, int(rng.integers(3, 9))
    inner = rng.choice([rng.uniform(0.3, 0.6), np.cos(np.pi / corners)])
    angle = np.pi * np.arange(2 * corners + 1) / corners - np.pi / 2
    radius = half * 0.9 * np.where(np.arange(2 * corners + 1) % 2, inner, 1)
    points = [tuple(p) for p in np.stack([half + radius * np.cos(angle), half + radius * np.sin(angle)], -1).tolist()]
    if rng.random() < 0.3:
        draw.polygon(points, fill=255)
    else:
        draw.line(points, fill=255, width=int(rng.integers(8, 20)), joint="curve")
    return _finished(image)
