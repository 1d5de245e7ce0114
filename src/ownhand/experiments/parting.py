"""Which pictures of a person are for calibration and which for testing."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ownhand.data.sample import CLIP, SINGLE
from ownhand.observations import Observations

Protocol = Literal["honest", "paper"]
"""`honest`: calibration and test pictures are apart, not even of the same clip or instant. `paper`: as in Kong et al.
(2022), calibration pictures are drawn from the test pictures."""

SHARE = 0.2
"""Of a person's pictures that the honest protocol keeps for calibration, if that is more than are needed."""

GAP = 30
"""Instants of one clip are at most so far apart, even where pictures were left out."""

Source = Literal["anywhere", "one clip", "one kind of camera", "several cameras at once"]
SOURCES: tuple[Source, ...] = ("anywhere", "one clip", "one kind of camera", "several cameras at once")
"""Where calibration pictures may come from."""


def parted(
    person: Observations, pictures: int, protocol: Protocol, subject: int, seed: int = 0
) -> tuple[Int[Tensor, "pictures"], Int[Tensor, "test"]]:
    """Rows of a person's calibration pictures, and of the test pictures.

    Honest: the first clips, instants and single pictures are for calibration, as many as have `pictures` pictures and
    `SHARE` of all; from those `pictures` are drawn, if they are more. Their others are used for nothing.

    Args:
        person: All pictures of the person.
        pictures: How many to calibrate from.
        protocol: Which.
        subject: Number of the person, for the draw.
        seed: Of the draws.

    Raises:
        ValueError: The person has too few pictures.
    """
    everything = torch.arange(len(person))
    if len(person) < pictures + (protocol == "honest"):
        raise ValueError(
            f"expected more than {pictures} pictures of each person, person {subject} has {len(person)}"
            if protocol == "honest"
            else f"expected at least {pictures} pictures of each person, person {subject} has {len(person)}"
        )
    if protocol == "paper":
        return _drawn(everything, pictures, subject, seed), everything
    run = runs(person)
    last = int(run.sort().values[max(pictures, int(SHARE * len(person))) - 1])
    pool, test = everything[run <= last], everything[run > last]
    if len(test) == 0:
        raise ValueError(
            f"expected pictures of person {subject} beside those of the clips and instants that are for calibration, "
            "found none"
        )
    return (pool if len(pool) == pictures else _drawn(pool, pictures, subject, seed)), test


def runs(person: Observations) -> Int[Tensor, "pictures"]:
    """Numbers, in the order of time, that only pictures of one clip, or of one instant, have in common."""
    if person.taken is None:
        return torch.arange(len(person))
    instant, place = person.taken.instant.unique(return_inverse=True)
    alone = torch.ones(len(instant), dtype=torch.bool)
    alone[place[person.taken.kind == CLIP]] = False
    goes_on = (instant.diff() <= GAP) & ~alone[1:] & ~alone[:-1]
    number = torch.cat([torch.zeros(1, dtype=torch.long), (~goes_on).long().cumsum(0)])
    return number[place]


def pool(person: Observations, source: Source) -> Int[Tensor, "pool"]:
    """Rows of the pictures from which calibration pictures come; none if the person has no such pictures.

    Anywhere: pictures that were taken alone, or all if none were. One kind of camera: of those, the ones by the camera
    that took most. One clip: the first, by one camera. Several cameras at once: the instant that most cameras saw.
    """
    everything, taken = torch.arange(len(person)), person.taken
    if taken is None:
        return everything if source == "anywhere" else everything[:0]
    alone = everything[taken.kind == SINGLE]
    anywhere = alone if len(alone) else everything
    if source == "anywhere":
        return anywhere
    if source == "one kind of camera":
        device = taken.device[anywhere]
        return anywhere[device == device.mode().values]
    if source == "one clip":
        clips = everything[taken.kind == CLIP]
        if len(clips):
            clips = clips[runs(person)[clips] == runs(person)[clips].min()]
        return clips[taken.device[clips] == taken.device[clips[:1]]]
    _, place, count = taken.instant.unique(return_inverse=True, return_counts=True)
    return everything[place == count.argmax()] if count.max() > 1 else everything[:0]


def _drawn(rows: Int[Tensor, "n"], count: int, subject: int, seed: int) -> Int[Tensor, "count"]:
    """Some of the rows, by chance, in their order."""
    chosen = np.random.default_rng([11, seed, subject]).choice(len(rows), count, replace=False)
    return rows[torch.from_numpy(np.sort(chosen))]
