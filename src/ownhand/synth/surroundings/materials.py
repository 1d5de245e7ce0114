"""Materials as flat pictures (sRGB, PIL): plain, wood, tiles, stripes, cloth, stone, prints, text.

Every material is a function of (rng, (width, height)).
"""

from __future__ import annotations

import colorsys
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray
Rng = np.random.Generator
RGB = tuple[int, int, int]

_LETTERS = list("abcdefghijklmnopqrstuvwxyz     ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:-")


def any_colour(rng: Rng) -> RGB:
    """A colour as things have them: mostly dull, more often brownish or bluish than green or violet."""
    chance = rng.random()
    if chance < 0.08:
        return skin_colour(rng)
    saturation = rng.beta(1.1, 4.5) if chance < 0.84 else rng.uniform(0.3, 0.75) if chance < 0.97 else 0.9
    return _from_hsv(_hue(rng), saturation, rng.uniform(0.06, 0.92))


def wall_colour(rng: Rng) -> RGB:
    """A large surface of a room: pale or grey, hardly ever a strong colour."""
    value = rng.uniform(0.55, 0.95) if rng.random() < 0.75 else rng.uniform(0.15, 0.6)
    return _from_hsv(_hue(rng), rng.beta(1, 9) if rng.random() < 0.9 else rng.uniform(0.2, 0.5), value)


def wood_colour(rng: Rng) -> RGB:
    """Wood and cardboard: often close to skin."""
    return _from_hsv(rng.uniform(0.04, 0.11), rng.uniform(0.15, 0.65), rng.uniform(0.2, 0.9))


def skin_colour(rng: Rng) -> RGB:
    light = rng.uniform(0.25, 0.95)
    return tuple(int(255 * np.clip(light * c + rng.normal(0, 0.02), 0, 1)) for c in (1, 0.8, 0.68))  # pyright: ignore


def _hue(rng: Rng) -> float:
    chance = rng.random()
    return (rng.normal(0.09, 0.04) if chance < 0.5 else rng.normal(0.6, 0.05) if chance < 0.75 else rng.random()) % 1


def _from_hsv(hue: float, saturation: float, value: float) -> RGB:
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))  # pyright: ignore


def fractal(rng: Rng, size: tuple[int, int], *, octaves: int = 5, roughness: float = 0.55, first: int = 3) -> Array:
    """Noise of zero mean and unit variance, `[h w]`, coarse to fine, as far as `size` has pixels for it.

    Each octave is added at four pixels per cell.
    """
    total = np.zeros((1, 1), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        if cells > max(size):
            break
        enough = min(4 * cells, size[0]), min(4 * cells, size[1])
        grid = Image.fromarray(rng.standard_normal((cells + 3, cells + 3), dtype=np.float32))
        grid = grid.resize(enough, Image.Resampling.BICUBIC, box=(1, 1, cells, cells))
        total = _enlarged(total, enough) + roughness**octave * np.asarray(grid)
    total = _enlarged(total, size)
    total -= total.mean()
    return total / np.sqrt(np.vdot(total, total) / total.size + 1e-12)


def _enlarged(values: Array, size: tuple[int, int]) -> Array:
    return np.array(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC))


def coloured(base: RGB, values: Array, strength: float) -> Image.Image:
    """`base` brightened and darkened by `values`."""
    gain = np.clip(1 + strength * values, 0.1, 2.5)
    rgb = gain.reshape(-1, 1) @ np.array([base], np.float32)
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8).reshape(*gain.shape, 3))


def plain(rng: Rng, size: tuple[int, int], colour: RGB | None = None) -> Image.Image:
    noise = fractal(rng, size, octaves=int(rng.integers(3, 7)), roughness=rng.uniform(0.4, 0.9))
    return coloured(colour or any_colour(rng), noise, rng.uniform(0.0, 0.06))


