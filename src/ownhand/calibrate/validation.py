"""What people of known shape decide: the map from confidence to weights, and the error bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.calibrate.calibration import Method, combine, observed, picture_weights
from ownhand.calibrate.errors import ErrorModel
from ownhand.calibrate.weights import WeightMap, independent_pictures, weight_map_candidates
from ownhand.hand.identity import ShapeLikelihood


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownPerson:
    """What an estimator found in pictures of somebody whose shape is known.

    Attributes:
        truth: The true shape coefficients.
        shapes: Shape coefficients found in each picture.
        metrics: `shape_metric` of the pose found in each picture [m^2].
        confidence: Score of each picture.
        keypoints: What the keypoints of each picture say.
        together: How much the errors of the pictures go together (`alike`).
    """

    truth: Float[Tensor, "shapes"]
    shapes: Float[Tensor, "pictures shapes"]
    metrics: Float[Tensor, "pictures shapes shapes"]
    confidence: Float[Tensor, "pictures"] | None = None
    keypoints: ShapeLikelihood | None = None
    together: Float[Tensor, "pictures pictures"] | None = None


def choose_weight_map(
    people: Sequence[KnownPerson],
    *,
    candidates: Sequence[WeightMap] | None = None,
    method: Method = "paper",
    error: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[WeightMap, list[tuple[WeightMap, float]]]:
    """The map from confidence to weights with the smallest mean error of the combined shape.

    Args:
        people: Validation people, with confidence.
        candidates: Maps to try; default: `weight_map_candidates` of all their scores.
        method: How pictures are combined.
        error: From combined and true shape to a number; default: root mean square vertex distance, averaged over the
            person's poses [m]. Absolute size may drown what a crop shows: consider a size-free error.

    Returns:
        The best map, and every candidate with its mean error.

    Raises:
        ValueError: No people, or one without confidence.
    """
    scores = [person.confidence for person in people if person.confidence is not None]
    if not people or len(scores) < len(people):
        raise ValueError(f"expected people with confidence, got {len(people)} people, {len(scores)} of them with it")
    table = []
    for weight_map in candidates or weight_map_candidates(torch.cat(scores)):
        errors = []
        for person, score in zip(people, scores, strict=True):
            shape, _ = combine(person.shapes, person.metrics, weight_map(score), method)
            e = shape - person.truth.double()
            errors.append((e @ person.metrics.mean(0) @ e).sqrt() if error is None else error(shape, person.truth))
        table.append((weight_map, torch.stack(errors).mean().item()))
    return min(table, key=lambda row: row[1])[0], table


def fit_error_model(
    people: Sequence[KnownPerson],
    *,
    model_id: str,
    method: Method = "paper",
    weight_map: WeightMap | None = None,
    top_k: int = 5,
    sizes: Sequence[int] = (1, 2, 5, 10, 20),
    draws: int = 2,
    seed: int = 0,
) -> ErrorModel:
    """The error of calibrated shapes, from calibrations of validation people with fewer and with more pictures.

    Args:
        people: Validation people; their number, not the pictures', limits how well the shared error is known.
        model_id: Hand model of the shapes.
        method: As in `calibrate`, with `weight_map` and `top_k`.
        sizes: Numbers of pictures per calibration; those larger than a person's pictures are left out.
        draws: Random sets of pictures of each size per person.
        seed: Of the draws.

    Raises:
        ValueError: No people with pictures enough, too few people, or no keypoints for the method `joint`.
    """
    generator = torch.Generator().manual_seed(seed)
    truth, said, k_effective = [], [], []
    for person in people:
        for size in sizes:
            for _ in range(draws if size <= len(person.shapes) else 0):
                some = torch.randperm(len(person.shapes), generator=generator)[:size]
                truth.append(person.truth.double())
                answer, k = combined(person, some, method=method, weight_map=weight_map, top_k=top_k)
                said.append(answer)
                k_effective.append(k)
    if not truth:
        raise ValueError("expected people with pictures enough for the smallest size, got none")
    return ErrorModel.fit(
        torch.stack(truth),
        torch.stack(said),
        torch.stack(k_effective),
        method=method,
        model_id=model_id,
        with_gain=method in ("bayes", "joint"),
    )


def combined(
    person: KnownPerson,
    some: Int[Tensor, "some"],
    *,
    method: Method,
    weight_map: WeightMap | None = None,
    top_k: int = 5,
) -> tuple[Float[Tensor, "observed"], Float[Tensor, ""]]:
    """What some pictures of a person say, combined, and as how many they count."""
    confidence = None if person.confidence is None else person.confidence[some]
    together = None if person.together is None else person.together[some][:, some]
    weights = picture_weights(
        len(some), confidence, method=method, weight_map=weight_map, top_k=top_k, together=together
    )
    shape, _ = combine(person.shapes[some].double(), person.metrics[some], weights, method)
    keypoints = None if person.keypoints is None else person.keypoints[some]
    return observed(shape, keypoints, weights, method), independent_pictures(weights, together)
