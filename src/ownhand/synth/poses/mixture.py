"""Natural hand poses: a mixture of what hands do, within the limits of the joints.

Angles are in degrees inside this file. A hand is an array [5 fingers, 3 joints, 3 axes]; thumb first, base to tip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, joint_limits, rotations_from_angles
from ownhand.synth.poses import hand_shapes
from ownhand.synth.poses.hand_shapes import FINGERS, THUMBS, HandShape

Array = np.ndarray
Rng = np.random.Generator
Hand = tuple[Array, tuple[str, ...]]  # angles, and the pairs of parts that touch

_LOW, _HIGH = np.moveaxis(np.rad2deg(joint_limits().numpy()), -1, 0)
DIP_PER_PIP = 0.62
CONVERGENCE = np.array([-4.0, 0.0, 5.0, 12.0])  # abduction at full curl: fingers splayed at rest close into a fist
TOGETHER = np.array([-9.0, -1.0, 7.0, 17.0])  # abduction that closes the flat hand
PULLED = np.array([0.0, 0.2, 0.35, 0.2])  # a bent neighbour's share of MCP flexion that a straight finger cannot resist
SPREAD = np.array([9.0, 1.0, -7.0, -10.0])  # abduction that opens it wide
TIGHT = np.array([1, 1, 0.94, 0.87]), np.array([1, 1, 0.96, 0.91])  # share of a curl at which each fingertip meets palm

IN_BETWEEN = 0.2  # share of the poses that are on the way from one to another
SLACK = 0.3  # share of the named shapes that are made half-heartedly
PAIRS = 4  # at most, of parts that touch


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
    return touching_poses(range(first, first + n), seed, axes)[0]


def touching_poses(
    indices: Iterable[int], seed: int, axes: Float[Tensor, "15 3 3"]
) -> tuple[Float[Tensor, "n 15 3 3"], Int[Array, "n pairs 2"]]:
    """Poses of the given indices, and which parts are to touch.

    Parts are numbers: 0 is the palm, others hang on joints 1 to 15; pairs (0, 0) are none.
    """
    hands = [sample_hand(np.random.default_rng((seed, int(index)))) for index in indices]
    angles = torch.from_numpy(np.stack([angles for angles, _ in hands]).astype(np.float32))
    return rotations_from_angles(angles, axes), np.stack([touching for _, touching in hands])


def sample_angles(rng: Rng) -> Float[Array, "15 3"]:
    """Angles (twist, abduction, flexion) of one pose [rad]."""
    return sample_hand(rng)[0]


def sample_hand(rng: Rng) -> tuple[Float[Array, "15 3"], Int[Array, "pairs 2"]]:
    """Angles (twist, abduction, flexion) of one pose [rad], and which parts are to touch."""
    angles, touching = _one(rng)
    if rng.random() < IN_BETWEEN:
        angles, touching = angles + rng.uniform(0.1, 0.9) * (_one(rng)[0] - angles), ()
    return np.deg2rad(np.clip(angles.reshape(15, 3), _LOW, _HIGH)), parts(touching)


def shape_angles(shape: HandShape) -> Float[Array, "5 3 3"]:
    """Angles of a named shape."""
    mcp, pip = np.array([FINGERS[letter] for letter in shape.fingers], float).T
    curled = [letter in "flm" for letter in shape.fingers]
    mcp, pip = np.where(curled, TIGHT[0], 1) * mcp, np.where(curled, TIGHT[1], 1) * pip
    for finger, (of_mcp, of_pip) in shape.bent.items():
        mcp[finger - 1], pip[finger - 1] = of_mcp, of_pip
    angles = _hand(THUMBS[shape.thumb], mcp, pip, TOGETHER + shape.spread * (SPREAD - TOGETHER))
    for finger, abduction in shape.turned.items():
        angles[finger, 0, ABDUCTION] = abduction
    return angles


def parts(touching: tuple[str, ...]) -> Int[Array, "pairs 2"]:
    """Numbers of the parts that pairs such as "t3 i3" name; (0, 0) where there are fewer than PAIRS."""
    numbers = [["timrl".index(name[0]) * 3 + int(name[1]) if name != "p" else 0 for name in pair.split()]
               for pair in touching]  # fmt: skip
    return np.array(numbers + [[0, 0]] * (PAIRS - len(numbers)))


def _one(rng: Rng) -> Hand:
    """One of the mixture."""
    shares = np.array([share for _, share, _ in _MIXTURE])
    draw, _, noise = _MIXTURE[rng.choice(len(_MIXTURE), p=shares / shares.sum())]
    angles, touching = draw(rng)
    noise = min(noise, 0.7) if touching else noise
    angles[..., FLEXION] += rng.normal(0, noise, (5, 3))
    angles[..., TWIST] += rng.normal(0, noise / 2, (5, 3))
    angles[:, 0, ABDUCTION] += rng.normal(0, noise / 2, 5)
    angles[1:, 2, FLEXION] += rng.normal(0, 3, 4)
    return angles, touching


def _hand(thumb: Array | tuple, mcp: Array, pip: Array, spread: Array | float = 0.0) -> Array:
    """Angles [5 3 3] from the thumb's six and, per finger, MCP and PIP flexion and abduction (used where straight)."""
    angles = np.zeros((5, 3, 3))
    angles[0, 0] = thumb[:3]
    angles[0, 1, ABDUCTION:] = thumb[3:5]
    angles[0, 2, FLEXION] = thumb[5]
    angles[1:, 0, FLEXION] = mcp
    angles[1:, 1, FLEXION] = pip
    angles[1:, 2, FLEXION] = DIP_PER_PIP * np.maximum(pip, 0)
    curl = np.clip((np.asarray(mcp) + pip) / 150, 0, 1)
    angles[1:, 0, ABDUCTION] = (1 - curl) * spread + curl * CONVERGENCE
    return angles


