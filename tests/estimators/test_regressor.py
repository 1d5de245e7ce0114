"""The paper's network, and the frame that it predicts in."""

from dataclasses import replace

import pytest
import roma
import torch
from estimator_examples import CONFIGS, HAND, SIZE, make, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.estimators.build import build
from ownhand.estimators.regressor import PoseHead
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop


def rotation(*batch: int) -> torch.Tensor:
    return roma.random_rotmat(batch)


def test_pose_starts_at_the_rest_hand_seen_straight_ahead():
    estimator, sample = build(CONFIGS["baseline"], HAND).eval(), samples()
    found = estimator(sample.image, sample.camera)
    torch.testing.assert_close(found.pose.R_parent_joint, torch.eye(3).expand(4, 15, 3, 3))
    torch.testing.assert_close(found.pose.R_cam_root, sample.camera.crop_frame())
    assert found.shape.abs().max() == 0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.floats(0, 5))
def test_rotations_are_rotations_whatever_the_weights(seed, scale):
    torch.manual_seed(seed)
    head = PoseHead(6, (8,), 3)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(scale * torch.randn_like(parameter))
        R = head(torch.randn(5, 6))
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(5, 16), atol=1e-4, rtol=0)


def test_steps_multiply_their_rotations():
    head, turns = PoseHead(6, (8,), 3), rotation(3, 16)
    with torch.no_grad():
        for step, turn in zip(head.steps, turns, strict=True):
            step[-1].bias.copy_((turn - torch.eye(3))[..., :2].flatten())
    torch.testing.assert_close(head(torch.randn(2, 6))[0], turns[2] @ turns[1] @ turns[0], atol=1e-5, rtol=0)


def test_each_step_sees_the_pose_so_far():
    head, feature = PoseHead(6, (8,), 2), torch.randn(1, 6)
    with torch.no_grad():
        for step in head.steps:
            step[-1].weight.copy_(torch.randn_like(step[-1].weight))
        before = head(feature)
        head.steps[0][-1].bias += 1
        second_alone = head(feature) @ head_after_first(head, feature).mT
        head.steps[0][-1].bias -= 1
        assert not torch.allclose(before @ head_after_first(head, feature).mT, second_alone, atol=1e-3)


def head_after_first(head: PoseHead, feature: torch.Tensor) -> torch.Tensor:
    short = PoseHead(6, (8,), 1)
    short.steps[0] = head.steps[0]
    return short(feature)


def test_identity_puts_the_shape_into_the_hand_only():
    estimator, sample = make("identity").eval(), samples()
    one, two = (estimator(sample.image, sample.camera, shape) for shape in (sample.shape, sample.shape + 1))
    torch.testing.assert_close(one.pose.R_parent_joint, two.pose.R_parent_joint, atol=0, rtol=0)
    torch.testing.assert_close(one.pose.R_cam_root, two.pose.R_cam_root, atol=0, rtol=0)
    assert (one.joints - two.joints).norm(dim=-1).max() > 1e-3


def test_conditioned_shows_the_shape_to_the_pose_head():
    estimator, sample = make("conditioned").eval(), samples()
    one, two = (estimator(sample.image, sample.camera, shape) for shape in (sample.shape, sample.shape + 1))
    assert (one.pose.R_parent_joint - two.pose.R_parent_joint).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["identity", "conditioned"])
def test_a_missing_shape_is_refused(name):
    sample = samples()
    with pytest.raises(ValueError, match=f"the {name} regressor needs the person's shape, got None"):
        make(name)(sample.image, sample.camera)


def test_baseline_looks_at_no_shape():
    estimator, sample = make("baseline").eval(), samples()
    without, with_shape = estimator(sample.image, sample.camera), estimator(sample.image, sample.camera, sample.shape)
    torch.testing.assert_close(without.joints, with_shape.joints, atol=0, rtol=0)
    torch.testing.assert_close(without.shape, with_shape.shape, atol=0, rtol=0)


def test_one_camera_serves_a_whole_batch():
    estimator, sample = make("baseline").eval(), samples()
    alone = Camera(K=sample.camera.K[0], size=SIZE)
    torch.testing.assert_close(estimator(sample.image, alone).joints, estimator(sample.image, sample.camera).joints)


