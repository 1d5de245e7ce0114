"""From confidence scores to the weights of pictures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

TURNED, BENT = 0.55, 0.45
"""How far the hand is turned before the camera, and its joints are bent (root mean square), for errors of two pictures
to be about independent [rad]: correlations of the baseline's errors on frames of clips (`benchmarks/clips.py`)."""

Kind = Literal["uniform", "softmax", "sigmoid", "rank"]


@dataclass(frozen=True, kw_only=True)
class WeightMap:
    """How much a picture counts, given the scores of all pictures of a person.

    The score of a ranking loss has no unit and may be negative, so that the map is a choice to be made on validation
    people. Calling a map gives weights that are non-negative and sum to 1.

    Attributes:
        kind: `softmax`: exp(score / T); `sigmoid`: 1 / (1 + exp((centre - score) / T)); `rank`: exp(-place / (K T)),
            place 0 being the best of K; `uniform`: all alike.
        temperature: T, positive; towards infinity all weights become alike. In units of the score but for `rank`.
        centre: Score that gets half the weight of a perfect one; `sigmoid` only.
    """

    kind: Kind = "softmax"
    temperature: float = 1.0
    centre: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"expected a weight map among {', '.join(get_args(Kind))}, got {self.kind!r}")
        if not (0 < self.temperature < math.inf and math.isfinite(self.centre)):
            raise ValueError(f"expected a positive temperature and a finite centre, got {self}")

    def __call__(self, score: Float[Tensor, "*batch pictures"]) -> Float[Tensor, "*batch pictures"]:
        score = score.double()
        if self.kind == "uniform":
            logits = torch.zeros_like(score)
        elif self.kind == "softmax":
            logits = score / self.temperature
        elif self.kind == "sigmoid":
            logits = torch.nn.functional.logsigmoid((score - self.centre) / self.temperature)
        else:
            better = (score[..., None, :] > score[..., :, None]).sum(-1)
            alike = (score[..., None, :] == score[..., :, None]).sum(-1)
            logits = -(better + (alike - 1) / 2).double() / (score.shape[-1] * self.temperature)
        return logits.softmax(-1)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> WeightMap:
        try:
            return cls(**content)
        except TypeError as error:
            raise ValueError(f"expected a weight map with kind, temperature and centre, got {content!r}") from error


def weight_map_candidates(scores: Float[Tensor, "n"]) -> list[WeightMap]:
    """Maps worth trying for scores that spread like these."""
    spread, centre = scores.double().std().item(), scores.double().mean().item()
    candidates = [WeightMap(kind="uniform")]
    for factor in (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0):
        candidates.append(WeightMap(kind="softmax", temperature=factor * spread))
        candidates.append(WeightMap(kind="sigmoid", temperature=factor * spread, centre=centre))
        candidates.append(WeightMap(kind="rank", temperature=factor))
    return candidates


def alike(
    R_cam_root: Float[Tensor, "pictures 3 3"], R_parent_joint: Float[Tensor, "pictures 15 3 3"]
) -> Float[Tensor, "pictures pictures"]:
    """How much the errors of two pictures of one person go together: 1 for the same pose seen from the same side.

    Neighbouring frames of a clip are wrong in the same way, and twenty of them tell little more than one.
    """

    def squared_angles(R: Float[Tensor, "pictures joints 3 3"]) -> Float[Tensor, "pictures pictures joints"]:
        trace = torch.einsum("pjab,qjab->pqj", R, R)
        return ((trace - 1) / 2).clamp(-1, 1).acos().square()

    turned = squared_angles(R_cam_root.double()[:, None])[..., 0] / TURNED**2
    bent = squared_angles(R_parent_joint.double()).mean(-1) / BENT**2
    same = torch.exp(-(turned + bent) / 2)
    return same.fill_diagonal_(1.0)


def independent_pictures(
    weights: Float[Tensor, "pictures"], together: Float[Tensor, "pictures pictures"] | None
) -> Float[Tensor, ""]:
    """As how many pictures with independent errors some pictures count: 1 / w' K w, at most their number.

    Args:
        weights: Of the pictures, summing to 1.
        together: K, how much their errors go together (`alike`); None if they do not at all.
    """
    return 1 / (weights.square().sum() if together is None else weights @ together.to(weights) @ weights)


def spread_evenly(
    weights: Float[Tensor, "pictures"], together: Float[Tensor, "pictures pictures"] | None
) -> Float[Tensor, "pictures"]:
    """The weights, with those of pictures that say the same divided among them; they sum to 1."""
    if together is None:
        return weights
    shared = weights / together.to(weights).sum(-1)
    return shared / shared.sum()


def most_different(
    together: Float[Tensor, "pictures pictures"], quality: Float[Tensor, "pictures"], count: int
) -> list[int]:
    """Good pictures that say different things: the best one, then again and again the best that is new.

    Args:
        together: How much the errors of two pictures go together (`alike`).
        quality: How good each is, positive.
        count: How many to choose, at most.

    Returns:
        Their numbers, in their order.
    """
    chosen: list[int] = []
    new = torch.ones_like(quality)
    for _ in range(min(count, len(quality))):
        worth = quality * new
        worth[chosen] = -1
        chosen.append(int(worth.argmax()))
        new = torch.minimum(new, 1 - together[chosen[-1]].to(new))
    return sorted(chosen)
