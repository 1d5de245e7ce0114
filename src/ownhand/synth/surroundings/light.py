"""The light on a hand: lamps from hard to soft, and what comes from all around."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.render import Ambient, Light
from ownhand.render.colour import mixed, saturation
from ownhand.render.scene import panorama_directions

Array = np.ndarray
Rng = np.random.Generator

PANORAMA = (12, 24)  # pixels: more than second-order harmonics can tell apart
METERED, METERING = 0.4, 0.7  # luminance above which exposure is lowered, and how much of the excess is taken back
COLOURED = 0.04  # share of the pictures with a lamp of a saturated colour
DARKEST = 0.12  # what ambient light reflects at least
OPENINGS = 2  # windows and lamps of the panorama at most


@dataclass(frozen=True, kw_only=True)
class Mood:
    """What lights a place.

    Attributes:
        share: Of the pictures.
        lamps: Shares of 0 to 3 lamps.
        direct: Their part of all light, from and to.
        softness: Radius over distance, likewise.
        distance: Likewise [m].
        towards: Where they stand before a random unit Gaussian is added: x right, y down, z away from the camera.
        warmth: Of lamps and of the rest: 1 is a bulb and -1 a blue sky, seen by a camera set to something between.
    """

    share: float
    lamps: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    direct: tuple[float, float]
    softness: tuple[float, float]
    distance: tuple[float, float] = (0.6, 3.0)
    towards: tuple[float, float, float] = (0.0, -1.0, -0.4)
    warmth: tuple[float, float] = (0.0, 0.0)


MOODS = {
    "window": Mood(
        share=0.26, lamps=(0, 0.65, 0.35, 0), direct=(0.3, 0.8), softness=(0.2, 0.7), towards=(0, -0.4, -0.3),
        warmth=(-0.35, 0.1),
    ),
    "lamps": Mood(
        share=0.25, lamps=(0, 0.4, 0.35, 0.25), direct=(0.3, 0.75), softness=(0.03, 0.2), towards=(0, -1.3, -0.5),
        warmth=(0.4, 0.25),
    ),
    "even": Mood(share=0.16, lamps=(0.4, 0.6, 0, 0), direct=(0.05, 0.3), softness=(0.3, 0.8), towards=(0, -1.4, -0.3)),
    "sun": Mood(
        share=0.12, direct=(0.5, 0.88), softness=(0.005, 0.012), distance=(4.0, 8.0), towards=(0, -1.3, -0.5),
        warmth=(0.15, -0.35),
    ),
    "screen": Mood(
        share=0.06, direct=(0.35, 0.75), softness=(0.25, 0.5), distance=(0.4, 0.9), towards=(0, 0.2, -2.5),
        warmth=(-0.5, 0.2),
    ),
    "flash": Mood(share=0.05, direct=(0.55, 0.85), softness=(0.01, 0.03), warmth=(-0.1, 0.3)),
    "back": Mood(
        share=0.1, lamps=(0, 0.7, 0.3, 0), direct=(0.5, 0.88), softness=(0.02, 0.6), towards=(0, -0.6, 2.2),
        warmth=(0.0, 0.0),
    ),
}  # fmt: skip


def metered(albedo: Float[Array, "3"]) -> float:
    """By how much a camera that looks at skin of this linear RGB lowers its exposure: white skin is not shown white."""
    luminance = float(albedo @ [0.2126, 0.7152, 0.0722])
    return min(1.0, (METERED / luminance) ** METERING)


def dimmed(lights: tuple[Light, ...], ambient: Ambient, gain: float) -> tuple[tuple[Light, ...], Ambient]:
    """All light times `gain`."""
    lights = tuple(replace(light, colour=np.array(light.colour) * gain) for light in lights)
    return lights, replace(ambient, coefficients=ambient.coefficients * gain)


def draw_light(rng: Rng, centre: Float[Array, "3"], behind: Float[Array, "h w 3"]) -> tuple[tuple[Light, ...], Ambient]:
    """None to three lamps, and light from the surroundings in the colours of what is behind.

    Args:
        rng: Random numbers.
        centre: Of the hand, frame of the first camera [m].
        behind: The picture behind it, linear RGB, at least 16 x 16.

    Returns:
        Lamps and ambient light in the same frame (`Ambient.turned` for the second camera's). A surface that faces all
        of it reflects about 0.85 of white.
    """
    name = list(MOODS)[rng.choice(len(MOODS), p=[mood.share for mood in MOODS.values()])]
    mood = MOODS[name]
    exposure, direct = 0.85 * np.exp(rng.normal(0, 0.22)), rng.uniform(*mood.direct)
    count = rng.choice(4, p=mood.lamps)
    powers = rng.dirichlet([2.5, 1.0, 0.5][:count]) if count else []
    lights = []
    for number, power in enumerate(powers):
        direction = rng.standard_normal(3) + mood.towards
        offset = direction / np.linalg.norm(direction) * np.exp(rng.uniform(*np.log(mood.distance)))
        if name == "flash":
            offset = np.array([*rng.normal(0, 0.025, 2), 0.0]) - centre
        distance = np.linalg.norm(offset)
        colour = _white(rng, mood.warmth[0])
        if number == count - 1 and rng.random() < COLOURED:
            colour = 0.3 + rng.dirichlet([0.7, 0.7, 0.7]) * 2.1
        lights.append(
            Light(
                position=tuple((centre + offset).tolist()),
                colour=tuple((exposure * direct * power * distance**2 * colour).tolist()),
                radius=float(distance * np.exp(rng.uniform(*np.log(mood.softness)))),
            )
        )
    level = exposure * (1 - direct if count else 1.0) + DARKEST
    return tuple(lights), _surroundings(rng, behind, level * _white(rng, mood.warmth[1]))


def _surroundings(rng: Rng, behind: Array, level: Array) -> Ambient:
    """Ceiling or sky, walls in the colours of what is behind, floor, windows; even light of `level` on the average."""
    directions, columns, rows = _sampling()
    step = len(behind) // 16
    cells = behind[step // 2 :: step, step // 2 :: step][:16, :16].reshape(4, 4, 4, 4, 3).mean((1, 3))
    cells = mixed(cells / (cells.mean() + 0.02) + 0.15, saturation(0.7))
    walls = cells[rows, columns]
    up = np.array([0, -1, 0]) + rng.normal(0, 0.35, 3)
    height = directions @ (up / np.linalg.norm(up))
    ceiling, floor = (np.clip(2.5 * (sign * height - 0.25), 0, 1)[..., None] for sign in (1, -1))
    mean = walls.mean((0, 1))
    pale, dull = rng.uniform(0.8, 2.2) * (0.6 + 0.4 * mean), rng.uniform(0.2, 0.8) * (0.5 + 0.5 * cells[3].mean(0))
    light = walls * (1 - ceiling - floor) + ceiling * pale + floor * dull
    for _ in range(int(rng.integers(OPENINGS + 1))):
        middle = rng.standard_normal(3) + np.array([0, -0.4, 0])
        glow = np.exp(rng.uniform(3, 15) * (directions @ (middle / np.linalg.norm(middle)) - 1))
        light = light + (rng.uniform(1, 6) * glow)[..., None] * _white(rng, rng.normal(0, 0.4))
    ambient = Ambient.panorama(light, reach=rng.uniform(0.04, 0.12))
    return Ambient(coefficients=ambient.coefficients * (level / ambient.coefficients[0].mean()), reach=ambient.reach)


@lru_cache(maxsize=1)
def _sampling() -> tuple[Array, Array, Array]:
    """Directions of the panorama, and which of 4 x 4 cells of the picture behind each shows (mirrored in the back)."""
    directions = panorama_directions(*PANORAMA)
    columns, rows = np.moveaxis(np.clip((directions[..., :2] * 2 + 2).astype(int), 0, 3), -1, 0)
    return directions, columns, rows


def _white(rng: Rng, warmth: float) -> Float[Array, "3"]:
    """A lamp's colour between warm and cold, mean 1."""
    colour = np.exp((warmth + rng.normal(0, 0.35)) * np.array([0.22, 0.0, -0.32]) + rng.normal(0, 0.03, 3))
    return colour / colour.mean()
