"""Procedural surroundings. A large canvas is drawn once; each picture shows a turned, recoloured, blurred piece of one.

A canvas is a function of (seed, number). Neighbouring pictures draw from a sliding window of canvases, so that the
list never ends and few are in memory.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ownhand.render.colour import linear_from_srgb

Array = np.ndarray
Rng = np.random.Generator
RGB = tuple[int, int, int]

CANVAS = 512  # px
WINDOW = 16  # canvases that a picture may show
PICTURES_PER_CANVAS = 40

_LINEAR = linear_from_srgb(np.arange(256, dtype=np.float32) / 255)
_LETTERS = list("abcdefghijklmnopqrstuvwxyz     ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-")


def background(seed: int, index: int, size: int, rng: Rng) -> Array:
    """What is behind the hand of picture `index`.

    Args:
        seed: Of the canvases.
        index: Number of the picture; chooses the window of canvases.
        size: Side of the picture [px].
        rng: Chooses the canvas, the piece of it and its colours.

    Returns:
        Linear RGB `[size size 3]`.
    """
    number = index // PICTURES_PER_CANVAS + int(rng.integers(WINDOW))
    levels = canvas(seed, number)
    angle = rng.normal(0, 0.15) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    widening = abs(np.cos(angle)) + abs(np.sin(angle))
    side = (CANVAS - 2) * min(rng.uniform(0.25, 0.85), 1 / widening)
    level = int(np.clip(np.log2(side / size), 0, len(levels) - 1)) if side > size else 0
    source = levels[level]
    scale = source.width / CANVAS
    margin = side / 2 * widening
    centre = rng.uniform(margin, CANVAS - margin, 2) * scale
    a, b = np.cos(angle) * side * scale / size, np.sin(angle) * side * scale / size
    corner = centre - np.array([a - b, b + a]) * size / 2
    piece = source.transform(
        (size, size), Image.Transform.AFFINE, (a, -b, corner[0], b, a, corner[1]), Image.Resampling.BILINEAR
    )
    if rng.random() < 0.5:
        piece = piece.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    blur = rng.choice([0.0, 0.004, 0.012, 0.03], p=[0.35, 0.25, 0.25, 0.15]) * size * rng.uniform(0.6, 1.4)
    if blur:
        piece = piece.filter(ImageFilter.GaussianBlur(float(blur)))
    linear = _LINEAR[np.asarray(piece)]
    return _recoloured(linear, rng)


def _recoloured(linear: Array, rng: Rng) -> Array:
    """Saturation, hue, tint and brightness changed; light that falls off to one side."""
    if rng.random() < 0.3:
        linear = linear[..., rng.permutation(3)]
    grey = linear.mean(-1, keepdims=True)
    linear = grey + (linear - grey) * rng.uniform(0.3, 1.2)
    ramp = np.linspace(-0.5, 0.5, len(linear), dtype=np.float32)
    fall = 1 + rng.uniform(-0.5, 0.5) * ramp[:, None] + rng.uniform(-0.5, 0.5) * ramp
    tint = np.exp(rng.normal(0, 0.08, 3) + rng.normal(0, 0.35))
    return np.clip(linear * fall[..., None] * tint, 0, 1).astype(np.float32)


def material(rng: Rng, size: tuple[int, int]) -> Array:
    """A piece of some material, linear RGB `[h w 3]`, to be wrapped around things."""
    return _LINEAR[np.asarray(_material(rng, size).convert("RGB"))]


@lru_cache(maxsize=WINDOW + 4)
def canvas(seed: int, number: int) -> tuple[Image.Image, ...]:
    """A large picture of surroundings (sRGB) and its halvings."""
    rng = np.random.default_rng([seed, number, 7])
    kind: Callable[[Rng], Image.Image] = rng.choice(
        [_surface, _room, _clutter, _shelf, _outdoors, _desk, _people],
        p=[0.16, 0.2, 0.16, 0.12, 0.12, 0.12, 0.12],
    )
    full = kind(rng).convert("RGB")
    half = full.resize((CANVAS // 2,) * 2, Image.Resampling.BOX)
    return full, half, half.resize((CANVAS // 4,) * 2, Image.Resampling.BOX)


# Colours and noise


def _colour(rng: Rng) -> RGB:
    """A colour as things have them: many are dull."""
    if rng.random() < 0.12:
        return _skin_colour(rng)
    value = rng.uniform(0.08, 0.95)
    saturation = rng.beta(1.1, 3.0) if rng.random() < 0.75 else rng.uniform(0.4, 1)
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(rng.random(), saturation, value))  # pyright: ignore


def _skin_colour(rng: Rng) -> RGB:
    light = rng.uniform(0.25, 0.95)
    return tuple(int(255 * np.clip(light * c + rng.normal(0, 0.02), 0, 1)) for c in (1, 0.8, 0.68))  # pyright: ignore


def _fractal(rng: Rng, size: tuple[int, int], *, octaves: int = 5, roughness: float = 0.55, first: int = 3) -> Array:
    """Noise of zero mean and unit variance, `[h w]`, coarse to fine."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        grid = Image.fromarray(rng.standard_normal((cells + 3, cells + 3), dtype=np.float32))
        total += roughness**octave * np.asarray(grid.resize(size, Image.Resampling.BICUBIC, box=(1, 1, cells, cells)))
    total -= total.mean()
    return total / (total.std() + 1e-6)


