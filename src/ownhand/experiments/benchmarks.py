"""What the experiments run on: OwnHand-ID, or a data set of real hands in the paper's setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ownhand.data.dataset import ShardDataset
from ownhand.data.readers import LAYOUTS, open_pictures
from ownhand.hand.builtin import open_hand
from ownhand.hand.mano import load_mano
from ownhand.hand.model import HandModel
from ownhand.observations import LabelledPictures
from ownhand.synth import ownhand_id
from ownhand.synth.plan import people_facts

Dataset = Literal["synth", "dexycb", "humbi"]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """People to train on, to choose on, and to test on.

    Attributes:
        name: Which of Dataset.
        hand: Hand model of the labels.
        part: `train`, `val` or `test` -> its pictures.
        true_shape: What counts as a person's true shape, in words.
        people: What is known of the test people, by number, once they are there.
    """

    name: Dataset
    hand: HandModel
    part: Callable[[str], LabelledPictures]
    true_shape: str
    people: Callable[[], Mapping[int, Mapping[str, str]]] = dict


def open_benchmark(
    name: Dataset,
    root: Path,
    *,
    split: str | None = None,
    mano: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Benchmark:
    """A benchmark in a folder; what of OwnHand-ID is not there is generated when it is asked for.

    Real hands as in Kong et al. (2022): right ones, none with a joint outside the picture, by default people never seen
    in training (DexYCB's setup s1, HUMBI's people 90 to 10).

    Args:
        name: Which.
        root: Its folder.
        split: Which people, cameras, ... are for what; the data set's first split when None. OwnHand-ID has but one.
        mano: Folder with MANO_RIGHT.pkl; needed for real hands.
        cache: Folder for the index of real pictures; beside them when None.
        progress: Called with (parts, all parts) while indexing.

    Raises:
        ValueError: A folder that is not the data set, no hand model for it, or no such split.
    """
    if name == "synth":
        if split is not None:
            raise ValueError(f"expected no split of synth, whose people are apart, got {split!r}")

        def synthetic(part: str) -> LabelledPictures:
            print(ownhand_id.make(root / part, part))
            return ShardDataset(root / part, fields=())

        return Benchmark(
            name=name,
            hand=open_hand(),
            part=synthetic,
            true_shape="the shape that the person was drawn with",
            people=lambda: dict(enumerate(people_facts(root / "test"))),
        )
    if mano is None:
        raise ValueError(f"{name} needs the hand model of its labels: pass the folder with MANO_RIGHT.pkl (--mano)")
    hand = load_mano(mano / "MANO_RIGHT.pkl")
    pictures = open_pictures(name, root, hand, cache=cache, progress=progress).right_hands().whole_hands()
    layout = LAYOUTS[name]
    split = layout.splits[0] if split is None else split
    if split not in layout.splits:
        raise ValueError(f"expected a split of {name} ({', '.join(layout.splits)}), got {split!r}")
    return Benchmark(
        name=name,
        hand=hand,
        part=lambda part: pictures.part(split, part),
        true_shape=layout.conventions.true_shape or "",
    )
