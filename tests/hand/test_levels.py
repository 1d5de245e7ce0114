"""Coarser meshes of a hand, and spirals over them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from toy import toy_hand

from ownhand.geometry.decimation import barycentric, decimate
from ownhand.geometry.meshes import face_normals
from ownhand.geometry.spirals import spirals
from ownhand.hand.builtin import open_hand
from ownhand.hand.levels import MeshLevels

HAND = open_hand()
COUNTS = (825, 413, 207, 104)


def grid(n):
    """A flat square of n x n vertices that face upwards."""
    y, x = np.divmod(np.arange(n * n), n)
    a = np.array([i for i in range(n * n) if i % n < n - 1 and i // n < n - 1])
    faces = np.concatenate([np.stack([a, a + 1, a + n + 1], 1), np.stack([a, a + n + 1, a + n], 1)])
    return np.stack([x, y, 0 * x], 1).astype(float), faces


def edge_uses(faces):
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(sides, axis=0, return_counts=True)[1]


def test_every_level_is_a_manifold_of_the_wanted_size_whose_vertices_are_some_of_the_finer_ones():
    levels = MeshLevels.of(HAND, COUNTS)
    assert [len(verts) for verts in levels.verts] == [len(HAND.template), *COUNTS]
    euler = None
    for level, (verts, faces) in enumerate(zip(levels.verts, levels.faces, strict=True)):
        uses = edge_uses(faces.numpy())
        assert uses.max() == 2
        assert sorted(set(faces.flatten().tolist())) == list(range(len(verts)))
        assert euler in (None, len(verts) - len(uses) + len(faces))  # no hole opens or closes
        euler = len(verts) - len(uses) + len(faces)
        if level:
            assert torch.equal(levels.coarser(levels.verts[level - 1], level - 1), verts)


def test_down_and_up_again_returns_the_template_within_a_small_part_of_a_finger():
    levels = MeshLevels.of(HAND, COUNTS)
    for level, bound_mm in enumerate((0.1, 0.3, 0.6, 1.0)):
        back = levels.finer(levels.coarser(levels.verts[level], level), level + 1)
        assert (back - levels.verts[level]).norm(dim=-1).mean() * 1000 < bound_mm
        normals = face_normals(levels.verts[level + 1], levels.faces[level + 1])
        assert (normals.norm(dim=-1) > 0.99).all()


def test_going_up_keeps_what_is_the_same_everywhere_and_what_is_kept():
    levels = MeshLevels.of(HAND, COUNTS)
    values = torch.randn(2, COUNTS[0], 5)
    finer = levels.finer(values, 1)
    torch.testing.assert_close(finer[:, levels.down[0]], values)
    torch.testing.assert_close(levels.finer(torch.ones(COUNTS[0], 1), 1), torch.ones(len(HAND.template), 1))
    assert MeshLevels.of(HAND, COUNTS) is levels


def test_a_flat_square_loses_vertices_but_no_area():
    verts, faces = grid(9)
    kept, coarse = decimate(verts, faces, 20)
    corners = verts[kept][coarse]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    assert (area > 0).all()
    assert area.sum() == pytest.approx(64)
    assert {0, 8, 72, 80} <= set(kept.tolist())


def test_points_of_a_mesh_are_where_their_weights_say():
    verts, faces = grid(4)
    points = np.random.default_rng(0).uniform([-1, -1, -1], [4, 4, 1], (50, 3))
    corners, weights = barycentric(points, verts, faces)
    assert (weights >= -1e-12).all()
    nearest = np.column_stack([np.clip(points[:, :2], 0, 3), np.zeros(50)])
    np.testing.assert_allclose((verts[corners] * weights[..., None]).sum(1), nearest, atol=1e-9)


@pytest.mark.parametrize("count", [3, 82])
def test_sizes_that_cannot_be_are_refused(count):
    with pytest.raises(ValueError, match="expected to keep between 4 and 81"):
        decimate(*grid(9), count)


def test_a_tetrahedron_cannot_lose_a_vertex():
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    verts = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    two = np.concatenate([faces, faces + 4])
    with pytest.raises(ValueError, match="can be taken away"):
        decimate(np.concatenate([verts, verts + 5]), two, 7)


def test_spirals_start_at_their_vertex_hold_its_ring_in_order_and_never_repeat():
    levels = MeshLevels.of(HAND, COUNTS)
    for level in (0, 4):
        faces, verts = levels.faces[level].numpy(), levels.verts[level].numpy()
        sides = {(a, b): c for face in faces.tolist() for a, b, c in (face, face[1:] + face[:1], face[2:] + face[:2])}
        found = levels.spirals(level, 27)
        assert found.shape == (len(verts), 27)
        for vertex, spiral in enumerate(found.tolist()):
            assert spiral[0] == vertex
            assert len(set(spiral)) == 27
            neighbours = {b for a, b in sides if a == vertex} | {a for a, b in sides if b == vertex}
            ring = spiral[1 : 1 + len(neighbours)]
            assert set(ring) == neighbours
            assert all(sides[vertex, a] == b for a, b in pairwise(ring))


def test_spirals_wind_counter_clockwise_from_ring_to_ring():
    verts, faces = grid(7)
    spiral = spirals(verts, faces, 19)[24]
    around = verts[spiral] - verts[24]
    angle = np.unwrap(np.arctan2(around[1:7, 1], around[1:7, 0]))
    assert (np.diff(angle) > 0).all()
    outer = np.unwrap(np.arctan2(around[7:, 1], around[7:, 0]))
    assert (np.diff(outer) > 0).all()


def test_a_mesh_too_small_for_a_spiral_is_refused():
    with pytest.raises(ValueError, match="expected 10 vertices around vertex 0, which is connected to 9"):
        spirals(*grid(3), 10)


def test_levels_are_made_of_any_hand_however_it_is_folded():
    hand = toy_hand()
    levels = MeshLevels.of(hand, (35, 12))
    assert [len(verts) for verts in levels.verts] == [len(hand.template), 35, 12]
    assert all(edge_uses(faces.numpy()).max() == 2 for faces in levels.faces)
