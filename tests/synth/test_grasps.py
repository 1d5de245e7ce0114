"""Hands that hold things."""

import numpy as np
import pytest
import torch

from ownhand.hand.anatomy import joint_limits, rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandPose
from ownhand.render import Surface, signed_distance
from ownhand.structs import given
from ownhand.synth.people.population import draw_people
from ownhand.synth.poses.contact import penetration
from ownhand.synth.things.digits import Digits
from ownhand.synth.things.grasps import grasps

COUNT = 40


def drawn(seed=3, count=COUNT):
    shape = draw_people(count, seed=seed)[0]
    return shape, grasps([np.random.default_rng([seed, i]) for i in range(count)], shape)


@pytest.fixture(scope="module")
def held():
    """(shape, grasp, vertices) of those that hold something."""
    shape, found = drawn()
    model = open_hand()
    hands = []
    for one, grasp in zip(shape, found, strict=True):
        if grasp is not None:
            pose = HandPose(
                R_cam_root=torch.eye(3), R_parent_joint=grasp.R_parent_joint.float(), t_cam_root=torch.zeros(3)
            )
            hands.append((one, grasp, model.shaped(one).posed(pose).verts.numpy()))
    return hands


def distance(grasp, verts):
    """Signed distance of the hand's vertices to the real mesh of the thing."""
    local = (verts - grasp.t_hand_object) @ grasp.R_hand_object
    return np.min([signed_distance(local, s.verts, Surface(faces=s.faces))[0] for s in grasp.thing.solids], 0)


def test_nearly_every_picture_gets_a_grasp(held):
    assert len(held) > 0.85 * COUNT
    assert len({grasp.thing.name for _, grasp, _ in held}) > 10


def test_grasps_repeat(held):
    again = [grasp for grasp in drawn()[1] if grasp is not None]
    for (_, first, _), second in zip(held, again, strict=True):
        assert torch.equal(first.R_parent_joint, second.R_parent_joint)
        np.testing.assert_array_equal(first.t_hand_object, second.t_hand_object)


def test_hands_touch_what_they_hold_and_do_not_sink_in(held):
    part = open_hand().skin_weights.argmax(1).numpy()
    digit = np.where(part > 0, (part - 1) // 3, 5)
    for _, grasp, verts in held:
        gap = distance(grasp, verts)
        assert gap.min() > -0.002
        assert len(np.unique(digit[np.abs(gap) < 0.0025])) >= 2
        faces = open_hand().faces.numpy()
        own = grasp.thing.verts @ grasp.R_hand_object.T + grasp.t_hand_object
        assert signed_distance(own, verts, Surface(faces=faces))[0].min() > -0.002


def test_hands_that_hold_do_not_sink_into_themselves(held):
    shape, R = torch.stack([h[0] for h in held]), torch.stack([h[1].R_parent_joint for h in held])
    assert penetration(R.float(), shape).max() < 0.0011


def test_joints_stay_within_their_limits(held):
    limits = JointLimits.of(joint_limits(), given(open_hand().axes, "axes"))
    for _, grasp, _ in held:
        assert limits.residuals(grasp.R_parent_joint.float()).abs().max() * limits.sigma < 0.01


def test_chosen_vertices_move_like_the_whole_hand():
    model = open_hand().to(torch.float64)
    angles = np.random.default_rng(0).uniform(0, 0.5, (2, 5, 3, 3)) * [0.1, 0.1, 1]
    verts, joints, _ = Digits.of(np.zeros((2, 10))).bent(angles)
    R = rotations_from_angles(torch.from_numpy(angles.reshape(2, 15, 3)), given(model.axes, "axes"))
    pose = HandPose(
        R_cam_root=torch.eye(3).double().expand(2, 3, 3), R_parent_joint=R, t_cam_root=torch.zeros(2, 3).double()
    )
    whole = model.shaped(torch.zeros(2, 10).double()).posed(pose)
    np.testing.assert_allclose(
        joints[0].reshape(-1, 3), np.delete(whole.joints[0].numpy(), [0, 4, 8, 12, 16, 20], 0), atol=1e-6
    )
    tips = whole.joints[0, [4, 8, 12, 16, 20]].numpy()
    assert (np.linalg.norm(verts[0] - tips[:, None], axis=-1).min(1) < 0.006).all()
