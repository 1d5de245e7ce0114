"""Procedural surroundings. A large canvas is drawn once; each picture shows a turned, recoloured, blurred piece of one.

A canvas is a function of (seed, number). Neighbouring pictures draw from a sliding window of canvases, so that the
list never ends and few are in memory. A folder of pictures may take the place of half of the canvases.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from ownhand.data.photos import read_photo, to_image
from ownhand.render.colour import linear_from_srgb, mixed, saturation
from ownhand.synth.surroundings.canvases import CANVAS, draw_canvas

Array = np.ndarray
Rng = np.random.Generator

WINDOW = 16  # canvases that a picture may show
PICTURES_PER_CANVAS = 50
FROM_FOLDER = 0.5  # share of the canvases that are pictures of the folder, if there is one
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
SWAPPED = 0.05  # share of the pictures whose channels change places

_LINEAR = linear_from_srgb(np.arange(256, dtype=np.float32) / 255)


def background(
    seed: int, index: int, size: int, rng: Rng, folder: str | Path | None = None, *, hands: bool = True
) -> Array:
    """What is behind the hand of picture `index`.

    Args:
        seed: Of the canvases.
        index: Number of the picture; chooses the window of canvases.
        size: Side of the picture [px].
        rng: Chooses the canvas, the piece of it and its colours.
        folder: Pictures that stand for half of the canvases.
        hands: Whether people and arms behind may have roughly drawn hands: where all hands are labelled they must not.

    Returns:
        Linear RGB `[size size 3]`.

    Raises:
        ValueError: The folder holds no picture, or (`PhotoError`) one that cannot be read.
    """
    number = index // PICTURES_PER_CANVAS + int(rng.integers(WINDOW))
    levels = canvas(seed, number, None if folder is None else str(folder), hands)
    angle = rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    widening = abs(np.cos(angle)) + abs(np.sin(angle))
    side = (CANVAS - 2) * min(rng.uniform(0.25, 0.85), 1 / widening)
    margin = side / 2 * widening
    centre = rng.uniform(margin, CANVAS - margin, 2)
    flipped = rng.random() < 0.5
    blur = rng.choice([0.0, 0.004, 0.012, 0.03], p=[0.35, 0.25, 0.25, 0.15]) * size * rng.uniform(0.6, 1.4)
    pixels = size // 4 if blur > 3.5 else size // 2 if blur > 1.2 else size  # few are enough for what is blurred
    source = levels[int(np.clip(np.log2(side / pixels), 0, len(levels) - 1))]
    scale = source.width / CANVAS
    a, b = np.cos(angle) * side * scale / pixels, np.sin(angle) * side * scale / pixels
    corner = centre * scale - np.array([a - b, b + a]) * pixels / 2
    piece = source.transform(
        (pixels, pixels), Image.Transform.AFFINE, (a, -b, corner[0], b, a, corner[1]), Image.Resampling.BILINEAR
    )
    if flipped:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if blur:
        piece = piece.filter(ImageFilter.GaussianBlur(float(blur) * pixels / size))
    if pixels < size:
        piece = piece.resize((size, size), Image.Resampling.BILINEAR)
    linear = _LINEAR[np.asarray(piece)]
    return _recoloured(linear, rng)


def _recoloured(linear: Array, rng: Rng) -> Array:
    """Saturation, hue, tint and brightness changed; light that falls off to one side."""
    order = rng.permutation(3) if rng.random() < SWAPPED else np.arange(3)
    colourful = rng.uniform(0.4, 1.15)
    ramp = np.linspace(-0.5, 0.5, len(linear), dtype=np.float32)
    fall = 1 + rng.uniform(-0.5, 0.5) * ramp[:, None] + rng.uniform(-0.5, 0.5) * ramp
    tint = np.exp(rng.normal(0, 0.06, 3) + rng.normal(0, 0.35))
    matrix = saturation(colourful)[np.argsort(order)] * tint
    return np.clip(mixed(linear, matrix) * fall[..., None], 0, 1)


@lru_cache(maxsize=WINDOW + 4)
def canvas(seed: int, number: int, folder: str | None = None, hands: bool = True) -> tuple[Image.Image, ...]:
    """A large picture of surroundings (sRGB) and its halvings; see `background`."""
    rng = np.random.default_rng([seed, number, 7])
    if folder is not None and np.random.default_rng([seed, number, 8]).random() < FROM_FOLDER:
        paths = pictures_in(folder)
        photo = to_image(read_photo(paths[rng.integers(len(paths))]))
        full = ImageOps.fit(photo, (CANVAS, CANVAS), Image.Resampling.BOX)  # its centre
    else:
        full = draw_canvas(rng, hands)
    half = full.resize((CANVAS // 2, CANVAS // 2), Image.Resampling.BOX)
    return full, half, half.resize((CANVAS // 4, CANVAS // 4), Image.Resampling.BOX)


@lru_cache(maxsize=4)
def pictures_in(folder: str) -> tuple[Path, ...]:
    """The pictures directly in a folder, by name.

    Raises:
        ValueError: There is none.
    """
    where = Path(folder)
    paths = sorted(p for p in where.iterdir() if p.suffix.lower() in SUFFIXES) if where.is_dir() else []
    if not paths:
        raise ValueError(f"expected a folder with pictures ({', '.join(SUFFIXES)}) for backgrounds, got {folder}")
    return tuple(paths)
