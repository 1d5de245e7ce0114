"""What a folder of synthetic pictures contains, and how a folder remembers it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import length_mm
from ownhand.synth.generator import Generator
from ownhand.synth.world import VERSION, World

FACTS = "synthetic.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the files of a folder depend on.

    Attributes:
        generator: Draws the pictures.
        people: How many.
        quality: JPEG quality.
        shard_size: Pictures per shard, about: a shard holds whole people, at least one.
        version: Of the generator.
    """

    generator: Generator
    people: int
    quality: int = 92
    shard_size: int = 500
    version: int = VERSION

    @property
    def pictures(self) -> int:
        return self.people * self.generator.world.per_person

    @property
    def shards(self) -> int:
        return -(-self.people // self._people_per_shard)

    @property
    def _people_per_shard(self) -> int:
        return max(1, self.shard_size // self.generator.world.per_person)

    def shard(self, number: int) -> range:
        """Indices of the pictures of a shard."""
        first = number * self._people_per_shard
        last = min(first + self._people_per_shard, self.people)
        return range(first * self.generator.world.per_person, last * self.generator.world.per_person)

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON has them."""
        own = {"people": self.people, "quality": self.quality, "shard_size": self.shard_size}
        return own | generator_facts(self.generator) | {"version": self.version}

    def claim(self, folder: Path) -> None:
        """Record the plan, or check that the folder has the same one.

        Raises:
            ValueError: The folder holds pictures of another plan.
        """
        path = folder / FACTS
        if path.exists():
            # What worlds have learnt since the folder was made, they did without then.
            defaults = generator_facts(Generator(World(seed=self.generator.world.seed)))
            found = defaults | json.loads(path.read_text())
            differing = [f"{k} {found.get(k)} instead of {v}" for k, v in self.facts.items() if found.get(k) != v]
            if differing:
                raise ValueError(f"{folder} already holds other synthetic pictures: {', '.join(differing)}")
            return
        folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(self.facts, indent=2) + "\n")
        beside.replace(path)


def people_facts(folder: Path) -> list[dict[str, str]]:
    """Sex, skin tone and size of a folder's people; empty if it does not hold synthetic pictures of this version."""
    path = folder / FACTS
    if not path.exists() or (found := json.loads(path.read_text())).get("version") != VERSION:
        return []
    values: dict[str, Any] = {f.name: found[f.name] for f in fields(World) if f.name in found}
    values["without"] = tuple(values.get("without", ()))
    world, hand = World(**values), open_hand()
    people = [world.person(number) for number in range(found["people"])]
    lengths = length_mm(hand, torch.from_numpy(np.stack([person.shape for person in people])))
    return [
        {
            "sex": "man" if person.is_male else "woman",
            "skin tone": f"Monk {min(int(person.look.tone), 9) + 1:2d}",
            "hand length": f"{int(length) // 10 * 10} mm",
        }
        for person, length in zip(people, lengths.tolist(), strict=True)
    ]


def generator_facts(generator: Generator) -> dict[str, Any]:
    """What a picture depends on besides its index, as JSON has it: all fields that are compared, the world's too."""
    parts = generator.world, generator
    found = {f.name: getattr(part, f.name) for part in parts for f in fields(part) if f.compare and f.name != "world"}
    return json.loads(json.dumps(found | {"kind": generator.kind, "version": VERSION, "hand": open_hand().id}))
