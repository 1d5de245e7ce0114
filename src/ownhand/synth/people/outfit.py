"""What a person wears on hand and wrist: drawn once per person, plain values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Rng = np.random.Generator
RGB = tuple[float, float, float]

RINGS, WRIST, SLEEVE, GLOVE, PLASTER = 0.25, 0.15, 0.4, 0.02, 0.005  # shares of adults
LONG_NAILS = 0.2  # share of those with polish

METALS: tuple[tuple[RGB, float], ...] = (
    ((1.0, 0.76, 0.38), 0.4),  # gold
    ((0.95, 0.93, 0.88), 0.3),  # silver
    ((0.92, 0.68, 0.55), 0.1),  # rose gold
    ((0.16, 0.16, 0.17), 0.2),  # dark
)
"""Mirror reflectance, and how many rings are made of it."""
STONES = np.array(
    [[0.8, 0.85, 0.9], [0.5, 0.02, 0.04], [0.03, 0.08, 0.45], [0.02, 0.3, 0.12], [0.02, 0.02, 0.02], [0.1, 0.5, 0.5]]
)


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring.

    Attributes:
        joint: At whose bone it sits, 0 to 15 (proximal phalanges: 2, 4, 7, 10, 13).
        share: Where along the bone, 0 to 1.
        half_width, thickness: Metres.
        stone: Its colour, or None.
    """

    joint: int
    share: float
    half_width: float
    thickness: float
    stone: RGB | None


@dataclass(frozen=True, kw_only=True)
class Wrist:
    """A watch or bracelet.

    Attributes:
        kind: "watch", "band" or "bangle".
        place: Its middle, metres from the hand's last vertices along the forearm.
        half_width, thickness: Of the band [m].
        metal: Whether the band shines.
        colour: Of the band (diffuse; mirror reflectance where it is metal).
        dial: Radius of a watch [m], and `dial_colour` of its face.
        square: Whether the watch has corners.
    """

    kind: str
    place: float
    half_width: float
    thickness: float
    metal: bool
    colour: RGB
    dial: float
    dial_colour: RGB
    square: bool


@dataclass(frozen=True, kw_only=True)
class Sleeve:
    """A sleeve of cloth.

    Attributes:
        pattern: "plain", "knit", "ribbed", "striped", "checked".
        end: Where it usually ends, metres from the hand's last vertices along the forearm; below 0: over the hand.
        gap: Between skin and cloth [m].
        cuff: Length of the cuff [m], 0 for none.
        flare: By how much wider the end is than the rest, as a share of the gap.
        folds: Height of its folds [m].
        colours: Linear RGB of ground and pattern.
    """

    pattern: str
    end: float
    gap: float
    cuff: float
    flare: float
    folds: float
    colours: tuple[RGB, RGB]


@dataclass(frozen=True, kw_only=True)
class Glove:
    """A glove.

    Attributes:
        kind: "knit", "latex" or "leather".
        fingerless: Whether the fingers show from their middle on.
        end: x of its edge on the mean rest hand [m].
        colour: Linear RGB.
    """

    kind: str
    fingerless: bool
    end: float
    colour: RGB


@dataclass(frozen=True, kw_only=True)
class Plaster:
    """A sticking plaster or a bandage around a bone.

    Attributes:
        joint: The bone's joint, 0 (the palm) to 15.
        half_width: Metres.
        gauze: Whether it is a white bandage.
        colour: Linear RGB.
    """

    joint: int
    half_width: float
    gauze: bool
    colour: RGB


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """Everything a person wears; a person with a glove wears no rings.

    Attributes:
        metal: Mirror reflectance of all the rings.
        long_nails: How far artificial nails reach past the fingertips [m], 0 for none.
    """

    rings: tuple[Ring, ...]
    metal: RGB
    wrist: Wrist | None
    sleeve: Sleeve | None
    glove: Glove | None
    plaster: Plaster | None
    long_nails: float


def draw_outfit(rng: Rng, age: float, is_male: bool, polished: bool) -> Outfit:
    """Children wear fewer things than adults."""
    chance = rng.random(5) / np.clip((age - 4) / 14, 0.2, 1)
    glove = _glove(rng) if rng.random() < GLOVE else None
    shine, metal = METALS[rng.choice(len(METALS), p=[share for _, share in METALS])][0], rng.uniform(0.85, 1)
    long_nails = polished and not is_male and rng.random() < LONG_NAILS
    return Outfit(
        rings=_rings(rng) if chance[0] < RINGS and glove is None else (),
        metal=_rgb(np.array(shine) * metal),
        wrist=_wrist(rng, shine) if chance[1] < WRIST else None,
        sleeve=_sleeve(rng) if rng.random() < SLEEVE else None,
        glove=glove,
        plaster=_plaster(rng) if rng.random() < PLASTER and glove is None else None,
        long_nails=rng.uniform(0.002, 0.009) if long_nails and glove is None else 0.0,
    )


