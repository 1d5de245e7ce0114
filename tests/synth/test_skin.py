"""Skins: of one person, of all tones, soft."""

import numpy as np
import pytest

from ownhand.synth.people.covers import gloved, plastered
from ownhand.synth.people.looks import draw_look
from ownhand.synth.people.outfit import Glove, Plaster
from ownhand.synth.people.population import draw_person
from ownhand.synth.people.skin import paint, skin_texture
from ownhand.synth.people.skin_map import part_labels, skin_map
from ownhand.synth.people.skin_noise import Noise
from ownhand.synth.people.tones import MONK, lab_from_linear, linear_from_lab, nearest_tone

SIZE = 128


def _look(tone=4.0, **changes):
    look = draw_look(np.random.default_rng(0), tone, 35.0, True)
    plain = {"detail": 0.5, "blood": 0.5, "polish": None, "nail": 0.1, "tattoos": 0, "vitiligo": False, "hair": 0.0}
    return look.__class__(**{**vars(look), **plain, **changes})


def _painted(seed=0, **changes):
    return paint(_look(**changes), np.random.default_rng(seed), skin_map(SIZE))


def test_a_person_always_has_the_same_skin_and_others_have_another():
    first = skin_texture(draw_person(1, 5), SIZE).colour.copy()
    draw_person.cache_clear()
    np.testing.assert_array_equal(skin_texture(draw_person(1, 5), SIZE).colour, first)
    assert np.abs(skin_texture(draw_person(1, 6), SIZE).colour - first).mean() > 0.01


def test_one_skin_looks_alike_at_both_sizes():
    difference = []
    for number in range(6):
        small = skin_texture(draw_person(2, number), 128).colour
        large = skin_texture(draw_person(2, number), 256).colour.reshape(128, 2, 128, 2, 3).mean((1, 3))
        difference.append(np.abs(small - large).mean())
    assert max(difference) < 0.03


def test_two_hundred_people_cover_the_monk_scale_evenly():
    surface = skin_map(SIZE)
    back = surface.back * surface.hand > 0.9
    medians = []
    for number in range(200):
        person = draw_person(0, number)
        medians.append(np.median(paint(person.look, person.rng(1), surface)[0][back], 0))
    share = np.bincount(nearest_tone(np.array(medians)), minlength=10) / 200
    assert share.min() >= 0.06
    assert share.max() <= 0.14


def test_few_consecutive_people_have_all_tones():
    tones = np.array([draw_person(3, number).look.tone for number in range(40, 60)])
    assert np.histogram(tones, bins=10, range=(0, 10))[0].min() >= 1


def test_cielab_goes_there_and_back():
    np.testing.assert_allclose(linear_from_lab(lab_from_linear(MONK)), MONK, atol=1e-5)
    np.testing.assert_allclose(lab_from_linear(np.ones(3)), [100, 0, 0], atol=0.02)


@pytest.mark.parametrize("tone", [1.0, 5.0, 9.5])
def test_palms_are_paler_than_backs_the_more_the_darker_the_skin(tone):
    surface, (colour, _) = skin_map(SIZE), _painted(tone=tone)
    palm, back = colour[surface.palm > 0.9].mean(0), colour[surface.back > 0.9].mean(0)
    ratio = palm.mean() / back.mean()
    assert ratio > 0.9
    assert (ratio > 2) == (tone > 9)


def test_no_detail_means_almost_no_lines():
    rows = skin_map(SIZE).palm > 0.95
    none, strong = (_painted(seed=3, detail=detail)[0][rows].std(0).mean() for detail in (0.0, 1.0))
    assert none < 0.6 * strong


def test_polish_colours_the_nails_only():
    red = np.array([0.5, 0.01, 0.02])
    plain, polished = (_painted(polish=polish)[0] for polish in (None, red))
    nail = skin_map(SIZE).nail
    assert not (np.abs(plain - polished).max(-1) > 1e-6)[nail == 0].any()
    np.testing.assert_allclose(polished[nail > 0.99].mean(0), red, atol=0.06)


def test_hair_darkens_the_back_and_leaves_palm_and_nails():
    surface = skin_map(SIZE)
    bare, hairy = (_painted(hair=hair, hair_colour=np.full(3, 0.01))[0] for hair in (0.0, 20.0))
    change = (bare - hairy).mean(-1)
    assert change[surface.dorsal * (1 - surface.hand) > 0.9].mean() > 0.02
    assert np.abs(change[surface.palm > 0.95]).mean() < 0.003
    assert np.abs(change[surface.nail > 0.95]).mean() < 0.01


def test_tattoos_only_darken():
    plain, inked = (_painted(tattoos=count, detail=0.0)[0] for count in (0, 3))
    assert np.quantile((plain - inked).mean(-1), 0.99) > 0.05


def test_vitiligo_takes_pigment_away_in_patches():
    surface = skin_map(SIZE)
    plain, patched = (_painted(tone=8.0, vitiligo=patches)[0] for patches in (False, True))
    lighter = (patched.mean(-1) > 3 * plain.mean(-1))[surface.back > 0.5]
    assert 0.01 < lighter.mean() < 0.6


def test_gloves_cover_the_hand_and_fingerless_ones_leave_fingertips():
    surface, (colour, height) = skin_map(SIZE), _painted()
    for fingerless in (False, True):
        glove = Glove(kind="knit", fingerless=fingerless, end=-0.02, colour=(0.0, 0.0, 0.9))
        out, _ = gloved(colour, height, glove, surface, Noise(np.random.default_rng(0), surface))
        blue = out[:, 0] < 0.5 * colour[:, 0]
        assert blue[surface.palm > 0.9].all()
        assert not blue[surface.position[:, 0] < -0.03].any()
        assert blue[surface.tip > 0.8].all() != fingerless


def test_a_plaster_covers_one_bone():
    surface, (colour, height) = skin_map(SIZE), _painted()
    plaster = Plaster(joint=8, half_width=0.008, gauze=False, colour=(0.0, 0.6, 0.0))
    out, _ = plastered(colour, height, plaster, surface, Noise(np.random.default_rng(0), surface))
    changed = np.abs(out - colour).max(-1) > 0.05
    assert changed.any()
    assert (surface.weight[changed, 8] > 0.25).all()


def test_every_part_has_a_palmar_and_a_dorsal_side():
    labels = part_labels(3276)
    assert set(labels[:3276]) == set(range(2, 34))
    assert (labels[3276:] == 1).all()
