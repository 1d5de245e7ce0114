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
    linearise: Callable[[State, Tensor], tuple[Tensor, Tensor, Tensor]],
    start: State,
    retract: Callable[[State, Tensor], State] = add,
    *,
    max_iterations: int = 20,
    damping: float = 1e-3,
    relative_tolerance: float = 1e-6,
    absolute_tolerance: float = 0.0,
) -> Solution:
    """Minimise a sum of squares |r(x)|^2, or a robust cost, for each problem of a batch.

    A step solves (H + damping diag H) step = -g with H = J^T J, g = J^T r (Marquardt 1963), and is kept only where it
    lowers the cost; the damping follows the gain (Nielsen 1999). A matrix that Cholesky refuses counts as a
    rejected step, so its damping grows until it is positive definite. Problems that are done leave the batch.
    There is one host synchronisation per iteration.

    Args:
        linearise: Takes a state and the indices of the problems it belongs to; gives residuals r `[batch m]`, their
            Jacobian J `[batch m n]` with respect to the step at zero, and the cost `[batch]`. The cost is |r|^2, or
            a robust one with gradient 2 J^T r, for r and J scaled by the square roots of its weights
            (iteratively reweighted). States without finite cost are never entered.
        start: First state.
        retract: Moves a state by a step `[batch n]`; addition by default. Rotations: R exp(step).
        max_iterations: Steps tried at most.
        damping: First damping, relative to the diagonal of H.
        relative_tolerance: Converged when a step promises to lower the cost by less than this share of it,
        absolute_tolerance: or by less than this.
    """
    rows = torch.arange(len(start[0]), device=start[0].device)
    now = _Iterate.at(start, linearise, rows)
    start_cost, cost, state = now.cost, now.cost.clone(), tuple(x.clone() for x in start)
    converged = now.cost <= absolute_tolerance
    stopped = converged | ~now.cost.isfinite()
    iterations = torch.zeros_like(rows)
    damp, growth = torch.full_like(cost, damping), torch.full_like(cost, 2.0)
    least_damping = now.gradient.shape[-1] * torch.finfo(cost.dtype).eps
    for _ in range(max_iterations):
        running = (~stopped).nonzero()[:, 0]
        if len(running) == 0:
            break
        if len(running) < len(rows):
            rows, now, stopped = rows[running], now.map(lambda x: x[running]), stopped[running]  # noqa: B023
            damp, growth = damp[running], growth[running]
        step, promised, solved = _damped_step(now.gradient, now.hessian, damp)
        new = _Iterate.at(retract(now.state, step), linearise, rows)

        small = solved & (damp <= 1) & (promised <= relative_tolerance * now.cost + absolute_tolerance)
        accepted = solved & (new.cost < now.cost)
        gain = (now.cost - new.cost) / promised.clamp_min(torch.finfo(cost.dtype).tiny)
        shrink = (1 - (2 * gain - 1) ** 3).clamp(0.1, 2.0)
        damp = torch.where(accepted, (damp * shrink).clamp_min(least_damping), damp * growth)
        growth = torch.where(accepted, 2.0, growth * 2)
        stopped = small | (damp > MAX_DAMPING)

        now = now.map(lambda old, new: _where(accepted, new, old), new)  # noqa: B023
        iterations[rows] += 1
        converged[rows] = small
        cost[rows] = now.cost
        for whole, part in zip(state, now.state, strict=True):
            whole[rows] = part
    return Solution(state=state, cost=cost, start_cost=start_cost, iterations=iterations, converged=converged)


@dataclass(frozen=True, kw_only=True)
class _Iterate:
    """A state, its cost, and its normal equations."""

    state: State
    cost: Float[Tensor, "batch"]
    gradient: Float[Tensor, "batch n"]
    hessian: Float[Tensor, "batch n n"]

    @classmethod
    def at(cls, state: State, linearise: Callable, rows: Tensor) -> _Iterate:
        residuals, jacobian, cost = linearise(state, rows)
        gradient = (jacobian.mT @ residuals[..., None])[..., 0]
        return cls(state=state, cost=cost, gradient=gradient, hessian=jacobian.mT @ jacobian)

    def map(self, function: Callable[..., Tensor], *others: _Iterate) -> _Iterate:
        parts = zip(*((*i.state, i.cost, i.gradient, i.hessian) for i in (self, *others)), strict=True)
        *state, cost, gradient, hessian = (function(*part) for part in parts)
        return _Iterate(state=tuple(state), cost=cost, gradient=gradient, hessian=hessian)


def _damped_step(gradient: Tensor, hessian: Tensor, damp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step, the decrease of the cost that the linear model promises, and whether the system could be solved.

    Unknowns are first scaled to a unit diagonal, which keeps float32 accurate whatever their units.
    """
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    scale = torch.where(diagonal > 0, diagonal, 1).rsqrt()
    scaled = hessian * scale[..., None] * scale[..., None, :]
    scaled.diagonal(dim1=-2, dim2=-1).add_(damp[..., None])
    factor, info = torch.linalg.cholesky_ex(scaled)
    solved = info == 0
    step = torch.cholesky_solve(-(gradient * scale)[..., None], factor)[..., 0]
    step = torch.where(solved[..., None], step, 0)
    promised = (step * (damp[..., None] * step - gradient * scale)).sum(-1)
    return step * scale, promised, solved


def _where(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