def cloth_colour(rng: Rng) -> RGB:
    """Many clothes are black, white, grey or dark; some are coloured."""
    if rng.random() < 0.45:
        return _rgb(rng.choice([0.012, 0.03, 0.08, 0.25, 0.6, 0.75]) * np.clip(1 + rng.normal(0, 0.06, 3), 0.7, 1.3))
    return _rgb(np.exp(rng.uniform(np.log(0.03), np.log(0.6))) * np.clip(1 + rng.normal(0, 0.5, 3), 0.1, 2.2))


def _rings(rng: Rng) -> tuple[Ring, ...]:
    count = rng.choice([1, 2, 3], p=[0.66, 0.24, 0.1])
    joints = np.sort(rng.choice([2, 4, 7, 10, 13], count, replace=False, p=[0.08, 0.2, 0.22, 0.4, 0.1]))
    usual = rng.uniform(0.0008, 0.0035)
    return tuple(
        Ring(
            joint=int(joint),
            share=rng.uniform(0.2, 0.5) if joint == 2 else rng.uniform(0.58, 0.72),
            half_width=usual * rng.uniform(0.8, 1.2),
            thickness=rng.uniform(0.0008, 0.0018),
            stone=_rgb(rng.choice(STONES)) if rng.random() < 0.15 else None,
        )
        for joint in joints
    )


def _wrist(rng: Rng, shine: RGB) -> Wrist:
    kind = rng.choice(["watch", "band", "bangle"], p=[0.6, 0.22, 0.18])
    metal = rng.random() < (0.45 if kind == "watch" else 0.15) or kind == "bangle"
    return Wrist(
        kind=str(kind),
        place=rng.uniform(0.006, 0.03),
        half_width=rng.uniform(0.007, 0.011) if kind == "watch" else rng.uniform(0.0015, 0.007),
        thickness=rng.uniform(0.0018, 0.0035),
        metal=bool(metal),
        colour=shine if metal else cloth_colour(rng),
        dial=rng.uniform(0.012, 0.021),
        dial_colour=_rgb(np.full(3, rng.choice([0.01, 0.02, 0.05, 0.5, 0.8])) * rng.uniform(0.6, 1.0, 3)),
        square=bool(rng.random() < 0.4),
    )


def _sleeve(rng: Rng) -> Sleeve:
    pattern = rng.choice(["plain", "knit", "ribbed", "striped", "checked"], p=[0.45, 0.2, 0.12, 0.13, 0.1])
    return Sleeve(
        pattern=str(pattern),
        end=rng.choice([rng.uniform(-0.012, 0.02), rng.uniform(0.02, 0.08)], p=[0.75, 0.25]),
        gap=rng.uniform(0.002, 0.012),
        cuff=rng.uniform(0.015, 0.06) if rng.random() < 0.6 else 0.0,
        flare=rng.uniform(-0.3, 0.8),
        folds=rng.uniform(0.0005, 0.004),
        colours=(cloth_colour(rng), cloth_colour(rng)),
    )


def _glove(rng: Rng) -> Glove:
    kind = str(rng.choice(["knit", "latex", "leather"], p=[0.4, 0.35, 0.25]))
    latex = np.array([(0.08, 0.25, 0.6), (0.8, 0.8, 0.76), (0.02, 0.02, 0.025), (0.2, 0.12, 0.5)])
    leather = np.array([(0.015, 0.013, 0.012), (0.12, 0.05, 0.025), (0.3, 0.15, 0.06)])
    colours = {"latex": latex, "leather": leather}
    colour = _rgb(rng.choice(colours[kind]) * rng.uniform(0.8, 1.2)) if kind in colours else cloth_colour(rng)
    fingerless = kind != "latex" and rng.random() < 0.4
    return Glove(kind=kind, fingerless=fingerless, end=rng.uniform(-0.045, -0.005), colour=colour)


def _plaster(rng: Rng) -> Plaster:
    gauze = rng.random() < 0.4
    joint = int(rng.choice([0, 2, 4, 5, 7, 8, 10, 11, 13])) if gauze else int(rng.choice([4, 5, 7, 8, 10, 11, 13]))
    tan = np.array([0.62, 0.42, 0.28]) * rng.uniform(0.5, 1.2)
    return Plaster(
        joint=joint,
        half_width=rng.uniform(0.02, 0.04) if joint == 0 else rng.uniform(0.006, 0.011),
        gauze=gauze,
        colour=(0.8, 0.78, 0.74) if gauze else _rgb(tan if rng.random() < 0.85 else rng.uniform(0.05, 0.7, 3)),
    )


def _rgb(values: Array) -> RGB:
    r, g, b = np.clip(values, 0.004, 0.95).tolist()
    return r, g, b
