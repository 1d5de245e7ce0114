"""Where in a picture the hands are: a locator answers with one `HandBox` per hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ownhand.data.dataset import FrameDataset
from ownhand.data.frame import HandFrame
from ownhand.detection import Judged, judge, square_overlap
from ownhand.estimators import build
from ownhand.estimators.detector import Detector, FoundHands, HandDetector
from ownhand.geometry.crops import Crop
from ownhand.structs import concatenate

FILE = "detector"
"""Name of the detector's weights in a folder."""

SIDES = (256, 512)
"""Longer sides at which a picture is looked at [px]: the first shows large hands whole, the second small ones."""

WORTH = 1.4
"""A picture is looked at again at the next size only if it is larger than so many times the last one."""

SMALL = 0.25
"""Of what is seen closer, only hands with at most this share of the picture's longer side count: the look before sees
larger ones whole."""

DOUBT = 0.9
"""Factor of the score from each closer look: it sees more places that could be mistaken."""

STEP = 32
"""Sides of what a detector sees are multiples of this [px]."""

MOST = 20
"""Hands that are looked for in one picture."""

SAME = 0.4
"""Overlap of two squares, intersection over union, above which they hold the same hand."""

WITHIN = 0.8
"""Share of a square inside a better one above which they hold the same hand: a part of a hand is none."""

MARGIN = 2.2
"""Side of the square in which a hand is first looked at, relative to the box that the detector finds."""

FALSE_ALARMS = 0.1
"""Per picture, at the score that training chooses as the lowest."""

UNLIKELY = 0.02
"""Scores that are not even judged."""


@dataclass(frozen=True, kw_only=True)
class HandBox:
    """One hand in a picture.

    Attributes:
        centre: Centre of the square that holds the hand [px].
        side: Side of that square [px].
        is_right: Whether it is a right hand; None if the locator cannot tell.
        angle: By which to turn the picture for the palm to point up [rad], clockwise as seen; 0 if nobody knows.
        score: Confidence in [0, 1].
    """

    centre: tuple[float, float]
    side: float
    is_right: bool | None
    angle: float = 0.0
    score: float = 1.0

    def crop(self, size: int) -> Crop:
        """The square, turned and resampled to `size` x `size`."""
        centre, side, angle = torch.tensor(self.centre), torch.tensor(float(self.side)), torch.tensor(self.angle)
        return Crop.square(centre, side, size, angle if self.angle else None)

    def mirrored(self, width: float) -> HandBox:
        """Where the hand is in the mirror image of a picture of this width [px]."""
        x, y = self.centre
        side = None if self.is_right is None else not self.is_right
        return replace(self, centre=(width - x, y), is_right=side, angle=-self.angle)


class Locator(ABC):
    """Finds hands in a picture."""

    @abstractmethod
    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[HandBox]:
        """The hands in an upright RGB picture in [0, 1], best first; empty if there is none."""


@dataclass(frozen=True)
class WholePicture(Locator):
    """Takes for granted that the picture shows one hand of a known side."""

    is_right: bool = True

    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[HandBox]:
        height, width = image.shape[-2:]
        return [HandBox(centre=(width / 2, height / 2), side=max(height, width), is_right=self.is_right)]


