"""Alignments before comparison."""

import roma
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.geometry.align import best_scale, procrustes, relative_to


def cloud(*batch, seed=0):
    return torch.randn(*batch, 21, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 20))
def test_procrustes_undoes_any_similarity(seed, scale):
    target = cloud(seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    quat = torch.nn.functional.normalize(torch.randn(4, generator=generator, dtype=torch.float64), dim=-1)
    moved = scale * target @ roma.unitquat_to_rotmat(quat).mT + torch.randn(3, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(procrustes(moved, target), target, atol=1e-9, rtol=0)


def test_procrustes_is_no_worse_than_any_similarity_near_it():
    source, target = cloud(seed=1), cloud(seed=2)
    best = (procrustes(source, target) - target).square().sum()
    for _ in range(200):
        R = roma.rotvec_to_rotmat(0.1 * torch.randn(3, dtype=torch.float64))
        other = (1 + 0.1 * torch.randn(1).double()) * procrustes(source, target) @ R.mT + 0.1 * torch.randn(3).double()
        assert (other - target).square().sum() >= best


def test_procrustes_never_mirrors():
    target = cloud()
    mirrored = target * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
    assert (procrustes(mirrored, target) - target).norm() > 1


def test_procrustes_of_a_batch_equals_one_by_one():
    source, target = cloud(2, 3, seed=1), cloud(2, 3, seed=2)
    together = procrustes(source, target)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(procrustes(source[i, j], target[i, j]), together[i, j])


def test_best_scale_recovers_the_factor_and_minimises_the_distance():
    source, target = cloud(5), cloud(5, seed=3)
    torch.testing.assert_close(best_scale(source, 1.7 * source), torch.full((5,), 1.7, dtype=torch.float64))
    s = best_scale(source, target)

    def distance(s):
        return (s[:, None, None] * source - target).square().sum((-2, -1))

    assert (distance(s) < distance(s + 0.01)).all()
    assert (distance(s) < distance(s - 0.01)).all()


def test_relative_to_moves_the_root_to_the_origin():
    points = cloud(4)
    moved = relative_to(points, points[:, 0])
    assert moved[:, 0].abs().max() == 0
    torch.testing.assert_close(moved.diff(dim=1), points.diff(dim=1))


def test_gradients_are_right():
    source, target = cloud(seed=1)[:6].requires_grad_(), cloud(seed=2)[:6].requires_grad_()
    assert torch.autograd.gradcheck(procrustes, (source, target))
    assert torch.autograd.gradcheck(best_scale, (source, target))
