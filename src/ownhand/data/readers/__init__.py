"""Readers of published data sets, one file each: what is on disk, what it means, and how it is split (docs/data.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ownhand.data.readers.base import Conventions, Layout, RealPictures
from ownhand.data.readers.dexycb import DEXYCB
from ownhand.data.readers.humbi import HUMBI
from ownhand.data.readers.index import Findings, build_index, index_folder
from ownhand.hand.model import HandModel

LAYOUTS = {layout.name: layout for layout in (DEXYCB, HUMBI)}

__all__ = ["LAYOUTS", "Conventions", "Findings", "Layout", "RealPictures", "open_pictures"]


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
    if name not in LAYOUTS:
        raise ValueError(f"expected a data set of {', '.join(LAYOUTS)}, got {name!r}")
    layout, root = LAYOUTS[name], Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: expected the folder of {name}, found none")
    folder = index_folder(root, name, cache)
    table, found = build_index(root, folder, layout.parts(root), layout.scan, layout.sources, progress)
    return RealPictures(layout, root, table, hand, left, findings=found, size=size, scale=scale)
