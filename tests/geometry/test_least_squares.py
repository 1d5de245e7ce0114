"""Batched Levenberg-Marquardt, against linear algebra, SciPy, and problems made to break it."""

import numpy as np
import pytest
import roma
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.geometry.least_squares import levenberg_marquardt


def squares(residuals):
    """A `linearise` from a residual function of one problem `[n] -> [m]`."""

    def linearise(state, rows):
        (x,) = state
        r = torch.vmap(residuals)(x)
        return r, torch.vmap(torch.func.jacrev(residuals))(x), r.square().sum(-1)

    return linearise


def rosenbrock(x):
    return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def curves(seed, n=4, m=9, dtype=torch.float64):
    """Residuals of a small random network: smooth, curved, bounded below."""
    generator = torch.Generator().manual_seed(seed)
    A, B, y = (torch.randn(*s, generator=generator, dtype=torch.float64).to(dtype) for s in ((m, n), (m, m), (m,)))
    return lambda x: B @ torch.tanh(A @ x) + 0.1 * (A @ x) - y


def test_a_linear_problem_is_solved_as_lstsq_does():
    A, b = torch.randn(5, 8, 3, dtype=torch.float64), torch.randn(5, 8, dtype=torch.float64)

    def linearise(state, rows):
        r = (A[rows] @ state[0][..., None])[..., 0] - b[rows]
        return r, A[rows], r.square().sum(-1)

    found = levenberg_marquardt(linearise, (torch.zeros(5, 3, dtype=torch.float64),), relative_tolerance=1e-14)
    torch.testing.assert_close(found.state[0], torch.linalg.lstsq(A, b[..., None]).solution[..., 0])
    assert found.converged.all()


def test_the_banana_valley_is_walked_to_its_end():
    start = torch.tensor([[-1.2, 1.0], [3.0, -4.0], [0.0, 0.0]], dtype=torch.float64)
    found = levenberg_marquardt(squares(rosenbrock), (start,), max_iterations=100, absolute_tolerance=1e-20)
    torch.testing.assert_close(found.state[0], torch.ones(3, 2, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(5))
def test_curved_problems_end_where_scipy_ends(seed):
    f = curves(seed)
    x0 = 0.3 * torch.randn(4, dtype=torch.float64)
    found = levenberg_marquardt(squares(f), (x0[None],), max_iterations=200, relative_tolerance=1e-14)
    oracle = scipy.optimize.least_squares(lambda x: f(torch.from_numpy(x)).numpy(), x0.numpy(), method="lm", xtol=1e-14)
    np.testing.assert_allclose(found.cost[0].item(), 2 * oracle.cost, rtol=1e-8)
    np.testing.assert_allclose(found.state[0][0].numpy(), oracle.x, atol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e3), st.integers(1, 12))
def test_cost_never_grows_whatever_the_damping(seed, damping, iterations):
    start = 3 * torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    f = curves(seed)
    found = levenberg_marquardt(squares(f), (start,), damping=damping, max_iterations=iterations)
    assert (found.cost <= found.start_cost).all()
    torch.testing.assert_close(found.cost, torch.vmap(f)(found.state[0]).square().sum(-1))
    assert (found.iterations <= iterations).all()


def test_each_problem_of_a_batch_ends_as_it_does_alone():
    start = 2 * torch.randn(9, 2, dtype=torch.float64)
    together = levenberg_marquardt(squares(rosenbrock), (start,), max_iterations=25)
    assert len(together.iterations.unique()) > 2
    for i in range(9):
        alone = levenberg_marquardt(squares(rosenbrock), (start[i : i + 1],), max_iterations=25)
        torch.testing.assert_close(alone.state[0][0], together.state[0][i])
        assert alone.iterations[0] == together.iterations[i]
        assert alone.converged[0] == together.converged[i]


def test_unknowns_that_change_nothing_or_come_twice_do_not_break_cholesky():
    def f(x):
        return torch.stack([x[0] + x[1] - 3, torch.sin(x[0] + x[1]), 0 * x[2]])

    for dtype in (torch.float32, torch.float64):
        start = torch.zeros(2, 3, dtype=dtype)
        start[1, 2] = 5
        found = levenberg_marquardt(squares(f), (start,), damping=1e-30, max_iterations=50)
        total = found.state[0][:, :2].sum(-1)
        assert found.converged.all()
        assert (found.cost <= found.start_cost).all()
        torch.testing.assert_close(
            total - 3 + total.sin() * total.cos(), torch.zeros(2, dtype=dtype), atol=1e-3, rtol=0
        )
        torch.testing.assert_close(found.state[0][:, 2], start[:, 2])


