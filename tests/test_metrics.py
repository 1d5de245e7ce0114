"""Metrics against plain loops, and what must not change them."""

import numpy as np
import pytest
import roma
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import random_pose, toy_hand

from ownhand import metrics
from ownhand.geometry.align import procrustes

HAND = toy_hand()
seeds = st.integers(0, 2**31)


def points(n: int = 21, *, seed: int = 0, batch: int = 3) -> torch.Tensor:
    return 0.1 * torch.randn(batch, n, 3, generator=torch.Generator().manual_seed(seed))


def loop(a, b) -> list[float]:
    """Mean distance [mm], one point at a time."""
    return [sum(1000 * sum((x - y) ** 2 for x, y in zip(p, q)) ** 0.5 for p, q in zip(s, t)) / len(s) for s, t in zip(a.tolist(), b.tolist())]  # fmt: skip # noqa: B905, E501


def assert_equal(found: torch.Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-3, rtol=1e-4)


def test_position_errors_equal_plain_loops():
    joints, truth, verts, true_verts = points(), points(seed=1), points(50, seed=2), points(50, seed=3)
    wrist, true_wrist = joints[:, :1], truth[:, :1]
    assert_equal(metrics.camera_error_mm(joints, truth), loop(joints, truth))
    assert_equal(metrics.mpjpe_mm(joints, truth), loop(joints - wrist, truth - true_wrist))
    assert_equal(metrics.mpvpe_mm(verts, true_verts, joints, truth), loop(verts - wrist, true_verts - true_wrist))


def test_origin_relative_error_is_that_of_mano_without_its_translation():
    """MANO poses about its rest wrist J_0, so that without translation the wrist stays at J_0(beta)."""
    shapes, poses = torch.randn(2, 3, 10), [random_pose(3, seed=s) for s in (1, 2)]
    hands = [HAND.shaped(shape) for shape in shapes]
    posed = [hand.posed(pose) for hand, pose in zip(hands, poses, strict=True)]
    rest = [hand.joints_16[:, 0] for hand in hands]
    mano = [p.verts - p.joints[:, :1] + r[:, None] for p, r in zip(posed, rest, strict=True)]
    found = metrics.mpvpe_from_origin_mm(
        posed[0].verts, posed[1].verts, posed[0].joints[:, 0], posed[1].joints[:, 0], *rest
    )
    assert_equal(found, loop(*mano))
    from_wrist = metrics.mpvpe_mm(posed[0].verts, posed[1].verts, posed[0].joints, posed[1].joints)
    assert (found - from_wrist).abs().max() > 0.1


@settings(max_examples=20, deadline=None)
@given(seed=seeds, scale=st.floats(0.5, 2))
def test_each_alignment_removes_what_it_says(seed, scale):
    torch.manual_seed(seed)
    truth, R, t = points(seed=seed), roma.random_rotmat(3), torch.randn(3, 1, 3)
    moved, scaled, turned = truth + t, scale * truth + t, scale * truth @ R.mT + t
    zero = {"atol": 2e-3, "rtol": 0}
    torch.testing.assert_close(metrics.mpjpe_mm(moved, truth), torch.zeros(3), **zero)
    torch.testing.assert_close(metrics.scale_aligned_mpjpe_mm(scaled, truth), torch.zeros(3), **zero)
    torch.testing.assert_close(metrics.procrustes_aligned_error_mm(turned, truth), torch.zeros(3), **zero)
    assert (metrics.camera_error_mm(moved, truth) > 1).all()
    assert (metrics.scale_aligned_mpjpe_mm(turned, truth) > 1).all()


def test_better_alignment_gives_a_smaller_squared_error():
    joints, truth = points(), points(seed=1)
    joints, truth = joints - joints[:, :1], truth - truth[:, :1]
    scale = (joints * truth).sum((-2, -1)) / joints.square().sum((-2, -1))
    for factor in (0.9, 1.1):
        worse = (factor * scale[:, None, None] * joints - truth).square().sum()
        assert (scale[:, None, None] * joints - truth).square().sum() < worse
    aligned = scale[:, None, None] * joints
    assert_equal(metrics.scale_aligned_mpjpe_mm(joints, truth), loop(aligned, truth))


