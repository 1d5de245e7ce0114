"""Stored pictures by random access."""

from __future__ import annotations

import hashlib
import io
import mmap
import zlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import fields as fields_of
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from jaxtyping import Int
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ownhand.data.frame import HANDS, HandFrame
from ownhand.data.pictures import FIELDS, JoinedPictures, Pictures, check_fields
from ownhand.data.sample import SINGLE, HandSample, Taken
from ownhand.data.shards import FILES, finished_shards, shard_path
from ownhand.data.verify import read_index, verify_tar
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandPose

_SHAPES = {
    "K": (3, 3),
    "keypoints": (21, 2),
    "joints": (21, 3),
    "R_cam_root": (3, 3),
    "R_parent_joint": (15, 3, 3),
    "t_cam_root": (3,),
    "R_cam_world": (3, 3),
    "t_cam_world": (3,),
}


class ShardDataset:
    """The pictures of one or several folders of shards, in the order of folders, shards and writing.

    Numbers are read at once, pictures when asked for. Processes may share one by forking or by pickling.

    Attributes:
        subjects: Number of the person in each picture, or None. Where several folders are joined, the people of
            each get numbers of their own, above those of the folders before.
    """

    blocks = None
    whole = False
    """Whether the pictures are whole frames with any number of hands, instead of crops of one."""

    def __init__(self, *folders: str | Path, fields: Sequence[str] = FIELDS) -> None:
        """Open folders that `ShardWriter` or `write_shard` filled.

        Args:
            folders: Where from.
            fields: Which of `labels` and `depth` to read, if they are stored: decoding takes time.

        Raises:
            ValueError: A folder has no finished shard, a shard is missing, cut short or of an unknown version, or
                the folders store different fields.
        """
        if not folders:
            raise ValueError("expected at least one folder of shards, got none")
        self._paths: list[Path] = []
        self._checksums: list[str] = []
        tables: list[dict[str, np.ndarray]] = []
        people = 0
        for folder in folders:
            numbers = finished_shards(folder)
            if not numbers:
                raise ValueError(f"{folder} has no finished shards (shard-000000.tar beside shard-000000.parquet)")
            rows = [self._open(Path(folder), number) for number in numbers]
            for table in rows:
                if "subject" in table:
                    table["subject"] = table["subject"] + people
            people = 1 + max((int(table["subject"].max()) for table in rows if "subject" in table), default=people - 1)
            tables += rows
        for path, table in zip(self._paths, tables, strict=True):
            if table.keys() != tables[0].keys():
                differing = ", ".join(sorted(table.keys() ^ tables[0].keys()))
                raise ValueError(f"{path} and {self._paths[0]} store different fields: {differing}")
        columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        self._shard = np.repeat(np.arange(len(tables)), [len(table["height"]) for table in tables])
        self._files = _chosen(columns, fields)
        self._columns = {name: torch.from_numpy(values) for name, values in columns.items()}
        self.subjects: Int[Tensor, "pictures"] | None = self._columns.get("subject")
        self._maps: dict[int, mmap.mmap] = {}

    def _open(self, folder: Path, number: int) -> dict[str, np.ndarray]:
        table, checksum = read_index(folder, number)
        if ("present" in table.column_names) != self.whole:
            what = ("crops of one hand", "whole frames with any number of hands")
            raise ValueError(f"expected {what[self.whole]}, but {folder} holds {what[not self.whole]}")
        self._paths.append(shard_path(folder, number))
        self._checksums.append(checksum)
        return {name: _array(table.column(name).combine_chunks()) for name in table.column_names}

    def __len__(self) -> int:
        return len(self._shard)

    def __getitem__(self, index: int) -> HandSample:
        """One picture, without batch axes."""
        return self.load([range(len(self))[index]])[0]

    def load(self, indices: Sequence[int]) -> HandSample:
        """Several pictures as one batch.

        Raises:
            ValueError: The pictures differ in size, or one is damaged (told by its checksum).
        """
        rows = torch.as_tensor(indices, dtype=torch.long)
        known = self.numbers(rows)
        files = {name: np.stack([self._decoded(name, int(i)) for i in rows]) for name in self._files}
        return replace(
            known,
            image=torch.from_numpy(files["image"]).permute(0, 3, 1, 2).float() / 255,
            labels=torch.from_numpy(files["labels"]) if "labels" in files else None,
            depth=torch.from_numpy(files["depth"].astype(np.float32)) if "depth" in files else None,
        )

    def numbers(self, indices: Sequence[int] | Int[Tensor, "rows"]) -> HandSample:
        """What is known of several pictures without reading them: `image` has no pixels.

        Raises:
            ValueError: The pictures differ in size.
        """
        rows = torch.as_tensor(indices, dtype=torch.long)
        numbers = {name: self._columns[name][rows] for name in self._columns if not name.startswith(FILES)}
        sizes = torch.stack([numbers["height"], numbers["width"]], -1).unique(dim=0)
        if len(sizes) != 1:
            raise ValueError(f"all pictures of a batch must have one size, but they have {sizes.tolist()}")
        shaped = {name: numbers[name].unflatten(-1, shape) for name, shape in _SHAPES.items() if name in numbers}
        pose = ("R_cam_root", "R_parent_joint", "t_cam_root")
        taken = [field.name for field in fields_of(Taken)]
        return HandSample(
            image=torch.empty(len(rows), 3, 0, 0),
            camera=Camera(K=shaped["K"], size=tuple(sizes[0].tolist())),
            keypoints=shaped["keypoints"],
            visible=numbers["visible"],
            joints=shaped["joints"],
            pose=HandPose(**{name: shaped[name] for name in pose}) if "R_cam_root" in shaped else None,
            shape=numbers.get("shape"),
            subject=numbers.get("subject"),
            is_right=numbers.get("is_right"),
            taken=Taken(**{name: (numbers | shaped)[name] for name in taken}) if numbers.keys() >= set(taken) else None,
        )

    @property
    def singles(self) -> list[int]:
        """Rows of the pictures that were taken alone, which no clip or rig has in common with others."""
        kind = self._columns.get("kind")
        return list(range(len(self))) if kind is None else (kind == SINGLE).nonzero()[:, 0].tolist()

    def only(self, fields: Sequence[str]) -> ShardDataset:
        """The same pictures; of `labels` and `depth` only those named are read."""
        other = copy(self)
        other._files = _chosen(self._columns, fields)
        return other

    @property
    def fingerprint(self) -> str:
        """Equal for data sets of the same content in the same order."""
        return hashlib.sha256("".join(self._checksums).encode()).hexdigest()[:16]

    def verify(self) -> None:
        """Read every shard and compare its checksum.

        Raises:
            ValueError: One is damaged.
        """
        for path, checksum in zip(self._paths, self._checksums, strict=True):
            verify_tar(path, checksum)

    def _decoded(self, name: str, index: int) -> np.ndarray:
        shard = int(self._shard[index])
        if shard not in self._maps:
            with open(self._paths[shard], "rb") as file:
                self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start, size, crc32 = (int(self._columns[f"{name}_{part}"][index]) for part in ("offset", "bytes", "crc32"))
        data = self._maps[shard][start : start + size]
        try:
            if zlib.crc32(data) != crc32:
                raise ValueError
            return np.asarray(Image.open(io.BytesIO(data)))
        except (ValueError, OSError, UnidentifiedImageError):
            raise ValueError(f"shard {self._paths[shard]} is damaged: {name} of its picture at byte {start}") from None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}


