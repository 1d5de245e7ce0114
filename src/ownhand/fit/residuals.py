"""What a fit minimises, and its derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.fit.placing import NEAR, place
from ownhand.geometry.camera import Camera
from ownhand.geometry.least_squares import State
from ownhand.geometry.rotations import inverse_right_jacobian
from ownhand.hand.joint_chain import JointChain
from ownhand.hand.limits import JointLimits
from ownhand.structs import TensorStruct

Block = tuple[Tensor, Tensor, Tensor]
"""Residuals `[batch m]`, their Jacobian `[batch m n]` (missing last columns are zero) and their cost `[batch]`."""


@dataclass(frozen=True, kw_only=True)
class Problem(TensorStruct):
    """The residuals of a flat batch of fits, and how they follow the unknowns (rotations, translation, log scale).

    A hand is seen by one or several cameras; the unknowns are in the frame of the first one. What is known of depth and
    distance is only for a hand that one camera sees.
    """

    chain: JointChain
    R_start: Float[Tensor, "*batch 16 3 3"]
    K: Float[Tensor, "*batch cameras 3 3"]
    central_ray: Float[Tensor, "*batch 3"]
    keypoints: Float[Tensor, "*batch cameras 21 2"]
    precision: Float[Tensor, "*batch cameras 21"]
    R_cam_first: Float[Tensor, "*batch cameras 3 3"] | None
    t_cam_first: Float[Tensor, "*batch cameras 3"] | None
    whitening: Float[Tensor, "48 48"]
    limits: JointLimits | None
    depth: Float[Tensor, "*batch 21"] | None
    depth_precision: Float[Tensor, "21"] | None
    distance: Float[Tensor, "*batch"]
    distance_sigma: Float[Tensor, "*batch"] | None
    robust: float | None
    size_sigma: float | None

    def start(self, t: Tensor, confidence: Tensor, size: tuple[int, int]) -> Tensor:
        """The given translations, but `place`d where they are impossible."""
        bad = ~self.in_front(t)
        if not bad.any():
            return t
        joints = self.chain.joints(self.R_start)
        camera = Camera(K=self.K[:, 0], size=size)
        return torch.where(bad[:, None], place(joints, self.keypoints[:, 0], confidence, camera), t)

    def in_front(self, t: Float[Tensor, "batch 3"]) -> Bool[Tensor, "batch"]:
        """Whether hands in their first pose are wholly in front of their cameras there."""
        depth = self._before_cameras(self.chain.joints(self.R_start) + t[:, None])[..., 2]
        return (depth > NEAR).all((-2, -1)) & t.isfinite().all(-1)

    def retract(self, state: State, step: Tensor) -> State:
        R, t, log_scale = state
        turn = roma.rotvec_to_rotmat(step[:, :48].unflatten(-1, (16, 3)))
        return R @ turn, t + step[:, 48:51], log_scale + step[:, 51:] if self.size_sigma else log_scale

    def linearise(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """Residuals, Jacobian and cost; columns: 48 rotations, 3 translation, the log scale if it is free."""
        R, t, log_scale = state
        joints, by_turn = self.chain.joints_and_jacobian(R)
        by_move = torch.eye(3).to(t).expand(*joints.shape, 3)
        if self.size_sigma:
            joints, by_turn = joints * log_scale[..., None].exp(), by_turn * log_scale[..., None, None].exp()
            by_move = torch.cat([by_move, joints[..., None]], -1)
        by_state = torch.cat([by_turn, by_move], -1)
        blocks = [self._reprojection(joints + t[:, None], by_state), self._prior(R)]
        if self.depth is not None and self.depth_precision is not None:
            blocks.append(self._relative_depth(joints, by_state, self.depth, self.depth_precision))
        if self.distance_sigma is not None:
            blocks.append(self._distance(t, self.distance_sigma))
        if self.limits is not None:
            blocks.append(_beyond(self.limits, R))
        if self.size_sigma:
            blocks.append(_size(log_scale, self.size_sigma))
        residuals = torch.cat([r for r, _, _ in blocks], -1)
        jacobian = residuals.new_zeros(*residuals.shape, by_state.shape[-1])
        top = 0
        for _, J, _ in blocks:
            jacobian[:, top : top + J.shape[1], : J.shape[2]] = J
            top += J.shape[1]
        return residuals, jacobian, torch.stack([cost for _, _, cost in blocks]).sum(0)

    def reprojection(self, joints: Tensor) -> Tensor:
        """Mean distance to the keypoints in use [px]; NaN if there are none."""
        distance = (Camera(K=self.K, size=(0, 0)).project(self._before_cameras(joints)) - self.keypoints).norm(dim=-1)
        used = self.precision > 0
        return torch.where(used, distance, 0).sum((-2, -1)) / used.sum((-2, -1))

    def reprojection_jacobian(
        self, joints: Float[Tensor, "batch 21 3"], by_unknowns: Float[Tensor, "batch 21 3 n"]
    ) -> Float[Tensor, "batch m n"]:
        """How the first residuals, 42 of each camera, follow anything that the joints follow."""
        return self._reprojection(joints, by_unknowns)[1]

    def _before_cameras(self, points: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch cameras 21 3"]:
        if self.R_cam_first is None or self.t_cam_first is None:
            return points[:, None]
        return points[:, None] @ self.R_cam_first.mT + self.t_cam_first[:, :, None]

    def _reprojection(self, points: Tensor, by_state: Tensor) -> Block:
        """Infinite cost for a hand that is not in front of any of its cameras."""
        points = self._before_cameras(points)
        homogeneous = points @ self.K.mT
        depth = homogeneous[..., 2:]
        pixels = homogeneous[..., :2] / depth
        by_point = (self.K[:, :, None, :2] - pixels[..., None] * self.K[:, :, None, 2:]) / depth[..., None]
        if self.R_cam_first is not None:
            by_point = by_point @ self.R_cam_first[:, :, None]
        residuals = (pixels - self.keypoints) * self.precision[..., None]
        weight, cost = self._bounded(residuals.square().sum(-1))
        by_point = by_point * (weight * self.precision)[..., None, None]
        by_state = by_state[:, None]
        jacobian = torch.stack([by_point[..., i, None] * by_state[..., None, i, :] for i in range(3)]).sum(0)
        in_front = (points[..., 2] > NEAR).all((-2, -1))
        residuals = residuals * weight[..., None]
        return residuals.flatten(-3), jacobian.flatten(-4, -2), torch.where(in_front, cost.sum(-1), torch.inf)

    def _prior(self, R: Tensor) -> Block:
        deviation = roma.rotmat_to_rotvec(self.R_start.mT @ R)
        whitening = self.whitening.unflatten(-1, (16, 3))
        by_turn = torch.einsum("iac,nack->niak", whitening, inverse_right_jacobian(deviation))
        residuals = deviation.flatten(-2) @ self.whitening.mT
        return residuals, by_turn.flatten(-2), residuals.square().sum(-1)

    def _relative_depth(self, joints: Tensor, by_state: Tensor, depth: Tensor, precision: Tensor) -> Block:
        precision = torch.where(self.precision[:, 0] > 0, precision, torch.zeros_like(self.precision[:, 0]))
        along = (joints @ self.central_ray[..., None])[..., 0]
        residuals = (along - torch.where(precision > 0, depth, torch.zeros_like(depth))) * precision
        weight, cost = self._bounded(residuals.square())
        along_by_state = (self.central_ray[:, None, None] @ by_state)[..., 0, :]
        jacobian = along_by_state * (weight * precision)[..., None]
        jacobian[..., 48:51] = 0  # relative to the wrist: t does not count
        return residuals * weight, jacobian, cost

    def _distance(self, t: Tensor, sigma: Tensor) -> Block:
        """Along the crop's central ray. Keeps a hand whose keypoints count as gross errors from running away."""
        along = (t * self.central_ray).sum(-1)
        residuals = ((along / self.distance).log() / sigma)[:, None]
        jacobian = residuals.new_zeros(len(t), 1, 51)
        jacobian[:, 0, 48:] = self.central_ray / (along * sigma)[:, None]
        return residuals, jacobian, residuals.square()[:, 0].nan_to_num(nan=torch.inf)

    def _bounded(self, square: Float[Tensor, "*batch k"]) -> tuple[Float[Tensor, "*batch k"], Float[Tensor, "*batch"]]:
        """Square roots of the weights, and cost, of residuals with these squares; Geman-McClure if robust."""
        if self.robust is None:
            return torch.ones_like(square), square.sum(-1)
        weight = 1 / (1 + square / self.robust**2)
        return weight, (square * weight).sum(-1)


def _beyond(limits: JointLimits, R: Tensor) -> Block:
    residuals, by_turn = limits.residuals_and_jacobian(R[:, 1:])
    spread = by_turn[..., None, :] * torch.eye(15).to(by_turn)[:, None, :, None]
    jacobian = torch.nn.functional.pad(spread.flatten(-2).flatten(1, 2), (3, 0))
    return residuals.flatten(-2), jacobian, residuals.square().sum((-2, -1))


def _size(log_scale: Tensor, sigma: float) -> Block:
    residuals = log_scale / sigma
    jacobian = residuals.new_zeros(len(residuals), 1, 52)
    jacobian[..., -1] = 1 / sigma
    return residuals, jacobian, residuals.square()[:, 0]
