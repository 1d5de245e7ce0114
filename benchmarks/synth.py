"""How fast synthetic pictures with everything in them are made: 40 per second and core at 128 px, 15 at 224, are asked.

    OMP_NUM_THREADS=1 python benchmarks/synth.py

Per core, and by stage, times are the processor's, not the clock's, so that other programs disturb them less (they still
slow the caches). Of two processes at once it is the clock's. All of a picture counts: people, skin, poses, penetration
tests, things, background, rendering, camera, JPEG and label encoding.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import torch

from ownhand.data.shards import write_shard
from ownhand.synth import generator as generator_module
from ownhand.synth import world as world_module
from ownhand.synth.generator import Generator
from ownhand.synth.posing import BLOCK
from ownhand.synth.world import World

BOUNDS = {128: 40, 224: 15}
STAGES = ("bent_hands", "skin_texture", "background", "render", "photographed")
"""Functions by which generator and world call their stages. None calls another."""

ROUNDS, PICTURES, PROCESSES = 5, 2 * BLOCK, 2


def main() -> None:
    torch.set_num_threads(1)
    spent: dict[str, float] = defaultdict(float)
    for module in (generator_module, world_module):
        for name in STAGES:
            if hasattr(module, name):
                setattr(module, name, _timed(name, getattr(module, name), spent))
    for size, bound in BOUNDS.items():
        write_block = _writer(size)
        rates, stages = [], []
        for round_number in range(ROUNDS):
            spent.clear()
            began = time.process_time()
            write_block(round_number)
            total = time.process_time() - began
            rates.append(PICTURES / total)
            stages.append({**spent, "everything else": total - sum(spent.values())})
        print(f"{size} px: {median(rates):.1f} pictures/s per core, {median(rates) / bound:.2f} x the bound of {bound}")
        for name in stages[0]:
            print(f"  {name:16s} {median(s[name] for s in stages) / PICTURES * 1e3:6.2f} ms per picture")
        with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
            start = time.time() + 20
            begins, ends = zip(
                *pool.map(_alone, [size] * PROCESSES, range(PROCESSES), [start] * PROCESSES), strict=True
            )
        rate = PROCESSES * ROUNDS * PICTURES / (max(ends) - min(begins))
        each = rate / PROCESSES / bound
        print(f"  {PROCESSES} processes: {rate:.1f} pictures/s by the clock, each {each:.2f} x the bound")


def _writer(size: int) -> Callable[[int], None]:
    """Writes the pictures of a round; what is kept between pictures is there already."""
    generator = Generator(World(seed=1), size=size)
    for i in range(BLOCK):
        generator[i]

    def write(round_number: int) -> None:
        first = BLOCK + round_number * PICTURES
        with tempfile.TemporaryDirectory() as folder:
            write_shard(folder, 0, (generator[i] for i in range(first, first + PICTURES)), quality=92)

    return write


def _alone(size: int, number: int, start: float) -> tuple[float, float]:
    """When a process began and ended its rounds, which begin together."""
    torch.set_num_threads(1)
    write_block = _writer(size)
    time.sleep(max(0.0, start - time.time()))
    began = time.time()
    for round_number in range(ROUNDS):
        write_block(number * ROUNDS + round_number)
    return began, time.time()


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
