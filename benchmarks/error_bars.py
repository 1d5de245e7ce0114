"""Do the error bars of calibrated hands hold for people never seen? And how does the error fall with pictures?

    python benchmarks/error_bars.py data/test [--people 200]

For 1, 5 and 20 calibration pictures, anchored or not: the size-free error, true and expected; the mean squared error in
units of its error bar (1 if they are right), and the share of people whose truth lies within the ellipsoid that should
hold 50, 68, 90 and 95 % of them.
"""

from __future__ import annotations

from pathlib import Path

import torch
import tyro

from ownhand import metrics
from ownhand.calibrate import coverage, expected_error_mm, standardised
from ownhand.data.dataset import ShardDataset
from ownhand.experiments.rows import calibrations
from ownhand.observations import observe
from ownhand.pipeline import load
from ownhand.structs import concatenate


def main(data: tyro.conf.Positional[Path], weights: Path | None = None, people: int = 200) -> None:
    pipeline, pictures = load(weights), ShardDataset(data, fields=())
    assert pictures.subjects is not None, "the pictures do not say whom they show"
    seen = []
    for subject in pictures.subjects.unique()[:people]:
        rows = (pictures.subjects == subject).nonzero()[:20, 0].tolist()
        seen.append(observe(pipeline, pictures, rows=rows))
    for subject, person in concatenate(seen).people():
        assert len(person) == 20, f"person {subject} has fewer than 20 pictures"
    for count in (1, 5, 20):
        found = [calibrations(pipeline, person[:count], k) for k, person in concatenate(seen).people()]
        truth = torch.stack([person.shape[0] for person in seen])
        for anchored in (False, True):
            shape = torch.stack([f[anchored].identity.shape for f in found])
            covariance = torch.stack([f[anchored].identity.covariance for f in found])  # pyright: ignore
            error = shape - truth.double()
            shares = ", ".join(f"{level:.0%}: {share:.1%}" for level, share in coverage(error, covariance).items())
            size_free = metrics.size_free_error_mm(shape.to(truth), truth, pipeline.hand).mean()
            squared = standardised(error, covariance).square().mean()
            expected = sum(expected_error_mm(f[anchored].identity, pipeline.hand) for f in found) / len(found)
            name = "anchored" if anchored else "not anchored"
            wrong = f"size-free {size_free:.2f} mm (expected {expected:.2f})"
            print(f"{count:2d} pictures, {name}: {wrong}, squared {squared:.2f}, within {shares}")


if __name__ == "__main__":
    tyro.cli(main)
