"""Readers of published data sets, one file each: what is on disk, what it means, and how it is split (docs/data.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ownhand.data.readers.base import Conventions, Layout, RealPictures
from ownhand.data.readers.dexycb import DEXYCB
from ownhand.data.readers.freihand import FREIHAND
from ownhand.data.readers.ho3d import HO3D
from ownhand.data.readers.humbi import HUMBI
from ownhand.data.readers.index import Findings, build_index, index_folder
from ownhand.data.readers.interhand import INTERHAND
from ownhand.hand.model import HandModel

LAYOUTS = {layout.name: layout for layout in (DEXYCB, HUMBI, FREIHAND, HO3D, INTERHAND)}

__all__ = [
    "LAYOUTS",
    "Conventions",
    "Findings",
    "Layout",
    "RealPictures",
    "from_words",
    "index",
    "is_words",
    "open_pictures",
    "recognise",
]


def open_pictures(
    name: str,
    root: str | Path,
    hand: HandModel,
    left: HandModel | None = None,
    *,
    cache: Path | None = None,
    size: int = 256,
    scale: float = 2.0,
    progress: Callable[[int, int], None] | None = None,
) -> RealPictures:
    """All labelled hands of a data set; what is there is indexed the first time.

    Args:
        name: One of `LAYOUTS`.
        root: The data set's folder, as published.
        hand: MANO's right hand, from `load_mano`.
        left: MANO's left hand; None takes the right one for both.
        cache: Folder for the index; None: beside the data if that can be written, else the user's cache.
        size: Side of the crops [px].
        scale: Side of the crops relative to the larger side of the joints' box; the paper's is 2.
        progress: Called with (parts, all parts) while indexing.

    Raises:
        ValueError: An unknown name, a folder that is not this data set, or no labelled hand in it.
    """
    layout, table, found = index(name, root, cache=cache, progress=progress)
    return RealPictures(layout, Path(root), table, hand, left, findings=found, size=size, scale=scale)


def is_words(source: str | Path) -> bool:
    """Whether something names a data set, as `from_words` reads it, and is no folder."""
    name, colon, _ = str(source).partition(":")
    return bool(colon) and name in LAYOUTS


def from_words(words: str, hand: HandModel, left: HandModel | None = None, **options: Any) -> RealPictures:
    """Pictures named on a command line: `dexycb:ROOT,split=s1,part=test,hands=right,filter=whole`.

    Args:
        words: Name and folder of a data set; then, each optional, its split and part (`train`, `val`, `test`; all
            when not given), `hands` (`both`, `right`) and `filter` (`none`, `whole`: none with a joint outside the
            picture).
        hand: As `open_pictures` takes it; likewise the others.

    Raises:
        ValueError: The words are none of these, or as `open_pictures`.
    """
    name, _, rest = words.partition(":")
    root, *pairs = rest.split(",")
    given = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
    allowed = {"split": None, "part": ("train", "val", "test"), "hands": ("both", "right"), "filter": ("none", "whole")}
    for key, value in given.items():
        if key not in allowed or ((values := allowed[key]) is not None and value not in values):
            raise ValueError(
                f"{words}: expected NAME:ROOT and, after commas, split=..., part=train, val or test, hands=both or "
                f"right, filter=none or whole; got {key}={value}"
            )
    pictures = open_pictures(name, root, hand, left, **options)
    if given.get("hands") == "right":
        pictures = pictures.right_hands()
    if given.get("filter") == "whole":
        pictures = pictures.whole_hands()
    if "part" in given:
        pictures = pictures.part(given.get("split", pictures.layout.splits[0]), given["part"])
    return pictures


def index(
    name: str, root: str | Path, *, cache: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Layout, pa.Table, Findings]:
    """What `open_pictures` is made from, for which no hand model is needed: layout, rows, and what was left out."""
    if name not in LAYOUTS:
        raise ValueError(f"expected a data set of {', '.join(LAYOUTS)}, got {name!r}")
    layout, root = LAYOUTS[name], Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of {name}, found none")
    folder = index_folder(root, name, cache)
    return layout, *build_index(root, folder, layout.parts(root), layout.scan, layout.sources, progress)


def recognise(root: Path) -> str:
    """The name of the data set in a folder.

    Raises:
        ValueError: It is none that can be read; says what each would need.
    """
    reasons = []
    for name, layout in LAYOUTS.items():
        try:
            layout.parts(root)
            return name
        except ValueError as error:
            reasons.append(str(error).removeprefix(f"{root}: "))
    raise ValueError(f"{root}: none of the data sets {', '.join(LAYOUTS)}: " + "; ".join(reasons))
