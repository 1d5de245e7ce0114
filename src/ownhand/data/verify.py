"""Whether stored shards are what was written."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ownhand.data.shards import VERSION, labels_checksum, shard_path


def read_index(folder: str | Path, number: int) -> tuple[pa.Table, str]:
    """The index of a finished shard and the SHA-256 of its tar.

    Raises:
        ValueError: The index cannot be read, or the tar is missing or has another length.
    """
    path, index = (shard_path(Path(folder), number, ending) for ending in (".tar", ".parquet"))
    try:
        table = pq.read_table(index)
        facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if facts.get("version") != str(VERSION):
            raise ValueError(f"{index} is an index of version {facts.get('version')}, expected {VERSION}")
        size, checksum = int(facts["bytes"]), facts["sha256"]
        if facts.get("labels_sha256", found := labels_checksum(table)) != found:  # older ones have none
            raise KeyError
    except (OSError, pa.ArrowException, KeyError, UnicodeDecodeError):
        raise ValueError(f"shard {index} is damaged: it cannot be read") from None
    if not path.exists():
        raise ValueError(f"shard {path} is missing, but its index is there")
    if path.stat().st_size != size:
        raise ValueError(f"shard {path} has {path.stat().st_size} bytes, expected {size}: it is damaged")
    return table, checksum


def verify_tar(path: Path, checksum: str) -> None:
    """Compare a whole tar with its SHA-256.

    Raises:
        ValueError: They do not belong together.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if hashlib.sha256(content).hexdigest() != checksum:
            raise ValueError(f"shard {path} is damaged: its SHA-256 is not the recorded one")


def verify_shard(folder: str | Path, number: int) -> int:
    """Compare all checksums of a finished shard.

    Returns:
        How many pictures it has.

    Raises:
        ValueError: It is damaged.
    """
    table, checksum = read_index(folder, number)
    verify_tar(shard_path(Path(folder), number), checksum)
    return table.num_rows
