"""Error bars: fitted on known people, true for others."""

import json
from dataclasses import replace

import jaxtyping
import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand.calibrate import (
    Anchor,
    ErrorModel,
    KnownPerson,
    WeightMap,
    alike,
    calibrate,
    choose_weight_map,
    coverage,
    fit_error_model,
    most_different,
    shape_metric,
    standardised,
    update,
)
from ownhand.calibrate.weights import independent_pictures, spread_evenly
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import CAUTION, ShapeLikelihood
from ownhand.hand.measure import length_mm
from ownhand.structs import concatenate

MODEL = toy_hand()
ROTATIONS = random_pose(100).R_parent_joint
METRICS = shape_metric(MODEL, ROTATIONS)


def people(
    n: int,
    pictures: int = 20,
    seed: int = 0,
    *,
    gain: float = 1.0,
    shared: float = 0.3,
    spread: float = 0.0,
    boast: float = 1.0,
) -> list[KnownPerson]:
    """Networks see `gain * (truth + error)`; part of the error is the person's, part the picture's own.

    The latter has standard deviation 1 times a factor, log-normal with `spread`, which the confidence knows. Keypoints
    show half of the coefficients with standard deviation 2, and say that their precision is `boast` times as much.
    """
    g = torch.Generator().manual_seed(seed)
    result = []
    for _ in range(n):
        truth, persons = torch.randn(2, 10, generator=g, dtype=torch.float64)
        log_noise = spread * torch.randn(pictures, generator=g, dtype=torch.float64)
        own = log_noise.exp()[:, None] * torch.randn(pictures, 10, generator=g, dtype=torch.float64)
        metrics = METRICS[torch.randint(100, (pictures,), generator=g)]
        shapes = gain * (truth + shared * persons + own)
        precision = torch.tensor([0.25] * 5 + [0.0] * 5, dtype=torch.float64)
        shown = precision * (truth + 2 * torch.randn(pictures, 10, generator=g, dtype=torch.float64))
        said = ShapeLikelihood(precision=boast * precision.diag().expand(pictures, 10, 10), information=boast * shown)
        result.append(
            KnownPerson(truth=truth, shapes=shapes, metrics=metrics, confidence=-2 * log_noise, keypoints=said)
        )
    return result


def test_both_covariances_are_recovered():
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 10, 10, generator=g, dtype=torch.float64)
    person, picture = a @ a.mT / 10, b @ b.mT / 5
    n, sizes = 2000, torch.tensor([1.0, 4.0, 20.0], dtype=torch.float64)
    truth = torch.randn(n, 10, generator=g, dtype=torch.float64).repeat_interleave(3, 0)
    k = sizes.repeat(n)
    shared = torch.randn(n, 10, generator=g, dtype=torch.float64).repeat_interleave(3, 0)
    own = torch.randn(3 * n, 10, generator=g, dtype=torch.float64)
    error = shared @ torch.linalg.cholesky(person).mT + own @ torch.linalg.cholesky(picture).mT / k[:, None].sqrt()
    fitted = ErrorModel.fit(truth, truth + error, k, method="mean", model_id="toy")
    torch.testing.assert_close(fitted.person, person, atol=0.3 * person.diag().mean().item(), rtol=0)
    torch.testing.assert_close(fitted.picture, picture, atol=0.3 * picture.diag().mean().item(), rtol=0)


@pytest.mark.parametrize("method", ["mean", "robust", "bayes", "joint"])
def test_error_bars_hold_for_people_never_seen(method):
    known = [replace(p, confidence=None) for p in people(100, boast=4.0)]
    model = fit_error_model(known, model_id="toy", method=method, sizes=(5, 20), draws=1)
    errors, covariances = [], []
    for person in people(150, seed=1, boast=4.0):
        said = person.keypoints if method == "joint" else None
        result = calibrate(MODEL, ROTATIONS[:20], person.shapes, method=method, error_model=model, keypoints=said)
        errors.append(result.identity.shape - person.truth)
        covariances.append(result.identity.covariance)
    error, covariance = torch.stack(errors), torch.stack(covariances)
    assert 0.8 < standardised(error, covariance).square().mean() < 1.25
    shares = coverage(error, covariance)
    assert all(abs(share - level) < 0.12 for level, share in shares.items()), shares


