"""Light: the same from every camera, within reason, and through thin skin."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from ownhand.geometry.camera import Camera
from ownhand.render import Ambient, Light, Material, Mesh, Scene, Surface, render
from ownhand.render.scene import harmonics, panorama_directions
from ownhand.synth.surroundings.light import MOODS, draw_light


def test_turned_light_is_that_of_a_turned_panorama():
    def radiance(directions):
        warm = np.exp(4 * (directions @ np.array([0.6, -0.8, 0.0]) - 1))
        return np.stack([warm + 0.3, 0.4 + 0.2 * directions[..., 2], warm**2 + 0.2 * directions[..., 0] ** 2], -1)

    R = Rotation.from_rotvec([0.7, -1.1, 0.4]).as_matrix()
    directions = panorama_directions(64, 128)
    here, there = Ambient.panorama(radiance(directions)), Ambient.panorama(radiance(directions @ R))
    np.testing.assert_allclose(here.turned(R).coefficients, there.coefficients, atol=1e-4)
    assert np.abs(here.coefficients - there.coefficients).max() > 0.05


def test_turning_light_keeps_what_every_direction_gets():
    rng = np.random.default_rng(0)
    ambient = Ambient(coefficients=rng.standard_normal((9, 3)))
    R, normals = Rotation.from_rotvec([0.3, 1.9, -0.8]).as_matrix(), rng.standard_normal((50, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    before = harmonics(normals) @ ambient.coefficients
    np.testing.assert_allclose(harmonics(normals @ R.T) @ ambient.turned(R).coefficients, before, atol=1e-5)


def test_exposure_stays_within_reason():
    rng = np.random.default_rng(1)
    behind = np.full((64, 64, 3), 0.3, np.float32)
    totals = []
    for _ in range(300):
        lights, ambient = draw_light(rng, np.array([0, 0, 0.5]), behind)
        direct = sum(np.mean(x.colour) / np.sum((np.array(x.position) - [0, 0, 0.5]) ** 2) for x in lights)
        totals.append(direct + ambient.coefficients[0].mean())
    assert np.percentile(totals, 2) > 0.4
    assert np.percentile(totals, 98) < 2


def test_lamps_are_few_hard_and_soft_and_some_stand_behind_the_hand():
    rng, centre = np.random.default_rng(2), np.array([0, 0, 0.5])
    drawn = [draw_light(rng, centre, np.full((64, 64, 3), 0.3, np.float32))[0] for _ in range(400)]
    counts = Counter(len(lights) for lights in drawn)
    assert set(counts) == {0, 1, 2, 3}
    first = [lights[0] for lights in drawn if lights]
    offsets = np.array([light.position for light in first]) - centre
    softness = np.array([light.radius for light in first]) / np.linalg.norm(offsets, axis=-1)
    assert (softness < 0.02).mean() > 0.08
    assert (softness > 0.2).mean() > 0.25
    assert 0.1 < (offsets[:, 2] > 0.3).mean() < 0.6
    assert sum(mood.share for mood in MOODS.values()) == pytest.approx(1)


def test_light_takes_the_colours_of_what_is_behind():
    red = np.broadcast_to(np.array([0.6, 0.2, 0.2], np.float32), (64, 64, 3))
    tint = {}
    for name, behind in (("red", red), ("blue", red[..., ::-1])):
        ambient = [draw_light(np.random.default_rng(i), np.array([0, 0, 0.5]), behind)[1] for i in range(40)]
        tint[name] = np.mean([a.coefficients[0, 0] / a.coefficients[0, 2] for a in ambient])
    assert tint["red"] > 1.15 * tint["blue"]


def _slab(thickness: float, scatter: float) -> np.ndarray:
    """Colour of the middle of a plate that is lit from behind [linear RGB]."""
    box = (np.array(list(np.ndindex(2, 2, 2))) - 0.5) * [0.08, 0.08, thickness] + [0, 0, 0.4]
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    surface = Surface(faces=quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3))
    mesh = Mesh(verts=box, surface=surface, flat=True, material=Material(scatter=scatter))
    dark = Ambient(coefficients=np.zeros((9, 3)))
    scene = Scene(meshes=(mesh,), lights=(Light(position=(0, 0, 1.4)),), ambient=dark)
    K = torch.tensor([[100.0, 0, 16], [0, 100.0, 16], [0, 0, 1]])
    return render(scene, Camera(K=K, size=(32, 32))).rgb[16, 16]


def test_thin_skin_glows_red_against_the_light():
    thin, thick, stone = _slab(0.003, 0.002), _slab(0.006, 0.002), _slab(0.003, 0.0)
    assert thin[0] > 0.2
    assert thin[0] > 2 * thin[1] > 2 * thin[2]
    assert 0.02 < thick[0] < 0.6 * thin[0]
    np.testing.assert_allclose(stone, 0, atol=1e-6)
    np.testing.assert_allclose(_slab(0.02, 0.002), 0, atol=1e-6)
