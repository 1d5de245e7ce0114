"""Many synthetic pictures to disk, by several processes or machines. Killed and started again, it continues."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ownhand.data.shards import finished_shards, remove_shard, shard_path, write_shard
from ownhand.data.verify import verify_shard
from ownhand.synth.generator import Generator
from ownhand.synth.plan import Plan
from ownhand.synth.world import VERSION

KILLS = 3  # in a row, without a shard between them, until it is no accident


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write` found and did.

    Attributes:
        folder: Where.
        pictures: How many the folder has, all of them sound.
        shards: In so many shards.
        drawn: How many of these were drawn now.
        damaged: What was wrong with those that had to be drawn again, a sentence each.
    """

    folder: Path
    pictures: int
    shards: int
    drawn: int
    damaged: tuple[str, ...]

    def __str__(self) -> str:
        before = self.shards - self.drawn
        found = [f"{before} were there, with the right checksums"] if before else []
        mended = [f"drawn again: {'; '.join(self.damaged)}"] if self.damaged else []
        counts = f"{self.folder}: {self.pictures} pictures in {self.shards} shards"
        return "; ".join([counts, *found, *mended])


def write(
    folder: str | Path,
    generator: Generator,
    *,
    people: int,
    workers: int = 1,
    ray: str | None = None,
    quality: int = 92,
    shard_size: int = 500,
    progress: bool = True,
) -> Written:
    """Write all pictures of some people as shards. What is written does not depend on who writes it.

    Shards that are there already are compared with their checksums; damaged ones are drawn again.

    Args:
        folder: Where to.
        generator: Draws the pictures. Use different seeds for training and testing.
        people: Persons 0 to people - 1.
        workers: Processes, one thread each.
        ray: Address of a Ray cluster that does the work instead, as `ray.init` takes it ("auto", "HOST:PORT"), or
            "local" for one of `workers` processes on this machine. All machines must see the folder under this path.
        quality: JPEG quality of the stored pictures.
        shard_size: Pictures per shard, about: what a kill loses per worker.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: A number is out of range, or the folder holds pictures of another plan.
        OSError: Workers are killed again and again, or the cluster does not see the folder.
    """
    if min(people, workers, shard_size) < 1:
        raise ValueError(
            f"expected at least 1 person, worker and picture per shard, got {people}, {workers}, {shard_size}"
        )
    plan = Plan(generator=generator, people=people, quality=quality, shard_size=shard_size)
    folder = Path(folder).resolve()
    plan.claim(folder)
    shards = list(range(plan.shards))
    if ray is not None:
        made = _by_ray(folder, plan, shards, ray, workers)
    elif workers == 1:
        made = (make_shard(folder, plan, shard) for shard in shards)
    else:
        made = _by_processes(folder, plan, shards, workers)
    count: Counter[str] = Counter()
    damaged = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("pictures", total=plan.pictures)
        for shard in made:
            bar.advance(task, shard.pictures)
            count["pictures"] += shard.pictures
            count["drawn"] += shard.drawn
            damaged += [shard.damage] if shard.damage else []
    if missing := set(shards) - set(finished_shards(folder)):
        raise OSError(f"{folder} lacks {len(missing)} shards that were written elsewhere: do all machines share it?")
    return Written(folder=folder, shards=plan.shards, damaged=tuple(sorted(damaged)), **count)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A shard that is there: its pictures, whether they were drawn now, and what was wrong with it before."""

    number: int
    pictures: int
    drawn: bool
    damage: str | None


def make_shard(folder: Path, plan: Plan, number: int) -> _Made:
    """See to it that a shard is there and sound.

    Raises:
        ValueError: This machine has another version of the generator.
    """
    if plan.version != VERSION:
        raise ValueError(f"expected version {plan.version} of the generator on every machine, found {VERSION}")
    indices, damage = plan.shard(number), None
    if shard_path(folder, number, ".parquet").exists():
        try:
            if (pictures := verify_shard(folder, number)) != len(indices):
                raise ValueError(f"shard {shard_path(folder, number)} has {pictures} pictures, expected {len(indices)}")
            return _Made(number=number, pictures=pictures, drawn=False, damage=None)
        except ValueError as error:
            damage = str(error)
            remove_shard(folder, number)
    pictures = write_shard(folder, number, (plan.generator[i] for i in indices), quality=plan.quality)
    return _Made(number=number, pictures=pictures, drawn=True, damage=damage)


def _by_processes(folder: Path, plan: Plan, shards: list[int], workers: int) -> Iterator[_Made]:
    """Shards as processes make them. If one of these is killed, others begin anew with what is left."""
    left, kills = set(shards), 0
    while left:
        pool = ProcessPoolExecutor(
            min(workers, len(left)), mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
        )
        try:
            for future in as_completed([pool.submit(make_shard, folder, plan, shard) for shard in sorted(left)]):
                made = future.result()
                left.remove(made.number)
                kills = 0
                yield made
        except BrokenProcessPool:
            kills += 1
            if kills == KILLS:
                raise OSError(
                    f"processes that draw pictures were killed {KILLS} times without finishing a shard: "
                    "if memory ran out, use fewer workers; the same command continues"
                ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def leave() -> None:
        """A parent that was killed cannot tell its workers to end, and they would wait for ever."""
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def _by_ray(folder: Path, plan: Plan, shards: list[int], address: str, workers: int) -> Iterator[_Made]:
    """Shards as a Ray cluster makes them: one task each, tried again elsewhere if its process or machine dies."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError:
        raise ValueError("a cluster needs Ray: pip install 'ownhand[ray]'") from None
    options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING, **options)
    try:
        task = ray.remote(num_cpus=1, max_retries=KILLS)(_make_shard_in_one_thread)
        waiting = [task.remote(folder, plan, shard) for shard in shards]
        while waiting:
            done, waiting = ray.wait(waiting)
            yield from ray.get(done)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise OSError(f"the cluster at {address} failed: {error}; the same command continues") from error
    finally:
        ray.shutdown()


def _make_shard_in_one_thread(folder: Path, plan: Plan, number: int) -> _Made:
    torch.set_num_threads(1)
    return make_shard(folder, plan, number)
