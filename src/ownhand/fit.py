"""A hand of known shape fitted to its 2D keypoints: position first, then pose by Levenberg-Marquardt.

Nothing here is differentiable: fitting happens after training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.geometry.least_squares import State, levenberg_marquardt
from ownhand.geometry.rotations import inverse_right_jacobian
from ownhand.hand.joint_chain import JointChain
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandPose, ShapedHand
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.structs import TensorStruct

NEAR = 0.01
"""No joint may come closer to the camera than this along the optical axis [m]."""


@dataclass(frozen=True, kw_only=True)
class FitResult(TensorStruct):
    """A fitted hand.

    Attributes:
        pose: Fitted pose.
        joints: Its 21 joints, camera frame [m].
        scale: Size relative to the given hand; 1 unless the fit was allowed to change it.
        reprojection_px: Mean distance between keypoints and projected joints, over keypoints with confidence [px].
        start_cost, cost: Sum of squared whitened residuals before and after; it never grows.
        iterations: Steps tried.
        converged: False also where there was too little to fit: the pose is then the one given.
    """

    pose: HandPose
    joints: Float[Tensor, "*batch 21 3"]
    scale: Float[Tensor, "*batch"]
    reprojection_px: Float[Tensor, "*batch"]
    start_cost: Float[Tensor, "*batch"]
    cost: Float[Tensor, "*batch"]
    iterations: Int[Tensor, "*batch"]
    converged: Bool[Tensor, "*batch"]


def place(
    joints: Float[Tensor, "*batch n 3"],
    keypoints: Float[Tensor, "*batch n 2"],
    confidence: Float[Tensor, "*batch n"],
    camera: Camera,
    *,
    rounds: int = 3,
) -> Float[Tensor, "*batch 3"]:
    """Where a hand of known size and pose is: the translation that makes its joints project onto the keypoints.

    The first guess is weak perspective: the depth at which the hand has its apparent size. Then a few rounds of
    Gauss-Newton on the reprojection error; where one would lead behind the camera, the first guess remains.

    Args:
        joints: Joints relative to the wrist, along the camera's axes [m].
        keypoints: Where they are seen [px].
        confidence: Weight of each squared error; 0 leaves a keypoint out, whatever its value.
        camera: Intrinsics.
        rounds: Gauss-Newton steps.

    Returns:
        t_cam_root [m], in front of the camera; NaN where fewer than two keypoints have confidence.
    """
    used = confidence > 0
    keypoints = torch.where(used[..., None], keypoints, 0)
    X, weight = joints.double(), torch.where(used, confidence, 0).double()[..., None]
    xy = camera.to(torch.float64).rays(keypoints.double())[..., :2]
    total = weight.sum(-2, keepdim=True)

    def centred(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (weight * values).sum(-2, keepdim=True) / total
        return mean, (weight * (values - mean).square()).sum((-2, -1), keepdim=True).sqrt()

    (X_mean, _), (_, X_spread), (xy_mean, xy_spread) = centred(X), centred(X[..., :2]), centred(xy)
    distance = X_spread / xy_spread
    weak = torch.cat([xy_mean * distance, distance], -1) - X_mean
    weak[..., 2:] = torch.maximum(weak[..., 2:], NEAR - X[..., 2:].amin(-2, keepdim=True))
    t = weak
    for _ in range(rounds):
        points = X + t
        depth = points[..., 2:]
        seen = points[..., :2] / depth
        by_t = torch.cat([torch.eye(2).to(seen).expand(*seen.shape, 2), -seen[..., None]], -1) / depth[..., None]
        weighted = (by_t * weight[..., None]).flatten(-3, -2).mT
        error = (xy - seen).flatten(-2)[..., None]
        step = torch.linalg.solve_ex(weighted @ by_t.flatten(-3, -2), weighted @ error)[0].mT
        in_front = (points + step)[..., 2:].amin(-2, keepdim=True) > NEAR
        t = torch.where(in_front, t + step, weak)
    enough = used.sum(-1)[..., None] >= 2
    return torch.where(enough, t[..., 0, :], torch.nan).to(joints.dtype)


def fit(
    hand: ShapedHand,
    pose: HandPose,
    keypoints: Float[Tensor, "*batch 21 2"],
    confidence: Float[Tensor, "*batch 21"],
    camera: Camera,
    prior: PosePrior,
    *,
    limits: JointLimits | None = None,
    keypoint_depth: Float[Tensor, "*batch 21"] | None = None,
    robust: float | None = None,
    size_sigma: float | None = None,
    max_iterations: int = 15,
    tolerance: float = 1e-3,
) -> FitResult:
    """Pose and position of a hand of known shape, most probable given keypoints and a first pose.

    The unknowns are 16 rotations, moved as R exp(delta), and the translation. The sum of squares has the
    reprojection errors over `prior.sigma(confidence)`, the deviation from the given rotations whitened by
    `prior.covariance`, and what the optional arguments add. The given translation is only a start; one that is not
    finite or not in front of the camera is replaced by `place`.

    Work in the pixels for which the prior's keypoint noise holds: those of the keypoint network's crop, with the crop's
    camera. The camera frame, and so the answer, is the same.

    Args:
        hand: The person's hand; its batch axes broadcast.
        pose: The network's pose, where the prior has its centre.
        keypoints: Where the joints are seen [px].
        confidence: Confidence of the keypoints; 0 leaves one out, whatever its value. Where fewer than two have
            any, the given pose is returned with `converged` False; also where that pose is not finite.
        camera: Intrinsics; batch axes broadcast.
        prior: Errors to expect from the networks.
        limits: Joint limits; none by default.
        keypoint_depth: Depth of each joint relative to the wrist [m], weighted by `prior.depth_sigma`.
        robust: If given, errors of keypoints are bounded (Geman & McClure 1985); the number is the error, in standard
            deviations, at which half of the full cost is reached.
        size_sigma: If given, the size is fitted as well, with this standard deviation of its logarithm.
        max_iterations: Steps at most.
        tolerance: Converged when a step promises to lower the cost by less than this share.

    Raises:
        ValueError: Shapes disagree, confidence is negative or not a number, a keypoint with confidence is not
            finite, or there is `keypoint_depth` but the prior has no `depth_sigma`.
    """
    with torch.no_grad():
        batch = _checked(hand, pose, keypoints, confidence, camera, prior, keypoint_depth)
        problem = _Problem(
            chain=_flat_chain(JointChain.of(hand), batch),
            R_start=stacked_rotations(pose).reshape(-1, 16, 3, 3),
            K=camera.K.to(keypoints).expand(*batch, 3, 3).reshape(-1, 3, 3),
            keypoints=torch.where(confidence[..., None] > 0, keypoints, 0).reshape(-1, 21, 2),
            precision=torch.where(confidence > 0, 1 / prior.sigma(confidence), 0).reshape(-1, 21),
            whitening=prior.whitening(),
            limits=limits,
            depth=None if keypoint_depth is None else keypoint_depth.reshape(-1, 21),
            depth_precision=None if prior.depth_sigma is None else 1 / prior.depth_sigma,
            robust=robust,
            size_sigma=size_sigma,
        )
        given = pose.t_cam_root.reshape(-1, 3)
        t = problem.start(given, confidence.reshape(-1, 21), camera.size)
        log_scale = t.new_zeros(len(t), 1)
        solution = levenberg_marquardt(
            lambda state, rows: (problem if len(rows) == len(t) else problem[rows]).linearise(state),
            (problem.R_start, t, log_scale),
            problem.retract,
            max_iterations=max_iterations,
            relative_tolerance=tolerance,
        )
        enough = (problem.precision > 0).sum(-1) >= 2
        fitted = enough & solution.cost.isfinite()
        R, t, log_scale = solution.state
        R, t = torch.where(fitted[:, None, None, None], R, problem.R_start), torch.where(fitted[:, None], t, given)
        scale = torch.where(fitted, log_scale[:, 0].exp(), 1)
        joints = problem.chain.joints(R) * scale[:, None, None] + t[:, None]
        result = FitResult(
            pose=HandPose(R_cam_root=R[:, 0], R_parent_joint=R[:, 1:], t_cam_root=t),
            joints=joints,
            scale=scale,
            reprojection_px=problem.reprojection(joints),
            start_cost=solution.start_cost,
            cost=solution.cost,
            iterations=solution.iterations,
            converged=solution.converged & fitted,
        )
        return result._map(lambda x: x.unflatten(0, batch) if batch else x[0], batched_only=True)


@dataclass(frozen=True, kw_only=True)
class _Problem(TensorStruct):
    """The residuals of a flat batch of fits, and how they follow the unknowns (rotations, translation, log scale)."""

    chain: JointChain
    R_start: Float[Tensor, "*batch 16 3 3"]
    K: Float[Tensor, "*batch 3 3"]
    keypoints: Float[Tensor, "*batch 21 2"]
    precision: Float[Tensor, "*batch 21"]
    whitening: Float[Tensor, "48 48"]
    limits: JointLimits | None
    depth: Float[Tensor, "*batch 21"] | None
    depth_precision: Float[Tensor, "21"] | None
    robust: float | None
    size_sigma: float | None

    def start(self, t: Tensor, confidence: Tensor, size: tuple[int, int]) -> Tensor:
        """The given translations, but `place`d where they are impossible."""
        joints = self.chain.joints(self.R_start)
        bad = ~((joints + t[:, None])[..., 2] > NEAR).all(-1) | ~t.isfinite().all(-1)
        if not bad.any():
            return t
        return torch.where(bad[:, None], place(joints, self.keypoints, confidence, Camera(K=self.K, size=size)), t)

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
        *reprojection, bounded = self._reprojection(joints + t[:, None], by_state)
        blocks = [reprojection, self._prior(R)]
        if self.depth is not None:
            blocks.append(self._relative_depth(joints, by_state))
        if self.limits is not None:
            residuals, by_turn = self.limits.residuals_and_jacobian(R[:, 1:])
            blocks.append((residuals.flatten(-2), _block_diagonal(by_turn, before=3)))
        if self.size_sigma:
            blocks.append((log_scale / self.size_sigma, _last_column(log_scale, 52) / self.size_sigma))
        residuals = torch.cat([r for r, _ in blocks], -1)
        jacobian = residuals.new_zeros(*residuals.shape, by_state.shape[-1])
        top = 0
        for _, J in blocks:
            jacobian[:, top : top + J.shape[1], : J.shape[2]] = J
            top += J.shape[1]
        return residuals, jacobian, bounded + sum(r.square().sum(-1) for r, _ in blocks[1:])

    def reprojection(self, joints: Tensor) -> Tensor:
        """Mean distance to the keypoints in use [px]; NaN if there are none."""
        distance = (Camera(K=self.K, size=(0, 0)).project(joints) - self.keypoints).norm(dim=-1)
        used = self.precision > 0
        return torch.where(used, distance, 0).sum(-1) / used.sum(-1)

    def _reprojection(self, points: Tensor, by_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted residuals, Jacobian and cost; infinite cost for a hand that is not in front of the camera."""
        homogeneous = points @ self.K.mT
        depth = homogeneous[..., 2:]
        pixels = homogeneous[..., :2] / depth
        by_point = (self.K[:, None, :2] - pixels[..., None] * self.K[:, None, 2:]) / depth[..., None]
        residuals = (pixels - self.keypoints) * self.precision[..., None]
        weight, square = self.precision[..., None], residuals.square().sum(-1)
        if self.robust is not None:
            square_root = 1 / (1 + square / self.robust**2)
            residuals, weight = residuals * square_root[..., None], weight * square_root[..., None]
            square = square * square_root
        in_front = (points[..., 2] > NEAR).all(-1)
        by_point = by_point * weight[..., None]
        jacobian = sum(by_point[..., axis, None] * by_state[..., None, axis, :] for axis in range(3))
        return residuals.flatten(-2), jacobian.flatten(-3, -2), torch.where(in_front, square.sum(-1), torch.inf)

    def _prior(self, R: Tensor) -> tuple[Tensor, Tensor]:
        deviation = roma.rotmat_to_rotvec(self.R_start.mT @ R)
        by_turn = torch.einsum(
            "iac,nack->niak", self.whitening.unflatten(-1, (16, 3)), inverse_right_jacobian(deviation)
        )
        return deviation.flatten(-2) @ self.whitening.mT, by_turn.flatten(-2)

    def _relative_depth(self, joints: Tensor, by_state: Tensor) -> tuple[Tensor, Tensor]:
        precision = torch.where(self.precision > 0, self.depth_precision, 0)
        depth = torch.where(precision > 0, self.depth, 0)
        relative = by_state[..., 2, :].clone()
        relative[..., 50] = 0
        return (joints[..., 2] - depth) * precision, relative * precision[..., None]


