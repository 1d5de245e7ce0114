"""The systems that the paper compares with, on the same pictures, crops, hand model and errors as our own rows."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ownhand.data.batches import in_order
from ownhand.estimators.base import Estimator
from ownhand.estimators.build import WeightsError, describe, load
from ownhand.experiments.paper import TABLE_2
from ownhand.experiments.rows import as_table, mesh_errors
from ownhand.experiments.training import trained_view
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel
from ownhand.observations import LabelledPictures
from ownhand.structs import stack

WITH_IDENTITY = " + the calibrated hand"
"""What the names of systems end with that are given a person's shape, which nobody published."""

OURS = "ours, calibrated"
"""What our own row is called."""

SYSTEMS = (
    *(name for name in TABLE_2 if name != OURS),
    *(name + WITH_IDENTITY for name in ("CMR-PG", "METRO")),
)


def file_name(system: str) -> str:
    """What a system's weights are called: `metro.safetensors`."""
    return re.sub(r"[^a-z0-9]+", "_", system.lower()).strip("_")


def trained_systems(folder: Path) -> dict[str, Path]:
    """Those of SYSTEMS whose weights are in a folder."""
    paths = {name: folder / f"{file_name(name)}.safetensors" for name in SYSTEMS}
    return {name: path for name, path in paths.items() if path.exists()}


def takes_identity(weights: Path) -> bool:
    """Whether a system is given the person's shape."""
    return bool(describe(weights)["config"].get("identity"))


def load_system(weights: Path, hand: HandModel) -> Estimator:
    """Raises WeightsError if the weights cannot be used, or are of no estimator."""
    estimator = load(weights, hand)
    if not isinstance(estimator, Estimator):
        raise WeightsError(f"expected weights of an estimator in {weights}, got a {type(estimator).__name__}")
    return estimator


@torch.no_grad()
def system_records(
    name: str,
    weights: Path,
    pictures: LabelledPictures,
    hand: HandModel,
    *,
    rows: Sequence[int],
    shapes: Mapping[int, Float[Tensor, "n"]] | None = None,
    batch: int = 64,
) -> pa.Table:
    """Errors of a system in pictures, cropped around the labelled joints as it was in training.

    Args:
        name: One of SYSTEMS.
        weights: Its weights, as training writes them.
        pictures: Labelled pictures.
        hand: Hand model of the labels.
        rows: Which pictures.
        shapes: Shape of each person, for systems that are given it.
        batch: Pictures at once.

    Returns:
        Records per picture; MPVPE is NaN for a system without mesh.

    Raises:
        WeightsError: The weights cannot be used.
        ValueError: The system says no joints, or the pictures do not say pose, shape and person.
    """
    estimator = load_system(weights, hand)
    view = trained_view(weights)
    parts = []
    for sample in in_order(pictures.only(()), batch=batch, view=view, rows=rows):
        if sample.pose is None or sample.shape is None or sample.subject is None:
            raise ValueError("expected pictures with known pose, shape and person")
        subject = sample.subject.tolist()
        given = None if shapes is None else torch.stack([shapes[s] for s in subject]).to(sample.shape)
        found = estimator(sample.image, sample.camera, given)
        if found.joints is None:
            raise ValueError(f"{name} says no joints, so it cannot be compared")
        true = hand.shaped(sample.shape).posed(sample.pose)
        if found.pose is None and found.verts is not None:  # joints of a mesh are compared with joints of a mesh
            true = replace(true, joints=hand.joints_of_mesh(true.verts))
        errors = mesh_errors(found.joints, true.joints, found.verts, true.verts, f_scores=False)
        kept = {key: errors[key] for key in ("mpjpe_mm", "mpvpe_mm", "pa_mpjpe_mm", "auc")}
        parts.append(as_table(kept, {"system": name}, subject=subject))
    return pa.concat_tables(parts)


@torch.no_grad()
def cost_records(
    systems: Mapping[str, Sequence[tuple[Estimator, int]]], hand: HandModel, *, batch: int = 16, turns: int = 7
) -> pa.Table:
    """What systems cost: parameters, multiply-adds per picture, and pictures per second on this machine.

    Args:
        systems: The networks that each runs on a picture, and the side of the crops that they see [px].
        hand: The hand model.
        batch: Pictures at once.
        turns: How often each is timed; the median counts. They take turns, so that whatever else the machine does
            falls on all alike.

    Returns:
        One record per system.
    """
    shape = hand.template.new_zeros(batch, hand.shape_basis.shape[-1])
    inputs = {
        size: (torch.rand(batch, 3, size, size), stack([Camera.from_fov(30.0, (size, size))] * batch))
        for size in {size for networks in systems.values() for _, size in networks}
    }

    def run(networks: Sequence[tuple[Estimator, int]]) -> None:
        for network, size in networks:
            network(*inputs[size], shape)

    costs: dict[str, tuple[int, float]] = {}
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for name, networks in systems.items():
        counter = FlopCounterMode(display=False)
        with counter:
            run(networks)
        own = [x.numel() for network, _ in networks for n, x in network.named_parameters() if "auxiliary." not in n]
        costs[name] = sum(own), counter.get_total_flops() / 2 / batch
    for _ in range(turns):
        for name, networks in systems.items():
            start = time.perf_counter()
            run(networks)
            seconds[name].append(time.perf_counter() - start)
    return pa.table(
        {
            "system": list(systems),
            "parameters": [costs[name][0] for name in systems],
            "multiply_adds": [costs[name][1] for name in systems],
            "pictures_per_s": [batch / median(seconds[name]) for name in systems],
        }
    )
