"""Confidence judged: against plain loops, and where the answer is known."""

import numpy as np
import pytest

from ownhand.experiments.confidence import area_under_sparsification_error, ranking_accuracy, sparsification

RANDOM = np.random.default_rng(0)
SUBJECT = np.repeat([4, 7, 9], [6, 1, 9])
ERROR = RANDOM.integers(0, 6, 16).astype(float)
CONFIDENCE = RANDOM.integers(0, 4, 16).astype(float)


def test_ranking_accuracy_is_what_a_loop_over_pairs_finds():
    found = ranking_accuracy(CONFIDENCE, ERROR, SUBJECT)
    for person in (4, 9):
        right, pairs = 0.0, 0
        rows = np.flatnonzero(person == SUBJECT)
        for i in rows:
            for j in rows:
                if ERROR[i] < ERROR[j]:
                    pairs += 1
                    right += 1.0 if CONFIDENCE[i] > CONFIDENCE[j] else 0.5 if CONFIDENCE[i] == CONFIDENCE[j] else 0.0
        assert found[person] == pytest.approx(right / pairs)
    assert 7 not in found


def test_sparsification_is_the_mean_error_of_the_most_confident():
    kept = np.array([0.01, 0.25, 0.5, 0.9, 1.0])
    confidence = RANDOM.permutation(16).astype(float)
    found = sparsification(confidence, ERROR, kept)
    for share, mean in zip(kept, found, strict=True):
        best = sorted(range(16), key=lambda i: -confidence[i])[: max(1, int(np.ceil(16 * share)))]
        assert mean == pytest.approx(ERROR[best].mean())
    assert found[-1] == pytest.approx(ERROR.mean())


def test_a_perfect_order_has_no_sparsification_error_and_a_reversed_one_the_most():
    error = RANDOM.gamma(2.0, 1.0, 2000)
    perfect, chance, wrong = (area_under_sparsification_error(c, error) for c in (-error, RANDOM.random(2000), error))
    assert perfect == pytest.approx(0)
    kept = np.arange(1, 2001) / 2000
    assert chance == pytest.approx((error.mean() - sparsification(-error, error, kept)).mean() / error.mean(), abs=0.03)
    assert wrong > 1.8 * chance
