"""Synthetic pictures: the same everywhere, and their labels belong to what they show."""

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ownhand.data.sample import CLIP, RIG
from ownhand.geometry.align import relative_to
from ownhand.hand.builtin import open_hand
from ownhand.hand.skeleton import ROTATING_21, TIPS_21
from ownhand.structs import stack
from ownhand.synth.generator import Generator
from ownhand.synth.posing import bent_hands
from ownhand.synth.shots import SEEN, shot
from ownhand.synth.world import GROUPS, World

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


def test_joints_project_on_the_keypoints_but_for_fisheye_pictures(samples):
    straight = [shot(WORLD, i, SIZE).device.lens is None for i in range(len(samples))]
    off = (samples.camera.project(samples.joints) - samples.keypoints).norm(dim=-1).amax(-1)
    assert sum(straight) > 0.9 * len(samples)
    assert off[torch.tensor(straight)].max() < 1e-3
    assert off.max() < SIZE / 10


def test_labels_can_be_had_without_pictures_and_do_not_depend_on_their_size(samples):
    for i in (5, 44, 71):
        small, large = shot(WORLD, i, SIZE), shot(WORLD, i, 4 * SIZE)
        assert torch.equal(small.joints, samples.joints[i])
        assert torch.equal(small.joints, large.joints)
        torch.testing.assert_close(4 * small.keypoints, large.keypoints)
        assert small.decisions == large.decisions == samples.taken.decisions[i]
        assert (small.visible == large.visible).all()


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


def test_frames_of_a_clip_follow_each_other_smoothly():
    world = World(seed=SEED, singles=0, clip=30)
    frames = [shot(world, k, SIZE) for k in range(30)]
    joints = torch.stack([frame.joints for frame in frames])
    assert joints.diff(dim=0).norm(dim=-1).max() < 0.1  # 3 m/s
    assert joints.diff(n=2, dim=0).norm(dim=-1).max() < 0.04
    assert joints.diff(dim=0).norm(dim=-1).amax() > 0.001
    assert {(frame.kind, frame.instant - k) for k, frame in enumerate(frames)} == {(CLIP, 0)}


def test_the_cameras_of_a_rig_see_one_instant():
    world = World(seed=SEED, singles=1, rig=4)
    views = stack([Generator(world, SIZE)[k] for k in range(1, 5)])
    assert (views.taken.kind == RIG).all()
    R, t = views.taken.R_cam_world, views.taken.t_cam_world
    in_world = (views.joints - t[:, None]) @ R
    torch.testing.assert_close(in_world, in_world[:1].expand_as(in_world), atol=1e-5, rtol=0)
    torch.testing.assert_close(R[0], torch.eye(3))
    directions = -(R.mT @ t[..., None])[1:, :, 0] - in_world[0].mean(0)
    assert directions.norm(dim=-1).min() > 0.3
    torch.testing.assert_close(views.camera.project(views.joints), views.keypoints, atol=1e-3, rtol=1e-5)


def test_things_are_held_as_often_as_asked(samples):
    assert 0.15 < (samples.taken.thing >= 0).float().mean() < 0.45
    for share in (0.0, 1.0):
        world = World(seed=SEED, singles=24, holding=share)
        assert sum(bent_hands(world, 0)[k].held is not None for k in range(24)) == pytest.approx(24 * share, abs=1)


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_can_be_made_plain(group):
    rich = next(
        i for i in range(96) if shot(WORLD, i, SIZE).things and (shot(WORLD, i, SIZE).thing < 0 or group != "poses")
    )
    plain = Generator(World(seed=SEED, singles=8, without=(group,)), SIZE)[rich]
    assert plain.visible.sum() >= SEEN
    assert plain.image.std() > 0.02
    assert not torch.equal(plain.image, Generator(WORLD, SIZE)[rich].image)


def test_own_pictures_are_seen_behind_half_of_the_hands(tmp_path):
    Image.new("RGB", (300, 200), (255, 0, 0)).save(tmp_path / "red.png")
    world = World(seed=SEED, singles=8, without=("light",))
    pictures = torch.stack([Generator(world, 32, behind=str(tmp_path))[i].image for i in range(16)])
    red = (pictures[:, 0] > 2.5 * pictures[:, 1:].amax(1)).flatten(1).float().mean(-1) > 0.3
    assert 2 <= red.sum() <= 14
    with pytest.raises(ValueError, match="is none"):
        Generator(world, behind=str(tmp_path / "nowhere"))


def test_a_person_keeps_shape_and_people_differ(samples):
    shape = samples.shape.unflatten(0, (12, 8))
    assert torch.equal(shape, shape[:, :1].expand_as(shape))
    assert torch.equal(samples.subject, torch.arange(96) // 8)
    assert torch.pdist(shape[:, 0]).min() > 0.5
    other = torch.from_numpy(World(seed=SEED + 1).person(0).shape)
    assert (shape[:, 0] - other).norm(dim=-1).min() > 0.5


def test_spread_changes_proportions_and_leaves_size_and_most_of_the_picture():
    plain, wide = (shot(replace(WORLD, spread=spread), 3, SIZE) for spread in (1.0, 1.5))
    np.testing.assert_allclose(wide.person.shape[1:], 1.5 * plain.person.shape[1:], rtol=1e-6)
    assert wide.person.shape[0] == plain.person.shape[0]
    assert wide.person.look.tone == plain.person.look.tone
    assert not torch.equal(wide.joints, plain.joints)


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