def test_bayes_undoes_the_caution_of_single_pictures():
    """A network that sees little says little; twenty pictures together may say more."""
    cautious = 1 / 3
    known = [replace(p, confidence=None) for p in people(60, gain=cautious, shared=0.1)]
    model = fit_error_model(known, model_id="toy", method="bayes", sizes=(5, 20), draws=1)
    torch.testing.assert_close(model.gain.diag(), torch.full((10,), cautious).double(), atol=0.1, rtol=0)
    squared = {"paper": 0.0, "bayes": 0.0}
    for person in people(30, seed=1, gain=cautious, shared=0.1):
        for method in squared:
            errors = model if method == "bayes" else None
            result = calibrate(MODEL, ROTATIONS[:20], person.shapes, method=method, error_model=errors)
            squared[method] += (result.identity.shape - person.truth).square().mean().item()
    assert squared["bayes"] < 0.5 * squared["paper"]


def test_how_sure_keypoints_claim_to_be_does_not_matter():
    squared = {}
    for boast in (1.0, 4.0):
        known = [replace(p, confidence=None) for p in people(60, boast=boast)]
        model = fit_error_model(known, model_id="toy", method="joint", sizes=(5, 20), draws=1)
        squared[boast] = sum(
            calibrate(MODEL, ROTATIONS[:20], p.shapes, method="joint", error_model=model, keypoints=p.keypoints)
            .identity.shape.sub(p.truth)
            .square()
            .mean()
            .item()
            for p in people(30, seed=1, boast=boast)
        )
    assert squared[4.0] == pytest.approx(squared[1.0], rel=0.1)


def test_what_keypoints_get_wrong_with_the_networks_or_always_is_learnt():
    """Keypoints of a hand that is believed to be near the mean one show a hand nearer to the mean one."""
    known = []
    for person in people(100):
        shown = 0.5 * person.keypoints.information + 0.3 * person.keypoints.precision.sum(-1)
        known.append(replace(person, confidence=None, keypoints=replace(person.keypoints, information=shown)))
    model = fit_error_model(known, model_id="toy", method="joint", sizes=(5, 20), draws=1)
    seen = slice(10, 15)
    held = 0.25 / (0.25 + CAUTION)
    torch.testing.assert_close(model.gain[seen].diag(), torch.full((5,), 0.5 * held).double(), atol=0.1, rtol=0)
    torch.testing.assert_close(model.offset[seen], torch.full((5,), 0.3 * held).double(), atol=0.1, rtol=0)


def test_keypoints_help_where_they_show_something():
    known = [replace(p, confidence=None) for p in people(60)]
    squared = {}
    for method in ("bayes", "joint"):
        model = fit_error_model(known, model_id="toy", method=method, sizes=(5, 20), draws=1)
        squared[method] = torch.stack(
            [
                calibrate(MODEL, ROTATIONS[:20], p.shapes, method=method, error_model=model, keypoints=p.keypoints)
                .identity.shape.sub(p.truth)
                .square()
                for p in people(60, seed=1)
            ]
        ).mean(0)
    ratio = squared["joint"] / squared["bayes"]
    assert ratio[:5].mean() < 0.85
    torch.testing.assert_close(ratio[5:], torch.ones(5).double(), atol=0.1, rtol=0)


def test_two_things_that_err_together_are_the_textbook_regression():
    g = torch.Generator().manual_seed(0)
    root, gain = torch.randn(4, 4, generator=g).double(), torch.randn(4, 2, generator=g).double()
    model = ErrorModel(
        person=root @ root.mT,
        picture=torch.zeros(4, 4).double(),
        gain=gain,
        offset=torch.ones(4).double(),
        method="joint",
        model_id="toy",
    )
    said = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    mean, covariance = model.posterior(said, 1.0)
    precision = torch.eye(2).double() + gain.mT @ torch.linalg.inv(model.person) @ gain
    torch.testing.assert_close(covariance, torch.linalg.inv(precision))
    torch.testing.assert_close(mean, covariance @ gain.mT @ torch.linalg.inv(model.person) @ (said - 1))


