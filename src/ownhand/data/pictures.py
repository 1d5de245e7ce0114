"""Labelled pictures by random access, wherever they come from; and several sources as one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from ownhand.data.sample import HandSample
from ownhand.structs import concatenate

FIELDS = ("labels", "depth")
"""What is read besides picture and numbers, and can be left out."""


@runtime_checkable
class Pictures(Protocol):
    """What training asks of its data, wherever it comes from."""

    def __len__(self) -> int: ...

    @property
    def subjects(self) -> Int[Tensor, "pictures"] | None:
        """Number of the person in each picture, or None."""
        ...

    @property
    def blocks(self) -> Int[Tensor, "pictures"] | None:
        """Number of the block of each picture, from 0: those of a block come cheaper one after another. None if all
        come alone."""
        ...

    @property
    def fingerprint(self) -> str:
        """Equal for data sets of the same content in the same order."""
        ...

    def load(self, indices: Sequence[int]) -> Any:
        """Several pictures as one batch: a `HandSample`, or a `HandFrame` of whole frames."""
        ...

    def only(self, fields: Sequence[str]) -> Pictures:
        """The same pictures; of FIELDS only those named are there."""
        ...


class JoinedPictures:
    """Several sources one after another. The people of each get numbers of their own, above those before.

    How pictures were taken is left out: each source numbers devices and things in its own way.
    """

    def __init__(self, *parts: Pictures) -> None:
        self._parts = parts
        self._starts = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0)
        people = [0 if part.subjects is None else 1 + int(part.subjects.max()) for part in parts]
        self._people = torch.tensor([0, *people]).cumsum(0)
        known = [part.subjects for part in parts if part.subjects is not None]
        self.subjects: Int[Tensor, "pictures"] | None = None
        if len(known) == len(parts):
            self.subjects = torch.cat([s + first for s, first in zip(known, self._people[:-1], strict=True)])
        blocks = [torch.arange(len(part)) if part.blocks is None else part.blocks for part in parts]
        firsts = torch.tensor([0, *(1 + int(numbers.max()) for numbers in blocks)]).cumsum(0)
        self.blocks = torch.cat([numbers + first for numbers, first in zip(blocks, firsts[:-1], strict=True)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def load(self, indices: Sequence[int]) -> Any:
        """Several pictures as one batch. Raises ValueError if they differ in size or in the fields they have."""
        rows = torch.as_tensor(indices, dtype=torch.long)
        owner = torch.searchsorted(self._starts, rows, right=True) - 1
        places, samples = [], []
        for number in owner.unique().tolist():
            places.append((owner == number).nonzero()[:, 0])
            sample = self._parts[number].load((rows[places[-1]] - self._starts[number]).tolist())
            if isinstance(sample, HandSample):
                subject = None if sample.subject is None else sample.subject + self._people[number]
                sample = replace(sample, subject=subject, taken=None)
            samples.append(sample)
        if len(sizes := {tuple(sample.image.shape[-2:]) for sample in samples}) > 1:
            raise ValueError(f"all pictures of a batch must have one size, but they have {sorted(sizes)}")
        return concatenate(samples)[torch.cat(places).argsort()]

    def only(self, fields: Sequence[str]) -> JoinedPictures:
        return JoinedPictures(*(part.only(fields) for part in self._parts))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256("".join(part.fingerprint for part in self._parts).encode()).hexdigest()[:16]


def check_fields(fields: Sequence[str]) -> None:
    """Raises ValueError for names that are not in FIELDS."""
    if unknown := set(fields) - set(FIELDS):
        raise ValueError(f"fields may be labels and depth, not {', '.join(sorted(unknown))}")
