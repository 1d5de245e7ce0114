"""How good could a shape from 20 pictures be, if nothing but their keypoints told it? And how good are the fits?

    python benchmarks/limit.py data/test [--people 40] [--noise 1 3 8] [--draws 4]

The Cramér-Rao bound: for each person, what keypoints with Gaussian noise say of one shape seen in the true poses of the
calibration pictures, when poses are known as well as the baseline network knows them, and the place is not. Against it
`fit_shape`, one shape and all poses fitted together: to the true keypoints with that noise, from the network's poses;
and, in the last rows, to the network's own keypoints, beside the method `joint`, with the bound for independent errors
of their size. Then what a shape with errors as small as the bound would do in place of the calibrated one (size taped).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from ownhand import metrics
from ownhand.data.dataset import ShardDataset
from ownhand.experiments.parting import parted, pool
from ownhand.experiments.rows import picture_errors, rescaled, tape_mm
from ownhand.fit import fit_shape, shape_likelihood
from ownhand.hand.measure import length_mm
from ownhand.hand.pose_prior import PosePrior
from ownhand.observations import Observations, observe
from ownhand.pipeline import Pipeline, load

ROBUST = 6.0
"""Bounds what pictures count whose pose was so wrong at first that the fit ends at another one; see `fit`."""


def main(
    data: tyro.conf.Positional[Path],
    weights: Path | None = None,
    people: int = 40,
    pictures: int = 20,
    noise: tuple[float, ...] = (1.0, 3.0, 8.0),
    draws: int = 4,
) -> None:
    torch.manual_seed(0)
    pipeline, stored = load(weights), ShardDataset(data, fields=())
    assert stored.subjects is not None, "the pictures do not say whom they show"
    some = stored.subjects.unique()[:people]
    rows = [row for row in stored.singles if stored.subjects[row] in some]
    seen = [
        (subject, person[pool(person, "anywhere")]) for subject, person in observe(pipeline, stored, rows=rows).people()
    ]
    known = [(s, p[parted(p, pictures, "honest", s)[0]], p[parted(p, pictures, "honest", s)[1]]) for s, p in seen]

    print("| keypoints, px of the crop | limit, size-free mm | fitted | ratio | `joint` | seconds per person |")
    print("|---|---|---|---|---|---|")
    for sigma in noise:
        limits = [
            size_free(pipeline, as_good_as_possible(pipeline, person, sigma, 200), person) for _, person, _ in known
        ]
        started = time.process_time()
        fitted = [
            size_free(pipeline, torch.stack([fitted_to_truth(pipeline, person, sigma) for _ in range(draws)]), person)
            for _, person, _ in known
        ]
        seconds = (time.process_time() - started) / len(known) / draws
        row(f"true, noise of {sigma:g}", limits, fitted, None, seconds)
    chosen = [person for _, person, _ in known]
    errors = torch.cat([(p.seen.keypoints - p.keypoints).flatten() for p in chosen])
    sigma = float(errors.abs().quantile(0.683))
    limits = [size_free(pipeline, as_good_as_possible(pipeline, p, sigma, 200), p) for p in chosen]
    started = time.process_time()
    found = {
        method: [size_free(pipeline, pipeline.combine(p.seen, method=method).identity.shape[None], p) for p in chosen]
        for method in ("fit", "joint")
        if method == "fit" or method in pipeline.settings.error_models
    }
    seconds = (time.process_time() - started) / len(known) / len(found)
    row(f"the network's, errors of {sigma:.1f}", limits, found["fit"], found.get("joint"), seconds)

    print("\n| keypoint noise, px of the crop | kept of the true shape's gain | refined |\n|---|---|---|")
    for sigma in noise:
        gain = kept(pipeline, known, sigma)
        print(f"| {sigma:g} | {gain[0]:.0%} | {gain[1]:.0%} |")


def row(name: str, limits: list[Tensor], fitted: list[Tensor], joint: list[Tensor] | None, seconds: float) -> None:
    limit, fit = torch.stack(limits), torch.stack(fitted)
    ratio = fit.mean() / limit.mean()
    error = (fit - ratio * limit).std() / limit.mean() / len(limit) ** 0.5  # over people
    other = "" if joint is None else f"{torch.stack(joint).mean():.2f}"
    print(
        f"| {name} | {limit.mean():.2f} | {fit.mean():.2f} | {ratio:.2f} ± {error:.2f} | {other} | {seconds:.2f} |",
        flush=True,
    )


def size_free(pipeline: Pipeline, shapes: Tensor, person: Observations) -> Tensor:
    """Mean size-free error of some shapes of a person [mm]."""
    truth = person.shape[:1].expand(len(shapes), -1)
    return metrics.size_free_error_mm(shapes.to(truth), truth, pipeline.hand).mean()


def as_good_as_possible(pipeline: Pipeline, person: Observations, sigma: float, draws: int) -> Tensor:
    """The true shape with errors drawn from the bound's covariance."""
    truth = person.shape[0]
    exact = person.seen.camera.project(pipeline.hand.shaped(truth).posed(person.pose).joints)
    said = shape_likelihood(
        pipeline.hand, person.pose, exact, torch.ones_like(exact[..., 0]), person.seen.camera,
        of_noise(pipeline, sigma), around=truth, robust=None,
    )  # fmt: skip
    _, covariance = said.posterior()
    noise = torch.randn(draws, len(covariance)).double() @ torch.linalg.cholesky(covariance).mT
    return truth + noise.to(truth)


