"""The pose sampler."""

import numpy as np
import pytest
import roma
import torch

from ownhand.hand.anatomy import FLEXION, joint_limits, rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render import Surface, signed_distance
from ownhand.synth.people.population import draw_people
from ownhand.synth.poses import hand_shapes
from ownhand.synth.poses.contact import DEEPEST, open_hand_limits, penetration, repaired, unmoved
from ownhand.synth.poses.mixture import parts, sample_angles, sample_poses, shape_angles, touching_poses
from ownhand.synth.posing import natural_poses

TABLES = ("LETTERS", "DIGITS", "GESTURES", "FISTS", "PINCHES", "GRASPS")


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


def test_natural_poses_do_not_sink_into_themselves():
    shape = draw_people(8, seed=1)[0].repeat_interleave(32, 0)
    R = torch.cat(
        [
            natural_poses(6, np.arange(first, first + 32), shape[first : first + 32])[0]
            for first in range(0, len(shape), 32)
        ]
    )
    assert (penetration(R, shape) > DEEPEST).mean() < 0.005


def test_repair_moves_few_degrees_and_keeps_within_the_limits(hand):
    shape = draw_people(96, seed=2)[0]
    R, touching = touching_poses(range(96), 9, hand.axes)
    before = penetration(R, shape)
    after, depth, _ = repaired(R, shape, touching)
    assert (before > DEEPEST).mean() > 0.05
    assert (depth > DEEPEST).mean() <= 0.03
    free = torch.from_numpy((before <= DEEPEST) & ~touching.any((1, 2)))
    assert torch.equal(after[free], R[free])
    limits = open_hand_limits()
    moved = torch.rad2deg((limits.angles(after) - limits.angles(R)).abs().amax((1, 2)))[before > DEEPEST]
    assert moved.mean() < 8
    assert limits.residuals(after).abs().max() < 1e-4


def test_parts_that_are_to_touch_do(hand):
    """Within 2 mm, measured from the skin of one to the surface of the other."""
    shape = draw_people(96, seed=3)[0]
    R, touching = touching_poses(range(96), 10, hand.axes)
    R, depth, _ = repaired(R, shape, touching)
    verts = hand.shaped(shape).posed(unmoved(R)).verts.numpy()
    part, of_face = hand.skin_weights.argmax(1).numpy(), hand.skin_weights[hand.faces].sum(1).argmax(1)
    surfaces = [Surface(faces=hand.faces[of_face == k].numpy(), rest=hand.template.numpy()) for k in range(16)]
    apart = [
        np.abs(signed_distance(verts[k][part == a], verts[k], surfaces[b])[0]).min()
        for k in np.flatnonzero(depth <= DEEPEST)
        for a, b in touching[k][touching[k].any(-1)]
    ]
    assert len(apart) > 20
    assert np.mean(np.array(apart) <= 0.002) >= 0.97


def test_named_shapes_touch_without_sinking_on_the_mean_hand(hand):
    shapes = [shape for table in TABLES for shape in getattr(hand_shapes, table).values()]
    angles = np.deg2rad(np.stack([shape_angles(shape) for shape in shapes])).reshape(-1, 15, 3)
    R = rotations_from_angles(torch.from_numpy(angles.astype(np.float32)), hand.axes)
    touching = np.stack([parts(shape.touching) for shape in shapes])
    _, depth, gap = repaired(R, torch.zeros(len(shapes), 10), touching)
    assert depth.max() < 0.0015
    assert gap.max() < 0.002


def test_every_named_shape_stays_within_the_limits():
    low, high = np.rad2deg(joint_limits().numpy()).transpose(2, 0, 1)
    for table in TABLES:
        for name, shape in getattr(hand_shapes, table).items():
            angles = shape_angles(shape).reshape(15, 3)
            assert ((angles >= low - 1e-3) & (angles <= high + 1e-3)).all(), (table, name)


def test_negative_numbers_are_refused(hand):
    with pytest.raises(ValueError, match="must not be negative"):
        sample_poses(-1, 0, hand.axes)