def _thumb(rng: Rng, *names: str, noise: float = 5.0) -> Array:
    """One of the named thumbs, blended a little with another of them."""
    a, b = (np.array(THUMBS[names[i]], float) for i in rng.integers(len(names), size=2))
    return a + rng.beta(0.5, 2) * (b - a) + _thumb_noise(rng, noise)


def _thumb_noise(rng: Rng, sd: float) -> Array:
    return rng.normal(0, sd, 6) * [0.6, 1, 1, 0.4, 1, 1.4]


def _related(rng: Rng, sd: float) -> Array:
    """Four deviations, one per finger, of which neighbours share most."""
    return sd * (0.75 * rng.normal() + 0.66 * np.convolve(rng.normal(size=5), [0.71, 0.71], "valid"))


def _pulled(mcp: Array) -> Array:
    """MCP flexion of fingers whose tendons are tied to their neighbours'."""
    padded = np.pad(mcp, 1)
    return np.maximum(mcp, PULLED * np.maximum(padded[:-2], padded[2:]))


def _spread(rng: Rng) -> Array:
    return TOGETHER + rng.beta(1.2, 1.2) * (SPREAD - TOGETHER)


def _named(table: dict[str, HandShape], rng: Rng) -> Hand:
    """A shape of a table, now and then half relaxed."""
    shape = list(table.values())[rng.integers(len(table))]
    angles, sd = shape_angles(shape), 1.5 if shape.touching else 4.0
    straight = np.array([letter in "|\\" for letter in shape.fingers])
    angles[1:, 0, FLEXION] += np.where(straight, _related(rng, 5), _related(rng, sd))
    angles[1:, 1, FLEXION] += np.where(straight, np.abs(_related(rng, 4)), _related(rng, sd))
    if not shape.touching:
        angles[0, :2, ABDUCTION:] += rng.normal(0, 4, (2, 2))
    if rng.random() >= SLACK:
        return angles, shape.touching
    return angles + rng.beta(1.2, 2) * (_relaxed(rng)[0] - angles), ()


def _pinch(rng: Rng) -> Hand:
    """Thumb against fingertips, closed or a little open; the other fingers straighter or along."""
    shape = list(hand_shapes.PINCHES.values())[rng.choice(6, p=[0.35, 0.2, 0.13, 0.1, 0.12, 0.1])]
    angles = shape_angles(shape)
    others = [finger for finger in range(1, 5) if finger not in shape.bent]
    along = rng.uniform(-0.2, 1.4) if shape.fingers[-1] == "r" else 1.0
    angles[others, :, FLEXION] *= along
    angles[1:, :2, FLEXION] += np.stack([_related(rng, 3), _related(rng, 3)], 1)
    if rng.random() < 0.65:
        return angles, shape.touching
    opening = rng.uniform(0.1, 1.2)
    angles[list(shape.bent), :2, FLEXION] -= 16 * opening
    angles[0, 0] += opening * np.array([4, 3, -12])
    return angles, ()


def _relaxed(rng: Rng) -> Hand:
    cascade = rng.uniform(0.4, 1.6) * np.array([0.8, 1.0, 1.15, 1.3])
    mcp, pip = 20 * cascade + _related(rng, 8), 30 * cascade + _related(rng, 9)
    return _hand(_thumb(rng, "relaxed", "palmar", "beside"), mcp, pip, 0.4 * _spread(rng)), ()


def _flat(rng: Rng) -> Hand:
    mcp, pip = -4 + _related(rng, 8), np.abs(_related(rng, 7))
    thumb = _thumb(rng, "wide", "beside", "palmar", "relaxed", "across", "folded")
    return _hand(thumb, mcp, pip, _spread(rng)), ()


