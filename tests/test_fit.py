"""Fitting a hand of known shape to its keypoints: recovery, invariants, and bad input."""

import math
from dataclasses import replace

import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand.calibrate import standardised
from ownhand.fit import (
    believe,
    distance_at_which_it_fills,
    fit,
    fit_shape,
    place,
    place_covariance,
    register,
    shape_likelihood,
)
from ownhand.fit.residuals import Problem
from ownhand.geometry.camera import Camera, Placement
from ownhand.geometry.crops import Crop
from ownhand.hand.anatomy import joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.joint_chain import JointChain, joints_by_shape
from ownhand.hand.limits import JointLimits
from ownhand.hand.measure import length_mm, size_direction
from ownhand.hand.model import HandPose
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.metrics import hand_length, size_free_error_mm
from ownhand.structs import concatenate, stack

CAMERA = Camera(K=torch.tensor([[600.0, 0, 320], [0, 590, 240], [0, 0, 1]]), size=(480, 640))
N = 12


def turned(pose, deviation):
    R = stacked_rotations(pose) @ roma.rotvec_to_rotmat(deviation.unflatten(-1, (16, 3)))
    return HandPose(R_cam_root=R[..., 0, :, :], R_parent_joint=R[..., 1:, :, :], t_cam_root=pose.t_cam_root)


def scene(n=N, dtype=torch.float32, noise=0.0, spread=0.2, make=toy_hand):
    """A hand, its pose, a wrong first pose, its joints and keypoints."""
    model = make().to(dtype)
    hand = model.shaped(torch.randn(n, 10, dtype=torch.float64).to(dtype))
    truth = random_pose(n, dtype=torch.float64).to(dtype)
    deviation = spread * torch.randn(n, 48, dtype=torch.float64).to(dtype)
    joints = hand.posed(truth).joints
    keypoints = CAMERA.to(dtype).project(joints)
    keypoints = keypoints + noise * torch.randn(keypoints.shape, dtype=torch.float64).to(dtype)
    return hand, truth, turned(truth, deviation), joints, keypoints


def sure(keypoints):
    return torch.ones_like(keypoints[..., 0])


def relative_error(joints, truth):
    return (joints - joints[:, :1] - truth + truth[:, :1]).norm(dim=-1).mean().item()


# --- placing ---


def test_a_hand_is_placed_where_it_is_when_its_keypoints_are_exact():
    _, truth, _, joints, keypoints = scene()
    t = place(joints - joints[:, :1], keypoints, sure(keypoints), CAMERA)
    torch.testing.assert_close(t, truth.t_cam_root, atol=1e-4, rtol=0)


def test_placing_works_in_crops_even_rotated_ones():
    _, truth, _, joints, keypoints = scene()
    crop = Crop.square(keypoints.mean(-2), torch.full((N,), 200.0), 128, torch.randn(N))
    t = place(joints - joints[:, :1], crop.keypoints(keypoints), sure(keypoints), crop.camera(CAMERA))
    torch.testing.assert_close(t, truth.t_cam_root, atol=2e-4, rtol=0)


def test_placing_minimises_the_weighted_reprojection_error():
    hand, _, start, _, keypoints = scene(noise=4.0, spread=0.1)
    confidence = torch.rand(N, 21)
    relative = JointChain.of(hand).joints(stacked_rotations(start))
    t = place(relative, keypoints, confidence, CAMERA, rounds=10)

    def cost(t):
        error = (CAMERA.project(relative + t[:, None]) - keypoints).square().sum(-1)
        return (confidence * error).sum(-1)

    for _ in range(50):
        assert (cost(t) <= 1.002 * cost(t + 2e-3 * torch.randn(N, 3))).all()


def test_keypoints_without_confidence_are_ignored_when_placing():
    _, truth, _, joints, keypoints = scene()
    confidence = sure(keypoints)
    confidence[:, 5:9] = 0
    keypoints[:, 5], keypoints[:, 6] = torch.nan, 1e9
    t = place(joints - joints[:, :1], keypoints, confidence, CAMERA)
    torch.testing.assert_close(t, truth.t_cam_root, atol=2e-4, rtol=0)


def test_a_hand_is_placed_in_front_of_the_camera_whatever_the_keypoints():
    _, _, _, joints, _ = scene()
    for keypoints in (torch.randn(N, 21, 2) * 1000, CAMERA.project(-joints), torch.randn(N, 21, 2) * 0.1):
        relative = joints - joints[:, :1]
        t = place(relative, keypoints, sure(keypoints), CAMERA)
        assert ((relative + t[:, None])[..., 2] > 0).all()


