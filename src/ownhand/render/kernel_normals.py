"""Smooth normals on the device: `geometry.meshes.vertex_normals`, area-weighted, without leaving Warp."""

from typing import no_type_check

import numpy as np
import warp as wp

from ownhand.render.device import empty, kept
from ownhand.render.kernel_types import OPTIONS
from ownhand.render.scene import Surface

wp.set_module_options(OPTIONS)


def smooth_normals(surface: Surface, tree: wp.Mesh) -> wp.array:
    """Unit normal of each vertex of a posed surface; zero where no face has an area.

    Gathers per vertex rather than scattering per face, so that a GPU adds in the same order every time.
    """
    device = str(tree.device)
    starts, corners = kept(surface, ("corners", device, len(tree.points)), lambda: _corners(surface, tree))
    normals = empty(len(tree.points), wp.vec3, device)
    inputs = [tree.points, tree.indices, starts, corners, normals]
    wp.launch(_gather, len(tree.points), inputs, device=device)
    return normals


def _corners(surface: Surface, tree: wp.Mesh) -> tuple[wp.array, wp.array]:
    """The faces around each vertex: where its list starts, and all lists in a row."""
    flat = surface.faces.ravel()
    faces = np.argsort(flat, kind="stable") // 3
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=len(tree.points)))])

    def upload(values: np.ndarray) -> wp.array:
        return wp.array(values.astype(np.int32), dtype=wp.int32, device=tree.device)

    return upload(starts), upload(faces)


@wp.kernel
@no_type_check
def _gather(
    points: wp.array(dtype=wp.vec3),
    indices: wp.array(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    faces: wp.array(dtype=wp.int32),
    normals: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    total = wp.vec3(0.0)
    for k in range(starts[i], starts[i + 1]):
        f = faces[k]
        a = points[indices[f * 3]]
        total += wp.cross(points[indices[f * 3 + 1]] - a, points[indices[f * 3 + 2]] - a)
    normals[i] = wp.normalize(total)