def _counting(rng: Rng) -> Hand:
    """Any subset of fingers straight, the others curled; the thumb away, or it holds a curled finger down."""
    straight = rng.random(4) < 0.5
    tight = rng.random() < 0.7
    curl_mcp, curl_pip = (86, 102) if tight else (rng.uniform(40, 72), rng.uniform(70, 96))
    sd = 1.5 if tight else 5.0
    mcp = np.where(straight, _related(rng, 7), TIGHT[0] * curl_mcp + _related(rng, sd))
    pip = np.where(straight, np.abs(_related(rng, 6)), TIGHT[1] * curl_pip + _related(rng, sd))
    if rng.random() < 0.3 or not tight:
        thumb, touching = _thumb(rng, "wide", "up", "beside"), ()
    elif straight.all():
        thumb, touching = _thumb(rng, "across", "folded", noise=3.0), ("t3 p",)
    else:
        held = int(np.argmin(straight))
        thumb = np.array(THUMBS[("on index", "on middle", "on ring", "on little")[held]], float)
        touching = (f"t3 {'imrl'[held]}{rng.choice([2, 3], p=[0.7, 0.3])}",)
    return _hand(thumb, _pulled(mcp), pip, _spread(rng)), touching


def _hook(rng: Rng) -> Hand:
    """Straight knuckles, bent fingers: claw and hook."""
    mcp, pip = rng.uniform(-15, 20) + _related(rng, 5), rng.uniform(55, 100) + _related(rng, 6)
    return _hand(_thumb(rng, "relaxed", "wide", "palmar", "beside"), mcp, pip, _spread(rng)), ()


def _tabletop(rng: Rng) -> Hand:
    """Bent knuckles, straight fingers."""
    mcp, pip = rng.uniform(40, 82) + _related(rng, 5), rng.uniform(0, 20) + _related(rng, 5)
    return _hand(_thumb(rng, "wide", "up", "palmar"), mcp, pip), ()


def _grasp(rng: Rng) -> Hand:
    """Around a cylinder or a ball of some size."""
    size = rng.uniform(0, 1)
    mcp, pip = 62 - 45 * size + _related(rng, 5), 65 - 40 * size + _related(rng, 6)
    ball = rng.random() < 0.5
    thumb = np.array([-12, 34 - 10 * size, 20 - 26 * size, 0, 12, 25 - 10 * size]) + _thumb_noise(rng, 3.5)
    return _hand(thumb, mcp, pip, SPREAD * rng.uniform(0.3, 1.2) if ball else 0.3 * TOGETHER), ()


def _free(rng: Rng) -> Hand:
    """Each finger on its own."""
    curl = np.clip(rng.beta(1, 1.2) + rng.normal(0, 0.25, 4), 0, 1)
    mcp, pip = -12 + 86 * curl + rng.normal(0, 8, 4), 90 * np.clip(curl + rng.normal(0, 0.15, 4), 0, 1)
    return _hand(_thumb(rng, "relaxed", "wide", "palmar", "up", noise=6.0), _pulled(mcp), pip, _spread(rng)), ()


def _extreme(rng: Rng) -> Hand:
    """Bent back, spread, or the thumb far out: near the limits."""
    back, wide = rng.uniform(0, 1, 2) * rng.permutation([1, int(rng.integers(2))])
    mcp, pip = -28 * back + _related(rng, 4), rng.uniform(-8, 25) + _related(rng, 5)
    angles = _hand(_thumb(rng, "back", "wide", "palmar", "opposed", "folded"), mcp, pip, (1 + wide) * SPREAD)
    angles[0] += rng.uniform(0, 0.8) * (np.where(angles[0] > 0, _HIGH[:3], _LOW[:3]) - angles[0]) * (rng.random() < 0.5)
    return angles, ()


# What hands do, how often, and the noise of every angle (less where skin is to touch) [degrees].
_MIXTURE: tuple[tuple[Callable[[Rng], Hand], float, float], ...] = (
    (_relaxed, 0.1, 2.5),
    (_flat, 0.09, 2.5),
    (_counting, 0.16, 1.0),
    (partial(_named, hand_shapes.LETTERS), 0.13, 1.5),
    (partial(_named, hand_shapes.DIGITS), 0.05, 1.5),
    (partial(_named, hand_shapes.GESTURES), 0.07, 1.5),
    (partial(_named, hand_shapes.FISTS), 0.06, 1.0),
    (_pinch, 0.09, 0.7),
    (partial(_named, hand_shapes.GRASPS), 0.07, 2.0),
    (_grasp, 0.05, 2.0),
    (_hook, 0.03, 2.5),
    (_tabletop, 0.02, 2.0),
    (_free, 0.06, 3.0),
    (_extreme, 0.04, 1.5),
)
