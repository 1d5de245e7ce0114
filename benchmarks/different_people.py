"""Does calibration notice that its pictures are of different people? How often does it cry wolf?

    ownhand benchmark data/id
    python benchmarks/different_people.py data/id/test [--people 40]

Prints the share of folders that are taken for two people's: folders of one person (false alarms) and folders in which
some pictures are another person's (power), for any two people and for the fifth of the pairs whose hands differ most in
their proportions; and of the pictures that are then named, how many are the other's.
"""

from __future__ import annotations

from pathlib import Path

import torch
import tyro
from jaxtyping import Int
from torch import Tensor

from ownhand import metrics
from ownhand.calibrate import Division, alike, divide, picture_weights
from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import CLIP, SINGLE
from ownhand.hand.identity import ShapeLikelihood
from ownhand.observations import Observations, observe
from ownhand.pipeline import Pipeline, load
from ownhand.structs import given


def main(
    data: tyro.conf.Positional[Path],
    weights: Path | None = None,
    people: int = 40,
    pictures: int = 20,
    folders: int = 400,
    most: int = 60,
) -> None:
    pipeline, dataset = load(weights), ShardDataset(data, fields=())
    known = dataset.numbers(range(len(dataset)))
    kind, subject = given(known.taken, "how pictures were taken").kind, given(known.subject, "people")
    rows = [
        ((kind == which) & (subject == person)).nonzero()[:most, 0]
        for person in subject.unique()[:people].tolist()
        for which in (SINGLE, CLIP)
    ]
    seen = observe(pipeline, dataset, rows=torch.cat(rows).tolist())
    report(pipeline, seen, pipeline.keypoint_likelihood(seen.seen), pictures=pictures, folders=folders)


def report(
    pipeline: Pipeline, everything: Observations, keypoints: ShapeLikelihood, *, pictures: int, folders: int
) -> None:
    """Print it all, from what the networks say of single pictures and clips."""
    generator = torch.Generator().manual_seed(0)
    kind, found = given(everything.taken, "how pictures were taken").kind, pipeline.has_hand(everything.seen)
    ids = everything.subject.unique().tolist()
    of = {
        which: [((everything.subject == i) & (kind == which) & found).nonzero()[:, 0] for i in ids]
        for which in (SINGLE, CLIP)
    }
    truth = torch.stack([everything.shape[rows[0]] for rows in of[SINGLE]])
    apart = torch.stack([metrics.size_free_error_mm(truth, one.expand_as(truth), pipeline.hand) for one in truth])

    def some(rows: Int[Tensor, "n"], count: int, *, in_order: bool = False) -> Int[Tensor, "count"]:
        if in_order:
            start = int(torch.randint(len(rows) - count + 1, (1,), generator=generator))
            return rows[start : start + count]
        return rows[torch.randperm(len(rows), generator=generator)[:count]]

    def judged(rows: Int[Tensor, "n"]) -> Division:
        return given(_divided(pipeline, everything[rows], keypoints[rows]), "a division")

    half = pictures // 2
    alone = {
        "single pictures": lambda a: some(of[SINGLE][a], pictures),
        "frames of a clip": lambda a: some(of[CLIP][a], pictures, in_order=True),
        "half single pictures, then frames of a clip": lambda a: torch.cat(
            [some(of[SINGLE][a], half), some(of[CLIP][a], pictures - half, in_order=True)]
        ),
    }
    print(f"{len(ids)} people, {pictures} pictures a folder")
    for name, folder in alone.items():
        if any(len(rows) == 0 for rows in of[CLIP]) and "clip" in name:
            continue
        said = [judged(folder(k % len(ids))) for k in range(folders)]
        alarms = torch.tensor([one.two_people for one in said]).double()
        high = torch.tensor([one.log_odds for one in said]).quantile(torch.tensor([0.5, 0.9, 0.95, 0.99])).tolist()
        quantiles = ", ".join(f"{x:.2f}" for x in high)
        print(f"one person, {name}: {alarms.mean():.1%} alarms (log odds, quantiles 50, 90, 95, 99 %: {quantiles})")
    pairs = [(a, b) for a in range(len(ids)) for b in range(len(ids)) if a != b]
    very = [pair for pair in pairs if apart[pair] >= apart[apart > 0].quantile(0.8)]
    for which, chosen in (("any two people", pairs), ("two people of clearly different proportions", very)):
        mean = torch.stack([apart[pair] for pair in chosen]).mean()
        print(f"{which} ({mean:.1f} mm apart)")
        for strangers, shuffled in ((half, False), (half, True), (3, False), (3, True), (1, True)):
            alarms, named, right = [], 0, 0
            for _ in range(folders):
                a, b = chosen[int(torch.randint(len(chosen), (1,), generator=generator))]
                rows = torch.cat([some(of[SINGLE][a], pictures - strangers), some(of[SINGLE][b], strangers)])
                if shuffled:
                    rows = rows[torch.randperm(pictures, generator=generator)]
                said = judged(rows)
                alarms.append(said.two_people)
                if said.two_people:
                    is_b = everything.subject[rows[list(said.others)]] == ids[b]
                    named += len(is_b)
                    right += max(int(is_b.sum()), int((~is_b).sum())) if strangers == half else int(is_b.sum())
            how = "in any order" if shuffled else "after the others"
            words = f", of the named {right / named:.0%} are theirs" if named else ""
            print(f"  {strangers} of {pictures} are another's, {how}: {sum(alarms) / folders:.1%} noticed{words}")


def _divided(pipeline: Pipeline, person: Observations, keypoints: ShapeLikelihood) -> Division | None:
    method, seen = pipeline.settings.method, person.seen
    together = alike(seen.pose.R_cam_root, seen.pose.R_parent_joint)
    weight_map, errors = pipeline.settings.weight_maps[method], pipeline.settings.error_models[method]
    weights = picture_weights(
        len(seen.shape), seen.confidence.double(), method=method, weight_map=weight_map, together=together
    )
    said = keypoints if method == "joint" else None
    return divide(errors, seen.shape, weights, keypoints=said, together=together)


if __name__ == "__main__":
    tyro.cli(main)
