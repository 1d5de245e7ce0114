"""First half of the ray tracer: what each pixel's centre shows and how much light arrives there.

Light that arrives (shadow rays, ambient occlusion) is sampled once per pixel with a 4 x 4 interleaved pattern and
smoothed over exactly that pattern within each surface (Keller & Heidrich 2001).
"""

# ruff: noqa: UP018, RUF046, SIM102, SIM110 (Warp: calls make numbers variables; no generators, no short circuits)

from typing import no_type_check

import warp as wp

from ownhand.render.kernel_types import (
    FAR,
    NOTHING,
    OPTIONS,
    PI,
    THROUGH,
    UNKNOWN,
    UNSEEN,
    Buffers,
    Hit,
    Instance,
    Lighting,
    Outputs,
    View,
    corners,
    crossing,
    nearest,
    ray_through,
    same_surface,
    shading_normal,
)

wp.set_module_options(OPTIONS)


@wp.func
@no_type_check
def blocked(
    instances: wp.array(dtype=Instance), solids: int, origin: wp.vec3, direction: wp.vec3, reach: float
) -> bool:
    for k in range(solids):
        if wp.mesh_query_ray_anyhit(instances[k].mesh, origin, direction, reach):
            return True
    return False


@wp.func
@no_type_check
def way_through(
    instances: wp.array(dtype=Instance), solids: int, instance: Instance, inside: wp.vec3, light: wp.vec3
) -> float:
    """How far a point just below the surface is from where the light enters this mesh; FAR if none comes through."""
    path = light - inside
    distance = wp.length(path)
    direction = path / distance
    q = wp.mesh_query_ray(instance.mesh, inside, direction, wp.min(THROUGH * instance.scatter, distance))
    if q.result:
        if not blocked(instances, solids, inside + direction * (q.t + 1.0e-4), direction, distance - q.t - 1.0e-4):
            return q.t
    return FAR


@wp.func
@no_type_check
def rounded_position(instance: Instance, hit: Hit, position: wp.vec3, normal: wp.vec3) -> wp.vec3:
    """The hit lifted onto the surface that the smooth normals suggest, against jagged terminators (Hanika 2021)."""
    if instance.flat != 0:
        return position
    mesh = wp.mesh_get(instance.mesh)
    lift = wp.vec3(0.0)
    for corner in range(3):
        index = mesh.indices[hit.face * 3 + corner]
        weight = hit.u
        if corner == 1:
            weight = hit.v
        if corner == 2:
            weight = 1.0 - hit.u - hit.v
        n = instance.normals[index]
        lift -= weight * wp.min(0.0, wp.dot(position - mesh.points[index], n)) * n
    height = wp.max(0.0, wp.dot(lift, normal))
    return position + height * normal


@wp.func
@no_type_check
def pattern(cell: int, cells: int, k: int, rays: int, seed: int, stream: int) -> wp.vec2:
    """The k-th of `rays` points of a cell: a rank-1 lattice over all `cells` * `rays`, shifted by the seed."""
    state = wp.rand_init(seed, stream)
    index = float(k * cells + cell)
    u = (index + 0.5) / float(cells * rays) + wp.randf(state)
    v = index * 0.61803399 + wp.randf(state)
    return wp.vec2(u - wp.floor(u), v - wp.floor(v))


@wp.func
@no_type_check
def interleave(x: int, y: int) -> int:
    """The pixel's place in a 4 x 4 ordered dither (Bayer 1973): below 8 where x + y is even."""
    a = x & 3
    b = y & 3
    q = a ^ b
    return ((q & 1) << 3) | ((b & 1) << 2) | (q & 2) | ((b & 2) >> 1)


@wp.func
@no_type_check
def frame(normal: wp.vec3) -> wp.mat33:
    """Columns: two tangents and the unit normal (Duff et al. 2017)."""
    sign = wp.where(normal[2] >= 0.0, 1.0, -1.0)
    a = -1.0 / (sign + normal[2])
    b = normal[0] * normal[1] * a
    return wp.mat33(
        1.0 + sign * normal[0] * normal[0] * a, b, normal[0],
        sign * b, sign + normal[1] * normal[1] * a, normal[1],
        -sign * normal[0], -normal[1], normal[2],
    )  # fmt: skip


@wp.func
@no_type_check
def disk(point: wp.vec2) -> wp.vec2:
    radius = wp.sqrt(point[0])
    angle = 2.0 * PI * point[1]
    return wp.vec2(radius * wp.cos(angle), radius * wp.sin(angle))


