"""What training tells while it runs: a bar on a terminal, lines elsewhere, and a log from which curves can be drawn."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor


class TrainingLog:
    """Means over intervals of steps, to `log.jsonl` and to the screen.

    Args:
        path: The log. Lines from steps after `start` are dropped: they will be written again.
        title: What is trained.
        start: The step at which training goes on.
        steps: The step at which it ends.
        pictures: Pictures per step.
        every: Steps per line.
        silent: Neither write nor show anything: not the first process.
    """

    def __init__(
        self, path: Path, *, title: str, start: int, steps: int, pictures: int, every: int, silent: bool = False
    ) -> None:
        self._title, self._steps, self._pictures, self._every, self._silent = title, steps, pictures, every, silent
        self._console = Console(quiet=silent)
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[latest]}"),
        )
        self._bar = Progress(*columns, console=self._console, disable=silent or not self._console.is_terminal)
        self._task = self._bar.add_task(title, total=steps, completed=start, latest="")
        self._path = path
        if not silent:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_text().splitlines() if path.exists() else []
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= start]
            path.write_text("".join(line + "\n" for line in kept))
        self._begin_interval()

    def _begin_interval(self) -> None:
        self._since, self._count, self._waited = time.perf_counter(), 0, 0.0
        self._sums: dict[str, Any] = defaultdict(float)

    def step(self, step: int, terms: Mapping[str, Tensor], rate: float, waited: float) -> None:
        """After a step, with `step` of them done in all; `waited` [s] for pictures."""
        self._count += 1
        self._waited += waited
        for name, value in terms.items():
            self._sums[name] += value.detach()
        self._bar.advance(self._task)
        if step % self._every == 0 or step == self._steps:
            seconds = time.perf_counter() - self._since
            values = {
                "pictures_per_second": round(self._pictures * self._count / seconds, 1),
                "waiting": round(self._waited / seconds, 4),
                "rate": rate,
            }
            self.write(step, "train", values | {name: float(x) / self._count for name, x in self._sums.items()})

    def write(self, step: int, kind: str, values: Mapping[str, float]) -> None:
        """A line of its own; a new interval begins, so that validations do not count as slow steps."""
        line = {"step": step, "kind": kind, "time": round(time.time(), 1)} | dict(values)
        if not self._silent:
            with self._path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._bar.update(self._task, latest=shown if kind == "train" else "")
        if kind != "train" or not self._console.is_terminal:
            self._console.print(f"{self._title} {step}/{self._steps} {kind}: {shown}", highlight=False, soft_wrap=True)
        self._begin_interval()

    def __enter__(self) -> TrainingLog:
        self._bar.start()
        return self

    def __exit__(
        self, error: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
