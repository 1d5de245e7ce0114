"""Backgrounds, light, camera."""

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import open_hand
from ownhand.synth import backgrounds, effects, scene, things
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


def test_things_in_front_lie_between_camera_and_hand():
    joints = np.tile([0.0, 0.0, 0.4], (21, 1))
    for seed in range(60):
        mesh = things.thing_in_front(np.random.default_rng(seed), joints)
        assert mesh.verts[:, 2].min() > 0.01
        assert mesh.verts[:, 2].mean() < 0.45


def test_a_card_beside_the_hand_is_off_it_and_in_the_plane_of_the_palm():
    joints = open_hand().shaped(torch.zeros(10)).joints.numpy() + np.array([0, 0, 0.5])
    for seed in range(40):
        mesh = things.card_beside(np.random.default_rng(seed), joints, np.array([0.0, 0.0, 1.0]))
        assert np.ptp(mesh.verts[:, 2]) < 0.002
        assert np.linalg.norm(mesh.verts[:, None] - joints, axis=-1).min() > 0.008


def test_what_stands_on_the_desk_touches_it_beside_the_hand():
    verts = open_hand().template.numpy() + np.array([0, 0, 0.5])
    joints = open_hand().shaped(torch.zeros(10)).joints.numpy() + np.array([0, 0, 0.5])
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plane = things.desk(rng, verts)
        mesh = things.on_desk(rng, plane, joints)
        a, b, c = plane.verts[:3].astype(float)
        normal = np.cross(b - a, c - a) / np.linalg.norm(np.cross(b - a, c - a))
        height, above = (mesh.verts - a) @ normal, (verts - a) @ normal
        assert height.min() == pytest.approx(0, abs=1e-4)
        assert above.min() > 0
        assert np.linalg.norm(mesh.verts[:, None] - joints, axis=-1).min() > 0.005