def test_one_keypoint_or_one_place_for_all_places_nothing():
    _, _, _, joints, keypoints = scene()
    confidence = torch.zeros(N, 21)
    confidence[1:, 3] = 1
    confidence[2:, 7] = 1
    keypoints[2] = 300
    keypoints[3, 7] = torch.nan
    t = place(joints - joints[:, :1], keypoints, confidence, CAMERA)
    assert t[:4].isnan().all()
    assert t[4:].isfinite().all()


def test_a_known_bias_of_the_distance_is_taken_out():
    _, truth, _, joints, _ = scene()
    prior = replace(PosePrior.isotropic(0.1), distance_bias=0.1)
    too_far = truth.t_cam_root * math.exp(0.1)
    found = believe(too_far, joints - joints[:, :1], sure(joints), CAMERA, prior)
    ray = CAMERA.crop_frame()[:, 2]
    torch.testing.assert_close(found @ ray, truth.t_cam_root @ ray, atol=1e-5, rtol=0)


def test_unsure_keypoints_have_more_of_that_bias():
    _, truth, _, joints, _ = scene()
    prior = replace(PosePrior.isotropic(0.1), distance_bias=0.05, place_power=1.0)
    too_far = truth.t_cam_root * math.exp(0.1)
    found = believe(too_far, joints - joints[:, :1], sure(joints) / 2, CAMERA, prior)
    ray = CAMERA.crop_frame()[:, 2]
    torch.testing.assert_close(found @ ray, truth.t_cam_root @ ray, atol=1e-5, rtol=0)


def test_the_error_bar_of_a_place_holds_what_an_uncertain_shape_does_to_it():
    model, shape, truth, spread = toy_hand(), torch.randn(400, 10), random_pose(400), torch.randn(10, 10)
    keypoints, covariance = CAMERA.project(model.shaped(shape).posed(truth).joints), 0.02 * spread @ spread.mT
    wrong = shape + torch.randn(400, 10) @ torch.linalg.cholesky(covariance).mT
    guessed = model.shaped(wrong).posed(truth).joints - truth.t_cam_root[:, None]
    t = place(guessed, keypoints, sure(keypoints), CAMERA)
    prior = replace(PosePrior.isotropic(0.1), distance_sigma=1e-5, across_sigma=1e-5)
    by_shape = joints_by_shape(model, stacked_rotations(truth))
    found = place_covariance(t, guessed, by_shape, covariance, sure(keypoints), CAMERA, prior)
    error = t - truth.t_cam_root
    squared = (error * torch.linalg.solve(found.double(), error.double())).sum(-1)
    assert squared.mean() / 3 == pytest.approx(1, abs=0.15)
    assert (squared < 6.25).float().mean() == pytest.approx(0.9, abs=0.04)


def test_the_error_bar_of_a_place_has_what_validation_people_taught_along_and_across_the_line_of_sight():
    _, truth, _, joints, keypoints = scene()
    prior = replace(PosePrior.isotropic(0.1), distance_sigma=0.05, across_sigma=0.02, place_power=1.0)
    relative = joints - joints[:, :1]
    by_shape = torch.zeros(N, 21, 3, 10)
    found = place_covariance(truth.t_cam_root, relative, by_shape, torch.eye(10), sure(keypoints) / 2, CAMERA, prior)
    ray = CAMERA.crop_frame()[:, 2]
    along = (found @ ray * ray).sum(-1).sqrt()
    torch.testing.assert_close(along, 2 * 0.05 * truth.t_cam_root @ ray, rtol=1e-4, atol=0)
    across = torch.linalg.eigvalsh(found)[:, :2].sqrt()
    length = 2 * 0.02 * hand_length(relative)
    torch.testing.assert_close(across, length[:, None].expand(-1, 2), rtol=1e-3, atol=0)
    with pytest.raises(ValueError, match="expected a prior that knows"):
        place_covariance(
            truth.t_cam_root, relative, by_shape, torch.eye(10), sure(keypoints), CAMERA, PosePrior.isotropic(0.1)
        )


def test_keypoints_that_fall_together_do_not_place_a_hand_at_the_horizon():
    _, _, _, joints, keypoints = scene()
    relative, middle = joints - joints[:, :1], keypoints.mean(-2, keepdim=True)
    t = place(relative, middle + 0.01 * (keypoints - middle), sure(keypoints), CAMERA)
    prior = replace(PosePrior.isotropic(0.1), apparent_length=(0.25, 1.0))
    found = believe(t, relative, sure(keypoints), CAMERA, prior)
    assert (t[:, 2] > 20).all()
    fills = distance_at_which_it_fills(relative, CAMERA)
    torch.testing.assert_close(found @ CAMERA.crop_frame()[:, 2], 4 * fills, atol=1e-4, rtol=0)
    centre = (relative + found[:, None]).mean(-2, keepdim=True)
    torch.testing.assert_close(CAMERA.project(centre), middle, atol=0.5, rtol=0)


