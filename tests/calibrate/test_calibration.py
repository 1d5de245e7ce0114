"""Pictures of one person in, the person's shape out."""

from dataclasses import replace

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import random_pose, toy_hand

from ownhand.calibrate import Anchor, WeightMap, calibrate, find_outliers, mesh_jacobian, shape_metric, update
from ownhand.calibrate.calibration import combine, picture_weights
from ownhand.geometry.median import subgradient_distance
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import ShapeLikelihood
from ownhand.hand.model import HandPose

MODEL = toy_hand()


def pictures(k: int = 20, seed: int = 0, noise: float = 0.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """True shape [10], rotations [k 15 3 3], and what a network might say of the shape [k 10]."""
    g = torch.Generator().manual_seed(seed)
    truth = torch.randn(10, generator=g)
    R = random_pose(k, seed=seed).R_parent_joint
    return truth, R, truth + noise * torch.randn(k, 10, generator=g)


def posed_verts(model, shape, R):
    eye = torch.eye(3).to(R)
    zero = torch.zeros(3).to(R)
    pose = HandPose(R_cam_root=eye, R_parent_joint=R, t_cam_root=zero)
    return model.shaped(shape).posed(pose).verts


def test_the_mesh_is_affine_in_shape_to_machine_precision():
    model = toy_hand(dtype=torch.float64)
    R = random_pose(4, dtype=torch.float64).R_parent_joint
    a, b = torch.randn(2, 10, dtype=torch.float64)
    for k in range(4):
        moved = posed_verts(model, a, R[k]) - posed_verts(model, b, R[k])
        torch.testing.assert_close(mesh_jacobian(model, R[k]) @ (a - b), moved, atol=1e-12, rtol=0)


def test_the_metric_is_that_of_the_autograd_jacobian():
    model = toy_hand(dtype=torch.float64)
    R = random_pose(dtype=torch.float64).R_parent_joint
    J = torch.autograd.functional.jacobian(lambda s: posed_verts(model, s, R).flatten(), torch.randn(10).double())
    torch.testing.assert_close(shape_metric(model, R), J.mT @ J / len(model.template), atol=1e-18, rtol=1e-12)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,)])
def test_metrics_of_a_batch_equal_one_by_one(batch):
    R = random_pose(*batch).R_parent_joint
    H = shape_metric(MODEL, R)
    assert H.shape == (*batch, 10, 10)
    assert H.dtype == torch.float64
    one_by_one = [shape_metric(MODEL, r) for r in R.reshape(-1, 15, 3, 3)]
    for h, expected in zip(H.reshape(-1, 10, 10), one_by_one, strict=True):
        torch.testing.assert_close(h, expected, atol=1e-18, rtol=1e-12)


def test_the_objective_is_the_papers():
    """Optimal for the objective written with whole meshes in the paper's norm."""
    _, R, shapes = pictures(8)
    model = MODEL.to(torch.float64)
    confidence = torch.randn(8)
    result = calibrate(MODEL, R, shapes, confidence)

    def objective(shape):
        moved = [posed_verts(model, shape, r) - posed_verts(model, s, r) for r, s in zip(R.double(), shapes.double())]  # noqa: B905
        return (confidence.double().softmax(0) * torch.stack([m.norm() for m in moved])).sum()

    best = result.identity.shape.clone().requires_grad_()
    value = objective(best)
    (gradient,) = torch.autograd.grad(value, best)
    assert gradient.abs().max() < 1e-8 * value
    assert objective(best.detach() + 1e-3 * torch.randn(10).double()) > value
    assert result.optimality < 1e-8


def test_the_error_falls_with_more_pictures():
    errors = {k: [] for k in (1, 5, 20, 80)}
    for seed in range(15):
        for k in errors:
            truth, R, shapes = pictures(k, seed)
            errors[k].append((calibrate(MODEL, R, shapes).identity.shape - truth).norm())
    mean = {k: torch.stack(e).mean().item() for k, e in errors.items()}
    assert mean[1] > mean[5] > mean[20] > mean[80]
    assert mean[80] < 0.3 * mean[1]


@pytest.mark.parametrize("method", ["paper", "robust"])
def test_bad_pictures_are_named_and_resisted_better_than_by_the_mean(method):
    bad, wins = (3, 11), 0
    for seed in range(10):
        truth, R, shapes = pictures(20, seed, noise=0.3)
        shapes[list(bad)] += torch.tensor([8.0, 6.0])[:, None]
        ours, mean = (calibrate(MODEL, R, shapes, method=m) for m in (method, "mean"))
        assert set(bad) <= set(ours.outliers)
        wins += (ours.identity.shape - truth).norm() < 0.5 * (mean.identity.shape - truth).norm()
    assert wins == 10


def test_good_pictures_are_rarely_named():
    """At most 8 sets of 100 when the errors have one direction only (the worst case), 4 when they have two."""
    for directions, most in ((1, 0.10), (2, 0.05), (10, 0.01)):
        error = torch.randn(500, 20, directions)
        named = [bool(find_outliers((e - e.mean(0)).norm(dim=-1))) for e in error]
        assert sum(named) / len(named) < most


