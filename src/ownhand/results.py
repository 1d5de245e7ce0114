"""What the pipeline says of pictures: what its networks see in crops, and the hands in the end."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.fit import FitResult
from ownhand.geometry.camera import Camera, Placement
from ownhand.geometry.card import Plane
from ownhand.geometry.lens import Undistortion
from ownhand.hand.model import HandModel, HandPose, PosedHand
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class Seen(TensorStruct):
    """What the networks say of crops, before anybody's identity is taken into account.

    Attributes:
        camera: Intrinsics of the crops.
        keypoints: The 21 joints in the crop [px].
        keypoint_confidence: Their confidence in [0, 1].
        pose: The baseline's pose, wrist at the origin.
        shape: The baseline's shape.
        confidence: How good the baseline's shape is.
        scores: The same by each of `confidence.TARGETS`.
        rightness: How much each looks like a right hand; None from keypoint networks that cannot tell.
        features: What the identity network makes its pose from.
        placement: Where the cameras stood, if several saw the hand at once.
        card: Plane of the bank card beside the hand; unknown where there is none, None if there is none in any picture.
        located: Whether a locator found the hand; None if it was known where it is.
    """

    camera: Camera
    keypoints: Float[Tensor, "*batch 21 2"]
    keypoint_confidence: Float[Tensor, "*batch 21"]
    pose: HandPose
    shape: Float[Tensor, "*batch shapes"]
    confidence: Float[Tensor, "*batch"]
    scores: Float[Tensor, "*batch 2"]
    features: Float[Tensor, "*batch channels"]
    rightness: Float[Tensor, "*batch"] | None = None
    placement: Placement | None = None
    card: Plane | None = None
    located: Bool[Tensor, "*batch"] | None = None


@dataclass(frozen=True, kw_only=True)
class Solved(TensorStruct):
    """Right hands before their cameras.

    Attributes:
        shape: Coefficients.
        pose: In the camera frame.
        position_covariance: Of the wrist's place [m^2]; None if it is not known.
        fit: How the refinement went; None without.
    """

    shape: Float[Tensor, "*batch shapes"]
    pose: HandPose
    position_covariance: Float[Tensor, "*batch 3 3"] | None = None
    fit: FitResult | None = None


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A hand in a picture. Everything is as in the picture: a left hand is a left hand.

    Attributes:
        name: Of the picture.
        hand: Mesh and joints, camera frame [m].
        pose: Of `model`.
        shape: Coefficients of `model`.
        keypoints: The 21 joints as the keypoint network sees them [px of the picture as it came].
        keypoint_confidence: Their confidence in [0, 1].
        is_right: Which hand it is.
        camera: Intrinsics of the picture; if it was distorted, of that of a pinhole.
        undistortion: How it became that; None if it was one.
        model: The hand model, mirrored for a left hand.
        fit: How the refinement went; None without.
        position_covariance: Of the wrist's place in the camera frame, intrinsics taken for exact [m^2]; None if the
            networks' errors are not known, or nothing but a field of view was assumed.
    """

    name: str
    hand: PosedHand
    pose: HandPose
    shape: Float[Tensor, "shapes"]
    keypoints: Float[Tensor, "21 2"]
    keypoint_confidence: Float[Tensor, "21"]
    is_right: bool
    camera: Camera
    model: HandModel
    undistortion: Undistortion | None = None
    fit: FitResult | None = None
    position_covariance: Float[Tensor, "3 3"] | None = None

    @property
    def distance(self) -> tuple[float, float | None]:
        """How far away the wrist is, and the standard deviation of that [m]."""
        t, covariance = self.pose.t_cam_root, self.position_covariance
        ray = t / t.norm()
        return float(t.norm()), None if covariance is None else float((ray @ covariance @ ray).sqrt())

    @property
    def confidence(self) -> float:
        """Mean confidence of the keypoints."""
        return float(self.keypoint_confidence.mean())