def test_a_believable_distance_is_left_alone():
    _, truth, _, joints, _ = scene()
    prior = replace(PosePrior.isotropic(0.1), apparent_length=(0.01, 100.0))
    found = believe(truth.t_cam_root, joints - joints[:, :1], sure(joints), CAMERA, prior)
    torch.testing.assert_close(found, truth.t_cam_root)


# --- recovery ---


@pytest.mark.parametrize("make", [toy_hand, open_hand])
def test_exact_keypoints_are_met_within_a_hundredth_of_a_pixel(make):
    # Not all of them: where a finger lies in the picture plane, its bones just reach the keypoints: steps get short.
    hand, _, start, joints, keypoints = scene(50, spread=0.1, make=make)
    wide = PosePrior.isotropic(1.0, 0.01)
    result = fit(hand, start, keypoints, sure(keypoints), CAMERA, wide, tolerance=1e-6, max_iterations=50)
    assert (result.reprojection_px < 0.01).float().mean() > 0.9
    assert result.reprojection_px.max() < 0.5
    assert relative_error(result.joints, joints) < 0.001


def test_the_result_is_what_the_hand_model_makes_of_the_pose():
    hand, _, start, _, keypoints = scene(noise=2.0)
    result = fit(hand, start, keypoints, sure(keypoints), CAMERA, PosePrior.isotropic(0.2))
    torch.testing.assert_close(result.joints, hand.posed(result.pose).joints, atol=1e-5, rtol=0)
    error = (CAMERA.project(result.joints) - keypoints).norm(dim=-1).mean(-1)
    torch.testing.assert_close(result.reprojection_px, error, atol=1e-2, rtol=0)
    R = stacked_rotations(result.pose)
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)


def test_fitting_lowers_the_joint_error_of_a_noisy_network():
    hand, _, start, joints, keypoints = scene(n=100, noise=2.0)
    prior = PosePrior.isotropic(0.2, 2.0)
    result = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior, max_iterations=20)
    assert relative_error(result.joints, joints) < 0.5 * relative_error(hand.posed(start).joints, joints)
    assert result.converged.float().mean() > 0.9


def test_the_covariance_of_the_network_is_worth_having():
    hand, truth, _, joints, keypoints = scene(n=200, noise=2.0)
    mix = 0.12 * torch.randn(48, 5)
    noise = torch.randn(1200, 5) @ mix.mT + 0.02 * torch.randn(1200, 48)
    poses = random_pose(1000)
    fitted = PosePrior.fit(turned(poses, -noise[200:]), poses)
    fitted = replace(fitted, keypoint_sigma=2.0)
    alike = PosePrior.isotropic(fitted.covariance.diagonal().mean().sqrt().item(), 2.0)
    start = turned(truth, -noise[:200])
    error = [
        relative_error(fit(hand, start, keypoints, sure(keypoints), CAMERA, prior).joints, joints)
        for prior in (alike, fitted)
    ]
    assert error[1] < 0.7 * error[0]


def test_a_gross_outlier_spoils_the_plain_fit_but_not_the_robust_one():
    hand, _, start, joints, keypoints = scene(n=50, noise=1.0, spread=0.1)
    keypoints[:, 8] += 80
    prior = PosePrior.isotropic(0.1, 1.0)
    plain, robust = (
        relative_error(fit(hand, start, keypoints, sure(keypoints), CAMERA, prior, robust=c).joints, joints)
        for c in (None, 3.0)
    )
    assert robust < 0.5 * plain


@pytest.mark.parametrize("shift", [0.0, 500.0])
def test_relative_depth_along_the_central_ray_tells_what_the_picture_hides(shift):
    hand, _, start, joints, keypoints = scene(n=50, noise=1.0)
    crop = Crop(T_crop_image=torch.tensor([[1.0, 0, shift], [0, 1, 0], [0, 0, 1]]), size=CAMERA.size)
    camera, keypoints = crop.camera(CAMERA), crop.keypoints(keypoints)
    prior = replace(PosePrior.isotropic(0.3, 1.0), depth_sigma=torch.full((21,), 0.003))
    depth = (joints - joints[:, :1]) @ camera.crop_frame()[:, 2] + 0.003 * torch.randn(50, 21)
    without = fit(hand, start, keypoints, sure(keypoints), camera, prior)
    given = fit(hand, start, keypoints, sure(keypoints), camera, prior, keypoint_depth=depth)
    assert relative_error(given.joints, joints) < 0.6 * relative_error(without.joints, joints)


