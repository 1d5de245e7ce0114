"""Training that ends with a pipeline: the stages of a recipe, then what validation people decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ownhand.data.augment import Augmentation
from ownhand.data.dataset import FrameDataset
from ownhand.estimators import build
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandModel
from ownhand.locate import FALSE_ALARMS, keep_threshold
from ownhand.locate import FILE as DETECTOR
from ownhand.observations import LabelledPictures, observe
from ownhand.pipeline import NETWORKS, load_networks
from ownhand.settings import Settings
from ownhand.train import Source, run
from ownhand.tune import tune, untuned

Report = Callable[[str], Callable[[int, int], None]]
"""Name of a task -> what is to be called with how many of how many are done."""


def train_pipeline(
    recipe: str,
    data: Sequence[Source],
    val: LabelledPictures,
    out: Path,
    *,
    hand: HandModel | None = None,
    stages: Sequence[str] | None = None,
    report: Report,
    made_by: Mapping[str, Any],
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Train, and once the networks of a pipeline are there, choose on validation people what they decide.

    Args:
        recipe: Name of the recipe.
        data: As `train.run` takes it.
        val: Pictures of other people.
        out: Folder for everything; afterwards `pipeline.load` reads it.
        hand: The hand model; the open hand when None.
        stages: Names of those to train; all when None.
        report: For progress.
        made_by: Command, commit, machine.
        options: Of `train.run`.

    Returns:
        What `train.run` says of each stage.
    """
    hand = open_hand() if hand is None else hand
    results = run(recipe, data=data, val=[val], out=out, hand=hand, stages=stages or None, made_by=made_by, **options)
    if all(result["finished"] for result in results.values()) and has_networks(out):
        view = trained_view(out / "identity")
        settings = Settings(size=view.size or 128, crop_scale=(view.box or (2.0,))[0], upright=view.upright > 0)
        pipeline = untuned(hand, settings, **load_networks(out, hand))
        seen = observe(pipeline, val, rows=val.singles, progress=report("validation pictures"))
        made_by = {"recipe": recipe, **{k: options[k] for k in ("length", "seed") if k in options}, **made_by}
        tune(pipeline, seen, out, made_by=made_by)
    return results


def train_detector(
    data: Sequence[Path],
    val: Sequence[Path],
    out: Path,
    *,
    stages: Sequence[str] | None = None,
    report: Report,
    made_by: Mapping[str, Any],
    **options: Any,
) -> dict[str, dict[str, Any]]:
    """Train what finds hands, and choose the lowest score at which something is one.

    Args:
        data: Folders of whole frames.
        val: The same of other people.
        out: Folder for the weights.
        stages: As for `train_pipeline`.
        report: For progress.
        made_by: Command, commit, machine.
        options: Of `train.run`.

    Returns:
        What `train.run` says, with what was `found` on the frames of other people.
    """
    results = run("detector", data=data, val=val, out=out, stages=stages or None, made_by=made_by, **options)
    if all(result["finished"] for result in results.values()):
        judged = keep_threshold(out, FrameDataset(*val), report("validation frames"))
        score = judged.threshold(FALSE_ALARMS)
        found = {"recall": judged.recall(score), "angle_deg": judged.angle_deg(score), "min_score": score}
        results[DETECTOR]["best"]["metrics"] |= found
    return results


def has_networks(folder: Path) -> bool:
    """Whether the networks of a pipeline are there."""
    return all((folder / f"{stage}.safetensors").exists() for stage in NETWORKS.values())


def trained_view(weights: Path) -> Augmentation:
    """How pictures must be cropped for a network that training wrote."""
    stored = build.describe(weights)["extra"]["stage"]["augmentation"]
    values: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in stored.items()}
    return Augmentation(**values).middle
