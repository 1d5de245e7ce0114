"""What 2D keypoints say of a person's shape: per picture, whatever the pose; and of many pictures at once."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.fit.fitting import make_problem, solve
from ownhand.fit.rig import hands_seen_at_once
from ownhand.geometry.camera import Camera, Placement
from ownhand.hand.identity import ShapeLikelihood
from ownhand.hand.joint_chain import joints_by_shape
from ownhand.hand.limits import JointLimits
from ownhand.hand.measure import size_direction
from ownhand.hand.model import HandModel, HandPose
from ownhand.hand.pose_prior import PosePrior

ROUNDS = 10
"""Gauss-Newton steps of `fit_shape` at most."""


def shape_likelihood(
    model: HandModel,
    pose: HandPose,
    keypoints: Float[Tensor, "pictures 21 2"],
    confidence: Float[Tensor, "pictures 21"],
    camera: Camera,
    prior: PosePrior,
    *,
    around: Float[Tensor, "shapes"] | None = None,
    placement: Placement | None = None,
    limits: JointLimits | None = None,
    robust: float | None = 2.0,
    max_iterations: int = 20,
) -> ShapeLikelihood:
    """What the keypoints of each picture say of the person's shape, whatever the pose.

    A hand is fitted to the keypoints. There, the residuals are linear in a change of pose x and of shape b,

        [H_xx  H_xb; H_bx  H_bb] = J^T J,   [g_x; g_b] = J^T r,

    and without x (Schur complement) the likelihood of b has precision H_bb - H_bx H_xx^-1 H_xb and gradient
    g_b - H_bx H_xx^-1 g_x. The product over pictures is one Gauss-Newton step of fitting one shape and all poses
    together.

    Around the mean hand, size is taken out likewise: a hand twice as large and twice as far looks the same. (At another
    hand, growing also stretches the proportions, and taking size out would take them along.)

    Args:
        model: Hand model.
        pose: The network's poses of right hands, placed before the camera.
        keypoints: As in `fit`, likewise the other arguments.
        confidence: Where fewer than two keypoints of a picture have any, it says nothing.
        camera: Intrinsics.
        prior: Errors to expect from the networks.
        around: The hand at which the residuals are made linear, size then left in; the mean hand, without its size,
            when None.
        placement: Where the cameras stood, if that is known. A hand that several saw at one instant is then one hand in
            one place, whose size they show; what it says is divided evenly among its pictures. Needs `around`.
        limits: Joint limits.
        robust: See `fit`. Bolder than there: a wrong pose spoils one picture, a wrong shape all.
        max_iterations: Of the fits.

    Raises:
        ValueError: As `fit`; a placement without `around`.
    """
    if placement is not None and around is None:
        raise ValueError("cameras in known places show the size, so a shape is expected around which to look for it")
    with torch.no_grad():
        shape = torch.zeros_like(model.shape_basis[0, 0]) if around is None else around.to(model.template)
        hand = model.shaped(shape)
        problem, t, _ = make_problem(hand, pose, keypoints, confidence, camera, prior, limits=limits, robust=robust)
        group = torch.arange(len(t))
        if placement is not None:
            problem, t, group = hands_seen_at_once(problem, t, placement)
        solution, fitted = solve(problem, t, max_iterations, 1e-3)
        residuals, by_pose, _ = problem.linearise(solution.state)
        R, t, _ = solution.state
        by_shape = problem.reprojection_jacobian(problem.chain.joints(R) + t[:, None], joints_by_shape(model, R))
        J, r, S = by_pose.double(), residuals.double()[..., None], by_shape.double()
        H, to_pose = J.mT @ J, J[:, : S.shape[1]].mT @ S  # the first residuals are the reprojections
        H.diagonal(dim1=-2, dim2=-1).mul_(1 + 1e-9).add_(1e-6)  # a picture without keypoints shows no position
        explained = torch.linalg.solve(H, torch.cat([to_pose, J.mT @ r], -1))
        precision = S.mT @ S - to_pose.mT @ explained[..., :-1]
        information = to_pose.mT @ explained[..., -1:] - S.mT @ r[:, : S.shape[1]]
        if around is None:
            precision, information = _without_size(model, precision, information)
        information = information + precision @ shape.double()[:, None]
        share = fitted / group.bincount(minlength=len(fitted))
        return ShapeLikelihood(
            precision=torch.where(fitted[:, None, None], (precision + precision.mT) / 2 * share[:, None, None], 0)[
                group
            ],
            information=torch.where(fitted[:, None], information[..., 0] * share[:, None], 0)[group],
        )


def fit_shape(
    model: HandModel,
    pose: HandPose,
    keypoints: Float[Tensor, "pictures 21 2"],
    confidence: Float[Tensor, "pictures 21"],
    camera: Camera,
    prior: PosePrior,
    *,
    start: Float[Tensor, "shapes"],
    placement: Placement | None = None,
    limits: JointLimits | None = None,
    robust: float | None = 2.0,
    tolerance: float = 0.01,
) -> ShapeLikelihood:
    """One shape and all poses fitted together to the keypoints of all pictures of a person.

    Minimised is the cost of `fit`, summed over the pictures, and |b|^2, the prior of shapes over people. For a given
    shape each picture's pose is fitted on its own; the shape then moves by the Gauss-Newton step that the Schur
    complements of all pictures give (`shape_likelihood` around it), and so on until it rests.

    Args:
        model: Hand model.
        pose: As in `shape_likelihood`, likewise the other arguments.
        keypoints: Where the joints are seen [px].
        confidence: Of the keypoints.
        camera: Intrinsics.
        prior: Errors to expect from the networks; what it expects of the distance is left out.
        start: First shape, such as the paper's solution.
        placement: Where the cameras stood. Without, each picture has a pose of its own and size is hardly seen.
        limits: Joint limits.
        robust: See `fit`.
        tolerance: Of the shape, in standard deviations of people.

    Returns:
        What each picture says around the answer, which is `posterior` of it.

    Raises:
        ValueError: As `fit`.
    """
    shape, said, prior = start.double(), None, replace(prior, distance_sigma=None)  # the distance follows the size
    for _ in range(ROUNDS):
        said = shape_likelihood(
            model,
            pose,
            keypoints,
            confidence,
            camera,
            prior,
            around=shape,
            placement=placement,
            limits=limits,
            robust=robust,
        )
        found, _ = said.posterior()
        moved, shape = (found - shape).abs().max(), found
        if moved < tolerance:
            break
    assert said is not None
    return said


def _without_size(
    model: HandModel, precision: Float[Tensor, "pictures n n"], information: Float[Tensor, "pictures n 1"]
) -> tuple[Float[Tensor, "pictures n n"], Float[Tensor, "pictures n 1"]]:
    size = torch.nn.functional.normalize(size_direction(model).double(), dim=0)[:, None]
    seen = precision @ size
    smallest = 1e-9 * precision.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(1e-9)
    share = seen / torch.maximum(size.mT @ seen, smallest[:, None, None])
    return precision - share @ seen.mT, information - share @ (size.mT @ information)
