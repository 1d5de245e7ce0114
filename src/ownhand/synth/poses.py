"""Natural hand poses: a mixture of what hands do, within the limits of the joints.

Angles are in degrees inside this file. A hand is an array [5 fingers, 3 joints, 3 axes]; thumb first, base to tip.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, joint_limits, rotations_from_angles

_LOW, _HIGH = np.moveaxis(np.rad2deg(joint_limits().numpy()), -1, 0)
DIP_PER_PIP = 0.62
CONVERGENCE = np.array([-4.0, 0.0, 5.0, 12.0])  # abduction at full curl: fingers splayed at rest close into a fist
TOGETHER = np.array([-4.0, 0.0, 5.0, 13.0])  # abduction that closes the flat hand
PULLED = np.array([0.0, 0.2, 0.35, 0.2])  # a bent neighbour's share of MCP flexion that a straight finger cannot resist
SPREAD = np.array([9.0, 1.0, -7.0, -10.0])  # abduction that opens it wide

# Thumb angles: base twist, base abduction, base flexion, MCP abduction, MCP flexion, IP flexion.
THUMBS = {
    "relaxed": (-6, 6, 8, 0, 12, 18),
    "wide": (0, -14, -20, 0, -4, -8),
    "beside": (4, -8, 11, 0, 2, 4),
    "palmar": (-8, 28, 0, 0, 5, 8),
    "up": (0, -8, -18, 0, 0, -10),
    "across": (-20, 22, 40, 0, 18, 6),
    "side": (-19, 6, 0, 0, 27, 16),
    "key": (-14, 4, 11, 0, 2, 16),
}
TIGHT = np.array([86, 86, 81, 75]), np.array([102, 102, 98, 93])  # MCP and PIP flexion until the tips meet the palm
# The thumb on the middle phalanx of the first curled finger, index to little; solved for skin that touches.
THUMB_ON_CURLED = ((-24, 21, -9, 4, 52, 6), (-24, 29, 9, 2, 46, 2), (-24, 40, 27, 1, 34, 5), (-13, 45, 36, 5, 39, 6))
# Fingertip opposition, likewise: thumb as above, then the finger's MCP flexion, abduction, PIP flexion.
PINCHES = {
    1: ((-13, 15, 20, 0, 2, -10), (50, -4, 46)),
    2: ((-13, 28, 30, 0, 3, -10), (60, -5, 43)),
    3: ((-13, 39, 36, 0, 5, -10), (64, -5, 40)),
    4: ((-6, 41, 48, 3, 12, -10), (50, -4, 44)),
}


def sample_poses(n: int, seed: int, axes: Float[Tensor, "15 3 3"], *, first: int = 0) -> Float[Tensor, "n 15 3 3"]:
    """Draw joint rotations `R_parent_joint`; pose i depends on (seed, first + i) alone.

    Args:
        n: How many.
        seed: Non-negative.
        axes: The hand model's joint axes.
        first: Index of the first pose.

    Raises:
        ValueError: A negative number.
    """
    if min(n, seed, first) < 0:
        raise ValueError(f"n, seed and first must not be negative, got {n}, {seed}, {first}")
    angles = np.zeros((n, 15, 3), np.float32)
    for i in range(n):
        angles[i] = sample_angles(np.random.default_rng((seed, first + i)))
    return rotations_from_angles(torch.from_numpy(angles), axes)


def sample_angles(rng: np.random.Generator) -> np.ndarray:
    """Angles [15 joints, 3 axes] of one pose [rad]."""
    shares = np.array([share for _, share, _ in _MIXTURE])
    draw, _, noise = _MIXTURE[rng.choice(len(_MIXTURE), p=shares / shares.sum())]
    angles = draw(rng)
    angles[..., FLEXION] += rng.normal(0, noise, (5, 3))
    angles[..., TWIST] += rng.normal(0, noise / 2, (5, 3))
    angles[:, 0, ABDUCTION] += rng.normal(0, noise / 2, 5)
    return np.deg2rad(np.clip(angles.reshape(15, 3), _LOW, _HIGH))


def _hand(
    rng: np.random.Generator, thumb: np.ndarray, mcp: np.ndarray, pip: np.ndarray, spread: np.ndarray | float = 0.0
) -> np.ndarray:
    """Angles [5 3 3] from the thumb's six and, per finger, MCP and PIP flexion and abduction (used where straight)."""
    angles = np.zeros((5, 3, 3))
    angles[0, 0] = thumb[:3]
    angles[0, 1, ABDUCTION:] = thumb[3:5]
    angles[0, 2, FLEXION] = thumb[5]
    angles[1:, 0, FLEXION] = mcp
    angles[1:, 1, FLEXION] = pip
    angles[1:, 2, FLEXION] = DIP_PER_PIP * np.maximum(pip, 0) + rng.normal(0, 3, 4)
    curl = np.clip((np.asarray(mcp) + pip) / 150, 0, 1)
    angles[1:, 0, ABDUCTION] = (1 - curl) * spread + curl * CONVERGENCE
    return angles


