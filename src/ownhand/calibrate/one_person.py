"""Are all pictures of one person? Two halves whose answers differ by more than the error model says are of two."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.calibrate.calibration import combined_by, errors_together
from ownhand.calibrate.errors import ErrorModel
from ownhand.hand.identity import CAUTION, Identity, ShapeLikelihood
from ownhand.structs import given

FALSE_ALARMS = 0.05
"""Share of the calibrations from pictures of one person that may be taken for two, at most."""

INFLATION = 0.6
"""Variance of a picture's error in units of the error model's, which was fitted to medians of few and of many: so that
folders of single pictures and of clips of the validation people give few false alarms. `benchmarks/different_people.py`
prints them."""

STEPS = 40
"""Pictures that the search moves from one side to the other, at most."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """The pictures, told apart as if two people were in them.

    Attributes:
        log_odds: Logarithm of how much likelier the pictures are of two people than of one, over all ways to divide
            them (Bayes factor).
        others: Numbers of the pictures of the smaller side, in the likeliest of these ways.
    """

    log_odds: float
    others: tuple[int, ...]

    @property
    def two_people(self) -> bool:
        """Whether that happens with pictures of one person in at most FALSE_ALARMS of all cases (Markov)."""
        return self.log_odds > -math.log(FALSE_ALARMS)


def divided(identity: Identity) -> Division | None:
    """The same for the pictures of a calibrated identity, see `divide`.

    Raises:
        ValueError: It holds no evidence, or was not made by calibration.
    """
    errors, _ = combined_by(identity)
    evidence = given(identity.evidence, "an identity with its evidence")
    if errors is None:
        return None
    keypoints = evidence.keypoints if errors.method == "joint" else None
    return divide(errors, evidence.shapes, evidence.weights, keypoints=keypoints, together=errors_together(evidence))


def strangers(identity: Identity) -> tuple[str, ...]:
    """Names of the calibration pictures that look like another person's hand; none where all are taken for one's.

    Raises:
        ValueError: As `divided`.
    """
    if identity.evidence is None or (division := divided(identity)) is None or not division.two_people:
        return ()
    return tuple(identity.evidence.names[picture] for picture in division.others)


def divide(
    error_model: ErrorModel,
    shapes: Float[Tensor, "pictures shapes"],
    weights: Float[Tensor, "pictures"],
    *,
    keypoints: ShapeLikelihood | None = None,
    together: Float[Tensor, "pictures pictures"] | None = None,
) -> Division | None:
    """How much likelier the pictures show two people than one.

    For a division into sides a and b, the error model says of what both sides show
    `o_a - o_b ~ N(0, q P + 2 B B')` for two people and `N(0, q P)` for one, with P the covariance of a picture's error,
    B the gain, and `q = d' K d`, where d is the difference of the sides' weights, each summing to 1, and K how much
    errors go together; frames of a clip differ by more than a smooth kernel says, so the largest q of kernels of
    different reach counts. The ratio of the two densities is averaged over divisions: a third of the prior is for one
    picture of somebody else, a third for a division of the pictures' order in two, a third for any division, of which
    the likeliest alone is counted (a lower bound). A ratio that is 1 on average for one person exceeds 1/p in at most a
    share p of all cases, whatever its distribution (Markov's inequality).

    Args:
        error_model: Of a method with gain.
        shapes: As found in each picture, in the order in which they were taken or lie in their folder.
        weights: Of the pictures, summing to 1.
        keypoints: What the keypoints show, for `joint`.
        together: How much the errors of two pictures go together (`alike`); None: not at all.

    Returns:
        None where nothing can be said: fewer than four pictures, or an error model without gain.
    """
    count = len(shapes)
    if count < 4 or error_model.gain is None:
        return None
    scales, axes = _directions(error_model)
    independent = torch.eye(count).to(axes)
    K = independent if together is None else together.to(axes)
    kernels = torch.stack([K, K**4, independent])  # correlations as they are, of half the reach, of none

    def log_ratio(sides: Float[Tensor, "n pictures"]) -> Float[Tensor, "n"]:
        a, b = (_shares(weights.to(axes), side) for side in (sides, 1 - sides))
        apart = (_shown(shapes, keypoints, a) - _shown(shapes, keypoints, b)) @ axes.mT
        q = INFLATION * torch.einsum("np,kpq,nq->kn", a - b, kernels, a - b).amax(0)[:, None]
        more = 2 * scales / q
        return ((apart.square() / q * more / (1 + more) - torch.log1p(more)) / 2).sum(-1)

    one, cuts = independent, torch.tril(torch.ones(count, count).to(axes), -1)[1:]
    ratios = [log_ratio(one), log_ratio(cuts)]
    starts = torch.stack([some[ratio.argmax()] for some, ratio in zip((one, cuts), ratios, strict=True)])
    centred = (shapes.to(axes) - weights.to(axes) @ shapes.to(axes)) @ axes[:, : shapes.shape[-1]].mT
    along = torch.linalg.svd(centred, full_matrices=False).U[:, :2].mT
    sides, ratio = _climb(torch.cat([starts, (along > along.median(-1, keepdim=True).values).to(axes)]), log_ratio)
    families = [
        *(torch.logsumexp(some, 0) - math.log(len(some)) for some in ratios),
        ratio - (count - 1) * math.log(2),
    ]
    best = max(range(3), key=lambda family: float(families[family]))
    likeliest = (starts[0], starts[1], sides)[best]
    if likeliest.sum() > count / 2:
        likeliest = 1 - likeliest
    return Division(
        log_odds=float(torch.logsumexp(torch.stack(families), 0) - math.log(3)),
        others=tuple(likeliest.nonzero().flatten().tolist()),
    )


def _directions(errors: ErrorModel) -> tuple[Float[Tensor, "n"], Float[Tensor, "n observed"]]:
    """Axes along which a picture's errors are N(0, 1), and the variance of people along each."""
    assert errors.gain is not None
    P = errors.picture + 1e-9 * errors.picture.diag().mean() * torch.eye(len(errors.picture)).to(errors.picture)
    whiten = torch.linalg.inv(torch.linalg.cholesky(P))
    seen = whiten @ errors.gain
    variance, along = torch.linalg.eigh(seen @ seen.mT)
    some = variance > 1e-3  # the others tell nobody apart
    return variance[some], along[:, some].mT @ whiten


def _shares(weights: Float[Tensor, "pictures"], sides: Float[Tensor, "n pictures"]) -> Float[Tensor, "n pictures"]:
    """The weights of one side's pictures, summing to 1."""
    shares = weights * sides
    return shares / shares.sum(-1, keepdim=True).clamp_min(1e-12)


def _shown(
    shapes: Float[Tensor, "pictures shapes"], keypoints: ShapeLikelihood | None, weights: Float[Tensor, "n pictures"]
) -> Float[Tensor, "n observed"]:
    """What an `ErrorModel` describes, with the mean for the median."""
    mean = weights @ shapes.to(weights)
    if keypoints is None:
        return mean
    precision = torch.einsum("np,pij->nij", weights, keypoints.precision.to(weights))
    information = weights @ keypoints.information.to(weights)
    held = precision + CAUTION * torch.eye(shapes.shape[-1]).to(weights)
    return torch.cat([mean, torch.linalg.solve(held, information[..., None])[..., 0]], -1)


def _climb(
    sides: Float[Tensor, "n pictures"], log_ratio: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, "pictures"], Float[Tensor, ""]]:
    """The likeliest division that moving one picture after the other leads to from any of some."""
    now, flip = log_ratio(sides), torch.eye(sides.shape[-1]).to(sides)
    for _ in range(STEPS):
        tried = (sides[:, None] - flip).abs()
        ratios = log_ratio(tried.flatten(0, 1)).unflatten(0, tried.shape[:2])
        whole = (tried.sum(-1) == 0) | (tried.sum(-1) == sides.shape[-1])
        best, which = ratios.masked_fill(whole, -torch.inf).max(-1)
        better = best > now
        if not better.any():
            break
        sides = torch.where(better[:, None], tried[torch.arange(len(sides)), which], sides)
        now = torch.where(better, best, now)
    return sides[now.argmax()], now.max()
