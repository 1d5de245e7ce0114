"""How far joints bend, as residuals: zero within the limits, growing outside."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, rotations_from_angles
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class JointLimits(TensorStruct):
    """Limits of the 15 joints, on angles that stay regular at any flexion.

    `anatomy` defines angles as R = R_abduction R_flexion R_twist, whose abduction and twist cannot be told apart at 90
    degrees of flexion. Here the same rotation is read as R_flexion R_abduction R_twist, singular only at 90 degrees of
    abduction, and each limit is the smallest interval that contains every pose within the anatomical ones. For
    joints with one axis both are the same.

    Attributes:
        axes: Axes at rest, columns twist, abduction, flexion.
        sign: 1 where the three axes are right-handed, -1 where they are left-handed.
        low, high: Limits of (twist, abduction, flexion) in that reading [rad].
        sigma: Softness: one unit of residual per this angle beyond a limit [rad].
    """

    axes: Float[Tensor, "15 3 3"]
    sign: Float[Tensor, "15 1"]
    low: Float[Tensor, "15 3"]
    high: Float[Tensor, "15 3"]
    sigma: float = 0.1

    @classmethod
    def of(cls, limits: Float[Tensor, "15 3 2"], axes: Float[Tensor, "15 3 3"], sigma: float = 0.1) -> JointLimits:
        """From the tables of `anatomy.joint_limits` and `HandModel.axes`.

        Args:
            limits: Lowest and highest angle about each axis [rad].
            axes: Columns are twist, abduction, flexion.
            sigma: Softness [rad].
        """
        steps = torch.linspace(0, 1, 13).to(limits)
        grid = torch.cartesian_prod(steps, steps, steps)[:, None]
        angles = limits[..., 0] + grid * (limits[..., 1] - limits[..., 0])
        sign = torch.linalg.det(axes).sign()[:, None]
        found = _angles(axes.mT @ rotations_from_angles(angles, axes) @ axes) * sign
        return cls(axes=axes, sign=sign, low=found.amin(0), high=found.amax(0), sigma=sigma)

    def angles(self, R_parent_joint: Float[Tensor, "*batch 15 3 3"]) -> Float[Tensor, "*batch 15 3"]:
        """Twist, abduction and flexion in this reading: R = R_flexion R_abduction R_twist [rad]."""
        return _angles(self.axes.mT @ R_parent_joint @ self.axes) * self.sign

    def rotations(self, angles: Float[Tensor, "*batch 15 3"]) -> Float[Tensor, "*batch 15 3 3"]:
        """Joint rotations of such angles [rad]."""
        R = roma.rotvec_to_rotmat(angles[..., None] * self.axes.mT)
        return R[..., FLEXION, :, :] @ R[..., ABDUCTION, :, :] @ R[..., TWIST, :, :]

    def residuals(self, R_parent_joint: Float[Tensor, "*batch 15 3 3"]) -> Float[Tensor, "*batch 15 3"]:
        """How far beyond its limits each joint is, in units of sigma, signed."""
        return self._beyond(self.angles(R_parent_joint))

    def residuals_and_jacobian(
        self, R_parent_joint: Float[Tensor, "*batch 15 3 3"]
    ) -> tuple[Float[Tensor, "*batch 15 3"], Float[Tensor, "*batch 15 3 3"]]:
        """The residuals and how they follow R exp(delta), joint by joint [1/rad]."""
        angles = _angles(self.axes.mT @ R_parent_joint @ self.axes)
        residuals = self._beyond(angles * self.sign)
        twist, abduction = angles[..., TWIST], angles[..., ABDUCTION]
        sin, cos, one, zero = twist.sin(), twist.cos(), torch.ones_like(twist), torch.zeros_like(twist)
        tan, secant = abduction.tan(), 1 / abduction.cos()
        rates = torch.stack([one, sin * tan, cos * tan, zero, cos, -sin, zero, sin * secant, cos * secant], -1)
        rates = rates.unflatten(-1, (3, 3)) @ self.axes.mT
        return residuals, rates * (residuals != 0)[..., None] / self.sigma

    def _beyond(self, angles: Tensor) -> Tensor:
        return (angles - angles.clamp(self.low, self.high)) / self.sigma


def _angles(R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Twist, abduction and flexion of R = R_z(flexion) R_y(abduction) R_x(twist) [rad]."""
    angles = [R[..., 0, 0]] * 3
    angles[FLEXION] = torch.atan2(R[..., 1, 0], R[..., 0, 0])
    angles[ABDUCTION] = torch.atan2(-R[..., 2, 0], torch.hypot(R[..., 0, 0], R[..., 1, 0]))
    angles[TWIST] = torch.atan2(R[..., 2, 1], R[..., 2, 2])
    return torch.stack(angles, -1)
