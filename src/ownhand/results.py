"""What the pipeline says of pictures: what its networks see in crops, and the hands in the end."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.fit import FitResult
from ownhand.geometry.camera import Camera, Placement
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
    located: Bool[Tensor, "*batch"] | None = None


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A hand in a picture. Everything is as in the picture: a left hand is a left hand.

    Attributes:
        name: Of the picture.
        hand: Mesh and joints, camera frame [m].
        pose: Of `model`.
        shape: Coefficients of `model`.
        keypoints: The 21 joints as the keypoint network sees them [px of the picture].
        keypoint_confidence: Their confidence in [0, 1].
        is_right: Which hand it is.
        camera: Intrinsics of the picture.
        model: The hand model, mirrored for a left hand.
        fit: How the refinement went; None without.
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
    fit: FitResult | None = None

    @property
    def confidence(self) -> float:
        """Mean confidence of the keypoints."""
        return float(self.keypoint_confidence.mean())
