"""Pictures that are drawn when training asks for them, and stored nowhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Int
from torch import Tensor

from ownhand.data.pictures import FIELDS, check_fields
from ownhand.data.sample import HandSample
from ownhand.structs import stack
from ownhand.synth.generator import Generator
from ownhand.synth.plan import generator_facts
from ownhand.synth.posing import BLOCK
from ownhand.synth.world import World

PREFIX = "synth:"


@dataclass(frozen=True)
class DrawnPictures:
    """The pictures of persons 0 to people - 1, as `Pictures` to train on. Drawn anew each time they are loaded.

    Attributes:
        generator: Draws them.
        people: How many.
        fields: Which of `labels` and `depth` they keep.
    """

    generator: Generator
    people: int
    fields: tuple[str, ...] = FIELDS

    def __post_init__(self) -> None:
        if self.people < 1:
            raise ValueError(f"expected at least 1 person to draw, got {self.people}")
        check_fields(self.fields)

    @classmethod
    def from_words(cls, words: str) -> DrawnPictures:
        """As said on a command line: `synth:people=2400,singles=20,seed=0`.

        Besides people, all fields of `World` and the `size` of `Generator` may be given; lists with a +.

        Raises:
            ValueError: It cannot be understood.
        """
        known = {f.name: f.default for f in fields(World)} | {"seed": 0, "people": 0, "size": Generator.size}
        values = {}
        for word in words.removeprefix(PREFIX).split(","):
            name, _, value = word.partition("=")
            try:
                default = known[name]
                values[name] = tuple(value.split("+")) if isinstance(default, tuple) else type(default)(value)
            except (KeyError, ValueError):
                raise ValueError(
                    f"expected {PREFIX}people=2400,singles=20,seed=0 or the like, with some of "
                    f"{', '.join(sorted(known))}; got {word!r} in {words!r}"
                ) from None
        if missing := {"people", "seed"} - values.keys():
            raise ValueError(f"{words!r} lacks {' and '.join(sorted(missing))}")
        people, size = values.pop("people"), values.pop("size", Generator.size)
        return cls(Generator(World(**values), size=size), people)

    def __len__(self) -> int:
        return self.people * self.generator.world.per_person

    @property
    def subjects(self) -> Int[Tensor, "pictures"]:
        """Number of the person in each picture."""
        return torch.arange(self.people).repeat_interleave(self.generator.world.per_person)

    @property
    def blocks(self) -> Int[Tensor, "pictures"]:
        """Number of the block of each picture: hands are posed in blocks, and neighbours share their surroundings."""
        return torch.arange(len(self)) // BLOCK

    def load(self, indices: Sequence[int]) -> HandSample:
        """Several pictures as one batch."""
        with _one_thread():
            drawn = {index: self._drawn(index) for index in sorted(set(indices))}
        return stack([drawn[index] for index in indices])

    def _drawn(self, index: int) -> HandSample:
        sample = self.generator[range(len(self))[index]]
        return replace(sample, **{name: None for name in FIELDS if name not in self.fields})

    def only(self, fields: Sequence[str]) -> DrawnPictures:
        """The same pictures; of `labels` and `depth` only those named are kept."""
        return replace(self, fields=tuple(fields))

    def on(self, device: str) -> DrawnPictures:
        """The same pictures, ray-traced on a device by Warp's name."""
        return replace(self, generator=replace(self.generator, device=device)) if device != "cpu" else self

    @property
    def fingerprint(self) -> str:
        """Equal for data sets of the same content in the same order."""
        facts = generator_facts(self.generator) | {"people": self.people}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on the number of threads in their last digits, and pictures must not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
