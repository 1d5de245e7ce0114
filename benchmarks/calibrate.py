"""Calibration from 20 pictures: the exact solver against 1000 Adam steps, and against a general conic solver.

Both minimise the paper's objective over the same 20 pictures of the open hand. Adam (rate 1e-2, from the mean of the
pictures' shapes) gets the same H_k, so that a step costs 10 x 10 products instead of 20 posed meshes.

    python benchmarks/calibrate.py [--pictures 20] [--oracle 1000]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import tyro
from torch import Tensor

from ownhand.calibrate import shape_metric
from ownhand.geometry.median import geometric_median
from ownhand.hand.builtin import open_hand


def problem(pictures: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations, shapes and weights of somebody's pictures: errors of half a standard deviation, uneven confidence."""
    g = torch.Generator().manual_seed(seed)
    R = open_hand().rotations_from_pca(torch.randn(pictures, 45, generator=g))
    shapes = torch.randn(10, generator=g) + 0.5 * torch.randn(pictures, 10, generator=g)
    return R, shapes.double(), (2 * torch.randn(pictures, generator=g)).softmax(0).double()


def objective(roots: Tensor, x: Tensor, shapes: Tensor, weights: Tensor) -> Tensor:
    """The paper's, from square roots C_k of the metrics, H_k = C_k' C_k."""
    return weights @ (roots @ (x - shapes)[..., None]).flatten(1).norm(dim=1)


def adam(roots: Tensor, shapes: Tensor, weights: Tensor, steps: int = 1000) -> Tensor:
    x = shapes.mean(0).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        objective(roots, x, shapes, weights).backward()
        optimizer.step()
    return x.detach()


def milliseconds(function: Callable[[], Any], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)


def compare_with_oracle(count: int) -> None:
    """Objective values of random problems against cvxpy with Clarabel.

    Relative to the objective or, where one picture dominates and it vanishes, to a tenth of its value at the mean.
    """
    import cvxpy

    worst, certificates = 0.0, []
    for seed in range(count):
        g = torch.Generator().manual_seed(seed)
        k = int(torch.randint(1, 21, (), generator=g))
        decades = (0, 3, 6)[seed % 3]
        factors = (
            torch.randn(k, 13, 10, generator=g, dtype=torch.float64) * torch.logspace(0, -decades / 2, 10).double()
        )
        points = torch.randn(10, generator=g).double() + 0.5 * torch.randn(k, 10, generator=g).double()
        points[0] += (0, 0, 0, 30)[seed % 4]
        weights = ((0.0, 1.0, 4.0, 20.0)[seed // 3 % 4] * torch.randn(k, generator=g).double()).softmax(0)
        solution = geometric_median(points, factors.mT @ factors, weights)
        ours = objective(factors, solution.point, points, weights).item()
        x = cvxpy.Variable(10)
        terms = [
            w * cvxpy.norm(C @ (x - p))
            for w, C, p in zip(weights.numpy(), factors.numpy(), points.numpy(), strict=True)
        ]
        oracle = float(cvxpy.Problem(cvxpy.Minimize(sum(terms))).solve(solver="CLARABEL"))  # pyright: ignore
        at_mean = objective(factors, points.mean(0), points, weights).item()
        worst = max(worst, abs(ours - oracle) / max(ours, 0.1 * at_mean, 1e-6))
        certificates.append(solution.optimality)
    print(f"{count} random problems against cvxpy: objectives differ by at most {worst:.1e} (relative; bound 1e-6)")
    print(f"relative distance of zero to the subdifferential: at most {max(certificates):.1e} (bound 1e-8)")


def main(pictures: int = 20, problems: int = 30, oracle: int = 0) -> None:
    """Print the comparison, on one core.

    Args:
        pictures: Pictures per calibration.
        problems: Calibrations timed.
        oracle: Number of random problems compared with cvxpy.
    """
    torch.set_num_threads(1)
    model = open_hand()
    solve, metrics, first_order, excess, worst = [], [], [], [], 0.0
    for seed in range(problems):
        R, shapes, weights = problem(pictures, seed)
        H = shape_metric(model, R)
        solve.append(milliseconds(lambda H=H, s=shapes, w=weights: geometric_median(s, H, w), 11))
        metrics.append(milliseconds(lambda R=R: shape_metric(model, R), 5))
        worst = max(worst, geometric_median(shapes, H, weights).optimality)
        roots = torch.linalg.cholesky(H).mT
        first_order.append(milliseconds(lambda C=roots, s=shapes, w=weights: adam(C, s, w), 1))
        ours = objective(roots, geometric_median(shapes, H, weights).point, shapes, weights)
        excess.append((objective(roots, adam(roots, shapes, weights), shapes, weights) / ours - 1).item())
    exact, build, peer = (statistics.median(times) for times in (solve, metrics, first_order))
    print(f"{pictures} pictures, {len(model.template)} vertices, one core, CPU time, median of {problems} calibrations")
    print(f"  solve            {exact:8.2f} ms   (bound 10 ms)   certificate at most {worst:.1e}")
    print(f"  building the H_k {build:8.2f} ms")
    ratios = f"{peer / exact:.0f} times the solve, {peer / (exact + build):.0f} times both"
    print(f"  1000 Adam steps  {peer:8.0f} ms   {ratios}")
    print(f"  Adam's objective is larger by {min(excess):.1e} to {max(excess):.1e} (relative)")
    if oracle:
        compare_with_oracle(oracle)


if __name__ == "__main__":
    tyro.cli(main)
