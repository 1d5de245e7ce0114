"""The 25 joints of the WebXR Hand Input module (W3C), placed in our hands.

Each joint's frame has x to the right and y out of the back of the hand (of the thumb: out of its nail) when the fingers
point along -z, as WebXR prescribes; curling a finger of either hand turns it about -x.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, anatomical_axes
from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.model import HandPose, ShapedHand
from ownhand.hand.skeleton import INDEX_MCP, LITTLE_MCP, ROTATING_21, TIPS_21, WEBXR_FROM_21, WEBXR_JOINTS

WEBXR_PARENTS = tuple(
    -1 if name == "wrist" else 0 if name.endswith("-metacarpal") else i - 1 for i, name in enumerate(WEBXR_JOINTS)
)
_JOINT_21 = [WEBXR_FROM_21.get(name, 0) for name in WEBXR_JOINTS]
WEBXR_CARRIERS = tuple(ROTATING_21.index(joint - (joint in TIPS_21)) for joint in _JOINT_21)
"""Which of the 16 rotating joints moves each WebXR joint; the wrist moves the four finger metacarpals."""

METACARPAL = 0.25
"""Where the four finger metacarpals start, which hand models lack: as a share of the way from wrist to knuckle.

Anatomy has it at 0.19 (index) to 0.29 (little): 1 - metacarpal length (Buryanov & Kotiuk 2010) / wrist to knuckle.
"""


def webxr_joints(hand: ShapedHand, pose: HandPose | None = None) -> Float[Tensor, "*batch 25 4 4"]:
    """Frames of the WebXR joints: `T_model_joint` at rest [m], or with a pose `T_cam_joint`, batch axes as the pose.

    Fingertips move with their bone: the pose correctives of the skin move no joint.

    Raises:
        ValueError: The hand has batch axes.
    """
    if hand.batch_shape:
        raise ValueError(f"expected one ShapedHand, got a batch of shape {tuple(hand.batch_shape)}")
    T_model_joint = _rest_frames(hand)
    if pose is None:
        return T_model_joint
    wrist = torch.eye(3).to(pose.R_parent_joint).expand(*pose.batch_shape, 1, 3, 3)
    R = torch.cat([wrist, pose.R_parent_joint], -3)
    T_posed_rest = forward_kinematics(R, hand.joints_16, hand.model.parents)
    offsets = T_model_joint[:, :3, 3] - hand.joints_16[list(WEBXR_CARRIERS)]
    T_carrier = T_posed_rest[..., list(WEBXR_CARRIERS), :, :]
    T = T_model_joint.expand(*pose.batch_shape, -1, 4, 4).clone()
    R_cam_model = pose.R_cam_root
    T[..., :3, :3] = R_cam_model[..., None, :, :] @ T_carrier[..., :3, :3] @ T_model_joint[:, :3, :3]
    posed = (T_carrier[..., :3, :3] @ offsets[..., None])[..., 0] + T_carrier[..., :3, 3]
    T[..., :3, 3] = (posed - hand.joints_16[0]) @ R_cam_model.mT + pose.t_cam_root[..., None, :]
    return T


def _rest_frames(hand: ShapedHand) -> Float[Tensor, "25 4 4"]:
    joints = hand.joints
    palm = joints[[INDEX_MCP + 4, INDEX_MCP, LITTLE_MCP]] - joints[0]
    up = torch.linalg.cross(palm[0], palm[1] - palm[2])
    axes = anatomical_axes(hand.joints_16, joints[list(TIPS_21)])
    T = torch.eye(4).to(joints).repeat(len(WEBXR_JOINTS), 1, 1)
    for i, name in enumerate(WEBXR_JOINTS):
        if name in WEBXR_FROM_21:
            T[i, :3, 3] = joints[WEBXR_FROM_21[name]]
            knuckle = None
        else:
            knuckle = joints[_JOINT_21[i + 1]]
            T[i, :3, 3] = torch.lerp(joints[0], knuckle, METACARPAL)
        if WEBXR_CARRIERS[i] == 0:
            T[i, :3, :3] = _looking(palm[0] if knuckle is None else knuckle - joints[0], up)
        else:
            bone = axes[WEBXR_CARRIERS[i] - 1]
            T[i, :3, :3] = torch.stack([-bone[:, FLEXION], bone[:, ABDUCTION], -bone[:, TWIST]], -1)
    return T


def _looking(forward: Float[Tensor, "3"], up: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Rotation whose -z axis is `forward` and whose y axis is as near to `up` as it can be."""
    z = -torch.nn.functional.normalize(forward, dim=0)
    x = torch.nn.functional.normalize(torch.linalg.cross(up, z), dim=0)
    return torch.stack([x, torch.linalg.cross(z, x), z], -1)