def test_a_start_without_finite_cost_stays_and_does_not_disturb_the_others():
    start = torch.tensor([[float("nan"), 0.0], [-1.2, 1.0]])
    found = levenberg_marquardt(squares(rosenbrock), (start,), max_iterations=50, absolute_tolerance=1e-9)
    assert found.converged.tolist() == [False, True]
    assert found.iterations[0] == 0
    torch.testing.assert_close(found.state[0], torch.tensor([[float("nan"), 0.0], [1.0, 1.0]]), equal_nan=True)


def test_states_without_finite_cost_are_never_entered():
    # log(x) = log(0.01) from 5: the first full step leads to x < 0, where the logarithm is NaN.
    def f(x):
        return torch.log(x) - np.log(0.01)

    found = levenberg_marquardt(
        squares(f), (torch.full((1, 1), 5.0, dtype=torch.float64),), max_iterations=60, absolute_tolerance=1e-16
    )
    assert found.converged.all()
    torch.testing.assert_close(found.state[0], torch.full((1, 1), 0.01, dtype=torch.float64))


def test_rotations_are_found_on_their_manifold():
    R_true = roma.random_rotmat(8, dtype=torch.float64)
    points = torch.randn(6, 3, dtype=torch.float64)

    def linearise(state, rows):
        def residuals(R, R_true, delta):
            turned = R @ roma.rotvec_to_rotmat(delta)
            return (points @ turned.mT - points @ R_true.mT).flatten()

        zero = torch.zeros(len(rows), 3, dtype=torch.float64)
        r = torch.vmap(residuals)(state[0], R_true[rows], zero)
        J = torch.vmap(torch.func.jacrev(residuals, argnums=2))(state[0], R_true[rows], zero)
        return r, J, r.square().sum(-1)

    start = R_true @ roma.rotvec_to_rotmat(torch.randn(8, 3, dtype=torch.float64))
    found = levenberg_marquardt(
        linearise, (start,), lambda state, step: (state[0] @ roma.rotvec_to_rotmat(step),), absolute_tolerance=1e-22
    )
    torch.testing.assert_close(found.state[0], R_true, atol=1e-9, rtol=0)


def test_a_robust_cost_ends_where_scipys_cauchy_loss_ends():
    x = torch.linspace(-1, 1, 30, dtype=torch.float64)
    y = 2 * x + 1 + 0.05 * torch.randn(30, dtype=torch.float64)
    y[::6] += 4
    design = torch.stack([x, torch.ones_like(x)], -1)

    def linearise(state, rows):
        r = design @ state[0][0] - y
        weight = 1 / (1 + (r / 0.2) ** 2)
        cost = 0.2**2 * (1 + (r / 0.2) ** 2).log().sum()
        return (r * weight.sqrt())[None], (design * weight.sqrt()[:, None])[None], cost[None]

    start = torch.tensor([[1.5, 1.0]], dtype=torch.float64)
    found = levenberg_marquardt(linearise, (start,), max_iterations=100, relative_tolerance=1e-13)
    oracle = scipy.optimize.least_squares(
        lambda p: design.numpy() @ p - y.numpy(), start[0].numpy(), loss="cauchy", f_scale=0.2, xtol=1e-14
    )
    np.testing.assert_allclose(found.state[0][0].numpy(), oracle.x, atol=1e-5)


def test_float32_finds_what_float64_finds_for_unknowns_of_very_different_units():
    unit = torch.tensor([1e4, 1e-4, 1, 1e-2], dtype=torch.float64)
    ends = []
    for dtype in (torch.float32, torch.float64):
        f = curves(3, dtype=dtype)
        in_units = squares(lambda x, f=f, dtype=dtype: f(x / unit.to(dtype)))
        found = levenberg_marquardt(in_units, (torch.zeros(1, 4, dtype=dtype),), max_iterations=60)
        ends.append(found.cost.item())
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


def test_stopping_early_is_not_called_converged():
    found = levenberg_marquardt(squares(rosenbrock), (torch.tensor([[-1.2, 1.0]]),), max_iterations=2)
    assert found.iterations.tolist() == [2]
    assert not found.converged.any()
