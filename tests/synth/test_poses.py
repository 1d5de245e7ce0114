"""The pose sampler."""

import numpy as np
import pytest
import roma
import torch

from ownhand.hand.anatomy import FLEXION, joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.synth.population import draw_people
from ownhand.synth.poses import sample_angles, sample_poses
from ownhand.synth.posing import DEEPEST, penetration


@pytest.fixture(scope="module")
def angles():
    return np.stack([sample_angles(np.random.default_rng(i)) for i in range(1500)])


@pytest.fixture(scope="module")
def hand():
    return open_hand()


def test_a_pose_depends_on_seed_and_index_alone(hand):
    many = sample_poses(20, 4, hand.axes)
    torch.testing.assert_close(sample_poses(3, 4, hand.axes, first=7), many[7:10], atol=0, rtol=0)
    assert not torch.equal(sample_poses(20, 5, hand.axes), many)
    assert roma.is_rotation_matrix(many, epsilon=1e-5)


def test_angles_stay_within_the_limits(angles):
    low, high = joint_limits().double().numpy()[..., 0], joint_limits().double().numpy()[..., 1]
    assert (angles >= low - 1e-6).all()
    assert (angles <= high + 1e-6).all()


def test_end_joints_follow_middle_joints_and_neighbours_follow_each_other(angles):
    pip, dip = np.rad2deg(angles[:, 4::3, FLEXION][:, 0::1]), np.rad2deg(angles[:, 5::3, FLEXION])
    bent = pip > 20
    assert np.median(dip[bent] / pip[bent]) == pytest.approx(0.62, abs=0.05)
    mcp = angles[:, 3::3, FLEXION]
    near, far = np.corrcoef(mcp[:, 1], mcp[:, 2])[0, 1], np.corrcoef(mcp[:, 0], mcp[:, 3])[0, 1]
    assert near > far > 0


def test_every_subset_of_straight_fingers_occurs(angles):
    straight = angles[:, 4::3, FLEXION] < np.deg2rad(25)
    assert len(np.unique(straight, axis=0)) == 16


def test_thumb_meets_each_fingertip_and_also_lies_wide(hand):
    R = sample_poses(1500, 2, hand.axes)
    pose = HandPose(R_cam_root=torch.eye(3).expand(1500, 3, 3), R_parent_joint=R, t_cam_root=torch.zeros(1500, 3))
    tips = hand.shaped(torch.zeros(10)).posed(pose).joints[:, [4, 8, 12, 16, 20]]
    nearest = (tips[:, 1:] - tips[:, :1]).norm(dim=-1).amin(0)
    assert (nearest < 0.020).all()  # tips are ahead of the pads that touch
    assert tips[:, 0, 1].max() > 0.095  # radially, from the wrist
    assert tips[:, 0, 1].min() < -0.005  # across the palm


def test_few_hands_sink_into_themselves(hand):
    shape, R = draw_people(100, seed=1)[0], sample_poses(100, 6, hand.axes)
    assert (penetration(R, shape) > DEEPEST).mean() < 0.08


def test_negative_numbers_are_refused(hand):
    with pytest.raises(ValueError, match="must not be negative"):
        sample_poses(-1, 0, hand.axes)
