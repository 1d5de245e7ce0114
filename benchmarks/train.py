"""How much of training's time is spent waiting for stored pictures (asked: 5 % at most), and what loading them costs.

    python benchmarks/train.py FOLDER [--recipe small] [--stage keypoints] [--steps 24] [--threads 2]

Waiting is what the loop spends until it has a batch: loaded, decoded and augmented. With a loading process on a machine
whose cores are all taken, it is small, but the network is slower: hence also the speed, beside that of a network whose
pictures cost nothing. Runs take turns, so that other programs disturb them alike.
"""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import tyro

from ownhand import train
from ownhand.data.batches import Batches
from ownhand.data.dataset import ShardDataset
from ownhand.recipes import Recipe, recipe_by_name

BOUND = 0.05
ROUNDS, BATCHES = 3, 10


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    recipe: str = "small",
    stage: str = "keypoints",
    steps: int = 24,
    threads: int = 2,
) -> None:
    whole = recipe_by_name(recipe)
    chosen = next(s for s in whole.stages if s.name == stage)
    chosen = replace(chosen, steps=steps, epochs=None, init_from=None)
    whole = replace(whole, stages=(chosen,))

    torch.set_num_threads(1)
    data = ShardDataset(folder).only(chosen.fields)
    batches = Batches(data, batch=chosen.batch, seed=0, augmentation=chosen.augmentation)
    loading = _milliseconds(lambda i: data.load(batches.pictures(i)[1]), chosen.batch)
    both = _milliseconds(lambda i: batches[i], chosen.batch)
    print(f"one core, per picture: {loading:.2f} ms to load and decode, {both - loading:.2f} ms to augment")

    sample, original = batches[0], train._pictures
    found = defaultdict(list)
    for _ in range(ROUNDS):
        for name, workers in (("costs nothing", None), ("loaded by one process", 1), ("loaded by the loop", 0)):
            if workers is None:
                train._pictures = lambda _, left, __: (sample for _ in left)
            found[name].append(_speed(whole, folder, workers or 0, threads))
            train._pictures = original
    limit = median(speed for speed, _ in found["costs nothing"])
    for name, runs in found.items():
        speed, waiting = (median(values) for values in zip(*runs, strict=True))
        verdict = f"{waiting / BOUND:.2f} x the bound of {BOUND:.0%}"
        print(f"{name}: waiting {waiting:.1%}, {verdict}; {speed:.0f} pictures/s, {speed / limit:.0%} of the limit")


def _milliseconds(load: Callable[[int], object], batch: int) -> float:
    """The processor's time per picture."""
    load(0)
    start = time.process_time()
    for i in range(BATCHES):
        load(i)
    return (time.process_time() - start) / BATCHES / batch * 1e3


def _speed(recipe: Recipe, folder: Path, workers: int, threads: int) -> tuple[float, float]:
    """Pictures per second, and the share of time spent waiting, after the first third of the steps."""
    (stage,) = recipe.stages
    with tempfile.TemporaryDirectory() as out:
        third = (stage.steps or 3) // 3
        train.run(recipe, data=[folder], out=out, workers=workers, threads=threads, log_every=third)
        lines = [json.loads(line) for line in (Path(out) / stage.name / "log.jsonl").read_text().splitlines()][1:]
    return tuple(sum(line[name] for line in lines) / len(lines) for name in ("pictures_per_second", "waiting"))


if __name__ == "__main__":
    tyro.cli(main)
