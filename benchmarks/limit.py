"""How much of the true shape's gain could 20 pictures bring, if nothing but their keypoints told shape?

    python benchmarks/limit.py data/test [--people 40] [--noise 0.5 1 2 3]

The Cramér-Rao bound: for each person, what keypoints with Gaussian noise say of one shape seen in the true poses of the
first 20 pictures, when pose is known as well as the identity network knows it, the place is not, and the size is taped.
A shape with errors of exactly that size then takes the place of the calibrated one in the table of results.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import tyro

from ownhand import metrics
from ownhand.data.dataset import ShardDataset
from ownhand.experiments.rows import picture_errors, rescaled, tape_mm
from ownhand.fit import shape_likelihood
from ownhand.hand.measure import length_mm
from ownhand.observations import Observations, observe
from ownhand.pipeline import Pipeline, load


def main(
    data: tyro.conf.Positional[Path],
    weights: Path | None = None,
    people: int = 40,
    noise: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0),
) -> None:
    torch.manual_seed(0)
    pipeline, pictures = load(weights), ShardDataset(data, fields=())
    assert pictures.subjects is not None, "the pictures do not say whom they show"
    rows = torch.isin(pictures.subjects, pictures.subjects.unique()[:people]).nonzero()[:, 0].tolist()
    seen = list(observe(pipeline, pictures, rows=rows).people())
    print("| keypoint noise, px of a 128 px crop | size-free error mm | kept of the true shape's gain | refined |")
    print("|---|---|---|---|")
    for sigma in noise:
        errors, kept = [], {}
        for subject, person in seen:
            shape = _as_good_as_possible(pipeline, person[:20], sigma)
            tape, test = tape_mm(pipeline.hand, person.shape[0], subject), person[20:]
            errors.append(metrics.size_free_error_mm(shape[None], person.shape[:1], pipeline.hand)[0])
            for row, guess in (("baseline", test.seen.shape), ("true shape", test.shape), ("limit", shape)):
                guess = guess.expand_as(test.shape)
                if row != "true shape":
                    guess = rescaled(pipeline.hand, guess, tape / length_mm(pipeline.hand, guess))
                for refine in (False, True):
                    error = picture_errors(pipeline, row, test, guess, refine=refine)["mpjpe_mm"].mean()
                    kept[row, refine] = kept.get((row, refine), 0) + error
        gain = [
            (kept["baseline", r] - kept["limit", r]) / (kept["baseline", r] - kept["true shape", r])
            for r in (False, True)
        ]
        print(f"| {sigma:g} | {torch.stack(errors).mean():.2f} | {gain[0]:.0%} | {gain[1]:.0%} |")


def _as_good_as_possible(pipeline: Pipeline, seen: Observations, sigma: float) -> torch.Tensor:
    """The true shape with an error drawn from the bound's covariance."""
    hand = pipeline.hand.shaped(torch.zeros_like(seen.shape))
    keypoints = seen.seen.camera.project(hand.posed(seen.pose).joints)
    prior = replace(pipeline.priors["identity"], keypoint_sigma=sigma, confidence_power=0.0, distance_sigma=None)
    likelihood = shape_likelihood(
        pipeline.hand, seen.pose, keypoints, torch.ones_like(keypoints[..., 0]), seen.seen.camera, prior, robust=None
    )
    precision = torch.eye(seen.shape.shape[-1]).double() + likelihood.precision.sum(0)
    noise = torch.randn(len(precision), 1).double()
    error = torch.linalg.solve_triangular(torch.linalg.cholesky(precision).mT, noise, upper=True)[:, 0]
    return seen.shape[0] + error.to(seen.shape)


if __name__ == "__main__":
    tyro.cli(main)