def test_keypoints_that_all_count_as_gross_errors_do_not_drive_the_hand_away():
    hand, truth, start, _, keypoints = scene(n=50, spread=0.2)
    garbled = keypoints.mean(-2, keepdim=True) + 3 * torch.randn(keypoints.shape)  # a network that saw nothing
    free = PosePrior.isotropic(0.1, 0.3)
    held = replace(free, distance_sigma=0.1)

    def farthest(prior):
        found = fit(hand, start, garbled, sure(garbled), CAMERA, prior, robust=3.0, max_iterations=50)
        return (found.pose.t_cam_root[:, 2] / truth.t_cam_root[:, 2]).max()

    assert farthest(free) > 3
    assert farthest(held) < 1.5


def test_limits_keep_joints_within_what_hands_do():
    model = open_hand()
    limits = JointLimits.of(joint_limits(), model.axes, sigma=0.02)
    hand, _, start, _, keypoints = scene(spread=0.3, make=open_hand)
    prior = PosePrior.isotropic(0.3)
    free = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior)
    held = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior, limits=limits)
    beyond = [limits.residuals(r.pose.R_parent_joint).abs().mean() for r in (free, held)]
    assert beyond[1] < 0.25 * beyond[0]


def test_a_free_size_follows_what_is_known_of_it():
    # Keypoints alone cannot tell a small near hand from a large far one; depth in metres can.
    hand, _, start, joints, keypoints = scene(n=30, spread=0.05)
    big = replace(hand, verts=hand.verts * 1.2, joints_16=hand.joints_16 * 1.2)
    depth = joints[..., 2] - joints[:, :1, 2]
    prior = replace(PosePrior.isotropic(0.05, 1.0), depth_sigma=torch.full((21,), 0.001))
    result = fit(
        big, start, keypoints, sure(keypoints), CAMERA, prior, keypoint_depth=depth, size_sigma=0.2, max_iterations=30
    )
    assert (result.scale.log() + torch.tensor(1.2).log()).abs().median() < 0.04
    fixed = fit(big, start, keypoints, sure(keypoints), CAMERA, prior, keypoint_depth=depth)
    assert (fixed.scale == 1).all()
    assert relative_error(result.joints, joints) < relative_error(fixed.joints, joints)


def test_registration_leaves_out_keypoints_that_disagree_and_those_without_confidence():
    _, truth, _, joints, keypoints = scene()
    wrong, confidence = keypoints.clone(), sure(keypoints)
    wrong[:, 4] += 60.0
    wrong[:, 9] -= 1000.0
    confidence[:, 9] = 0.05
    relative = joints - joints[:, :1]
    once = place(relative, wrong, (confidence > 0.1).float(), CAMERA)
    found = register(relative, wrong, confidence, CAMERA)
    error, before = ((t - truth.t_cam_root).norm(dim=-1) for t in (found, once))
    assert error.max() < 1e-3
    assert (error < 0.1 * before).all()
    exact = register(relative, keypoints, sure(keypoints), CAMERA)
    torch.testing.assert_close(exact, truth.t_cam_root, atol=1e-4, rtol=0)
    assert register(relative, wrong, 0 * confidence, CAMERA).isnan().all()


# --- shape ---


def many_pictures(truth, pictures, noise=3.0, seed=0):
    """What the keypoints of a person's pictures say of the shape."""
    torch.manual_seed(seed)
    model = open_hand()
    pose = random_pose(pictures, seed=seed)
    joints = model.shaped(truth).posed(pose).joints
    keypoints = CAMERA.project(joints) + noise * torch.randn(pictures, 21, 2)
    start = turned(pose, 0.15 * torch.randn(pictures, 48))
    return shape_likelihood(model, start, keypoints, sure(keypoints), CAMERA, PosePrior.isotropic(0.15, noise))


def most_likely(said):
    """With the population as prior."""
    return torch.linalg.solve(torch.eye(10) + said.precision.sum(0), said.information.sum(0)).float()


def test_shape_is_recovered_from_keypoints_and_better_from_more_pictures():
    model, errors = open_hand(), {}
    people = torch.randn(8, 10)
    for pictures in (0, 2, 10, 40):
        errors[pictures] = 0.0
        for seed, truth in enumerate(people):
            found = most_likely(many_pictures(truth, pictures, seed=seed)) if pictures else torch.zeros(10)
            errors[pictures] += size_free_error_mm(found, truth, model).item() / len(people)
    assert errors[0] > errors[2] > errors[10] > errors[40]
    assert errors[40] < 0.65 * errors[0]


