"""How fast synthetic pictures are made on one core, by stage, against the bound: 50 per second at 128 px, 20 at 224.

    OMP_NUM_THREADS=1 python benchmarks/synth.py

Times are the processor's, not the clock's, so that other programs disturb them less (they still slow the caches). All
of a picture counts: people, skin, poses, penetration tests, background, rendering, camera, JPEG and label encoding.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median

import torch

from ownhand.data.shards import write_shard
from ownhand.synth import generator as module
from ownhand.synth.generator import BLOCK, Generator

BOUNDS = {128: 50, 224: 20}
STAGES = ("bent_hands", "background", "skin_texture", "render", "photographed")
ROUNDS, PICTURES, PER_PERSON = 5, 2 * BLOCK, 50


def main() -> None:
    torch.set_num_threads(1)
    spent: dict[str, float] = defaultdict(float)
    for name in STAGES:
        setattr(module, name, _timed(name, getattr(module, name), spent))
    for size, bound in BOUNDS.items():
        generator = Generator(seed=1, size=size, pictures_per_person=PER_PERSON)
        for i in range(BLOCK):
            generator[i]
        rates, stages = [], []
        for round_number in range(ROUNDS):
            spent.clear()
            first = BLOCK + round_number * PICTURES
            began = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                write_shard(folder, 0, (generator[i] for i in range(first, first + PICTURES)), quality=92)
            total = time.process_time() - began
            rates.append(PICTURES / total)
            stages.append({**spent, "everything else": total - sum(spent.values())})
        print(f"{size} px: {median(rates):.1f} pictures/s per core, {median(rates) / bound:.2f} x the bound of {bound}")
        for name in stages[0]:
            print(f"  {name:16s} {median(s[name] for s in stages) / PICTURES * 1e3:6.2f} ms per picture")


def _timed(name: str, function: Callable, spent: dict[str, float]) -> Callable:
    def wrapper(*args, **kwargs):
        began = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent[name] += time.process_time() - began

    return wrapper


if __name__ == "__main__":
    main()
