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
TOGETHER = 32  # poses in one search; more would lie so far apart that rounding shows
TILT = wp.constant(0.07)  # of a second ray against the normal, that confirms the first


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
    verts: Float[Array, "*batch v 3"],
    surface: Surface,
    *,
    ignore: Collection[tuple[int, int]] = (),
    device: str = "cpu",
) -> Float[Array, "*batch v"]:
    """How deep each vertex lies inside another part of its own mesh [m]; 0 outside.

    A vertex is inside when a ray along its normal leaves the mesh more often than it enters it. Its depth is the
    distance to where the ray leaves, or to the nearest part that the vertex lies behind. Where either is a neighbour
    of its own part (a crease at a bent joint), it does not count. Only vertices in the bounding box of a part that
    counts are looked at.

    Args:
        verts: Vertex positions [m]; several poses of the mesh at once cost less than one by one.
        surface: Topology; `labels` are the parts of the faces. With `rest`, the search trees are refitted.
        ignore: Pairs of neighbouring parts, in either order. A part never penetrates itself.
        device: Warp's name of the device.

    Raises:
        ValueError: The surface has no labels, or values that are not finite or of another shape.
    """
    if surface.labels is None:
        raise ValueError("expected a surface with part labels, got one without")
    flat = _posed(verts.reshape(-1, 3), surface, copies=int(np.prod(verts.shape[:-2])))
    start()
    count = int(surface.labels.max()) + 1
    ignored = np.eye(count, dtype=np.int32)
    for a, b in ignore:
        if max(a, b) < count:
            ignored[a, b] = ignored[b, a] = 1

    poses = flat.reshape(-1, verts.shape[-2], 3)
    chunks = [poses[first : first + TOGETHER] for first in range(0, len(poses), TOGETHER)]
    return np.concatenate([_depths(chunk, surface, ignored, device) for chunk in chunks]).reshape(verts.shape[:-1])


def _depths(poses: Array, surface: Surface, ignored: Array, device: str) -> Array:
    """Depth [n v] of the vertices of poses [n v 3] side by side; `ignored` [parts parts] is 1 for neighbours."""
    n, vertices = poses.shape[:2]
    copies = 1 << (n - 1).bit_length()
    parts = kept(surface, ("parts", copies), partial(_Parts, surface, copies, vertices))
    low, high = parts.boxes(poses)
    size = (high.max(1) - low.min(1)).max()
    apart = 3 * size * parts.cells[:, None]
    poses = np.concatenate([poses, np.repeat(poses[-1:], copies - n, 0)]) + apart
    flat = np.ascontiguousarray(poses.reshape(-1, 3), np.float32)
    tree = search_tree(parts.whole, flat, device)
    low, high = (wp.array(box + apart[:n], dtype=wp.vec3, device=device) for box in (low, high))
    ignored_there = wp.array(ignored[:, parts.labels], dtype=wp.int32, device=device)
    part_of_vertex = uploaded(parts.whole, "part_of_vertex", parts.of_vertex, wp.int32, device)
    exit_face = empty(len(flat), wp.int32, device)
    exit_distance = empty(len(flat), float, device)
    inputs = [tree.id, smooth_normals(parts.whole, tree), part_of_vertex, ignored_there, low, high]
    outputs = [exit_face, exit_distance]
    wp.launch(_exits, n * vertices, [*inputs, vertices, 2 * size, MAX_CROSSINGS, *outputs], device=device)
    depth = np.zeros(len(flat), np.float32)
    left: Array = exit_face.numpy()[: n * vertices]  # type: ignore[assignment]
    found = np.flatnonzero(left >= 0).astype(np.int32)
    found = found[ignored[parts.of_vertex[found], parts.of_face[left[found]]] == 0]
    if len(found):
        trees = [search_tree(part, flat, device) for part in parts.surfaces]
        depths = empty(len(found), float, device)
        inputs = [
            wp.array([t.id for t in trees], dtype=wp.uint64, device=device),
            ignored_there,
            part_of_vertex,
            wp.array(parts.labels, dtype=wp.int32, device=device),
            tree.points,
            wp.array(found, dtype=wp.int32, device=device),
            wp.array(exit_distance.numpy()[found], dtype=float, device=device),
            depths,
        ]
        wp.launch(_depth_behind_parts, len(found), inputs, device=device)
        depth[found] = depths.numpy()
    return depth.reshape(copies, vertices)[:n]


