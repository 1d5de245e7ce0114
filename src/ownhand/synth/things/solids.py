"""Solids of which things are made: a closed mesh with texture coordinates and its signed distance.

Each comes with one picture's worth of texture coordinates in [0, 1]. All lengths in metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray
Distance = Callable[[Float[Array, "n 3"]], Float[Array, "n"]]

CAPS = 0.75  # share of a prism's texture, from above, that shows its two flat sides
_HALVES = [0, 1, 2, 0, 2, 3]  # a quadrangle's corners as two triangles
CREASE = np.deg2rad(40)  # faces that meet at a larger angle are shaded apart


@dataclass(frozen=True, kw_only=True, eq=False)
class Solid:
    """A closed surface.

    Attributes:
        verts: Vertices [m].
        faces: Triangles, counter-clockwise seen from outside.
        uv: Texture coordinates.
        uv_faces: Texture coordinates of each face's corners.
        distance: Signed distance of points to it [m], negative inside.
    """

    verts: Float[Array, "verts 3"]
    faces: Int[Array, "faces 3"]
    uv: Float[Array, "uvs 2"]
    uv_faces: Int[Array, "faces 3"]
    distance: Distance

    def moved(self, R: Float[Array, "3 3"], t: Sequence[float]) -> Solid:
        """The solid turned, then shifted."""
        shift, distance = np.asarray(t, float), self.distance
        return Solid(
            verts=self.verts @ R.T + shift,
            faces=self.faces,
            uv=self.uv,
            uv_faces=self.uv_faces,
            distance=lambda points: distance((points - shift) @ R),
        )


def lathe(profile: Sequence[tuple[float, float]], around: int = 20) -> Solid:
    """A solid of revolution about z.

    Texture: u around, v down the profile from its end, by length.

    Args:
        profile: (radius, z) from one end of the axis to the other, the solid on its left; begins and ends at radius 0.
        around: Corners of a ring.
    """
    r, z = np.array(profile, float).T
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    outer = r * (1 + (np.pi / around) ** 2 / 4)  # corners outside, middles of faces inside the true surface
    verts = np.stack([np.outer(outer, np.cos(angle)), np.outer(outer, np.sin(angle)), np.outer(z, np.ones(around))], -1)
    lengths = np.concatenate([[0], np.cumsum(np.hypot(np.diff(r), np.diff(z)))])
    grid, uv_grid = _grid(len(r) - 1, around), _grid(len(r) - 1, around, seam=True)
    uv = np.stack(np.meshgrid(np.arange(around + 1) / around, 1 - lengths / lengths[-1]), -1).reshape(-1, 2)
    faces, uv_faces, points = _welded(verts.reshape(-1, 3), grid, uv_grid)
    outline = np.stack([r, z], -1)

    def distance(at: Array) -> Array:
        return polygon_distance(np.stack([np.hypot(at[:, 0], at[:, 1]), at[:, 2]], -1), outline, closing_edge=False)

    return Solid(verts=points, faces=faces, uv=uv, uv_faces=uv_faces, distance=distance)


def prism(
    stations: Sequence[tuple[float, float, float]],
    thickness: float,
    lift: Callable[[Array, Array], Array] | None = None,
) -> Solid:
    """A flat piece, its outline in the x-y plane, its middle at z = 0.

    Texture: on the upper three quarters the left half is the side that looks up (u along x, v against y), the right
    half the other side, turned over like a page; below them the walls, u along the outline, v downwards.

    Args:
        stations: (x, lowest y, highest y), x increasing.
        thickness: Along z.
        lift: Raises the piece by a gentle height z(x, y).
    """
    x, low, high = np.array(stations, float).T
    outline = np.concatenate([np.stack([x, low], -1), np.stack([x, high], -1)[::-1]])
    count, corners = len(x), len(outline)
    raised = np.zeros(corners) if lift is None else lift(*outline.T)
    below, above = (np.column_stack([outline, raised + side * thickness / 2]) for side in (-1, 1))
    a = np.arange(count - 1)
    side = np.stack([a, a + 1, corners - 2 - a, corners - 1 - a], -1)
    edge = np.stack([np.arange(corners), np.roll(np.arange(corners), -1)], -1)
    quads = np.concatenate([side + corners, side[:, ::-1], np.concatenate([edge, edge[:, ::-1] + corners], 1)])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.roll(outline, -1, 0) - outline, axis=1))])
    place = (outline - outline.min(0)) / np.ptp(outline, axis=0)
    uv = np.concatenate(
        [
            np.stack([1 - place[:, 0] / 2, (1 - place[:, 1]) * CAPS], -1),
            np.stack([place[:, 0] / 2, (1 - place[:, 1]) * CAPS], -1),
            *(np.stack([lengths / lengths[-1], np.full(corners + 1, v)], -1) for v in (0.999, CAPS + 0.03)),
        ]
    )
    around, up = np.arange(corners) + 2 * corners, corners + 1
    uv_quads = np.concatenate(
        [side + corners, side[:, ::-1], np.stack([around, around + 1, around + 1 + up, around + up], -1)]
    )
    verts, faces, uv_faces = np.concatenate([below, above]), *(q[:, _HALVES].reshape(-1, 3) for q in (quads, uv_quads))
    keep = np.linalg.norm(outline - np.roll(outline, 1, 0), axis=1) > 1e-9
    solid = outline[keep]

    def distance(at: Array) -> Array:
        height = at[:, 2] if lift is None else at[:, 2] - lift(at[:, 0], at[:, 1])
        sides = np.stack([polygon_distance(at[:, :2], solid), np.abs(height) - thickness / 2])
        return np.minimum(sides.max(0), 0) + np.hypot(*np.maximum(sides, 0))

    faces, uv_faces, points = _welded(verts, faces, uv_faces)
    return Solid(verts=points, faces=faces, uv=uv, uv_faces=uv_faces, distance=distance)


def box(length: float, width: float, thickness: float) -> Solid:
    """A box around the origin: length along x, width along y, thickness along z. Texture as for `prism`."""
    return prism([(x, -width / 2, width / 2) for x in (-length / 2, length / 2)], thickness)


def tube(
    path: Sequence[Sequence[float]], radii: Sequence[float] | float, normal: Sequence[float], *, around: int = 9
) -> Solid:
    """A round rod along a path in a plane, with round ends.

    Texture: u around, v from the last end to the first.

    Args:
        path: Points of its middle.
        radii: At these points.
        normal: Of the plane of the path.
        around: Corners of a ring.
    """
    middle = np.array(path, float)
    radius = np.broadcast_to(radii, len(middle)).astype(float)
    out = np.asarray(normal, float) / np.linalg.norm(normal)
    tangent = np.gradient(middle, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    turn = np.deg2rad([90, 60, 30] if radius.max() > 0.005 else [90, 45])
    low, high = (middle[k] + s * np.sin(turn)[:, None] * tangent[k] * radius[k] for k, s in ((0, -1), (-1, 1)))
    spine = np.concatenate([low, middle, high[::-1]])
    thick = np.concatenate([np.cos(turn) * radius[0], radius, np.cos(turn[::-1]) * radius[-1]])
    forward = np.concatenate([tangent[:1]] * len(turn) + [tangent] + [tangent[-1:]] * len(turn))
    side = np.cross(out, forward)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)[:, None]
    rings = np.cos(angle) * side[:, None] - np.sin(angle) * out
    verts = spine[:, None] + rings * (thick * (1 + (np.pi / around) ** 2 / 4))[:, None, None]
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))])
    uv = np.stack(np.meshgrid(np.arange(around + 1) / around, 1 - lengths / lengths[-1]), -1).reshape(-1, 2)
    grid, uv_grid = _grid(len(spine) - 1, around), _grid(len(spine) - 1, around, seam=True)
    faces, uv_faces, points = _welded(verts.reshape(-1, 3), grid[:, ::-1], uv_grid[:, ::-1])
    begin, step, growth = middle[:-1], np.diff(middle, axis=0), np.diff(radius)
    length = np.linalg.norm(step, axis=1)
    slope = growth / length

    def distance(at: Array) -> Array:
        away = at[:, None] - begin
        along = (away * step).sum(-1) / length
        beside = np.sqrt(np.maximum((away**2).sum(-1) - along**2, 0))
        share = np.clip((along + beside * slope) / length, 0, 1)
        gap = np.hypot(along - share * length, beside)
        return (gap - (radius[:-1] + share * growth) / np.hypot(1, slope)).min(1)

    return Solid(verts=points, faces=faces, uv=uv, uv_faces=uv_faces, distance=distance)


def polygon_distance(
    at: Float[Array, "n 2"], corners: Float[Array, "k 2"], *, closing_edge: bool = True
) -> Float[Array, "n"]:
    """Signed distance to a polygon, negative inside.

    Args:
        at: Points.
        corners: In order, either way round.
        closing_edge: Whether the edge from the last corner to the first is part of the border, or only closes it.
    """
    begin = corners[:, None]
    step = np.roll(corners, -1, 0)[:, None] - begin
    x, y = at[:, 0] - begin[..., 0], at[:, 1] - begin[..., 1]
    share = np.clip((x * step[..., 0] + y * step[..., 1]) / (step**2).sum(-1), 0, 1)
    square = (x - share * step[..., 0]) ** 2 + (y - share * step[..., 1]) ** 2
    nearest = np.sqrt(square[: None if closing_edge else -1].min(0))
    crossed = (y >= 0) != (y >= step[..., 1])
    left = x * step[..., 1] - y * step[..., 0] < 0
    crossings = (crossed & (left == (step[..., 1] > 0))).sum(0)
    return np.where(crossings % 2 == 1, -nearest, nearest)


def shaded(verts: Array, faces: Array) -> tuple[Array, Array, Array]:
    """Vertices, faces and normals with vertices doubled where a crease keeps faces apart."""
    corner = verts[faces]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    unit = area / np.linalg.norm(area, axis=1, keepdims=True)
    around: list[list[int]] = [[] for _ in verts]
    for number, face in enumerate(faces):
        for vertex in face:
            around[vertex].append(number)
    found: dict[tuple, int] = {}
    doubled, points, normals = np.empty_like(faces), [], []
    for number, face in enumerate(faces):
        for k, vertex in enumerate(face):
            near = [f for f in around[vertex] if unit[f] @ unit[number] > np.cos(CREASE)]
            normal = area[near].sum(0)
            normal /= np.linalg.norm(normal)
            key = (int(vertex), *np.round(normal, 3).tolist())
            if key not in found:
                found[key] = len(points)
                points.append(verts[vertex])
                normals.append(normal)
            doubled[number, k] = found[key]
    return np.array(points), doubled, np.array(normals)


def _grid(rows: int, columns: int, *, seam: bool = False) -> Array:
    """Triangles of rings one above the other, each of `columns` corners; with a seam the last column is another one."""
    ring, step = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    width = columns + seam
    a, b = ring * width + step, ring * width + (step + 1 if seam else (step + 1) % columns)
    c, d = a + width, b + width
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], -2).reshape(-1, 3)


def _welded(verts: Array, faces: Array, uv_faces: Array) -> tuple[Array, Array, Array]:
    """Faces, their texture corners and the vertices after coinciding vertices became one."""
    _, first, place = np.unique(np.round(verts, 7), axis=0, return_index=True, return_inverse=True)
    merged = place.reshape(-1)[faces]
    kept = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
    return merged[kept], uv_faces[kept], verts[first]
