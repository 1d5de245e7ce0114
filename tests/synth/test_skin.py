"""Skins: of one person, of all tones, soft."""

import numpy as np
import pytest

from ownhand.render import srgb_from_linear
from ownhand.synth.skin import TONES, Look, draw_look, paint, skin_texture
from ownhand.synth.skin_map import part_labels, skin_map

SIZE = 128


def _look(**changes):
    return Look(**{"tone": 2.0, "tan": 0.2, "detail": 0.5, "blood": 0.5, "polish": None, "nail": 0.1, **changes})


def _mean(texture, where):
    surface = skin_map(SIZE)
    flat = np.zeros((len(surface.position), 3))
    flat[surface.nearest.ravel()] = texture.colour.reshape(-1, 3)
    return flat[where].mean(0)


def test_a_person_always_has_the_same_skin_and_others_have_another():
    first = skin_texture(1, 5, True, SIZE).colour.copy()
    skin_texture.cache_clear()
    np.testing.assert_array_equal(skin_texture(1, 5, True, SIZE).colour, first)
    assert np.abs(skin_texture(1, 6, True, SIZE).colour - first).mean() > 0.01


def test_one_skin_looks_alike_at_both_sizes():
    small = skin_texture(2, 3, False, 128).colour
    large = skin_texture(2, 3, False, 256).colour.reshape(128, 2, 128, 2, 3).mean((1, 3))
    inside = skin_map(128).nearest == skin_map(128).nearest
    assert np.abs(small - large)[inside].mean() < 0.03


def test_tones_span_light_to_dark():
    tones = np.array([draw_look(np.random.default_rng(i), bool(i % 2)).tone for i in range(300)])
    counts = np.histogram(tones, bins=5, range=(0, 5))[0]
    assert counts.min() > 30
    assert srgb_from_linear(TONES[0]).mean() > 0.85
    assert srgb_from_linear(TONES[-1]).mean() < 0.3


@pytest.mark.parametrize("tone", [0.5, 2.5, 4.8])
def test_palms_are_never_darker_than_backs(tone):
    surface, texture = skin_map(SIZE), paint(_look(tone=tone), np.random.default_rng(0), skin_map(SIZE))
    palm, back = _mean(texture, surface.palm > 0.9), _mean(texture, surface.back > 0.9)
    assert palm.mean() > back.mean()
    assert (palm.mean() / back.mean() > 2) == (tone > 4)


def test_no_detail_means_almost_no_lines():
    spread = {}
    for detail in (0.0, 1.0):
        texture = paint(_look(detail=detail), np.random.default_rng(3), skin_map(SIZE))
        surface = skin_map(SIZE)
        rows = surface.palm > 0.95
        flat = np.zeros((len(rows), 3))
        flat[surface.nearest.ravel()] = texture.colour.reshape(-1, 3)
        spread[detail] = flat[rows].std(0).mean()
    assert spread[0.0] < 0.5 * spread[1.0]


def test_polish_colours_the_nails_only():
    red = np.array([0.5, 0.01, 0.02])
    plain, polished = (paint(_look(polish=p), np.random.default_rng(0), skin_map(SIZE)) for p in (None, red))
    changed = np.abs(plain.colour - polished.colour).max(-1) > 1e-6
    on = skin_map(SIZE).nail[skin_map(SIZE).nearest] > 0
    assert not changed[~on].any()
    np.testing.assert_allclose(_mean(polished, skin_map(SIZE).nail > 0.99), red, atol=0.02)


def test_every_part_has_a_palmar_and_a_dorsal_side():
    labels = part_labels(3276)
    assert set(labels[:3276]) == set(range(2, 34))
    assert (labels[3276:] == 1).all()
