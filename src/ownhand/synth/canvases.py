"""Large pictures of surroundings (sRGB, PIL), put together from materials."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ownhand.synth.materials import (
    Rng,
    any_colour,
    coloured,
    fractal,
    grain,
    material,
    plain,
    skin_colour,
    text,
    tiles,
    weave,
    write_lines,
)

CANVAS = 512  # px


def draw_canvas(rng: Rng) -> Image.Image:
    """A picture of CANVAS x CANVAS."""
    kinds: tuple[Callable[[Rng], Image.Image], ...] = (_surface, _room, _clutter, _shelf, _outdoors, _desk, _people)
    kind = rng.choice(len(kinds), p=[0.16, 0.2, 0.16, 0.12, 0.12, 0.12, 0.12])
    return kinds[kind](rng).convert("RGB")


def _shaded(image: Image.Image, mask: Image.Image, where: tuple[int, int], rng: Rng, canvas: Image.Image) -> None:
    """Paste a thing with shading across it and a soft shadow beside it."""
    width, height = image.size
    pixels = np.asarray(image, np.float32)
    across = np.linspace(-1, 1, width, dtype=np.float32)
    if rng.random() < 0.4:  # a cylinder
        gain = np.sqrt(1 - 0.9 * np.clip(across + rng.uniform(-0.4, 0.4), -1, 1) ** 2)[None]
    else:
        gain = 1 + rng.uniform(-0.3, 0.3) * across[None] + rng.uniform(-0.3, 0.3) * np.linspace(-1, 1, height)[:, None]
    image = Image.fromarray(np.clip(pixels * gain[..., None], 0, 255).astype(np.uint8))
    mask = mask.filter(ImageFilter.GaussianBlur(0.8))
    angle = rng.normal(0, 20) if rng.random() < 0.6 else rng.uniform(0, 360)
    image, mask = (x.rotate(angle, Image.Resampling.BILINEAR, expand=True) for x in (image, mask))
    reach = rng.uniform(2, 14)
    shadow = Image.new("L", (mask.width + 40, mask.height + 40))
    shadow.paste(mask.point(lambda v: int(v * 0.55)), (20, 20))
    shadow = shadow.filter(ImageFilter.GaussianBlur(reach))
    offset = rng.uniform(-1.2, 1.2, 2) * reach
    canvas.paste((0, 0, 0), (where[0] - 20 + int(offset[0]), where[1] - 20 + int(offset[1])), shadow)
    canvas.paste(image, where, mask)


def _thing(rng: Rng, canvas: Image.Image, size: float) -> None:
    """A box, a ball, a can, a polygon or a bar, of any material."""
    width, height = (max(int(size * rng.uniform(0.4, 1.3)), 8) for _ in range(2))
    if rng.random() < 0.2:
        width = max(width // 5, 8)
    image, mask = material(rng, (width, height)), Image.new("L", (width, height))
    draw, kind = ImageDraw.Draw(mask), rng.random()
    if kind < 0.45:
        draw.rounded_rectangle((1, 1, width - 2, height - 2), radius=min(width, height) * rng.uniform(0, 0.4), fill=255)
    elif kind < 0.75:
        draw.ellipse((1, 1, width - 2, height - 2), fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        corners = np.stack([(1 + np.cos(angles)) * width / 2, (1 + np.sin(angles)) * height / 2], -1)
        draw.polygon([tuple(c) for c in corners], fill=255)
    if rng.random() < 0.3:
        box = width * 0.1, height * 0.2, width * 0.9, height * rng.uniform(0.4, 0.9)
        write_lines(rng, ImageDraw.Draw(image), box, any_colour(rng))
    where = tuple(int(v) for v in rng.uniform(-0.1, 1, 2) * CANVAS - np.array([width, height]) * 0.3)
    _shaded(image, mask, where, rng, canvas)  # pyright: ignore


def _limb(rng: Rng, canvas: Image.Image) -> None:
    """An arm, a neck or a leg of somebody else: a shaded tapered bar of skin colour."""
    width, length = int(rng.uniform(25, 110)), int(rng.uniform(120, 420))
    image = coloured(skin_colour(rng), fractal(rng, (width, length), octaves=4), 0.05)
    mask = Image.new("L", image.size)
    taper = rng.uniform(0, 0.25) * width
    ImageDraw.Draw(mask).polygon([(0, 0), (width, 0), (width - taper, length), (taper, length)], fill=255)
    _shaded(image, mask, tuple(rng.integers(-60, CANVAS - 60, 2).tolist()), rng, canvas)


def _lines(rng: Rng, canvas: Image.Image, count: int) -> None:
    """Cables, rails, edges."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(count):
        points = np.cumsum(
            np.vstack([rng.uniform(0, CANVAS, (1, 2)), rng.normal(0, 120, (int(rng.integers(1, 5)), 2))]), 0
        )
        draw.line([tuple(p) for p in points], fill=any_colour(rng), width=int(rng.integers(1, 8)), joint="curve")


def _surface(rng: Rng) -> Image.Image:
    """A table, a wall, a carpet or a piece of cloth."""
    return material(rng, (CANVAS, CANVAS))


def _clutter(rng: Rng) -> Image.Image:
    image = material(rng, (CANVAS, CANVAS))
    for size in np.sort(np.exp(rng.uniform(np.log(25), np.log(260), int(rng.integers(10, 40)))))[::-1]:
        _thing(rng, image, size)
    _lines(rng, image, int(rng.integers(4)))
    return image


