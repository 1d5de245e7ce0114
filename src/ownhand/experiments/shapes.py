"""Errors of calibrated shapes, per person: every way to combine pictures, any number of them, from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import Calibration, standardised
from ownhand.estimators.confidence import TARGETS
from ownhand.experiments.parting import SOURCES, Protocol, Source, parted, pool
from ownhand.experiments.rows import as_table, calibrations, rescaled, tape_mm
from ownhand.hand.measure import length_mm
from ownhand.hand.model import HandModel
from ownhand.observations import Observations
from ownhand.pipeline import Pipeline
from ownhand.structs import given

METHODS = ("paper", "squared", "robust", "mean", "median", "top-k", "bayes", "joint", "fit")
"""Ways to combine pictures; `bayes` and `joint` only where validation people were enough for their error models."""

COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 50, 100)
"""Numbers of calibration pictures of the curves."""


PLACES_UNKNOWN = "places unknown"
"""The default method on pictures of several cameras at once, as if they had nothing to do with each other."""


def shape_errors(
    model: HandModel, shape: Float[Tensor, "*batch n"], truth: Float[Tensor, "*batch n"]
) -> dict[str, Tensor]:
    """Errors of rest hands, by the names of the records' columns."""
    return {
        "mse_mano": metrics.mse_mano(shape, truth),
        "width_mm": metrics.width_error_mm(shape, truth, model),
        "length_mm": metrics.length_error_mm(shape, truth, model),
        "size_free_mm": metrics.size_free_error_mm(shape, truth, model),
        "rest_mm": metrics.rest_error_mm(shape, truth, model),
    }


def methods_of(pipeline: Pipeline) -> list[str]:
    """Those of METHODS that the pipeline has what they need for."""
    return [m for m in METHODS if m not in ("bayes", "joint") or m in pipeline.settings.error_models]


def person_shapes(
    pipeline: Pipeline, person: Observations, subject: int, *, pictures: int = 20, protocol: Protocol = "honest"
) -> pa.Table:
    """Errors of one person's shape for every way to combine pictures, and of hands that need none.

    Args:
        pipeline: Networks and settings.
        person: What the networks say of all pictures of the person.
        subject: Number of the person.
        pictures: How many of the pictures are for calibration.
        protocol: How they are chosen.

    Returns:
        Records per (method, anchored).

    Raises:
        ValueError: The person has too few pictures.
    """
    chosen = person[parted(person, pictures, protocol, subject)[0]]
    truth, seen = chosen.shape[:1], chosen.seen
    keypoints = pipeline.keypoint_likelihood(seen)
    found = calibrations(pipeline, chosen, subject, keypoints=keypoints)
    order = np.random.default_rng([7, subject]).permutation(pictures)
    shuffled = replace(seen, confidence=seen.confidence[torch.from_numpy(order)])
    equal = replace(seen, confidence=torch.zeros_like(seen.confidence))
    taught_by_shape = replace(seen, confidence=seen.scores[:, TARGETS.index("shape")])
    shapes = {
        "mean hand": torch.zeros_like(truth[0]),
        "default": found[False].identity.shape,
        "paper, equal weights": pipeline.combine(equal, method="paper").identity.shape,
        "paper, shuffled confidence": pipeline.combine(shuffled, method="paper").identity.shape,
        "paper, confidence taught by shape": pipeline.combine(taught_by_shape, method="paper").identity.shape,
        "mean, equal weights": pipeline.combine(equal, method="mean").identity.shape,
        **{m: pipeline.combine(seen, method=m, keypoints=keypoints).identity.shape for m in methods_of(pipeline)},
    }
    records = []
    for anchored in (False, True):
        if anchored:
            tape = tape_mm(pipeline.hand, truth[0], subject)
            shapes = {
                name: rescaled(pipeline.hand, shape.to(truth), tape / length_mm(pipeline.hand, shape.to(truth)))
                for name, shape in shapes.items()
            }
            shapes["default"] = found[True].identity.shape
        for method, shape in shapes.items():
            errors = shape_errors(pipeline.hand, shape[None].to(truth), truth)
            records.append(as_table(errors, {"method": method, "anchored": anchored, "subject": subject}))
    single = shape_errors(pipeline.hand, seen.shape, truth.expand_as(seen.shape))
    mean = {name: values.mean(0, keepdim=True) for name, values in single.items()}
    records.append(as_table(mean, {"method": "one picture", "anchored": False, "subject": subject}))
    return pa.concat_tables(records)


