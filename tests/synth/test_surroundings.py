"""Backgrounds, light, camera."""

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import open_hand
from ownhand.synth import backgrounds, effects, scene
from ownhand.synth.forearm import bent, direction, draw_bend, hand_verts


def test_backgrounds_differ_and_repeat():
    first = [backgrounds.background(0, 40 * i, 64, np.random.default_rng(i)) for i in range(6)]
    backgrounds.canvas.cache_clear()
    for i, image in enumerate(first):
        np.testing.assert_array_equal(backgrounds.background(0, 40 * i, 64, np.random.default_rng(i)), image)
        assert image.shape == (64, 64, 3)
        assert image.min() >= 0
        assert image.max() <= 1
    assert np.std([image.mean() for image in first]) > 0.01


@pytest.mark.parametrize("size", [64, 224, 600])
def test_no_background_leaves_its_canvas(size):
    """A piece that left it would show black corners: the canvas is made white."""
    canvas = tuple(x.point(lambda v: 255) for x in backgrounds.canvas(0, 0))
    for seed in range(100 if size < 500 else 10):
        rng = np.random.default_rng(seed)
        original, backgrounds.canvas = backgrounds.canvas, lambda *_: canvas
        try:
            assert backgrounds.background(0, 0, size, rng).min() > 0.05
        finally:
            backgrounds.canvas = original


def test_a_photograph_of_grey_is_about_grey():
    grey = np.full((64, 64, 3), 0.2, np.float32)
    levels = [effects.photographed(grey, np.random.default_rng(i)).mean() for i in range(50)]
    assert 90 < np.mean(levels) < 150
    assert np.std(levels) > 3


def test_the_forearm_never_points_at_the_camera():
    rng = np.random.default_rng(0)
    for _ in range(200):
        forearm = direction(torch.from_numpy(draw_bend(rng))).numpy()
        assert -(scene.draw_view(rng, forearm) @ forearm)[2] < scene.TOWARDS_CAMERA


def test_bending_the_wrist_moves_the_forearm_only():
    verts = open_hand(forearm=True).template
    straight, turned = bent(verts, torch.zeros(3)), bent(verts, torch.tensor([0.0, 0.7, 0.2]))
    n = hand_verts()
    assert torch.equal(turned[:n], verts[:n])
    assert (turned[n:] - straight[n:]).norm(dim=-1).max() > 0.1
    faces = open_hand(forearm=True).faces
    before, after = ((v[faces] - v[faces.roll(1, 1)]).norm(dim=-1) for v in (straight, turned))
    edge = after / before
    assert edge.min() > 0.3
    assert edge.max() < 2


def test_exposure_stays_within_reason():
    rng = np.random.default_rng(1)
    behind = np.full((8, 8, 3), 0.3, np.float32)
    totals = []
    for _ in range(200):
        lights, ambient = scene.draw_lights(rng, np.array([0, 0, 0.5]), behind)
        assert 1 <= len(lights) <= 3
        direct = sum(np.mean(x.colour) / np.sum((np.array(x.position) - [0, 0, 0.5]) ** 2) for x in lights)
        totals.append(direct + ambient.coefficients[0].mean())
    assert np.percentile(totals, 2) > 0.4
    assert np.percentile(totals, 98) < 2