def test_identical_pictures_have_no_outliers_and_return_their_shape():
    _, R, shapes = pictures(6)
    result = calibrate(MODEL, R, shapes[:1].expand(6, 10))
    assert torch.equal(result.identity.shape, shapes[0].double())
    assert result.outliers == ()
    assert result.optimality == 0


def test_one_picture_returns_what_it_shows():
    _, R, shapes = pictures(1)
    for method in ("paper", "robust", "mean", "median"):
        assert torch.equal(calibrate(MODEL, R, shapes, method=method).identity.shape, shapes[0].double())


def test_one_hot_confidence_returns_that_picture():
    _, R, shapes = pictures(5)
    confidence = torch.tensor([0.0, 0.0, 1000.0, 0.0, 0.0])
    result = calibrate(MODEL, R, shapes, confidence)
    assert torch.equal(result.identity.shape, shapes[2].double())
    assert result.identity.evidence.residual_mm[2] == 0


def test_named_methods_are_what_their_names_say():
    _, R, shapes = pictures(7)
    values, confidence = shapes.double(), torch.randn(7)
    torch.testing.assert_close(calibrate(MODEL, R, shapes, method="mean").identity.shape, values.mean(0))
    torch.testing.assert_close(calibrate(MODEL, R, shapes, method="median").identity.shape, values.median(0).values)
    best = confidence.topk(3).indices
    top = calibrate(MODEL, R, shapes, confidence, method="top-k", top_k=3)
    torch.testing.assert_close(top.identity.shape, values[best].mean(0))
    assert top.identity.evidence.weights.count_nonzero() == 3
    common = shape_metric(MODEL, R).mean(0).expand(7, 10, 10)
    robust = calibrate(MODEL, R, shapes, method="robust").identity.shape
    assert subgradient_distance(robust, values, common, torch.ones(7)) < 1e-8


def test_the_squared_objective_is_at_its_minimum():
    _, R, shapes = pictures(7)
    values, confidence = shapes.double(), torch.randn(7)
    metrics, weights = shape_metric(MODEL, R), WeightMap()(confidence)
    found = calibrate(MODEL, R, shapes, confidence, method="squared").identity.shape.requires_grad_()
    e = found - values
    cost = weights @ torch.einsum("ki,kij,kj->k", e, metrics, e)
    (gradient,) = torch.autograd.grad(cost, found)
    assert gradient.abs().max() < 1e-10 * metrics.abs().max()


def said_by_keypoints(pictures: int) -> ShapeLikelihood:
    root = torch.randn(pictures, 10, 4).double()
    precision = root @ root.mT
    return ShapeLikelihood(precision=precision, information=(precision @ torch.randn(10).double()))


def test_fitted_shapes_are_the_most_probable_ones_with_their_covariance():
    _, R, shapes = pictures(5)
    said = said_by_keypoints(5)
    identity = calibrate(MODEL, R, shapes, method="fit", keypoints=said).identity
    precision = torch.eye(10) + said.precision.sum(0)
    torch.testing.assert_close(precision @ identity.shape, said.information.sum(0))
    torch.testing.assert_close(precision @ identity.covariance, torch.eye(10).double(), atol=1e-9, rtol=0)
    assert torch.linalg.eigvalsh(identity.covariance).max() <= 1 + 1e-9  # never wider than people are
    length = 1000 * 0.2
    taped = calibrate(MODEL, R, shapes, method="fit", keypoints=said, anchor=Anchor(length_mm=length)).identity
    assert taped.covariance.trace() < identity.covariance.trace()
    with pytest.raises(ValueError, match='for the method "fit" what the keypoints of each picture say'):
        calibrate(MODEL, R, shapes, method="fit")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6))
def test_the_weighted_median_minimises_the_weighted_absolute_error(k, seed):
    g = torch.Generator().manual_seed(seed)
    values, weights = torch.randn(k, 3, generator=g).double(), torch.randint(1, 4, (k,), generator=g).double()
    median, _ = combine(values, torch.eye(3).double().expand(k, 3, 3), weights / weights.sum(), "median")

    def cost(x):
        return weights @ (values - x).abs()

    assert (cost(median) <= torch.stack([cost(v) for v in values]).amin(0) + 1e-12).all()
    repeated = values.repeat_interleave(weights.long(), 0)
    torch.testing.assert_close(median, repeated.quantile(0.5, dim=0))


def test_residuals_are_millimetres_between_meshes():
    _, R, shapes = pictures(4)
    model = MODEL.to(torch.float64)
    identity = calibrate(MODEL, R, shapes).identity
    for k in range(4):
        moved = posed_verts(model, identity.shape, R[k].double()) - posed_verts(
            model, shapes[k].double(), R[k].double()
        )
        rms_mm = moved.square().sum(-1).mean().sqrt() * 1000
        torch.testing.assert_close(identity.evidence.residual_mm[k], rms_mm)