def test_turning_the_camera_turns_the_prediction_and_nothing_else():
    """The same picture, taken by a camera whose axes are turned about its centre."""
    estimator, sample, turn = make("baseline").eval(), samples(), rotation(4)
    turned = replace(sample.camera, K=sample.camera.K @ turn.mT)
    before, after = estimator(sample.image, sample.camera), estimator(sample.image, turned)
    torch.testing.assert_close(after.pose.R_cam_root, turn @ before.pose.R_cam_root, atol=1e-5, rtol=0)
    torch.testing.assert_close(after.joints, before.joints @ turn.mT, atol=1e-6, rtol=0)
    torch.testing.assert_close(after.pose.R_parent_joint, before.pose.R_parent_joint, atol=0, rtol=0)


def test_a_hand_on_the_central_ray_lands_on_the_same_pixels_however_the_crop_was_cut():
    """Crops moved, turned and scaled, that happen to show the same picture: the prediction looks the same in all."""
    estimator, sample = make("baseline").eval(), samples()
    crop = Crop.square(
        centre=torch.tensor([[32.0, 32.0], [300.0, 40.0], [-200.0, 90.0], [32.0, 400.0]]),
        side=torch.full((4,), 64.0),
        size=64,
        angle=torch.tensor([0.0, 0.7, -2.0, 3.0]),
    )
    same = sample.image[:1].expand(4, -1, -1, -1)
    camera = crop.camera(Camera(K=torch.tensor([[2000.0, 0, 32], [0, 2000, 32], [0, 0, 1]]), size=SIZE))
    joints = estimator(same, camera).joints
    ray = camera.crop_frame()[..., :, 2]
    scale = 64 / (camera.project((10 * ray)[:, None] + 0.1 * camera.crop_frame()[..., :2].mT) - 32).norm(dim=-1)
    pixels = (camera.project(joints + 10 * ray[:, None]) - 32) * scale.mean(-1)[:, None, None]
    torch.testing.assert_close(pixels, pixels[:1].expand_as(pixels), atol=0.02 * 64, rtol=0)
    assert pixels[0].abs().max() > 20


def test_the_papers_form_does_not_look_at_the_camera():
    config = replace(CONFIGS["baseline"], ray_aligned=False)
    estimator, sample = build(config, HAND).eval(), samples()
    turned = replace(sample.camera, K=sample.camera.K @ rotation(4))
    torch.testing.assert_close(
        estimator(sample.image, turned).joints, estimator(sample.image, sample.camera).joints, atol=0, rtol=0
    )


def test_crop_frame_is_the_cameras_own_for_a_centred_picture():
    torch.testing.assert_close(Camera.from_fov(60.0, (48, 64)).crop_frame(), torch.eye(3))


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-500, 500), y=st.floats(-500, 500), angle=st.floats(-3.1, 3.1), side=st.floats(10, 500))
def test_crop_frame_looks_at_the_crops_centre_with_its_right_to_the_right(x, y, angle, side):
    crop = Crop.square(torch.tensor([x, y]), torch.tensor(side), 64, torch.tensor(angle))
    camera = crop.camera(Camera.from_fov(60.0, (480, 640)))
    R = camera.crop_frame()
    torch.testing.assert_close(R @ R.mT, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.linalg.det(R) > 0
    points = torch.stack([R[:, 2], R[:, 2] + 1e-2 * R[:, 0]])
    centre, right = camera.project(points)
    torch.testing.assert_close(centre, torch.tensor([32.0, 32.0]), atol=5e-2, rtol=0)
    direction = torch.nn.functional.normalize(right - centre, dim=0)
    assert direction[0] > 0.99


def test_hand_moves_with_the_network_but_is_no_part_of_its_weights():
    estimator = make("baseline").double()
    sample = samples().to(torch.float64)
    assert estimator(sample.image, sample.camera).verts.dtype == torch.float64
    assert not [key for key in estimator.state_dict() if key.startswith("hand")]
