"""What a labelled picture of one hand contains."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from ownhand.geometry.camera import Camera, Placement
from ownhand.hand.model import HandPose
from ownhand.structs import TensorStruct

SINGLE, CLIP, RIG = range(3)
"""Kinds of pictures: taken alone, a frame of a clip, one of several cameras at the same instant."""


@dataclass(frozen=True, kw_only=True)
class Taken(TensorStruct):
    """How a picture was taken.

    Attributes:
        kind: SINGLE, CLIP or RIG.
        instant: When, counted per person: the same for pictures of one instant; frames of a clip follow each other.
        device: Which kind of camera, as the data set numbers them.
        thing: What the hand holds, as the data set numbers it; -1 for nothing.
        decisions: What was accepted and rejected while it was made, as one number of the data set's own.
        R_cam_world, t_cam_world: Where the camera is in a frame that a clip's or a rig's pictures share [m].
    """

    kind: Int[Tensor, "*batch"]
    instant: Int[Tensor, "*batch"]
    device: Int[Tensor, "*batch"]
    thing: Int[Tensor, "*batch"]
    decisions: Int[Tensor, "*batch"]
    R_cam_world: Float[Tensor, "*batch 3 3"]
    t_cam_world: Float[Tensor, "*batch 3"]

    @property
    def placement(self) -> Placement:
        """Where the cameras stood, and when."""
        return Placement(R_cam_world=self.R_cam_world, t_cam_world=self.t_cam_world, instant=self.instant)


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
        taken: How the picture was taken.

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
    taken: Taken | None = None
