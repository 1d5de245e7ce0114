"""Scores on a frozen estimator."""

from dataclasses import replace

import pytest
import torch
from estimator_examples import HAND, make, samples

from ownhand.estimators.build import extended
from ownhand.estimators.confidence import TARGETS
from ownhand.losses import CONFIDENCE, training_loss


def trained(estimator, sample, steps: int = 5) -> None:
    optimizer = torch.optim.AdamW([p for p in estimator.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    for _ in range(steps):
        terms = training_loss(
            *estimator.forward_training(sample.image, sample.camera, sample.shape), sample, HAND, CONFIDENCE
        )
        optimizer.zero_grad()
        terms["total"].mean().backward()
        optimizer.step()


def test_frozen_stays_frozen_bit_for_bit():
    estimator, sample = make("with confidence").train(), samples(8)
    before = {k: v.clone() for k, v in estimator.state_dict().items()}
    prediction = estimator(sample.image, sample.camera)
    trained(estimator, sample)
    after = estimator.state_dict()
    assert [k for k in before if not torch.equal(before[k], after[k])] == ["score.weight"]
    assert torch.equal(estimator(sample.image, sample.camera).joints, prediction.joints)


def test_frozen_stays_in_evaluation_mode():
    estimator = make("with confidence")
    for mode in (True, False, True):
        estimator.train(mode)
        assert estimator.training == mode
        assert not any(module.training for module in estimator.estimator.modules())


def test_only_the_score_is_trained():
    assert [k for k, p in make("with confidence").named_parameters() if p.requires_grad] == ["score.weight"]


def test_a_score_changes_no_prediction():
    baseline, sample = make("baseline").eval(), samples()
    before = baseline(sample.image, sample.camera)
    after = extended(baseline, "confidence")(sample.image, sample.camera)
    assert torch.equal(before.joints, after.joints)
    assert torch.equal(before.shape, after.shape)
    assert before.confidence is None
    assert after.confidence.shape == (4,)


@pytest.mark.parametrize("target", TARGETS)
def test_the_confidence_is_the_score_of_the_chosen_target(target):
    estimator, sample = make("with confidence").eval(), samples()
    estimator.config = replace(estimator.config, target=target)
    prediction = estimator(sample.image, sample.camera)
    assert torch.equal(prediction.confidence, prediction.scores[:, TARGETS.index(target)])


def test_scores_learn_to_order_pictures():
    estimator, sample = make("with confidence"), samples(6)
    sample = replace(sample, subject=torch.zeros(6, dtype=torch.long))
    trained(estimator, sample, steps=60)
    prediction = estimator(sample.image, sample.camera)
    error = (prediction.shape - sample.shape).abs().mean(-1)
    assert torch.equal(prediction.scores[:, 0].argsort(), error.argsort(descending=True))


def test_training_only_parts_of_the_scored_estimator_are_dropped():
    estimator = extended(make("baseline, dense"), "confidence")
    assert not [key for key in estimator.state_dict() if "auxiliary" in key]
    assert estimator.config.estimator["auxiliary"] == 0