def _thumb(rng: np.random.Generator, *names: str, noise: float = 5.0) -> np.ndarray:
    """One of the named thumbs, blended a little with another of them."""
    a, b = (np.array(THUMBS[names[i]], float) for i in rng.integers(len(names), size=2))
    return a + rng.beta(0.5, 2) * (b - a) + _thumb_noise(rng, noise)


def _thumb_noise(rng: np.random.Generator, sd: int | float) -> np.ndarray:
    return rng.normal(0, sd, 6) * [0.6, 1, 1, 0.4, 1, 1.4]


def _related(rng: np.random.Generator, sd: int | float) -> np.ndarray:
    """Four deviations, one per finger, of which neighbours share most."""
    return sd * (0.75 * rng.normal() + 0.66 * np.convolve(rng.normal(size=5), [0.71, 0.71], "valid"))


def _pulled(mcp: np.ndarray) -> np.ndarray:
    """MCP flexion of fingers whose tendons are tied to their neighbours'."""
    padded = np.pad(mcp, 1)
    return np.maximum(mcp, PULLED * np.maximum(padded[:-2], padded[2:]))


def _spread(rng: np.random.Generator) -> np.ndarray:
    return TOGETHER + rng.beta(1.2, 1.2) * (SPREAD - TOGETHER)


def _relaxed(rng: np.random.Generator) -> np.ndarray:
    cascade = rng.uniform(0.4, 1.6) * np.array([0.8, 1.0, 1.15, 1.3])
    mcp, pip = 20 * cascade + _related(rng, 8), 30 * cascade + _related(rng, 9)
    return _hand(rng, _thumb(rng, "relaxed", "palmar", "beside"), mcp, pip, 0.4 * _spread(rng))


def _flat(rng: np.random.Generator) -> np.ndarray:
    mcp, pip = -4 + _related(rng, 8), np.abs(_related(rng, 7))
    return _hand(rng, _thumb(rng, "wide", "beside", "palmar", "relaxed", "across"), mcp, pip, _spread(rng))


def _counting(rng: np.random.Generator) -> np.ndarray:
    """Any subset of fingers straight, the others curled: counting, pointing, signs, the fist."""
    straight = rng.random(4) < rng.choice([0.0, 0.5], p=[0.2, 0.8])
    tight = rng.random() < 0.6
    curled_mcp, curled_pip = TIGHT if tight else (rng.uniform(40, 72), rng.uniform(70, 96))
    sd = 1.5 if tight else 5.0
    mcp = np.where(straight, _related(rng, 7), curled_mcp + _related(rng, sd))
    pip = np.where(straight, np.abs(_related(rng, 6)), curled_pip + _related(rng, sd))
    if rng.random() < 0.45 or not tight:
        thumb = _thumb(rng, "wide", "up")
    elif straight.all():
        thumb = _thumb(rng, "across", noise=3.0)
    else:
        thumb = THUMB_ON_CURLED[int(np.argmin(straight))] + np.abs(rng.normal(0, 2, 6)) * [0, 1, 0, 0, 0, -1]
    return _hand(rng, thumb, _pulled(mcp), pip, _spread(rng))


