"""The order in which training sees pictures: batch i is a function of i, so resuming needs one number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import Dataset

from ownhand.data.augment import Augmentation, augment, draw
from ownhand.data.pictures import Pictures


class Batches(Dataset):
    """Augmented batches of all epochs in one row. A batch may reach from one epoch into the next.

    Args:
        data: The pictures.
        batch: Pictures per batch, over all processes.
        seed: Training's seed.
        augmentation: How pictures are changed.
        together: See `permutation`.
        coarse: Pairs of a step and a size [px]: before that step pictures are resampled to that size instead of the
            augmentation's.
        rank: Which of `world` processes asks; together they see each picture once per epoch.
        world: How many processes there are.

    Raises:
        ValueError: The processes cannot share a batch evenly.
    """

    def __init__(
        self,
        data: Pictures,
        *,
        batch: int,
        seed: int,
        augmentation: Augmentation,
        together: int = 1,
        coarse: Sequence[tuple[int, int]] = (),
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch % world:
            raise ValueError(f"expected a batch that {world} processes can share evenly, got {batch} pictures")
        self._data, self._batch, self._seed, self._together = data, batch, seed, together
        self._augmentation, self._coarse = augmentation, sorted(coarse)
        self._rank, self._share = rank, batch // world
        self._orders: dict[int, Tensor] = {}

    def pictures(self, step: int) -> tuple[list[int], list[int]]:
        """Epoch and number of each picture of this process's share of a batch."""
        start = step * self._batch + self._rank * self._share
        places = [divmod(place, len(self._data)) for place in range(start, start + self._share)]
        epochs = [epoch for epoch, _ in places]
        self._orders = {
            epoch: self._orders[epoch] if epoch in self._orders else self._order(epoch) for epoch in set(epochs)
        }
        return epochs, [int(self._orders[epoch][place]) for epoch, place in places]

    def __getitem__(self, step: int) -> Any:
        """Batch `step`: a `HandSample`, or a `HandFrame` of whole frames."""
        epochs, indices = self.pictures(step)
        size = next((size for end, size in self._coarse if step < end), self._augmentation.size)
        augmentation = replace(self._augmentation, size=size)
        return augment(self._data.load(indices), augmentation, draw(self._seed, epochs, indices))

    def _order(self, epoch: int) -> Tensor:
        data = self._data
        return permutation(len(data), self._seed, epoch, data.subjects, self._together, data.blocks)


def in_order(
    data: Pictures, *, batch: int, view: Augmentation, limit: int = 0, rows: Sequence[int] | None = None
) -> Iterator[Any]:
    """Batches, as `Batches` has them, of pictures as `view` says (`Augmentation.middle`).

    They are those of `rows`, or `limit` evenly taken ones, or all for 0.
    """
    if rows is None:
        count = min(limit or len(data), len(data))
        rows = (torch.arange(count) * len(data) // count).tolist()
    for start in range(0, len(rows), batch):
        indices = list(rows[start : start + batch])
        yield augment(data.load(indices), view, draw(0, [0] * len(indices), indices))


def permutation(
    count: int,
    seed: int,
    epoch: int,
    subjects: Int[Tensor, "pictures"] | None = None,
    together: int = 1,
    blocks: Int[Tensor, "pictures"] | None = None,
) -> Int[Tensor, "pictures"]:
    """The order in which an epoch sees a data set: every picture once.

    A function of its arguments alone, so a position in training is one number.

    Args:
        count: Number of pictures.
        seed: Training's seed.
        epoch: Which epoch.
        subjects: Number of the person in each picture; needed if `together` is more than 1.
        together: How many pictures of one person follow each other (the last few of a person may be fewer).
        blocks: Number of the block of each picture, from 0: blocks are shuffled, and what is in one follows each
            other. Does not count where pictures of a person are kept together.
    """
    generator = torch.Generator().manual_seed(hash_seed(seed, epoch))
    if together == 1 and blocks is not None:
        return torch.randperm(int(blocks.max()) + 1, generator=generator)[blocks].argsort(stable=True)
    order = torch.randperm(count, generator=generator)
    if together == 1:
        return order
    if subjects is None:
        raise ValueError("pictures can be kept together by person only if the data set names its people")
    order = order[subjects[order].argsort(stable=True)]
    _, sizes = subjects[order].unique_consecutive(return_counts=True)
    groups = [group for person in order.split(sizes.tolist()) for group in person.split(together)]
    return torch.cat([groups[i] for i in torch.randperm(len(groups), generator=generator).tolist()])


def hash_seed(*numbers: int) -> int:
    """A seed from several non-negative numbers, without the collisions of adding them."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
