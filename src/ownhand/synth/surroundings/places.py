"""Rooms, outdoors and people as large pictures (sRGB, PIL)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ownhand.synth.surroundings.drawing import box_front, falling_light, limb, lit, projected, thing, wires
from ownhand.synth.surroundings.materials import (
    RGB,
    any_colour,
    coloured,
    fractal,
    grain,
    material,
    plain,
    skin_colour,
    stripes,
    tiles,
    wall_colour,
    weave,
    wood_colour,
)

Array = np.ndarray
Rng = np.random.Generator
Size = tuple[int, int]

CANVAS = 512  # px


def room(rng: Rng, furnished: bool = True) -> Image.Image:
    """Three walls, floor and ceiling in one-point perspective; windows, pictures, doors, furniture."""
    image = Image.new("RGB", (CANVAS, CANVAS))
    eye = CANVAS * rng.uniform([0.15, 0.25], [0.85, 0.6])
    near = np.array([[-0.15, rng.uniform(-0.6, 0)], [1.15, rng.uniform(0.95, 1.4)]]) * CANVAS
    depth = rng.uniform(0.3, 0.75)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    front = near[corners, [0, 1]]
    back = eye + depth * (front - eye)
    wall = wall_colour(rng)
    projected(image, plain(rng, (96, 96), wall_colour(rng)), np.array([front[0], front[1], back[1], back[0]]))
    projected(image, _floor(rng), np.array([back[3], back[2], front[2], front[3]]), rng.uniform(0.7, 1.0))
    for side, (a, b) in enumerate([(0, 3), (1, 2)]):  # left and right
        quad = np.array([front[a], back[a], back[b], front[b]])
        projected(image, _wall(rng, wall), quad if side == 0 else quad[[1, 0, 3, 2]], rng.uniform(0.6, 0.95))
        if rng.random() < 0.35:  # a window or a picture on the side wall
            u0, u1, v0, v1 = *np.sort(rng.uniform(0.1, 0.95, 2)), rng.uniform(0.15, 0.35), rng.uniform(0.45, 0.7)
            spots = [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
            on = [_along(front[a], front[b], eye, depth, u, v) for u, v in spots]
            on = np.array(on if side == 0 else [on[1], on[0], on[3], on[2]])
            projected(image, window(rng, (96, 128)) if rng.random() < 0.6 else _framed(rng, (96, 96)), on)
    left, top, right, bottom = *back[0], *back[2]
    width, height = right - left, bottom - top
    projected(image, _wall(rng, wall), back)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        w, h = int(width * rng.uniform(0.12, 0.45)), int(height * rng.uniform(0.2, 0.5))
        x, y = int(left + rng.uniform(0, 1) * (width - w)), int(top + height * rng.uniform(0.08, 0.4))
        kind = rng.random()
        if kind < 0.45:
            image.paste(window(rng, (max(w, 8), max(h, 8))), (x, y))
        elif kind < 0.75:
            image.paste(_framed(rng, (max(w, 12), max(h, 12))), (x, y))
        else:
            door = plain(rng, (max(w, 8), max(int(bottom - y), 8)), wall_colour(rng))
            image.paste(door, (x, y))
            draw.rectangle((x, y, x + w, bottom), outline=any_colour(rng), width=3)
    draw.line([tuple(p) for p in (front[3], back[3], back[2], front[2])], fill=wall_colour(rng), width=4)
    if furnished:
        for scale in np.sort(rng.uniform(depth, 1.0, int(rng.integers(1, 6)))):
            _cuboid(rng, image, eye, near, scale)
        for _ in range(int(rng.integers(0, 4))):
            thing(rng, image, rng.uniform(30, 120))
    wires(rng, image, int(rng.integers(2)))
    return falling_light(rng, image)


def _along(upper: Array, lower: Array, eye: Array, depth: float, u: float, v: float) -> Array:
    """Point of a side wall: u from the picture's plane to the back wall in depth, v down."""
    return eye + (upper + v * (lower - upper) - eye) / (1 + u * (1 / depth - 1))


def _wall(rng: Rng, colour: RGB) -> Image.Image:
    size, chance = (160, 160), rng.random()
    if chance < 0.75:
        return plain(rng, size, colour)
    return (tiles, stripes, grain, material)[rng.choice(4)](rng, size)


