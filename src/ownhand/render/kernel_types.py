"""What the ray tracer's kernels share: their structs and the functions that cast rays through pixels.

The kernels are the same for CPU and GPU. `no_type_check` keeps the type checker of the tests, which wraps every
function, from what Warp compiles.
"""


# pyright: reportInvalidTypeForm=false

from typing import no_type_check

import warp as wp

FAR = wp.constant(1.0e9)
NOTHING = wp.constant(-1)
PI = wp.constant(3.14159265)
THROUGH = wp.constant(6.0)  # times `scatter`: thicker flesh lets no light through
UNKNOWN = wp.constant(-1.0)
UNSEEN = wp.constant(wp.uint64(0xFFFFFFFFFFFFFFFF))

OPTIONS = {
    "enable_backward": False,
    "max_unroll": 1,
    # Every input is checked to be finite; without care for NaN, rays meet boxes a fifth faster. -w: Clang warns of it.
    "cpu_compiler_flags": f"{wp.config.cpu_compiler_flags} -menable-no-nans -w",
}
"""Warp's options for the modules with kernels."""


@wp.struct
@no_type_check
class Instance:
    """A mesh to be traced. `labels`, `uv` and `texels` may be empty."""

    mesh: wp.uint64
    first_face: wp.int32  # all faces of a scene are counted through
    normals: wp.array(dtype=wp.vec3)
    labels: wp.array(dtype=wp.int32)
    uv: wp.array(dtype=wp.vec2)
    uv_faces: wp.array(dtype=wp.int32)
    texels: wp.array(dtype=wp.vec4)  # rgb and height [m] of all mip levels, finest first
    texture_width: wp.int32
    texture_height: wp.int32
    texture_levels: wp.int32
    flat: wp.int32
    colour: wp.vec3
    specular: wp.vec3
    roughness: float
    wrap: wp.vec3
    scatter: float


@wp.struct
@no_type_check
class View:
    """The camera and the rectangle of its pixels that is drawn."""

    K: wp.mat33
    K_inverse: wp.mat33
    pixel: float  # size of a pixel at depth 1
    left: wp.int32
    top: wp.int32
    width: wp.int32
    height: wp.int32


@wp.struct
@no_type_check
class Lighting:
    count: wp.int32
    positions: wp.types.matrix(shape=(4, 3), dtype=float)
    colours: wp.types.matrix(shape=(4, 3), dtype=float)
    radii: wp.vec4
    shadow_rays: wp.int32
    ambient: wp.types.matrix(shape=(9, 3), dtype=float)
    ambient_rays: wp.int32
    reach: float
    seed: wp.int32


@wp.struct
@no_type_check
class Hit:
    instance: wp.int32
    face: wp.int32
    u: float
    v: float
    t: float  # along a ray with z = 1: the depth


@wp.struct
@no_type_check
class Buffers:
    """One entry per drawn pixel, taken at its centre."""

    seen: wp.array(dtype=wp.uint64)  # the nearest face: bits of its depth, then its number
    instance: wp.array(dtype=wp.int32)  # solid meshes first, then shadow catchers
    face: wp.array(dtype=wp.int32)
    corner: wp.array(dtype=wp.vec2)  # weights of the face's first two corners
    depth: wp.array(dtype=float)
    point: wp.array(dtype=wp.vec3)
    normal: wp.array(dtype=wp.vec3)
    arriving: wp.array(dtype=wp.vec4)  # unshadowed share of each light; negative: not sampled
    through: wp.array(dtype=wp.vec4)  # way below the surface to where each light enters [m]; FAR: does not come through
    open: wp.array(dtype=float)  # unoccluded share of the ambient light; negative: not sampled
    arriving_raw: wp.array(dtype=wp.vec4)
    open_raw: wp.array(dtype=float)
    plain: wp.array(dtype=wp.int32)  # 1 where no sample missed any light


@wp.struct
@no_type_check
class Outputs:
    rgb: wp.array(dtype=wp.vec3)
    alpha: wp.array(dtype=float)
    shadow: wp.array(dtype=float)
    label: wp.array(dtype=wp.int32)
    uv: wp.array(dtype=wp.vec2)


