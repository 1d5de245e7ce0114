"""Labelled pictures on disk: tar shards, each with a Parquet index of offsets, numbers and checksums.

    folder/shard-000000.tar        000000.jpg 000000.labels.png 000000.depth.png 000001.jpg ...
    folder/shard-000000.parquet    one row per picture: where its files lie in the tar, their CRC-32, all numeric labels

Both are written beside and renamed, the index last: a shard exists if its index does. A killed writer loses the shard
it was at, and the next one starts with that shard. Any tar reader can open the shards; ours never scans them.

The index keeps the SHA-256 of the tar and of its own values: damage to pictures or numbers is noticed.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import socket
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torch import Tensor

from ownhand.data.frame import HandFrame
from ownhand.data.sample import HandSample

VERSION = 1
FILES = ("image", "labels", "depth")
"""What lies in the tar; each has the columns `FILE_offset`, `FILE_bytes` and `FILE_crc32`."""


def shard_path(folder: Path, number: int, suffix: str = ".tar") -> Path:
    return Path(folder) / f"shard-{number:06d}{suffix}"


def finished_shards(folder: str | Path) -> list[int]:
    """Numbers of the shards that are complete, sorted; empty if the folder does not exist."""
    found = (re.fullmatch(r"shard-(\d{6})\.parquet", path.name) for path in Path(folder).glob("shard-*.parquet"))
    return sorted(int(match[1]) for match in found if match)


def remove_shard(folder: str | Path, number: int) -> None:
    """Remove a shard, its index first: whatever stops this, the shard counts as unfinished."""
    for ending in (".parquet", ".tar"):
        shard_path(Path(folder), number, ending).unlink(missing_ok=True)


def write_shard(
    folder: str | Path, number: int, samples: Iterable[HandSample | HandFrame], *, quality: int | None = 95
) -> int:
    """Write one shard, unless it is there already. Processes may write different shards of one folder at once.

    Args:
        folder: Where to; made if missing.
        number: Which shard. Shards are read in the order of their numbers, which may have gaps.
        samples: Its pictures, without batch axes. Not asked for if the shard exists.
        quality: JPEG quality of the pictures (no chroma subsampling), or None for PNG.

    Returns:
        How many pictures the shard has.

    Raises:
        ValueError: There is no picture, or some lack a field that others have.
    """
    index = shard_path(Path(folder), number, ".parquet")
    if index.exists():
        return pq.read_metadata(index).num_rows
    shard = _Shard(Path(folder), number, quality)
    try:
        for sample in samples:
            shard.add(sample)
        return shard.finish()
    except FileNotFoundError:
        if index.exists():  # another process finished the same shard meanwhile, and removed what it no longer needs
            return pq.read_metadata(index).num_rows
        raise
    finally:
        shard.discard()


class ShardWriter:
    """Appends pictures to a folder, one after another.

        with ShardWriter(folder) as writer:
            for i in range(writer.count, total):  # continues where a killed run stopped
                writer.add(make_sample(i))

    Attributes:
        count: How many pictures are stored, those of the unfinished shard included.
    """

    def __init__(self, folder: str | Path, *, shard_size: int = 1000, quality: int | None = 95) -> None:
        """Open a folder for appending.

        Args:
            folder: Where to; made if missing.
            shard_size: Pictures per shard: what a kill loses at most.
            quality: JPEG quality, or None for PNG.
        """
        if shard_size < 1:
            raise ValueError(f"expected at least one picture per shard, got shard_size={shard_size}")
        self._folder, self._size, self._quality = Path(folder), shard_size, quality
        numbers = finished_shards(folder)
        self.count = sum(pq.read_metadata(shard_path(self._folder, n, ".parquet")).num_rows for n in numbers)
        self._next = numbers[-1] + 1 if numbers else 0
        self._shard: _Shard | None = None

    def add(self, sample: HandSample | HandFrame) -> None:
        """Append one picture (no batch axes)."""
        if self._shard is None:
            self._shard = _Shard(self._folder, self._next, self._quality)
        self._shard.add(sample)
        self.count += 1
        if len(self._shard) == self._size:
            self.close()

    def close(self) -> None:
        """Finish the shard in progress, even if it is not full."""
        if self._shard is not None:
            self._shard.finish()
            self._shard, self._next = None, self._next + 1

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, error: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif self._shard is not None:
            self._shard.discard()


def labels_checksum(table: pa.Table) -> str:
    """SHA-256 of all names and values of an index."""
    found = hashlib.sha256()
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        values = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
        found.update(name.encode() + values.to_numpy(zero_copy_only=False).tobytes())
    return found.hexdigest()


class _Shard:
    """A shard that is being written, to files of this process's own."""

    def __init__(self, folder: Path, number: int, quality: int | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = shard_path(folder, number), shard_path(folder, number, ".parquet")
        whose = f"{socket.gethostname()}-{os.getpid()}"
        self._tmp = tuple(path.with_name(f".{path.name}.{whose}.tmp") for path in self._paths)
        self._quality = quality
        self._tar = tarfile.open(self._tmp[0], "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        self._rows: list[dict] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, sample: HandSample | HandFrame) -> None:
        if sample.batch_shape:
            raise ValueError(f"a shard takes one picture at a time, got a batch of shape {tuple(sample.batch_shape)}")
        row = _numbers(sample)
        for name, ending, data in _encoded(sample, self._quality):
            info = tarfile.TarInfo(f"{len(self):06d}.{ending}")
            info.size = len(data)
            offset = self._tar.offset + tarfile.BLOCKSIZE  # a USTAR header is one block
            self._tar.addfile(info, io.BytesIO(data))
            row |= {f"{name}_offset": offset, f"{name}_bytes": len(data), f"{name}_crc32": zlib.crc32(data)}
        if self._rows and row.keys() != self._rows[0].keys():
            differing = sorted(row.keys() ^ self._rows[0].keys())
            raise ValueError(f"all pictures of a shard must have the same fields, but some lack {', '.join(differing)}")
        self._rows.append(row)

    def finish(self) -> int:
        if not self._rows:
            raise ValueError(f"expected at least one picture for {self._paths[0].name}, got none")
        self._tar.close()
        content = self._tmp[0].read_bytes()
        columns = {name: _column([row[name] for row in self._rows]) for name in self._rows[0]}
        facts = {"version": str(VERSION), "sha256": hashlib.sha256(content).hexdigest(), "bytes": str(len(content))}
        facts["labels_sha256"] = labels_checksum(pa.table(columns))
        table = pa.table(columns).replace_schema_metadata(facts)
        pq.write_table(table, self._tmp[1], compression="zstd")
        for tmp, path in zip(self._tmp, self._paths, strict=True):
            tmp.replace(path)
        for path in self._paths:
            for left in path.parent.glob(f".{path.name}.*.tmp"):  # by writers that were killed
                left.unlink(missing_ok=True)
        return len(self)

    def discard(self) -> None:
        """Leave nothing of an unfinished shard; no effect on a finished one."""
        self._tar.close()
        for tmp in self._tmp:
            tmp.unlink(missing_ok=True)


def _numbers(sample: HandSample | HandFrame) -> dict[str, Tensor | int]:
    """The numeric labels that the sample has, by column."""
    height, width = sample.image.shape[-2:]
    if isinstance(sample, HandFrame):
        numbers = {field.name: getattr(sample, field.name) for field in fields(sample) if field.name != "image"}
        return {"height": height, "width": width} | numbers
    pose = sample.pose
    if tuple(sample.camera.size) != (height, width):
        raise ValueError(f"expected a picture of the camera's size {sample.camera.size}, got {(height, width)}")
    columns = {
        "height": height,
        "width": width,
        "K": sample.camera.K,
        "keypoints": sample.keypoints,
        "visible": sample.visible,
        "joints": sample.joints,
        "R_cam_root": None if pose is None else pose.R_cam_root,
        "R_parent_joint": None if pose is None else pose.R_parent_joint,
        "t_cam_root": None if pose is None else pose.t_cam_root,
        "shape": sample.shape,
        "subject": sample.subject,
        "is_right": sample.is_right,
    }
    if sample.taken is not None:
        columns |= {field.name: getattr(sample.taken, field.name) for field in fields(sample.taken)}
    return {name: value for name, value in columns.items() if value is not None}


def _column(values: list) -> pa.Array:
    """Whole numbers, flags, or float32 lists of one length."""
    if not isinstance(values[0], Tensor):
        return pa.array(values, pa.int64())
    stacked = np.stack([value.detach().cpu().numpy() for value in values])
    flat = stacked.reshape(len(values), -1)
    kind = {"f": pa.float32(), "b": pa.bool_()}.get(flat.dtype.kind, pa.int64())
    array = pa.array(flat.reshape(-1).astype(kind.to_pandas_dtype()), kind)
    return array if stacked.ndim == 1 else pa.FixedSizeListArray.from_arrays(array, flat.shape[1])


def _encoded(sample: HandSample | HandFrame, quality: int | None) -> Iterator[tuple[str, str, bytes]]:
    """The sample's files: column name, ending, bytes."""
    rgb = (sample.image * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    if quality is None:
        yield "image", "png", _saved(picture, "PNG", compress_level=6)
    else:
        yield "image", "jpg", _saved(picture, "JPEG", quality=quality, subsampling=0)
    if isinstance(sample, HandFrame):
        return
    if sample.labels is not None:
        yield "labels", "labels.png", _saved(Image.fromarray(sample.labels.cpu().numpy()), "PNG", compress_level=2)
    if sample.depth is not None:
        depth_mm = sample.depth.round().clamp(0, 2**16 - 1).cpu().numpy().astype(np.uint16)
        yield "depth", "depth.png", _saved(Image.fromarray(depth_mm), "PNG", compress_level=2)


def _saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
