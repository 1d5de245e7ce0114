"""How good a calibrated shape is, and what more pictures would make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ownhand import metrics
from ownhand.calibrate.calibration import combined_by, errors_together
from ownhand.calibrate.weights import independent_pictures
from ownhand.hand.identity import Identity
from ownhand.hand.model import HandModel
from ownhand.structs import given

MORE = 10
"""Further pictures that are thought of."""

WORTHWHILE_MM = 0.05
"""What MORE pictures must bring to be worth taking [mm]: below, more pictures will not help much."""

BEST = "the empty, open hand with its palm towards the camera"
"""Pictures that showed most of people's proportions (`benchmarks/next_pictures.py`)."""

DRAWS = 400
"""Hands that are drawn from the error model to find its mean error."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What the error model expects of a person's proportions.

    Attributes:
        independent: As how many pictures with independent errors the present ones count.
        now_mm: Mean size-free error of people calibrated as this one was.
        alike_mm: The same with MORE pictures that are as much alike as the present ones.
        different_mm: The same with MORE pictures that are like none of the others.
    """

    independent: float
    now_mm: float
    alike_mm: float
    different_mm: float

    @property
    def worthwhile(self) -> bool:
        """Whether more pictures like the present ones help."""
        return self.now_mm - self.alike_mm >= WORTHWHILE_MM


def outlook(identity: Identity, model: HandModel) -> Outlook | None:
    """What to expect of a calibration, and of MORE pictures.

    If the errors of any two of `K` pictures correlate by `r`, they count as `K / (1 + (K - 1) r)` independent ones.

    Args:
        identity: From `calibrate` or `update`, or loaded from its file.
        model: Its hand model.

    Returns:
        None without an error model.

    Raises:
        ValueError: The identity holds no evidence, was not made by calibration, or belongs to another model.
    """
    identity.check_model(model)
    errors, anchor = combined_by(identity)
    if errors is None:
        return None
    evidence = given(identity.evidence, "an identity with its evidence")
    count = len(evidence.weights)
    independent = independent_pictures(evidence.weights, errors_together(evidence)).item()
    r = (count / independent - 1) / max(count - 1, 1)
    expected = []
    for k in (independent, (count + MORE) / (1 + (count + MORE - 1) * r), independent + MORE):
        covariance = errors.covariance_of_shape(k)
        if anchor is not None:
            _, covariance = anchor.condition(model, identity.shape, covariance)
        expected.append(expected_error_mm(replace(identity, covariance=covariance), model))
    return Outlook(independent=independent, now_mm=expected[0], alike_mm=expected[1], different_mm=expected[2])


def expected_error_mm(identity: Identity, model: HandModel) -> float:
    """Mean size-free error of hands that differ from this one as its covariance says."""
    values, vectors = torch.linalg.eigh(given(identity.covariance, "an identity with a covariance").double())
    normal = torch.randn(DRAWS, len(values), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shape = identity.shape.double()
    drawn = shape + (normal * values.clamp_min(0).sqrt()) @ vectors.mT
    return float(metrics.size_free_error_mm(shape.expand_as(drawn), drawn, model.to(torch.float64)).mean())
