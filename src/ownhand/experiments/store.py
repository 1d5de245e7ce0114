"""Results of long steps, part by part in a folder: each is made once, and again if what it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ownhand.files import write_beside
from ownhand.structs import TensorStruct, concatenate, from_tensors, to_tensors

S = TypeVar("S", bound=TensorStruct)
Report = Callable[[int, int], None] | None


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of results.

    Attributes:
        folder: Where they lie, as STEP/PART.parquet and STEP/PART.safetensors.
        made_by: Command, commit, machine: kept with every part.
    """

    folder: Path
    made_by: Mapping[str, Any]

    def table(
        self, step: str, parts: Sequence[int], depends_on: Mapping[str, Any], make: Callable[[int], pa.Table],
        report: Report = None,
    ) -> pa.Table:  # fmt: skip
        """The rows of all parts; those are made that are not there.

        Args:
            step: What it is called.
            parts: Numbers of the parts.
            depends_on: Everything that decides what comes out (JSON): parts made from anything else are made again.
            make: Number of a part -> its rows.
            report: Called with (done, all) parts.
        """
        key, tables = _key(depends_on), []
        for done, part in enumerate(parts, start=1):
            path = self.folder / step / f"{part}.parquet"
            kept = _read_table(path, key)
            if kept is None:
                started, kept = time.time(), make(part)
                about = {"ownhand": json.dumps(self._about(key, started))}
                write_beside(path, partial(pq.write_table, kept.replace_schema_metadata(about)))
            tables.append(kept.replace_schema_metadata(None))
            if report is not None:
                report(done, len(parts))
        return pa.concat_tables(tables)

    def structs(
        self, step: str, cls: type[S], parts: Sequence[int], depends_on: Mapping[str, Any], make: Callable[[int], S],
        report: Report = None,
    ) -> S:  # fmt: skip
        """The same for tensors: all parts one after another."""
        key, found = _key(depends_on), []
        for done, part in enumerate(parts, start=1):
            path = self.folder / step / f"{part}.safetensors"
            kept = _read_struct(path, cls, key)
            if kept is None:
                started, kept = time.time(), make(part)
                tensors = {name: x.contiguous() for name, x in to_tensors(kept).items()}
                about = {"ownhand": json.dumps(self._about(key, started))}
                write_beside(path, partial(save_file, tensors, metadata=about))
            found.append(kept)
            if report is not None:
                report(done, len(parts))
        return concatenate(found)

    def made(self) -> dict[str, dict[str, Any]]:
        """Of each step, how its parts were made: commits, dates of the first and the last, seconds in all."""
        found: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*/*")):
            if (about := _about(path)) is None:
                continue
            step = found.setdefault(
                path.parent.name, {"parts": 0, "seconds": 0.0, "commits": [], "depends on": about["key"]}
            )
            step["parts"] += 1
            step["seconds"] = round(step["seconds"] + about["seconds"], 1)
            step["commits"] = sorted({*step["commits"], str(about.get("commit", "unknown"))})
        return found

    def _about(self, key: str, started: float) -> dict[str, Any]:
        return {**self.made_by, "key": key, "seconds": round(time.time() - started, 2)}


def _key(depends_on: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:16]


def _read_table(path: Path, key: str) -> pa.Table | None:
    about = _about(path)
    return pq.read_table(path) if about is not None and about["key"] == key else None


def _read_struct(path: Path, cls: type[S], key: str) -> S | None:
    about = _about(path)
    if about is None or about["key"] != key:
        return None
    with safe_open(path, "pt") as file:
        return from_tensors(cls, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def _about(path: Path) -> dict[str, Any] | None:
    """How a part was made; None if it is not there or cannot be read."""
    try:
        if path.suffix == ".parquet":
            return json.loads((pq.read_schema(path).metadata or {})[b"ownhand"])
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                return json.loads(file.metadata()["ownhand"])
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException, SafetensorError):
        return None
    return None
