"""Joint limits as residuals."""

import pytest
import roma
import torch

from ownhand.hand.anatomy import FLEXION, joint_limits, rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.hand.limits import JointLimits


@pytest.fixture
def axes():
    return open_hand().axes.double()


@pytest.fixture
def limits(axes):
    return JointLimits.of(joint_limits().double(), axes)


def test_no_pose_within_the_anatomical_limits_is_penalised(limits, axes):
    low, high = joint_limits().double().unbind(-1)
    angles = low + (high - low) * torch.rand(2000, 15, 3, dtype=torch.float64)
    assert limits.residuals(rotations_from_angles(angles, axes)).abs().max() < 0.02  # 0.1 degrees


def test_bending_a_finger_too_far_costs_its_excess_in_sigmas(limits, axes):
    angles = torch.zeros(15, 3, dtype=torch.float64)
    high = joint_limits()[4, FLEXION, 1].double()
    for excess, expected in ((-0.01, 0.0), (0.0, 0.0), (0.2, 2.0)):
        angles[4, FLEXION] = high + excess
        residuals = limits.residuals(rotations_from_angles(angles, axes))
        assert residuals[4, FLEXION].item() == pytest.approx(expected, abs=1e-6)
        residuals[4, FLEXION] = 0
        assert residuals.abs().max() < 1e-6


def test_a_straight_angle_of_flexion_is_no_singularity(limits, axes):
    angles = torch.zeros(15, 3, dtype=torch.float64)
    angles[:, FLEXION] = torch.pi / 2
    R = rotations_from_angles(angles, axes)
    wobble = roma.rotvec_to_rotmat(1e-3 * torch.randn(50, 15, 3, dtype=torch.float64))
    change = limits.residuals(R @ wobble) - limits.residuals(R)
    assert change.abs().max() < 0.1  # a few milliradians over 0.1 rad


def test_jacobian_equals_finite_differences(limits):
    R = roma.rotvec_to_rotmat(0.8 * torch.randn(6, 15, 3, dtype=torch.float64))
    residuals, jacobian = limits.residuals_and_jacobian(R)
    torch.testing.assert_close(residuals, limits.residuals(R))
    assert (residuals != 0).double().mean() > 0.3
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 1e-6
        ahead, behind = (limits.residuals(R @ roma.rotvec_to_rotmat(s)) for s in (step, -step))
        torch.testing.assert_close((ahead - behind) / 2e-6, jacobian[..., axis], atol=1e-5, rtol=1e-5)


def test_axes_of_either_handedness_are_read_alike():
    for axes in (open_hand().axes.double(), open_hand().mirrored().axes.double()):
        limits = JointLimits.of(joint_limits().double(), axes)
        angles = torch.zeros(15, 3, dtype=torch.float64)
        angles[4:7, FLEXION] = 3.0
        residuals = limits.residuals(rotations_from_angles(angles, axes))
        assert (residuals[4:7, FLEXION] > 5).all()
