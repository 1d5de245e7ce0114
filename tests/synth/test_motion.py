"""Hands that move."""

import numpy as np
import pytest
import roma
import torch

from ownhand.hand.builtin import open_hand
from ownhand.synth.people.population import draw_people
from ownhand.synth.poses.contact import DEEPEST, open_hand_limits, penetration
from ownhand.synth.poses.motion import RATE, SHIFT, TURN, hand_path, pose_path

FRAMES = 60


@pytest.fixture(scope="module")
def people():
    return draw_people(4, seed=5)[0]


@pytest.fixture(scope="module")
def clips(people):
    return [pose_path(3, clip, FRAMES, open_hand().axes, shape) for clip, shape in enumerate(people)]


def test_a_clip_depends_on_seed_and_number_alone(clips, people):
    assert torch.equal(pose_path(3, 1, FRAMES, open_hand().axes, people[1]), clips[1])
    assert not torch.equal(pose_path(3, 2, FRAMES, open_hand().axes, people[1]), clips[1])


def test_joints_move_smoothly_at_human_speed(clips):
    for R in clips:
        turn = roma.rotmat_to_rotvec(R[:-1].mT @ R[1:]).norm(dim=-1)
        assert turn.max() * RATE < 12  # rad/s
        assert turn.max() * RATE > 1
        acceleration = np.diff(open_hand_limits().angles(R).numpy(), 2, axis=0)
        assert np.abs(acceleration).max() < 0.15  # rad per frame, per frame


def test_no_frame_sinks_into_itself_or_leaves_the_limits(clips, people):
    depth = np.stack([penetration(R, shape.expand(FRAMES, -1)) for R, shape in zip(clips, people, strict=True)])
    assert (depth > DEEPEST).mean() < 0.005
    assert max(open_hand_limits().residuals(R).abs().max() for R in clips) < 1e-3


def test_a_wrist_moves_far_but_not_too_far_nor_too_fast():
    paths = [hand_path(np.random.default_rng(i), 100) for i in range(50)]
    turns, shifts = (np.stack(parts) for parts in zip(*paths, strict=True))
    for values, most, speed in ((turns, TURN, 8), (shifts, SHIFT, 1.2)):
        length = np.linalg.norm(values, axis=-1)
        assert (length[:, 0] < 0.02 * most).all()
        assert 0.5 * most < np.median(length.max(1)) <= length.max() <= most
        assert np.linalg.norm(np.diff(values, axis=1), axis=-1).max() * RATE < speed
