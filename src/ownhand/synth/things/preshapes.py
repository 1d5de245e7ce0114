"""How a hand opens for each kind of grasp, how it would close on nothing, and where it would take the thing.

Angles are in degrees in the tables; a hand is an array [5 digits, 3 joints, 3 axes (twist, abduction, flexion)], thumb
first, base to tip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ownhand.hand.anatomy import ABDUCTION, FLEXION, joint_limits
from ownhand.synth.poses.hand_shapes import PINCH, THUMBS
from ownhand.synth.poses.mixture import CONVERGENCE, DIP_PER_PIP, SPREAD

Array = np.ndarray
Rng = np.random.Generator

LOW, HIGH = np.moveaxis(joint_limits().double().numpy().reshape(5, 3, 3, 2), -1, 0)  # radians


@dataclass(frozen=True, kw_only=True)
class Preshape:
    """A kind of grasp. Thumbs: base twist, abduction and flexion, MCP abduction and flexion, IP flexion [degrees].

    Attributes:
        where: "palm": the thing is laid against palm and fingers. "tips": it comes between thumb and fingertips.
            "side": between the thumb and the side of the index finger.
        thumb: Open, closed.
        mcp: Flexion of the fingers' MCP joints, open and closed; one number or four.
        pip: Likewise of the PIP joints.
        splay: Share of the widest spread when open.
        abduction: Of the closed fingers.
        tips: Fingers whose pads meet the thumb's, where the thing comes between tips.
        place: On the palm: where the thing's middle comes, of the distance from wrist to middle MCP joint (x, and
            its spread), y likewise.
        oblique: On the palm: by how much the thing's `along` leans from the radial to the distal direction, and its
            spread [degrees].
    """

    where: str
    thumb: tuple[tuple[float, ...], tuple[float, ...]]
    mcp: tuple[float | tuple[float, ...], float | tuple[float, ...]]
    pip: tuple[float | tuple[float, ...], float | tuple[float, ...]]
    splay: float = 0.0
    abduction: tuple[float, ...] = tuple(CONVERGENCE)
    tips: tuple[int, ...] = ()
    place: tuple[float, float, float, float] = (0.8, 0.05, 0.0, 0.06)
    oblique: tuple[float, float] = (0.0, 0.0)

    def draw(self, rng: Rng) -> tuple[Float[Array, "5 3 3"], Float[Array, "5 3 3"]]:
        """Open and closed hand, each a little different every time [rad]."""
        shared = rng.normal(0, 3, (5, 3))
        rate = rng.normal(0, 6, 2) if self.where == "palm" else np.zeros(2)
        hands = []
        for k in (0, 1):
            angles = np.zeros((5, 3, 3))
            thumb = np.array(self.thumb[k], float)
            angles[0, 0], angles[0, 1, ABDUCTION:], angles[0, 2, FLEXION] = thumb[:3], thumb[3:5], thumb[5]
            angles[1:, 0, FLEXION] = np.asarray(self.mcp[k]) + k * rate[0]
            angles[1:, 1, FLEXION] = np.asarray(self.pip[k]) + k * rate[1]
            angles[1:, 2, FLEXION] = DIP_PER_PIP * np.maximum(angles[1:, 1, FLEXION], 0)
            wide = self.splay * SPREAD + (1 - self.splay) * 0.6 * _TOGETHER
            angles[1:, 0, ABDUCTION] = self.abduction if k else wide
            hands.append(angles)
        relaxed = [f for f in range(1, 5) if f not in self.tips] if self.where == "tips" else []
        for finger in relaxed:
            curl = rng.uniform(-0.3, 1)
            hands[1][finger, :2, FLEXION] = hands[1][finger, :2, FLEXION] * (0.4 + 0.6 * curl)
            hands[1][finger, 2, FLEXION] = DIP_PER_PIP * max(hands[1][finger, 1, FLEXION], 0)
        for angles in hands:
            angles[..., FLEXION] += shared
            angles[0, 0] += rng.normal(0, 2.5, 3)
        return tuple(np.clip(np.deg2rad(angles), LOW, HIGH) for angles in hands)  # pyright: ignore


_PINCH_MCP, _PINCH_PIP = zip(*(PINCH[f] for f in range(1, 5)), strict=True)
_PINCH_ABDUCTION = (-4, -5, -5, -4)
_TOGETHER = np.array([-4.0, 0.0, 5.0, 13.0])  # abduction of fingers beside each other

PRESHAPES = {
    "cylinder": Preshape(
        where="palm",
        thumb=((-20, 44, -18, 0, 0, 0), (-22, 34, 30, 0, 55, 75)),
        mcp=(-8, 86),
        pip=(4, 100),
        oblique=(12, 8),
    ),
    "sphere": Preshape(
        where="palm",
        thumb=((-20, 42, -22, 0, 0, 0), (-22, 30, 30, 0, 45, 60)),
        mcp=(-8, 80),
        pip=(4, 85),
        splay=0.8,
        place=(0.87, 0.05, 0.05, 0.06),
        oblique=(0, 40),
    ),
    "platform": Preshape(
        where="palm",
        thumb=((0, -18, -26, 0, -8, -10), (-6, 6, 2, 0, 12, 15)),
        mcp=(-4, 30),
        pip=(4, 35),
        splay=0.5,
        place=(0.95, 0.1, 0.0, 0.08),
        oblique=(20, 60),
    ),
    "hook": Preshape(
        where="palm",
        thumb=((0, -14, -18, 0, 0, -4), (4, -6, 11, 0, 6, 10)),
        mcp=(0, 15),
        pip=(0, 104),
        place=(1.28, 0.04, 0.0, 0.06),
        oblique=(-5, 4),
    ),
    "pinch": Preshape(
        where="tips",
        thumb=((-13, 30, -16, 0, 0, -10), THUMBS["to index"]),
        mcp=((12, 8, 4, 0), _PINCH_MCP),
        pip=(12, _PINCH_PIP),
        abduction=_PINCH_ABDUCTION,
        tips=(1,),
    ),
    "tripod": Preshape(
        where="tips",
        thumb=((-13, 38, -14, 0, 0, -10), (-13, 22, 25, 0, 3, -10)),
        mcp=((14, 14, 6, 0), (50, 57, 56, 50)),
        pip=(14, (46, 44, 42, 44)),
        abduction=(-3, -3, -2, 2),
        tips=(1, 2),
    ),
    "palmar": Preshape(
        where="tips",
        thumb=((-13, 44, -10, 0, 0, -8), (-13, 34, 33, 0, 4, -10)),
        mcp=((22, 22, 20, 16), (52, 59, 60, 52)),
        pip=(16, (46, 44, 42, 44)),
        splay=0.4,
        abduction=(-3, -3, -2, 2),
        tips=(1, 2, 3),
    ),
    "writing": Preshape(
        where="tips",
        thumb=((-13, 36, -12, 0, 0, -10), (-13, 20, 24, 0, 8, 0)),
        mcp=((14, 16, 30, 32), (50, 56, 62, 60)),
        pip=((14, 16, 40, 40), (46, 46, 62, 60)),
        abduction=(-3, -3, -2, 2),
        tips=(1, 2),
    ),
    "lateral": Preshape(
        where="side",
        thumb=((-12, 14, -14, 0, 0, 4), (-14, 2, 15, 0, 6, 22)),
        mcp=(62, 62),
        pip=(66, 66),
        splay=0.0,
        tips=(1,),
    ),
}
"""Kinds of grasp by the names that are usual: Feix et al. 2016, "The GRASP taxonomy of human grasp types"."""
