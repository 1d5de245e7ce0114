"""What lies between points, distances to meshes, self-penetration: by the ray tracer's search trees."""

# ruff: noqa: UP018, RUF046 (Warp: a call makes a number a variable, and there are no generators)

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from typing import no_type_check

import numpy as np
import warp as wp
from jaxtyping import Bool, Float

from ownhand.render.checks import checked
from ownhand.render.device import empty, kept, search_tree, start, uploaded
from ownhand.render.kernel_normals import smooth_normals
from ownhand.render.kernel_types import OPTIONS
from ownhand.render.scene import Mesh, Surface

wp.set_module_options(OPTIONS)

Array = np.ndarray
MAX_CROSSINGS = 32


def blocked(
    origin: Float[Array, "3"], points: Float[Array, "n 3"], meshes: Sequence[Mesh], *, device: str = "cpu"
) -> Bool[Array, "n"]:
    """Which points cannot be seen from `origin` because a mesh lies between.

    Raises:
        ValueError: Values that are not finite or of another shape.
    """
    origin, points = checked("an origin", origin, (3,)), checked("points", points, (None, 3))
    start()
    out = np.zeros(len(points), bool)
    targets = wp.array(points, dtype=wp.vec3, device=device)
    occurrences: Counter[Surface] = Counter()
    for mesh in meshes:
        tree = search_tree(mesh.surface, mesh.verts, device, occurrences[mesh.surface])
        occurrences[mesh.surface] += 1
        found = empty(len(points), wp.int32, device)
        wp.launch(_blocked, len(points), [tree.id, wp.vec3(*map(float, origin)), targets, found], device=device)
        out |= found.numpy() != 0
    return out


def signed_distance(
    points: Float[Array, "n 3"], verts: Float[Array, "v 3"], surface: Surface, *, device: str = "cpu"
) -> tuple[Float[Array, "n"], Float[Array, "n 3"]]:
    """Distance of points to a closed mesh [m], negative inside, and the closest point of the mesh.

    The sign is that of the angle-weighted pseudonormal (Bærentzen & Aanæs 2005): exact for a closed mesh that does not
    penetrate itself.

    Raises:
        ValueError: Values that are not finite or of another shape.
    """
    points, verts = checked("points", points, (None, 3)), _posed(verts, surface)
    start()
    tree = search_tree(surface, verts, device)
    distance = empty(len(points), float, device)
    closest = empty(len(points), wp.vec3, device)
    cloud = wp.array(points, dtype=wp.vec3, device=device)
    wp.launch(_signed_distance, len(points), [tree.id, cloud, distance, closest], device=device)
    return distance.numpy(), closest.numpy()


def self_penetration_depth(
    verts: Float[Array, "v 3"],
    surface: Surface,
    *,
    ignore: Collection[tuple[int, int]] = (),
    device: str = "cpu",
) -> Float[Array, "v"]:
    """How deep each vertex lies inside another part of its own mesh [m]; 0 outside.

    A vertex is inside when a ray along its normal leaves the mesh more often than it enters it. Its depth is the
    distance to where the ray leaves, or to the nearest part that the vertex lies behind. Where either is a neighbour
    of its own part (a crease at a bent joint), it does not count. Only vertices in the bounding box of a part that
    counts are looked at.

    Args:
        verts: Vertex positions [m].
        surface: Topology; `labels` are the parts of the faces. With `rest`, the search trees are refitted.
        ignore: Pairs of neighbouring parts, in either order. A part never penetrates itself.
        device: Warp's name of the device.

    Raises:
        ValueError: The surface has no labels, or values that are not finite or of another shape.
    """
    labels = surface.labels
    if labels is None:
        raise ValueError("expected a surface with part labels, got one without")
    verts = _posed(verts, surface)
    start()
    tree = search_tree(surface, verts, device)
    parts = kept(surface, ("parts",), partial(_Parts, surface))
    count = int(labels.max()) + 1
    ignored = np.eye(count, dtype=np.int32)
    for a, b in ignore:
        if max(a, b) < count:
            ignored[a, b] = ignored[b, a] = 1

    depth = np.zeros(len(verts), np.float32)
    near = parts.near_others(verts, ignored)
    if not len(near):
        return depth
    normals = smooth_normals(surface, tree)
    exit_face = empty(len(near), wp.int32, device)
    exit_distance = empty(len(near), float, device)
    inputs = [tree.id, normals, wp.array(near, dtype=wp.int32, device=device), MAX_CROSSINGS, exit_face, exit_distance]
    wp.launch(_exits, len(near), inputs, device=device)
    left: Array = exit_face.numpy()  # type: ignore[assignment]
    inside = np.flatnonzero(left >= 0)
    inside = inside[ignored[parts.of_vertex[near[inside]], labels[left[inside]]] == 0]
    if not len(inside):
        return depth
    found = near[inside]

    trees = [search_tree(part, verts, device) for part in parts.surfaces]
    depths = empty(len(found), float, device)
    inputs = [
        wp.array([t.id for t in trees], dtype=wp.uint64, device=device),
        wp.array(parts.labels, dtype=wp.int32, device=device),
        wp.array(ignored, dtype=wp.int32, device=device),
        uploaded(surface, "part_of_vertex", parts.of_vertex, wp.int32, device),
        tree.points,
        wp.array(found, dtype=wp.int32, device=device),
        wp.array(exit_distance.numpy()[inside], dtype=float, device=device),
        depths,
    ]
    wp.launch(_depth_behind_parts, len(found), inputs, device=device)
    depth[found] = depths.numpy()
    return depth