def _floor(rng: Rng) -> Image.Image:
    return (grain, tiles, plain, material)[rng.choice(4, p=[0.4, 0.2, 0.25, 0.15])](rng, (256, 256))


def window(rng: Rng, size: Size) -> Image.Image:
    """Bright outdoors behind a frame, maybe between curtains or behind a blind."""
    image = outdoors(rng, 64).resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1.5))
    image = lit(image, np.full(size[::-1], rng.uniform(1.2, 2.6)))
    draw, frame = ImageDraw.Draw(image), wall_colour(rng)
    thick = max(int(min(size) * rng.uniform(0.03, 0.09)), 2)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=frame, width=thick)
    for k in range(1, int(rng.integers(1, 4))):
        x = size[0] * k / 3
        draw.line([(x, 0), (x, size[1])], fill=frame, width=thick)
    if rng.random() < 0.25:
        for y in range(0, int(size[1] * rng.uniform(0.3, 1)), 5):
            draw.line([(0, y), (size[0], y)], fill=frame, width=2)
    elif rng.random() < 0.4:
        cloth = weave(rng, (max(int(size[0] * rng.uniform(0.12, 0.3)), 8), max(size[1], 8)))
        image.paste(cloth, (0, 0))
        image.paste(cloth, (size[0] - cloth.width, 0))
    return image


def _framed(rng: Rng, size: Size) -> Image.Image:
    """A picture, a poster or a screen on the wall."""
    inside = outdoors(rng, 64).resize(size) if rng.random() < 0.4 else material(rng, size)
    if rng.random() < 0.3:  # a screen that is off
        inside = Image.new("RGB", size, (int(rng.uniform(5, 40)),) * 3)
    colour = (20, 20, 22) if rng.random() < 0.5 else wood_colour(rng)
    ImageDraw.Draw(inside).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=colour, width=int(rng.integers(2, 7)))
    return inside


def _cuboid(rng: Rng, image: Image.Image, eye: Array, near: Array, scale: float) -> None:
    """A cupboard, a table, a sofa or a box on the floor, whose front is `scale` times as far from the vanishing point
    as the picture's plane."""
    floor = eye[1] + (near[1, 1] - eye[1]) * scale
    width, height = CANVAS * scale * rng.uniform([0.12, 0.08], [0.6, 0.6])
    x = rng.uniform(-0.2, 1.0) * CANVAS
    front = np.array([[x, floor - height], [x + width, floor - height], [x + width, floor], [x, floor]])
    behind = eye + rng.uniform(0.7, 0.92) * (front - eye)
    shadow = Image.new("L", (int(width * 1.3) + 8, max(int(width * 0.15), 8)))
    ImageDraw.Draw(shadow).ellipse((4, 2, shadow.width - 4, shadow.height - 2), fill=130)
    image.paste((0, 0, 0), (int(x - 0.15 * width), int(floor - shadow.height / 2)), shadow)
    chance, size = rng.random(), (max(int(width), 8), max(int(height), 8))
    face = grain(rng, size) if chance < 0.4 else weave(rng, size) if chance < 0.6 else box_front(rng, size)
    plainer = face.resize((32, 32))
    if behind[0, 1] < front[0, 1]:
        projected(image, plainer, np.array([behind[0], behind[1], front[1], front[0]]), rng.uniform(1.05, 1.35))
    if behind[1, 0] > front[1, 0]:
        projected(image, plainer, np.array([front[1], behind[1], behind[2], front[2]]), rng.uniform(0.5, 0.8))
    elif behind[0, 0] < front[0, 0]:
        projected(image, plainer, np.array([behind[0], front[0], front[3], behind[3]]), rng.uniform(0.5, 0.8))
    projected(image, face, front, rng.uniform(0.75, 1.0))
    draw, dark = ImageDraw.Draw(image), tuple(int(c * 0.35) for c in plainer.getpixel((16, 16)))  # pyright: ignore
    for share in np.arange(1, int(rng.integers(1, 5))) / 4:  # drawers and doors
        y = floor - height * share
        draw.line([(x, y), (x + width, y)], fill=dark, width=2)  # pyright: ignore


