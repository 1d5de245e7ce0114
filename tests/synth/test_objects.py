"""The catalogue of things."""

import numpy as np
import pytest

from ownhand.render import Surface, signed_distance
from ownhand.synth.things.objects import CARD, CARD_CORNER, catalogue
from ownhand.synth.things.preshapes import PRESHAPES

THINGS = pytest.mark.parametrize("thing", catalogue(), ids=lambda thing: thing.name)


@THINGS
def test_signed_distance_agrees_with_the_mesh(thing):
    rng = np.random.default_rng(0)
    points = rng.uniform(thing.verts.min(0) - 0.02, thing.verts.max(0) + 0.02, (1500, 3))
    surfaces = [(s.verts, Surface(faces=s.faces)) for s in thing.solids]
    true = np.min([signed_distance(points, v, surface)[0] for v, surface in surfaces], 0)
    # Further away the height of bent cutlery counts in full although its surface is inclined.
    np.testing.assert_allclose(thing.distance(points), true, atol=1e-3, rtol=0.1)


@THINGS
def test_solids_are_closed_and_face_outwards(thing):
    for solid in thing.solids:
        edges = np.sort(solid.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
        a, b, c = solid.verts[solid.faces].swapaxes(0, 1)
        assert (a * np.cross(b, c)).sum() > 0


@THINGS
def test_a_moved_mesh_keeps_its_size_and_shares_its_surface(thing):
    R = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    mesh = thing.mesh(R, np.array([0.1, 0, 0.5]))
    assert mesh.surface is thing.surface
    np.testing.assert_allclose(np.ptp(mesh.verts, 0), np.ptp(thing.verts, 0)[[1, 0, 2]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert 10 <= len(thing.surface.faces) < 600


def test_things_have_their_own_names_and_known_grasps():
    names = [thing.name for thing in catalogue()]
    assert len(set(names)) == len(names) >= 20
    assert {hold.grasp for thing in catalogue() for hold in thing.holds} == set(PRESHAPES)


def test_a_bank_card_has_the_size_of_the_standard():
    card = next(thing for thing in catalogue() if thing.name == "bank card")
    np.testing.assert_allclose(np.ptp(card.verts, 0), CARD, atol=1e-7)
    assert CARD == (0.0856, 0.0540, 0.00076)
    corner = np.array([[CARD[0] / 2, CARD[1] / 2, 0.0]])
    assert card.distance(corner)[0] == pytest.approx((np.sqrt(2) - 1) * CARD_CORNER, abs=2e-4)
