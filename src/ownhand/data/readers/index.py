"""A data set's folder, read once: one row for every hand in a picture, kept as Parquet.

Rows hold what was published, only in common units and axes: metres, radians, OpenCV's camera. What the numbers *mean*
(pixel convention, mean hand, fingertips) is applied only when a picture is loaded, so that other meanings can be tried.

An index is built part by part (a part: the people that the layout keeps apart) and goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

VERSION = 1


def _numbers(count: int) -> pa.DataType:
    return pa.list_(pa.float64(), count)


SCHEMA = pa.schema(
    {
        "image": pa.string(),
        "sequence": pa.string(),
        "sequence_number": pa.int32(),
        "frame": pa.int32(),
        "camera": pa.string(),
        "camera_number": pa.int32(),
        "subject": pa.int32(),
        "is_right": pa.bool_(),
        "height": pa.int32(),
        "width": pa.int32(),
        "K": _numbers(9),
        "R_cam_world": _numbers(9),
        "t_cam_world": _numbers(3),
        "global_orient": _numbers(3),
        "hand_pose": _numbers(45),
        "transl": _numbers(3),
        "betas": _numbers(10),
        "true_betas": _numbers(10),
        "keypoints": _numbers(42),
        "joints": _numbers(63),
    }
)
"""Columns of an index.

- image: path in the data set's folder; height, width [px] of that file; K of that file, row by row [px], as published.
- sequence, frame, camera, and their numbers by which splits go; subject: number of the person.
- R_cam_world, t_cam_world: from the frame of the MANO numbers to the camera [m]; the identity if that is the camera's.
- global_orient, hand_pose (axis-angles, or PCA coefficients and zeros), transl, betas: MANO's, in its joint order.
- true_betas: what counts as the person's shape; betas again unless each frame was fitted with its own.
- keypoints: labelled 21 joints in the picture [px], as published; joints: in the camera frame [m]. NaN without label.
"""

Row = dict[str, Any]


@dataclass
class Findings:
    """What was left out or looked wrong: of each kind how often, and where first."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, where: Path | str, count: int = 1) -> None:
        """Count something of a kind, such as "hand not in the picture"."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.first.setdefault(kind, str(where))

    def merge(self, other: Findings) -> None:
        for kind, count in other.counts.items():
            self.add(kind, other.first[kind], count)

    def __str__(self) -> str:
        return "\n".join(f"{count:8d} x {kind}; first: {self.first[kind]}" for kind, count in self.counts.items())


def build_index(
    root: Path,
    folder: Path,
    parts: Sequence[str],
    scan: Callable[[Path, str, Findings], list[Row]],
    sources: Callable[[Path, str], list[Path]],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pa.Table, Findings]:
    """Read what is indexed already, and scan the rest.

    Args:
        root: The data set's folder.
        folder: Where the index lies or shall lie.
        parts: Names of the parts, in their order.
        scan: (root, part, findings) -> rows; it counts what it leaves out.
        sources: (root, part) -> files and folders on which the part depends: when one changes, it is scanned anew.
        progress: Called with (parts done, all parts).

    Returns:
        All rows, duplicates (same picture, same side) only once, and what was found.

    Raises:
        ValueError: No hand was found at all.
    """
    tables, found = [], Findings()
    for number, part in enumerate(parts):
        path, stamp = folder / f"{part}.parquet", _stamp(root, sources(root, part))
        kept = _kept(path, stamp)
        if kept is None:
            here = Findings()
            rows = _unique(scan(root, part, here), here)
            kept = pa.Table.from_pylist(rows, SCHEMA), here
            _write(path, kept[0], stamp, here)
        tables.append(kept[0])
        found.merge(kept[1])
        if progress is not None:
            progress(number + 1, len(parts))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    if len(table) == 0:
        raise ValueError(f"{root}: expected labelled hands, found none" + (f"\n{found}" if found.counts else ""))
    return table, found


def index_folder(root: Path, name: str, cache: Path | None = None) -> Path:
    """Where an index goes: the named folder, else beside the data, else the user's cache if that cannot be written."""
    if cache is not None:
        return cache / name
    if os.access(root, os.W_OK):
        return root / ".ownhand" / name
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return home / "ownhand" / f"{name}-{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]}"


def column(table: pa.Table, name: str, *shape: int) -> np.ndarray:
    """A column as an array [rows *shape]."""
    values = table.column(name).combine_chunks()
    if pa.types.is_fixed_size_list(values.type):
        return values.flatten().to_numpy(zero_copy_only=False).reshape(len(table), *(shape or (-1,)))
    return values.to_numpy(zero_copy_only=False)


def _stamp(root: Path, sources: Sequence[Path]) -> str:
    """Changes with the version, small files' contents, and how many entries folders have."""
    digest = hashlib.sha256(f"{VERSION}".encode())
    for path in sources:
        digest.update(str(path.relative_to(root)).encode())
        digest.update(str(len(os.listdir(path))).encode() if path.is_dir() else path.read_bytes())
    return digest.hexdigest()[:16]


def _kept(path: Path, stamp: str) -> tuple[pa.Table, Findings] | None:
    try:
        table = pq.read_table(path)
        metadata = json.loads(table.schema.metadata[b"ownhand"])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    if metadata["stamp"] != stamp:
        return None
    return table.replace_schema_metadata(None), Findings(metadata["counts"], metadata["first"])


def _write(path: Path, table: pa.Table, stamp: str, found: Findings) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"stamp": stamp, "counts": found.counts, "first": found.first}
    beside = path.with_suffix(f".{os.getpid()}.part")
    pq.write_table(table.replace_schema_metadata({"ownhand": json.dumps(metadata)}), beside)
    beside.replace(path)


def _unique(rows: list[Row], found: Findings) -> list[Row]:
    seen: set[tuple[str, bool]] = set()
    unique = []
    for row in rows:
        key = (row["image"], row["is_right"])
        if key in seen:
            found.add("the same hand of the same picture again", row["image"])
        else:
            seen.add(key)
            unique.append(row)
    return unique
