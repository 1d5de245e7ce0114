"""The 21 joints without the mesh, and their derivatives."""

from dataclasses import replace

import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand.hand.builtin import open_hand
from ownhand.hand.joint_chain import JointChain, joints_by_shape
from ownhand.hand.pose_prior import stacked_rotations

MODELS = {"toy": lambda: toy_hand(dtype=torch.float64), "open": lambda: open_hand().to(torch.float64)}


def blended_tips():
    """A toy hand whose fingertips hang on many joints, also on joints of other fingers."""
    model = toy_hand(dtype=torch.float64)
    weights = model.skin_weights.clone()
    weights[list(model.tips)] = torch.rand(5, 16, dtype=torch.float64)
    return replace(model, skin_weights=weights / weights.sum(-1, keepdim=True))


@pytest.mark.parametrize("make", [*MODELS.values(), blended_tips], ids=[*MODELS, "blended"])
def test_joints_equal_those_of_the_mesh(make):
    model, pose = make(), random_pose(3, dtype=torch.float64)
    hand = model.shaped(torch.randn(3, 10, dtype=torch.float64))
    R, expected = stacked_rotations(pose), hand.posed(pose).joints - pose.t_cam_root[:, None]
    chain = JointChain.of(hand)
    torch.testing.assert_close(chain.joints(R), expected, atol=1e-11, rtol=0)
    torch.testing.assert_close(chain.joints_and_jacobian(R)[0], expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("make", [*MODELS.values(), blended_tips], ids=[*MODELS, "blended"])
def test_joints_follow_shape_as_automatic_differentiation_of_the_posed_mesh_says(make):
    model, pose = make(), random_pose(2, dtype=torch.float64)

    def joints(shape):
        return model.shaped(shape).posed(pose).joints - pose.t_cam_root[:, None]

    expected = torch.autograd.functional.jacobian(joints, torch.randn(10, dtype=torch.float64))
    torch.testing.assert_close(joints_by_shape(model, stacked_rotations(pose)), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("make", [*MODELS.values(), blended_tips], ids=[*MODELS, "blended"])
@pytest.mark.parametrize("bend", [0.0, 0.5])
def test_jacobian_equals_automatic_differentiation_of_the_posed_mesh(make, bend):
    model, pose = make(), random_pose(bend=bend, dtype=torch.float64)
    hand = model.shaped(torch.randn(10, dtype=torch.float64))

    def joints(delta):
        turn = roma.rotvec_to_rotmat(delta.reshape(16, 3))
        turned = replace(pose, R_cam_root=pose.R_cam_root @ turn[0], R_parent_joint=pose.R_parent_joint @ turn[1:])
        return hand.posed(turned).joints

    zero = torch.zeros(48, dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(joints, zero)
    _, jacobian = JointChain.of(hand).joints_and_jacobian(stacked_rotations(pose)[None])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(jacobian[0], expected, atol=1e-12, rtol=1e-6)


def test_a_batch_of_hands_and_one_hand_for_all_agree():
    model, pose = toy_hand(), random_pose(4)
    hand = model.shaped(torch.randn(10))
    many = JointChain.of(replace(hand, verts=hand.verts.expand(4, -1, 3), joints_16=hand.joints_16.expand(4, 16, 3)))
    R = stacked_rotations(pose)
    torch.testing.assert_close(many.joints_and_jacobian(R), JointChain.of(hand).joints_and_jacobian(R))
    torch.testing.assert_close(many[2].joints(R[2]), many.joints(R)[2])
