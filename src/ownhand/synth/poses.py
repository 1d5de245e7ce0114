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

DIP_PER_PIP = 0.62
CONVERGENCE = np.array([-4.0, 0.0, 5.0, 12.0])  # abduction at full curl: fingers splayed at rest close into a fist
TOGETHER = np.array([-4.0, 0.0, 5.0, 13.0])  # abduction that closes the flat hand
SPREAD = np.array([9.0, 1.0, -7.0, -10.0])  # abduction that opens it wide
NOISE = 2.0

# Thumb angles: base twist, base abduction, base flexion, MCP abduction, MCP flexion, IP flexion.
THUMBS = {
    "relaxed": (-6, 6, 8, 0, 12, 18),
    "wide": (0, -14, -20, 0, -4, -8),
    "beside": (4, -12, 16, 0, 4, 4),
    "palmar": (-8, 28, 0, 0, 5, 8),
    "up": (0, -8, -18, 0, 0, -10),
    "across": (-12, 12, 40, 0, 30, 40),
    "over": (-10, 26, 36, 0, 34, 45),
    "side": (0, 12, 14, 0, 22, 35),
}
# Fingertip opposition, solved for pads that meet: thumb as above, then the finger's MCP flexion, abduction, PIP flexion.
PINCHES = {
    1: ((-13, 15, 21, 0, 2, -10), (51, -4, 47)),
    2: ((-13, 28, 31, 0, 3, -10), (61, -5, 44)),
    3: ((-13, 38, 37, 0, 5, -10), (65, -5, 41)),
    4: ((-6, 40, 49, 3, 12, -10), (51, -4, 45)),
}


def sample_poses(
    n: int, seed: int, axes: Float[Tensor, "15 3 3"], *, first: int = 0
) -> Float[Tensor, "n 15 3 3"]:
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
    kinds, weights = zip(*_MIXTURE, strict=True)
    angles = kinds[rng.choice(len(kinds), p=np.array(weights) / sum(weights))](rng)
    angles[..., FLEXION] += rng.normal(0, NOISE, (5, 3))
    angles[:, 0, ABDUCTION] += rng.normal(0, NOISE / 2, 5)
    angles[..., TWIST] += rng.normal(0, NOISE / 2, (5, 3))
    low, high = np.moveaxis(np.rad2deg(joint_limits().numpy()), -1, 0)
    return np.deg2rad(np.clip(angles.reshape(15, 3), low, high))


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
    angles[1:, 2, FLEXION] = DIP_PER_PIP * np.maximum(pip, 0) + rng.normal(0, 4, 4)
    curl = np.clip((np.asarray(mcp) + pip) / 150, 0, 1)
    angles[1:, 0, ABDUCTION] = (1 - curl) * spread + curl * CONVERGENCE
    return angles


def _thumb(rng: np.random.Generator, *names: str, noise: float = 5.0) -> np.ndarray:
    """One of the named thumbs, blended a little with another of them."""
    a, b = (np.array(THUMBS[names[i]], float) for i in rng.integers(len(names), size=2))
    return a + rng.beta(0.5, 2) * (b - a) + rng.normal(0, noise, 6) * [0.6, 1, 1, 0.4, 1, 1.4]


def _related(rng: np.random.Generator, sd: float) -> np.ndarray:
    """Four deviations, one per finger, of which neighbours share most."""
    return sd * (0.75 * rng.normal() + 0.66 * np.convolve(rng.normal(size=5), [0.71, 0.71], "valid"))


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
    """Any subset of fingers straight, the others curled: counting, pointing, signs."""
    straight = rng.random(4) < 0.5
    mcp = np.where(straight, _related(rng, 8), rng.uniform(50, 85) + _related(rng, 6))
    pip = np.where(straight, np.abs(_related(rng, 7)), rng.uniform(75, 100) + _related(rng, 6))
    if rng.random() < 0.5:
        thumb = _thumb(rng, "wide", "up")
    else:
        thumb = _thumb(rng, *(("across",) if straight[:2].all() else ("over", "side")))
    return _hand(rng, thumb, mcp, pip, _spread(rng))


def _pinch(rng: np.random.Generator) -> np.ndarray:
    """Thumb against a fingertip, closed or a little open; the other fingers straight, curled or along."""
    finger = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.25, 0.15, 0.1]))
    thumb, (mcp_of, abduction, pip_of) = PINCHES[finger]
    away = rng.choice(3)
    mcp = [rng.uniform(-5, 30), mcp_of + rng.uniform(-15, 10), rng.uniform(55, 80)][away] + _related(rng, 6)
    pip = [rng.uniform(0, 35), pip_of + rng.uniform(-20, 10), rng.uniform(70, 95)][away] + _related(rng, 6)
    opening = rng.choice([0.0, rng.uniform(0, 1)])
    mcp[finger - 1], pip[finger - 1] = mcp_of - 18 * opening, pip_of - 18 * opening
    thumb = np.array(thumb, float) + opening * np.array([4, 2, -12, 0, 0, 10])
    angles = _hand(rng, thumb, mcp, pip, 0.5 * _spread(rng))
    angles[finger, 0, ABDUCTION] = abduction
    return angles


def _fist(rng: np.random.Generator) -> np.ndarray:
    mcp, pip = rng.uniform(65, 88) + _related(rng, 4), rng.uniform(88, 102) + _related(rng, 4)
    return _hand(rng, _thumb(rng, "over", "side", "up", noise=3.0), mcp, pip)


def _grasp(rng: np.random.Generator) -> np.ndarray:
    """Around a cylinder or a ball of some size, or nothing."""
    size = rng.uniform(0, 1)
    mcp, pip = 62 - 45 * size + _related(rng, 5), 65 - 40 * size + _related(rng, 6)
    ball = rng.random() < 0.5
    thumb = np.array([-12, 34 - 10 * size, 22 - 26 * size, 0, 12, 25 - 10 * size]) + rng.normal(0, 4, 6)
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
    mcp, pip = rng.uniform(30, 60) + _related(rng, 6), rng.uniform(60, 90) + _related(rng, 6)
    return _hand(rng, _thumb(rng, "side"), mcp, pip)


def _free(rng: np.random.Generator) -> np.ndarray:
    """Each finger on its own."""
    curl = np.clip(rng.beta(1, 1.2) + rng.normal(0, 0.25, 4), 0, 1)
    mcp, pip = -12 + 92 * curl + rng.normal(0, 8, 4), 98 * np.clip(curl + rng.normal(0, 0.15, 4), 0, 1)
    return _hand(rng, _thumb(rng, "relaxed", "wide", "palmar", "up", noise=8.0), mcp, pip, _spread(rng))


_MIXTURE: list[tuple[Callable[[np.random.Generator], np.ndarray], float]] = [
    (_relaxed, 0.14),
    (_flat, 0.13),
    (_counting, 0.19),
    (_pinch, 0.13),
    (_fist, 0.08),
    (_grasp, 0.12),
    (_hook, 0.05),
    (_tabletop, 0.04),
    (_key, 0.04),
    (_free, 0.08),
]
