"""The default pipeline: locate, estimate, calibrate and fit, put together.

pipeline = ownhand.load()
me = pipeline.calibrate(views)
hands = pipeline.reconstruct(views, me.identity, refine=True)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.calibrate import Anchor, Calibration, alike, calibrate, most_different
from ownhand.data.detections import LEAST
from ownhand.estimators import build
from ownhand.estimators.base import Estimator, FeatureEstimator, Features
from ownhand.estimators.onnx_runtime import OnnxFolder
from ownhand.fit import (
    FitResult,
    believe,
    fit,
    fit_shape,
    place,
    place_covariance,
    shape_likelihood,
    size_beside,
)
from ownhand.geometry.camera import Camera
from ownhand.geometry.card import CardError
from ownhand.geometry.crops import Crop
from ownhand.hand.anatomy import joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.identity import Identity, ShapeLikelihood, measurements_mm
from ownhand.hand.joint_chain import joints_by_shape
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandModel, HandPose, ShapedHand
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.hand.skeleton import upright_angle
from ownhand.locate import FILE as DETECTOR
from ownhand.locate import MARGIN, HandBox, HandFinder, Locator, WholePicture
from ownhand.results import Reconstruction, Seen, Solved
from ownhand.settings import Settings, load_settings
from ownhand.sides import SURE, sides_together
from ownhand.structs import concatenate, given, stack
from ownhand.views import View, cards, placements

NETWORKS = {"keypoints": "side", "baseline": "confidence", "identity": "identity"}
"""The networks of a pipeline and the training stages that they come from: the baseline has its confidence with it, the
keypoints say the side."""

Runtime = Literal["auto", "torch", "onnx"]
"""What runs the networks; see `load`."""

ROBUST = 6.0
"""Error of a keypoint at which half of its largest cost is reached, in standard deviations. On synthetic pictures 3 to
infinity are alike; on photographs, which the networks know less, a small one lets the mesh miss the keypoints."""

LARGEST_BIAS = 0.1
"""What is taken for a common bias of keypoints at most; networks that place hands worse than that know nothing."""

RIG_CAUTION = 1.0
"""How much larger errors of a size that several cameras show are than independent errors of keypoints make them."""

SMALLEST_HAND = 0.1
"""Share of the square in which a locator sees a hand: first keypoints that fall together do not make a tiny crop."""


MOST = 40
"""Pictures that a calibration uses: more of them hardly add anything."""

BIT = 16
"""Pictures that are held at once where they come one by one."""


class NoHandError(ValueError):
    """None of the pictures shows a hand that the networks recognise."""


class Pipeline:
    """Networks and settings that belong together.

    Args:
        hand: The hand model that the networks were trained with.
        keypoints: Picture -> 2D joints, and maybe how much the hand looks like a right one.
        baseline: Picture -> pose, shape and confidence.
        identity: Picture and shape -> pose.
        settings: What was chosen on validation people.
        priors: Errors of the poses of `baseline` and `identity`, and of the keypoints.
        locator: Finds the hands; by default each picture is taken to show one, which about fills it.
    """

    def __init__(
        self,
        *,
        hand: HandModel,
        keypoints: Estimator,
        baseline: Estimator,
        identity: FeatureEstimator,
        settings: Settings,
        priors: dict[str, PosePrior],
        locator: Locator | None = None,
    ):
        self.hand, self.settings, self.priors = hand, settings, priors
        self.locator = WholePicture() if locator is None else locator
        self.keypoints, self.baseline, self.identity = keypoints.eval(), baseline.eval(), identity.eval()
        for network in (keypoints, baseline, identity):
            network.to(memory_format=torch.channels_last)  # pyright: ignore  # a third faster on a CPU

    def changed(self, **parts: Any) -> Pipeline:
        """The same with other networks, settings or priors, by the names of the arguments."""
        same = {name: getattr(self, name) for name in ("hand", "settings", "priors", "locator", *NETWORKS)}
        return Pipeline(**same | parts)

    @torch.no_grad()
    def look(self, image: Float[Tensor, "batch 3 h w"], camera: Camera) -> Seen:
        """Run the networks on crops that each show one right hand."""
        points, guess = self.keypoints(image, camera), self.baseline(image, camera)
        return Seen(
            camera=camera,
            keypoints=points.keypoints,
            keypoint_confidence=points.keypoint_confidence,
            pose=guess.pose,
            shape=guess.shape,
            confidence=guess.confidence,
            scores=guess.scores,
            rightness=points.rightness,
            features=self.identity.encode(image).pooled,
        )

    @torch.no_grad()
    def pose_given(self, seen: Seen, shape: Float[Tensor, "batch shapes"]) -> HandPose:
        """The identity network's pose for people of known shape, wrist at the origin."""
        prediction = self.identity.predict(Features(pooled=seen.features, maps=()), seen.camera, shape)
        assert prediction.pose is not None
        return prediction.pose

    def put(
        self, seen: Seen, hand: ShapedHand, pose: HandPose, *, refine: bool = False, prior: str = "identity"
    ) -> tuple[HandPose, FitResult | None]:
        """Place a posed hand before the camera where its keypoints are seen; `refine` fits the pose to them as well.

        The fit takes keypoints to err independently. They err together and make hands look small, so the hand is placed
        once more when its pose is found.

        Args:
            seen: What the networks say of the crops.
            hand: The people's hands; batch axes as `seen`, or none.
            pose: First poses, from the baseline or from `pose_given`.
            refine: Whether to fit.
            prior: Whose errors to expect of `pose`: `baseline` or `identity`.
        """
        errors, confidence = self.priors[prior], seen.keypoint_confidence

        def placed(pose: HandPose) -> HandPose:
            joints = hand.posed(pose).joints - pose.t_cam_root[..., None, :]
            t = place(joints, seen.keypoints, errors.sigma(confidence) ** -2, seen.camera)
            return replace(pose, t_cam_root=believe(t, joints, confidence, seen.camera, errors))

        pose = placed(pose)
        if not refine:
            return pose, None
        result = fit(
            hand, pose, seen.keypoints, confidence, seen.camera, errors, limits=self.limits, robust=ROBUST
        )  # fmt: skip
        return placed(result.pose), result

    @cached_property
    def limits(self) -> JointLimits | None:
        """Joint limits of the hand model, if its anatomical axes are known."""
        return None if self.hand.axes is None else JointLimits.of(joint_limits(), self.hand.axes)

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
                log_odds[len(found)], several = self.side_log_odds(one), several or number > 1
                found.append(one)
        odds = list(log_odds.values())
        right = [value >= 0 for value in odds] if several else sides_together(odds)
        for number, is_right in zip(log_odds, right, strict=True):
            found[number] = found[number] if is_right else found[number].mirrored()
        return found

    def side_log_odds(self, view: View) -> float:
        """How much likelier it is that the view, as it is, shows a right hand in its box than a left one.

        If the box does not say, the keypoint network decides.
        """
        box = given(view.box, "the hand's box")
        if box.is_right is not None:
            return SURE if box.is_right else -SURE
        _, seen = self.crop([view, view.mirrored()])
        right, left = given(seen.rightness, "what the keypoint network says of the side").tolist()
        return right - left

    def sided(self, view: View) -> View:
        """The view of one hand, mirrored if it is a left one."""
        return view if self.side_log_odds(view) >= 0 else view.mirrored()

    def crop(self, views: Sequence[View]) -> tuple[list[Crop], Seen]:
        """Find the hand in each view, unless its box says where it is; crop it, and anew around its keypoints; look.

        Args:
            views: Pictures of right hands. Where hands of both sides are found, the best right one is taken. Keypoints
                that a view brings along are believed instead of the network's.
        """
        found = [view.box or _box_of(view) or self._box(view) for view in views]
        boxes = [box or WholePicture()(view.image)[0] for view, box in zip(views, found, strict=True)]
        first = self._keypoints(views, [box.crop(self.settings.size) for box in boxes])
        for view, points in zip(views, first, strict=True):
            if view.keypoints is not None:
                points[:] = _known(view.keypoints)
        crops, seen = self.crop_around(views, first, smallest=[SMALLEST_HAND * box.side for box in boxes])
        keypoints, confidence = seen.keypoints.clone(), seen.keypoint_confidence.clone()
        for k, (view, crop) in enumerate(zip(views, crops, strict=True)):
            if view.keypoints is not None:
                keypoints[k], confidence[k] = crop.keypoints(view.keypoints[:, :2]), view.keypoints[:, 2]
        located = torch.tensor([box is not None for box in found])
        return crops, replace(seen, keypoints=keypoints, keypoint_confidence=confidence, located=located)

    def _box(self, view: View) -> HandBox | None:
        """The best hand of the view's side, else of the other: whoever says which side it is knows better."""
        found = self.locator(view.image)
        return next((box for box in found if box.is_right is not False), found[0] if found else None)

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

    def has_hand(self, seen: Seen) -> Tensor:
        """Whether there is a hand at all: the locator found one, and the keypoints are sure enough."""
        sure = seen.keypoint_confidence.mean(-1) >= self.settings.min_keypoint_confidence
        return sure if seen.located is None else sure & seen.located

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

    def keypoint_likelihood(self, seen: Seen, start: Float[Tensor, "shapes"] | None = None) -> ShapeLikelihood:
        """What the keypoints of each crop say of the person's shape; with a `start`, around the shape that fits all."""
        pose, _ = self.put(seen, self.hand.shaped(torch.zeros_like(seen.shape)), seen.pose, prior="baseline")
        said = self.hand, pose, seen.keypoints, seen.keypoint_confidence, seen.camera, self.priors["baseline"]
        if start is not None:
            return fit_shape(*said, start=start, placement=seen.placement, limits=self.limits)
        return shape_likelihood(*said, limits=self.limits)

    def combine(
        self,
        seen: Seen,
        *,
        anchor: Anchor | None = None,
        method: str | None = None,
        names: tuple[str, ...] = (),
        keypoints: ShapeLikelihood | None = None,
    ) -> Calibration:
        """One person's shape from what was seen of it.

        Cameras in known places that saw the hand at once settle its size, or cards beside it, unless an anchor does.

        Args:
            seen: What was seen.
            anchor: A measured length.
            method: How to combine pictures; by default the one that did best on validation people.
            names: Of the pictures.
            keypoints: Only saves computing `keypoint_likelihood` again.
        """
        chosen: Any = method or self.settings.method
        if anchor is None and chosen in self.settings.error_models:
            anchor = self.size_seen_at_once(seen) or self.size_beside_card(seen)
        if chosen == "fit":
            start = self.combine(replace(seen, placement=None), method="paper").identity.shape
            keypoints = self.keypoint_likelihood(seen, start)
        elif chosen == "joint" and keypoints is None:
            keypoints = self.keypoint_likelihood(seen)
        maps = self.settings.weight_maps
        return calibrate(
            self.hand,
            seen.pose.R_parent_joint,
            seen.shape,
            seen.confidence,
            method=chosen,
            weight_map=maps.get(chosen, maps.get("paper")),
            error_model=self.settings.error_models.get(chosen),
            anchor=anchor,
            keypoints=keypoints,
            R_cam_root=seen.pose.R_cam_root,
            names=names,
        )

    def size_seen_at_once(self, seen: Seen) -> Anchor | None:
        """The hand's length as cameras in known places show it, if any two of them saw it at one instant.

        Keypoints that err together make hands look small, which puts them too far away where one camera sees them, and
        shrinks them where several do: what validation people taught of the former (`PosePrior.distance_bias`) mends
        the latter.
        """
        if seen.placement is None:
            return None
        _, instant, cameras = seen.placement.instant.unique(return_inverse=True, return_counts=True)
        together = cameras[instant] > 1
        if not together.any():
            return None
        length_mm, std_mm = measurements_mm(self.combine(seen[together], method="fit").identity, self.hand)["length"]
        errors = self.priors["baseline"]
        bias = errors.distance_bias * float(errors.unsureness(seen[together].keypoint_confidence).median())
        length_mm *= math.exp(max(-LARGEST_BIAS, min(bias, LARGEST_BIAS)))
        if not 50 < length_mm < 350:  # no hand: what the cameras saw does not belong together
            return None
        return Anchor(length_mm=length_mm, std_mm=RIG_CAUTION * given(std_mm, "the length's error"))

    def size_beside_card(self, seen: Seen) -> Anchor | None:
        """The hand's length as bank cards in its plane show it; None if there are none.

        In each picture the hand, of the size that all pictures suggest, is placed by its keypoints; the plane of the
        card says where it is, and so how much larger it must be. Pictures err together as their poses are alike.

        Raises:
            CardError: The length is impossible or unknown by 100 mm, or nobody measured how well these networks place
                hands.
        """
        if seen.card is None or not (with_card := seen.card.inverse.isfinite().all(-1)).any():
            return None
        if self.priors["identity"].across_sigma is None:
            raise CardError("expected weights whose errors of a hand's place were measured: tune them again")
        identity = self.combine(replace(seen, card=None, placement=None)).identity
        some = seen[with_card]
        sure = replace(identity, covariance=torch.zeros(2 * identity.shape.shape, dtype=identity.shape.dtype))
        solved = self.solve(some, sure)
        growth, std = size_beside(
            given(some.card, "the plane of a card"),
            self.hand.shaped(solved.shape).posed(solved.pose).joints.mean(-2),
            given(solved.position_covariance, "error bars"),
            alike(solved.pose.R_cam_root, solved.pose.R_parent_joint),
        )
        length_mm = measurements_mm(identity, self.hand)["length"][0] * math.exp(growth)
        std_mm = length_mm * std
        if not (50 < length_mm < 350 and std_mm < 100):
            raise CardError(
                "expected cards that lie in the plane of the hand, but beside them it would be "
                f"{length_mm:.0f} mm long, give or take {std_mm:.0f} mm"
            )
        return Anchor(length_mm=length_mm, std_mm=std_mm)

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

    def solve(self, seen: Seen, identity: Identity | None, *, refine: bool = False) -> Solved:
        """Right hands before their cameras; arguments as in `reconstruct`."""
        if identity is None:
            shape, pose, prior = seen.shape, seen.pose, "baseline"
        else:
            identity.check_model(self.hand)
            shape = identity.shape.to(seen.shape).expand_as(seen.shape)
            pose, prior = self.pose_given(seen, shape), "identity"
        pose, result = self.put(seen, self.hand.shaped(shape), pose, refine=refine, prior=prior)
        covariance = self._position_covariance(seen, identity, shape, pose, self.priors[prior])
        return Solved(shape=shape, pose=pose, position_covariance=covariance, fit=result)

    def _position_covariance(
        self, seen: Seen, identity: Identity | None, shape: Tensor, pose: HandPose, prior: PosePrior
    ) -> Float[Tensor, "batch 3 3"] | None:
        """None where the errors of networks or of the identity are not known."""
        if prior.across_sigma is None:
            return None
        if identity is None:
            guesses = self.settings.error_models.get("mean")
            uncertain = torch.eye(shape.shape[-1]) if guesses is None else guesses.covariance(k_effective=1)
        elif identity.covariance is None:
            return None
        else:
            uncertain = identity.covariance
        joints = self.hand.shaped(shape).posed(pose).joints - pose.t_cam_root[:, None]
        by_shape = joints_by_shape(self.hand, stacked_rotations(pose))
        return place_covariance(
            pose.t_cam_root, joints, by_shape, uncertain, seen.keypoint_confidence, seen.camera, prior
        )

    def as_in_picture(self, view: View, crop: Crop, seen: Seen, solved: Solved) -> Reconstruction:
        """The hand of one view, as it is in the picture: a left one is mirrored back.

        Args:
            view: The picture, showing a right hand.
            crop: What the networks saw of it.
            seen: What they said, without batch axes.
            solved: The hand, likewise, in the view's camera frame.
        """
        from ownhand.hand.model import mirror_pose

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