def test_a_perfect_hand_has_no_error():
    posed, shape = HAND.shaped(torch.randn(2, 10)).posed(random_pose(2)), torch.randn(2, 10)
    zeros = [
        metrics.mpjpe_mm(posed.joints, posed.joints),
        metrics.mpvpe_mm(posed.verts, posed.verts, posed.joints, posed.joints),
        metrics.mse_mano(shape, shape),
        metrics.shape_error(shape, shape),
        metrics.width_error_mm(shape, shape, HAND),
        metrics.length_error_mm(shape, shape, HAND),
        metrics.keypoint_error_px(posed.joints[..., :2], posed.joints[..., :2]),
    ]
    assert all(value.abs().max() == 0 for value in zeros)
    assert metrics.size_free_error_mm(shape, shape, HAND).max() < 1e-3
    assert (metrics.f_scores(posed.verts, posed.verts, [1.0])[0] == 1).all()
    assert (metrics.area_under_pck(metrics.distances_mm(posed.joints, posed.joints)) == 1).all()


def test_area_under_pck_equals_many_thresholds():
    distances = torch.rand(4, 21) * 80
    thresholds = torch.linspace(0, 50, 5001)
    share = (distances[..., None] < thresholds).float().mean(-2)
    area = torch.trapezoid(share, thresholds) / 50
    torch.testing.assert_close(metrics.area_under_pck(distances), area, atol=1e-3, rtol=0)


def test_f_score_equals_a_plain_loop():
    a, b = points(30), points(40, seed=1)
    for limit, scores in zip((60.0, 90.0), metrics.f_scores(a, b, (60.0, 90.0)), strict=True):
        for found, p, q in zip(scores, a, b, strict=True):
            near = [[1000 * float((x - y).norm()) < limit for y in q] for x in p]
            precision = sum(map(any, near)) / 30
            recall = sum(map(any, zip(*near, strict=True))) / 40
            assert found.item() == pytest.approx(2 * precision * recall / (precision + recall))


def test_nothing_in_common_scores_zero():
    assert metrics.f_scores(points(), points() + 5, [5.0])[0].abs().max() == 0


def test_shape_errors():
    shape, truth = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    assert metrics.mse_mano(shape, truth).item() == pytest.approx(5 / 3)
    assert metrics.shape_error(shape, truth).item() == pytest.approx(1.0)


def test_width_and_length_errors_are_differences_of_distances_on_the_rest_hand():
    shape, truth = torch.randn(2, 4, 10)
    rest, true_rest = HAND.shaped(shape).joints, HAND.shaped(truth).joints
    for function, a, b in ((metrics.width_error_mm, 5, 17), (metrics.length_error_mm, 0, 12)):
        lengths = [(joints[:, a] - joints[:, b]).norm(dim=-1) for joints in (rest, true_rest)]
        torch.testing.assert_close(function(shape, truth, HAND), 1000 * (lengths[0] - lengths[1]).abs())


def test_one_true_hand_serves_many_predictions():
    assert metrics.width_error_mm(torch.randn(5, 10), torch.zeros(10), HAND).shape == (5,)


def test_size_alone_is_no_size_free_error():
    """The toy hand's first coefficient scales its template about the origin, and nothing else."""
    size = torch.zeros(2, 10)
    size[:, 0] = torch.tensor([3.0, -3.0])
    assert metrics.size_free_error_mm(size, torch.zeros(2, 10), HAND).max() < 1e-3
    assert metrics.length_error_mm(size, torch.zeros(2, 10), HAND).min() > 10


def test_size_free_error_equals_a_plain_loop():
    shape, truth = torch.randn(2, 3, 10)
    a, b = HAND.shaped(shape), HAND.shaped(truth)
    x, y = a.verts - a.joints_16[:, :1], b.verts - b.joints_16[:, :1]
    scale = torch.tensor([float((p * q).sum() / (p * p).sum()) for p, q in zip(x, y, strict=True)])
    assert_equal(metrics.size_free_error_mm(shape, truth, HAND), loop(scale[:, None, None] * x, y))


def test_hand_length_does_not_depend_on_where_or_how_the_hand_is_held():
    hand = HAND.shaped(torch.randn(10))
    bones = metrics.hand_length(hand.posed(random_pose(6)).joints)
    torch.testing.assert_close(bones, metrics.hand_length(hand.joints).expand(6), atol=2e-3, rtol=0)
    assert metrics.hand_length(HAND.shaped(torch.zeros(10)).joints).item() == pytest.approx(0.183, abs=0.002)


def test_keypoint_error_is_in_pixels():
    assert metrics.keypoint_error_px(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2, 2)).item() == 2.5