def _coloured(base: RGB, values: Array, strength: float) -> Image.Image:
    """`base` brightened and darkened by `values`."""
    gain = np.clip(1 + strength * values, 0.1, 2.5)[..., None]
    return Image.fromarray(np.clip(np.array(base, np.float32) * gain, 0, 255).astype(np.uint8))


# Materials: functions (rng, (width, height)) -> picture


def _plain(rng: Rng, size: tuple[int, int]) -> Image.Image:
    noise = _fractal(rng, size, octaves=int(rng.integers(3, 7)), roughness=rng.uniform(0.4, 0.9))
    return _coloured(_colour(rng), noise, rng.uniform(0.0, 0.12))


def _grain(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Wood: stretched noise through a sine."""
    width, height = size
    thin = _fractal(rng, (max(width // 16, 8), height), octaves=5, roughness=0.8)
    long = np.asarray(Image.fromarray(thin).resize(size, Image.Resampling.BICUBIC))
    rings = np.sin(long * rng.uniform(2, 6) + np.linspace(0, rng.uniform(5, 60), height, dtype=np.float32)[:, None])
    hue = rng.uniform(0.04, 0.11)
    base = tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue, rng.uniform(0.15, 0.65), rng.uniform(0.2, 0.9)))
    wood = _coloured(base, rings * 0.6 + long, rng.uniform(0.03, 0.14))  # pyright: ignore
    if rng.random() < 0.5:
        draw, step = ImageDraw.Draw(wood), int(rng.uniform(40, 130))
        for y in range(int(rng.integers(step)), height, step):
            draw.line([(0, y), (width, y)], fill=tuple(c // 3 for c in base), width=2)
    return wood if rng.random() < 0.5 else wood.transpose(Image.Transpose.TRANSPOSE).resize(size)


def _tiles(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = _plain(rng, size)
    draw, colour, width = ImageDraw.Draw(image), _colour(rng), int(rng.integers(1, 5))
    across, down = rng.uniform(18, 120, 2)
    if rng.random() < 0.5:
        down = across
    second = _colour(rng) if rng.random() < 0.4 else None
    for row, y in enumerate(np.arange(0, size[1], down)):
        shift = across / 2 if (row % 2 and across != down) else 0
        for column, x in enumerate(np.arange(-shift, size[0], across)):
            fill = second if second and (row + column) % 2 else None
            draw.rectangle((x, y, x + across, y + down), fill=fill, outline=colour, width=width)
    return image


def _stripes(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = _plain(rng, size)
    draw = ImageDraw.Draw(image, "RGBA")
    for direction in range(1 + int(rng.random() < 0.5)):
        step, colour = rng.uniform(8, 70), (*_colour(rng), int(rng.uniform(90, 255)))
        for x in np.arange(0, max(size), step):
            box = (x, 0, x + step * 0.45, size[1]) if direction else (0, x, size[0], x + step * 0.45)
            draw.rectangle(box, fill=colour)
    return image


def _weave(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Cloth with threads and folds."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    step = rng.uniform(1.2, 3.5)
    threads = np.sin(x / step) * np.sin(y / step)
    folds = np.sin(_fractal(rng, size, octaves=3, roughness=0.35, first=2) * rng.uniform(0.5, 3))
    return _coloured(_colour(rng), threads * rng.uniform(0, 0.5) + folds, rng.uniform(0.05, 0.2))


def _blots(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Marble, stone, leaves, carpets: noise mapped to a few colours."""
    noise = _fractal(rng, size, octaves=6, roughness=rng.uniform(0.5, 0.95), first=int(rng.integers(2, 14)))
    if rng.random() < 0.3:
        noise = -np.abs(noise) * 2 + 0.8
    ramp = np.array([_colour(rng) for _ in range(4)], np.float32)
    if rng.random() < 0.6:
        ramp = ramp[:1] * rng.uniform(0.6, 1.3, (4, 1))
    table = np.stack([np.interp(np.linspace(-2, 2, 256), [-1.5, -0.4, 0.4, 1.5], ramp[:, c]) for c in range(3)], -1)
    return Image.fromarray(np.clip(table, 0, 255).astype(np.uint8)[np.clip((noise + 2) * 64, 0, 255).astype(np.uint8)])


def _printed(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Cloth or paper with a repeated little motif."""
    image = _plain(rng, size)
    step = int(rng.uniform(16, 70))
    motif = Image.new("RGBA", (step, step))
    draw = ImageDraw.Draw(motif)
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, step, 2)
        r = rng.uniform(0.06, 0.3) * step
        (draw.ellipse if rng.random() < 0.7 else draw.rectangle)(
            (x - r, y - r, x + r, y + r), fill=(*_colour(rng), 255)
        )
    jitter = rng.uniform(0, 0.5) * step
    for y in range(-step, size[1], step):
        for x in range(-step, size[0], step):
            dx, dy = (rng.uniform(-jitter, jitter, 2)).astype(int)
            image.paste(motif, (x + int(dx), y + int(dy)), motif)
    return image


def _text(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, _colour(rng) if rng.random() < 0.4 else (int(rng.uniform(190, 255)),) * 3)
    ink = (int(rng.uniform(0, 80)),) * 3 if rng.random() < 0.7 else _colour(rng)
    _write(rng, ImageDraw.Draw(image), (0, 0, *size), ink)
    return image


def _write(rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[int | float, ...], ink: RGB) -> None:
    """Lines of letters inside a box."""
    x0, y0, x1, y1 = box
    height = float(np.exp(rng.uniform(np.log(6), np.log(40))))
    font = _font(int(height))
    line = max(int((x1 - x0) / height * 1.8), 1)
    for y in np.arange(y0 + height * 0.4, y1 - height, height * 1.35)[:30]:
        draw.text((x0 + height * 0.4, y), "".join(rng.choice(_LETTERS, min(line, 60))), fill=ink, font=font)


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


_MATERIALS = (_plain, _grain, _tiles, _stripes, _weave, _blots, _printed, _text)
_MATERIAL_SHARES = (0.3, 0.14, 0.08, 0.08, 0.14, 0.14, 0.08, 0.04)


def _material(rng: Rng, size: tuple[int, int]) -> Image.Image:
    size = (max(size[0], 8), max(size[1], 8))
    return _MATERIALS[rng.choice(len(_MATERIALS), p=_MATERIAL_SHARES)](rng, size)


# Things


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
    image, mask = _material(rng, (width, height)), Image.new("L", (width, height))
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
        ink = _colour(rng)
        _write(
            rng, ImageDraw.Draw(image), (width * 0.1, height * 0.2, width * 0.9, height * rng.uniform(0.4, 0.9)), ink
        )
    where = tuple(int(v) for v in rng.uniform(-0.1, 1, 2) * CANVAS - np.array([width, height]) * 0.3)
    _shaded(image, mask, where, rng, canvas)  # pyright: ignore


def _limb(rng: Rng, canvas: Image.Image) -> None:
    """An arm, a neck or a leg of somebody else: a shaded tapered bar of skin colour."""
    width, length = int(rng.uniform(25, 110)), int(rng.uniform(120, 420))
    image, mask = (
        _coloured(_skin_colour(rng), _fractal(rng, (width, length), octaves=4), 0.05),
        Image.new("L", (width, length)),
    )
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
        draw.line([tuple(p) for p in points], fill=_colour(rng), width=int(rng.integers(1, 8)), joint="curve")


# Canvases


def _surface(rng: Rng) -> Image.Image:
    """A table, a wall, a carpet or a piece of cloth."""
    return _material(rng, (CANVAS, CANVAS))


def _clutter(rng: Rng) -> Image.Image:
    image = _material(rng, (CANVAS, CANVAS))
    for size in np.sort(np.exp(rng.uniform(np.log(25), np.log(260), int(rng.integers(10, 40)))))[::-1]:
        _thing(rng, image, size)
    _lines(rng, image, int(rng.integers(4)))
    return image


def _room(rng: Rng) -> Image.Image:
    """Wall and floor, door and window frames, some furniture."""
    image = _plain(rng, (CANVAS, CANVAS))
    draw = ImageDraw.Draw(image)
    floor = int(CANVAS * rng.uniform(0.45, 0.9))
    image.paste(_material(rng, (CANVAS, CANVAS - floor)), (0, floor))
    draw.line([(0, floor), (CANVAS, floor)], fill=_colour(rng), width=int(rng.integers(1, 12)))
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(-0.1, 0.9, 2) * CANVAS
        w, h = rng.uniform(0.1, 0.45, 2) * CANVAS
        inside = _plain(rng, (int(w), int(h))) if rng.random() < 0.6 else _gradient(rng, (int(w), int(h)))
        image.paste(inside, (int(x), int(y)))
        draw.rectangle((x, y, x + w, y + h), outline=_colour(rng), width=int(rng.integers(2, 14)))
        if rng.random() < 0.5:
            draw.line([(x + w / 2, y), (x + w / 2, y + h)], fill=_colour(rng), width=int(rng.integers(2, 8)))
    for _ in range(int(rng.integers(0, 8))):
        _thing(rng, image, rng.uniform(40, 220))
    _lines(rng, image, int(rng.integers(3)))
    return image


def _gradient(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Sky, a lamp's glow or a blown-out window."""
    ends = np.array([_colour(rng), _colour(rng)], np.float32)
    if rng.random() < 0.5:
        ends = np.array([[225, 235, 250], [120, 165, 225]], np.float32) * rng.uniform(0.6, 1.1)
    share = np.linspace(0, 1, size[1], dtype=np.float32)[:, None, None]
    ramp = np.broadcast_to(ends[0] * (1 - share) + ends[1] * share, (size[1], size[0], 3))
    return Image.fromarray(np.clip(ramp, 0, 255).astype(np.uint8))


def _shelf(rng: Rng) -> Image.Image:
    """Rows of books, cans and boxes."""
    image = _grain(rng, (CANVAS, CANVAS)) if rng.random() < 0.5 else _plain(rng, (CANVAS, CANVAS))
    draw, row = ImageDraw.Draw(image), int(rng.uniform(55, 170))
    board = _colour(rng)
    for bottom in range(row, CANVAS + row, row):
        x = 0.0
        while x < CANVAS:
            width, height = rng.uniform(7, 0.6 * row), row * rng.uniform(0.5, 0.92)
            if rng.random() < 0.9:
                colour = np.array(_colour(rng), np.float32)
                across = np.linspace(-1, 1, max(int(width), 2), dtype=np.float32)
                gain = 1 - 0.45 * across**2 * rng.integers(2) + rng.uniform(-0.15, 0.15) * across
                column = np.clip(colour * gain[:, None], 0, 255).astype(np.uint8)
                spine = Image.fromarray(np.repeat(column[None], int(height), 0))
                if rng.random() < 0.5:
                    _write(
                        rng,
                        ImageDraw.Draw(spine),
                        (0, height * 0.1, width, height * rng.uniform(0.3, 0.9)),
                        _colour(rng),
                    )
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
        noise = _fractal(rng, (CANVAS, CANVAS), octaves=7, roughness=0.75)
        light = np.clip(1 + 0.45 * _fractal(rng, (CANVAS, CANVAS), octaves=8, roughness=0.95, first=6), 0.1, 2.2)
        leaves = Image.fromarray(np.clip(green * rng.uniform(0.5, 1.3) * light[..., None], 0, 255).astype(np.uint8))
        mask = Image.fromarray(((noise > rng.uniform(-0.3, 1)) * 255).astype(np.uint8))
        image.paste(leaves, (0, int(rng.uniform(-0.3, 0.6) * CANVAS)), mask)
    for _ in range(int(rng.integers(0, 4))):
        width, height = int(rng.uniform(60, 240)), int(rng.uniform(60, horizon + 61))
        image.paste(_tiles(rng, (width, height)), (int(rng.uniform(-50, CANVAS)), horizon - height + 20))
    image.paste(_material(rng, (CANVAS, CANVAS - horizon)), (0, horizon))
    return image


def _desk(rng: Rng) -> Image.Image:
    """A desk with papers, screens, keyboards and cables."""
    image = _material(rng, (CANVAS, CANVAS))
    for _ in range(int(rng.integers(1, 6))):
        width, height = (int(v) for v in rng.uniform(90, 300, 2))
        sheet = _text(rng, (width, height)) if rng.random() < 0.6 else _tiles(rng, (width, height))
        where = tuple(rng.integers(-80, CANVAS - 60, 2).tolist())
        _shaded(sheet, Image.new("L", sheet.size, 255), where, rng, image)
    for _ in range(int(rng.integers(0, 8))):
        _thing(rng, image, rng.uniform(25, 130))
    _lines(rng, image, int(rng.integers(5)))
    return image


def _people(rng: Rng) -> Image.Image:
    """Somebody behind the hand: clothes, limbs, a head."""
    image = _room(rng)
    skin = _skin_colour(rng)
    width, top = rng.uniform(170, 380), rng.uniform(0.25, 0.7) * CANVAS
    x = rng.uniform(0.1, 0.9) * CANVAS
    cloth, mask = _weave(rng, (CANVAS, CANVAS)), Image.new("L", (CANVAS, CANVAS))
    draw = ImageDraw.Draw(mask)
    draw.rounded_rectangle((x - width / 2, top, x + width / 2, CANVAS + 100), radius=width * 0.25, fill=255)
    image.paste(cloth, (0, 0), mask.filter(ImageFilter.GaussianBlur(1)))
    head, mask = _coloured(skin, _fractal(rng, (CANVAS, CANVAS), octaves=4), 0.05), Image.new("L", (CANVAS, CANVAS))
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
