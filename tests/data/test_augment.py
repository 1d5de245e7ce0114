"""Augmentation: whatever happens to the picture happens to its labels."""

from dataclasses import replace

import pytest
import torch
from data_helpers import make_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_hand

from ownhand.data.augment import DRAWS, Augmentation, augment, draw
from ownhand.hand.skeleton import upright_angle
from ownhand.structs import stack

STRONG = Augmentation(
    size=96, angle_deg=180.0, upright=0.5, tilt_deg=30.0, scale=(0.6, 1.5), shift=0.2, brightness=32 / 255,
    contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue_deg=18.0, balance=0.1, grey=0.1, blur=0.3, jpeg=0.3,
    noise=0.05, patches=0.5,
)  # fmt: skip


def batch(*indices: int, size: tuple[int, int] = (64, 64)):
    return stack([make_sample(i, size) for i in indices])


@given(seed=st.integers(0, 10**6), size=st.sampled_from([(64, 64), (48, 64), (64, 40), (250, 250)]))
@settings(max_examples=40, deadline=None)
def test_projected_joints_are_the_keypoints_and_the_pose_makes_the_joints(seed, size):
    sample = batch(0, 1, size=size)
    changed = augment(sample, STRONG, draw(seed, [0, 0], [0, 1]))
    assert (changed.camera.project(changed.joints) - changed.keypoints).abs().max() < 0.05
    joints = toy_hand().shaped(changed.shape).posed(changed.pose).joints
    torch.testing.assert_close(joints, changed.joints, atol=1e-5, rtol=0)
    assert changed.camera.K[:, [1, 2, 2], [0, 0, 1]].abs().max() == 0
    assert (changed.camera.K[:, 0, 0] > 0).all()
    assert changed.image.shape == (2, 3, 96, 96)
    assert 0 <= changed.image.min() <= changed.image.max() <= 1


def test_pixels_that_are_not_square_still_project_right():
    sample = batch(0)
    K = sample.camera.K * torch.tensor([1.0, 1.3, 1.0])[:, None]
    camera = replace(sample.camera, K=K)
    sample = replace(sample, camera=camera, keypoints=camera.project(sample.joints))
    changed = augment(sample, STRONG, draw(1, [0], [0]))
    assert (changed.camera.project(changed.joints) - changed.keypoints).abs().max() < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_what_is_seen_and_its_labels_move_with_the_keypoints(seed):
    """A bright, labelled spot at a keypoint is found at the keypoint afterwards."""
    sample = batch(0)
    spot = sample.keypoints.new_tensor([[30.0, 38.0]]).expand(1, 21, 2)
    ys, xs = torch.meshgrid(*(torch.arange(64) + 0.5,) * 2, indexing="ij")
    inside = (xs - 30).square() + (ys - 38).square() < 16
    sample = replace(
        sample,
        keypoints=spot,
        image=inside.float().expand(1, 3, 64, 64),
        labels=inside[None].byte() * 5,
        depth=inside[None].float() * 400,
    )
    config = Augmentation(size=80, angle_deg=180.0, scale=(0.8, 1.25), shift=0.1)
    changed = augment(sample, config, draw(seed, [0], [0]))
    ys, xs = torch.meshgrid(*(torch.arange(80) + 0.5,) * 2, indexing="ij")
    for seen in (changed.image[0, 0], changed.labels[0] == 5, changed.depth[0] == 400):
        found = torch.stack([(xs * seen).sum(), (ys * seen).sum()]) / seen.sum()
        assert (found - changed.keypoints[0, 0]).abs().max() < 0.35
    assert set(changed.labels.unique().tolist()) == {0, 5}