def test_a_shape_shown_by_keypoints_is_as_cautious_whatever_the_number_of_pictures():
    said = people(1)[0].keypoints
    once = said[:5].shape(torch.full((5,), 0.2).double())
    twice = concatenate([said[:5], said[:5]]).shape(torch.full((10,), 0.1).double())
    torch.testing.assert_close(once, twice)
    assert not once[5:].any()


def test_bayes_without_gain_is_the_textbook_posterior():
    model = ErrorModel(person=torch.eye(2).double(), picture=torch.eye(2).double() * 2, method="bayes", model_id="toy")
    mean, covariance = model.posterior(torch.tensor([3.0, -6.0]), k_effective=2.0)
    torch.testing.assert_close(mean, torch.tensor([1.0, -2.0]).double())
    torch.testing.assert_close(covariance, torch.eye(2).double() * 2 / 3)


def test_the_weight_map_that_validation_people_prefer_is_chosen():
    known = people(12, shared=0.1, spread=0.7)
    best, table = choose_weight_map(known, method="mean")
    errors = dict(table)
    assert errors[best] == min(errors.values()) < 0.8 * errors[WeightMap(kind="uniform")]
    upside_down = [replace(p, confidence=-p.confidence) for p in known]
    assert choose_weight_map(upside_down, method="mean")[0].kind == "uniform"
    one = [WeightMap(kind="rank")]
    _, table = choose_weight_map(known, candidates=one, error=lambda shape, truth: (shape - truth).norm() * 0 + 7)
    assert table == [(one[0], 7.0)]


def test_error_models_survive_json():
    model = fit_error_model(people(25, 5), model_id="toy", method="joint", sizes=(1, 5))
    back = ErrorModel.from_dict(json.loads(json.dumps(model.to_dict())))
    for name in ("person", "picture", "gain", "offset"):
        assert torch.equal(getattr(back, name), getattr(model, name))
    assert (back.method, back.model_id) == (model.method, model.model_id)


def test_an_anchor_agrees_with_weighting_many_samples():
    g = torch.Generator().manual_seed(3)
    factor = torch.randn(10, 10, generator=g, dtype=torch.float64) * 0.25
    covariance, shape = factor @ factor.mT, torch.randn(10, generator=g, dtype=torch.float64)
    model = MODEL.to(torch.float64)
    before = length_mm(model, shape).item()
    anchor = Anchor(length_mm=before + 6, std_mm=3.0)
    mean, conditioned = anchor.condition(MODEL, shape, covariance)
    sample = shape + torch.randn(60_000, 10, generator=g, dtype=torch.float64) @ factor.mT
    weights = (-0.5 * ((length_mm(model, sample) - anchor.length_mm) / anchor.std_mm) ** 2).softmax(0)
    expected = weights @ sample
    centred = sample - expected
    std = covariance.diag().sqrt()
    torch.testing.assert_close(mean / std, expected / std, atol=0.04, rtol=0)
    torch.testing.assert_close(
        conditioned / torch.outer(std, std),
        (weights[:, None] * centred).mT @ centred / torch.outer(std, std),
        atol=0.02,
        rtol=0,
    )


def test_a_sharp_anchor_makes_the_hand_as_long_as_measured():
    """The projection on the hand's axis stands for the length: to 0.01 mm, here from far away."""
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        shape = torch.randn(10, generator=g, dtype=torch.float64)
        target = length_mm(MODEL.to(torch.float64), torch.randn(10, generator=g, dtype=torch.float64)).item()
        mean, covariance = Anchor(length_mm=target, std_mm=1e-4).condition(MODEL, shape, torch.eye(10).double())
        assert length_mm(MODEL.to(torch.float64), mean).item() == pytest.approx(target, abs=0.01)
        assert (torch.linalg.eigvalsh(covariance) > -1e-12).all()
        assert covariance.diagonal().sum() < 9.01