def grain(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Wood: stretched noise through a sine."""
    width, height = size
    thin = fractal(rng, (max(width // 16, 8), height), octaves=5, roughness=0.8)
    long = np.asarray(Image.fromarray(thin).resize(size, Image.Resampling.BICUBIC))
    rings = np.sin(long * rng.uniform(2, 6) + np.linspace(0, rng.uniform(5, 60), height, dtype=np.float32)[:, None])
    base = wood_colour(rng)
    wood = coloured(base, rings * 0.6 + long, rng.uniform(0.03, 0.14))
    if rng.random() < 0.5:
        draw, step = ImageDraw.Draw(wood), int(rng.uniform(40, 130))
        for y in range(int(rng.integers(step)), height, step):
            draw.line([(0, y), (width, y)], fill=tuple(c // 3 for c in base), width=2)
    return wood if rng.random() < 0.5 else wood.transpose(Image.Transpose.TRANSPOSE).resize(size)


def tiles(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = plain(rng, size)
    draw, colour, width = ImageDraw.Draw(image), any_colour(rng), int(rng.integers(1, 5))
    across, down = rng.uniform(18, 120, 2)
    if rng.random() < 0.5:
        down = across
    second = any_colour(rng) if rng.random() < 0.4 else None
    for row, y in enumerate(np.arange(0, size[1], down)):
        shift = across / 2 if (row % 2 and across != down) else 0
        for column, x in enumerate(np.arange(-shift, size[0], across)):
            fill = second if second and (row + column) % 2 else None
            draw.rectangle((x, y, x + across, y + down), fill=fill, outline=colour, width=width)
    return image


def stripes(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = plain(rng, size)
    draw = ImageDraw.Draw(image, "RGBA")
    for direction in range(1 + int(rng.random() < 0.5)):
        step, colour = rng.uniform(8, 70), (*any_colour(rng), int(rng.uniform(90, 255)))
        for x in np.arange(0, max(size), step):
            box = (x, 0, x + step * 0.45, size[1]) if direction else (0, x, size[0], x + step * 0.45)
            draw.rectangle(box, fill=colour)
    return image


def weave(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Cloth with threads, maybe a pattern, and folds."""
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    step = rng.uniform(1.2, 3.5)
    threads = np.sin(x / step) * np.sin(y / step) * rng.uniform(0, 0.12)
    chance = rng.random()
    cloth = (stripes if chance < 0.25 else _printed if chance < 0.4 else plain)(rng, size)
    gain = np.clip(1 + threads + _folds(rng, size), 0.15, 1.8)
    return Image.fromarray(np.clip(np.asarray(cloth) * gain[..., None], 0, 255).astype(np.uint8))


def _folds(rng: Rng, size: tuple[int, int]) -> Array:
    """Light and shadow on folds that run roughly one way, `[h w]` around 0."""
    quarter = max(size[0] // 4, 8), max(size[1] // 4, 8)
    bent = fractal(rng, quarter, octaves=3, roughness=0.5, first=2)
    x, y = np.meshgrid(*(np.linspace(0, n / max(quarter), n, dtype=np.float32) for n in quarter))
    angle = rng.uniform(0, np.pi)
    height = np.sin((np.cos(angle) * x + np.sin(angle) * y) * rng.uniform(5, 30) + bent * rng.uniform(1, 3))
    height += 0.6 * np.abs(fractal(rng, quarter, octaves=3, roughness=0.5, first=3))
    slope = np.diff(height, axis=1, prepend=height[:, :1]) + np.diff(height, axis=0, prepend=height[:1])
    shade = slope / (slope.std() + 1e-6) * rng.uniform(0.02, 0.2)
    return np.asarray(Image.fromarray(shade.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))


def _blots(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Marble, stone, leaves, carpets: noise mapped to a few colours."""
    noise = fractal(rng, size, octaves=6, roughness=rng.uniform(0.5, 0.95), first=int(rng.integers(2, 14)))
    if rng.random() < 0.3:
        noise = -np.abs(noise) * 2 + 0.8
    ramp = np.array([any_colour(rng) for _ in range(4)], np.float32)
    if rng.random() < 0.85:
        ramp = ramp[:1] * rng.uniform(0.55, 1.35, (4, 1))
    table = np.stack([np.interp(np.linspace(-2, 2, 256), [-1.5, -0.4, 0.4, 1.5], ramp[:, c]) for c in range(3)], -1)
    return Image.fromarray(np.clip(table, 0, 255).astype(np.uint8)[np.clip((noise + 2) * 64, 0, 255).astype(np.uint8)])


def _printed(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """Cloth or paper with a repeated little motif."""
    image = plain(rng, size)
    step = int(rng.uniform(16, 70))
    motif = Image.new("RGBA", (step, step))
    draw = ImageDraw.Draw(motif)
    for _ in range(int(rng.integers(1, 6))):
        x, y = rng.uniform(0, step, 2)
        r = rng.uniform(0.06, 0.3) * step
        shape = draw.ellipse if rng.random() < 0.7 else draw.rectangle
        shape((x - r, y - r, x + r, y + r), fill=(*any_colour(rng), 255))
    jitter = rng.uniform(0, 0.5) * step
    for y in range(-step, size[1], step):
        for x in range(-step, size[0], step):
            dx, dy = (rng.uniform(-jitter, jitter, 2)).astype(int)
            image.paste(motif, (x + int(dx), y + int(dy)), motif)
    return image


def text(rng: Rng, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, any_colour(rng) if rng.random() < 0.4 else (int(rng.uniform(190, 255)),) * 3)
    grey = int(rng.uniform(0, 80))
    ink = (grey, grey, grey) if rng.random() < 0.7 else any_colour(rng)
    write_lines(rng, ImageDraw.Draw(image), (0, 0, *size), ink)
    return image


def write_lines(rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[int | float, ...], ink: RGB) -> None:
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


_MATERIALS = (plain, grain, tiles, stripes, weave, _blots, _printed, text)
_MATERIAL_SHARES = (0.3, 0.14, 0.08, 0.08, 0.14, 0.14, 0.08, 0.04)


def material(rng: Rng, size: tuple[int, int]) -> Image.Image:
    size = (max(size[0], 8), max(size[1], 8))
    return _MATERIALS[rng.choice(len(_MATERIALS), p=_MATERIAL_SHARES)](rng, size)