def test_a_picture_changes_by_seed_epoch_and_number_and_not_by_its_batch():
    sample = batch(0, 1, 2)
    numbers = [10, 11, 12]
    together = augment(sample, STRONG, draw(3, [5] * 3, numbers))
    for i, number in enumerate(numbers):
        alone = augment(sample[[i]], STRONG, draw(3, [5], [number]))
        torch.testing.assert_close(alone.image[0], together.image[i], atol=1e-5, rtol=0)
        assert torch.equal(alone.labels[0], together.labels[i])
        assert torch.equal(alone.visible[0], together.visible[i])
    draws = [draw(*key) for key in ((3, [5], [10]), (4, [5], [10]), (3, [6], [10]), (3, [5], [11]))]
    assert all(not torch.equal(a, b) for i, a in enumerate(draws) for b in draws[:i])
    assert torch.equal(draws[0], draw(3, [5], [10]))


def test_upright_pictures_show_the_palm_pointing_up_within_the_tilt():
    sample = batch(*range(8))
    for tilt, box in ((0.0, None), (20.0, (1.2, 1.6))):
        view = Augmentation(size=96, box=box, upright=1.0, tilt_deg=tilt)
        left = upright_angle(augment(sample, view, draw(0, [0] * 8, list(range(8)))).keypoints).rad2deg()
        off = (left + 180) % 360 - 180
        assert off.abs().max() < tilt + 0.1
        assert off.std() > tilt / 4
    some = Augmentation(size=96, upright=0.5)
    unchanged = (augment(sample, some, draw(0, [0] * 8, list(range(8)))).keypoints * 64 / 96 - sample.keypoints).abs()
    assert 0 < (unchanged.amax((-2, -1)) < 1e-3).sum() < 8


def test_the_middle_of_what_training_shows_is_one_view():
    middle = replace(STRONG, box=(1.0, 4.0), upright=0.9).middle
    assert (middle.size, middle.box, middle.upright) == (96, (2.0, 2.0), 1)
    sample = batch(0, 1)
    first, second = (augment(sample, middle, draw(seed, [0, 0], [0, 1])) for seed in (0, 1))
    assert torch.equal(first.image, second.image)
    spans = first.keypoints.amax(1) - first.keypoints.amin(1)
    torch.testing.assert_close(spans.amax(-1), torch.full((2,), 48.0), atol=1e-2, rtol=0)


def test_the_default_changes_nothing():
    sample = batch(0, 1)
    changed = augment(sample, Augmentation(), draw(0, [0, 0], [0, 1]))
    torch.testing.assert_close(changed.image, sample.image, atol=1e-5, rtol=0)
    for name in ("labels", "depth", "keypoints", "joints"):
        torch.testing.assert_close(getattr(changed, name), getattr(sample, name))


def test_a_hidden_joint_is_not_visible_and_its_label_and_depth_are_gone():
    sample = replace(batch(0), labels=torch.full((1, 64, 64), 7, dtype=torch.uint8), depth=torch.ones(1, 64, 64))
    middle = replace(sample, keypoints=torch.full((1, 21, 2), 32.0), visible=torch.ones(1, 21, dtype=torch.bool))
    draws = torch.full((1, DRAWS), 0.5, dtype=torch.float64)
    hidden = augment(middle, Augmentation(patches=1.0), draws)
    assert not hidden.visible.any()
    assert hidden.labels[0, 32, 32] == 0
    assert hidden.depth[0, 32, 32] == 0
    assert hidden.labels[0, 0, 0] == 7


def test_joints_outside_the_picture_are_not_visible():
    sample = replace(batch(0), visible=torch.ones(1, 21, dtype=torch.bool))
    outside = ((sample.keypoints < 0) | (sample.keypoints >= 64)).any(-1)
    moved = replace(sample, keypoints=sample.keypoints + 40)
    assert augment(moved, Augmentation(), draw(0, [0], [0])).visible[~outside].any() or outside.all()
    changed = augment(sample, STRONG, draw(0, [0], [0]))
    beyond = ((changed.keypoints < 0) | (changed.keypoints >= 96)).any(-1)
    assert not changed.visible[beyond].any()


def test_grey_pictures_have_no_colour_and_keep_their_brightness():
    sample = batch(0, 1)
    grey = augment(sample, Augmentation(grey=1.0), draw(0, [0, 0], [0, 1])).image
    luma = (sample.image * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    torch.testing.assert_close(grey, luma[:, None].expand_as(grey), atol=1e-5, rtol=0)
