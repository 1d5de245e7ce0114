"""Pose and position of hands of known shape from 2D keypoints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand.fit.residuals import Problem
from ownhand.geometry.camera import Camera
from ownhand.geometry.least_squares import Solution, levenberg_marquardt
from ownhand.hand.joint_chain import JointChain
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandPose, ShapedHand
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.structs import TensorStruct


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
    max_iterations: int = 10,
    tolerance: float = 3e-3,
) -> FitResult:
    """Pose and position of a hand of known shape, most probable given keypoints and a first pose.

    The unknowns are 16 rotations, moved as R exp(delta), and the translation. The sum of squares has the
    reprojection errors over `prior.sigma(confidence)`, the deviation from the given rotations whitened by
    `prior.covariance`, the logarithm of the wrist's distance over the given one, divided by `prior.distance_sigma` (the
    larger the less sure the keypoints are), and what the optional arguments add. Without a `distance_sigma` the given
    translation is only a start. One that is not finite or not in front of the camera is replaced by `place`.

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
        keypoint_depth: How much farther than the wrist each joint is along the ray through the picture's centre [m],
            weighted by `prior.depth_sigma`.
        robust: If given, the cost of a keypoint, and of its depth, is bounded (Geman & McClure 1985); the number is the
            error, in standard deviations, at which half of the bound is reached.
        size_sigma: If given, the size is fitted as well, with this standard deviation of its logarithm.
        max_iterations: Steps at most.
        tolerance: Converged with a step that promises to lower the cost by less than this share. The default leaves the
            pose a small part of its standard deviation away from the optimum.

    Raises:
        ValueError: Shapes disagree, confidence is negative or not a number, a keypoint with confidence or its depth is
            not finite, or there is `keypoint_depth` but the prior has no `depth_sigma`.
    """
    with torch.no_grad():
        options = {"limits": limits, "robust": robust, "keypoint_depth": keypoint_depth, "size_sigma": size_sigma}
        problem, t, batch = make_problem(hand, pose, keypoints, confidence, camera, prior, **options)
        given = pose.t_cam_root.reshape(-1, 3)
        solution, fitted = solve(problem, t, max_iterations, tolerance)
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


def make_problem(
    hand: ShapedHand,
    pose: HandPose,
    keypoints: Tensor,
    confidence: Tensor,
    camera: Camera,
    prior: PosePrior,
    *,
    limits: JointLimits | None,
    robust: float | None,
    keypoint_depth: Tensor | None = None,
    size_sigma: float | None = None,
) -> tuple[Problem, Float[Tensor, "n 3"], torch.Size]:
    """The residuals of a batch of fits, laid flat, where the translations start, and the batch axes; see `fit`."""
    batch = _checked(hand, pose, keypoints, confidence, camera, prior, keypoint_depth)
    unsure = prior.unsureness(confidence)
    problem = Problem(
        chain=_flat_chain(JointChain.of(hand), batch),
        R_start=stacked_rotations(pose).reshape(-1, 16, 3, 3),
        K=camera.K.to(keypoints).expand(*batch, 3, 3).reshape(-1, 1, 3, 3),
        central_ray=camera.crop_frame()[..., 2].to(keypoints).expand(*batch, 3).reshape(-1, 3),
        keypoints=torch.where(confidence[..., None] > 0, keypoints, 0).reshape(-1, 1, 21, 2),
        precision=torch.where(confidence > 0, 1 / prior.sigma(confidence), 0).reshape(-1, 1, 21),
        R_cam_first=None,
        t_cam_first=None,
        whitening=prior.whitening(),
        limits=limits,
        depth=None if keypoint_depth is None else keypoint_depth.reshape(-1, 21),
        depth_precision=None if prior.depth_sigma is None else 1 / prior.depth_sigma,
        distance=confidence.new_ones(batch.numel()),
        distance_sigma=None if prior.distance_sigma is None else prior.distance_sigma * unsure.reshape(-1),
        robust=robust,
        size_sigma=size_sigma,
    )
    t = problem.start(pose.t_cam_root.reshape(-1, 3), confidence.reshape(-1, 21), camera.size)
    return replace(problem, distance=(t * problem.central_ray).sum(-1)), t, batch


def solve(
    problem: Problem, t: Float[Tensor, "n 3"], max_iterations: int, tolerance: float
) -> tuple[Solution, Bool[Tensor, "n"]]:
    """Where the fits end, and which of them had something to fit."""
    solution = levenberg_marquardt(
        lambda state, rows: (problem if len(rows) == len(t) else problem[rows]).linearise(state),
        (problem.R_start, t, t.new_zeros(len(t), 1)),
        problem.retract,
        max_iterations=max_iterations,
        relative_tolerance=tolerance,
    )
    enough = (problem.precision > 0).sum((-2, -1)) >= 2
    return solution, enough & solution.cost.isfinite()


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
    if keypoint_depth is not None and not keypoint_depth[confidence > 0].isfinite().all():
        raise ValueError("expected finite keypoint_depth wherever confidence is positive, got NaN or infinity")
    return batch