class FrameDataset(ShardDataset):
    """Stored whole frames with any number of hands, as `FrameGenerator` draws them."""

    whole = True

    def load(self, indices: Sequence[int]) -> HandFrame:  # pyright: ignore  # not samples of one hand each
        """Several frames as one batch. Raises ValueError if one is damaged."""
        rows = torch.as_tensor(indices, dtype=torch.long)
        images = np.stack([self._decoded("image", int(i)) for i in rows])
        found = {name: self._columns[name][rows] for name in ("present", "keypoints", "visible", "is_right")}
        hands = found["present"].shape[-1]
        return HandFrame(
            image=torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255,
            present=found["present"],
            keypoints=found["keypoints"].unflatten(-1, (hands, 21, 2)),
            visible=found["visible"].unflatten(-1, (hands, 21)),
            is_right=found["is_right"],
            complete=torch.ones(len(rows), dtype=torch.bool),
        )


class CropsAsFrames:
    """Stored crops of one hand each as whole frames: hands that fill a large part of the picture.

    Args:
        crops: The crops.
        size: Side to which they are enlarged [px].
    """

    subjects = None
    blocks = None

    def __init__(self, crops: ShardDataset, size: int):
        self._crops, self._size = crops.only(()), size

    def __len__(self) -> int:
        return len(self._crops)

    def load(self, indices: Sequence[int]) -> HandFrame:
        """Several frames as one batch. Raises as `ShardDataset.load`."""
        sample = self._crops.load(indices)
        height, width = sample.image.shape[-2:]
        size = (self._size, self._size)
        image = F.interpolate(sample.image, size=size, mode="bilinear", antialias=True)
        shown = torch.arange(HANDS).eq(0).expand(len(indices), -1)
        right = torch.ones(len(indices), dtype=torch.bool)
        keypoints = sample.keypoints * sample.keypoints.new_tensor([self._size / width, self._size / height])
        return HandFrame(
            image=image,
            present=shown,
            keypoints=keypoints[:, None] * shown[..., None, None],
            visible=sample.visible[:, None] & shown[..., None],
            is_right=right[:, None] & shown,
            complete=~right,  # second hands, and those drawn behind, have no labels
        )

    def only(self, fields: Sequence[str]) -> CropsAsFrames:
        """The same: there are neither `labels` nor `depth`."""
        return self

    @property
    def fingerprint(self) -> str:
        return f"{self._crops.fingerprint}@{self._size}"


def open_frames(*folders: str | Path) -> Pictures:
    """Folders of whole frames, and of crops of one hand each, which are enlarged to the frames' size.

    Raises:
        ValueError: No folder holds frames; or as `ShardDataset`.
    """
    whole = [folder for folder in folders if _holds_frames(folder)]
    if not whole:
        raise ValueError(f"expected a folder of `ownhand synth --frames`, got {', '.join(map(str, folders)) or 'none'}")
    frames = FrameDataset(*whole)
    crops = [folder for folder in folders if folder not in whole]
    if not crops:
        return frames
    return JoinedPictures(frames, CropsAsFrames(ShardDataset(*crops), int(frames.load([0]).image.shape[-1])))


def _holds_frames(folder: str | Path) -> bool:
    numbers = finished_shards(folder)
    return bool(numbers) and "present" in read_index(folder, numbers[0])[0].column_names


def _chosen(columns: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    check_fields(fields)
    return [name for name in FILES if f"{name}_offset" in columns and name in ("image", *fields)]


def _array(column: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1).copy()
    return column.to_numpy(zero_copy_only=False).copy()
