"""How a detector is taught and judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.data.frame import HandFrame, joint_count
from ownhand.estimators.base import full_precision
from ownhand.estimators.detector import FoundHands, HandMaps
from ownhand.hand.skeleton import upright_angle

DETECTION = {"centres": 1.0, "offset": 0.5, "side": 0.5, "up": 0.3}
"""Weights of the terms of `detection_loss`."""

SEEN = 8
"""Joints that must be visible for a hand to count; those that show fewer are neither asked for nor wrong to find."""

SPREAD = 0.12
"""Standard deviation of a hand's peak over the side of its box."""

ABOUT = 0.4
"""Cells whose peak is at least so high also learn where the hand's box is."""

OVERLAP = 0.5
"""Of the squares of a found and of a labelled hand, area of the intersection over the union, at least."""


def detection_loss(
    maps: HandMaps, frame: HandFrame, weights: Mapping[str, float] = DETECTION
) -> dict[str, Float[Tensor, "batch"]]:
    """Every term named in `weights`, unweighted, and their weighted sum as `total`.

    `centres` is the penalty-reduced focal loss of Zhou et al. 2019 (equation 1), per hand; in frames that are not
    complete only cells in the boxes of labelled hands count. The others count near the middles of hands: errors of
    offset [cells] and of the logarithm of the box's side; 1 - cosine of the error of the upright angle.

    Args:
        maps: What the detector said.
        frame: The truth.
        weights: Weight of each term.
    """
    with full_precision(frame.keypoints):
        rows, cols = maps.logits.shape[-2:]
        height, width = frame.image.shape[-2:]
        cell = frame.keypoints.new_tensor([width / cols, height / rows])
        centre, side = frame.boxes
        centre, side = centre / cell, side / cell.mean()
        taught = frame.present & (joint_count(frame) >= SEEN)
        xs, ys = (torch.arange(n, device=side.device) + 0.5 for n in (cols, rows))
        away_x = xs - centre[..., :1]
        away_y = ys - centre[..., 1:]
        squared = away_y.square()[..., :, None] + away_x.square()[..., None, :]
        sigma = (SPREAD * side).clamp_min(0.5)
        peak = torch.exp(-squared / (2 * sigma.square()[..., None, None])) * taught[..., None, None]
        target = peak.amax(1)
        inside = (away_y.abs()[..., :, None] < side[..., None, None] / 2) & (
            away_x.abs()[..., None, :] < side[..., None, None] / 2
        )
        labelled, hidden = ((inside & some[..., None, None]).any(1) for some in (taught, frame.present & ~taught))
        unsure = (hidden | ~(labelled | frame.complete[:, None, None])) & (target < ABOUT)
        middle = torch.zeros_like(target, dtype=torch.bool)
        where = centre.long().clamp_min(0).minimum(centre.new_tensor([cols - 1, rows - 1]).long())
        batch, hand = taught.nonzero(as_tuple=True)
        place = where[batch, hand]
        middle[batch, place[:, 1], place[:, 0]] = True

        count = taught.sum(-1).clamp_min(1)
        values = {"centres": _focal(maps.logits, target, middle, ~unsure) / count}
        owner = peak.argmax(1)
        weight = target.where(target > ABOUT, 0)
        norm = weight.sum((-2, -1)).clamp_min(1e-6)

        def of_owner(values: Float[Tensor, "batch hands"]) -> Float[Tensor, "batch rows cols"]:
            return values.gather(1, owner.flatten(1)).view_as(owner)

        def near(errors: Float[Tensor, "batch rows cols"]) -> Float[Tensor, "batch"]:
            return (errors * weight).sum((-2, -1)) / norm

        off_x = maps.offset[:, 0] - (of_owner(centre[..., 0]) - xs)
        off_y = maps.offset[:, 1] - (of_owner(centre[..., 1]) - ys[:, None])
        values["offset"] = near(off_x.abs() + off_y.abs())
        values["side"] = near((maps.log_side - of_owner(side.clamp_min(0.1).log())).abs())
        angle = of_owner(upright_angle(frame.keypoints).where(frame.present, 0))
        values["up"] = near(1 - F.cosine_similarity(maps.up, torch.stack([angle.cos(), angle.sin()], 1), dim=1))
        total = torch.stack([weight * values[name] for name, weight in weights.items()]).sum(0)
    return {name: values[name] for name in weights} | {"total": total}


