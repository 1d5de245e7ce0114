"""What the networks say of crops, and what follows from it: one person's shape, and hands before the camera."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.calibrate import Anchor, Calibration, alike, calibrate
from ownhand.estimators.base import Estimator, FeatureEstimator, Features
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
from ownhand.hand.anatomy import joint_limits
from ownhand.hand.identity import Identity, ShapeLikelihood, measurements_mm
from ownhand.hand.joint_chain import joints_by_shape
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandModel, HandPose, ShapedHand
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.results import Seen, Solved
from ownhand.settings import Settings
from ownhand.structs import given

ROBUST = 6.0
"""Error of a keypoint at which half of its largest cost is reached, in standard deviations. On synthetic pictures 3 to
infinity are alike; on photographs, which the networks know less, a small one lets the mesh miss the keypoints."""

LARGEST_BIAS = 0.1
"""What is taken for a common bias of keypoints at most; networks that place hands worse than that know nothing."""

RIG_CAUTION = 1.0
"""How much larger errors of a size that several cameras show are than independent errors of keypoints make them."""


class Solver:
    """Networks and settings that belong together.

    Args:
        hand: The hand model that the networks were trained with.
        keypoints: Picture -> 2D joints, and maybe how much the hand looks like a right one.
        baseline: Picture -> pose, shape and confidence.
        identity: Picture and shape -> pose.
        settings: What was chosen on validation people.
        priors: Errors of the poses of `baseline` and `identity`, and of the keypoints.
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
    ):
        self.hand, self.settings, self.priors = hand, settings, priors
        self.keypoints, self.baseline, self.identity = keypoints.eval(), baseline.eval(), identity.eval()
        for network in (keypoints, baseline, identity):
            network.to(memory_format=torch.channels_last)  # pyright: ignore  # a third faster on a CPU

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

    def has_hand(self, seen: Seen) -> Tensor:
        """Whether there is a hand at all: the locator found one, and the keypoints are sure enough."""
        sure = seen.keypoint_confidence.mean(-1) >= self.settings.min_keypoint_confidence
        return sure if seen.located is None else sure & seen.located

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
