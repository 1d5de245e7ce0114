"""Does a reader understand a real folder? A replica in the tests cannot know: this compares with the labels there.

Where a data set labels its joints, MANO's joints must land on them. Conventions that are easily misread are turned over
one by one; if another meaning fits better, it is named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.data.readers.base import Conventions, Layout, RealPictures
from ownhand.data.readers.dexycb import WITHOUT
from ownhand.data.readers.index import Findings, column
from ownhand.hand.mano import DEXYCB_LEFT_TIPS, DEXYCB_TIPS, HUMBI_TIPS, SMPLX_TIPS
from ownhand.hand.skeleton import ROTATING_21, TIPS_21
from ownhand.render.overlay import contact_sheet, draw_keypoints, to_pillow

GOOD_PX, GOOD_MM = 1.0, 1.0
"""Mean distances from the labels up to which a reader counts as right. Labels that were annotated instead of computed
from MANO are further away, however they are read."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How far MANO's joints are from the labels, under one reading.

    Attributes:
        meaning: The reading, in words.
        pixels: Mean distance in the picture [px]; not a number where there are no labels.
        joints_mm: Mean distance of the 16 joints in the camera frame.
        tips_mm: Mean distance of the fingertips.
    """

    meaning: str
    pixels: float
    joints_mm: float
    tips_mm: float


def compare(pictures: RealPictures, *, sample: int = 2000, seed: int = 0) -> list[Fit]:
    """Distances from the labels as the data set is read, then with one convention at a time changed.

    Args:
        pictures: Of one data set.
        sample: How many of its hands, drawn evenly, to compare.
        seed: Of the draw.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:sample])
    chosen = pictures.rows(rows)
    return [_fit(meaning, chosen.with_conventions(c)) for meaning, c in _meanings(pictures.layout.conventions)]


def verdict(fits: list[Fit]) -> str:
    """What the comparison says, in a sentence: the reading is right, another one fits better, or neither fits."""
    said, others = fits[0], fits[1:]
    if np.isnan(said.pixels) and np.isnan(said.joints_mm):
        return "There are no labelled joints to compare with."
    best = min(fits, key=_badness)
    if best is not said and _badness(best) < 0.9 * _badness(said):
        return (
            f"Labels fit better when read otherwise: {best.meaning} ({_words(best)} instead of {_words(said)}). "
            "The folder differs from what this reader expects."
        )
    if said.pixels > GOOD_PX or said.joints_mm > GOOD_MM:
        return f"Joints are {_words(said)} from their labels, and none of {len(others)} other readings fits better."
    return f"Joints are where they are labelled ({_words(said)}); none of {len(others)} other readings fits better."


def report(layout: Layout, table: pa.Table, found: Findings, fits: list[Fit] | None = None) -> str:
    """What is there, what is missing, and, with `fits` from `compare`, whether labels and joints agree."""
    rights = int(column(table, "is_right").sum())
    lines = [
        f"{layout.name}: {len(table)} hands ({rights} right, {len(table) - rights} left) of "
        f"{len(np.unique(column(table, 'subject')))} people, {len(np.unique(column(table, 'sequence')))} sequences, "
        f"{len(np.unique(column(table, 'camera')))} cameras",
        f"true shape: {layout.conventions.true_shape or 'none, since people are not named'}",
    ]
    for name in [name for name in layout.splits if name not in WITHOUT]:
        parts = layout.split(table, name)
        counts = ", ".join(f"{part} {int((parts == part).sum())}" for part in ("train", "val", "test"))
        lines.append(f"split {name}: {counts}")
    lines += ["left out or odd:", str(found)] if found.counts else ["nothing left out, nothing odd"]
    if fits is not None:
        lines.append(f"{'reading':<50} {'px':>8} {'joints mm':>10} {'tips mm':>8}")
        lines += [f"{f.meaning:<50} {f.pixels:8.2f} {f.joints_mm:10.2f} {f.tips_mm:8.2f}" for f in fits]
        lines.append(verdict(fits))
    return "\n".join(lines)


def write_samples(pictures: RealPictures, path: Path, *, count: int = 24, seed: int = 0) -> None:
    """A sheet of crops with MANO's joints drawn over them; left hands are mirrored, as everywhere.

    Args:
        pictures: Where from.
        path: JPEG or PNG, written beside and renamed.
        count: How many.
        seed: Which.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:count]).tolist()
    sample = pictures.load(rows)
    drawn = [draw_keypoints(sample.image[i], sample.keypoints[i]) for i in range(len(rows))]
    names = [
        f"{pictures.table.column('image')[row].as_py()[-36:]}, {'right' if right else 'left'}"
        for row, right in zip(rows, sample.is_right.tolist(), strict=True)  # pyright: ignore
    ]
    beside = path.with_name(f"{path.stem}.part{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    to_pillow(contact_sheet(drawn, columns=6, captions=names)).save(beside)
    beside.replace(path)


def _meanings(said: Conventions) -> list[tuple[str, Conventions]]:
    meanings = [("as this reader says", said)]
    centres = "at .5" if said.integer_centres else "at whole numbers"
    meanings.append(
        (f"intrinsics with pixel centres {centres}", replace(said, integer_centres=not said.integer_centres))
    )
    mean = "mean pose" if said.flat_hand_mean else "flat hand"
    meanings.append((f"poses relative to the {mean}", replace(said, flat_hand_mean=not said.flat_hand_mean)))
    pca = None if said.pca else 45
    meanings.append((f"poses as {'axis-angles' if pca is None else 'PCA coefficients'}", replace(said, pca=pca)))
    for name, right, left in (
        ("DexYCB", DEXYCB_TIPS, DEXYCB_LEFT_TIPS),
        ("DexYCB (right on both sides)", DEXYCB_TIPS, DEXYCB_TIPS),
        ("HUMBI", HUMBI_TIPS, HUMBI_TIPS),
        ("smplx", SMPLX_TIPS, SMPLX_TIPS),
    ):
        if (right, left) != (said.right_tips, said.left_tips):
            meanings.append((f"fingertips of {name}", replace(said, right_tips=right, left_tips=left)))
    return meanings


def _fit(meaning: str, pictures: RealPictures) -> Fit:
    known = pictures.known(range(len(pictures)))
    keypoints, joints = pictures.labels(range(len(pictures)))
    apart = 1000 * (known.joints - joints).norm(dim=-1)
    return Fit(
        meaning=meaning,
        pixels=_mean((known.keypoints - keypoints).norm(dim=-1)),
        joints_mm=_mean(apart[:, list(ROTATING_21)]),
        tips_mm=_mean(apart[:, list(TIPS_21)]),
    )


def _mean(distances: Float[Tensor, "pictures joints"]) -> float:
    return float(torch.nanmean(distances))


def _badness(fit: Fit) -> float:
    """In pixels where there are 2D labels; millimetres decide where there are none."""
    return float(np.nansum([fit.pixels, fit.joints_mm, fit.tips_mm]))


def _words(fit: Fit) -> str:
    parts = [(fit.pixels, "px"), (np.mean([fit.joints_mm, fit.tips_mm]), "mm")]
    return ", ".join(f"{value:.2f} {unit}" for value, unit in parts if not np.isnan(value))
