"""Video: hands keep their numbers, shake less, and a run that was stopped goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from ownhand.data.cameras import KnownCamera
from ownhand.geometry.lens import Lens
from ownhand.hand.model import HandPose, at_rest
from ownhand.locate import HandBox, Locator
from ownhand.pipeline import load
from ownhand.smooth import PoseFilter, Smoothness
from ownhand.structs import stack
from ownhand.track import LOOK_EVERY, PATIENCE, Tracker


def poses(frames: int, *, speed: float = 0.0, noise: float = 0.0, seed: int = 0) -> HandPose:
    """A hand that turns and moves at a constant speed [rad/s, m/s], 30 frames per second, and shakes."""
    g = torch.Generator().manual_seed(seed)
    time = torch.arange(frames) / 30
    turn = torch.zeros(frames, 16, 3)
    turn[..., 0] = speed * time[:, None]
    R = roma.rotvec_to_rotmat(turn) @ roma.rotvec_to_rotmat(noise * torch.randn(frames, 16, 3, generator=g))
    t = torch.tensor([0.0, 0.0, 0.5]) + noise * 0.1 * torch.randn(frames, 3, generator=g)
    t[:, 0] += speed * 0.1 * time
    return HandPose(R_cam_root=R[:, 0], R_parent_joint=R[:, 1:], t_cam_root=t)


def smoothed(pose: HandPose, how: Smoothness | None = None) -> HandPose:
    keep = PoseFilter(how)
    return stack([keep(pose[i], i / 30) for i in range(len(pose))])


def angle(a: HandPose, b: HandPose) -> torch.Tensor:
    return roma.rotmat_geodesic_distance(a.R_parent_joint, b.R_parent_joint)


def test_what_stands_still_stays_and_what_is_smoothed_is_a_rotation():
    pose = at_rest(10)
    torch.testing.assert_close(smoothed(pose).R_parent_joint, pose.R_parent_joint)
    R = smoothed(poses(20, noise=0.3)).R_cam_root
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)


def test_a_still_hand_shakes_less_than_half_as_much():
    shaking, still = poses(90, noise=0.05), poses(90)
    before, after = angle(shaking, still)[10:], angle(smoothed(shaking), still)[10:]
    assert after.mean() < 0.5 * before.mean()
    before, after = ((p.t_cam_root - still.t_cam_root)[10:].norm(dim=-1) for p in (shaking, smoothed(shaking)))
    assert after.mean() < 0.5 * before.mean()


def test_a_fast_hand_lags_less_per_speed_than_a_slow_one():
    lag = {}
    for speed in (0.2, 6.0):
        moving = poses(60, speed=speed)
        lag[speed] = float(angle(smoothed(moving), moving)[-1].mean()) / speed
    assert lag[6.0] < 0.6 * lag[0.2]


def test_smoothing_turns_with_the_world():
    pose, R = poses(20, speed=2.0, noise=0.1), roma.random_rotmat(1)[0]
    turned = replace(pose, R_cam_root=R @ pose.R_cam_root, t_cam_root=pose.t_cam_root @ R.mT)
    torch.testing.assert_close(smoothed(turned).R_cam_root, R @ smoothed(pose).R_cam_root, atol=1e-4, rtol=0)
    torch.testing.assert_close(smoothed(turned).t_cam_root, smoothed(pose).t_cam_root @ R.mT, atol=1e-5, rtol=0)


def test_time_must_go_on():
    keep = PoseFilter()
    keep(at_rest(1)[0], 1.0)
    with pytest.raises(ValueError, match="expected a time after 1 s, got 1 s"):
        keep(at_rest(1)[0], 1.0)


class Script(Locator):
    """Finds, at its n-th look, the n-th list of boxes; the last one for ever."""

    def __init__(self, *looks: list[HandBox]):
        self.looks, self.count = looks, 0

    def __call__(self, image):
        found = self.looks[min(self.count, len(self.looks) - 1)]
        self.count += 1
        return found


RIGHT = HandBox(centre=(16.0, 32.0), side=30.0, is_right=True, score=0.9)
LEFT = HandBox(centre=(48.0, 32.0), side=30.0, is_right=False, score=0.8)


@pytest.fixture(scope="module")
def pipeline(tiny_weights):
    found = load(tiny_weights)
    found.settings = replace(found.settings, min_keypoint_confidence=0.0)
    return found


class Steady:
    """The pipeline, but that keypoints in a crop always fill its middle, as those of a network that knows hands do."""

    def __new__(cls, pipeline, locator, confidence=1.0):
        g = torch.Generator().manual_seed(0)
        points = (0.2 + 0.6 * torch.rand(21, 2, generator=g)) * pipeline.settings.size
        changed = pipeline.changed(locator=locator)
        look = changed.look

        def steady(image, camera):
            seen = look(image, camera)
            n = len(seen.keypoints)
            sure = torch.full((n, 21), confidence() if callable(confidence) else confidence)
            return replace(seen, keypoints=points.expand(n, 21, 2), keypoint_confidence=sure)

        def keypoints(views, crops):
            return torch.stack([c.inverse(v.camera.size).keypoints(points) for v, c in zip(views, crops, strict=True)])

        changed.look, changed._keypoints = steady, keypoints
        changed.settings = replace(changed.settings, min_keypoint_confidence=0.5, upright=False)
        return changed


def frames(n: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return [torch.rand(3, 64, 64, generator=g) for _ in range(n)]


def test_every_hand_keeps_its_number_and_its_side(pipeline):
    tracker = Tracker(Steady(pipeline, Script([RIGHT], [RIGHT, LEFT])))
    seen = [tracker.update(image, k / 30) for k, image in enumerate(frames(LOOK_EVERY + 2))]
    assert [[hand.number for hand in found] for found in seen] == [[1]] * LOOK_EVERY + [[1, 2]] * 2
    assert [hand.hand.is_right for hand in seen[-1]] == [True, False]
    for found in seen[-1]:
        middle = found.hand.keypoints.mean(0)
        assert (middle[0] < 32) == found.hand.is_right


def test_a_lens_is_undone_in_every_frame(pipeline):
    lens = Lens(model="opencv", coefficients=torch.tensor([-0.25, 0.05, 0.0, 0.0], dtype=torch.float64))
    camera = KnownCamera(K=torch.tensor([[60.0, 0, 32], [0, 60, 32], [0, 0, 1]]), lens=lens)
    tracker = Tracker(Steady(pipeline, Script([RIGHT], [RIGHT, LEFT])), camera=camera)
    seen = [tracker.update(image, k / 30) for k, image in enumerate(frames(LOOK_EVERY + 1))]
    for found in seen[-1]:
        undistortion = found.hand.undistortion
        assert undistortion is seen[0][0].hand.undistortion  # worked out once
        assert undistortion.camera.size == (64, 64)
        assert found.hand.camera.size == undistortion.pinhole.size > (64, 64)
        assert found.hand.keypoints.isfinite().all()
        assert found.hand.position_covariance is not None


def test_a_hand_that_is_gone_is_given_up_and_a_new_one_gets_a_new_number(pipeline):
    there = {"confidence": 1.0}
    locator = Script([RIGHT])
    tracker = Tracker(Steady(pipeline, locator, lambda: there["confidence"]))
    assert [h.number for h in tracker.update(frames(1)[0], 0.0)] == [1]
    there["confidence"] = 0.0
    for k in range(PATIENCE + 1):
        assert tracker.update(frames(1)[0], 1 + k) == []
    there["confidence"] = 1.0
    assert [h.number for h in tracker.update(frames(1)[0], 100.0)] == [2]


def test_two_tracks_of_one_hand_become_one(pipeline):
    tracker = Tracker(Steady(pipeline, Script([RIGHT, replace(RIGHT, centre=(17.0, 33.0))])))
    assert [h.number for h in tracker.update(frames(1)[0], 0.0)] == [1]
    assert len(tracker.update(frames(1)[0], 1.0)) == 1


def test_a_tracker_goes_on_from_its_state_as_if_nothing_had_been(pipeline):
    images = frames(8)

    def made():
        return Tracker(Steady(pipeline, Script([RIGHT, LEFT])))

    whole = made()
    expected = [whole.update(image, k / 30) for k, image in enumerate(images)][-1]
    first, second = made(), made()
    for k, image in enumerate(images[:5]):
        first.update(image, k / 30)
    second.state = json.loads(json.dumps(first.state))
    found = [second.update(image, (5 + k) / 30) for k, image in enumerate(images[5:])][-1]
    assert [h.number for h in found] == [h.number for h in expected] == [1, 2]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.hand.hand.verts, b.hand.hand.verts)
    with pytest.raises(ValueError, match="expected a frame after"):
        second.update(images[0], 0.0)


av = pytest.importorskip("av")


def test_a_video_is_read_with_its_own_times(tmp_path):
    from ownhand.data.video import VideoWriter, frame_count, read_frames

    times = [0.0, 0.1, 0.15, 0.4]
    images = [torch.full((3, 64, 48), level) for level in (0.1, 0.4, 0.6, 0.9)]
    with VideoWriter(tmp_path / "a.mp4") as video:
        for image, time in zip(images, times, strict=True):
            video.add(image, time)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert frame_count(tmp_path / "a.mp4") == 4
    for (time, image), expected, level in zip(read_frames(tmp_path / "a.mp4"), times, images, strict=True):
        assert time == pytest.approx(expected, abs=1e-3)
        assert (image - level).abs().max() < 0.05


def test_what_is_no_video_is_refused_and_nothing_is_left_of_one_that_failed(tmp_path):
    from ownhand.data.photos import PhotoError
    from ownhand.data.video import VideoWriter, read_frames

    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(PhotoError, match=r"a\.mp4: cannot be read as a video"):
        next(read_frames(tmp_path / "a.mp4"))
    with pytest.raises(IndexError), VideoWriter(tmp_path / "b.mp4") as video:
        video.add(torch.zeros(3, 32, 32)[[0, 1, 2, 3]], 0.0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_frames_are_turned_as_their_flag_says(rotation):
    from ownhand.data.video import upright

    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 5] = 255  # right top
    turned = upright(image, rotation)
    expected = {0: (0, 5), 90: (0, 0), -90: (5, 3), 180: (3, 0)}[rotation]
    assert turned[expected].min() == 255
    assert turned.sum() == image.sum()