def outdoors(rng: Rng, side: int = CANVAS) -> Image.Image:
    """Sky with clouds, trees or buildings far away, grass, gravel or a road."""
    size, horizon = (side, side), int(side * rng.uniform(0.3, 0.75))
    share = np.linspace(0, 1, side, dtype=np.float32)[:, None] * side / max(horizon, 1)
    zenith = np.array([95, 145, 205]) if rng.random() < 0.5 else np.array([170, 185, 205])
    clouds = np.clip(fractal(rng, size, octaves=5, roughness=0.6, first=2) - rng.uniform(-0.5, 1.5), 0, 1)
    mix = np.clip(share * 0.8 + clouds * 0.8, 0, 1)[..., None]
    sky = zenith * rng.uniform(0.6, 1.1) * (1 - mix) + np.array([235, 238, 242]) * mix
    image = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    for _ in range(int(rng.integers(0, 4))):
        width, height = (max(int(v * side), 6) for v in rng.uniform([0.12, 0.1], [0.45, 0.6]))
        building = plain(rng, (width, height), wall_colour(rng))
        draw, step = ImageDraw.Draw(building), max(side * rng.uniform(0.03, 0.09), 3)
        dark = tuple(int(c * rng.uniform(0.2, 0.5)) for c in (230, 240, 255))
        for y in np.arange(step * 0.5, height - step, step * 1.4):
            for x in np.arange(step * 0.4, width - step * 0.6, step):
                draw.rectangle((x, y, x + step * 0.5, y + step * 0.8), fill=dark)
        image.paste(lit(building, rng.uniform(0.6, 1.1) * np.ones((height, 1))), (
            int(rng.uniform(-0.1, 1) * side), horizon - height + int(0.03 * side)
        ))  # fmt: skip
    for _ in range(int(rng.integers(1, 4))):
        _trees(rng, image, horizon)
    rows = side - horizon
    ground = np.array([90, 105, 55]) if rng.random() < 0.5 else np.array(wall_colour(rng)) * 0.8
    grass = fractal(rng, (side, max(rows // 2, 8)), octaves=8, roughness=0.95, first=12)
    near = coloured(tuple(int(c) for c in ground), grass, rng.uniform(0.05, 0.18))  # pyright: ignore
    quad = np.array([[-0.2 * side, horizon], [1.2 * side, horizon], [2.5 * side, side], [-1.5 * side, side]])
    projected(image, near, quad)
    return falling_light(rng, image, 0.25)


def _trees(rng: Rng, image: Image.Image, horizon: int) -> None:
    """A row of crowns or bushes: lit from above, dark below."""
    side = image.width
    height = max(int(side * rng.uniform(0.1, 0.5)), 8)
    crowns = fractal(rng, (side, height), octaves=4, roughness=0.6, first=int(rng.integers(3, 8)))
    leaves = fractal(rng, (side, height), octaves=8, roughness=0.95, first=16)
    level = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    outline = rng.uniform(0.5, 0.75) + rng.uniform(0.05, 0.25) * crowns[height // 2] + 0.05 * leaves
    green = np.array([rng.uniform(50, 90), rng.uniform(65, 95), rng.uniform(30, 55)]) * rng.uniform(0.4, 1.0)
    gain = np.clip(0.55 + 0.6 * level + 0.18 * crowns + 0.25 * leaves, 0.15, 2)
    texture = Image.fromarray(np.clip(gain[..., None] * green, 0, 255).astype(np.uint8))
    mask = Image.fromarray(((level < outline) * 255).astype(np.uint8))
    image.paste(texture, (0, horizon - height + int(0.04 * side)), mask)


def people(rng: Rng, hands: bool) -> Image.Image:
    """One to three people behind the hand, the nearest last."""
    image = room(rng, furnished=rng.random() < 0.5) if rng.random() < 0.7 else outdoors(rng)
    for size in np.sort(rng.uniform(70, 190, int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])))):
        _person(rng, image, size, hands)
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 2)))