def _block_diagonal(blocks: Float[Tensor, "batch k 3 3"], before: int) -> Float[Tensor, "batch rows columns"]:
    """Square blocks along the diagonal, after some columns of zeros."""
    k = blocks.shape[1]
    spread = blocks[..., None, :] * torch.eye(k).to(blocks)[:, None, :, None]
    return torch.nn.functional.pad(spread.flatten(-2).flatten(1, 2), (before, 0))


def _last_column(like: Tensor, n: int) -> Tensor:
    return torch.nn.functional.pad(torch.ones_like(like)[..., None], (n - 1, 0))


def _flat_chain(chain: JointChain, batch: torch.Size) -> JointChain:
    return replace(
        chain,
        pivots=chain.pivots.expand(*batch, 16, 3).reshape(-1, 16, 3),
        rest=chain.rest.expand(*batch, 21, 3).reshape(-1, 21, 3),
    )


def _checked(
    hand: ShapedHand,
    pose: HandPose,
    keypoints: Tensor,
    confidence: Tensor,
    camera: Camera,
    prior: PosePrior,
    keypoint_depth: Tensor | None,
) -> torch.Size:
    """The batch axes, once the arguments make sense."""
    batch = pose.batch_shape
    for name, value, own in (
        ("keypoints", keypoints, (21, 2)),
        ("confidence", confidence, (21,)),
        ("keypoint_depth", keypoint_depth, (21,)),
    ):
        if value is not None and value.shape != (*batch, *own):
            raise ValueError(f"expected {name} of shape {(*batch, *own)} like the pose, got {tuple(value.shape)}")
    for name, given in (("hand", hand.joints_16.shape[:-2]), ("camera", camera.batch_shape)):
        if len(given) > len(batch) or any(a not in (1, b) for a, b in zip(given[::-1], batch[::-1], strict=False)):
            raise ValueError(f"the batch axes of the {name}, {tuple(given)}, do not broadcast to the pose's {batch}")
    if not (confidence >= 0).all():
        raise ValueError("expected confidences of 0 or more, got a negative one or NaN")
    if not keypoints[confidence > 0].isfinite().all():
        raise ValueError("expected finite keypoints wherever confidence is positive, got NaN or infinity")
    if keypoint_depth is not None and prior.depth_sigma is None:
        raise ValueError("keypoint_depth needs a prior with depth_sigma")
    return batch
