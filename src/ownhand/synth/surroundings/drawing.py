"""Drawing things on a picture: with shading and shadow, in perspective, in skin colours."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ownhand.synth.surroundings.materials import (
    RGB,
    any_colour,
    coloured,
    fractal,
    material,
    plain,
    skin_colour,
    wood_colour,
    write_lines,
)

Array = np.ndarray
Rng = np.random.Generator


def shaded(
    canvas: Image.Image, image: Image.Image, mask: Image.Image, where: tuple[int, ...], rng: Rng,
    angle: float | None = None, round: bool | None = None,
) -> None:  # fmt: skip
    """Paste a thing with shading across it and a soft shadow beside it.

    Args:
        canvas: Changed in place.
        image: The thing.
        mask: Where it is.
        where: Its left top corner in the canvas [px].
        rng: Random numbers.
        angle: By which it is turned [degrees]; any when None.
        round: Whether it is shaded as a cylinder; by chance when None.
    """
    width, height = image.size
    across = np.linspace(-1, 1, width, dtype=np.float32)
    if rng.random() < 0.3 if round is None else round:
        gain = np.sqrt(1 - 0.9 * np.clip(across + rng.uniform(-0.4, 0.4), -1, 1) ** 2)[None]
    else:
        gain = 1 + rng.uniform(-0.3, 0.3) * across[None] + rng.uniform(-0.3, 0.3) * np.linspace(-1, 1, height)[:, None]
    image = lit(image, gain)
    mask = mask.filter(ImageFilter.GaussianBlur(0.8))
    if angle is None:
        angle = rng.normal(0, 20) if rng.random() < 0.6 else rng.uniform(0, 360)
    image, mask = (x.rotate(angle, Image.Resampling.BILINEAR, expand=True) for x in (image, mask))
    reach = rng.uniform(2, 14)
    shadow = Image.new("L", (mask.width + 40, mask.height + 40))
    shadow.paste(mask.point(lambda v: int(v * 0.55)), (20, 20))
    shadow = shadow.filter(ImageFilter.GaussianBlur(reach))
    offset = rng.uniform(-1.2, 1.2, 2) * reach
    canvas.paste((0, 0, 0), (where[0] - 20 + int(offset[0]), where[1] - 20 + int(offset[1])), shadow)
    canvas.paste(image, (where[0], where[1]), mask)


def lit(image: Image.Image, gain: Array | float) -> Image.Image:
    """A picture times a gain `[h w]`."""
    gain = np.asarray(gain, np.float32)
    return Image.fromarray(np.clip(np.asarray(image, np.float32) * gain[..., None], 0, 255).astype(np.uint8))


def projected(canvas: Image.Image, texture: Image.Image, quad: Array, gain: float = 1.0) -> None:
    """Paste a texture in perspective; `quad` holds where its corners go, clockwise from the left top `[4 2]` [px]."""
    low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(quad.max(0)), canvas.size).astype(int)
    if (high - low < 1).any():
        return
    corners = np.array([[0, 0], [texture.width, 0], [texture.width, texture.height], [0, texture.height]], float)
    x, y = (quad - low).T
    one, zero = np.ones(4), np.zeros(4)
    u, v = corners.T
    system = np.vstack(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], -1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], -1),
        ]
    )
    try:
        values = np.linalg.solve(system, np.concatenate([u, v]))
    except np.linalg.LinAlgError:  # seen edge-on
        return
    size = tuple((high - low).tolist())
    if gain != 1:
        texture = lit(texture, np.full(texture.size[::-1], gain))
    piece = texture.transform(size, Image.Transform.PERSPECTIVE, values.tolist(), Image.Resampling.BILINEAR)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).polygon([tuple(p) for p in quad - low], fill=255)
    canvas.paste(piece, tuple(low.tolist()), mask)


def falling_light(rng: Rng, image: Image.Image, strength: float = 0.5) -> Image.Image:
    """Light that falls off to one side, or a pool of it."""
    width, height = image.size
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope = rng.uniform(-strength, strength, 2)
    gain = 1 + slope[0] * x + slope[1] * y
    if rng.random() < 0.5:
        cx, cy, tight = *rng.uniform(-1.2, 1.2, 2), rng.uniform(0.5, 3)
        gain = gain * (0.75 + 0.6 * np.exp(-tight * ((x - cx) ** 2 + (y - cy) ** 2)))
    return lit(image, np.clip(gain, 0.15, 2))


def box_front(rng: Rng, size: tuple[int, int]) -> Image.Image:
    """What things are wrapped in: prints and words, cardboard, plastic."""
    chance = rng.random()
    image = plain(rng, size, wood_colour(rng)) if chance < 0.2 else material(rng, size)
    if chance > 0.6:
        box = size[0] * 0.1, size[1] * 0.2, size[0] * 0.9, size[1] * rng.uniform(0.4, 0.9)
        write_lines(rng, ImageDraw.Draw(image), box, any_colour(rng))
    return image


def thing(rng: Rng, canvas: Image.Image, size: float) -> None:
    """A box, a ball, a can, a polygon or a bar, of any material."""
    width, height = (max(int(size * rng.uniform(0.4, 1.3)), 8) for _ in range(2))
    if rng.random() < 0.2:
        width = max(width // 5, 8)
    image, mask = box_front(rng, (width, height)), Image.new("L", (width, height))
    draw, kind = ImageDraw.Draw(mask), rng.random()
    if kind < 0.55:
        draw.rounded_rectangle((1, 1, width - 2, height - 2), radius=min(width, height) * rng.uniform(0, 0.4), fill=255)
    elif kind < 0.8:
        draw.ellipse((1, 1, width - 2, height - 2), fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        corners = np.stack([(1 + np.cos(angles)) * width / 2, (1 + np.sin(angles)) * height / 2], -1)
        draw.polygon([tuple(c) for c in corners], fill=255)
    where = rng.uniform(-0.1, 1, 2) * canvas.size - np.array([width, height]) * 0.3
    shaded(canvas, image, mask, tuple(where.astype(int).tolist()), rng)


def limb(rng: Rng, canvas: Image.Image, colour: RGB | None = None, *, hands: bool) -> None:
    """An arm, a neck or a leg of somebody else, maybe with a hand if `hands`: shaded tapered bars of skin colour."""
    width, length = int(rng.uniform(25, 90)), int(rng.uniform(120, 420))
    image = coloured(colour or skin_colour(rng), fractal(rng, (2 * width, length), octaves=4), 0.05)
    mask, draw = Image.new("L", image.size), None
    draw = ImageDraw.Draw(mask)
    taper, end = rng.uniform(0, 0.2) * width, length - int(rng.uniform(1.3, 1.9) * width)
    left, right = width / 2 + taper, 1.5 * width - taper
    if rng.random() < 0.6 and end > 20 and hands:
        draw.polygon([(width / 2, 0), (1.5 * width, 0), (right, end), (left, end)], fill=255)
        palm = end + 0.75 * width
        draw.rounded_rectangle((left - 0.1 * width, end - 0.15 * width, right + 0.1 * width, palm), 0.25 * width, 255)
        spread = rng.uniform(0.1, 0.5)
        for finger in np.linspace(-0.42, 0.42, 4):
            x, reach = width * (1 + finger * 0.9), width * rng.uniform(0.3, 0.8)
            tip = x + spread * finger * reach * 1.5, palm + reach
            draw.line([(x, palm - 0.2 * width), tip], fill=255, width=max(int(width * 0.21), 2))
            r = width * 0.1
            draw.ellipse((tip[0] - r, tip[1] - r, tip[0] + r, tip[1] + r), fill=255)
        draw.line([(left, end + 0.2 * width), (left - 0.4 * width, palm)], fill=255, width=max(int(width * 0.24), 2))
    else:
        draw.polygon([(width / 2, 0), (1.5 * width, 0), (right, length), (left, length)], fill=255)
    where = tuple(rng.integers(-60, canvas.width - 60, 2).tolist())
    shaded(canvas, image, mask, where, rng, round=rng.random() < 0.7)


def wires(rng: Rng, canvas: Image.Image, count: int) -> None:
    """Cables, rails, edges."""
    draw = ImageDraw.Draw(canvas)
    for _ in range(count):
        start = rng.uniform(0, canvas.width, (1, 2))
        points = np.cumsum(np.vstack([start, rng.normal(0, 120, (int(rng.integers(1, 5)), 2))]), 0)
        draw.line([tuple(p) for p in points], fill=any_colour(rng), width=int(rng.integers(1, 8)), joint="curve")
