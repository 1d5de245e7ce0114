"""OwnHand-ID, version 1: people with known hands. The pictures are generated, not stored; a manifest proves them.

The manifest that comes with the package has, of each picture, what was accepted and rejected on the way, which joints
are visible and a projection of all its labels, and of every SAMPLE-th picture the labels themselves. Pictures are the
same at any size; labels are compared as if they were SIZE pixels wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import CLIP, Taken
from ownhand.structs import given
from ownhand.synth.generator import Generator
from ownhand.synth.shots import shot
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.world import World
from ownhand.synth.write import write

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
DRIFT = 20  # steps by which a projection may differ where every label is equal after rounding

SETUPS = ("s0", "s2", "s3")
"""Ways to part the training people's pictures by instant, camera and held thing; s1, by people, is the default (as in
DexYCB)."""
TEST_DEVICES, VAL_DEVICES = ("webcam", "pass-through"), ("depth camera",)

_SIGNS = np.random.default_rng(0).choice([-1, 1], 105)


def make(folder: Path, part: str, *, size: int = SIZE, workers: int = 2, ray: str | None = None) -> str:
    """Generate a part, going on where it stopped, and compare it with the manifest.

    Args:
        folder: Where to.
        part: One of PEOPLE.
        size: Side of a picture [px].
        workers: Processes.
        ray: Address of a Ray cluster that draws instead.

    Returns:
        What was done, in words.

    Raises:
        ValueError: It is not as the manifest says.
    """
    done = write(folder, Generator(WORLDS[part], size=size), people=PEOPLE[part], workers=workers, ray=ray)
    records = list(stored_records(part, ShardDataset(folder, fields=())))
    if differing := differences(records, manifest(part)):
        raise ValueError(
            f"{folder} is not OwnHand-ID {VERSION}: {len(differing)} of {len(records)} pictures differ from the "
            f"manifest; {differing[0]}"
        )
    return f"{done}\n{folder} is OwnHand-ID {VERSION}: all labels are those of the manifest"


def drawn_records(part: str, people: Sequence[int]) -> Iterator[dict]:
    """The manifest's rows of some people, made anew without drawing anything."""
    world = WORLDS[part]
    for person in people:
        for index in range(person * world.per_person, (person + 1) * world.per_person):
            seen = shot(world, index, SIZE)
            yield _record(part, index, seen.decisions, seen.visible, seen.joints.numpy(), seen.keypoints.numpy())


def stored_records(part: str, data: ShardDataset) -> Iterator[dict]:
    """The manifest's rows as a folder of pictures has them."""
    for start in range(0, len(data), 1000):
        labels = data.numbers(range(start, min(start + 1000, len(data))))
        decisions = given(labels.taken, "how pictures were taken").decisions.tolist()
        pixels = labels.keypoints.double() * (SIZE / labels.camera.size[0])
        for k, decided in enumerate(decisions):
            yield _record(
                part, start + k, decided, labels.visible[k].numpy(), labels.joints[k].numpy(), pixels[k].numpy()
            )


def _record(
    part: str,
    index: int,
    decisions: int,
    visible: Bool[Array, "21"],
    joints: Float[Array, "21 3"],
    pixels: Float[Array, "21 2"],
) -> dict:
    labels = np.concatenate([joints.ravel() / JOINT_STEP, pixels.ravel() / PIXEL_STEP]).round().astype(np.int64)
    return {
        "part": part,
        "index": index,
        "decisions": decisions,
        "visible": int(visible @ (1 << np.arange(21))),
        "joints": int(labels[:63] @ _SIGNS[:63]),
        "pixels": int(labels[63:] @ _SIGNS[63:]),
        "labels": labels.tolist() if index % SAMPLE == 0 else None,
    }


def differences(rows: Sequence[Mapping], known: Sequence[Mapping]) -> list[str]:
    """What of some pictures is not as the manifest says, a sentence each; empty if they are the same."""
    expected = {(row["part"], row["index"]): row for row in known}
    out = []
    for row in rows:
        name, theirs = f"picture {row['index']} of {row['part']}", expected.get((row["part"], row["index"]))
        if theirs is None:
            out.append(f"{name} is none of the benchmark's")
        elif row["decisions"] != theirs["decisions"] or row["visible"] != theirs["visible"]:
            out.append(f"{name} was decided otherwise")
        elif max(abs(row[key] - theirs[key]) for key in ("joints", "pixels")) > DRIFT:
            out.append(f"{name} has other labels")
        elif row["labels"] is not None and np.abs(np.subtract(row["labels"], theirs["labels"])).max() > 1:
            out.append(f"{name} has labels that differ by more than {JOINT_STEP:g} m or {PIXEL_STEP:g} px")
    return out


def manifest(part: str) -> list[dict]:
    """The manifest's rows of a part, as they come with the package."""
    return pq.read_table(MANIFEST, filters=[("part", "=", part)]).to_pylist()


def save_manifest(rows: Sequence[Mapping], path: Path = MANIFEST) -> None:
    """Write a manifest: the package's only when the benchmark's version changes."""
    numbers = ("index", "decisions", "visible", "joints", "pixels")
    schema = pa.schema(
        {"part": pa.string()} | {name: pa.int32() for name in numbers} | {"labels": pa.list_(pa.int32())}
    )
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd", compression_level=19)


def split(setup: str, subject: Int[Tensor, "n"], taken: Taken) -> dict[str, Int[Tensor, "_"]]:
    """The training people's pictures parted anew: rows for train, val and test.

    Setup s1 needs none: its parts are people apart from the beginning.

    Args:
        setup: s0 holds out instants and whole clips (15 % for test, 5 % for val), s2 kinds of camera, s3 held things;
            with empty hands s3 trains.
        subject: Number of the person in each picture.
        taken: How it was taken.

    Raises:
        ValueError: No such setup.
    """
    if setup == "s0":
        lot = _hashed(subject, taken.instant.masked_fill(taken.kind == CLIP, -1)) % 20
        test, val = lot < 3, lot == 3
    elif setup == "s2":
        test, val = _any(taken.device, TEST_DEVICES), _any(taken.device, VAL_DEVICES)
    elif setup == "s3":
        test, val = (taken.thing >= 0) & (taken.thing % 5 == 0), (taken.thing >= 0) & (taken.thing % 10 == 1)
    else:
        raise ValueError(f"expected a setup of {', '.join(SETUPS)} to part people's pictures, got {setup!r}")
    rows = {"train": ~test & ~val, "val": val, "test": test}
    return {part: chosen.nonzero()[:, 0] for part, chosen in rows.items()}


def _any(values: Int[Tensor, "n"], names: Sequence[str]) -> Bool[Tensor, "n"]:
    return torch.isin(values, torch.tensor([list(KINDS).index(name) for name in names]))


def _hashed(*numbers: Int[Tensor, "n"]) -> Int[Tensor, "n"]:
    """Numbers that look random, from several."""
    total = torch.zeros_like(numbers[0])
    for number in numbers:
        total = (total * 1_000_003 + number) * 2_654_435_761 % 2**31
    return total >> 7
