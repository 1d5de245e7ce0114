"""What the commands do that make pictures, train and measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ownhand.console import check_writable, progress, provenance
from ownhand.data.dataset import ShardDataset
from ownhand.data.readers import RealPictures, from_words, is_words
from ownhand.data.readers.dexycb import WITHOUT
from ownhand.experiments.benchmarks import open_benchmark
from ownhand.experiments.measure import Plan, measure
from ownhand.experiments.table import Table
from ownhand.experiments.tables import PEOPLE
from ownhand.experiments.training import has_networks, train_detector, train_pipeline
from ownhand.files import write_text
from ownhand.hand.builtin import open_hand
from ownhand.hand.mano import load_mano
from ownhand.hand.model import HandModel
from ownhand.observations import LabelledPictures
from ownhand.pipeline import load, shipped_weights
from ownhand.recipes import DETECTOR
from ownhand.settings import FILE

EACH_PERSON = "each-person"
"""The split of DexYCB in which each person is left out once."""


def train_and_tune(
    recipe: str,
    data: Sequence[Path],
    val: Sequence[Path],
    out: Path,
    *,
    start: Path | None,
    mano: Path | None,
    **options: Any,
) -> None:
    """`ownhand train`: the stages, and once the networks of a pipeline are there, what validation people decide."""
    check_writable(out)
    hands = _hands(mano)
    start = shipped_weights() if start == Path("shipped") else start
    with progress() as report:
        options |= {"hand": hands[0], "start": start, "report": report, "made_by": provenance()}
        if recipe == DETECTOR.name:
            results = train_detector(data, val, out, **options)
        else:
            pictures = [source for source in data if not is_words(source)] + _real(data, hands)
            results = train_pipeline(recipe, pictures, _labelled(val, hands), out, **options)
    for name, result in results.items():
        best = result["best"] and ", ".join(f"{key} {value:.3f}" for key, value in result["best"]["metrics"].items())
        print(f"{name}: step {result['step']} of {result['steps']}" + (f", {best}" if best else ""))
    if all(result["finished"] for result in results.values()) and has_networks(out):
        print(f"{out}: ready for --weights")


def evaluate_people(data: Sequence[Path], out: Path, *, pictures: int, weights: Path | None, mano: Path | None) -> None:
    """`ownhand evaluate`: records and tables."""
    check_writable(out)
    hands = _hands(mano)
    pipeline, people = load(weights, hands[0], runtime="torch"), _labelled(data, hands)
    names = {str(source).split(":")[0] for source in data if is_words(source)}
    plan = Plan(
        dataset=names.pop() if len(names) == 1 else "synth",
        true_shape="as the data set gives it",
        calibration=pictures,
        counts=(),
        people=_known_people(data),
    )
    with progress() as report:
        text = measure(pipeline, weights or shipped_weights(), people, plan, out, made_by=provenance(), report=report)
    print(text)


def reproduce_paper(dataset: Any, root: Path, out: Path, *, split: str | None, **options: Any) -> None:
    """`ownhand reproduce`: what is missing is made or trained, then everything is measured."""
    check_writable(out)
    if split != EACH_PERSON:
        print(_reproduce(dataset, root, out, split=split, **options))
        return
    if dataset != "dexycb":
        raise ValueError(f"expected dexycb for the split {EACH_PERSON}, got {dataset}")
    people = []
    for name in WITHOUT:
        _reproduce(dataset, root, out / name, split=name, **options)
        people.append(Table.read(out / name / "tables" / PEOPLE))
    together = replace(people[0], title="Each person left out", rows=[row for table in people for row in table.rows])
    together.write(out / "tables")
    write_text(out / "results.md", together.markdown())
    print(together.markdown())


def _reproduce(
    dataset: Any,
    root: Path,
    out: Path,
    *,
    protocols: Sequence[Any],
    split: str | None,
    scale: str,
    weights: Path | None,
    systems: Path | None,
    pictures: int,
    mano: Path | None,
    cache: Path | None,
) -> str:
    with progress() as report:
        index = report("index") if mano else None
        benchmark = open_benchmark(dataset, root, split=split, mano=mano, cache=cache, progress=index)
        if weights is None:
            weights = out / "weights"
            if not (weights / FILE).exists():
                results = train_pipeline(
                    scale, [benchmark.part("train")], benchmark.part("val"), weights, hand=benchmark.hand,
                    report=report, made_by=provenance(),
                )  # fmt: skip
                if not all(result["finished"] for result in results.values()):
                    raise KeyboardInterrupt
        weights = shipped_weights() if weights == Path("shipped") else weights
        pipeline, test = load(weights, benchmark.hand, runtime="torch"), benchmark.part("test")
        plan = Plan(
            dataset=dataset,
            true_shape=benchmark.true_shape,
            protocols=protocols,
            calibration=pictures,
            people=benchmark.people(),
            systems=systems or out / "systems",
        )
        return measure(pipeline, weights, test, plan, out, made_by=provenance(), report=report)


def check_data(root: Path, out: Path, *, dataset: str | None, mano: Path | None, cache: Path | None) -> None:
    """`ownhand data check`: what is in a data set's folder, and whether its labels are understood."""
    from ownhand.data.readers import index, recognise
    from ownhand.data.readers.check import compare, report, write_samples

    check_writable(out.parent)
    with progress() as shown:
        layout, table, found = index(dataset or recognise(root), root, cache=cache, progress=shown("parts"))
    if mano is None:
        print(report(layout, table, found))
        print("Pass --mano FOLDER (MANO_RIGHT.pkl, MANO_LEFT.pkl) to see whether joints land on their labels.")
        return
    pictures = RealPictures(layout, root, table, *_hands(mano))
    print(report(layout, table, found, compare(pictures)))
    write_samples(pictures, out)
    print(f"{out}: look whether the joints are on the hands")


