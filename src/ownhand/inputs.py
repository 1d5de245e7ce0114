"""What the commands are given: pictures and videos, as one view of each hand in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.console import progress
from ownhand.data.cameras import Cameras, read_cameras
from ownhand.data.detections import DetectedHand, read_detections
from ownhand.data.photos import PhotoError
from ownhand.data.video import frame_count, read_frames
from ownhand.geometry.card import CardError
from ownhand.locate import MARGIN, HandBox
from ownhand.pipeline import NoHandError, Pipeline
from ownhand.views import View, find_pictures, read_view

FRAMES = 240
"""Frames of a video in which a calibration looks at hands, at most."""


def find_hands(
    pipeline: Pipeline,
    pictures: tuple[Path, ...],
    side: str | None,
    K: Path | None,
    fov: float | None,
    hands: Path | None = None,
) -> list[View]:
    """One view of each hand: of a given side, whose box is to be found, or of all that are found, here or by others.

    Raises:
        NoHandError: No hand is found in any picture.
    """
    views = read_views(pictures, side or "right", K, fov)
    if hands is not None:
        return known_hands(views, read_detections(hands), side, hands)
    if side is not None:
        return views
    found = pipeline.find(views)
    missed = [view.name for view in views if view.name not in {hand.name for hand in found}]
    if not found:
        raise NoHandError(f"expected pictures that show a hand, but none was found in {some_names(missed)}")
    if missed:
        print(f"no hand found in {some_names(missed)}", file=sys.stderr)
    return found


def known_hands(views: list[View], known: dict[str, list[DetectedHand]], side: str | None, path: Path) -> list[View]:
    """One view of each hand that another program found, on the given side if there is one."""
    found = []
    for view in views:
        upright = view if view.is_right else view.mirrored()
        count = 0
        for hand in known.get(view.file, known.get(view.name, [])):
            if side is not None and hand.is_right != (side == "right"):
                continue
            count += 1
            name = view.name if count == 1 else f"{view.name}_{count}"
            if view.undistortion is not None:
                hand = hand.undistorted(view.undistortion)
            points = None
            if hand.keypoints is not None and hand.confidence is not None:
                points = torch.cat([hand.keypoints, hand.confidence[:, None]], 1)
            box = None
            if hand.box is not None:
                x, y, width, height = hand.box
                centre, longer = (x + width / 2, y + height / 2), max(width, height)
                box = HandBox(centre=centre, side=MARGIN * longer, is_right=hand.is_right)
            one = replace(upright, box=box, keypoints=points, name=name)
            found.append(one if hand.is_right else one.mirrored())
    if not found:
        names = some_names([view.name for view in views])
        raise NoHandError(f"{path}: expected hands in the pictures, but it has none in {names}")
    return found


CARDS = "ownhand cards 1"
"""The format of files with the corners of bank cards (docs/formats.md)."""


def with_cards(views: list[View], card: tuple[str, ...]) -> list[View]:
    """The views with the bank cards that lie beside the hands.

    Args:
        views: With the names of their files.
        card: The path of a file; or the 8 numbers of the four corners, if there is one picture.

    Raises:
        CardError: There is no card, or corners are not those of one.
    """
    if len(card) == 1:
        corners = _read_cards(Path(card[0]))
        if not any(view.file in corners for view in views):
            raise CardError(f"{card[0]}: expected cards in the pictures, but it has none in {views[0].file}")
    else:
        try:
            numbers = torch.tensor([float(x) for x in card]).reshape(4, 2)
        except (ValueError, RuntimeError):
            raise CardError(f"expected a file or 8 numbers, x and y of four corners, got {' '.join(card)}") from None
        if len({view.file for view in views}) > 1:
            raise CardError("expected one picture with the corners of a card, got more: say them in a file")
        corners = {views[0].file: numbers}
    return [view.with_card(corners[view.file]) if view.file in corners else view for view in views]


def _read_cards(path: Path) -> dict[str, Tensor]:
    try:
        content = json.loads(path.read_text())
        if content["format"] != CARDS:
            raise ValueError(f"its format is {content['format']!r}")
        return {name: torch.tensor(corners).float().reshape(4, 2) for name, corners in content["pictures"].items()}
    except OSError as error:
        raise CardError(f"{path}: cannot read the cards ({error.strerror})") from None
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CardError(
            f'{path}: expected {{"format": "{CARDS}", "pictures": {{NAME: [[x, y], [x, y], [x, y], [x, y]]}}}}, '
            f"but {error}"
        ) from None


class Counted:
    """Views that come one by one; its length is how many there were."""

    def __init__(self, views: Iterator[View]):
        self._views, self._count = views, 0

    def __iter__(self) -> Iterator[View]:
        for view in self._views:
            self._count += 1
            yield view

    def __len__(self) -> int:
        return self._count


def hands_in_video(
    pipeline: Pipeline, video: Path, side: str | None, cameras: Cameras | None, fov: float | None
) -> Iterator[View]:
    """The hands in at most `FRAMES` frames of a video, evenly taken, as `find_hands` has those of pictures."""
    K, undistortion = None, None
    with progress() as report:
        for number, (name, image) in enumerate(even_frames(video, FRAMES, report("frames"))):
            if number == 0 and cameras is not None:
                size = (image.shape[1], image.shape[2])
                known = cameras.of(None, size)
                K, undistortion = known.K, known.undistortion(size)
            view = View.of(image, K, undistortion=undistortion, fov=fov, is_right=side != "left", name=name)
            yield from [view] if side is not None else pipeline.find([view])


def even_frames(
    video: Path, most: int, show: Callable[[int, int], None]
) -> Iterator[tuple[str, Float[Tensor, "3 h w"]]]:
    """At most so many frames of a video, evenly taken, each with its name; `show` hears of those read, and of all."""
    total = frame_count(video) or sum(1 for _ in read_frames(video))
    step = max(1, -(-total // most))
    for number, (_, image) in enumerate(read_frames(video)):
        if number == step * most:
            return
        if number % step == 0:
            show(number + 1, max(total, number + 1))
            yield f"frame {number}", image


def all_right(pipeline: Pipeline, views: Sequence[View]) -> bool:
    """Whether pictures of one hand, as they came, show a right one: all together tell."""
    return bool(pipeline.side_log_odds(views).sum() >= 0)


def read_views(pictures: tuple[Path, ...], side: str, K: Path | None, fov: float | None) -> list[View]:
    cameras = None if K is None else read_cameras(K)
    views, taken = [], set()
    for path in find_pictures(pictures):
        view = read_view(path, cameras=cameras, fov=fov, is_right=side == "right")
        if view.name in taken:
            raise PhotoError(f"{path}: expected pictures with different names, but two are called {view.name}")
        taken.add(view.name)
        views.append(view)
    return views


def some_names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