def _person(rng: Rng, image: Image.Image, size: float, hands: bool) -> None:
    """Shoulders, clothes, neck, and a head with hair and a coarse face; maybe an arm."""
    skin, r = skin_colour(rng), float(size) / 2
    dark = tuple((np.array(skin) * rng.uniform(0.08, 0.5)).astype(int).tolist())
    x, y = rng.uniform(0.05, 0.95) * CANVAS, rng.uniform(0.12, 0.6) * CANVAS  # the head's middle
    reach = int(4.4 * r)
    cloth = weave(rng, (reach, max(CANVAS - int(y), 8)))
    mask = Image.new("L", cloth.size)
    ImageDraw.Draw(mask).rounded_rectangle((2, int(1.45 * r), reach - 2, CANVAS + 200), 0.9 * r, fill=255)
    ImageDraw.Draw(mask).ellipse((0.35 * reach, 0.9 * r, 0.65 * reach, 1.75 * r), fill=0)
    across = np.linspace(-1, 1, reach, dtype=np.float32)
    body = lit(cloth, (1 - 0.5 * across**2)[None] * np.ones((cloth.height, 1)))
    neck = coloured(tuple(int(c * 0.75) for c in skin), np.zeros((int(1.2 * r), int(0.9 * r))), 0)  # pyright: ignore
    image.paste(neck, (int(x - 0.45 * r), int(y + 0.6 * r)))
    image.paste(body, (int(x - reach / 2), int(y)), mask.filter(ImageFilter.GaussianBlur(1)))
    head = Image.new("RGB", (int(2.6 * r), int(3.0 * r)), dark)
    face, mid = head.copy(), (1.3 * r, 1.6 * r)
    shape = Image.new("L", head.size)
    draw = ImageDraw.Draw(shape)
    draw.ellipse((mid[0] - 0.78 * r, mid[1] - r, mid[0] + 0.78 * r, mid[1] + 1.1 * r), fill=255)
    columns, rows = (np.linspace(-1, 1, n, dtype=np.float32) for n in head.size)
    gain = 1.05 - 0.45 * (columns[None] + rng.uniform(-0.3, 0.3)) ** 2 - 0.12 * rows[:, None]
    face = lit(Image.new("RGB", head.size, skin), gain)
    draw, lip = ImageDraw.Draw(face), tuple(int(c * f) for c, f in zip(skin, (0.75, 0.5, 0.5), strict=True))
    turn = rng.uniform(-0.3, 0.3) * r
    for sign in (-1, 1):
        ex, ey = mid[0] + turn + sign * 0.32 * r, mid[1] - 0.1 * r
        draw.ellipse((ex - 0.17 * r, ey - 0.1 * r, ex + 0.17 * r, ey + 0.1 * r), fill=tuple(int(c * 0.5) for c in skin))
        draw.line([(ex - 0.2 * r, ey - 0.25 * r), (ex + 0.2 * r, ey - 0.25 * r)], fill=dark, width=max(int(r / 12), 1))
    draw.line([(mid[0] + turn * 1.3, mid[1]), (mid[0] + turn * 1.5, mid[1] + 0.35 * r)], fill=lip, width=3)
    mouth = mid[0] + turn - 0.25 * r, mid[1] + 0.55 * r, mid[0] + turn + 0.25 * r, mid[1] + 0.68 * r
    draw.ellipse(mouth, fill=lip)
    hair = Image.new("L", head.size)
    top = rng.uniform(0.3, 0.7) * r
    ImageDraw.Draw(hair).ellipse((mid[0] - 0.95 * r, mid[1] - 1.25 * r, mid[0] + 0.95 * r, mid[1] + top), fill=255)
    corner = (int(x - 1.3 * r), int(y - 1.6 * r))
    image.paste(head, corner, hair.filter(ImageFilter.GaussianBlur(2)))
    line = Image.new("L", head.size)
    ImageDraw.Draw(line).rectangle((0, mid[1] - rng.uniform(0.45, 0.8) * r, head.width, head.height), fill=255)
    both = Image.fromarray(np.minimum(np.asarray(shape), np.asarray(line.filter(ImageFilter.GaussianBlur(r / 10)))))
    image.paste(face.filter(ImageFilter.GaussianBlur(r / 25)), corner, both.filter(ImageFilter.GaussianBlur(1)))
    if rng.random() < 0.6:
        limb(rng, image, skin, hands=hands)