def test_what_keypoints_say_of_shape_holds_no_size_and_is_no_better_than_true():
    said = many_pictures(torch.zeros(10), 30)
    size = torch.nn.functional.normalize(size_direction(open_hand()).double(), dim=0)
    assert (said.precision @ size).abs().max() < 1e-6 * said.precision.abs().max()
    assert torch.linalg.eigvalsh(said.precision).min() > -1e-6 * said.precision.abs().max()
    # The information scatters as its own precision says, over poses and noise of people with a mean hand.
    whole = torch.linalg.eigh(said.precision.sum(0))
    scatter = whole.eigenvectors.mT @ said.information.mT
    scaled = scatter[1:].square().sum(-1) / whole.eigenvalues[1:]
    assert 0.3 < scaled.mean() < 2.0


def test_pictures_without_keypoints_say_nothing_of_shape():
    model, pose = open_hand(), random_pose(3)
    keypoints = CAMERA.project(model.shaped(torch.zeros(10)).posed(pose).joints)
    confidence = sure(keypoints)
    confidence[1] = 0
    said = shape_likelihood(model, pose, keypoints, confidence, CAMERA, PosePrior.isotropic(0.2, 1.0))
    assert not said.precision[1].any()
    assert not said.information[1].any()
    assert said.precision[0].any()


def seen_person(truth, pictures, noise, seed):
    """Poses as the networks say them, keypoints with noise, and the true poses."""
    torch.manual_seed(seed)
    pose = random_pose(pictures, seed=seed)
    keypoints = CAMERA.project(open_hand().shaped(truth).posed(pose).joints) + noise * torch.randn(pictures, 21, 2)
    return turned(pose, 0.15 * torch.randn(pictures, 48)), keypoints, pose


@pytest.mark.parametrize("noise", [1.0, 8.0])
def test_one_shape_fitted_to_all_pictures_is_as_good_as_their_keypoints_allow(noise):
    """Against the Cramer-Rao limit, the posterior covariance at the truth: at most 15 % more (benchmarks/limit.py)."""
    model, prior, people, pictures = open_hand(), PosePrior.isotropic(0.15, noise), 10, 6
    found, drawn, covariances, truths = [], [], [], torch.randn(people, 10)
    for seed, truth in enumerate(truths):
        start, keypoints, pose = seen_person(truth, pictures, noise, seed)
        said = fit_shape(model, start, keypoints, sure(keypoints), CAMERA, prior, start=torch.zeros(10), robust=None)
        shape, covariance = said.posterior()
        exact = CAMERA.project(model.shaped(truth).posed(pose).joints)
        _, limit = shape_likelihood(
            model, pose, exact, sure(exact), CAMERA, replace(prior, distance_sigma=None), around=truth, robust=None
        ).posterior()
        found.append(shape)
        covariances.append(covariance)
        noises = torch.randn(40, 10).double() @ torch.linalg.cholesky(limit).mT
        drawn.append(size_free_error_mm(truth + noises.float(), truth.expand(40, 10), model).mean())
    error = size_free_error_mm(torch.stack(found).float(), truths, model).mean()
    assert error < 1.15 * torch.stack(drawn).mean()
    squared = standardised(torch.stack(found) - truths.double(), torch.stack(covariances)).square().mean()
    assert 0.7 < squared < 1.4


def test_fitting_starts_anywhere_and_ends_at_one_shape():
    model, prior, truth = open_hand(), PosePrior.isotropic(0.15, 2.0), torch.randn(10)
    start, keypoints, _ = seen_person(truth, 10, 2.0, 3)
    ends = [
        fit_shape(model, start, keypoints, sure(keypoints), CAMERA, prior, start=first, tolerance=1e-4).posterior()[0]
        for first in (torch.zeros(10), truth, 1.5 * torch.randn(10))
    ]
    torch.testing.assert_close(ends[1], ends[0], atol=0.02, rtol=0)
    torch.testing.assert_close(ends[2], ends[0], atol=0.02, rtol=0)


def rig(truth, instants, cameras, noise, seed, turn=None, move=(0.0, 0.0, 0.0)):
    """Poses as the networks say them, keypoints and placement of cameras that stand in a half circle around a hand."""
    torch.manual_seed(seed)
    turn, move = torch.eye(3) if turn is None else turn, torch.tensor(move)
    pose = random_pose(instants, seed=seed)
    middle = open_hand().shaped(truth).posed(pose).joints.mean(1)
    starts, keypoints, R, t = [], [], [], []
    for i in range(cameras):
        R_cam_first = roma.rotvec_to_rotmat(torch.tensor([0.1 * i, torch.pi * (i / cameras - 0.4), 0.2 * i]))
        t_cam_first = middle - middle @ R_cam_first.mT
        seen = replace(
            pose,
            R_cam_root=R_cam_first @ pose.R_cam_root,
            t_cam_root=pose.t_cam_root @ R_cam_first.mT + t_cam_first,
        )
        exact = CAMERA.project(open_hand().shaped(truth).posed(seen).joints)
        keypoints.append(exact + noise * torch.randn_like(exact))
        starts.append(turned(seen, 0.15 * torch.randn(instants, 48)))
        R.append((R_cam_first @ turn).expand(instants, 3, 3))
        t.append(t_cam_first + (R_cam_first @ move))
    placement = Placement(
        R_cam_world=torch.cat(R), t_cam_world=torch.cat(t), instant=torch.arange(instants).repeat(cameras)
    )
    return concatenate(starts), torch.cat(keypoints), placement