def test_interval_agrees_with_scipy_on_the_means_of_people():
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    values = rng.normal(size=30)[subject] + rng.normal(size=len(subject))
    means = np.array([values[subject == person].mean() for person in range(30)])
    theirs = scipy.stats.bootstrap((means,), np.mean, method="percentile", n_resamples=20_000, rng=rng)
    ours = metrics.bootstrap_interval(torch.from_numpy(values).float(), torch.from_numpy(subject), n=20_000)
    assert ours.mean == pytest.approx(means.mean(), abs=1e-6)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.02)


def test_interval_covers_the_truth_as_often_as_it_says():
    torch.manual_seed(0)
    subject = torch.arange(40).repeat_interleave(5)
    covered = 0
    for _ in range(200):
        values = torch.randn(40)[subject] + 0.5 * torch.randn(200)
        found = metrics.bootstrap_interval(values, subject, n=400, level=0.9)
        covered += found.low <= 0 <= found.high
    assert 0.82 <= covered / 200 <= 0.97


def test_a_person_with_many_pictures_counts_once():
    subject = torch.tensor([7] + [3] * 99)
    values = torch.cat([torch.ones(1), torch.zeros(99)])
    assert metrics.bootstrap_interval(values, subject).mean == pytest.approx(0.5)


def test_more_pictures_of_the_same_people_do_not_narrow_the_interval():
    values, subject = torch.randn(20), torch.arange(20)
    once = metrics.bootstrap_interval(values, subject)
    often = metrics.bootstrap_interval(values.repeat(50), subject.repeat(50))
    assert often == pytest.approx(once, abs=1e-6)


def test_interval_is_repeatable_and_narrows_with_its_level():
    values, subject = torch.randn(50), torch.arange(50) // 2
    assert metrics.bootstrap_interval(values, subject) == metrics.bootstrap_interval(values, subject)
    wide, narrow = (metrics.bootstrap_interval(values, subject, level=level) for level in (0.95, 0.5))
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


@pytest.mark.parametrize("values", [torch.zeros(0), torch.tensor([1.0, torch.nan])])
def test_values_that_are_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="expected finite values"):
        metrics.bootstrap_interval(values, torch.zeros(len(values), dtype=torch.long))


def drawn_points() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Joints and what was found of them, vertices and what was found of those [m]; six pictures."""
    random = np.random.default_rng(2021)
    joints = random.normal([0, 0, 0.6], 0.04, (6, 21, 3))
    found = 1.05 * joints + random.normal(0, 0.012, joints.shape) + 0.02
    verts = random.normal([0, 0, 0.6], 0.03, (6, 200, 3))
    guess = 0.95 * verts + random.normal(0, 0.008, verts.shape)
    return torch.from_numpy(joints), torch.from_numpy(found), torch.from_numpy(verts), torch.from_numpy(guess)


def test_published_evaluation_programs_find_the_same_numbers():
    """FreiHAND's eval.py (commit 5ea4ab9) and DexYCB's hpe_eval.py (64551b0), run on the points of `drawn_points`.

    Their functions `EvalUtil`, `align_w_scale` and `calculate_fscore` were taken as they are, with Open3D's distance
    between point clouds replaced by a search of all pairs. Their AUC takes 100 thresholds, ours is exact.
    """
    joints, found, verts, guess = drawn_points()
    aligned, mesh = procrustes(found, joints), procrustes(guess, verts)
    exact = {
        58.869022865552566: metrics.camera_error_mm(found, joints),
        28.978960420418563: metrics.mpjpe_mm(found, joints),
        17.0823425614218: metrics.procrustes_aligned_error_mm(found, joints),
        12.69223567998837: metrics.procrustes_aligned_error_mm(guess, verts),
        0.13355755939523176: metrics.f_scores(mesh, verts, (5.0, 15.0))[0],
        0.9307655156821707: metrics.f_scores(mesh, verts, (5.0, 15.0))[1],
    }
    for theirs, ours in exact.items():
        assert ours.mean().item() == pytest.approx(theirs, rel=1e-6)
    wrist, true_wrist = found[:, :1], joints[:, :1]
    areas = {
        0.03639570306236971: metrics.distances_mm(found, joints),
        0.4238816738816739: metrics.distances_mm(found - wrist, joints - true_wrist),
        0.6583293249959916: metrics.distances_mm(aligned, joints),
    }
    for theirs, distances in areas.items():
        assert metrics.area_under_pck(distances).mean().item() == pytest.approx(theirs, abs=1e-3)