@wp.kernel
@no_type_check
def draw(instances: wp.array(dtype=Instance), solids: int, view: View, buffers: Buffers):
    """Per face of the solid meshes: note it at the pixel centres where it is the nearest so far."""
    number = wp.tid()
    k = instance_of(instances, solids, number)
    triangle = corners(instances[k], number - instances[k].first_face)
    depths = wp.vec3(triangle[0][2], triangle[1][2], triangle[2][2])
    if wp.max(depths) <= 0.0:
        return
    # Pixel centres that may show it; all where it reaches behind the camera.
    limit = wp.vec2(float(view.width), float(view.height))
    low = wp.vec2(0.0)
    high = limit
    if wp.min(depths) > 1.0e-3:
        low = limit
        high = wp.vec2(0.0)
        for corner in range(3):
            p = view.K * triangle[corner]
            pixel = wp.vec2(p[0] / p[2] - float(view.left), p[1] / p[2] - float(view.top))
            low = wp.min(low, pixel)
            high = wp.max(high, pixel)
        low = wp.max(low - wp.vec2(0.501), wp.vec2(0.0))
        high = wp.min(high + wp.vec2(0.501), limit)
    for y in range(int(wp.ceil(low[1])), int(wp.floor(high[1]))):
        for x in range(int(wp.ceil(low[0])), int(wp.floor(high[0]))):
            direction = ray_through(view, float(view.left + x) + 0.5, float(view.top + y) + 0.5)
            depth = crossing(triangle, direction)[2]
            if depth < FAR:
                noted = (wp.uint64(wp.cast(depth, wp.uint32)) << wp.uint64(32)) | wp.uint64(number)
                wp.atomic_min(buffers.seen, y * view.width + x, noted)


@wp.func
@no_type_check
def instance_of(instances: wp.array(dtype=Instance), solids: int, number: int) -> int:
    """The mesh whose face has this number."""
    k = int(solids - 1)
    while number < instances[k].first_face:
        k -= 1
    return k


