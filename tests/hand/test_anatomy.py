"""Signs and frames of the joints' axes."""

import pytest
import roma
import torch

from ownhand.hand.anatomy import ABDUCTION, FLEXION, anatomical_axes, joint_limits, rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose

DISTAL, RADIAL, DORSAL = range(3)
TIPS = [4, 8, 12, 16, 20]


@pytest.fixture(scope="module")
def hand():
    return open_hand()


def tips_after(hand, joint: int, axis: int, degrees: float) -> torch.Tensor:
    """How the five fingertips move [m] when one joint turns about one axis."""
    angles = torch.zeros(15, 3)
    angles[joint, axis] = torch.deg2rad(torch.tensor(degrees))
    pose = HandPose(
        R_cam_root=torch.eye(3), R_parent_joint=rotations_from_angles(angles, hand.axes), t_cam_root=torch.zeros(3)
    )
    mean = hand.shaped(torch.zeros(10))
    return mean.posed(pose).joints[TIPS] - (mean.joints[TIPS] - mean.joints[0])


@pytest.mark.parametrize("joint", range(3, 15))
def test_flexion_curls_fingers_towards_the_palm(hand, joint):
    moved = tips_after(hand, joint, FLEXION, 30)[joint // 3]
    assert moved[DORSAL] < -0.004
    assert moved[DISTAL] < 0


@pytest.mark.parametrize("joint", range(3, 15, 3))
def test_abduction_moves_fingers_to_the_thumbs_side(hand, joint):
    moved = tips_after(hand, joint, ABDUCTION, 10)[joint // 3]
    assert moved[RADIAL] > 0.008
    assert moved[DORSAL].abs() < 0.003


def test_thumb_lifts_sweeps_and_bends_as_named(hand):
    lifted = tips_after(hand, 0, ABDUCTION, 25)[0]
    assert lifted[DORSAL] < -0.02
    swept = tips_after(hand, 0, FLEXION, 25)[0]
    assert swept[RADIAL] < -0.02
    assert swept[DORSAL].abs() < 0.01
    for joint in (1, 2):
        bent = tips_after(hand, joint, FLEXION, 30)[0]
        assert bent[RADIAL] < -0.005


def test_axes_are_orthonormal_with_abduction_as_twist_cross_flexion(hand):
    torch.testing.assert_close(hand.axes.mT @ hand.axes, torch.eye(3).expand(15, 3, 3), atol=1e-6, rtol=0)
    twist, abduction, flexion = hand.axes.unbind(-1)
    torch.testing.assert_close(torch.linalg.cross(twist, flexion), abduction, atol=1e-6, rtol=0)


def test_axes_turn_with_the_hand(hand):
    joints = (hand.joint_regressor @ hand.template).double()
    tips = hand.template[list(hand.tips)].double()
    axes = anatomical_axes(joints, tips)
    torch.testing.assert_close(axes.float(), hand.axes, atol=2e-3, rtol=0)
    R = roma.random_rotmat(dtype=torch.float64)
    torch.testing.assert_close(anatomical_axes(joints @ R.mT + 0.1, tips @ R.mT + 0.1), R @ axes)


def test_rest_is_within_the_limits():
    low, high = joint_limits().unbind(-1)
    assert (low <= 0).all()
    assert (high >= 0).all()
    assert (low[:, FLEXION] < high[:, FLEXION]).all()
