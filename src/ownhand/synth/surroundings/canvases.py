"""Large pictures of surroundings (sRGB, PIL), put together from materials, things and places."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ownhand.synth.surroundings.drawing import falling_light, limb, projected, shaded, thing, wires
from ownhand.synth.surroundings.materials import (
    Rng,
    any_colour,
    grain,
    material,
    plain,
    text,
    wall_colour,
    weave,
    write_lines,
)
from ownhand.synth.surroundings.places import CANVAS, outdoors, people, room


def draw_canvas(rng: Rng, hands: bool = True) -> Image.Image:
    """A picture of CANVAS x CANVAS; with `hands`, people and arms in it may have some, roughly drawn."""
    clutter, desk, somebody = (partial(kind, hands=hands) for kind in (_clutter, _desk, people))
    kinds: tuple[Callable[[Rng], Image.Image], ...] = (_surface, room, clutter, _shelf, outdoors, desk, somebody)
    kind = rng.choice(len(kinds), p=[0.12, 0.24, 0.14, 0.1, 0.12, 0.16, 0.12])
    return kinds[kind](rng).convert("RGB")


def _surface(rng: Rng) -> Image.Image:
    """A table, a wall, a carpet or a piece of cloth."""
    chance = rng.random()
    if chance < 0.35:
        return falling_light(rng, plain(rng, (CANVAS, CANVAS), wall_colour(rng)), 0.6)
    return falling_light(rng, weave(rng, (CANVAS, CANVAS)) if chance < 0.55 else material(rng, (CANVAS, CANVAS)))


def _clutter(rng: Rng, hands: bool) -> Image.Image:
    image = material(rng, (CANVAS, CANVAS))
    for size in np.sort(np.exp(rng.uniform(np.log(25), np.log(240), int(rng.integers(10, 36)))))[::-1]:
        thing(rng, image, size)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < 0.35 else 0):
        limb(rng, image, hands=hands)
    wires(rng, image, int(rng.integers(4)))
    return falling_light(rng, image)


def _shelf(rng: Rng) -> Image.Image:
    """Rows of books, cans and boxes."""
    image = grain(rng, (CANVAS, CANVAS)) if rng.random() < 0.5 else plain(rng, (CANVAS, CANVAS), wall_colour(rng))
    draw, row = ImageDraw.Draw(image), int(rng.uniform(55, 170))
    board = any_colour(rng)
    for bottom in range(row, CANVAS + row, row):
        x = 0.0
        while x < CANVAS:
            width, height = rng.uniform(7, 0.6 * row), row * rng.uniform(0.5, 0.92)
            if rng.random() < 0.9:
                colour = np.array(any_colour(rng), np.float32)
                across = np.linspace(-1, 1, max(int(width), 2), dtype=np.float32)
                gain = 1 - 0.45 * across**2 * rng.integers(2) + rng.uniform(-0.15, 0.15) * across
                column = np.clip(colour * gain[:, None], 0, 255).astype(np.uint8)
                spine = Image.fromarray(np.repeat(column[None], int(height), 0))
                if rng.random() < 0.5:
                    box = 0, height * 0.1, width, height * rng.uniform(0.3, 0.9)
                    write_lines(rng, ImageDraw.Draw(spine), box, any_colour(rng))
                image.paste(spine, (int(x), int(bottom - height)))
            x += width + rng.choice([0.5, 3.0])
        draw.rectangle((0, bottom, CANVAS, bottom + row * 0.06), fill=board)
    return falling_light(rng, image)


def _desk(rng: Rng, hands: bool) -> Image.Image:
    """A desk with papers, keyboards, mugs, phones and pens, from above or at an angle before a room."""
    chance = rng.random()
    image = grain(rng, (CANVAS, CANVAS)) if chance < 0.45 else plain(rng, (CANVAS, CANVAS), wall_colour(rng))
    if chance > 0.8:
        image = material(rng, (CANVAS, CANVAS))
    parts = (_sheet, _keyboard, _mug, _phone, _pen)
    for _ in range(int(rng.integers(2, 11))):
        part, mask, round = parts[rng.choice(5, p=[0.34, 0.14, 0.18, 0.12, 0.22])](rng)
        where = tuple(rng.integers(-80, CANVAS - 60, 2).tolist())
        shaded(image, part, mask, where, rng, round=round)
    for _ in range(int(rng.integers(0, 6))):
        thing(rng, image, rng.uniform(25, 110))
    if rng.random() < 0.15:
        limb(rng, image, hands=hands)
    wires(rng, image, int(rng.integers(4)))
    image = falling_light(rng, image)
    if rng.random() < 0.5:
        return image
    behind = room(rng, furnished=False).filter(ImageFilter.GaussianBlur(rng.uniform(1, 6)))
    edge, narrow = CANVAS * rng.uniform(0.05, 0.4), CANVAS * rng.uniform(0.0, 0.3)
    quad = np.array([[narrow, edge], [CANVAS - narrow, edge], [1.3 * CANVAS, CANVAS], [-0.3 * CANVAS, CANVAS]])
    quad[0] += rng.normal(0, 15, 2)
    projected(behind, image, quad)
    return behind


Part = tuple[Image.Image, Image.Image, bool]  # picture, mask, whether it is a cylinder


def _rounded(size: tuple[int, int], radius: float) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius, fill=255)
    return mask


def _sheet(rng: Rng) -> Part:
    """A page of words, lines, pictures."""
    width = int(rng.uniform(90, 230))
    size = width, int(width * rng.uniform(1.2, 1.45))
    page = text(rng, size)
    if rng.random() < 0.4:
        x, y, w, h = (int(v) for v in rng.uniform(0.1, 0.4, 4) * width)
        page.paste(material(rng, (w + 16, h + 16)), (x, y))
    return page, Image.new("L", size, 255), False


def _keyboard(rng: Rng) -> Part:
    """Rows of keys, maybe above a touch pad."""
    width = int(rng.uniform(150, 330))
    size, dark = (width, int(width * rng.uniform(0.35, 0.7))), rng.random() < 0.6
    base, key = (int(rng.uniform(*r)) for r in (((15, 70), (25, 90)) if dark else ((150, 225), (200, 250))))
    board = Image.new("RGB", size, (base, base, base + 3))
    draw, step = ImageDraw.Draw(board), width / 15
    for row in range(int(min(size[1] * 0.9, 5.5 * step) / step)):
        for column in range(14):
            x, y = step * (0.5 + column + 0.2 * (row % 3)), step * (0.4 + row)
            box = (x, y, x + 0.8 * step, y + 0.8 * step)
            draw.rectangle(box, fill=(key,) * 3)
            draw.line([(x + 0.3 * step, y + 0.4 * step), (x + 0.5 * step, y + 0.4 * step)], fill=(255 - key,) * 3)
    return board, _rounded(size, 0.04 * width), False


def _mug(rng: Rng) -> Part:
    """A mug or a plate from above: rings, and what is inside."""
    width = int(rng.uniform(60, 150))
    image, mask = Image.new("RGB", (width, width), any_colour(rng)), Image.new("L", (width, width))
    draw, outside = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    inset = 0.14 * width
    outside.ellipse((inset, inset, width - inset, width - inset), fill=255)
    if rng.random() < 0.6:
        outside.rectangle((0.42 * width, 0, 0.56 * width, 0.3 * width), fill=255)
    inside = (60, 35, 20) if rng.random() < 0.5 else any_colour(rng)
    for share, colour in ((0.18, any_colour(rng)), (0.22, inside)):
        draw.ellipse((share * width, share * width, (1 - share) * width, (1 - share) * width), fill=colour)
    return image, mask, False


def _phone(rng: Rng) -> Part:
    """A dark slab whose screen is off, or shows rows of something."""
    width = int(rng.uniform(50, 110))
    size = width, int(width * rng.uniform(1.4, 2.1))
    image = Image.new("RGB", size, (int(rng.uniform(8, 40)),) * 3)
    if rng.random() < 0.5:
        inner = (size[0] - 8, size[1] - 14)
        image.paste(text(rng, inner) if rng.random() < 0.5 else outdoors(rng, 64).resize(inner), (4, 7))
    return image, _rounded(size, 0.12 * width), False


def _pen(rng: Rng) -> Part:
    size = int(rng.uniform(8, 14)), int(rng.uniform(70, 190))
    image = Image.new("RGB", size, any_colour(rng))
    ImageDraw.Draw(image).rectangle((0, 0, size[0], size[1] * rng.uniform(0.05, 0.4)), fill=any_colour(rng))
    return image, _rounded(size, 3), True
