"""Triangle meshes: normals and edges. Faces wind counter-clockwise seen from outside."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def face_cross(
    verts: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "*batch faces 3"]:
    """Cross product of two edges of each face: along its outward normal, twice its area long [m^2]."""
    a, b, c = verts[..., faces, :].unbind(-2)
    return torch.linalg.cross(b - a, c - a)


def face_normals(
    verts: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "*batch faces 3"]:
    """Outward unit normal of each face; zero for a face without area."""
    return _unit(face_cross(verts, faces))


def vertex_normals(
    verts: Float[Tensor, "*batch verts 3"], faces: Int[Tensor, "faces 3"], *, weight: str = "area"
) -> Float[Tensor, "*batch verts 3"]:
    """Smooth outward unit normal of each vertex: the weighted mean of its faces' normals.

    Args:
        verts: Vertex positions [m].
        faces: Vertex indices of each triangle.
        weight: "area" (fast) or "angle", the face's angle at the vertex, which does not depend on how a
            flat patch is cut into triangles (Thürmer & Wüthrich 1998).

    Returns:
        Unit normals; zero for a vertex that no face with an area uses.

    Raises:
        ValueError: `weight` is neither.
    """
    cross = face_cross(verts, faces)
    if weight == "area":
        corners = cross[..., :, None, :].expand(*cross.shape[:-1], 3, 3)
    elif weight == "angle":
        corners = _unit(cross)[..., :, None, :] * _corner_angles(verts, faces)[..., None]
    else:
        raise ValueError(f'vertex_normals weights by "area" or "angle", not by {weight!r}.')
    return _unit(torch.zeros_like(verts).index_add(-2, faces.reshape(-1), corners.flatten(-3, -2)))


def edges(faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "edges 2"]:
    """Every edge once, its smaller vertex index first, sorted."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return torch.unique(pairs.sort(-1).values, dim=0)


def _corner_angles(verts: Tensor, faces: Tensor) -> Float[Tensor, "*batch faces 3"]:
    corners = verts[..., faces, :]
    to_next = corners.roll(-1, -2) - corners
    to_last = corners.roll(1, -2) - corners
    sine = torch.linalg.cross(to_next, to_last).norm(dim=-1)
    return torch.atan2(sine, (to_next * to_last).sum(-1))


def _unit(vectors: Tensor) -> Tensor:
    """Unit vectors; zero vectors stay zero, with a zero gradient."""
    square = (vectors * vectors).sum(-1, keepdim=True)
    positive = square > 0
    return torch.where(positive, vectors * torch.where(positive, square, 1).rsqrt(), 0)
