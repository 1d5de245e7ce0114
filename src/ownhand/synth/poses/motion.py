"""Hands that move: from pose to pose and through space, with the timing of reaching movements (minimum jerk).

Flash & Hogan (1985): a movement from a to b in time T is a + (b - a)(10 s^3 - 15 s^4 + 6 s^5), s = t / T.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import rotations_from_angles
from ownhand.synth.poses.contact import DEEPEST, open_hand_limits, penetration, repaired, turns_apart
from ownhand.synth.poses.hand_shapes import HandShape
from ownhand.synth.poses.mixture import sample_hand, shape_angles

Array = np.ndarray
Rng = np.random.Generator

RATE = 30.0  # frames per second
PEAK_SPEED = 4.0, 0.5, 9.0  # of the fastest joint: median, spread of its logarithm, limit [rad/s]
SHORTEST = 0.3  # seconds of a movement
HOLD = 0.35  # seconds that a pose is kept, on average
LONG_HOLD = 0.12, (1.0, 2.5)  # share of long pauses, and their seconds
DRIFT, TREMOR = np.deg2rad([0.5, 0.08])  # amplitude of slow and of trembling motion of every joint
DRIFT_RATE, TREMOR_RATE = (0.15, 0.7), (8.0, 11.0)  # Hz
DETOURS = (0.0, 0.35, 0.7, 1.0)  # how far the hand opens on its way, the first that is free of contact
SHALLOW = 0.003  # metres that a way may sink in before it is mended
KEYS = 4  # poses drawn until the way to one is shallow
MENDINGS, MENDED_OVER = 12, 2.0  # rounds, and standard deviation [frames] of the time over which a mending is spread
TURN, SHIFT = np.deg2rad(60), 0.15  # furthest turns and moves of the wrist [rad, m]
MOVE_TIME, REST_TIME = (0.6, 1.8), 0.25  # seconds of a wrist's movement, and of rest on average

_OPEN = HandShape("rrrr", "palmar", 0.5, bent={1: (4, 12), 2: (6, 14), 3: (8, 16), 4: (8, 16)})
_CLIP = 7  # stream of random numbers


def pose_path(
    seed: int, clip: int, frames: int, axes: Float[Tensor, "15 3 3"], shape: Float[Tensor, "shapes"]
) -> Float[Tensor, "frames 15 3 3"]:
    """Joint rotations of a person's hand on its way through poses of the mixture, `RATE` frames per second.

    Args:
        seed: Of the pictures.
        clip: Number of the clip.
        frames: How many.
        axes: The hand model's joint axes.
        shape: Who poses.
    """
    rng = np.random.default_rng([seed, clip, _CLIP])
    limits = open_hand_limits()
    path, length = [], int(rng.uniform(0, RATE)) + frames
    pose = _key(rng, axes, shape)
    while sum(map(len, path)) < length:
        way, pose = _next(rng, pose, axes, shape)
        path += [_moved(rng, way), np.repeat(pose[None], _pause(rng), 0)]
    angles = np.concatenate(path)[length - frames : length] + _unrest(rng, frames)
    angles = np.clip(angles, limits.low.numpy(), limits.high.numpy())
    people = shape.expand(frames, -1)
    spread = _gaussian(frames, MENDED_OVER)
    for _ in range(MENDINGS):
        depth, turns = turns_apart(_rotations(angles), people)
        if (depth <= DEEPEST).all():
            break
        angles = angles + np.einsum("ft,tja->fja", spread, turns)
        angles = np.clip(angles, limits.low.numpy(), limits.high.numpy())
    return _rotations(angles)


def hand_path(rng: Rng, frames: int) -> tuple[Float[Array, "frames 3"], Float[Array, "frames 3"]]:
    """How a wrist turns and moves around where it starts: rotation vectors [rad] and translations [m], from zero."""
    places, here = [np.zeros((1, 6))], np.zeros(6)
    while sum(map(len, places)) < frames:
        there = np.concatenate([_within_ball(rng) * TURN, _within_ball(rng) * SHIFT])
        steps = np.arange(1, int(rng.uniform(*MOVE_TIME) * RATE) + 1)
        places += [here + _minimum_jerk(steps / steps[-1])[:, None] * (there - here)]
        places += [np.repeat(there[None], int(rng.exponential(REST_TIME) * RATE), 0)]
        here = there
    path = np.concatenate(places)[:frames]
    return path[:, :3], path[:, 3:]


def _key(rng: Rng, axes: Tensor, shape: Tensor) -> Float[Array, "15 3"]:
    """Angles of a pose of the mixture that fits the person, as `open_hand_limits` reads them."""
    angles, touching = sample_hand(rng)
    R = rotations_from_angles(torch.from_numpy(angles.astype(np.float32))[None], axes)
    return open_hand_limits().angles(repaired(R, shape[None], touching[None])[0])[0].numpy()


def _next(rng: Rng, pose: Array, axes: Tensor, shape: Tensor) -> tuple[Float[Array, "steps 15 3"], Array]:
    """The way to another pose, in steps of equal time, and that pose."""
    best = None
    for _ in range(KEYS):
        there = _key(rng, axes, shape)
        for detour in DETOURS:
            way = _way(pose, there, detour)
            depth = penetration(_rotations(way[3:-3:3]), shape.expand(len(way[3:-3:3]), -1)).max()
            if best is None or depth < best[0]:
                best = depth, way, there
            if depth <= DEEPEST:
                return way, there
        if best is not None and best[0] <= SHALLOW:
            break
    assert best is not None
    return best[1:]


def _way(here: Array, there: Array, detour: float) -> Float[Array, "37 15 3"]:
    """From pose to pose by minimum jerk, opening by some share in between."""
    done = _minimum_jerk(np.linspace(0, 1, 37))[:, None, None]
    straight = here + done * (there - here)
    opened = np.deg2rad(shape_angles(_OPEN).reshape(15, 3))
    return straight + detour * np.sin(np.pi * done) ** 2 * (opened - straight)


def _moved(rng: Rng, way: Array) -> Float[Array, "frames 15 3"]:
    """A way in frames, at some speed."""
    median, spread, fastest = PEAK_SPEED
    speed = min(median * np.exp(rng.normal(0, spread)), fastest)
    steps = np.abs(np.diff(way, axis=0)).max() * (len(way) - 1)  # of the fastest joint, per whole way
    count = int(np.ceil(max(steps / speed, SHORTEST) * RATE))
    at = np.arange(1, count + 1) / count * (len(way) - 1)
    before = np.minimum(at.astype(int), len(way) - 2)
    share = (at - before)[:, None, None]
    return (1 - share) * way[before] + share * way[before + 1]


def _pause(rng: Rng) -> int:
    """Frames for which a pose is held."""
    share, long = LONG_HOLD
    return int(RATE * (rng.uniform(*long) if rng.random() < share else rng.exponential(HOLD)))


def _unrest(rng: Rng, frames: int) -> Float[Array, "frames 15 3"]:
    """Slow drift and tremor about flexion and abduction [rad]."""
    time = np.arange(frames)[:, None, None] / RATE
    total = np.zeros((frames, 15, 3))
    for amplitude, rates in ((DRIFT, DRIFT_RATE), (DRIFT, DRIFT_RATE), (TREMOR, TREMOR_RATE)):
        rate, phase = rng.uniform(*rates, (15, 3)), rng.uniform(0, 2 * np.pi, (15, 3))
        total += amplitude * rng.uniform(0, 1, (15, 3)) * np.sin(2 * np.pi * rate * time + phase)
    low, high = open_hand_limits().low.numpy(), open_hand_limits().high.numpy()
    return total * np.minimum(high - low, 1)


def _gaussian(frames: int, sd: float) -> Float[Array, "frames frames"]:
    """Spreads what is asked for at a frame over its neighbours; where many ask, each gets their mean."""
    weight = np.exp(-0.5 * (np.subtract.outer(np.arange(frames), np.arange(frames)) / sd) ** 2)
    return weight / weight.sum(1, keepdims=True)


def _rotations(angles: Array) -> Tensor:
    return open_hand_limits().rotations(torch.from_numpy(angles.astype(np.float32)))


def _minimum_jerk(s: Array) -> Array:
    return s**3 * (10 - 15 * s + 6 * s**2)


def _within_ball(rng: Rng) -> Float[Array, "3"]:
    """A direction times a length below 1."""
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction) * rng.beta(1.5, 1.5)
