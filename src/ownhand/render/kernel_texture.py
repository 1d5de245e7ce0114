"""Textures in kernels: filtered colour and relief of a surface point."""

# ruff: noqa: UP018, RUF046 (Warp: a call makes a number a variable, and there are no generators)

from typing import no_type_check

import warp as wp

from ownhand.render.kernel_types import Hit, Instance


@wp.func
@no_type_check
def repeated(x: int, size: int) -> int:
    """The texel that stands for `x`, since textures repeat; few points need the slow division."""
    if x >= 0 and x < size:
        return x
    return (x % size + size) % size


@wp.struct
@no_type_check
class Texel:
    value: wp.vec4
    slope: wp.vec2  # of the height, per unit of u and of v


@wp.func
@no_type_check
def bilinear(instance: Instance, uv: wp.vec2, level: int) -> Texel:
    offset = int(0)
    width = instance.texture_width
    height = instance.texture_height
    for _ in range(level):
        offset += width * height
        width = wp.max(width // 2, 1)
        height = wp.max(height // 2, 1)
    x = uv[0] * float(width) - 0.5
    y = uv[1] * float(height) - 0.5
    x0 = wp.floor(x)
    y0 = wp.floor(y)
    fx = x - x0
    fy = y - y0
    left = repeated(int(x0), width)
    right = repeated(int(x0) + 1, width)
    above = offset + repeated(int(y0), height) * width
    below = offset + repeated(int(y0) + 1, height) * width
    a = instance.texels[above + left]
    b = instance.texels[above + right]
    c = instance.texels[below + left]
    d = instance.texels[below + right]
    out = Texel()
    out.value = (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
    out.slope = wp.vec2(
        ((b[3] - a[3]) * (1.0 - fy) + (d[3] - c[3]) * fy) * float(width),
        ((c[3] - a[3]) * (1.0 - fx) + (d[3] - b[3]) * fx) * float(height),
    )
    return out


@wp.struct
@no_type_check
class TexturedPoint:
    """Colour and bent normal of a surface point."""

    colour: wp.vec3
    normal: wp.vec3


@wp.func
@no_type_check
def textured(instance: Instance, hit: Hit, normal: wp.vec3, direction: wp.vec3, footprint: float) -> TexturedPoint:
    """Texture of a point, filtered over about `footprint` metres (mip levels, trilinear), and relief.

    The relief bends the normal by the surface gradient of the height (Mikkelsen 2010).
    """
    out = TexturedPoint()
    out.colour = instance.colour
    out.normal = normal
    if instance.texture_levels == 0:
        return out
    mesh = wp.mesh_get(instance.mesh)
    p2 = mesh.points[mesh.indices[hit.face * 3 + 2]]
    e0 = mesh.points[mesh.indices[hit.face * 3]] - p2
    e1 = mesh.points[mesh.indices[hit.face * 3 + 1]] - p2
    uv2 = instance.uv[instance.uv_faces[hit.face * 3 + 2]]
    d0 = instance.uv[instance.uv_faces[hit.face * 3]] - uv2
    d1 = instance.uv[instance.uv_faces[hit.face * 3 + 1]] - uv2
    uv = uv2 + d0 * hit.u + d1 * hit.v

    across = wp.cross(e0, e1)
    double_area = wp.length(across)
    determinant = d0[0] * d1[1] - d0[1] * d1[0]
    texels_per_metre = wp.sqrt(
        wp.abs(determinant)
        * float(instance.texture_width)
        * float(instance.texture_height)
        / wp.max(double_area, 1.0e-12)
    )
    level = wp.log2(wp.max(footprint * texels_per_metre, 1.0))
    level = wp.min(level, float(instance.texture_levels - 1))
    low = int(level)
    blend = level - float(low)
    fine = bilinear(instance, uv, low)
    value = fine.value
    slope = fine.slope
    if blend > 0.0:
        coarse = bilinear(instance, uv, low + 1)
        value = value * (1.0 - blend) + coarse.value * blend
        slope = slope * (1.0 - blend) + coarse.slope * blend
    out.colour = wp.cw_mul(instance.colour, wp.vec3(value[0], value[1], value[2]))

    if (slope[0] != 0.0 or slope[1] != 0.0) and wp.abs(determinant) > 1.0e-12 and double_area > 1.0e-12:
        # Gradients of the two corner weights in the triangle's plane, then of u and v, then of the height.
        unit = across / double_area
        g0 = wp.cross(e1, unit) / double_area
        g1 = wp.cross(unit, e0) / double_area
        gradient = (g0 * d0[0] + g1 * d1[0]) * slope[0] + (g0 * d0[1] + g1 * d1[1]) * slope[1]
        if wp.dot(across, direction) > 0.0:
            gradient = -gradient
        bent = wp.normalize(normal - gradient)
        away = wp.dot(bent, direction)
        if away > 0.0:
            bent = wp.normalize(bent - direction * (1.001 * away / wp.dot(direction, direction)))
        out.normal = bent
    return out