def person_curves(
    pipeline: Pipeline,
    person: Observations,
    subject: int,
    *,
    counts: Sequence[int] = COUNTS,
    draws: int = 4,
    seed: int = 0,
) -> pa.Table:
    """Errors of one person's shape from few and from many pictures, drawn several times from anywhere or elsewhere.

    From anywhere every method is tried, else the default one. Where cameras stood that saw the hand at once is known;
    the default is then also tried as if it were not, and `fit`.

    Args:
        pipeline: Networks and settings.
        person: What the networks say of all pictures of the person.
        subject: Number of the person.
        counts: Numbers of pictures; those above what there is are left out.
        draws: Random sets of each number; one where all pictures are taken.
        seed: Of the draws.

    Returns:
        Records per (source, method, anchored, pictures, draw). `squared` is the squared error in units of its error
        bar, summed over the coefficients (chi squared if the error bar is right); NaN without error bar.
    """
    keypoints = pipeline.keypoint_likelihood(person.seen)
    records = []
    for source, count, draw, rows in _draws(person, subject, counts, draws, seed):
        some, said = person[rows], keypoints[rows]
        several, unknown = source == SOURCES[3], some
        if several:
            some = replace(some, seen=replace(some.seen, placement=given(some.taken, "places of cameras").placement))
        default = calibrations(pipeline, some, subject, keypoints=said)
        found = {("default", anchored): calibration for anchored, calibration in default.items()}
        if source == SOURCES[0]:
            for method in methods_of(pipeline):
                found[method, False] = pipeline.combine(some.seen, method=method, keypoints=said)
        if several:
            found[PLACES_UNKNOWN, False] = pipeline.combine(unknown.seen, keypoints=said)
            found["fit", False] = pipeline.combine(some.seen, method="fit")
        for (method, anchored), calibration in found.items():
            shape = calibration.identity.shape[None].to(person.shape)
            errors = shape_errors(pipeline.hand, shape, person.shape[:1])
            errors["squared"] = _squared_error(calibration, person.shape[:1])
            labels = {"source": source, "method": method, "anchored": anchored, "pictures": count, "draw": draw}
            records.append(as_table(errors, {**labels, "subject": subject}))
    return pa.concat_tables(records)


def picture_shapes(pipeline: Pipeline, seen: Observations) -> pa.Table:
    """What the baseline's shape of each picture is worth, and how good the network thinks it is.

    Returns:
        Per picture the confidence by each target that it was taught, and the errors that they stand for.
    """
    columns = {f"confidence_{target}": seen.seen.scores[:, i] for i, target in enumerate(TARGETS)}
    columns["error_shape"] = metrics.shape_error(seen.seen.shape, seen.shape)
    columns["error_size_free"] = metrics.size_free_error_mm(seen.seen.shape, seen.shape, pipeline.hand)
    return as_table(columns, {}, subject=seen.subject.tolist())


def _draws(
    person: Observations, subject: int, counts: Sequence[int], draws: int, seed: int
) -> Iterator[tuple[Source, int, int, Tensor]]:
    for number, source in enumerate(SOURCES):
        there = pool(person, source)
        for count in sorted({min(count, len(there)) for count in counts} if len(there) else ()):
            for draw in range(draws if count < len(there) else 1):
                random = np.random.default_rng([13, seed, subject, number, count, draw])
                yield source, count, draw, there[torch.from_numpy(random.permutation(len(there))[:count])]


def _squared_error(calibration: Calibration, truth: Float[Tensor, "1 n"]) -> Float[Tensor, "1"]:
    identity = calibration.identity
    if identity.covariance is None:
        return torch.full((1,), torch.nan)
    return standardised(identity.shape[None] - truth.double(), identity.covariance).square().sum(-1)