class _Parts:
    """A surface cut into one surface per part label. All share the whole's vertices."""

    def __init__(self, surface: Surface) -> None:
        assert surface.labels is not None
        self.labels = np.unique(surface.labels).astype(np.int32)
        self.surfaces = [
            Surface(faces=surface.faces[surface.labels == label], rest=surface.rest) for label in self.labels
        ]
        vertices = len(surface.rest) if surface.rest is not None else surface.vertex_count
        self.of_vertex = np.full(vertices, -1, np.int32)
        # On a border between parts the largest label wins; either would do.
        order = np.argsort(surface.labels, kind="stable")
        self.of_vertex[surface.faces[order]] = surface.labels[order, None]
        used = [np.unique(part.faces) for part in self.surfaces]
        self._members, self._starts = np.concatenate(used), np.cumsum([0, *map(len, used[:-1])])

    def near_others(self, verts: Array, ignored: Array) -> Array:
        """Vertices in the bounding box of a part that is no ignored neighbour of their own."""
        members = np.ascontiguousarray(verts[self._members].T)
        low, high = (f.reduceat(members, self._starts, axis=1)[..., None] for f in (np.minimum, np.maximum))
        near = ignored[self.labels][:, self.of_vertex] == 0
        for axis, values in enumerate(verts.T):
            near &= (values >= low[axis]) & (values <= high[axis])
        return np.flatnonzero(near.any(0)).astype(np.int32)


def _posed(verts: Array, surface: Surface) -> Array:
    shape = (None, 3) if surface.rest is None else surface.rest.shape
    verts = checked("a mesh's vertices", verts, shape)
    if surface.vertex_count > len(verts):
        raise ValueError(f"expected at least {surface.vertex_count} vertices for these faces, got {len(verts)}")
    return verts


@wp.kernel
@no_type_check
def _blocked(mesh: wp.uint64, origin: wp.vec3, points: wp.array(dtype=wp.vec3), found: wp.array(dtype=wp.int32)):
    i = wp.tid()
    path = points[i] - origin
    distance = wp.length(path)
    found[i] = wp.where(wp.mesh_query_ray_anyhit(mesh, origin, path / distance, distance), 1, 0)


@wp.kernel
@no_type_check
def _signed_distance(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    distance: wp.array(dtype=float),
    closest: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    q = wp.mesh_query_point_sign_normal(mesh, points[i], 1.0e6)
    p = wp.mesh_eval_position(mesh, q.face, q.u, q.v)
    closest[i] = p
    distance[i] = q.sign * wp.length(p - points[i])


@wp.kernel
@no_type_check
def _exits(
    mesh: wp.uint64,
    normals: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.int32),
    limit: int,
    face: wp.array(dtype=wp.int32),
    distance: wp.array(dtype=float),
):
    """Where a ray from just outside each vertex first leaves the mesh, if it leaves more often than it enters; else -1.

    That balance is the winding number, for a closed mesh.
    """
    i = wp.tid()
    step = 1.0e-5
    direction = normals[vertices[i]]
    start = wp.mesh_get(mesh).points[vertices[i]]
    travelled = float(step)
    balance = int(0)
    first = int(-1)
    for _ in range(limit):
        q = wp.mesh_query_ray(mesh, start + direction * travelled, direction, 1.0e6)
        if not q.result:
            break
        travelled += q.t + step
        if wp.dot(q.normal, direction) > 0.0:
            balance += 1
            if first < 0:
                first = q.face
                distance[i] = travelled
        else:
            balance -= 1
    face[i] = wp.where(balance > 0, first, -1)


@wp.kernel
@no_type_check
def _depth_behind_parts(
    trees: wp.array(dtype=wp.uint64),
    labels: wp.array(dtype=wp.int32),
    ignored: wp.array2d(dtype=wp.int32),
    part_of_vertex: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3),
    vertices: wp.array(dtype=wp.int32),
    exit_distance: wp.array(dtype=float),
    depth: wp.array(dtype=float),
):
    """Distance to the nearest other part that the vertex lies behind; 0 where this is an ignored neighbour."""
    i = wp.tid()
    p = points[vertices[i]]
    mine = part_of_vertex[vertices[i]]
    best = float(1.0e6)
    depth[i] = 0.0
    for k in range(trees.shape[0]):
        if labels[k] != mine:
            q = wp.mesh_query_point_no_sign(trees[k], p, best)
            if q.result:
                offset = wp.mesh_eval_position(trees[k], q.face, q.u, q.v) - p
                normal = wp.mesh_eval_face_normal(trees[k], q.face)
                away = wp.length(offset)
                # On the rim of an open part the normal says nothing: the exit must lie about along it.
                if wp.dot(offset, normal) > 0.5 * away and away > 0.0:
                    best = away
                    depth[i] = wp.where(ignored[mine, labels[k]] == 1, 0.0, wp.min(away, exit_distance[i]))