def fitted_to_rig(start, keypoints, placement, confidence=None):
    model, prior = open_hand(), PosePrior.isotropic(0.15, 2.0)
    sures = sure(keypoints) if confidence is None else confidence
    zero = torch.zeros(10)
    return fit_shape(model, start, keypoints, sures, CAMERA, prior, start=zero, placement=placement).posterior()


def test_cameras_in_known_places_show_the_size_of_a_hand():
    model, people = open_hand(), 6
    errors = {}
    for known in (True, False):
        errors[known] = []
        for seed in range(people):
            truth = torch.randn(10, generator=torch.Generator().manual_seed(seed))
            start, keypoints, placement = rig(truth, 2, 5, 2.0, seed)
            shape, _ = fitted_to_rig(start, keypoints, placement if known else None)
            errors[known].append(length_mm(model, shape.float()) / length_mm(model, truth) - 1)
    assert torch.stack(errors[True]).abs().median() < 0.01
    assert torch.stack(errors[True]).abs().median() < 0.3 * torch.stack(errors[False]).abs().median()


def test_it_does_not_matter_from_where_places_of_cameras_are_counted():
    truth = torch.randn(10)
    moved = {"turn": roma.random_rotmat(), "move": (3.0, -1.0, 2.0)}
    here = fitted_to_rig(*rig(truth, 3, 4, 2.0, 0))[0]
    torch.testing.assert_close(fitted_to_rig(*rig(truth, 3, 4, 2.0, 0, **moved))[0], here, atol=0.02, rtol=0)


def test_pictures_of_instants_of_their_own_are_fitted_each_for_itself():
    start, keypoints, placement = rig(torch.randn(10), 3, 3, 2.0, 0)
    apart = replace(placement, instant=torch.arange(9))
    shape, covariance = fitted_to_rig(start, keypoints, apart)
    alone, same = fitted_to_rig(start, keypoints, None)
    torch.testing.assert_close(shape, alone, atol=0.02, rtol=0)
    torch.testing.assert_close(covariance, same, atol=0.02, rtol=0.05)


def test_a_camera_that_sees_nothing_changes_nothing():
    start, keypoints, placement = rig(torch.randn(10), 2, 4, 2.0, 0)
    confidence = sure(keypoints)
    confidence[2:4] = 0
    rest = torch.tensor([0, 1, 4, 5, 6, 7])
    shape, _ = fitted_to_rig(start, keypoints, placement, confidence)
    fewer, _ = fitted_to_rig(start[rest], keypoints[rest], placement[rest])
    torch.testing.assert_close(shape, fewer, atol=0.01, rtol=0)


def test_places_of_cameras_need_a_shape_around_which_to_look():
    start, keypoints, placement = rig(torch.zeros(10), 1, 2, 2.0, 0)
    with pytest.raises(ValueError, match="a shape is expected around which to look"):
        shape_likelihood(
            open_hand(), start, keypoints, sure(keypoints), CAMERA, PosePrior.isotropic(0.1, 1.0), placement=placement
        )


# --- invariants ---


@pytest.mark.parametrize("option", [{}, {"robust": 3.0}, {"size_sigma": 0.1}])
@pytest.mark.parametrize("iterations", [1, 3, 30])
def test_the_cost_never_grows(option, iterations):
    hand, _, start, _, keypoints = scene(noise=10.0, spread=0.6)
    start = replace(start, t_cam_root=start.t_cam_root + 0.1 * torch.randn(N, 3))
    prior = PosePrior.isotropic(0.3)
    result = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior, max_iterations=iterations, **option)
    assert (result.cost <= result.start_cost).all()
    assert (result.iterations <= iterations).all()


