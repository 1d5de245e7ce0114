"""What the commands are given: pictures and videos, as one view of each hand in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.console import progress
from ownhand.data.detections import DetectedHand, read_detections
from ownhand.data.photos import PhotoError
from ownhand.data.video import frame_count, read_frames
from ownhand.locate import MARGIN, HandBox
from ownhand.pipeline import NoHandError, Pipeline
from ownhand.structs import given
from ownhand.views import View, find_pictures, read_cameras, read_intrinsics, read_view

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


def hands_in_video(pipeline: Pipeline, video: Path, side: str | None, K: Tensor | None, fov: float) -> Iterator[View]:
    """The hands in at most `FRAMES` frames of a video, evenly taken, as `find_hands` has those of pictures."""
    with progress() as report:
        for name, image in even_frames(video, FRAMES, report("frames")):
            view = View.of(image, K, fov=fov, is_right=side != "left", name=name)
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
    _, seen = pipeline.crop([*views, *(view.mirrored() for view in views)])
    as_right, as_left = given(seen.rightness, "what the keypoint network says of the side").view(2, -1).sum(-1).tolist()
    return as_right >= as_left


def read_views(pictures: tuple[Path, ...], side: str, K: Path | None, fov: float | None) -> list[View]:
    cameras = read_cameras(K) if K is not None and K.suffix == ".json" else None
    intrinsics = None if K is None or cameras is not None else read_intrinsics(K)
    views, taken = [], set()
    for path in find_pictures(pictures):
        if cameras is not None and path.name not in cameras:
            raise ValueError(f"{K}: expected a camera of every picture, but there is none of {path.name}")
        placement = None
        if cameras is not None:
            intrinsics, placement = cameras[path.name]
        view = replace(read_view(path, K=intrinsics, fov=fov), placement=placement)
        view = view if side == "right" else view.mirrored()
        if K is not None:
            view = replace(view, camera_source=f"intrinsics from {K.name}")
        if view.name in taken:
            raise PhotoError(f"{path}: expected pictures with different names, but two are called {view.name}")
        taken.add(view.name)
        views.append(view)
    return views


def some_names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
