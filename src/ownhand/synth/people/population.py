"""People to draw pictures of: adults with hands as a survey measured them, and, where asked for, anyone from six on.

The survey is ANSUR II (Gordon et al. 2014). How children's hands grow is set by hand, in round numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.hand.builtin import asset
from ownhand.synth.people.looks import Look, draw_look
from ownhand.synth.people.outfit import Outfit, draw_outfit

Array = np.ndarray
Rng = np.random.Generator

ADULT, OLDEST, YOUNGEST = 18.0, 88.0, 6.0  # years
GROWTH = (
    (6, 8, 10, 12, 14, 16, 18),  # years
    (0.70, 0.765, 0.825, 0.895, 0.955, 0.985, 1.0),  # girls' hand length, relative to women's
    (0.655, 0.715, 0.77, 0.835, 0.92, 0.98, 1.0),  # boys', relative to men's
)
CHILDREN, UNUSUAL = 0.3, 0.25  # shares of "anyone" who are below 18, and whose hands are unlike the survey's
UNUSUAL_SIZE, UNUSUAL_PROPORTIONS = 1.8, 1.7  # by how much these differ more from the mean
WIDER_CHILDREN = 0.5  # standard deviations by which children's hands are broader for their length (coefficient 2)
SMALLEST, LARGEST, FURTHEST = 0.6, 1.24, 4.0  # size, relative to the mean hand; a coefficient of proportions

_LOOK, _OUTFIT, _TONE, _ANYONE = 11, 12, 13, 14  # streams of random numbers
_GOLDEN = (np.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Person:
    """Somebody with all that stays the same from picture to picture. Compared by identity; `draw_person` keeps some.

    Attributes:
        seed, number: Where the person comes from; what is painted or sewn is drawn from these.
        shape: Coefficients of the open hand.
        is_male: Sex.
        age: Years.
        look: Skin, hair, nails.
        outfit: What is worn.
    """

    seed: int
    number: int
    shape: Float[Array, "10"]
    is_male: bool
    age: float
    look: Look
    outfit: Outfit

    def rng(self, stream: int) -> Rng:
        """Random numbers of this person, for one purpose."""
        return np.random.default_rng([self.seed, self.number, stream])


def draw_people(n: int, seed: int, *, first: int = 0) -> tuple[Float[Tensor, "n 10"], Bool[Tensor, "n"]]:
    """Draw adults for the open hand; person i depends on (seed, first + i) alone.

    Args:
        n: How many.
        seed: Non-negative.
        first: Index of the first person.

    Returns:
        Shape coefficients (zero mean and identity covariance over everybody) and who is a man.

    Raises:
        ValueError: A negative number.
    """
    if min(n, seed, first) < 0:
        raise ValueError(f"n, seed and first must not be negative, got {n}, {seed}, {first}")
    data = asset()
    mean, root = (
        data["people_mean"].astype(np.float64),
        np.linalg.cholesky(data["people_covariance"].astype(np.float64)),
    )
    shape, is_male = np.empty((n, mean.shape[1]), np.float32), np.empty(n, bool)
    for i in range(n):
        rng = np.random.default_rng((seed, first + i))
        sex = int(rng.integers(2))
        shape[i] = mean[sex] + root[sex] @ rng.standard_normal(mean.shape[1])
        is_male[i] = sex
    return torch.from_numpy(shape), torch.from_numpy(is_male)


@lru_cache(maxsize=64)
def draw_person(seed: int, number: int, spread: float = 1.0, anyone: bool = False) -> Person:
    """Person `number` of the population `seed`.

    Args:
        seed: Non-negative.
        number: Likewise. Consecutive people have evenly spread tones of skin.
        spread: By how much hands differ more in their proportions than adults' do; their size stays.
        anyone: Draw from everybody from six years on, and more often hands of unusual size and proportions.
    """
    shapes, males = draw_people(1, seed, first=number)
    shape, is_male = shapes[0].numpy(), bool(males[0])
    shape[1:] *= np.float32(spread)
    rng = np.random.default_rng([seed, number, _LOOK])
    age = ADULT + (OLDEST - ADULT) * rng.beta(1.2, 2.0)
    if anyone:
        age, shape = _anyone(np.random.default_rng([seed, number, _ANYONE]), age, shape, is_male)
    look = draw_look(rng, _tone(seed, number), age, is_male)
    outfit = draw_outfit(np.random.default_rng([seed, number, _OUTFIT]), age, is_male, look.polish is not None)
    return Person(seed=seed, number=number, shape=shape, is_male=is_male, age=age, look=look, outfit=outfit)


def _tone(seed: int, number: int) -> float:
    """Place on the Monk scale: the golden ratio's multiples cover it evenly, however many people are taken."""
    start = np.random.default_rng([seed, 0, _TONE]).random()
    return float(10 * ((start + number * _GOLDEN) % 1))


def _anyone(rng: Rng, age: float, shape: Array, is_male: bool) -> tuple[float, Array]:
    """Age and shape of somebody who may be a child or have unusual hands."""
    size_sd = float(asset()["size_sd"])
    shape = shape.astype(np.float64)
    if rng.random() < UNUSUAL:
        shape[0] *= rng.uniform(1, UNUSUAL_SIZE)
        shape[1:] *= rng.uniform(1, UNUSUAL_PROPORTIONS)
    if rng.random() < CHILDREN:
        age = rng.uniform(YOUNGEST, ADULT)
        grown = np.interp(age, GROWTH[0], GROWTH[1 + is_male])
        shape[0] = ((1 + size_sd * shape[0]) * grown - 1) / size_sd
        shape[2] += WIDER_CHILDREN * (ADULT - age) / (ADULT - YOUNGEST)
    shape[0] = np.clip(shape[0], (SMALLEST - 1) / size_sd, (LARGEST - 1) / size_sd)
    shape[1:] = np.clip(shape[1:], -FURTHEST, FURTHEST)
    return age, shape.astype(np.float32)
