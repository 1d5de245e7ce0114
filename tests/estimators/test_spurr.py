"""Spurr et al.: depth in closed form, and what a skeleton can be."""

import pytest
import roma
import torch
from estimator_examples import CONFIGS, HAND, make, samples
from toy import random_pose

from ownhand.estimators.biomechanics import ROOTS, Biomechanics, bend_angles, bone_lengths, palm_structure
from ownhand.estimators.build import build, load, save
from ownhand.estimators.spurr import BONE, SpurrConfig, root_depth
from ownhand.hand.builtin import open_hand
from ownhand.losses import SPURR, training_loss


def hands(n, seed=0):
    """Joints of open hands in any pose, relative to the camera, in lengths of one bone, and that length [m]."""
    shape = torch.randn(n, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    joints = open_hand().to(torch.float64).shaped(shape).posed(random_pose(n, seed=seed).to(torch.float64)).joints
    unit = (joints[:, BONE[0]] - joints[:, BONE[1]]).norm(dim=-1)[:, None, None]
    return joints / unit, unit


def test_without_noise_the_wrists_depth_is_exact():
    joints, unit = hands(200)
    rays = joints / joints[..., 2:]
    found = root_depth(rays, joints[..., 2] - joints[:, :1, 2])
    error_m = (found - joints[:, 0, 2]).abs() * unit[:, 0, 0]
    # A bone along the viewing ray fits twice, and the farther place is taken.
    d, e = (rays[:, BONE[0]] - rays[:, BONE[1]]), joints[:, BONE[0]] - joints[:, BONE[1]]
    farther = (d * e).sum(-1) >= 0
    assert farther.float().mean() > 0.5
    assert error_m[farther].max() < 1e-4


def test_a_bone_that_cannot_be_so_long_still_has_a_depth():
    rays = torch.cat([torch.zeros(1, 21, 2), torch.ones(1, 21, 1)], -1)
    relative = torch.zeros(1, 21)
    relative[0, BONE[0]] = 3.0
    assert root_depth(rays, relative).isfinite().all()


def test_bones_and_palm_and_angles_do_not_depend_on_where_the_hand_is_and_how_it_is_turned():
    joints, _ = hands(20)
    moved = joints @ roma.random_rotmat(20).double().mT + torch.randn(20, 1, 3)
    for measure in (bone_lengths, palm_structure, bend_angles):
        torch.testing.assert_close(measure(moved), measure(joints), atol=1e-4, rtol=1e-4)


def test_bending_a_finger_is_flexion_and_spreading_it_abduction():
    """A flat hand: fingers along x, thumb's side y, back of the hand z."""
    joints = torch.zeros(1, 21, 3)
    for finger, start in enumerate(ROOTS):
        for step in range(4):
            joints[0, start + step] = (1.0 + step) * torch.tensor([1.0, 0.4 * (2 - finger), 0.0])
    straight = bend_angles(joints)
    assert straight.abs().max() < 1e-5
    turn = torch.tensor(0.5)
    bent = joints.clone()
    for axis, entry in ((torch.tensor([0.0, 1, 0]), 0), (torch.tensor([0.0, 0, 1]), 1)):
        R = roma.rotvec_to_rotmat(turn * axis)
        for joint in (10, 11, 12):
            bent[0, joint] = joints[0, 9] + R @ (joints[0, joint] - joints[0, 9])
        change = bend_angles(bent)[0]
        assert change[6, entry].abs() == pytest.approx(0.5, abs=1e-4)  # the middle finger's first bone
        assert change[6, 1 - entry].abs() < 1e-4
        assert change[7:9].abs().max() < 1e-4  # the others go on straight


def test_known_hands_are_allowed_others_are_not_and_the_penalty_leads_back():
    joints, _ = hands(300)
    limits = Biomechanics().double()
    assert limits(10 * joints).max() == 0  # nothing is known yet
    limits.learn(joints)
    assert limits(joints).max() < 1e-5
    stretched = joints.clone()
    stretched[:, 8] += 2 * (stretched[:, 8] - stretched[:, 7])
    assert (limits(stretched)[:, 0] > 1e-3).all()
    assert limits(joints[:, torch.randperm(21)])[:, 1:].min(0).values.min() > 0
    wrong = (joints + 0.3 * torch.randn_like(joints)).requires_grad_()
    before = limits(wrong).sum()
    before.backward()
    assert wrong.grad.isfinite().all()
    assert limits(wrong - 1e-3 * wrong.grad).sum() < before


def test_limits_are_part_of_the_weights(tmp_path):
    network, sample = make("spurr"), samples()
    network.prepare(sample.joints, sample.shape)
    save(network, tmp_path / "net")
    found = load(tmp_path / "net", HAND).biomechanics
    for name in ("lengths", "palm", "hulls"):
        assert torch.equal(getattr(found, name), getattr(network.biomechanics, name))
        assert getattr(found, name).isfinite().all()


def test_a_persons_shape_sets_the_unit():
    network, sample = make("spurr").eval(), samples(2)
    with torch.no_grad():
        mean, own = (network(sample.image, sample.camera, shape) for shape in (None, sample.shape))
    rest = HAND.shaped(torch.stack([torch.zeros(10), sample.shape[0]])).joints
    bone = (rest[:, BONE[0]] - rest[:, BONE[1]]).norm(dim=-1)
    torch.testing.assert_close(own.joints[0], mean.joints[0] * bone[1] / bone[0])


@pytest.mark.parametrize("backbone", ["resnet-50", "hrnet-w32"])
def test_the_papers_networks_can_be_built_and_trained_a_step(backbone):
    torch.manual_seed(0)
    network, sample = build(SpurrConfig(backbone=backbone), HAND).train(), samples(2)
    prediction, auxiliary = network.forward_training(sample.image, sample.camera)
    training_loss(prediction, auxiliary, sample, HAND, SPURR)["total"].mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert CONFIGS["spurr"].kind == network.config.kind
