"""The drawn adults against the survey."""

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import survey_measurements
from ownhand.synth.population import draw_people

# ANSUR II: hand length, palm length, breadth, circumference, wrist circumference [mm]; women, men.
MEANS = np.array([[181.1, 108.7, 78.2, 186.6, 154.8], [193.3, 116.5, 88.3, 212.3, 175.9]])
SDS = np.array([[10.1, 5.9, 3.8, 8.8, 7.8], [9.9, 6.2, 4.4, 10.2, 9.0]])
LENGTH_BREADTH = (0.569, 0.582)  # correlations


@pytest.fixture(scope="module")
def people():
    return draw_people(5000, seed=0)


def test_measurements_match_the_survey(people):
    shape, is_male = people
    values = survey_measurements(open_hand(), shape).numpy()
    for sex in range(2):
        own = values[is_male.numpy() == bool(sex)]
        assert len(own) > 2300
        assert np.abs(own.mean(0) / MEANS[sex] - 1).max() < 0.02
        assert np.abs(own.std(0) / SDS[sex] - 1).max() < 0.10
        assert np.corrcoef(own.T)[0, 2] == pytest.approx(LENGTH_BREADTH[sex], abs=0.1)


def test_everybody_together_has_zero_mean_and_unit_covariance(people):
    shape = people[0].double()
    assert shape.mean(0).abs().max() < 0.06
    assert (torch.cov(shape.T) - torch.eye(10)).abs().max() < 0.1


def test_a_person_depends_on_seed_and_index_alone(people):
    shape, is_male = people
    some, their_sex = draw_people(3, seed=0, first=40)
    assert torch.equal(some, shape[40:43])
    assert torch.equal(their_sex, is_male[40:43])
    assert not torch.equal(draw_people(3, seed=1, first=40)[0], some)


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        draw_people(3, seed=-1)
