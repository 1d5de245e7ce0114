"""What every network takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandPose
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class Prediction(TensorStruct):
    """What an estimator says of a picture; what it does not say is None.

    Attributes:
        pose: Pose in the camera frame. An estimator that does not place the hand leaves the wrist at the origin.
        shape: Shape coefficients: predicted, or the given identity's.
        joints: The 21 joints of that hand in that pose [m].
        verts: Its mesh [m].
        keypoints: The 21 joints in the picture [px].
        keypoint_confidence: Confidence of each keypoint in [0, 1].
        keypoint_depth: Depth of each joint relative to the wrist, divided by the hand's length.
        confidence: How good the predicted shape is, larger is better; comparable between pictures of one estimator only.
    """

    pose: HandPose | None = None
    shape: Float[Tensor, "*batch shapes"] | None = None
    joints: Float[Tensor, "*batch 21 3"] | None = None
    verts: Float[Tensor, "*batch verts 3"] | None = None
    keypoints: Float[Tensor, "*batch 21 2"] | None = None
    keypoint_confidence: Float[Tensor, "*batch 21"] | None = None
    keypoint_depth: Float[Tensor, "*batch 21"] | None = None
    confidence: Float[Tensor, "*batch"] | None = None


class Estimator(nn.Module, ABC):
    """A network that looks at pictures of one right hand each. No losses, logging or drawing inside."""

    @abstractmethod
    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        """Estimate.

        Args:
            image: RGB in [0, 1]; normalised inside.
            camera: Intrinsics of the pictures.
            shape: The person's shape coefficients, if known.

        Raises:
            ValueError: The estimator needs a shape and got none.
        """
