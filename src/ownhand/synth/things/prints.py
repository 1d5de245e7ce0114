"""What is printed on things: their textures (sRGB, PIL), as functions of (rng, (width, height))."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ownhand.synth.surroundings.materials import RGB, coloured, fractal, write_lines
from ownhand.synth.things.solids import CAPS

Rng = np.random.Generator
Print = Callable[[Rng, tuple[int, int]], Image.Image]

DARK, WHITE, STEEL = (28, 28, 30), (238, 238, 234), (176, 178, 182)


def even(colour: RGB, strength: float = 0.02) -> Print:
    """One colour, not quite even."""
    return lambda rng, size: coloured(colour, fractal(rng, size, octaves=5), strength)


def brushed(colour: RGB = STEEL) -> Print:
    """Metal with fine lines along v."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        lines = np.broadcast_to(rng.standard_normal((1, size[0])), size[::-1])
        return coloured(colour, lines + fractal(rng, size), 0.05)

    return draw


def speckled(colour: RGB, spots: RGB, count: int, radius: float) -> Print:
    """Fruit and sponge: spots of another colour, radius as a share of the width."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        image = coloured(colour, fractal(rng, size, octaves=5), 0.08)
        brush = ImageDraw.Draw(image, "RGBA")
        for x, y in rng.random((count, 2)) * size:
            r = radius * size[0] * rng.lognormal(0, 0.4)
            brush.ellipse((x - r, y - r, x + r, y + r), fill=(*spots, int(rng.integers(90, 220))))
        return image

    return draw


def banded(*bands: tuple[float, RGB]) -> Print:
    """Rings of colour: (height at which it begins as a share from above, colour)."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        image = Image.new("RGB", size, bands[0][1])
        brush = ImageDraw.Draw(image)
        for begin, colour in bands[1:]:
            brush.rectangle((0, begin * size[1], size[0], size[1]), fill=colour)
        return _worn(rng, image)

    return draw


def label(
    title: str,
    base: RGB,
    accent: RGB,
    ink: RGB,
    *,
    faces: int = 2,
    low: float = 0.0,
    high: float = 1.0,
    bare: RGB = STEEL,
) -> Print:
    """A label around: title, a bold shape and small print, repeated; above `low` and below `high` bare.

    Args:
        title: Large letters.
        base: Of the paper.
        accent: Of the shape behind the title.
        ink: Of the letters.
        faces: How often the title appears around.
        low: Where the label begins, as a share from above.
        high: Where it ends.
        bare: Colour of what the label leaves free.
    """

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        image = coloured(bare, fractal(rng, size, octaves=4), 0.03)
        top, bottom, width = int(low * size[1]), int(high * size[1]), size[0] // faces
        for side in range(faces):
            piece = panel(title, base, accent, ink)(rng, (width, bottom - top))
            image.paste(piece, (side * width, top))
        return image

    return draw