@wp.kernel
@no_type_check
def trace(
    instances: wp.array(dtype=Instance),
    solids: int,
    count: int,
    view: View,
    lighting: Lighting,
    buffers: Buffers,
    outputs: Outputs,
):
    """Per pixel centre: what is seen, its label and texture coordinates, and raw samples of the light that arrives."""
    i = wp.tid()
    x = view.left + i % view.width
    y = view.top + i // view.width
    direction = ray_through(view, float(x) + 0.5, float(y) + 0.5)
    hit = Hit()
    hit.instance = NOTHING
    hit.t = FAR
    if buffers.seen[i] != UNSEEN:
        number = int(buffers.seen[i] & wp.uint64(0xFFFFFFFF))
        hit.instance = instance_of(instances, solids, number)
        hit.face = number - instances[hit.instance].first_face
        where = crossing(corners(instances[hit.instance], hit.face), direction)
        hit.u = where[0]
        hit.v = where[1]
        hit.t = where[2]
    outputs.label[i] = -1
    outputs.uv[i] = wp.vec2(0.0)
    if hit.instance >= 0:
        instance = instances[hit.instance]
        label = int(0)
        if instance.labels.shape[0] > 0:
            label = instance.labels[hit.face]
        outputs.label[i] = label
        if instance.uv.shape[0] > 0:
            outputs.uv[i] = (
                hit.u * instance.uv[instance.uv_faces[hit.face * 3]]
                + hit.v * instance.uv[instance.uv_faces[hit.face * 3 + 1]]
                + (1.0 - hit.u - hit.v) * instance.uv[instance.uv_faces[hit.face * 3 + 2]]
            )
    else:
        hit = nearest(instances, solids, count, direction)
    buffers.instance[i] = hit.instance
    buffers.depth[i] = hit.t
    buffers.plain[i] = 1
    if hit.instance < 0:
        return

    seen = instances[hit.instance]
    normal = shading_normal(seen, hit, direction)
    position = direction * hit.t
    start = rounded_position(seen, hit, position, normal) + normal * (3.0e-4 * hit.t)
    buffers.point[i] = position
    buffers.face[i] = hit.face
    buffers.corner[i] = wp.vec2(hit.u, hit.v)
    buffers.normal[i] = normal

    # Ambient occlusion, and all of what only darkens the background, is sampled at every second pixel.
    cell = interleave(x, y)
    even = cell < 8
    cells = int(16)
    if hit.instance >= solids:
        cells = 8
    plain = int(1)
    arriving = wp.vec4(1.0)
    through = wp.vec4(FAR)
    reach_past = wp.max(wp.max(seen.wrap[0], seen.wrap[1]), seen.wrap[2])
    for light in range(lighting.count):
        centre = lighting.positions[light]
        outward = wp.normalize(centre - start)
        if seen.scatter > 0.0 and wp.dot(outward, normal) < 0.0 and hit.instance < solids:
            through[light] = way_through(instances, solids, seen, position - normal * (3.0e-4 * hit.t), centre)
        if wp.dot(outward, normal) < -reach_past:
            arriving[light] = UNKNOWN
            plain = 0
        elif cells == 8 and not even:
            arriving[light] = UNKNOWN
        else:
            axes = frame(outward)
            origin = start + normal * seen.scatter
            lit = float(0.0)
            for k in range(lighting.shadow_rays):
                point = pattern(cell, cells, k, lighting.shadow_rays, lighting.seed, light + 1)
                offset = disk(point) * lighting.radii[light]
                path = centre + axes * wp.vec3(offset[0], offset[1], 0.0) - origin
                distance = wp.length(path)
                if blocked(instances, solids, origin, path / distance, distance):
                    plain = 0
                else:
                    lit += 1.0
            arriving[light] = lit / float(lighting.shadow_rays)

    open = float(1.0)
    if lighting.ambient_rays > 0:
        if even:
            axes = frame(normal)
            escaped = float(0.0)
            for k in range(lighting.ambient_rays):
                point = pattern(cell, 8, k, lighting.ambient_rays, lighting.seed, 0)
                flat = disk(point)
                upward = axes * wp.vec3(flat[0], flat[1], wp.sqrt(wp.max(0.0, 1.0 - point[0])))
                # A random reach makes far surfaces occlude less than near ones at no cost.
                spread = point[1] * 7.0 + point[0] * 3.0
                reach = lighting.reach * (0.1 + 0.9 * (spread - wp.floor(spread)))
                if blocked(instances, solids, start, upward, reach):
                    plain = 0
                else:
                    escaped += 1.0
            open = escaped / float(lighting.ambient_rays)
        else:
            open = UNKNOWN
    buffers.through[i] = through
    buffers.arriving_raw[i] = arriving
    buffers.open_raw[i] = open
    buffers.plain[i] = plain


@wp.kernel
@no_type_check
def smooth(view: View, buffers: Buffers):
    """Mean of the light that arrives over 5 x 5 pixels, each place of the 4 x 4 pattern weighing the same."""
    i = wp.tid()
    if buffers.instance[i] < 0:
        return
    x = i % view.width
    y = i // view.width
    plain = buffers.plain[i]
    if plain == 1:
        for yy in range(wp.max(y - 2, 0), wp.min(y + 3, view.height)):
            for xx in range(wp.max(x - 2, 0), wp.min(x + 3, view.width)):
                plain = plain & buffers.plain[yy * view.width + xx]
    if plain == 1:
        buffers.arriving[i] = wp.vec4(1.0)
        buffers.open[i] = 1.0
        return

    total = wp.vec4(0.0)
    weights = wp.vec4(0.0)
    open = float(0.0)
    open_weight = float(0.0)
    for yy in range(wp.max(y - 2, 0), wp.min(y + 3, view.height)):
        for xx in range(wp.max(x - 2, 0), wp.min(x + 3, view.width)):
            j = yy * view.width + xx
            if same_surface(buffers, view, i, j, 3.0):
                weight = float(1.0)
                if wp.abs(xx - x) == 2:
                    weight = 0.5
                if wp.abs(yy - y) == 2:
                    weight = weight * 0.5
                sample = buffers.arriving_raw[j]
                total += weight * wp.max(sample, wp.vec4(0.0))
                weights += weight * wp.min(sample - wp.vec4(UNKNOWN), wp.vec4(1.0))
                if buffers.open_raw[j] >= 0.0:
                    open += weight * buffers.open_raw[j]
                    open_weight += weight
    buffers.arriving[i] = wp.cw_div(total, wp.max(weights, wp.vec4(1.0e-6)))
    buffers.open[i] = 1.0
    if open_weight > 0.0:
        buffers.open[i] = open / open_weight