@pytest.mark.parametrize("option", ["plain", "robust", "all", "two cameras"])
def test_the_jacobian_of_all_residuals_equals_automatic_differentiation(option):
    axes = roma.procrustes(open_hand().axes.double())  # orthonormal to the last digit, which float32 is not
    hand, truth, start, _, keypoints = scene(3, torch.float64, noise=3.0, spread=0.5, make=open_hand)
    everything, cameras = option == "all", 2 if option == "two cameras" else 1
    central_ray = torch.nn.functional.normalize(torch.randn(3, 3, dtype=torch.float64), dim=-1)
    problem = Problem(
        chain=JointChain.of(hand),
        R_start=stacked_rotations(start),
        K=CAMERA.K.double().expand(3, cameras, 3, 3),
        central_ray=central_ray,
        keypoints=keypoints[:, None] + 5 * torch.randn(3, cameras, 1, 1, dtype=torch.float64),
        precision=torch.rand(3, cameras, 21, dtype=torch.float64),
        R_cam_first=roma.rotvec_to_rotmat(0.2 * torch.randn(3, 2, 3, dtype=torch.float64)) if cameras == 2 else None,
        t_cam_first=0.1 * torch.randn(3, 2, 3, dtype=torch.float64) if cameras == 2 else None,
        whitening=torch.randn(48, 48, dtype=torch.float64),
        limits=JointLimits.of(joint_limits().double(), axes) if everything else None,
        depth=torch.randn(3, 21, dtype=torch.float64) if everything else None,
        depth_precision=torch.rand(21, dtype=torch.float64) if everything else None,
        distance=1.3 * (truth.t_cam_root * central_ray).sum(-1),
        distance_sigma=torch.full((3,), 0.1, dtype=torch.float64) if everything else None,
        robust=None if option == "plain" else 2.0,
        size_sigma=0.1 if everything else None,
    )
    state = (stacked_rotations(truth), truth.t_cam_root, 0.1 * torch.randn(3, 1, dtype=torch.float64))
    residuals, jacobian, cost = problem.linearise(state)
    zero = torch.zeros(3, jacobian.shape[-1], dtype=torch.float64)

    def by_autograd(output):
        full = torch.autograd.functional.jacobian(lambda s: problem.linearise(problem.retract(state, s))[output], zero)
        return torch.stack([full[i, ..., i, :] for i in range(3)])

    torch.testing.assert_close(by_autograd(2), 2 * (jacobian.mT @ residuals[..., None])[..., 0], atol=1e-9, rtol=1e-6)
    if problem.robust is None:
        torch.testing.assert_close(cost, residuals.square().sum(-1))
        torch.testing.assert_close(by_autograd(0), jacobian, atol=1e-9, rtol=1e-6)


def test_each_hand_of_a_batch_is_fitted_as_it_is_alone():
    hand, _, start, _, keypoints = scene(noise=3.0)
    prior = PosePrior.isotropic(0.2)
    together = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior)
    alone = stack([fit(hand[i], start[i], keypoints[i], sure(keypoints[i]), CAMERA, prior) for i in range(N)])
    torch.testing.assert_close(alone.joints, together.joints, atol=2e-4, rtol=0)
    assert alone.batch_shape == together.batch_shape == (N,)


def test_batch_axes_may_be_many_or_none_and_one_hand_may_serve_all():
    hand, _, start, _, keypoints = scene(noise=3.0)
    prior, one = PosePrior.isotropic(0.2), hand[0]
    flat = fit(one, start, keypoints, sure(keypoints), CAMERA, prior)
    grid = HandPose(
        R_cam_root=start.R_cam_root.unflatten(0, (3, 4)),
        R_parent_joint=start.R_parent_joint.unflatten(0, (3, 4)),
        t_cam_root=start.t_cam_root.unflatten(0, (3, 4)),
    )
    shaped = fit(one, grid, keypoints.unflatten(0, (3, 4)), sure(keypoints).unflatten(0, (3, 4)), CAMERA, prior)
    assert shaped.batch_shape == (3, 4)
    torch.testing.assert_close(shaped.joints.flatten(0, 1), flat.joints)


def test_float32_finds_the_float64_result():
    results = []
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(3)
        hand, _, start, _, keypoints = scene(50, dtype, noise=3.0)
        prior = PosePrior.isotropic(0.2).to(dtype)
        results.append(fit(hand, start, keypoints, sure(keypoints), CAMERA.to(dtype), prior, tolerance=1e-6))
    single, double = results
    torch.testing.assert_close(single.cost.double(), double.cost, rtol=1e-3, atol=0)
    assert (single.joints - double.joints).norm(dim=-1).median() < 1e-4
    assert (single.joints - double.joints).norm(dim=-1).mean() < 1e-3