class HandFinder(Locator):
    """Looks for any number of hands, left and right, and does not tell these apart.

    Args:
        network: What looks.
        min_score: Hands with lower scores are none.
        sides: Longer sides at which it looks [px].
    """

    def __init__(self, network: HandDetector, *, min_score: float, sides: tuple[int, ...] = SIDES):
        self.network, self.min_score, self.sides = network.eval(), min_score, sides
        network.to(memory_format=torch.channels_last)  # pyright: ignore

    @classmethod
    def load(cls, folder: Path) -> HandFinder:
        """The detector in a folder of weights.

        Raises:
            WeightsError: It is missing, damaged, or was not trained to its end.
        """
        network, extra = build.load(folder / FILE), build.describe(folder / FILE)["extra"]
        if not isinstance(network, Detector) or "min_score" not in extra:
            raise build.WeightsError(f"{folder / FILE} is not a detector that `ownhand train detector` wrote")
        return cls(network, min_score=extra["min_score"])

    def __call__(self, image: Float[Tensor, "3 h w"]) -> list[HandBox]:
        found = self.look(image, self.min_score)
        return [
            HandBox(
                centre=(float(found.centre[k, 0]), float(found.centre[k, 1])),
                side=MARGIN * float(found.side[k]),
                is_right=None,
                angle=float(found.angle[k]),
                score=float(found.score[k]),
            )
            for k in range(len(found.score))
        ]

    @torch.no_grad()
    def look(self, image: Float[Tensor, "3 h w"], min_score: float = UNLIKELY) -> FoundHands:
        """Boxes of joints [px of the picture] with at least this score, each hand once, best first."""
        height, width = image.shape[-2:]
        longer = max(height, width)
        sides = [s for k, s in enumerate(self.sides) if k == 0 or longer > WORTH * self.sides[k - 1]]
        shrunk = _shrunk(image, 2 * sides[-1])
        seen = []
        for closer, side in enumerate(sides):
            scale = side / longer
            small = (max(1, round(height * scale)), max(1, round(width * scale)))
            resized = F.interpolate(shrunk[None], size=small, mode="bilinear", antialias=True)
            missing = [-n % STEP for n in small]
            padded = F.pad(resized, (0, missing[1], 0, missing[0]), mode="replicate")
            found = self.network.find(padded.contiguous(memory_format=torch.channels_last), MOST)
            back = found.centre.new_tensor([width / small[1], height / small[0]])
            whole = replace(
                found[0],
                score=found.score[0] * DOUBT**closer,
                centre=found.centre[0] * back,
                side=found.side[0] * back.mean(),
            )
            seen.append(whole[whole.side < SMALL * longer] if closer else whole)
        both = concatenate(seen)
        return both[_distinct(both, min_score)]


def _shrunk(image: Float[Tensor, "3 h w"], longer: int) -> Float[Tensor, "3 h2 w2"]:
    """Averaged down by a whole factor, as long as the longer side stays above `longer`."""
    factor = max(image.shape[-2:]) // longer
    return F.avg_pool2d(image[None], factor, ceil_mode=True, count_include_pad=False)[0] if factor > 1 else image


def _distinct(found: FoundHands, min_score: float) -> list[int]:
    """Which of the hands to keep, best first: none that overlaps with a better one."""
    kept: list[int] = []
    for k in found.score.argsort(descending=True).tolist():
        if found.score[k] < min_score or len(kept) == MOST:
            break
        if kept:
            overlap = square_overlap(found.centre[k], found.side[k], found.centre[kept], found.side[kept])
            areas = found.side[k] ** 2, found.side[kept].square()
            shared = overlap * (areas[0] + areas[1]) / (1 + overlap)
            if (overlap > SAME).any() or (shared > WITHIN * torch.minimum(areas[0], areas[1])).any():
                continue
        kept.append(k)
    return kept


Progress = Callable[[int, int], None]


def judge_finder(finder: HandFinder, frames: FrameDataset, progress: Progress | None = None) -> Judged:
    """How well a finder finds the hands of labelled frames, whatever its lowest score; `progress` hears of each."""

    def pairs() -> Iterator[tuple[FoundHands, HandFrame]]:
        for index in range(len(frames)):
            frame = frames.load([index])[0]
            yield finder.look(frame.image), frame
            if progress is not None:
                progress(index + 1, len(frames))

    return judge(pairs())


def keep_threshold(folder: Path, frames: FrameDataset, progress: Progress | None = None) -> Judged:
    """Choose the lowest score of a trained detector on frames of other people, and write it beside its weights.

    Returns:
        How well it does on these frames.
    """
    network, about = build.load(folder / FILE), build.describe(folder / FILE)
    assert isinstance(network, Detector)
    judged = judge_finder(HandFinder(network, min_score=0.0), frames, progress)
    score = judged.threshold(FALSE_ALARMS)
    build.save(network, folder / FILE, about["extra"] | {"min_score": score})
    return judged
