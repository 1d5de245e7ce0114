"""The systems that the paper compares with, on the same pictures, crops, hand model and errors as our own rows."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import torch

from ownhand.data.batches import in_order
from ownhand.estimators.base import Estimator
from ownhand.estimators.build import load
from ownhand.experiments.paper import TABLE_2
from ownhand.experiments.rows import as_table, mesh_errors
from ownhand.experiments.training import trained_view
from ownhand.hand.model import HandModel
from ownhand.observations import LabelledPictures

SYSTEMS = tuple(name for name in TABLE_2 if not name.startswith("ours"))


def file_name(system: str) -> str:
    """What a system's weights are called: `metro.safetensors`."""
    return re.sub(r"[^a-z0-9]+", "_", system.lower()).strip("_")


def trained_systems(folder: Path) -> dict[str, Path]:
    """Those of SYSTEMS whose weights are in a folder."""
    paths = {name: folder / f"{file_name(name)}.safetensors" for name in SYSTEMS}
    return {name: path for name, path in paths.items() if path.exists()}


@torch.no_grad()
def system_records(
    name: str, weights: Path, pictures: LabelledPictures, hand: HandModel, *, batch: int = 64
) -> pa.Table:
    """Errors of a system in pictures, cropped around the labelled joints as it was in training.

    Args:
        name: One of SYSTEMS.
        weights: Its weights, as training writes them.
        pictures: Labelled pictures.
        hand: Hand model of the labels.
        batch: Pictures at once.

    Returns:
        Records per picture; MPVPE is NaN for a system without mesh.

    Raises:
        WeightsError: The weights cannot be used.
        ValueError: The system says no joints, or the pictures do not say pose, shape and person.
    """
    estimator: Estimator = load(weights, hand)
    view = trained_view(weights)
    parts = []
    for sample in in_order(pictures.only(()), batch=batch, view=view):
        if sample.pose is None or sample.shape is None or sample.subject is None:
            raise ValueError("expected pictures with known pose, shape and person")
        found = estimator(sample.image, sample.camera, sample.shape)
        if found.joints is None:
            raise ValueError(f"{name} says no joints, so it cannot be compared")
        true = hand.shaped(sample.shape).posed(sample.pose)
        errors = mesh_errors(found.joints, true.joints, found.verts, true.verts, f_scores=False)
        kept = {key: errors[key] for key in ("mpjpe_mm", "mpvpe_mm", "pa_mpjpe_mm", "auc")}
        parts.append(as_table(kept, {"system": name}, subject=sample.subject.tolist()))
    return pa.concat_tables(parts)