def panel(title: str, base: RGB, accent: RGB, ink: RGB) -> Print:
    """The front of a package."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        width, height = size
        image = Image.new("RGB", size, base)
        brush = ImageDraw.Draw(image)
        style = rng.integers(3)
        if style == 0:
            brush.ellipse((0.06 * width, 0.2 * height, 0.94 * width, 0.72 * height), fill=accent)
        elif style == 1:
            brush.polygon(
                [(0, 0.62 * height), (width, 0.3 * height), (width, 0.6 * height), (0, 0.92 * height)], accent
            )
        else:
            brush.rectangle((0, 0.28 * height, width, 0.66 * height), fill=accent)
        letters = _font(max(int(min(1.55 * width / len(title), 0.3 * height)), 6))
        brush.text((width / 2, 0.46 * height), title, fill=ink, font=letters, anchor="mm")
        small = _font(max(int(0.05 * height), 6))
        brush.text((width / 2, 0.12 * height), "ORIGINAL", fill=ink, font=small, anchor="mm")
        write_lines(rng, brush, (0.1 * width, 0.74 * height, 0.9 * width, 0.98 * height), ink)
        return _worn(rng, image)

    return draw


def small_print(base: RGB, ink: RGB, *, bars: bool = True) -> Print:
    """The back of a package: lines of text, and a bar code."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        width, height = size
        image = Image.new("RGB", size, base)
        brush = ImageDraw.Draw(image)
        write_lines(rng, brush, (0.08 * width, 0.05 * height, 0.92 * width, 0.65 * height), ink)
        if bars:
            brush.rectangle((0.5 * width, 0.7 * height, 0.94 * width, 0.95 * height), fill=WHITE)
            for x in np.arange(0.54, 0.9, 0.012)[rng.random(31)[:30] < 0.6] * width:
                brush.line((x, 0.73 * height, x, 0.9 * height), fill=DARK, width=max(width // 130, 1))
        return _worn(rng, image)

    return draw


def topped(picture: Print, share: float, colour: RGB) -> Print:
    """With a cap of another colour on the upper `share`."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        image = picture(rng, size)
        cap = even(colour)(rng, (size[0], int(share * size[1])))
        ImageDraw.Draw(cap).line((0, cap.height - 1, size[0], cap.height - 1), fill=DARK)
        image.paste(cap, (0, 0))
        return image

    return draw


def sheet(front: Print, back: Print, wall: Print) -> Print:
    """The texture of a prism from those of its two flat sides and its wall."""

    def draw(rng: Rng, size: tuple[int, int]) -> Image.Image:
        width, height = size
        caps = int(CAPS * height)
        image = Image.new("RGB", size)
        image.paste(front(rng, (width // 2, caps)), (0, 0))
        image.paste(back(rng, (width - width // 2, caps)), (width // 2, 0))
        image.paste(wall(rng, (width, height - caps)), (0, caps))
        return image

    return draw


def sideways(picture: Print) -> Print:
    """Turned by a quarter, so that it stands upright on what is longer than wide."""
    return lambda rng, size: picture(rng, (size[1], size[0])).transpose(Image.Transpose.ROTATE_90)


def pages(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Edges of a book's pages, and its spine at the left."""
    lines = np.broadcast_to(rng.standard_normal((size[1], 1)), size[::-1])
    return coloured((228, 220, 200), lines, 0.06)


def screen(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """The front of a telephone, long side along u: a page of an application behind glass."""
    image = Image.new("RGB", size, (12, 12, 14))
    width, height = size
    brush = ImageDraw.Draw(image)
    brush.rounded_rectangle((0.03 * width, 0.05 * height, 0.97 * width, 0.95 * height), 0.06 * height, (226, 230, 236))
    brush.rectangle((0.03 * width, 0.05 * height, 0.16 * width, 0.95 * height), fill=(38, 92, 168))
    for x in np.arange(0.2, 0.9, 0.13):
        colour = tuple(int(c) for c in rng.integers(60, 230, 3))
        brush.ellipse(((x + 0.01) * width, 0.1 * height, (x + 0.09) * width, 0.26 * height), fill=colour)
        brush.rectangle(((x + 0.02) * width, 0.34 * height, (x + 0.04) * width, 0.84 * height), fill=(120, 124, 130))
        brush.rectangle(((x + 0.06) * width, 0.34 * height, (x + 0.075) * width, 0.6 * height), fill=(180, 184, 190))
    return image


def phone_back(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = coloured((52, 60, 74), fractal(rng, size, octaves=3), 0.03)
    width, height = size
    brush = ImageDraw.Draw(image)
    brush.rounded_rectangle((0.8 * width, 0.06 * height, 0.96 * width, 0.42 * height), 8, fill=(34, 38, 46))
    for y in (0.15, 0.32):
        brush.ellipse((0.84 * width, (y - 0.07) * height, 0.91 * width, (y + 0.07) * height), fill=(8, 8, 12))
    return image


def card_front(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """A bank card: chip, number, name."""
    width, height = size
    image = coloured((34, 74, 140), fractal(rng, size, octaves=3) + np.linspace(-1, 1, width), 0.16)
    brush = ImageDraw.Draw(image)
    brush.rounded_rectangle((0.1 * width, 0.32 * height, 0.24 * width, 0.52 * height), 3, fill=(206, 176, 98))
    brush.line((0.17 * width, 0.32 * height, 0.17 * width, 0.52 * height), fill=(120, 98, 50))
    digits = "  ".join("".join(str(d) for d in rng.integers(0, 10, 4)) for _ in range(4))
    brush.text((0.1 * width, 0.58 * height), digits, fill=WHITE, font=_font(max(int(0.1 * height), 6)))
    brush.text((0.1 * width, 0.8 * height), "A. N. OTHER", fill=WHITE, font=_font(max(int(0.09 * height), 6)))
    brush.text((0.62 * width, 0.08 * height), "bank", fill=WHITE, font=_font(max(int(0.16 * height), 6)))
    for x, colour in ((0.78, (214, 60, 50)), (0.86, (238, 170, 60))):
        box = ((x - 0.06) * width, 0.74 * height, (x + 0.06) * width, 0.93 * height)
        brush.ellipse(box, fill=colour)
    return image


def card_back(rng: Rng, size: tuple[int, int]) -> Image.Image:
    width, height = size
    image = coloured((70, 104, 158), fractal(rng, size, octaves=3), 0.05)
    brush = ImageDraw.Draw(image)
    brush.rectangle((0, 0.1 * height, width, 0.32 * height), fill=DARK)
    brush.rectangle((0.06 * width, 0.44 * height, 0.66 * width, 0.58 * height), fill=WHITE)
    write_lines(rng, brush, (0.06 * width, 0.64 * height, 0.94 * width, 0.95 * height), WHITE)
    return image


def buttons(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """The front of a remote control, long side along u."""
    width, height = size
    image = Image.new("RGB", size, (36, 36, 40))
    brush = ImageDraw.Draw(image)
    brush.ellipse((0.9 * width, 0.1 * height, 0.96 * width, 0.3 * height), fill=(200, 40, 36))
    brush.ellipse((0.36 * width, 0.16 * height, 0.58 * width, 0.84 * height), fill=(70, 70, 76))
    brush.ellipse((0.43 * width, 0.38 * height, 0.51 * width, 0.62 * height), fill=(150, 150, 156))
    for x in (0.06, 0.13, 0.2, 0.27, 0.64, 0.71, 0.78):
        for y in (0.14, 0.4, 0.66):
            colour = (96, 96, 102) if x > 0.1 else tuple(int(c) for c in rng.integers(40, 230, 3))
            brush.rounded_rectangle((x * width, y * height, (x + 0.045) * width, (y + 0.2) * height), 2, fill=colour)
    return image


def seam(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """A tennis ball: felt and its curved white line."""
    width, height = size
    image = coloured((196, 214, 62), fractal(rng, size, octaves=6, roughness=0.9), 0.08)
    u = np.linspace(0, 1, 120)
    v = 0.5 + 0.27 * np.sin(4 * np.pi * u)
    ImageDraw.Draw(image).line([(a * width, b * height) for a, b in zip(u, v, strict=True)], fill=WHITE, width=5)
    return image


def _worn(rng: Rng, image: Image.Image) -> Image.Image:
    """Uneven as paint and paper are."""
    gain = 1 + 0.03 * fractal(rng, image.size, octaves=5)
    return Image.fromarray(np.clip(np.asarray(image) * gain[..., None], 0, 255).astype(np.uint8))


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)
