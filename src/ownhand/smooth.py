"""Smoothing of hands over time that keeps fast motion.

Casiez et al. 2012, "1 Euro filter": a low-pass filter of first order whose cutoff rises with speed. Slow hands shake
less, fast ones lag less. Rotations are filtered on their group: what counts as speed is the angle per second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.model import HandPose


@dataclass(frozen=True, kw_only=True)
class Smoothness:
    """How much is smoothed.

    Attributes:
        cutoff: Of what stands still [Hz].
        turn: By how much the cutoff rises per speed of a rotation [Hz per rad/s].
        move: Likewise of the wrist, whose speed is taken relative to its distance from the camera [Hz per 1/s].
        speed_cutoff: Of the speeds themselves [Hz].
    """

    cutoff: float = 2.0
    turn: float = 0.3
    move: float = 2.0
    speed_cutoff: float = 1.5


class PoseFilter:
    """Smooths one hand's pose, frame by frame.

    Args:
        smoothness: How much.
    """

    def __init__(self, smoothness: Smoothness | None = None):
        self._how = smoothness or Smoothness()
        self._last: HandPose | None = None
        self._time = 0.0
        self._speed: dict[str, Tensor] = {}

    def __call__(self, pose: HandPose, time: float) -> HandPose:
        """The smoothed pose.

        Args:
            pose: As it was found, without batch axes.
            time: When [s]; later than the time before.

        Raises:
            ValueError: Time does not go on.
        """
        if self._last is None:
            self._last, self._time = pose, time
            return pose
        step = time - self._time
        if step <= 0:
            raise ValueError(f"expected a time after {self._time:g} s, got {time:g} s")
        last = self._last
        distance = last.t_cam_root.norm().clamp_min(1e-3)
        smoothed = replace(
            pose,
            R_cam_root=self._turned("root", last.R_cam_root[None], pose.R_cam_root[None], step)[0],
            R_parent_joint=self._turned("joints", last.R_parent_joint, pose.R_parent_joint, step),
            t_cam_root=last.t_cam_root
            + self._share("wrist", (pose.t_cam_root - last.t_cam_root)[None] / distance, step, self._how.move)[0]
            * (pose.t_cam_root - last.t_cam_root),
        )
        self._last, self._time = smoothed, time
        return smoothed

    @property
    def state(self) -> dict[str, Any]:
        """All that it remembers, as JSON has it."""
        last = None if self._last is None else {name: value.tolist() for name, value in vars(self._last).items()}
        return {"pose": last, "time": self._time, "speed": {name: x.tolist() for name, x in self._speed.items()}}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        last = state["pose"]
        self._last = None if last is None else HandPose(**{name: torch.tensor(x) for name, x in last.items()})
        self._time = state["time"]
        self._speed = {name: torch.tensor(x) for name, x in state["speed"].items()}

    def _turned(
        self, name: str, last: Float[Tensor, "n 3 3"], new: Float[Tensor, "n 3 3"], step: float
    ) -> Float[Tensor, "n 3 3"]:
        way = roma.rotmat_to_rotvec(last.mT @ new)
        return last @ roma.rotvec_to_rotmat(self._share(name, way, step, self._how.turn) * way)

    def _share(self, name: str, way: Float[Tensor, "n 3"], step: float, rise: float) -> Float[Tensor, "n 1"]:
        """Which share of the way to the new value to go."""
        speed, before = way / step, self._speed.get(name)
        if before is not None:
            speed = before + _alpha(torch.tensor(self._how.speed_cutoff), step) * (speed - before)
        self._speed[name] = speed
        return _alpha(self._how.cutoff + rise * speed.norm(dim=-1, keepdim=True), step)


def _alpha(cutoff: Tensor, step: float) -> Tensor:
    """Smoothing factor of a low-pass filter of first order (alpha in the paper): 1 lets everything through."""
    turns = 2 * math.pi * cutoff * step
    return turns / (1 + turns)