def _room(rng: Rng) -> Image.Image:
    """Wall and floor, door and window frames, some furniture."""
    image = plain(rng, (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    floor = int(CANVAS * rng.uniform(0.45, 0.9))
    image.paste(material(rng, (CANVAS, CANVAS - floor)), (0, floor))
    draw.line([(0, floor), (CANVAS, floor)], fill=any_colour(rng), width=int(rng.integers(1, 12)))
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(-0.1, 0.9, 2) * CANVAS
        w, h = rng.uniform(0.1, 0.45, 2) * CANVAS
        inside = plain(rng, (int(w), int(h))) if rng.random() < 0.6 else _gradient(rng, (int(w), int(h)))
        image.paste(inside, (int(x), int(y)))
        draw.rectangle((x, y, x + w, y + h), outline=any_colour(rng), width=int(rng.integers(2, 14)))
        if rng.random() < 0.5:
            draw.line([(x + w / 2, y), (x + w / 2, y + h)], fill=any_colour(rng), width=int(rng.integers(2, 8)))
    for _ in range(int(rng.integers(0, 8))):
        _thing(rng, image, rng.uniform(40, 220))
    _lines(rng, image, int(rng.integers(3)))
    return image


def _gradient(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Sky, a lamp's glow or a blown-out window."""
    ends = np.array([any_colour(rng), any_colour(rng)], np.float32)
    if rng.random() < 0.5:
        ends = np.array([[225, 235, 250], [120, 165, 225]], np.float32) * rng.uniform(0.6, 1.1)
    share = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    ramp = np.broadcast_to(ends[0] * (1 - share) + ends[1] * share, (size[1], size[0], 3))
    return Image.fromarray(np.clip(ramp, 0, 255).astype(np.uint8))


def _shelf(rng: Rng) -> Image.Image:
    """Rows of books, cans and boxes."""
    image = grain(rng, (CANVAS, CANVAS)) if rng.random() < 0.5 else plain(rng, (CANVAS, CANVAS))
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
    return image


def _outdoors(rng: Rng) -> Image.Image:
    """Sky, leaves, walls far away, ground."""
    image = _gradient(rng, (CANVAS, CANVAS))
    horizon = int(CANVAS * rng.uniform(0.2, 0.7))
    green = np.array([rng.uniform(40, 110), rng.uniform(70, 140), rng.uniform(20, 70)], np.float32)
    for _ in range(int(rng.integers(1, 5))):
        noise = fractal(rng, (CANVAS, CANVAS), octaves=7, roughness=0.75)
        light = np.clip(1 + 0.45 * fractal(rng, (CANVAS, CANVAS), octaves=8, roughness=0.95, first=6), 0.1, 2.2)
        leaves = Image.fromarray(np.clip(green * rng.uniform(0.5, 1.3) * light[..., None], 0, 255).astype(np.uint8))
        mask = Image.fromarray(((noise > rng.uniform(-0.3, 1)) * 255).astype(np.uint8))
        image.paste(leaves, (0, int(rng.uniform(-0.3, 0.6) * CANVAS)), mask)
    for _ in range(int(rng.integers(0, 4))):
        width, height = int(rng.uniform(60, 240)), int(rng.uniform(60, horizon + 61))
        image.paste(tiles(rng, (width, height)), (int(rng.uniform(-50, CANVAS)), horizon - height + 20))
    image.paste(material(rng, (CANVAS, CANVAS - horizon)), (0, horizon))
    return image


def _desk(rng: Rng) -> Image.Image:
    """A desk with papers, screens, keyboards and cables."""
    image = material(rng, (CANVAS, CANVAS))
    for _ in range(int(rng.integers(1, 6))):
        width, height = (int(v) for v in rng.uniform(90, 300, 2))
        sheet = text(rng, (width, height)) if rng.random() < 0.6 else tiles(rng, (width, height))
        where = tuple(rng.integers(-80, CANVAS - 60, 2).tolist())
        _shaded(sheet, Image.new("L", sheet.size, 255), where, rng, image)
    for _ in range(int(rng.integers(0, 8))):
        _thing(rng, image, rng.uniform(25, 130))
    _lines(rng, image, int(rng.integers(5)))
    return image


def _people(rng: Rng) -> Image.Image:
    """Somebody behind the hand: clothes, limbs, a head."""
    image = _room(rng)
    skin = skin_colour(rng)
    width, top = rng.uniform(170, 380), rng.uniform(0.25, 0.7) * CANVAS
    x = rng.uniform(0.1, 0.9) * CANVAS
    cloth, mask = weave(rng, (CANVAS, CANVAS)), Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(mask)
    draw.rounded_rectangle((x - width / 2, top, x + width / 2, CANVAS + 100), radius=width * 0.25, fill=255)
    image.paste(cloth, (0, 0), mask.filter(ImageFilter.GaussianBlur(1)))
    head, mask = coloured(skin, fractal(rng, (CANVAS, CANVAS), octaves=4), 0.05), Image.new("L", (CANVAS, CANVAS))
    r = width * 0.24
    draw = ImageDraw.Draw(mask)
    draw.ellipse((x - r, top - 2.3 * r, x + r, top + 0.4 * r), fill=255)
    draw.rectangle((x - 0.45 * r, top - 0.4 * r, x + 0.45 * r, top + 0.3 * r), fill=255)
    image.paste(head, (0, 0), mask.filter(ImageFilter.GaussianBlur(2)))
    hair = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(hair).chord((x - 1.05 * r, top - 2.5 * r, x + 1.05 * r, top), 170, 370, fill=255)
    image.paste(tuple(int(v * rng.uniform(0.1, 0.5)) for v in skin), (0, 0), hair.filter(ImageFilter.GaussianBlur(3)))
    for _ in range(int(rng.integers(1, 4))):
        _limb(rng, image)
    return image
