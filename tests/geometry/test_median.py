"""The weighted geometric median: optimal, and known to be."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.geometry.median import geometric_median, subgradient_distance

Problem = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def random_problem(seed: int, k: int = 20, n: int = 10, *, decades: float = 3, sharp: float = 1) -> Problem:
    """Points around a common one; metrics over `decades` powers of ten; log weights with standard deviation `sharp`."""
    g = torch.Generator().manual_seed(seed)
    factors = torch.randn(k, n + 3, n, generator=g, dtype=torch.float64)
    factors = factors * torch.logspace(0, -decades / 2, n, dtype=torch.float64)
    points = torch.randn(n, generator=g, dtype=torch.float64) + 0.5 * torch.randn(
        k, n, generator=g, dtype=torch.float64
    )
    weights = (sharp * torch.randn(k, generator=g, dtype=torch.float64)).softmax(0)
    return points, factors.mT @ factors, weights


def objective(x: torch.Tensor, points: torch.Tensor, metrics: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    e = x - points
    return weights @ torch.einsum("ki,kij,kj->k", e, metrics, e).sqrt()


problems = st.builds(
    random_problem,
    st.integers(0, 10**6),
    st.integers(1, 25),
    st.integers(1, 10),
    decades=st.sampled_from([0, 3, 8]),
    sharp=st.sampled_from([0, 1, 3, 10, 100]),
)


@settings(max_examples=100, deadline=None)
@given(problems)
def test_zero_is_in_the_subdifferential(problem):
    solution = geometric_median(*problem)
    assert solution.optimality < 1e-8
    nearest = (solution.point - problem[0]).norm(dim=-1)
    rounding = 1e-15 / nearest[nearest > 0].min().item() if (nearest > 0).any() else 0
    assert subgradient_distance(solution.point, *problem) == pytest.approx(solution.optimality, abs=1e-11 + rounding)


@settings(max_examples=30, deadline=None)
@given(problems, st.integers(0, 10**6))
def test_no_point_nearby_or_far_is_better(problem, seed):
    best = geometric_median(*problem).point
    g = torch.Generator().manual_seed(seed)
    for scale in (1e-4, 1e-2, 1.0):
        other = best + scale * torch.randn(best.shape, generator=g, dtype=torch.float64)
        assert objective(other, *problem) >= objective(best, *problem) * (1 - 1e-12)


@pytest.mark.filterwarnings("ignore")
def test_equals_a_general_conic_solver():
    cvxpy = pytest.importorskip("cvxpy")
    for seed in range(40):
        points, metrics, weights = random_problem(seed, k=2 + seed % 19, sharp=[0, 1, 4][seed % 3])
        x = cvxpy.Variable(10)
        roots = torch.linalg.cholesky(metrics).mT
        terms = [w * cvxpy.norm(R @ (x - p)) for w, R, p in zip(weights.numpy(), roots.numpy(), points.numpy())]  # noqa: B905
        oracle = cvxpy.Problem(cvxpy.Minimize(sum(terms))).solve(solver="CLARABEL")
        ours = objective(geometric_median(points, metrics, weights).point, points, metrics, weights)
        assert abs(ours.item() - oracle) <= 1e-6 * oracle


def test_the_distance_is_the_length_of_the_gradient_away_from_the_points():
    points, metrics, weights = random_problem(0)
    x = torch.randn(10, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(objective(x, points, metrics, weights), x)
    mean = torch.einsum("k,kij->ij", weights, metrics)
    expected = (gradient @ torch.linalg.solve(mean, gradient)).sqrt()
    assert subgradient_distance(x.detach(), points, metrics, weights) == pytest.approx(expected.item())


def test_a_dominating_point_is_the_answer_exactly():
    points, metrics, _ = random_problem(1)
    weights = torch.ones(20)
    weights[7] = 3000
    solution = geometric_median(points, metrics, weights)
    assert torch.equal(solution.point, points[7])
    assert solution.optimality < 1e-12


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("excess", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10])
def test_just_before_and_just_after_a_point_becomes_the_answer(sign, excess):
    for seed in range(10):
        points, metrics, weights = random_problem(seed, k=6)
        e = points[0] - points[1:]
        He = torch.einsum("kij,kj->ki", metrics[1:], e)
        pull = (weights[1:] / (e * He).sum(-1).sqrt()) @ He
        weights[0] = (pull @ torch.linalg.solve(metrics[0], pull)).sqrt() * (1 + sign * excess)
        solution = geometric_median(points, metrics, weights)
        assert torch.equal(solution.point, points[0]) == (sign > 0)
        assert solution.optimality < 1e-8


def test_one_point_and_one_weight_return_that_point():
    points, metrics, _ = random_problem(2)
    one_hot = torch.eye(20)[3]
    assert torch.equal(geometric_median(points, metrics, one_hot).point, points[3])
    assert torch.equal(geometric_median(points[:1], metrics[:1], torch.ones(1)).point, points[0])


def test_identical_points_return_that_point_whatever_their_metrics():
    points, metrics, weights = random_problem(3)
    same = points[:1].expand_as(points)
    solution = geometric_median(same, metrics, weights)
    assert torch.equal(solution.point, points[0])
    assert solution.optimality == 0


@pytest.mark.parametrize("copies", [2, 3, 8, 15])
def test_some_identical_points_among_others(copies):
    for seed in range(20):
        points, metrics, weights = random_problem(seed, sharp=0.3)
        points[:copies] = points[0]
        solution = geometric_median(points, metrics, weights)
        assert solution.optimality < 1e-8
        if torch.equal(solution.point, points[0]):
            nudged = points[0] + 1e-5 * torch.randn(10, dtype=torch.float64)
            assert objective(nudged, points, metrics, weights) > objective(points[0], points, metrics, weights)
        else:
            assert objective(solution.point, points, metrics, weights) < objective(points[0], points, metrics, weights)
    if copies == 15:
        assert torch.equal(solution.point, points[0])


def test_a_distant_outlier_moves_the_mean_but_hardly_the_median():
    points, metrics, _ = random_problem(4, decades=0)
    weights = torch.ones(20)
    before = geometric_median(points, metrics, weights).point
    points[0] += 1000
    after = geometric_median(points, metrics, weights)
    assert (after.point - before).norm() < 0.5
    assert after.optimality < 1e-8


def test_nearly_singular_metrics():
    for seed in range(20):
        assert geometric_median(*random_problem(seed, decades=12)).optimality < 1e-8


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 25))
def test_order_and_the_scale_of_weights_and_metrics_do_not_matter(seed, k):
    points, metrics, weights = random_problem(seed, k)
    expected = geometric_median(points, metrics, weights).point
    order = torch.randperm(k)
    torch.testing.assert_close(
        geometric_median(points[order], metrics[order] * 1e-6, weights[order] * 1e9).point,
        expected,
        atol=1e-10,
        rtol=0,
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 25))
def test_a_linear_change_of_coordinates_changes_nothing_else(seed, k):
    points, metrics, weights = random_problem(seed, k)
    expected = geometric_median(points, metrics, weights).point
    g = torch.Generator().manual_seed(seed)
    B = torch.linalg.qr(torch.randn(10, 10, generator=g, dtype=torch.float64))[0] * torch.logspace(-1, 1, 10)
    inverse = torch.linalg.inv(B)
    moved = geometric_median(points @ B.mT, inverse.mT @ metrics @ inverse, weights).point

    def value(x):
        e = x - points
        return (weights * torch.einsum("ki,kij,kj->k", e, metrics, e).sqrt()).sum()

    torch.testing.assert_close(value(inverse @ moved), value(expected), atol=0, rtol=1e-11)
    torch.testing.assert_close(inverse @ moved, expected, atol=1e-6, rtol=0)  # two points: flat between them


def test_bad_input_is_refused_in_a_sentence():
    points, metrics, weights = random_problem(0)
    with pytest.raises(ValueError, match="no points"):
        geometric_median(points[:0], metrics[:0], weights[:0])
    with pytest.raises(ValueError, match="finite points"):
        geometric_median(points * torch.nan, metrics, weights)
    with pytest.raises(ValueError, match="non-negative"):
        geometric_median(points, metrics, -weights)
    with pytest.raises(ValueError, match="non-negative"):
        geometric_median(points, metrics, 0 * weights)
    with pytest.raises(ValueError, match="positive definite"):
        geometric_median(points, -metrics, weights)
