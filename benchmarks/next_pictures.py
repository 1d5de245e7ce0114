"""Which pictures should a person take next? Errors of the shape after five more of each kind.

    ownhand benchmark data/id
    python benchmarks/next_pictures.py data/id/test [--people 40]

From five random pictures of a person, then five more: random ones, those of one kind, or those whose keypoints show
most of what the present ones leave open (the trace of the covariance of the vertices, by `ShapeLikelihood`). Prints the
size-free error, and how much it differs from that with random ones for the same first five, with its standard error
over people.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor

from ownhand import metrics
from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import SINGLE
from ownhand.hand.identity import ShapeLikelihood
from ownhand.hand.model import HandModel
from ownhand.observations import Observations, observe, seen_from
from ownhand.pipeline import Pipeline, load
from ownhand.structs import given

TRUST = 0.3  # share of what keypoints claim to know that is believed, for the last kind


def main(
    data: tyro.conf.Positional[Path],
    weights: Path | None = None,
    people: int = 40,
    more: int = 5,
    draws: int = 5,
    most: int = 60,
) -> None:
    pipeline, dataset = load(weights), ShardDataset(data, fields=())
    known = dataset.numbers(range(len(dataset)))
    kind, subject = given(known.taken, "how pictures were taken").kind, given(known.subject, "people")
    ids = subject.unique()[:people].tolist()
    rows = torch.cat([((kind == SINGLE) & (subject == person)).nonzero()[:most, 0] for person in ids])
    seen = observe(pipeline, dataset, rows=rows.tolist())
    report(pipeline, seen, pipeline.keypoint_likelihood(seen.seen), more=more, draws=draws)


def report(pipeline: Pipeline, everything: Observations, keypoints: ShapeLikelihood, *, more: int, draws: int) -> None:
    """Print it, from what the networks say of single pictures."""
    generator = torch.Generator().manual_seed(0)
    metric, found = size_free_metric(pipeline.hand), pipeline.has_hand(everything.seen)
    kinds = kinds_of(everything)
    errors: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    for subject in everything.subject.unique().tolist():
        rows = ((everything.subject == subject) & found).nonzero()[:, 0]
        for draw in range(draws):
            rows = rows[torch.randperm(len(rows), generator=generator)]
            first, rest = rows[:more], rows[more:]
            chosen = {"nothing": rest[:0], "random": rest[:more]}
            chosen |= {name: rest[which[rest]][:more] for name, which in kinds.items()}
            chosen["surest of the shape"] = rest[everything.seen.confidence[rest].topk(more).indices]
            chosen["by what keypoints show"] = most_informative(keypoints, first, rest, metric, more)
            for name, further in chosen.items():
                if name != "nothing" and len(further) < more:
                    continue
                some = torch.cat([first, further])
                identity = pipeline.combine(everything.seen[some], keypoints=keypoints[some]).identity
                truth = everything.shape[some[:1]]
                error = metrics.size_free_error_mm(identity.shape[None].to(truth), truth, pipeline.hand)
                errors[name][subject, draw] = float(error)
    for name, values in errors.items():
        by_person: dict[int, list[float]] = defaultdict(list)
        for (subject, draw), error in values.items():
            by_person[subject].append(error - errors["random"][subject, draw])
        gained = torch.tensor([sum(some) / len(some) for some in by_person.values()])
        mean = sum(values.values()) / len(values)
        print(
            f"{name}: {mean:.3f} mm, {gained.mean():+.3f} ± {gained.std() / len(gained) ** 0.5:.3f} against random "
            f"({len(gained)} people)"
        )


def kinds_of(everything: Observations) -> dict[str, Tensor]:
    """Which pictures are of what kind, as the labels say."""
    side = seen_from(everything.pose)
    shown = {name: torch.tensor([one == name for one in side]) for name in sorted(set(side))}
    trace = torch.einsum("...ii->...", everything.pose.R_parent_joint)
    bent = ((trace - 1) / 2).clamp(-1, 1).acos().mean(-1)
    is_open, empty = bent < bent.median(), given(everything.taken, "what hands hold").thing < 0
    return {
        **{f"seen from the {name}": which for name, which in shown.items()},
        "empty": empty,
        "holding something": ~empty,
        "palm, open, empty": shown["palm"] & is_open & empty,
        "back, open, empty": shown["back"] & is_open & empty,
        "palm, bent, empty": shown["palm"] & ~is_open & empty,
    }


def size_free_metric(model: HandModel) -> Float[Tensor, "shapes shapes"]:
    """M with `e' M e` the mean squared vertex displacement by a change e of shape but for scale."""
    wrist = model.joint_regressor[0].double()
    basis, template = model.shape_basis.double(), model.template.double()
    A = (basis - torch.einsum("v,vcs->cs", wrist, basis)).flatten(0, 1)
    size = torch.nn.functional.normalize((template - wrist @ template).flatten(), dim=0)
    A = A - torch.outer(size, size @ A)
    return A.mT @ A / len(template)


def most_informative(
    keypoints: ShapeLikelihood,
    first: Int[Tensor, "n"],
    rest: Int[Tensor, "m"],
    metric: Float[Tensor, "shapes shapes"],
    count: int,
) -> Int[Tensor, "count"]:
    """One after the other, those that leave the smallest expected error of the vertices."""
    precision = TRUST * keypoints.precision.double()
    known, chosen = torch.eye(len(metric)).double() + precision[first].sum(0), []
    for _ in range(count):
        left = torch.linalg.inv(known + precision[rest])
        best = int(torch.einsum("kij,ij->k", left, metric).argmin())
        known = known + precision[rest[best]]
        chosen.append(rest[best])
        rest = torch.cat([rest[:best], rest[best + 1 :]])
    return torch.stack(chosen)


if __name__ == "__main__":
    tyro.cli(main)
