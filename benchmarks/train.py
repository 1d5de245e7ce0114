"""How fast training is, beside the limit of a network that never waits for pictures.

python benchmarks/train.py FOLDER [--recipe small] [--stage keypoints] [--steps 60] [--threads 2]
"""

import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import tyro

from ownhand import train
from ownhand.data.batches import Batches
from ownhand.data.dataset import ShardDataset
from ownhand.recipes import recipe_by_name


def main(
    folder: Annotated[Path, tyro.conf.Positional],
    recipe: str = "small",
    stage: str = "keypoints",
    steps: int = 60,
    threads: int = 2,
) -> None:
    whole = recipe_by_name(recipe)
    chosen = next(s for s in whole.stages if s.name == stage)
    chosen = replace(chosen, steps=steps, epochs=None, init_from=None)
    whole = replace(whole, stages=(chosen,))

    torch.set_num_threads(1)
    data = ShardDataset(folder)
    batches = Batches(data, batch=chosen.batch, seed=0, augmentation=chosen.augmentation)
    rate = {"load and decode": lambda i: data.load(batches.pictures(i)[1]), "and augment": lambda i: batches[i]}
    for name, load in rate.items():
        load(0)
        start = time.process_time()
        for i in range(10):
            load(i)
        print(f"{name}: {10 * chosen.batch / (time.process_time() - start):.0f} pictures/s of one core")

    torch.set_num_threads(threads)
    speed = {}
    for name, workers in (("never waits", None), ("one worker", 1), ("no worker", 0)):
        with tempfile.TemporaryDirectory() as out:
            original = train._pictures
            if workers is None:
                sample = batches[0]
                train._pictures = lambda _, left, __, sample=sample: iter([sample] * len(left))
            train.run(whole, data=[folder], out=out, workers=workers or 0, threads=threads, log_every=steps // 3)
            train._pictures = original
            lines = [json.loads(line) for line in (Path(out) / stage / "log.jsonl").read_text().splitlines()][1:]
        speed[name] = sum(line["pictures_per_second"] for line in lines) / len(lines)
        waiting = sum(line["waiting"] for line in lines) / len(lines)
        share = speed[name] / speed["never waits"]
        print(f"{name}: {speed[name]:.1f} pictures/s, {share:.0%} of the limit, waiting {waiting:.1%} of the time")


if __name__ == "__main__":
    tyro.cli(main)
