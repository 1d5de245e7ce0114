"""What validation people decide: weight map, method, error bars, priors of the fit, and when there is no hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import (
    ErrorModel,
    KnownPerson,
    Method,
    WeightMap,
    alike,
    choose_weight_map,
    combined,
    fit_error_model,
    shape_metric,
    weight_map_candidates,
)
from ownhand.fit import distance_at_which_it_fills, place
from ownhand.hand.model import HandModel
from ownhand.hand.pose_prior import PosePrior
from ownhand.observations import Observations
from ownhand.pipeline import Pipeline
from ownhand.settings import Settings, save_settings
from ownhand.structs import given

CANDIDATES: tuple[Method, ...] = ("paper", "robust", "mean", "bayes", "joint")
"""Ways to combine pictures among which the default is chosen."""

ENOUGH_PEOPLE: dict[Method, int] = {**dict.fromkeys(CANDIDATES, 24), "joint": 44}
"""With fewer validation people a method gets no error bars and is no default; the paper's objective then is."""

HANDS_KEPT = 0.97
"""Share of the validation pictures in which a hand must be recognised."""


def tune(
    pipeline: Pipeline, observations: Observations, folder: Path, *, made_by: dict[str, Any] | None = None
) -> None:
    """Choose everything on validation people and write it beside the weights.

    Error bars need at least `ENOUGH_PEOPLE` of them, by method; with fewer, calibration gives none.

    Args:
        pipeline: Trained networks; of its settings only those of the crops count.
        observations: What they say of pictures of validation people.
        folder: Where the weights are.
        made_by: What is to be kept of the run that made the weights.
    """
    hand, seen = pipeline.hand, observations.seen
    pipeline = pipeline.changed(priors=fit_priors(pipeline, observations, hand))
    people = [
        KnownPerson(
            truth=person.shape[0],
            shapes=person.seen.shape,
            metrics=shape_metric(hand, person.seen.pose.R_parent_joint),
            confidence=person.seen.confidence,
            keypoints=pipeline.keypoint_likelihood(person.seen),
            together=alike(person.seen.pose.R_cam_root, person.seen.pose.R_parent_joint),
        )
        for _, person in observations.people()
    ]

    def size_free(shape: Tensor, truth: Tensor) -> Tensor:
        return metrics.size_free_error_mm(shape.to(truth)[None], truth[None], hand)[0]

    weight_map, _ = choose_weight_map(people, error=size_free)
    weight_maps: dict[Method, WeightMap] = {"paper": weight_map}
    error_models: dict[Method, ErrorModel] = {}
    errors: dict[Method, float] = {}
    for method in CANDIDATES:
        if len(people) < ENOUGH_PEOPLE[method]:
            continue
        chosen = weight_map
        if method == "joint":
            scores = torch.cat([given(person.confidence, "confidence") for person in people])
            chosen = min(
                weight_map_candidates(scores), key=lambda w: held_out_error(people, hand, "joint", w, size_free)
            )
        weight_maps[method] = chosen
        error_models[method] = fit_error_model(people, model_id=hand.id, method=method, weight_map=chosen)
        errors[method] = held_out_error(people, hand, method, chosen, size_free)
    settings = replace(
        pipeline.settings,
        min_keypoint_confidence=float(seen.keypoint_confidence.mean(-1).quantile(1 - HANDS_KEPT)),
        method=min(errors, key=errors.__getitem__, default="paper"),
        weight_maps={**weight_maps},
        error_models={**error_models},
        made_by={**(made_by or {}), "validation_size_free_mm": {k: round(v, 3) for k, v in errors.items()}},
    )
    for name, prior in pipeline.priors.items():
        prior.save(folder / f"prior_{name}.safetensors")
    save_settings(folder, settings)


def held_out_error(
    people: Sequence[KnownPerson],
    hand: HandModel,
    method: Method,
    weight_map: WeightMap,
    error: Callable[[Tensor, Tensor], Tensor],
) -> float:
    """Mean error of all of a person's pictures combined; what is learnt of people comes from the other half of them."""
    total = 0.0
    for half in (0, 1):
        counts = {len(person.shapes) for person in people}
        model = fit_error_model(
            people[1 - half :: 2], model_id=hand.id, method=method, weight_map=weight_map, sizes=tuple(counts), draws=1
        )
        for person in people[half::2]:
            said, k_effective = combined(person, torch.arange(len(person.shapes)), method=method, weight_map=weight_map)
            shape = model.posterior(said, float(k_effective))[0] if model.gain is not None else said
            total += float(error(shape, person.truth)) / len(people)
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
        weight = PosePrior.fit(pose, truth, **noise).sigma(seen.keypoint_confidence) ** -2
        placed = place(joints, seen.keypoints, weight, seen.camera)
        distance, middle = (placed * ray).sum(-1), joints.mean(1)
        ahead = (middle * ray).sum(-1)
        there = (middle + placed) * ((away + ahead) / (distance + ahead))[:, None] - middle  # at the true distance
        aside = torch.einsum("nij,ni->nj", seen.camera.crop_frame()[..., :2], there - truth.t_cam_root)
        priors[name] = PosePrior.fit(
            pose,
            truth,
            distance_error=(distance / away).log(),
            across_error=aside / metrics.hand_length(joints)[:, None],
            apparent_length=distance_at_which_it_fills(joints, seen.camera) / away,
            **noise,
        )
    return priors


def untuned(hand: HandModel, settings: Settings, **networks: Any) -> Pipeline:
    """A pipeline fresh from training; of its settings only those of the crops mean anything."""
    prior = PosePrior.isotropic(0.2)
    return Pipeline(hand=hand, settings=settings, priors={"baseline": prior, "identity": prior}, **networks)