class _Parts:
    """Copies of a surface side by side, cut into one surface per part label. All share the whole's vertices."""

    def __init__(self, surface: Surface, copies: int, vertices: int) -> None:
        assert surface.labels is not None
        side = int(np.ceil(copies ** (1 / 3)))
        self.cells = np.stack(np.unravel_index(np.arange(copies), (side,) * 3), -1).astype(np.float32)
        starts = vertices * np.arange(copies)[:, None, None]
        faces, self.of_face = (starts + surface.faces).reshape(-1, 3), np.tile(surface.labels, copies)
        rest = None
        if surface.rest is not None:
            shift = 3 * np.ptp(surface.rest, axis=0).max() * self.cells[:, None]
            rest = (surface.rest + shift).reshape(-1, 3)
        self.whole = Surface(faces=faces, rest=rest)
        self.labels = np.unique(surface.labels).astype(np.int32)
        self.surfaces = [Surface(faces=faces[self.of_face == label], rest=rest) for label in self.labels]
        of_vertex = np.full(vertices, -1, np.int32)
        # On a border between parts the largest label wins; either would do.
        order = np.argsort(surface.labels, kind="stable")
        of_vertex[surface.faces[order]] = surface.labels[order, None]
        self.of_vertex = np.tile(of_vertex, copies)
        used = [np.unique(surface.faces[surface.labels == label]) for label in self.labels]
        self._members, self._starts = np.concatenate(used), np.cumsum([0, *map(len, used[:-1])])

    def boxes(self, poses: Array) -> tuple[Array, Array]:
        """Lowest and highest corners [n parts 3] of the parts in each pose [n v 3]."""
        members = np.ascontiguousarray(poses[:, self._members].transpose(0, 2, 1))
        low, high = (f.reduceat(members, self._starts, axis=-1) for f in (np.minimum, np.maximum))
        return np.ascontiguousarray(low.transpose(0, 2, 1)), np.ascontiguousarray(high.transpose(0, 2, 1))


def _posed(verts: Array, surface: Surface, copies: int = 1) -> Array:
    shape = (None, 3) if surface.rest is None else (copies * len(surface.rest), 3)
    verts = checked("a mesh's vertices", verts, shape)
    if surface.vertex_count * copies > len(verts):
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


@wp.func
@no_type_check
def _way_out(mesh: wp.uint64, start: wp.vec3, direction: wp.vec3, far: float, limit: int):
    """How much more often a ray leaves the mesh than it enters it, the first face it leaves by, and how far that is."""
    step = float(1.0e-5)
    travelled = float(step)
    balance = int(0)
    first = int(-1)
    distance = float(0.0)
    for _ in range(limit):
        q = wp.mesh_query_ray(mesh, start + direction * travelled, direction, far)
        if not q.result:
            break
        travelled += q.t + step
        if wp.dot(q.normal, direction) > 0.0:
            balance += 1
            if first < 0:
                first = q.face
                distance = travelled
        else:
            balance -= 1
    return balance, first, distance


@wp.kernel
@no_type_check
def _exits(
    mesh: wp.uint64,
    normals: wp.array(dtype=wp.vec3),
    part_of_vertex: wp.array(dtype=wp.int32),
    ignored: wp.array2d(dtype=wp.int32),
    low: wp.array2d(dtype=wp.vec3),
    high: wp.array2d(dtype=wp.vec3),
    vertices: int,
    far: float,
    limit: int,
    face: wp.array(dtype=wp.int32),
    distance: wp.array(dtype=float),
):
    """Where a ray from just outside each vertex first leaves the mesh, if it leaves more often than it enters; else -1.

    That balance is the winding number, for a closed mesh. Vertices in no box of a part that counts are passed over.
    """
    i = wp.tid()
    face[i] = -1
    copy = i / vertices
    mine = part_of_vertex[i]
    start = wp.mesh_get(mesh).points[i]
    near = int(0)
    if mine >= 0:
        for k in range(low.shape[1]):
            if ignored[mine, k] == 0:
                inside = wp.min(start - low[copy, k], high[copy, k] - start)
                near += wp.where(wp.min(inside) >= 0.0, 1, 0)
    if near > 0:
        normal = normals[i]
        balance, first, travelled = _way_out(mesh, start, normal, far, limit)
        if balance > 0:
            # A ray through an edge may miss both its faces; hardly ever do two.
            sideways = wp.vec3(normal[1], normal[2], normal[0])
            again, _face, _length = _way_out(mesh, start, wp.normalize(normal + TILT * sideways), far, limit)
            if again > 0:
                face[i] = first
                distance[i] = travelled


@wp.kernel
@no_type_check
def _depth_behind_parts(
    trees: wp.array(dtype=wp.uint64),
    ignored: wp.array2d(dtype=wp.int32),
    part_of_vertex: wp.array(dtype=wp.int32),
    labels: wp.array(dtype=wp.int32),
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
                    depth[i] = wp.where(ignored[mine, k] == 1, 0.0, wp.min(away, exit_distance[i]))
