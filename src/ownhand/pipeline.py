"""The default pipeline: locate, estimate, calibrate and fit, put together.

pipeline = ownhand.load()
me = pipeline.calibrate(views)
hands = pipeline.reconstruct(views, me.identity, refine=True)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.calibrate import Anchor, Calibration, alike, most_different
from ownhand.data.detections import LEAST
from ownhand.estimators import build
from ownhand.estimators.onnx_runtime import OnnxFolder
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.hand.builtin import open_hand
from ownhand.hand.identity import Identity
from ownhand.hand.model import HandModel, mirror_pose
from ownhand.hand.pose_prior import PosePrior
from ownhand.hand.skeleton import upright_angle
from ownhand.locate import FILE as DETECTOR
from ownhand.locate import MARGIN, HandBox, HandFinder, Locator, WholePicture
from ownhand.results import Reconstruction, Seen, Solved
from ownhand.settings import load_settings
from ownhand.sides import SURE, sides_together
from ownhand.solver import Solver
from ownhand.structs import concatenate, given, stack
from ownhand.views import View, cards, placements

NETWORKS = {"keypoints": "side", "baseline": "confidence", "identity": "identity"}
"""The networks of a pipeline and the training stages that they come from: the baseline has its confidence with it, the
keypoints say the side."""

Runtime = Literal["auto", "torch", "onnx"]
"""What runs the networks; see `load`."""

SMALLEST_HAND = 0.1
"""Share of the square in which a locator sees a hand: first keypoints that fall together do not make a tiny crop."""

UNSURE = 0.6
"""Mean confidence of keypoints below which other boxes are looked at."""

OTHERWISE = [(turn * math.pi / 4, wider) for wider in (1.0, 2.0) for turn in range(8)][1:]
"""How these differ from the one that was found: turned by so much [rad], so many times as wide."""

SURER = 0.15
"""Mean confidence by which another look must be surer to count."""

MOST = 40
"""Pictures that a calibration uses: more of them hardly add anything."""

BIT = 16
"""Pictures that are held at once where they come one by one."""


class NoHandError(ValueError):
    """None of the pictures shows a hand that the networks recognise."""


class Pipeline(Solver):
    """A solver that finds the hands in pictures by itself.

    Args:
        locator: Finds the hands; by default each picture is taken to show one, which about fills it.
        parts: As of `Solver`.
    """

    def __init__(self, *, locator: Locator | None = None, **parts: Any):
        super().__init__(**parts)
        self.locator = WholePicture() if locator is None else locator

    def changed(self, **parts: Any) -> Pipeline:
        """The same with other networks, settings or priors, by the names of the arguments."""
        same = {name: getattr(self, name) for name in ("hand", "settings", "priors", "locator", *NETWORKS)}
        return Pipeline(**same | parts)

    def find(self, views: Sequence[View]) -> list[View]:
        """Every hand in some pictures, left or right, as a view of its own with its `box`; a left one is mirrored.

        The second hand of a picture and those after it are called NAME_2, NAME_3 ... Where no picture shows two, all
        together tell which side they are: see `sides_together`.
        """
        found, log_odds, several = [], {}, False
        for view in views:
            if view.box is not None or view.keypoints is not None:
                found.append(view)
                continue
            for number, box in enumerate(self.locator(view.image), start=1):
                one = replace(view, box=box, name=view.name if number == 1 else f"{view.name}_{number}")
                log_odds[len(found)], several = self._side_log_odds(one), several or number > 1
                found.append(one)
        odds = list(log_odds.values())
        right = [value >= 0 for value in odds] if several else sides_together(odds)
        for number, is_right in zip(log_odds, right, strict=True):
            found[number] = found[number] if is_right else found[number].mirrored()
        return found

    def side_log_odds(self, views: Sequence[View]) -> Float[Tensor, "views"]:
        """How much likelier it is that each view, as it is, shows a right hand than a left one.

        The keypoint network says it of what is in the hand's box and of the mirror image.
        """
        boxes, others = [self._box_or_all(view)[0] for view in views], [view.mirrored() for view in views]
        mirrored = [box.mirrored(view.camera.size[1]) for box, view in zip(boxes, views, strict=True)]
        _, seen = self._look_in([*views, *others], [*boxes, *mirrored])
        right, left = given(seen.rightness, "what the keypoint network says of the side").view(2, -1)
        return right - left

    def _side_log_odds(self, view: View) -> float:
        """Of one view, whose box may know."""
        box = given(view.box, "the hand's box")
        if box.is_right is not None:
            return SURE if box.is_right else -SURE
        return float(self.side_log_odds([view]))

    def sided(self, view: View) -> View:
        """The view of one hand, mirrored if it is a left one."""
        return view if self._side_log_odds(view) >= 0 else view.mirrored()

    def crop(self, views: Sequence[View]) -> tuple[list[Crop], Seen]:
        """Find the hand in each view, unless its box says where it is; crop it, and anew around its keypoints; look.

        Args:
            views: Pictures of right hands. Where hands of both sides are found, the best right one is taken. Keypoints
                that a view brings along are believed instead of the network's.
        """
        found = [self._box_or_all(view) for view in views]
        boxes, located = [box for box, _ in found], torch.tensor([there for _, there in found])
        crops, seen = self._look_in(views, boxes)
        crops, seen = self._look_again(views, boxes, crops, replace(seen, located=located))
        keypoints, confidence = seen.keypoints.clone(), seen.keypoint_confidence.clone()
        for k, (view, crop) in enumerate(zip(views, crops, strict=True)):
            if view.keypoints is not None:
                keypoints[k], confidence[k] = crop.keypoints(view.keypoints[:, :2]), view.keypoints[:, 2]
        return crops, replace(seen, keypoints=keypoints, keypoint_confidence=confidence)

    def _look_in(self, views: Sequence[View], boxes: Sequence[HandBox]) -> tuple[list[Crop], Seen]:
        """In each box, then around the keypoints seen there, or around those that the view brings along."""
        first = self._keypoints(views, [box.crop(self.settings.size) for box in boxes])
        for view, points in zip(views, first, strict=True):
            if view.keypoints is not None:
                points[:] = _known(view.keypoints)
        return self.crop_around(views, first, smallest=[SMALLEST_HAND * box.side for box in boxes])

    def _look_again(
        self, views: Sequence[View], boxes: Sequence[HandBox], crops: list[Crop], seen: Seen
    ) -> tuple[list[Crop], Seen]:
        """Where a hand is recognised but unsure, the box may have been turned wrongly, or hold a part of the hand: of
        other boxes around the same place the surest answer is taken, if it is much surer."""
        sure = seen.keypoint_confidence.mean(-1)
        doubtful = self.has_hand(seen) & (sure < UNSURE)
        unsure = [k for k, view in enumerate(views) if doubtful[k] and view.keypoints is None]
        if not unsure or not self.settings.upright:
            return crops, seen
        others = [
            replace(boxes[k], angle=boxes[k].angle + turn, side=boxes[k].side * wider)
            for k in unsure
            for turn, wider in OTHERWISE
        ]
        other_crops, other = self._look_in([views[k] for k in unsure for _ in OTHERWISE], others)
        surest, which = other.keypoint_confidence.mean(-1).view(len(unsure), -1).max(-1)
        chosen = list(range(len(views)))
        for n, k in enumerate(unsure):
            if surest[n] > sure[k] + SURER:
                best = n * len(OTHERWISE) + int(which[n])
                crops[k], chosen[k] = other_crops[best], len(views) + best
        of_views = {name: getattr(seen, name) for name in ("placement", "card", "located")}
        of_crops = [replace(some, placement=None, card=None, located=None) for some in (seen, other)]
        return crops, replace(concatenate(of_crops)[chosen], **of_views)

    def _box_or_all(self, view: View) -> tuple[HandBox, bool]:
        """Where the hand is: of those found the best of the view's side, else of the other, for whoever says which side
        it is knows better. Without any, the whole picture, and False."""
        if (box := view.box or _box_of(view)) is not None:
            return box, True
        if found := self.locator(view.image):
            return next((box for box in found if box.is_right is not False), found[0]), True
        return WholePicture()(view.image)[0], False

    def crop_around(
        self, views: Sequence[View], keypoints: Float[Tensor, "views 21 2"], *, smallest: Sequence[float] | None = None
    ) -> tuple[list[Crop], Seen]:
        """Crop each view around keypoints as in training, and look.

        Args:
            views: Pictures of right hands.
            keypoints: About where the joints are [px].
            smallest: The keypoints' box counts as at least this large [px].
        """
        settings = self.settings
        angles = upright_angle(keypoints) if settings.upright else torch.zeros(len(keypoints))
        least = smallest or [1.0] * len(views)
        crops = [
            Crop.around_keypoints(points, settings.size, settings.crop_scale, angle=angle, smallest=side)
            for points, angle, side in zip(keypoints, angles, least, strict=True)
        ]
        return crops, replace(self.look(*_cropped(views, crops)), placement=placements(views), card=cards(views))

    @torch.no_grad()
    def _keypoints(self, views: Sequence[View], crops: Sequence[Crop]) -> Float[Tensor, "views 21 2"]:
        """Keypoints in the pixels of the views."""
        seen = self.keypoints(*_cropped(views, crops)).keypoints
        return torch.stack(
            [
                crop.inverse(view.camera.size).keypoints(points)
                for view, crop, points in zip(views, crops, seen, strict=True)
            ]
        )

    def calibrate(
        self, views: Iterable[View], *, anchor: Anchor | None = None, method: str | None = None, most: int = MOST
    ) -> Calibration:
        """Find a person's hand.

        Args:
            views: Pictures of one person, right hands or left hands already mirrored. What is no sequence is read bit
                by bit: long videos need not fit into memory.
            anchor: A measured length, if there is one.
            method: How pictures are combined; by default the one that did best on validation people.
            most: Of more pictures, so many sure and different ones are chosen.

        Raises:
            NoHandError: No picture shows a hand.
        """
        parts, names, missed = [], [], []
        for some in [views] if isinstance(views, Sequence) else _bits(views):
            _, seen = self.crop(some)
            found = self.has_hand(seen)
            if found.any():
                parts.append(seen[found])
            names += [view.name for view, there in zip(some, found, strict=True) if there]
            missed += [view.name for view, there in zip(some, found, strict=True) if not there]
        if not parts:
            shown = ", ".join(missed[:3]) + (", ..." if len(missed) > 3 else "")
            raise NoHandError(f"expected pictures that show a hand, but none was recognised in {shown or 'no picture'}")
        seen = concatenate(parts)
        if len(names) > most:
            together = alike(seen.pose.R_cam_root, seen.pose.R_parent_joint)
            chosen = most_different(together, seen.keypoint_confidence.mean(-1), most)
            seen, names = seen[chosen], [names[k] for k in chosen]
        return self.combine(seen, anchor=anchor, method=method, names=tuple(names))

    def reconstruct(
        self, views: Sequence[View], identity: Identity | None = None, *, refine: bool = False
    ) -> list[Reconstruction | None]:
        """A hand for every view, None where none is recognised.

        Args:
            views: Pictures.
            identity: Whose hand it is; without, the baseline guesses a shape in every picture.
            refine: Fit the pose to the 2D keypoints as well.
        """
        crops, seen = self.crop(views)
        solved, found = self.solve(seen, identity, refine=refine), self.has_hand(seen)
        return [
            self.as_in_picture(view, crop, seen[i], solved[i]) if found[i] else None
            for i, (view, crop) in enumerate(zip(views, crops, strict=True))
        ]

    def as_in_picture(self, view: View, crop: Crop, seen: Seen, solved: Solved) -> Reconstruction:
        """The hand of one view, as it is in the picture: a left one is mirrored back.

        Args:
            view: The picture, showing a right hand.
            crop: What the networks saw of it.
            seen: What they said, without batch axes.
            solved: The hand, likewise, in the view's camera frame.
        """
        keypoints = crop.inverse(view.camera.size).keypoints(seen.keypoints)
        model, pose, original, covariance = self.hand, solved.pose, view, solved.position_covariance
        if not view.is_right:
            model, pose, original = self.hand.mirrored(), mirror_pose(pose), view.mirrored()
            keypoints = torch.stack([view.camera.size[1] - keypoints[..., 0], keypoints[..., 1]], -1)
            if covariance is not None:
                flip = covariance.new_tensor([-1.0, 1.0, 1.0])
                covariance = covariance * flip[:, None] * flip
        if view.undistortion is not None:
            keypoints = view.undistortion.to_picture(keypoints)
        return Reconstruction(
            name=view.name,
            hand=model.shaped(solved.shape).posed(pose),
            pose=pose,
            shape=solved.shape,
            keypoints=keypoints,
            keypoint_confidence=seen.keypoint_confidence,
            is_right=view.is_right,
            camera=original.camera,
            undistortion=view.undistortion,
            model=model,
            fit=solved.fit,
            position_covariance=covariance if view.camera_known else None,
        )


def _known(keypoints: Float[Tensor, "21 3"]) -> Float[Tensor, "21 2"]:
    """Where joints are, those that were not seen in the middle of the others."""
    seen = keypoints[:, 2] > LEAST
    middle = keypoints[seen, :2].mean(0)
    return keypoints[:, :2].where(seen[:, None], middle)


def _box_of(view: View) -> HandBox | None:
    """Around the keypoints that a view brings along."""
    if view.keypoints is None:
        return None
    points = _known(view.keypoints)
    low, high = points.amin(0), points.amax(0)
    centre = ((low + high) / 2).tolist()
    return HandBox(centre=(centre[0], centre[1]), side=MARGIN * float((high - low).max()), is_right=True)


def _bits(views: Iterable[View]) -> Iterator[list[View]]:
    left = iter(views)
    while some := list(islice(left, BIT)):
        yield some


def _cropped(views: Sequence[View], crops: Sequence[Crop]) -> tuple[Float[Tensor, "views 3 h w"], Camera]:
    """What the networks see. Around the picture its border goes on, as in training."""
    pairs = list(zip(views, crops, strict=True))
    image = torch.stack([crop.image(view.image, padding="border") for view, crop in pairs])
    return image, stack([crop.camera(view.camera) for view, crop in pairs])


def shipped_weights() -> Path:
    """The folder of weights inside the package."""
    return Path(str(resources.files("ownhand").joinpath("weights")))


def load(weights: str | Path | None = None, hand: HandModel | None = None, *, runtime: Runtime = "auto") -> Pipeline:
    """The pipeline with trained weights.

    Args:
        weights: A folder written by training, or by `ownhand onnx`; those shipped with the package when None.
        hand: The hand model that they were trained with; the open hand when None.
        runtime: What runs the networks. `auto` takes `onnx`, which is faster on a CPU, if ONNX Runtime is installed and
            the folder has ONNX files that belong to its weights; else `torch`. They agree to 1e-4.

    Raises:
        WeightsError: A file is missing, damaged, or belongs to something else.
    """
    folder = shipped_weights() if weights is None else Path(weights)
    hand = open_hand() if hand is None else hand
    settings = load_settings(folder)
    priors = {name: PosePrior.load(folder / f"prior_{name}.safetensors") for name in ("baseline", "identity")}
    onnx = runtime == "onnx" or (runtime == "auto" and OnnxFolder.usable(folder))
    exported = OnnxFolder(folder) if onnx else None
    networks = load_networks(folder, hand) if exported is None else exported.networks(hand)
    finder = None if exported is None else _exported_finder(exported)
    if finder is None and (folder / f"{DETECTOR}.json").exists():
        finder = HandFinder.load(folder)
    return Pipeline(hand=hand, settings=settings, priors=priors, locator=finder, **networks)


def _exported_finder(exported: OnnxFolder) -> HandFinder | None:
    found = exported.detector()
    return None if found is None else HandFinder(found[0], min_score=found[1])


def load_networks(folder: Path, hand: HandModel) -> dict[str, Any]:
    """The networks in a folder of weights, by the names that `Pipeline` gives them; torch runs them."""
    return {name: build.load(folder / stage, hand) for name, stage in NETWORKS.items()}
