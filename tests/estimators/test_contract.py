"""What holds for every estimator."""

import pytest
import torch
from estimator_examples import ALL, HAND, SIZE, WEIGHTS, make, samples

from ownhand.estimators.base import Prediction
from ownhand.estimators.build import load, save
from ownhand.losses import training_loss

CAREFUL = {"metro": (1e-3, 60), "spurr": (3e-3, 60)}
"""Rate and number of steps in which those learn that bear no larger ones: a transformer, and depth from a quotient."""

every_estimator = pytest.mark.parametrize("name", ALL)


def fields(prediction: Prediction) -> dict[str, torch.Tensor]:
    pose = {} if prediction.pose is None else vars(prediction.pose)
    return {k: v for k, v in (vars(prediction) | pose).items() if isinstance(v, torch.Tensor)}


def assert_close(a: Prediction, b: Prediction, **tolerance: float) -> None:
    assert fields(a).keys() == fields(b).keys()
    for key, value in fields(a).items():
        torch.testing.assert_close(value, fields(b)[key], **tolerance, msg=lambda m, key=key: f"{key}: {m}")


def predict(estimator, sample) -> Prediction:
    with torch.no_grad():
        return estimator.eval()(sample.image, sample.camera, sample.shape)


@every_estimator
def test_predictions_are_finite_and_have_the_batch_in_front(name):
    found = predict(make(name), samples(3))
    assert found.batch_shape == (3,)
    assert all(value.isfinite().all() for value in fields(found).values())
    assert found.joints is not None or found.keypoints is not None


@every_estimator
def test_predictions_are_in_range(name):
    found = predict(make(name), samples(3))
    if found.joints is not None:
        assert found.joints[:, 0].abs().max() == 0
    if found.joints is not None and found.pose is not None:
        torch.testing.assert_close(HAND.shaped(found.shape).posed(found.pose).joints, found.joints)
    if found.keypoint_confidence is not None:
        assert (found.keypoints >= 0).all()
        assert (found.keypoints <= SIZE[0]).all()
        assert ((found.keypoint_confidence >= 0) & (found.keypoint_confidence <= 1)).all()


@every_estimator
def test_every_trained_parameter_gets_a_gradient(name):
    estimator, sample = make(name).train(), samples()
    prediction, auxiliary = estimator.forward_training(sample.image, sample.camera, sample.shape)
    training_loss(prediction, auxiliary, sample, HAND, WEIGHTS[name])["total"].mean().backward()
    trained = {k: p for k, p in estimator.named_parameters() if p.requires_grad}
    assert trained
    assert not [k for k, p in trained.items() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()]


@every_estimator
def test_training_predicts_the_same_as_using(name):
    estimator, sample = make(name).eval(), samples()
    arguments = sample.image, sample.camera, sample.shape
    assert_close(estimator(*arguments), estimator.forward_training(*arguments)[0], atol=0, rtol=0)


@every_estimator
def test_four_pictures_can_be_learnt_by_heart(name):
    estimator, sample = make(name, untrained=True).train(), samples()
    rate, steps = next((how for kind, how in CAREFUL.items() if name.startswith(kind)), (1e-2, 25))
    optimizer = torch.optim.Adam([p for p in estimator.parameters() if p.requires_grad], lr=rate)
    totals = []
    for _ in range(steps):
        prediction, auxiliary = estimator.forward_training(sample.image, sample.camera, sample.shape)
        total = training_loss(prediction, auxiliary, sample, HAND, WEIGHTS[name])["total"].mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.4 * totals[0]


@every_estimator
def test_the_same_picture_gives_the_same_answer(name):
    estimator, sample = make(name), samples()
    assert_close(predict(estimator, sample), predict(estimator, sample), atol=0, rtol=0)
    assert_close(predict(make(name), sample), predict(estimator, sample), atol=0, rtol=0)


@every_estimator
def test_a_picture_does_not_see_its_batch(name):
    estimator, sample = make(name), samples(5)
    assert_close(predict(estimator, sample)[2:3], predict(estimator, sample[2:3]), atol=1e-4, rtol=1e-4)


@every_estimator
def test_bfloat16_is_close_to_float32(name):
    estimator, sample = make(name), samples()
    full = predict(estimator, sample)
    with torch.autocast("cpu", torch.bfloat16):
        half = predict(estimator, sample)
    assert all(value.dtype == torch.float32 for value in fields(half).values())
    if full.joints is not None:
        furthest = 2e-2 if name.startswith(tuple(CAREFUL)) else 5e-3  # random weights are far from those of training
        torch.testing.assert_close(half.joints, full.joints, atol=furthest, rtol=0)
    if full.pose is not None:
        R = half.pose.R_parent_joint
        torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)
    if full.joints is None:
        moved = (half.keypoints - full.keypoints).norm(dim=-1)
        assert moved.median() < 1


@every_estimator
def test_saved_and_loaded_weights_predict_bit_for_bit_the_same(name, tmp_path):
    estimator, sample = make(name), samples()
    save(estimator, tmp_path / "net")
    assert_close(predict(load(tmp_path / "net", HAND), sample), predict(estimator, sample), atol=0, rtol=0)


@every_estimator
def test_weights_contain_neither_the_hand_nor_what_serves_training_only(name, tmp_path):
    save(make(name), tmp_path / "net")
    loaded = load(tmp_path / "net", HAND)
    assert not [key for key in loaded.state_dict() if "hand" in key or "auxiliary" in key]
