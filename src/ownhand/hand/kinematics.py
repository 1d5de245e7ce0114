"""Forward kinematics and linear blend skinning (Loper et al. 2015; Romero et al. 2017)."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def forward_kinematics(
    R_parent_joint: Float[Tensor, "*#batch joints 3 3"],
    rest_joints: Float[Tensor, "*#batch joints 3"],
    parents: tuple[int, ...],
) -> Float[Tensor, "*#batch joints 4 4"]:
    """Compose local joint rotations into one rigid transform per joint.

    The root keeps its rest position, so identity rotations return the rest hand;
    where the hand is in the world belongs to the camera.

    Args:
        R_parent_joint: Rotation of each joint, root first, in its parent's frame.
        rest_joints: Joint positions of the shaped hand at rest [m].
        parents: Parent of each joint, -1 for the root. Parents come first.

    Returns:
        T_model_joint, from joint to model coordinates [m]. At rest all joint frames are parallel to the model's.
    """
    batch = R_parent_joint.shape[:-3]
    if batch != rest_joints.shape[:-2]:
        batch = np.broadcast_shapes(batch, rest_joints.shape[:-2])  # torch's is slow
    rest_joints = rest_joints.expand(*batch, *rest_joints.shape[-2:])
    local = R_parent_joint.expand(*batch, *R_parent_joint.shape[-3:])
    bones = rest_joints - rest_joints[..., [max(parent, 0) for parent in parents], :]
    levels, places = _levels(parents)
    R, t = local[..., :1, :, :], rest_joints[..., :1, :]
    for joints, parent_places in levels:
        above = R[..., parent_places, :, :]
        moved = (above @ bones[..., joints, :, None])[..., 0]
        t = torch.cat([t, t[..., parent_places, :] + moved], -2)
        R = torch.cat([R, above @ local[..., joints, :, :]], -3)
    T = torch.cat([R, t[..., None]], -1)[..., places, :, :]
    last_row = T.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*T.shape[:-2], 1, 4)
    return torch.cat([T, last_row], -2)


@cache
def _levels(parents: tuple[int, ...]) -> tuple[list[tuple[list[int], list[int]]], list[int]]:
    """The tree by depth, so that joints equally deep are moved together.

    Returns:
        Per depth its joints and where their parents are among the joints of all levels so far; and the place of
        each joint in the levels laid end to end.
    """
    order, levels = [0], []
    last = [0]
    while len(order) < len(parents):
        last = [joint for joint in range(1, len(parents)) if parents[joint] in last]
        levels.append((last, [order.index(parents[joint]) for joint in last]))
        order += last
    return levels, [order.index(joint) for joint in range(len(parents))]


def skin(
    verts: Float[Tensor, "*#batch verts 3"],
    T_model_joint: Float[Tensor, "*#batch joints 4 4"],
    rest_joints: Float[Tensor, "*#batch joints 3"],
    weights: Float[Tensor, "verts joints"],
) -> Float[Tensor, "*#batch verts 3"]:
    """Linear blend skinning: each vertex moves with the weighted mean of its joints' rigid motions.

    Args:
        verts: Rest vertices, pose correctives included [m].
        T_model_joint: Posed joint frames, from `forward_kinematics`.
        rest_joints: Joint positions at rest [m].
        weights: Share of each joint in each vertex; rows sum to 1.

    Returns:
        Posed vertices [m], model frame.
    """
    R = T_model_joint[..., :3, :3]
    t = T_model_joint[..., :3, 3] - (R @ rest_joints[..., None])[..., 0]
    motion = torch.cat([R, t[..., None]], -1).flatten(-2)
    blended = (weights @ motion).unflatten(-1, (3, 4))
    return (blended[..., :3] @ verts[..., None])[..., 0] + blended[..., 3]
