"""What a labelled picture of one hand contains."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandPose
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class HandSample(TensorStruct):
    """A picture of a right hand (a left one was mirrored where it entered) and what is known of it.

    Attributes:
        image: RGB in [0, 1].
        camera: Intrinsics of this picture.
        keypoints: The 21 joints in the picture [px].
        visible: Whether each joint is in the picture and not hidden by something else than the hand itself.
        joints: The 21 joints, camera frame [m].
        pose: Pose in the camera frame.
        shape: The person's shape coefficients.
        subject: Number of the person.
        is_right: Whether the hand was a right one before it entered.
        labels: What is at each pixel's centre: 0 something else, 1 forearm, 2 + j the part that moves with joint j of
            16 seen from its dorsal side, 18 + j from its palmar side.
        depth: Distance of the hand along the optical axis [mm], 0 elsewhere.

    What a data set lacks is None. Meshes are not stored: `model.shaped(shape).posed(pose)` makes them.
    """

    image: Float[Tensor, "*batch 3 h w"]
    camera: Camera
    keypoints: Float[Tensor, "*batch 21 2"]
    visible: Bool[Tensor, "*batch 21"]
    joints: Float[Tensor, "*batch 21 3"]
    pose: HandPose | None = None
    shape: Float[Tensor, "*batch shapes"] | None = None
    subject: Int[Tensor, "*batch"] | None = None
    is_right: Bool[Tensor, "*batch"] | None = None
    labels: UInt8[Tensor, "*batch h w"] | None = None
    depth: Float[Tensor, "*batch h w"] | None = None