def fitted_to_truth(pipeline: Pipeline, person: Observations, sigma: float) -> Tensor:
    """Shape and poses fitted together to true keypoints with noise, from the network's poses."""
    exact = person.seen.camera.project(pipeline.hand.shaped(person.shape[0]).posed(person.pose).joints)
    pose, _ = pipeline.put(person.seen, pipeline.hand.shaped(torch.zeros_like(person.shape)), person.seen.pose)
    said = fit_shape(
        pipeline.hand, pose, exact + sigma * torch.randn_like(exact), torch.ones_like(exact[..., 0]),
        person.seen.camera, of_noise(pipeline, sigma), start=torch.zeros_like(person.shape[0]),
        limits=pipeline.limits, robust=ROBUST,
    )  # fmt: skip
    return said.posterior()[0]


def of_noise(pipeline: Pipeline, sigma: float) -> PosePrior:
    """The baseline's errors of pose beside keypoints with Gaussian noise; nothing is known of the distance."""
    return replace(
        pipeline.priors["baseline"], keypoint_sigma=sigma, confidence_power=0.0, distance_sigma=None
    )  # fmt: skip


def kept(pipeline: Pipeline, known: list[tuple[int, Observations, Observations]], sigma: float) -> list[float]:
    """What a shape as good as the bound would keep of the true shape's gain, without and with refinement."""
    total: dict[tuple[str, bool], float] = {}
    for subject, person, test in known:
        limit, tape = (
            as_good_as_possible(pipeline, person, sigma, 1)[0],
            tape_mm(pipeline.hand, person.shape[0], subject),
        )
        for name, guess in (("baseline", test.seen.shape), ("true shape", test.shape), ("limit", limit)):
            guess = guess.expand_as(test.shape)
            if name != "true shape":
                guess = rescaled(pipeline.hand, guess, tape / length_mm(pipeline.hand, guess))
            for refine in (False, True):
                errors = picture_errors(pipeline, name, test, guess, refine=refine, f_scores=False)
                total[name, refine] = total.get((name, refine), 0.0) + float(errors["mpjpe_mm"].mean())
    return [
        (total["baseline", r] - total["limit", r]) / (total["baseline", r] - total["true shape", r])
        for r in (False, True)
    ]


if __name__ == "__main__":
    tyro.cli(main)
