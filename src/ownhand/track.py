"""Hands in video: every frame is solved with one fixed shape, and every hand keeps its number.

tracker = Tracker(pipeline, identity)
for number, frame in enumerate(frames):
    for hand in tracker.update(frame, time=number / 30):
        ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.data.cameras import KnownCamera
from ownhand.geometry.crops import Crop
from ownhand.geometry.lens import Undistortion
from ownhand.hand.identity import Identity
from ownhand.locate import HandBox
from ownhand.pipeline import Pipeline
from ownhand.results import Reconstruction, Seen
from ownhand.smooth import PoseFilter, Smoothness
from ownhand.structs import stack
from ownhand.views import View

LOOK_EVERY = 10
"""Frames after which new hands are looked for, if some are tracked; without any, every frame is searched."""

PATIENCE = 5
"""Frames in a row in which a hand may not be recognised until it is given up."""

SAME_HAND = 0.25
"""Mean distance of keypoints, over the larger side of their box, below which two tracks follow one hand."""


NEAR = 0.25
"""Distance between the middles of a box and of a followed hand, over the larger side, below which they are one."""


@dataclass(frozen=True, kw_only=True)
class TrackedHand:
    """A hand in one frame.

    Attributes:
        number: Of the track: the same hand in other frames has the same.
        hand: The hand, smoothed.
    """

    number: int
    hand: Reconstruction


@dataclass(kw_only=True)
class _Track:
    """A hand that is followed. Keypoints are in pixels of the view, which is mirrored for a left hand."""

    number: int
    is_right: bool
    keypoints: Float[Tensor, "21 2"]
    filter: PoseFilter | None
    missed: int = 0


_Found = tuple[_Track, View, Crop, Seen]


class Tracker:
    """Follows any number of hands from frame to frame.

    A hand is cropped around where its keypoints were in the frame before, so that each frame costs one look of the
    networks per hand; the locator runs every `LOOK_EVERY` frames.

    Args:
        pipeline: Networks and settings.
        identity: Whose hands they are; without, every frame guesses a shape.
        camera: What is known of the camera; the distortion of its lens is undone. None takes `fov`.
        fov: Field of view along the longer side [degrees]; None takes `DEFAULT_FOV`.
        refine: Fit every pose to the 2D keypoints as well.
        smoothness: How much poses are smoothed; None for not at all.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        identity: Identity | None = None,
        *,
        camera: KnownCamera | None = None,
        fov: float | None = None,
        refine: bool = False,
        smoothness: Smoothness | None = Smoothness(),  # noqa: B008  # frozen
    ):
        if identity is not None:
            identity.check_model(pipeline.hand)
        self._pipeline, self._identity, self._refine, self._smoothness = pipeline, identity, refine, smoothness
        self._camera, self._fov = camera, fov
        self._undistortion: Undistortion | None = None
        self._tracks: list[_Track] = []
        self._frame, self._count, self._time = 0, 0, float("-inf")

    def update(self, image: Float[Tensor, "3 h w"], time: float) -> list[TrackedHand]:
        """The hands in the next frame, in the order of their numbers.

        Args:
            image: RGB in [0, 1], upright.
            time: When it was taken [s].

        Raises:
            ValueError: Time does not go on.
        """
        if time <= self._time:
            raise ValueError(f"expected a frame after {self._time:g} s, got one of {time:g} s")
        self._time = time
        K, size = None, (image.shape[1], image.shape[2])
        if self._camera is not None:
            K = self._camera.K
            if self._undistortion is None or self._undistortion.camera.size != size:
                self._undistortion = self._camera.undistortion(size)
        view = View.of(image, K, undistortion=self._undistortion, fov=self._fov)
        sides = {True: view, False: view.mirrored()}
        known = [sides[track.is_right] for track in self._tracks]
        found = self._follow(known) if self._tracks else []
        if self._frame % LOOK_EVERY == 0 or not self._tracks:
            found += self._discover(view, found)
        self._frame += 1
        for track, _, _, _ in found:
            track.missed = 0
        self._tracks = [track for track in self._tracks if track.missed <= PATIENCE]
        found = [entry for entry in self._distinct(found) if entry[0] in self._tracks]
        return self._solved(found, time)

    @property
    def state(self) -> dict[str, Any]:
        """All that it remembers of the frames so far, as JSON has it; set it to go on from there."""
        tracks = [
            {
                "number": track.number,
                "is_right": track.is_right,
                "keypoints": track.keypoints.tolist(),
                "filter": None if track.filter is None else track.filter.state,
                "missed": track.missed,
            }
            for track in self._tracks
        ]
        return {"frame": self._frame, "count": self._count, "time": self._time, "tracks": tracks}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._frame, self._count, self._time, self._tracks = state["frame"], state["count"], state["time"], []
        for track in state["tracks"]:
            smooth = self._new_filter()
            if smooth is not None:
                smooth.state = track["filter"]
            self._tracks.append(_Track(**track | {"keypoints": torch.tensor(track["keypoints"]), "filter": smooth}))

    def _new_filter(self) -> PoseFilter | None:
        return None if self._smoothness is None else PoseFilter(self._smoothness)

    def _follow(self, views: Sequence[View]) -> list[_Found]:
        """Hands near where they were."""
        points = torch.stack([track.keypoints for track in self._tracks])
        crops, seen = self._pipeline.crop_around(views, points)
        there = self._pipeline.has_hand(seen)
        found = []
        for k, (track, view, crop) in enumerate(zip(self._tracks, views, crops, strict=True)):
            track.missed += 1
            if there[k]:
                track.keypoints = crop.inverse(view.camera.size).keypoints(seen[k].keypoints)
                found.append((track, view, crop, seen[k]))
        return found

    def _discover(self, view: View, found: Sequence[_Found]) -> list[_Found]:
        """Hands that no track follows yet."""
        boxes = [box for box in self._pipeline.locator(view.image) if not any(_holds(box, f) for f in found)]
        if not boxes:
            return []
        views = [self._pipeline.sided(replace(view, box=box)) for box in boxes]
        crops, seen = self._pipeline.crop(views)
        there = self._pipeline.has_hand(seen)
        new = []
        for k, (one, crop) in enumerate(zip(views, crops, strict=True)):
            if there[k]:
                self._count += 1
                points = crop.inverse(one.camera.size).keypoints(seen[k].keypoints)
                track = _Track(number=self._count, is_right=one.is_right, keypoints=points, filter=self._new_filter())
                self._tracks.append(track)
                new.append((track, one, crop, seen[k]))
        return new

    def _distinct(self, found: list[_Found]) -> list[_Found]:
        """Of tracks that follow the same hand, the oldest."""
        kept: list[_Found] = []
        for entry in sorted(found, key=lambda entry: entry[0].number):
            points = _in_picture(entry)
            if any(_apart(points, _in_picture(other)) < SAME_HAND for other in kept):
                self._tracks.remove(entry[0])
            else:
                kept.append(entry)
        return kept

    def _solved(self, found: list[_Found], time: float) -> list[TrackedHand]:
        if not found:
            return []
        seen = stack([replace(seen, located=None) for *_, seen in found])
        solved = self._pipeline.solve(seen, self._identity, refine=self._refine)
        hands = []
        for k, (track, view, crop, one) in enumerate(found):
            single = solved[k]
            if track.filter is not None:
                single = replace(single, pose=track.filter(single.pose, time))
            hand = self._pipeline.as_in_picture(view, crop, one, single)
            hands.append(TrackedHand(number=track.number, hand=hand))
        return hands


def _in_picture(found: _Found) -> Float[Tensor, "21 2"]:
    """Keypoints in the picture as it came."""
    track, view, _, _ = found
    if track.is_right:
        return track.keypoints
    return torch.stack([view.camera.size[1] - track.keypoints[:, 0], track.keypoints[:, 1]], -1)


def _side(points: Float[Tensor, "21 2"]) -> float:
    return float((points.amax(0) - points.amin(0)).max().clamp_min(1))


def _apart(points: Float[Tensor, "21 2"], others: Float[Tensor, "21 2"]) -> float:
    """Mean distance of two hands' keypoints, over the larger hand's side."""
    return float((points - others).norm(dim=-1).mean()) / max(_side(points), _side(others))


def _holds(box: HandBox, found: _Found) -> bool:
    """Whether a box is that of a hand that is followed already."""
    points = _in_picture(found)
    centre = (points.amax(0) + points.amin(0)) / 2
    away = float((centre - torch.tensor(box.centre)).norm())
    return away < NEAR * max(box.side, _side(points))