def make_benchmark(out: Path, parts: Sequence[str], *, size: int, workers: int, ray: str | None) -> None:
    """`ownhand benchmark`: the pictures, and what the manifest says of them."""
    from ownhand.synth import ownhand_id

    check_writable(out)
    for part in parts:
        print(ownhand_id.make(out / part, part, size=size, workers=workers, ray=ray))


def _hands(mano: Path | None) -> tuple[HandModel, HandModel | None]:
    """The hand models of right and left labels: MANO's from its folder, else the open hand for both."""
    if mano is None:
        return open_hand(), None
    left = mano / "MANO_LEFT.pkl"
    return load_mano(mano / "MANO_RIGHT.pkl"), load_mano(left) if left.exists() else None


def _real(sources: Sequence[Path], hands: tuple[HandModel, HandModel | None]) -> list[RealPictures]:
    """The data sets of real hands among the words of a command."""
    words = [str(source) for source in sources if is_words(source)]
    if words and hands[0].id == open_hand().id:
        raise ValueError(f"{words[0]} needs the hand model of its labels: pass the folder with MANO_RIGHT.pkl (--mano)")
    return [from_words(word, *hands) for word in words]


def _labelled(sources: Sequence[Path], hands: tuple[HandModel, HandModel | None]) -> LabelledPictures:
    """Folders of shards, or one data set of real hands, to choose or to measure on."""
    real = _real(sources, hands)
    if real and len(sources) > 1:
        raise ValueError("expected folders of shards or one data set of real hands, got both or several")
    return real[0] if real else ShardDataset(*sources, fields=())


def _known_people(folders: Sequence[Path]) -> dict[int, dict[str, str]]:
    """What is known of synthetic people: numbered as `ShardDataset` numbers those of several folders."""
    from ownhand.synth.plan import people_facts

    found: dict[int, dict[str, str]] = {}
    for folder in folders if not any(is_words(folder) for folder in folders) else ():
        first = 1 + max(found, default=-1)
        found |= {first + number: facts for number, facts in enumerate(people_facts(folder))}
    return found
