"""The drawn adults against the survey."""

import numpy as np
import pytest
import torch

from ownhand.geometry.meshes import face_normals
from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import survey_measurements
from ownhand.synth.people.population import draw_people, draw_person

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


def test_a_person_has_the_shape_and_sex_of_the_population():
    shape, is_male = draw_people(4, seed=3, first=5)
    for k in range(4):
        person = draw_person(3, 5 + k)
        np.testing.assert_array_equal(person.shape, shape[k].numpy())
        assert person.is_male == bool(is_male[k])
        assert person.age >= 18
    wide = draw_person(3, 5, spread=2.0).shape
    np.testing.assert_allclose(wide, shape[0].numpy() * [1, *[2] * 9], rtol=1e-6)


def test_the_shares_of_what_people_wear_are_as_stated():
    outfits = [draw_person(1, number).outfit for number in range(1500)]
    for share, worn in (
        (0.25, [bool(o.rings) for o in outfits]),
        (0.15, [o.wrist is not None for o in outfits]),
        (0.40, [o.sleeve is not None for o in outfits]),
        (0.02, [o.glove is not None for o in outfits]),
    ):
        assert np.mean(worn) == pytest.approx(share, abs=0.012 + 0.08 * share)
    assert max(len(o.rings) for o in outfits) == 3


@pytest.fixture(scope="module")
def anyone():
    return [draw_person(2, number, anyone=True) for number in range(600)]


def test_anyone_has_children_smaller_than_adults(anyone):
    ages = np.array([person.age for person in anyone])
    lengths = survey_measurements(open_hand(), torch.from_numpy(np.stack([p.shape for p in anyone])))[:, 0].numpy()
    assert 0.2 < (ages < 18).mean() < 0.4
    assert ages.min() < 8
    assert 110 < lengths.min() < 130
    assert 220 < lengths.max() < 245
    assert lengths[ages < 9].mean() < 0.8 * lengths[ages > 18].mean()


def test_anyone_still_has_a_possible_hand(anyone):
    """Bones keep likely lengths for the palm's, and no face of the rest hand turns over."""
    hand = open_hand()
    shape = torch.from_numpy(np.stack([person.shape for person in anyone]))
    verts = hand.template + (hand.shape_basis @ shape.T).permute(2, 0, 1)
    turned = (face_normals(verts, hand.faces) * face_normals(hand.template, hand.faces)).sum(-1)
    assert turned.min() > -0.2
    joints = torch.einsum("jv,nvc->njc", hand.joint_regressor, verts)
    palm = joints[:, 7].norm(dim=-1)
    for base in (4, 7, 10, 13):
        proximal = (joints[:, base + 1] - joints[:, base]).norm(dim=-1) / palm
        middle = (joints[:, base + 2] - joints[:, base + 1]).norm(dim=-1) / palm
        assert proximal.min() > 0.2
        assert proximal.max() < 0.75
        assert middle.min() > 0.12