def _pinch(rng: np.random.Generator) -> np.ndarray:
    """Thumb against a fingertip, closed or a little open; the other fingers straighter or along."""
    finger = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    thumb, (mcp_of, abduction, pip_of) = PINCHES[finger]
    along = rng.uniform(0, 0.9)
    mcp = along * mcp_of + _related(rng, 5) - 5 * np.arange(4) * (finger == 1)
    pip = along * pip_of + np.abs(_related(rng, 5))
    opening = rng.choice([0.08, rng.uniform(0, 1)])
    mcp[finger - 1], pip[finger - 1] = mcp_of - 18 * opening, pip_of - 18 * opening
    thumb = np.array(thumb, float) + opening * np.array([4, 2, -12, 0, 0, 10])
    angles = _hand(rng, thumb, mcp, pip, 0.5 * _spread(rng))
    angles[finger, 0, ABDUCTION] = abduction
    angles[finger, 2, FLEXION] = DIP_PER_PIP * pip[finger - 1]
    return angles


def _side_fist(rng: np.random.Generator) -> np.ndarray:
    """A fist, not tight, with the thumb at its side."""
    mcp, pip = TIGHT[0] - 9 + _related(rng, 3), TIGHT[1] - 6 + _related(rng, 3)
    return _hand(rng, _thumb(rng, "side", noise=1.0), mcp, pip)


def _grasp(rng: np.random.Generator) -> np.ndarray:
    """Around a cylinder or a ball of some size, or nothing."""
    size = rng.uniform(0, 1)
    mcp, pip = 62 - 45 * size + _related(rng, 5), 65 - 40 * size + _related(rng, 6)
    ball = rng.random() < 0.5
    thumb = np.array([-12, 34 - 10 * size, 20 - 26 * size, 0, 12, 25 - 10 * size]) + _thumb_noise(rng, 3.5)
    return _hand(rng, thumb, mcp, pip, SPREAD * rng.uniform(0.3, 1.2) if ball else 0.3 * TOGETHER)


def _hook(rng: np.random.Generator) -> np.ndarray:
    """Straight knuckles, bent fingers: claw and hook."""
    mcp, pip = rng.uniform(-15, 20) + _related(rng, 5), rng.uniform(55, 100) + _related(rng, 6)
    return _hand(rng, _thumb(rng, "relaxed", "wide", "palmar", "beside"), mcp, pip, _spread(rng))


def _tabletop(rng: np.random.Generator) -> np.ndarray:
    """Bent knuckles, straight fingers."""
    mcp, pip = rng.uniform(40, 82) + _related(rng, 5), rng.uniform(0, 20) + _related(rng, 5)
    return _hand(rng, _thumb(rng, "wide", "up", "palmar"), mcp, pip)


def _key(rng: np.random.Generator) -> np.ndarray:
    """The thumb on the side of a bent index finger."""
    mcp, pip = 68 + _related(rng, 3), 72 + _related(rng, 3)
    return _hand(rng, _thumb(rng, "key", noise=1.0), mcp, pip)


def _free(rng: np.random.Generator) -> np.ndarray:
    """Each finger on its own."""
    curl = np.clip(rng.beta(1, 1.2) + rng.normal(0, 0.25, 4), 0, 1)
    mcp, pip = -12 + 86 * curl + rng.normal(0, 8, 4), 90 * np.clip(curl + rng.normal(0, 0.15, 4), 0, 1)
    return _hand(rng, _thumb(rng, "relaxed", "wide", "palmar", "up", noise=6.0), _pulled(mcp), pip, _spread(rng))


# What hands do, how often, and the noise of every angle (little where skin touches) [degrees].
_MIXTURE: tuple[tuple[Callable[[np.random.Generator], np.ndarray], float, float], ...] = (
    (_relaxed, 0.15, 2.5),
    (_flat, 0.13, 2.5),
    (_counting, 0.25, 1.0),
    (_pinch, 0.13, 0.7),
    (_side_fist, 0.03, 0.7),
    (_key, 0.03, 0.7),
    (_grasp, 0.12, 2.0),
    (_hook, 0.05, 2.5),
    (_tabletop, 0.04, 2.0),
    (_free, 0.07, 3.0),
)
