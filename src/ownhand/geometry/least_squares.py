"""Batched Levenberg-Marquardt: many small nonlinear least-squares problems at once, each with its own damping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

State = tuple[Tensor, ...]
"""The unknowns, as tensors that share one leading batch axis."""

MAX_DAMPING = 1e8


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Where each problem ended.

    Attributes:
        state: The unknowns.
        cost: What was minimised, never above that of the start; NaN or infinite if the start's was.
        start_cost: The same at the start.
        iterations: Steps tried.
        converged: Whether the last step promised less than the tolerance. False also for a start without finite cost.
    """

    state: State
    cost: Float[Tensor, "batch"]
    start_cost: Float[Tensor, "batch"]
    iterations: Int[Tensor, "batch"]
    converged: Bool[Tensor, "batch"]


def add(state: State, step: Float[Tensor, "batch n"]) -> State:
    """The retraction of a plain vector of unknowns."""
    return (state[0] + step,)


def levenberg_marquardt(
    linearise: Callable[[State], tuple[Tensor, Tensor, Tensor]],
    start: State,
    retract: Callable[[State, Tensor], State] = add,
    *,
    max_iterations: int = 20,
    damping: float = 1e-3,
    relative_tolerance: float = 1e-6,
    absolute_tolerance: float = 0.0,
) -> Solution:
    """Minimise a sum of squares |r(x)|^2, or a robust cost, for each problem of a batch (Marquardt 1963; damping after Nielsen 1999).

    A step solves (H + damping diag H) step = -g with H = J^T J, g = J^T r, and is kept only where it lowers the cost.
    A problem that has converged is frozen. A matrix that Cholesky refuses counts as a rejected step, so its damping
    grows until it is positive definite. There is one host synchronisation per iteration.

    Args:
        linearise: Residuals r `[batch m]`, their Jacobian J `[batch m n]` with respect to the step at zero, and the cost
            `[batch]` at a state. The cost is |r|^2, or a robust one with gradient 2 J^T r, for r and J scaled by
            the square roots of its weights (iteratively reweighted). States without finite cost are never entered.
        start: First state.
        retract: Moves a state by a step `[batch n]`; addition by default. Rotations: R exp(step).
        max_iterations: Steps tried at most.
        damping: First damping, relative to the diagonal of H.
        relative_tolerance: Converged when a step promises to lower the cost by less than this share of it,
        absolute_tolerance: or by less than this.
    """
    cost, gradient, hessian = _normal_equations(*linearise(start))
    state, start_cost = start, cost
    n, eps = gradient.shape[-1], torch.finfo(cost.dtype).eps
    eye = torch.eye(n, dtype=cost.dtype, device=cost.device)
    damp, growth = torch.full_like(cost, damping), torch.full_like(cost, 2.0)
    iterations = torch.zeros(cost.shape, dtype=torch.int64, device=cost.device)
    converged = cost <= absolute_tolerance
    stopped = converged | ~cost.isfinite()
    for _ in range(max_iterations):
        if stopped.all():
            break
        iterations = iterations + ~stopped
        step, promised, solved = _damped_step(gradient, hessian, damp, eye)
        new_state = retract(state, step)
        new_cost, new_gradient, new_hessian = _normal_equations(*linearise(new_state))

        tolerance = relative_tolerance * cost + absolute_tolerance
        converged = converged | (~stopped & solved & (damp <= 1) & (promised <= tolerance))
        accepted = ~stopped & solved & (new_cost < cost)
        gain = (cost - new_cost) / promised.clamp_min(torch.finfo(cost.dtype).tiny)
        shrink = (1 - (2 * gain - 1) ** 3).clamp(0.1, 2.0)
        damp = torch.where(accepted, (damp * shrink).clamp_min(n * eps), damp * growth)
        growth = torch.where(accepted, 2.0, growth * 2)

        state = tuple(_where(accepted, new, old) for new, old in zip(new_state, state, strict=True))
        gradient = _where(accepted, new_gradient, gradient)
        hessian = _where(accepted, new_hessian, hessian)
        cost = torch.where(accepted, new_cost, cost)
        stopped = stopped | converged | (damp > MAX_DAMPING)
    return Solution(state=state, cost=cost, start_cost=start_cost, iterations=iterations, converged=converged)


def _normal_equations(residuals: Tensor, jacobian: Tensor, cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gradient = (jacobian.mT @ residuals[..., None])[..., 0]
    return cost, gradient, jacobian.mT @ jacobian


def _damped_step(gradient: Tensor, hessian: Tensor, damp: Tensor, eye: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step, the decrease of the cost that the linear model promises, and whether the system could be solved.

    Unknowns are first scaled to a unit diagonal, which keeps float32 accurate whatever their units.
    """
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    scale = torch.where(diagonal > 0, diagonal, 1).rsqrt()
    scaled = hessian * scale[..., None] * scale[..., None, :] + damp[..., None, None] * eye
    factor, info = torch.linalg.cholesky_ex(scaled)
    solved = info == 0
    step = torch.cholesky_solve(-(gradient * scale)[..., None], factor)[..., 0]
    step = torch.where(solved[..., None], step, 0)
    promised = (step * (damp[..., None] * step - gradient * scale)).sum(-1)
    return step * scale, promised, solved


def _where(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