def test_a_vague_anchor_changes_nothing():
    shape, covariance = torch.randn(10, dtype=torch.float64), torch.eye(10, dtype=torch.float64) * 0.1
    mean, conditioned = Anchor(length_mm=250.0, std_mm=99.0).condition(MODEL, shape, covariance)
    assert (mean - shape).norm() < 0.1
    torch.testing.assert_close(conditioned, covariance, atol=1e-3, rtol=0)


@pytest.mark.parametrize("method", ["paper", "bayes", "joint"])
def test_anchor_and_error_model_live_in_the_file_when_pictures_are_added(tmp_path, method):
    errors = fit_error_model(people(25, 5), model_id="toy", method=method, sizes=(1, 5))
    person, anchor = people(1, seed=9)[0], Anchor(length_mm=190.0)
    arguments = dict(method=method, error_model=errors, anchor=anchor)
    R, shapes, scores, said = ROTATIONS[:20], person.shapes, person.confidence, person.keypoints
    turned = random_pose(20, seed=4).R_cam_root
    batch = calibrate(MODEL, R, shapes, scores, keypoints=said, R_cam_root=turned, **arguments).identity
    first = calibrate(
        MODEL, R[:7], shapes[:7], scores[:7], keypoints=said[:7], R_cam_root=turned[:7], **arguments
    ).identity
    save_identity(first, tmp_path / "me.hand")
    back = load_identity(tmp_path / "me.hand")
    more = {"keypoints": said[7:], "R_cam_root": turned[7:]}
    online = update(back, MODEL, R[7:], shapes[7:], scores[7:], **more).identity
    torch.testing.assert_close(online.shape, batch.shape, atol=1e-9, rtol=0)
    torch.testing.assert_close(online.covariance, batch.covariance, atol=1e-9, rtol=0)
    assert torch.linalg.eigvalsh(online.covariance).min() > 0


def test_bad_input_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as for users
    known = [replace(p, confidence=None) for p in people(15, 5)]
    errors = fit_error_model(known, model_id="toy", sizes=(1, 5))
    R, shapes = ROTATIONS[:4], known[0].shapes[:4]
    other = replace(MODEL, id="other")
    silent = [replace(p, keypoints=None) for p in known]
    cases = [
        ("for the method 'paper', not 'mean'", lambda: calibrate(MODEL, R, shapes, method="mean", error_model=errors)),
        ("expected 10 values of the method 'paper'", lambda: errors.posterior(torch.zeros(20), 5.0)),
        ("belongs to the hand model", lambda: calibrate(other, R, shapes, error_model=errors)),
        ("4 pictures' keypoints", lambda: calibrate(MODEL, R, shapes, keypoints=known[0].keypoints[:3])),
        (
            "'joint' needs what the keypoints of each picture say",
            lambda: fit_error_model(silent, model_id="toy", method="joint"),
        ),
        ("more than 11 people", lambda: fit_error_model(known[:5], model_id="toy")),
        ("smallest size", lambda: fit_error_model(known, model_id="toy", sizes=(6,))),
        ("people with confidence", lambda: choose_weight_map([])),
        ("people with confidence", lambda: choose_weight_map(known)),
        ("as `to_dict` writes it", lambda: ErrorModel.from_dict({"person": 1})),
        ("as `to_dict` writes it", lambda: ErrorModel.from_dict({**errors.to_dict(), "picture": [[1.0]]})),
    ]
    for sentence, call in cases:
        with pytest.raises(ValueError, match=sentence):
            call()


def test_calibrations_of_one_size_leave_the_whole_error_to_the_person():
    truth = torch.randn(200, 3, dtype=torch.float64)
    error = torch.randn(200, 3, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0])
    errors = ErrorModel.fit(truth, truth + error, torch.full((200,), 5.0), method="paper", model_id="toy")
    assert not errors.picture.any()
    torch.testing.assert_close(errors.person.diag().sqrt(), torch.tensor([1.0, 2.0, 3.0]).double(), rtol=0.2, atol=0)


