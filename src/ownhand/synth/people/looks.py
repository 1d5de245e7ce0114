"""What of a person's skin can be said in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ownhand.render import linear_from_srgb
from ownhand.synth.people.tones import UNDERTONES

Array = np.ndarray
Rng = np.random.Generator

POLISH = np.array(
    [[170, 20, 40], [200, 60, 90], [230, 180, 180], [40, 30, 60], [120, 20, 60], [240, 240, 240], [60, 110, 150],
     [215, 160, 140], [20, 20, 24], [150, 130, 180], [90, 130, 100], [225, 120, 80]]
)  # fmt: skip
HAIR = np.array([[12, 10, 9], [38, 26, 18], [84, 56, 34], [150, 112, 66], [205, 175, 125], [150, 84, 44]])
"""sRGB of hair: black, dark brown, brown, dark blond, light blond, red."""
GREY = np.array([168, 166, 162])

TATTOOED, VITILIGO, ECZEMA = 0.07, 0.006, 0.012  # shares of adults, of everybody, of everybody
PLAIN = 0.1  # share of people whose skin shows no detail at all


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What of a person's skin can be said in a few numbers.

    Attributes:
        tone: Place of the back of the hand on the Monk scale, 0 (light) to 10 (dark).
        undertone: a* and b* beyond those that are usual for the tone.
        age: Years.
        tan: How much darker the back of the hand is than the inner forearm, as pigment (see `tones.albedo`).
        detail: Strength of lines, mottling and relief, 0 to 1.
        blood: How red it is, about 0 to 1.
        veins: How far the veins of the back stand out, 0 to 1, and `tendons` likewise.
        freckles: Share of covered skin, roughly, 0 to 1.
        hair: Strands per cm^2 where they are densest.
        hair_colour: Linear RGB.
        polish: Linear RGB of nail polish, or None.
        nail: How long the free white edge of the nails is, as a share of the nail.
        tattoos: How many.
        vitiligo, eczema: Whether the skin has patches without pigment, or dry red ones.
    """

    tone: float
    undertone: Float[Array, "2"]
    age: float
    tan: float
    detail: float
    blood: float
    veins: float
    tendons: float
    freckles: float
    hair: float
    hair_colour: Float[Array, "3"]
    polish: Float[Array, "3"] | None
    nail: float
    tattoos: int
    vitiligo: bool
    eczema: bool


def draw_look(rng: Rng, tone: float, age: float, is_male: bool) -> Look:
    """A likely look of somebody of this tone, age and sex."""
    adult, old = np.clip((age - 11) / 6, 0, 1), np.clip((age - 35) / 40, 0, 1)
    kind = UNDERTONES[rng.choice(4, p=[0.4, 0.2, 0.2, 0.2])] * rng.uniform(0.3, 1.2)
    polished = rng.random() < (0.02 if is_male else 0.3) * (0.3 + 0.7 * adult)
    detail = 0.0 if rng.random() < PLAIN else rng.uniform(0.1, 1) ** 1.3
    lean = rng.random()
    freckled = rng.random() < (0.35 if tone < 5 else 0.12)
    hair = np.exp(rng.normal(np.log(7 if is_male else 1.8), 0.6)) * adult + 0.4
    return Look(
        tone=tone,
        undertone=kind + rng.normal(0, [0.8, 1.2]),
        age=age,
        tan=rng.uniform(0, 0.2),
        detail=float(np.clip(detail * (0.45 + 0.4 * adult + 0.35 * old), 0, 1)),
        blood=rng.uniform(0.3, 1.0),
        veins=float(np.clip(rng.beta(1.2, 2.2) * adult * (0.5 + 0.6 * lean + 0.5 * old + 0.25 * is_male), 0, 1)),
        tendons=float(np.clip(rng.beta(1.5, 2.5) * (0.3 + 0.7 * adult) * (0.4 + 0.8 * lean + 0.4 * old), 0, 1)),
        freckles=rng.uniform(0.2, 1.0) if freckled else 0.0,
        hair=float(min(hair, 22)),
        hair_colour=_hair_colour(rng, tone, age),
        polish=_polish(rng) if polished else None,
        nail=rng.uniform(0.02, 0.12) if is_male else rng.uniform(0.04, 0.3),
        tattoos=int(rng.integers(1, 4)) if age >= 18 and rng.random() < TATTOOED else 0,
        vitiligo=rng.random() < VITILIGO,
        eczema=rng.random() < ECZEMA,
    )


def _hair_colour(rng: Rng, tone: float, age: float) -> Array:
    """Dark people have black hair, light people any."""
    chances = np.array([1, 2.5, 3, 2, 1.2, 0.5]) if tone < 4 else np.array([6, 3, 0.6, 0.05, 0.0, 0.02])
    if tone > 6:
        chances = np.array([8, 1, 0, 0, 0, 0])
    colour = HAIR[rng.choice(6, p=chances / chances.sum())] * rng.uniform(0.8, 1.2)
    grey = np.clip((age - rng.uniform(45, 75)) / 20, 0, 0.9)
    return linear_from_srgb((colour + grey * (GREY - colour)) / 255)


def _polish(rng: Rng) -> Array:
    return linear_from_srgb(POLISH[rng.integers(len(POLISH))] / 255 * rng.uniform(0.7, 1.05))