def test_fitting_in_a_crop_equals_fitting_in_the_picture():
    hand, _, start, _, keypoints = scene(noise=3.0)
    crop = Crop.square(keypoints.mean(-2), torch.full((N,), 300.0), 150, torch.randn(N))
    prior = PosePrior.isotropic(0.2, 2.0)
    half = replace(prior, keypoint_sigma=1.0)
    picture = fit(hand, start, keypoints, sure(keypoints), CAMERA, prior, tolerance=1e-6)
    inside = fit(hand, start, crop.keypoints(keypoints), sure(keypoints), crop.camera(CAMERA), half, tolerance=1e-6)
    torch.testing.assert_close(inside.joints, picture.joints, atol=5e-4, rtol=0)
    torch.testing.assert_close(inside.reprojection_px, picture.reprojection_px / 2, atol=1e-2, rtol=0)


def test_a_keypoint_without_confidence_has_no_influence():
    hand, _, start, _, keypoints = scene(noise=3.0)
    confidence = torch.rand(N, 21) + 0.1
    confidence[:, [4, 8]] = 0
    wild = keypoints.clone()
    wild[:, 4], wild[:, 8] = torch.nan, 1e6
    prior = PosePrior.isotropic(0.2)
    expected = fit(hand, start, keypoints, confidence, CAMERA, prior)
    assert expected.joints.isfinite().all()
    torch.testing.assert_close(fit(hand, start, wild, confidence, CAMERA, prior).joints, expected.joints)


def test_a_confident_keypoint_is_met_more_closely():
    hand, _, start, _, keypoints = scene(noise=6.0)
    confidence = torch.full((N, 21), 0.05)
    confidence[:, 8] = 1
    result = fit(hand, start, keypoints, confidence, CAMERA, PosePrior.isotropic(0.1, 2.0))
    distance = (CAMERA.project(result.joints) - keypoints).norm(dim=-1).mean(0)
    assert distance[8] < 0.5 * distance.mean()


@pytest.mark.parametrize("t", [(0.0, 0.0, -0.5), (0.0, 0.0, 0.0), (float("nan"), 0.0, 0.5)])
def test_a_start_behind_the_camera_is_placed_before_it(t):
    hand, _, start, _, keypoints = scene()
    start = replace(start, t_cam_root=torch.tensor(t).expand(N, 3))
    result = fit(hand, start, keypoints, sure(keypoints), CAMERA, PosePrior.isotropic(0.2))
    assert (result.joints[..., 2] > 0).all()
    assert result.reprojection_px.max() < 3
    assert result.converged.float().mean() > 0.8


# --- bad input ---


def test_hands_without_enough_to_fit_are_returned_as_they_came():
    hand, _, start, _, keypoints = scene()
    confidence = sure(keypoints)
    confidence[0] = 0
    confidence[1, 1:] = 0
    R = start.R_cam_root.clone()
    R[2] = torch.nan
    start = replace(start, R_cam_root=R)
    result = fit(hand, start, keypoints, confidence, CAMERA, PosePrior.isotropic(0.2))
    assert result.converged[:3].tolist() == [False] * 3
    for i in range(3):
        for name in ("R_cam_root", "R_parent_joint", "t_cam_root"):
            given, got = getattr(start, name)[i], getattr(result.pose, name)[i]
            torch.testing.assert_close(got, given, rtol=0, atol=0, equal_nan=True)
    assert result.converged[3:].all()
    assert result.joints[3:].isfinite().all()


def test_nonsense_is_refused_in_a_sentence():
    hand, _, start, _, keypoints = scene()
    prior, confidence = PosePrior.isotropic(0.2), sure(keypoints)
    with pytest.raises(ValueError, match=r"expected keypoints of shape \(12, 21, 2\) like the pose, got \(11, 21, 2\)"):
        fit(hand, start, keypoints[1:], confidence[1:], CAMERA, prior)
    with pytest.raises(ValueError, match="expected confidences of 0 or more"):
        fit(hand, start, keypoints, -confidence, CAMERA, prior)
    with pytest.raises(ValueError, match="expected confidences of 0 or more"):
        fit(hand, start, keypoints, confidence * torch.nan, CAMERA, prior)
    with pytest.raises(ValueError, match="expected finite keypoints wherever confidence is positive"):
        fit(hand, start, keypoints * torch.nan, confidence, CAMERA, prior)
    with pytest.raises(ValueError, match="the batch axes of the hand, \\(11,\\), do not broadcast"):
        fit(hand[1:], start, keypoints, confidence, CAMERA, prior)
    with pytest.raises(ValueError, match="keypoint_depth needs a prior with depth_sigma"):
        fit(hand, start, keypoints, confidence, CAMERA, prior, keypoint_depth=confidence)
    deep = replace(prior, depth_sigma=torch.full((21,), 0.01))
    with pytest.raises(ValueError, match="expected finite keypoint_depth"):
        fit(hand, start, keypoints, confidence, CAMERA, deep, keypoint_depth=confidence * torch.nan)