@wp.func
@no_type_check
def ray_through(view: View, x: float, y: float) -> wp.vec3:
    return view.K_inverse * wp.vec3(x, y, 1.0)


@wp.func
@no_type_check
def corners(instance: Instance, face: int) -> wp.mat33:
    """Rows: the corners of a face."""
    mesh = wp.mesh_get(instance.mesh)
    return wp.matrix_from_rows(
        mesh.points[mesh.indices[face * 3]],
        mesh.points[mesh.indices[face * 3 + 1]],
        mesh.points[mesh.indices[face * 3 + 2]],
    )


@wp.func
@no_type_check
def crossing(triangle: wp.mat33, direction: wp.vec3) -> wp.vec3:
    """Weights of the first two corners, and depth, where a ray from the camera meets a triangle; FAR if it does not.

    Reaches a millionth past the edges, so that none leaks (in scaled coordinates as Woop et al. 2013).
    """
    a = wp.vec2(triangle[0][0] - direction[0] * triangle[0][2], triangle[0][1] - direction[1] * triangle[0][2])
    b = wp.vec2(triangle[1][0] - direction[0] * triangle[1][2], triangle[1][1] - direction[1] * triangle[1][2])
    c = wp.vec2(triangle[2][0] - direction[0] * triangle[2][2], triangle[2][1] - direction[1] * triangle[2][2])
    weights = wp.vec3(c[0] * b[1] - c[1] * b[0], a[0] * c[1] - a[1] * c[0], b[0] * a[1] - b[1] * a[0])
    total = weights[0] + weights[1] + weights[2]
    if total != 0.0:
        weights = weights / total
        depth = weights[0] * triangle[0][2] + weights[1] * triangle[1][2] + weights[2] * triangle[2][2]
        if wp.min(weights) >= -1.0e-6 and depth >= 0.0:
            return wp.vec3(weights[0], weights[1], depth)
    return wp.vec3(0.0, 0.0, FAR)


@wp.func
@no_type_check
def nearest(instances: wp.array(dtype=Instance), first: int, last: int, direction: wp.vec3) -> Hit:
    """What a ray from the camera meets first among the instances from `first` to before `last`."""
    hit = Hit()
    hit.instance = NOTHING
    hit.t = FAR
    for k in range(first, last):
        q = wp.mesh_query_ray(instances[k].mesh, wp.vec3(0.0), direction, hit.t)
        if q.result:
            hit.instance = k
            hit.face = q.face
            hit.u = q.u
            hit.v = q.v
            hit.t = q.t
    return hit


@wp.func
@no_type_check
def shading_normal(instance: Instance, hit: Hit, direction: wp.vec3) -> wp.vec3:
    """The smooth normal, turned to the side that the ray meets, and never facing away from the camera."""
    mesh = wp.mesh_get(instance.mesh)
    i0 = mesh.indices[hit.face * 3]
    i1 = mesh.indices[hit.face * 3 + 1]
    i2 = mesh.indices[hit.face * 3 + 2]
    p0 = mesh.points[i0]
    geometric = wp.cross(mesh.points[i1] - p0, mesh.points[i2] - p0)
    normal = geometric
    if instance.flat == 0:
        normal = (
            hit.u * instance.normals[i0] + hit.v * instance.normals[i1] + (1.0 - hit.u - hit.v) * instance.normals[i2]
        )
        if wp.length_sq(normal) < 1.0e-12:
            normal = geometric
    normal = wp.normalize(normal)
    if wp.dot(geometric, direction) > 0.0:
        normal = -normal
    away = wp.dot(normal, direction)
    if away > 0.0:
        normal = wp.normalize(normal - direction * (1.001 * away / wp.dot(direction, direction)))
    return normal


@wp.func
@no_type_check
def same_surface(buffers: Buffers, view: View, i: int, j: int, tolerance: float) -> bool:
    """Whether pixels i and j show one smooth piece of one mesh."""
    if buffers.instance[i] != buffers.instance[j]:
        return False
    limit = tolerance * view.pixel * buffers.depth[i]
    n = buffers.normal[i]
    m = buffers.normal[j]
    offset = buffers.point[j] - buffers.point[i]
    return wp.dot(n, m) > 0.7 and wp.min(wp.abs(wp.dot(offset, n)), wp.abs(wp.dot(offset, m))) < limit
