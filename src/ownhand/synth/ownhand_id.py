"""OwnHand-ID, version 1: people with known hands. The pictures are generated, not stored; a manifest proves them.

The manifest that comes with the package has, of each picture, what was accepted and rejected on the way and a
projection of all its labels, and of every SAMPLE-th picture the labels themselves. Pictures are the same at any size;
labels are compared as if they were SIZE pixels wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ownhand.data.sample import Taken
from ownhand.synth.shots import Shot, shot
from ownhand.synth.world import World

Array = np.ndarray

VERSION = 1
SIZE = 128  # px
PEOPLE = {"train": 400, "val": 20, "test": 40}
WORLDS = {
    part: World(seed=seed, singles=100, clip=100, rig=8, holding=0.5)
    for part, seed in (("train", 1_001), ("val", 1_002), ("test", 1_003))
}
MANIFEST = Path(__file__).with_name("ownhand_id.parquet")
SAMPLE = 40
JOINT_STEP, PIXEL_STEP = 1e-5, 0.01  # m, px

SETUPS = ("s0", "s1", "s2", "s3")
"""What the test pictures show that training did not: other pictures, people, cameras, held things (as in DexYCB)."""


def records(part: str, people: Sequence[int] | None = None) -> Iterator[dict]:
    """The manifest's rows of some people's pictures, all by default."""
    world = WORLDS[part]
    for person in range(PEOPLE[part]) if people is None else people:
        for index in range(person * world.per_person, (person + 1) * world.per_person):
            yield record(part, index, shot(world, index, SIZE))


def record(part: str, index: int, seen: Shot) -> dict:
    """The manifest's row of a picture."""
    joints, pixels = quantised(seen)
    row = {"part": part, "index": index, "decisions": seen.decisions, "visible": _bits(seen.visible)}
    row |= {"joints": int(joints @ _SIGNS[:63]), "pixels": int(pixels @ _SIGNS[63:])}
    return row | {"labels": np.concatenate([joints, pixels]).tolist() if index % SAMPLE == 0 else None}


def quantised(seen: Shot) -> tuple[Int[Array, "63"], Int[Array, "42"]]:
    """Joints in steps of JOINT_STEP and keypoints in steps of PIXEL_STEP."""
    joints, pixels = seen.joints.double().numpy() / JOINT_STEP, seen.keypoints.double().numpy() / PIXEL_STEP
    return tuple(np.round(x).astype(np.int64).ravel() for x in (joints, pixels))  # type: ignore[return-value]


_SIGNS = np.random.default_rng(0).choice([-1, 1], 105)
_DRIFT = 20  # steps by which a projection of 63 values may differ when each of them is within rounding


def differences(rows: Sequence[Mapping], manifest: Sequence[Mapping]) -> list[str]:
    """What of some pictures is not as the manifest says, a sentence each; empty if they are the same."""
    known = {(row["part"], row["index"]): row for row in manifest}
    out = []
    for row in rows:
        name, theirs = f"picture {row['index']} of {row['part']}", known[row["part"], row["index"]]
        if row["decisions"] != theirs["decisions"] or row["visible"] != theirs["visible"]:
            out.append(f"{name} was decided otherwise")
        elif max(abs(row[key] - theirs[key]) for key in ("joints", "pixels")) > _DRIFT:
            out.append(f"{name} has other labels")
        elif row["labels"] is not None and np.abs(np.subtract(row["labels"], theirs["labels"])).max() > 1:
            out.append(f"{name} has labels that differ by more than {JOINT_STEP} m or {PIXEL_STEP} px")
    return out


def split(setup: str, subject: Int[Tensor, "n"], taken: Taken) -> dict[str, Int[Tensor, "_"]]:
    """The training people's pictures parted anew: rows for train, val and test.

    Args:
        setup: s0 parts single pictures, s1 people, s2 kinds of camera, s3 held things.
        subject: Number of the person in each picture.
        taken: How it was taken.

    Raises:
        ValueError: No such setup.
    """
    key = {"s0": _hashed(subject, taken.instant), "s1": subject, "s2": taken.device, "s3": taken.thing}
    if setup not in key:
        raise ValueError(f"expected a setup of {', '.join(SETUPS)}, got {setup!r}")
    value = key[setup]
    test, val = {
        "s0": (value % 20 < 3, value % 20 == 3),
        "s1": (value % 20 < 3, value % 20 == 3),
        "s2": (value == 1, value == 3),
        "s3": ((value >= 0) & (value % 5 == 0), (value >= 0) & (value % 10 == 1)),
    }[setup]
    return {
        "train": (~test & ~val).nonzero()[:, 0],
        "val": val.nonzero()[:, 0],
        "test": test.nonzero()[:, 0],
    }


def _hashed(*numbers: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
    """Numbers that look random, from several."""
    total = torch.zeros_like(numbers[0])
    for number in numbers:
        total = (total * 1_000_003 + number) * 2_654_435_761 % 2**31
    return total >> 7


def _bits(flags: Array) -> int:
    return int(np.packbits(flags, bitorder="little").view(np.uint8) @ (256 ** np.arange(3)))