def clip(n: int, person: KnownPerson, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One picture of a person again and again: wrist and joints hardly move, and the error is the same."""
    g = torch.Generator().manual_seed(seed)
    shake = roma.rotvec_to_rotmat(0.02 * torch.randn(n, 16, 3, generator=g))
    R = ROTATIONS[:1].expand(n, 15, 3, 3) @ shake[:, 1:]
    return shake[:, 0], R, person.shapes[:1].expand(n, 10)


@pytest.mark.parametrize("method", ["bayes", "joint"])
def test_frames_of_a_clip_count_as_one_picture(method):
    model = fit_error_model(people(60, seed=1), model_id=MODEL.id, method=method)
    before, after, one = [], [], []
    for k, person in enumerate(people(100, seed=2)):
        turned, R, shapes = clip(30, person, k)
        said = person.keypoints[:1][torch.zeros(30, dtype=torch.long)]
        options = {"method": method, "error_model": model, "keypoints": said}
        for errors, R_cam_root in ((before, None), (after, turned)):
            found = calibrate(MODEL, R, shapes, R_cam_root=R_cam_root, **options).identity
            errors.append(standardised(found.shape - person.truth, found.covariance).square().mean())
        options |= {"keypoints": said[:1]}
        alone = calibrate(MODEL, R[:1], shapes[:1], R_cam_root=turned[:1], **options).identity
        one.append((alone.shape - found.shape).norm() / alone.shape.norm())
    assert torch.stack(before).mean() > 1.5
    assert 0.8 < torch.stack(after).mean() < 1.25
    assert torch.stack(one).median() < 0.05


def test_the_more_two_pictures_differ_the_less_their_errors_go_together():
    angle = torch.tensor([0.0, 0.1, 0.5, 1.0, 2.0, 3.0])
    R = roma.rotvec_to_rotmat(torch.stack([angle, 0 * angle, 0 * angle], -1))
    still = torch.eye(3).expand(6, 15, 3, 3)
    for together in (alike(R, still), alike(torch.eye(3).expand(6, 3, 3), R[:, None].expand(6, 15, 3, 3))):
        torch.testing.assert_close(together, together.mT)
        assert (together.diagonal() == 1).all()
        assert (together[0].diff() < 0).all()
        assert together[0, -1] < 1e-4
        assert torch.linalg.eigvalsh(together).min() > -1e-9


def test_pictures_that_are_not_alike_count_as_before():
    person = people(1)[0]
    model = fit_error_model(people(60, seed=1), model_id=MODEL.id, method="joint")
    poses = random_pose(20)
    shapes = person.shapes
    options = {"method": "joint", "error_model": model, "keypoints": person.keypoints}
    anyhow = calibrate(MODEL, poses.R_parent_joint, shapes, **options).identity
    asked = calibrate(MODEL, poses.R_parent_joint, shapes, R_cam_root=poses.R_cam_root, **options).identity
    assert (anyhow.shape - asked.shape).abs().max() < 0.05 * anyhow.shape.abs().max()


def test_weights_of_copies_are_shared_and_their_number_is_one():
    together = torch.zeros(5, 5, dtype=torch.float64)
    together[:4, :4] = together[4, 4] = 1
    weights = torch.full((5,), 0.2, dtype=torch.float64)
    spread = spread_evenly(weights, together)
    torch.testing.assert_close(spread, torch.tensor([0.125] * 4 + [0.5], dtype=torch.float64))
    assert float(independent_pictures(spread, together)) == pytest.approx(2)
    assert float(independent_pictures(weights, None)) == pytest.approx(5)


def test_of_many_pictures_the_good_and_different_ones_are_chosen():
    together = torch.eye(6, dtype=torch.float64)
    together[:3, :3] = 0.9 + 0.1 * torch.eye(3, dtype=torch.float64)
    quality = torch.tensor([0.5, 0.9, 0.8, 0.3, 0.7, 0.1])
    assert most_different(together, quality, 3) == [1, 3, 4]
    assert most_different(together, quality, 9) == list(range(6))