def _focal(
    logits: Float[Tensor, "batch rows cols"],
    target: Float[Tensor, "batch rows cols"],
    middle: Bool[Tensor, "batch rows cols"],
    counts: Bool[Tensor, "batch rows cols"],
) -> Float[Tensor, "batch"]:
    p = logits.sigmoid()
    hit = (1 - p).square() * F.softplus(-logits)
    false = (1 - target).pow(4) * p.square() * F.softplus(logits)
    return hit.where(middle, false * counts).sum((1, 2))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Hands found in some frames, against labelled ones.

    Attributes:
        score: Of each found hand that counts.
        correct: Whether it lies on a labelled hand that no better one lies on.
        side_px: Longer side of the box of the labelled hand, where it is correct.
        angle_error: Error of the upright angle [rad], where it is correct.
        asked: Side of the box of each labelled hand that counts [px].
        frames: How many frames.
    """

    score: Float[Tensor, "found"]
    correct: Bool[Tensor, "found"]
    side_px: Float[Tensor, "found"]
    angle_error: Float[Tensor, "found"]
    asked: Float[Tensor, "labelled"]
    frames: int

    def threshold(self, false_alarms: float) -> float:
        """The lowest score at which there are at most so many false alarms per frame."""
        wrong = self.score[~self.correct].sort(descending=True).values
        allowed = int(false_alarms * self.frames)
        return float(wrong[allowed]) if allowed < len(wrong) else 0.0

    def recall(self, threshold: float, smallest: float = 0.0) -> float:
        """Share of the labelled hands whose box has at least a side of `smallest` [px] that score above `threshold`."""
        found = (self.correct & (self.score > threshold) & (self.side_px >= smallest)).sum()
        return float(found / (self.asked >= smallest).sum())

    def angle_deg(self, threshold: float) -> float:
        """Median error of the upright angle of the found hands [degrees]."""
        return float(self.angle_error[self.correct & (self.score > threshold)].rad2deg().nanmedian())


def judge(found: Iterable[tuple[FoundHands, HandFrame]]) -> Judged:
    """Match found hands with labelled ones, best scores first.

    Args:
        found: What was found in each frame, and the frame; without batch axes.
    """
    rows: list[tuple[float, bool, float, float]] = []
    asked, count = [], 0
    for hands, frame in found:
        centres, sides = frame.boxes
        enough, angles, free = joint_count(frame) >= SEEN, upright_angle(frame.keypoints), frame.present.clone()
        asked.append(sides[free & enough])
        count += 1
        for k in hands.score.argsort(descending=True).tolist():
            overlap = square_overlap(hands.centre[k], hands.side[k], centres, sides.clamp_min(1))
            overlap = overlap.where(free, 0)
            best = int(overlap.argmax())
            if overlap[best] < OVERLAP:
                rows.append((float(hands.score[k]), False, 0.0, 0.0))
                continue
            free[best] = False
            if enough[best]:
                turn = hands.angle[k] - angles[best]
                error = float(torch.atan2(turn.sin(), turn.cos()).abs())
                rows.append((float(hands.score[k]), True, float(sides[best]), error))
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    return Judged(
        score=table[:, 0],
        correct=table[:, 1].bool(),
        side_px=table[:, 2],
        angle_error=table[:, 3],
        asked=torch.cat(asked) if asked else torch.zeros(0),
        frames=count,
    )


def square_overlap(
    centre: Float[Tensor, "2"], side: Float[Tensor, ""], centres: Float[Tensor, "n 2"], sides: Float[Tensor, "n"]
) -> Float[Tensor, "n"]:
    """Intersection over union of a square with others."""
    low = torch.maximum(centre - side / 2, centres - sides[:, None] / 2)
    high = torch.minimum(centre + side / 2, centres + sides[:, None] / 2)
    shared = (high - low).clamp_min(0).prod(-1)
    return shared / (side.square() + sides.square() - shared)
