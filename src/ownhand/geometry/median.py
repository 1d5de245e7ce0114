"""The weighted geometric median when every point measures distance in its own metric."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

_CONVERGED, _MAX_STEPS, _PATIENCE = 1e-13, 500, 20
_COINCIDENT = 1e-13
"""Distance below which points count as one, relative to the distance of the farthest."""


@dataclass(frozen=True, kw_only=True)
class Median:
    """The minimiser, and the proof that it is one.

    Attributes:
        point: The minimiser, float64.
        optimality: Relative distance of zero to the subdifferential there; see `subgradient_distance`. Known before the
            minimiser's offset from the best of the points is added to that point, which, where the offset is tiny,
            rounds most of it away.
        steps: Number of Newton or majorisation steps taken; 0 when the minimiser is one of the points.
    """

    point: Float[Tensor, "n"]
    optimality: float
    steps: int


def geometric_median(
    points: Float[Tensor, "k n"], metrics: Float[Tensor, "k n n"], weights: Float[Tensor, "k"]
) -> Median:
    """Minimise `sum_k w_k |x - p_k|_{H_k}` with `|e|_H = sqrt(e' H e)`, to machine precision.

    The sum is convex, and smooth but for a kink at each point. The best of the points is tested first: it is the
    answer when the pull of the others, measured in its inverse metric, is at most its weight. If it is not, a step off
    it makes the sum smaller than at any kink, so that further steps, which only ever make it smaller, meet none:
    Newton's where they help, else reweighted least squares (Weiszfeld 1937; Vardi and Zhang 2000), which always does.

    Args:
        points: p_k.
        metrics: H_k, symmetric positive definite.
        weights: w_k, non-negative; only their ratios matter.

    Raises:
        ValueError: No points; numbers that are not finite; weights negative or all zero; a metric that is not symmetric
            positive definite.
    """
    problem = _Sum(points, metrics, weights)
    origin = problem.points[int(problem.values(problem.points).argmin())]
    problem.points = problem.points - origin
    best = torch.zeros_like(origin)
    gradient, direction = problem.subgradient(best)
    shortest, steps, stalled = problem.length(gradient), 0, 0
    x = problem.descend(best, direction) if shortest > _CONVERGED else best
    while shortest > _CONVERGED and steps < _MAX_STEPS and stalled < _PATIENCE and problem.is_smooth_at(x):
        length = problem.length(problem.gradient(x))
        stalled = 0 if length < shortest else stalled + 1
        if length < shortest:
            best, shortest = x, length
        x, steps = problem.step(x), steps + 1
    return Median(point=origin + best, optimality=shortest, steps=steps)


def subgradient_distance(
    point: Float[Tensor, "n"],
    points: Float[Tensor, "k n"],
    metrics: Float[Tensor, "k n n"],
    weights: Float[Tensor, "k"],
) -> float:
    """How far zero is from the subdifferential of `sum_k w_k |x - p_k|_{H_k}` at `point`: zero where it is least.

    Measured in the inverse of the mean metric `sum_k w_k H_k`, for weights that sum to 1, so that neither units nor
    coordinates matter: each term pulls with about its weight. At a kink this is an upper bound, exact at the optimum.
    """
    problem = _Sum(points, metrics, weights)
    return problem.length(problem.subgradient(point.double())[0])


class _Sum:
    """`f(x) = sum_k w_k |x - p_k|_{H_k}` in float64, weights summing to 1, without the terms of zero weight."""

    def __init__(self, points: Tensor, metrics: Tensor, weights: Tensor) -> None:
        points, metrics, weights = points.double(), metrics.double(), weights.double()
        if len(points) == 0:
            raise ValueError("the median of no points is not defined: expected at least one")
        for name, values in (("points", points), ("metrics", metrics), ("weights", weights)):
            if not values.isfinite().all():
                raise ValueError(f"expected finite {name}, got NaN or infinity")
        if (weights < 0).any() or not (weights > 0).any():
            raise ValueError(f"expected non-negative weights, not all zero, got {weights.tolist()}")
        weights = weights / weights.max()
        used = weights > 0
        self.points, self.metrics, self.weights = points[used], metrics[used], weights[used] / weights.sum()
        asymmetry = (self.metrics - self.metrics.mT).abs().amax((-2, -1))
        symmetric = asymmetry <= 1e-9 * self.metrics.abs().amax((-2, -1))
        if not (symmetric & (torch.linalg.cholesky_ex(self.metrics).info == 0)).all():
            raise ValueError("expected symmetric positive definite metrics")
        self._root = torch.linalg.cholesky(_weighted(self.weights, self.metrics))
        self._coincident = _COINCIDENT * self._terms(self.points[:, None])[1].max().item()

    def _terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """H_k e_k and |e_k|_{H_k} of e_k = x - p_k; k is the last batch axis of x."""
        e = x - self.points
        He = (self.metrics @ e[..., None])[..., 0]
        return He, (e * He).sum(-1).clamp_min(0).sqrt()

    def length(self, gradient: Tensor) -> float:
        """Length of a gradient in the inverse of the mean metric."""
        return torch.linalg.solve_triangular(self._root, gradient[:, None], upper=False).norm().item()

    def values(self, x: Tensor) -> Tensor:
        """The sum at one or several x."""
        return self._terms(x[..., None, :])[1] @ self.weights

    def is_smooth_at(self, x: Tensor) -> bool:
        return bool(self._terms(x)[1].min() > self._coincident)

    def gradient(self, x: Tensor) -> Tensor:
        """Where the sum is smooth."""
        He, norms = self._terms(x)
        return (self.weights / norms) @ He

    def subgradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A subgradient, zero at the optimum, and a direction of descent elsewhere.

        At a kink the terms that vanish there, with subgradients w_j H_j^(1/2) u_j for any |u_j| <= 1, must hold the
        pull g of the others. They can if `-g.d <= sum_j w_j |d|_{H_j}` for all d. For one vanishing term the worst d is
        -H^-1 g; for several (identical pictures) it is found by reweighting.
        """
        He, norms = self._terms(x)
        here = norms <= self._coincident
        pull = (self.weights[~here] / norms[~here]) @ He[~here]
        if not here.any() or self.length(pull) == 0:
            return pull, -pull
        H, w = self.metrics[here], self.weights[here]
        d, P = pull, _weighted(w, H)
        for _ in range(_MAX_STEPS):
            d = -torch.linalg.solve(P, pull)
            lengths = ((H @ d) @ d).sqrt()
            P = _weighted(w / lengths, H)
            answer = -torch.linalg.solve(P, pull)
            stretch = ((H @ answer) @ answer).sqrt() / lengths
            if stretch.max() <= 1 or stretch.max() - stretch.min() <= 1e-14 * stretch.max():
                break
        return pull + P @ answer / stretch.max().clamp_min(1), d

    def descend(self, x: Tensor, direction: Tensor) -> Tensor:
        """Walk from a kink along a direction of descent while the sum falls, within a factor of two.

        Judged by slope: near a kink that is almost optimal, values differ by less than their rounding.
        """
        t = ((self.points - x) @ self._root).norm(dim=-1).max() / (direction @ self._root).norm()
        for _ in range(60):
            if self.gradient(x + t * direction) @ direction <= 0:
                break
            t = t / 2
        return x + t * direction

    def step(self, x: Tensor) -> Tensor:
        """A point with a smaller sum, as far as rounding allows."""
        He, norms = self._terms(x)
        u = self.weights / norms
        gradient, majoriser = u @ He, _weighted(u, self.metrics)
        hessian = majoriser - (u / norms.square() * He.mT) @ He
        newton = -torch.linalg.solve(hessian + 1e-12 * majoriser, gradient)
        slope, value = gradient @ newton, self.weights @ norms
        for t in (1.0, 0.5, 0.25, 0.125):
            new = x + t * newton
            new_slope = self.gradient(new) @ newton
            if new_slope <= 0 or (new_slope < -0.5 * slope and self.values(new) <= value * (1 + 1e-14)):
                return new
        return x - torch.linalg.solve(majoriser, gradient)


def _weighted(weights: Tensor, matrices: Tensor) -> Tensor:
    return (weights @ matrices.flatten(1)).unflatten(0, matrices.shape[1:])
