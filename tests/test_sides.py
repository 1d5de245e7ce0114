"""Left or right, when pictures are given together."""

import pytest
import torch

from ownhand.sides import SURE, sides_together


def test_a_few_pictures_that_disagree_weakly_are_of_the_same_hand():
    assert sides_together([2.4] * 18 + [-2.4] * 2) == [True] * 20
    assert sides_together([-2.4] * 18 + [2.4] * 2) == [False] * 20


def test_pictures_of_both_hands_are_told_apart():
    odds = [2.4] * 10 + [-2.4] * 10
    assert sides_together(odds) == [value > 0 for value in odds]


def test_one_that_is_known_to_be_the_other_hand_is_believed():
    assert sides_together([2.4] * 18 + [-SURE]) == [True] * 18 + [False]


@pytest.mark.parametrize("odds", [0.3, -0.3, SURE, -SURE])
def test_a_picture_alone_speaks_for_itself(odds):
    assert sides_together([odds]) == [odds > 0]


def test_nothing_given_nothing_said():
    assert sides_together([]) == []


def test_mirrored_pictures_get_the_other_answer():
    for seed in range(50):
        g = torch.Generator().manual_seed(seed)
        odds = (3 * torch.randn(int(torch.randint(1, 12, (), generator=g)), generator=g) + 1).tolist()
        assert sides_together([-value for value in odds]) == [not right for right in sides_together(odds)]


def test_together_they_err_less_than_each_for_itself():
    """With odds that are as right as they say."""
    g = torch.Generator().manual_seed(0)
    wrong = {"together": 0, "alone": 0}
    for _ in range(200):
        p = 0.5 + 0.5 * torch.rand(12, generator=g, dtype=torch.float64)
        odds = torch.where(torch.rand(12, generator=g) < p, 1, -1) * torch.logit(p.clamp_max(0.999))
        wrong["together"] += sides_together(odds.tolist()).count(False)
        wrong["alone"] += int((odds < 0).sum())
    assert wrong["together"] < 0.2 * wrong["alone"]
