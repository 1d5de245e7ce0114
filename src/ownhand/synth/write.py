"""Many synthetic pictures to disk, by several processes. Killed and started again, it continues."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ownhand.data.shards import finished_shards, write_shard

FACTS = "synthetic.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a folder of synthetic pictures contains. Everything that its pictures depend on.

    Attributes:
        people, pictures_per_person: How many.
        size: Side of the pictures [px].
        seed: Different seeds have different people.
        quality: JPEG quality.
        shard_size: Pictures per shard, about: a shard holds whole people, at least one.
        version: Of the generator.
        spread: See `Generator`.
        hand: Id of the hand model that the pictures show.
    """

    people: int
    pictures_per_person: int
    size: int
    seed: int
    quality: int
    shard_size: int
    version: int
    hand: str
    spread: float = 1.0

    @property
    def people_per_shard(self) -> int:
        return max(1, self.shard_size // self.pictures_per_person)

    @property
    def shards(self) -> int:
        return -(-self.people // self.people_per_shard)

    def pictures(self, shard: int) -> range:
        """Indices of the pictures of a shard."""
        first = shard * self.people_per_shard
        last = min(first + self.people_per_shard, self.people)
        return range(first * self.pictures_per_person, last * self.pictures_per_person)


def write(
    folder: str | Path,
    *,
    people: int,
    pictures_per_person: int = 50,
    size: int = 128,
    seed: int = 0,
    workers: int = 1,
    spread: float = 1.0,
    quality: int = 92,
    shard_size: int = 500,
    progress: bool = True,
) -> int:
    """Write `people * pictures_per_person` pictures as shards. What is written does not depend on `workers`.

    Args:
        folder: Where to. Shards that are there already stay as they are.
        people: Persons 0 to people - 1 of this seed.
        pictures_per_person: Pictures of each.
        size: Side of the pictures [px].
        seed: Of people and pictures: use different ones for training and testing.
        workers: Processes, one thread each.
        spread: See `Generator`.
        quality: JPEG quality of the stored pictures.
        shard_size: Pictures per shard, about: what a kill loses per worker.
        progress: Whether to show a progress bar.

    Returns:
        How many pictures the folder has.

    Raises:
        ValueError: A number is out of range, or the folder holds pictures of another plan.
    """
    from ownhand.hand.builtin import open_hand
    from ownhand.synth.generator import VERSION

    if min(people, pictures_per_person, workers) < 1:
        raise ValueError(
            f"expected at least one person, picture and worker, got {people}, {pictures_per_person} and {workers}"
        )
    plan = Plan(
        people=people,
        pictures_per_person=pictures_per_person,
        size=size,
        seed=seed,
        quality=quality,
        shard_size=shard_size,
        version=VERSION,
        spread=spread,
        hand=open_hand().id,
    )
    folder = Path(folder)
    _claim(folder, plan)
    done = set(finished_shards(folder))
    waiting = [shard for shard in range(plan.shards) if shard not in done]
    count = sum(len(plan.pictures(shard)) for shard in done)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("pictures", total=people * pictures_per_person, completed=count)
        if workers == 1:
            for shard in waiting:
                bar.advance(task, _write_shard(folder, plan, shard))
        elif waiting:
            _write_with_processes(folder, plan, waiting, workers, lambda n: bar.advance(task, n))
    return people * pictures_per_person


def _claim(folder: Path, plan: Plan) -> None:
    """Record the plan, or check that the folder has the same one."""
    path = folder / FACTS
    if path.exists():
        found = {"spread": 1.0} | json.loads(path.read_text())
        differing = [f"{k} {found.get(k)} instead of {v}" for k, v in asdict(plan).items() if found.get(k) != v]
        if differing:
            raise ValueError(f"{folder} already holds other synthetic pictures: {', '.join(differing)}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(asdict(plan), indent=2) + "\n")
    beside.replace(path)


def _write_with_processes(
    folder: Path, plan: Plan, shards: list[int], workers: int, advance: Callable[[int], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(shards)), mp_context=context, initializer=_one_thread) as pool:
        running: set[Future[int]] = {pool.submit(_write_shard, folder, plan, shard) for shard in shards}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    advance(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _write_shard(folder: Path, plan: Plan, shard: int) -> int:
    from ownhand.synth.generator import Generator

    generator = Generator(plan.seed, plan.size, plan.pictures_per_person, plan.spread)
    return write_shard(folder, shard, (generator[i] for i in plan.pictures(shard)), quality=plan.quality)