@pytest.mark.parametrize("method", ["paper", "squared", "robust", "mean", "median", "top-k"])
def test_adding_pictures_to_the_file_equals_calibrating_from_all_of_them(tmp_path, method):
    _, R, shapes = pictures(12)
    confidence = torch.randn(12)
    weight_map = WeightMap(kind="rank", temperature=0.5)
    names = [f"{i}.jpg" for i in range(12)]
    batch = calibrate(MODEL, R, shapes, confidence, method=method, weight_map=weight_map, top_k=4, names=names)
    some = slice(0, 5)
    first = calibrate(
        MODEL, R[some], shapes[some], confidence[some], method=method, weight_map=weight_map, top_k=4, names=names[:5]
    )
    path = tmp_path / "me.hand"
    save_identity(first.identity, path)
    for k in range(5, 12):
        one = slice(k, k + 1)
        online = update(load_identity(path, MODEL), MODEL, R[one], shapes[one], confidence[one], names=[names[k]])
        save_identity(online.identity, path)
    torch.testing.assert_close(online.identity.shape, batch.identity.shape, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        online.identity.evidence.residual_mm, batch.identity.evidence.residual_mm, atol=1e-7, rtol=0
    )
    assert online.identity.evidence.names == batch.identity.evidence.names
    assert online.outliers == batch.outliers


@pytest.mark.parametrize("kind", ["uniform", "softmax", "sigmoid", "rank"])
def test_weights_are_a_distribution_that_prefers_confident_pictures(kind):
    score = torch.tensor([3.0, -50.0, 0.1, 0.1, 2.0])
    weights = WeightMap(kind=kind, temperature=0.7, centre=1.0)(score)
    assert weights.sum().item() == pytest.approx(1)
    assert (weights >= 0).all()
    if kind == "uniform":
        assert (weights == 0.2).all()
    else:
        assert weights.argsort(descending=True, stable=True).tolist() == [0, 4, 2, 3, 1]
        assert weights[2] == weights[3]
    hot = WeightMap(kind=kind, temperature=1e9)(score)
    torch.testing.assert_close(hot, torch.full((5,), 0.2, dtype=torch.float64), atol=1e-6, rtol=0)
    assert WeightMap.from_dict(WeightMap(kind=kind).to_dict()) == WeightMap(kind=kind)


def test_without_confidence_all_pictures_count_alike():
    weights = picture_weights(4, None)
    torch.testing.assert_close(weights, torch.full((4,), 0.25, dtype=torch.float64))


def test_bad_input_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for users
    _, R, shapes = pictures(3)
    confidence = torch.zeros(3)
    nan = torch.tensor(float("nan"))
    other = replace(MODEL, id="other")
    identity = calibrate(MODEL, R, shapes).identity
    cases = [
        ("at least one picture", lambda: calibrate(MODEL, R[:0], shapes[:0])),
        ("finite shapes", lambda: calibrate(MODEL, R, shapes * nan)),
        ("finite rotations", lambda: calibrate(MODEL, R * nan, shapes)),
        ("finite confidence", lambda: calibrate(MODEL, R, shapes, confidence * nan)),
        ("for each picture", lambda: calibrate(MODEL, random_pose(2).R_parent_joint, shapes)),
        ("for each picture", lambda: calibrate(MODEL, R, shapes, torch.zeros(2))),
        ("10 shape coefficients", lambda: calibrate(MODEL, R, shapes[:, :9])),
        ("not orthogonal", lambda: calibrate(MODEL, 2 * R, shapes)),
        ("a method among", lambda: calibrate(MODEL, R, shapes, method="best")),
        ("needs the confidence", lambda: calibrate(MODEL, R, shapes, method="top-k")),
        ("top_k of at least 1", lambda: calibrate(MODEL, R, shapes, confidence, method="top-k", top_k=0)),
        ("names of 3 pictures", lambda: calibrate(MODEL, R, shapes, names=["one"])),
        ("anchor needs an error model", lambda: calibrate(MODEL, R, shapes, anchor=Anchor(length_mm=180))),
        ('"bayes" needs an error model', lambda: calibrate(MODEL, R, shapes, method="bayes")),
        ('"joint" needs an error model', lambda: calibrate(MODEL, R, shapes, method="joint")),
        ("belongs to the hand model", lambda: update(identity, other, R, shapes)),
        ("no evidence", lambda: update(replace(identity, evidence=None), MODEL, R, shapes)),
        ("for all pictures or for none", lambda: update(identity, MODEL, R, shapes, confidence)),
        ("positive temperature", lambda: WeightMap(temperature=0.0)),
        ("a weight map among", lambda: WeightMap(kind="sharp")),
        ("hand length between", lambda: Anchor(length_mm=0.18)),
    ]
    for sentence, call in cases:
        with pytest.raises(ValueError, match=sentence):
            call()
