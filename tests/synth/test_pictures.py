"""Synthetic pictures: the same everywhere, and their labels belong to what they show."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch

from ownhand.geometry.align import relative_to
from ownhand.hand.builtin import open_hand
from ownhand.hand.skeleton import ROTATING_21, TIPS_21
from ownhand.structs import stack
from ownhand.synth.generator import Generator
from ownhand.synth.world import SEEN, World

SEED, SIZE = 7, 64
WORLD = World(seed=SEED, singles=8)


@pytest.fixture(scope="module")
def samples():
    generator = Generator(WORLD, SIZE)
    return stack([generator[i] for i in range(96)])


def _picture(index: int) -> np.ndarray:
    torch.set_num_threads(1)
    return Generator(WORLD, SIZE)[index].image.numpy()


def test_a_picture_depends_on_seed_and_index_alone(samples):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.map(_picture, [70, 3, 37])
    for index, image in zip((70, 3, 37), elsewhere, strict=True):
        np.testing.assert_array_equal(image, samples.image[index].numpy())
    assert not torch.equal(Generator(World(seed=SEED + 1, singles=8), SIZE)[3].image, samples.image[3])


def test_pictures_are_not_blank_and_not_alike(samples):
    assert (samples.image.flatten(1).std(-1) > 0.02).all()
    small = torch.nn.functional.avg_pool2d(samples.image, 8).flatten(1)
    distance = torch.cdist(small, small) + torch.eye(len(small)) * 10
    assert distance.min() > 0.1


def test_joints_project_on_the_keypoints(samples):
    torch.testing.assert_close(samples.camera.project(samples.joints), samples.keypoints, atol=1e-3, rtol=1e-5)


def test_pose_and_shape_give_the_joints_back(samples):
    posed = open_hand().shaped(samples.shape).posed(samples.pose)
    assert (posed.joints - samples.joints).norm(dim=-1).max() < 2e-5


def test_the_hand_fills_the_crop_as_asked(samples):
    box = samples.keypoints.amax(1) - samples.keypoints.amin(1)
    scale = SIZE / box.amax(-1)
    assert scale.min() > 1.55
    assert scale.max() < 2.65
    assert ((samples.keypoints > 0) & (samples.keypoints < SIZE)).float().mean() > 0.99


def _seen(samples, joint):
    """Label [n] and depth [n] m at a joint's pixel, and whether the joint is visible."""
    column, row = samples.keypoints[:, joint].long().clamp(0, SIZE - 1).unbind(-1)
    which = torch.arange(len(samples))
    return (
        samples.labels[which, row, column].long(),
        samples.depth[which, row, column] / 1000,
        samples.visible[:, joint],
    )


def test_part_labels_at_fingertips_that_are_seen_name_the_finger(samples):
    right = []
    for finger, tip in enumerate(TIPS_21):
        label, depth, visible = _seen(samples, tip)
        seen = visible & ((depth - samples.joints[:, tip, 2]).abs() < 0.004)
        right.append((label[seen] - 2) % 16 == 3 + 3 * finger)
    right = torch.cat(right)
    assert len(right) > 100
    assert right.float().mean() > 0.95


def test_labels_depth_and_picture_agree(samples):
    on_hand = samples.labels >= 2
    assert torch.equal(on_hand, samples.depth > 0)
    assert on_hand.flatten(1).float().mean(-1).min() > 0.005
    z = samples.joints[..., 2] * 1000
    low, high = z.amin(-1) - 40, z.amax(-1) + 40
    depth = samples.depth.flatten(1)
    inside = (depth == 0) | ((depth > low[:, None]) & (depth < high[:, None]))
    assert inside.float().mean() > 0.999


def test_joints_inside_the_hand_lie_behind_its_surface(samples):
    behind = []
    for joint in ROTATING_21[1:]:
        _, depth, visible = _seen(samples, joint)
        behind.append((depth > samples.joints[:, joint, 2] + 0.002)[visible & (depth > 0)])
    assert torch.cat(behind).float().mean() < 0.03


def test_some_joints_are_hidden_by_things(samples):
    assert samples.visible.sum(-1).min() >= SEEN
    share = samples.visible.float().mean()
    assert 0.85 < share < 0.995


def test_views_cover_the_sphere(samples):
    """Palm, back and both sides are all seen, and no forearm points at the camera."""
    R, t = samples.pose.R_cam_root, samples.pose.t_cam_root
    seen_from = (R.mT @ -t[..., None])[..., 0]
    direction = seen_from / seen_from.norm(dim=-1, keepdim=True)
    for axis in (1, 2):
        for sign in (-1, 1):
            assert (sign * direction[:, axis] > 0.6).float().mean() > 0.05
    up = R[:, :2, 0]
    assert (up[:, 1] < 0).float().mean() > 0.3
    assert (up[:, 1] > 0).float().mean() > 0.1


def test_a_person_keeps_shape_and_people_differ(samples):
    shape = samples.shape.unflatten(0, (12, 8))
    assert torch.equal(shape, shape[:, :1].expand_as(shape))
    assert torch.equal(samples.subject, torch.arange(96) // 8)
    assert torch.pdist(shape[:, 0]).min() > 0.5
    other = World(seed=SEED + 1).person(0)[0]
    assert (shape[:, 0] - other).norm(dim=-1).min() > 0.5


def test_spread_changes_proportions_and_leaves_size_and_the_rest_of_the_picture():
    plain, wide = (Generator(replace(WORLD, spread=spread), SIZE)[3] for spread in (1.0, 1.5))
    torch.testing.assert_close(wide.shape[1:], 1.5 * plain.shape[1:])
    assert wide.shape[0] == plain.shape[0]
    assert 0 < (wide.keypoints - plain.keypoints).abs().max() < SIZE / 8


def test_wrist_relative_joints_have_human_size(samples):
    reach = relative_to(samples.joints, samples.joints[:, 0]).norm(dim=-1).amax(-1)
    assert reach.min() > 0.06
    assert reach.max() < 0.26


@pytest.mark.parametrize("bad", [{"seed": -1}, {"singles": 0}, {"spread": 3.0}, {"without": ("hands",)}])
def test_impossible_worlds_are_refused(bad):
    with pytest.raises(ValueError, match="expected"):
        World(**{"seed": 0, **bad})


def test_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="size of at least 16"):
        Generator(WORLD, size=8)
