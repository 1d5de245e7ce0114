"""What validation people decide: weight map, method, error bars, priors of the fit, and when there is no hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import (
    ErrorModel,
    KnownPerson,
    Method,
    WeightMap,
    choose_weight_map,
    combine,
    fit_error_model,
    shape_metric,
)
from ownhand.evaluate import Observations
from ownhand.fit import distance_at_which_it_fills, place
from ownhand.hand.model import HandModel
from ownhand.hand.pose_prior import PosePrior
from ownhand.pipeline import Pipeline
from ownhand.settings import Settings, save_settings

CANDIDATES: tuple[Method, ...] = ("paper", "robust", "mean", "bayes", "joint")
"""Ways to combine pictures among which the default is chosen."""

ENOUGH_PEOPLE = 24
"""With fewer validation people there are no error bars, and the paper's objective is the default."""

HANDS_KEPT = 0.99
"""Share of the validation pictures in which a hand must be recognised."""


def tune(
    pipeline: Pipeline, observations: Observations, folder: Path, *, made_by: dict[str, Any] | None = None
) -> None:
    """Choose everything on validation people and write it beside the weights.

    Error bars need at least `ENOUGH_PEOPLE` of them; with fewer, calibration gives none.

    Args:
        pipeline: Trained networks; of its settings only those of the crops count.
        observations: What they say of pictures of validation people.
        folder: Where the weights are.
        made_by: What is to be kept of the run that made the weights.
    """
    hand, seen = pipeline.hand, observations.seen
    pipeline = pipeline.with_priors(fit_priors(pipeline, observations, hand))
    people = [
        KnownPerson(
            truth=person.shape[0],
            shapes=person.seen.shape,
            metrics=shape_metric(hand, person.seen.pose.R_parent_joint),
            confidence=person.seen.confidence,
            keypoints=pipeline.keypoint_likelihood(person.seen),
        )
        for _, person in observations.people()
    ]

    def size_free(shape: Tensor, truth: Tensor) -> Tensor:
        return metrics.size_free_error_mm(shape.to(truth)[None], truth[None], hand)[0]

    weight_map, _ = choose_weight_map(people, error=size_free)
    error_models: dict[Method, ErrorModel] = {}
    errors: dict[Method, float] = {"paper": float("nan")}
    if len(people) >= ENOUGH_PEOPLE:
        error_models = _error_models(people, hand, weight_map)
        errors = method_errors(people, hand, weight_map, size_free)
    settings = replace(
        pipeline.settings,
        min_keypoint_confidence=float(seen.keypoint_confidence.mean(-1).quantile(1 - HANDS_KEPT)),
        method=min(errors, key=errors.__getitem__),
        weight_map=weight_map,
        error_models={**error_models},
        made_by={**(made_by or {}), "validation_size_free_mm": {k: round(v, 3) for k, v in errors.items() if v == v}},
    )
    for name, prior in pipeline.priors.items():
        prior.save(folder / f"prior_{name}.safetensors")
    save_settings(folder, settings)


def _error_models(people: Sequence[KnownPerson], hand: HandModel, weight_map: WeightMap) -> dict[Method, ErrorModel]:
    return {
        method: fit_error_model(people, model_id=hand.id, method=method, weight_map=weight_map) for method in CANDIDATES
    }


def method_errors(
    people: Sequence[KnownPerson],
    hand: HandModel,
    weight_map: WeightMap,
    error: Callable[[Tensor, Tensor], Tensor],
) -> dict[Method, float]:
    """Mean error of every way to combine pictures; what it learns of people comes from the other half of them."""
    total: dict[Method, float] = dict.fromkeys(CANDIDATES, 0.0)
    for half in (0, 1):
        models = _error_models(people[1 - half :: 2], hand, weight_map)
        for person in people[half::2]:
            assert person.confidence is not None
            weights = weight_map(person.confidence)
            for method, model in models.items():
                shape, _ = combine(person.shapes.double(), person.metrics, weights, method)
                if method in ("bayes", "joint"):
                    shape, _ = model.posterior(shape, float(1 / weights.square().sum()), person.keypoints)
                total[method] += float(error(shape, person.truth)) / len(people)
    return total


def fit_priors(pipeline: Pipeline, observations: Observations, hand: HandModel) -> dict[str, PosePrior]:
    """The errors of both regressors' poses and of the keypoint network."""
    seen, truth = observations.seen, observations.pose
    ray = seen.camera.crop_frame()[..., 2]
    away = (truth.t_cam_root * ray).sum(-1)
    noise: dict[str, Any] = {
        "keypoint_error": seen.keypoints - observations.keypoints,
        "confidence": seen.keypoint_confidence,
    }
    poses = {"baseline": seen.pose, "identity": pipeline.pose_given(seen, observations.shape)}
    priors = {}
    for name, pose in poses.items():
        joints = hand.shaped(observations.shape).posed(pose).joints - pose.t_cam_root[:, None]
        placed = place(joints, seen.keypoints, seen.keypoint_confidence.square(), seen.camera)
        priors[name] = PosePrior.fit(
            pose,
            truth,
            distance_error=((placed * ray).sum(-1) / away).log(),
            apparent_length=distance_at_which_it_fills(joints, seen.camera) / away,
            **noise,
        )
    return priors


def untuned(hand: HandModel, settings: Settings, **networks: Any) -> Pipeline:
    """A pipeline fresh from training; of its settings only those of the crops mean anything."""
    prior = PosePrior.isotropic(0.2)
    return Pipeline(hand=hand, settings=settings, priors={"baseline": prior, "identity": prior}, **networks)
