import pytest
import torch
import trimesh

from ownhand.geometry.meshes import edges, face_normals, vertex_normals


def sphere():
    mesh = trimesh.creation.icosphere(3)
    return torch.tensor(mesh.vertices), torch.tensor(mesh.faces)


@pytest.mark.parametrize("weight", ["area", "angle"])
def test_normals_of_a_sphere_point_away_from_its_centre(weight):
    verts, faces = sphere()
    normals = vertex_normals(verts, faces, weight=weight)
    assert ((normals * verts).sum(-1) > 0.9995).all()


def test_angle_weights_do_not_see_how_a_cube_is_cut_into_triangles():
    box = trimesh.creation.box()
    verts, faces = torch.tensor(box.vertices), torch.tensor(box.faces)
    expected = verts / verts.norm(dim=-1, keepdim=True)
    assert torch.allclose(vertex_normals(verts, faces, weight="angle"), expected, atol=1e-12)
    assert not torch.allclose(vertex_normals(verts, faces, weight="area"), expected, atol=1e-3)


def test_normals_broadcast_over_batch_axes():
    verts, faces = sphere()
    batch = verts * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape(2, 3, 1, 1)
    for function in (face_normals, vertex_normals):
        assert torch.allclose(function(batch, faces)[1, 2], function(verts, faces), atol=1e-12)


def test_face_normals_are_perpendicular_to_every_edge_of_the_face():
    verts, faces = sphere()
    a, b, c = verts[faces].unbind(1)
    normals = face_normals(verts, faces)
    for edge in (b - a, c - b, a - c):
        assert (normals * edge).sum(-1).abs().max() < 1e-12


@pytest.mark.parametrize("weight", ["area", "angle"])
def test_gradients_of_normals_are_exact(weight):
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1]])
    verts = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces, weight=weight), verts)


def test_a_face_without_area_has_no_normal_and_no_gradient():
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]], requires_grad=True)
    normals = face_normals(verts, torch.tensor([[0, 1, 2]]))
    normals.sum().backward()
    assert (normals == 0).all()
    assert (verts.grad == 0).all()


def test_edges_of_a_closed_mesh_follow_from_euler():
    verts, faces = sphere()
    found = edges(faces)
    assert len(found) == len(verts) + len(faces) - 2
    assert (found[:, 0] < found[:, 1]).all()


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="cotangent"):
        vertex_normals(*sphere(), weight="cotangent")
