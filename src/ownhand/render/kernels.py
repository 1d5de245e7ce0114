"""The ray tracer's kernels, the same for CPU and GPU: trace pixel centres, smooth the light that arrives, shade.

Light that arrives (shadow rays, ambient occlusion) is sampled once per pixel with a 4 x 4 interleaved pattern and smoothed
over exactly that pattern within each surface (Keller & Heidrich 2001), while colour is antialiased only where a pixel
holds an edge.
"""

import warp as wp

wp.set_module_options({"enable_backward": False, "max_unroll": 1})

FAR = wp.constant(1.0e9)
NOTHING = wp.constant(-1)
PI = wp.constant(3.14159265)
UNKNOWN = wp.constant(-1.0)


@wp.struct
class Instance:
    """A mesh to be traced. `labels`, `uv` and `texels` may be empty."""

    mesh: wp.uint64
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
class View:
    """The camera and the rectangle of its pixels that is drawn."""

    K_inverse: wp.mat33
    pixel: float  # size of a pixel at depth 1
    left: wp.int32
    top: wp.int32
    width: wp.int32
    height: wp.int32


@wp.struct
class Lighting:
    count: wp.int32
    positions: wp.array(dtype=wp.vec3)
    colours: wp.array(dtype=wp.vec3)
    radii: wp.array(dtype=float)
    shadow_rays: wp.int32
    ambient: wp.array(dtype=wp.vec3)
    ambient_rays: wp.int32
    reach: float
    seed: wp.int32


@wp.struct
class Hit:
    instance: wp.int32
    face: wp.int32
    u: float
    v: float
    t: float  # along a ray with z = 1: the depth


@wp.struct
class Buffers:
    """One entry per drawn pixel, taken at its centre."""

    instance: wp.array(dtype=wp.int32)  # solid meshes first, then shadow catchers
    face: wp.array(dtype=wp.int32)
    corner: wp.array(dtype=wp.vec2)  # weights of the face's first two corners
    depth: wp.array(dtype=float)
    normal: wp.array(dtype=wp.vec3)
    arriving: wp.array(dtype=wp.vec4)  # unshadowed share of each light; negative: not sampled
    open: wp.array(dtype=float)  # unoccluded share of the ambient light; negative: not sampled
    arriving_raw: wp.array(dtype=wp.vec4)
    open_raw: wp.array(dtype=float)
    plain: wp.array(dtype=wp.int32)  # 1 where no sample missed any light


@wp.struct
class Outputs:
    rgb: wp.array(dtype=wp.vec3)
    alpha: wp.array(dtype=float)
    shadow: wp.array(dtype=float)
    label: wp.array(dtype=wp.int32)
    uv: wp.array(dtype=wp.vec2)


@wp.func
def ray_through(view: View, x: float, y: float) -> wp.vec3:
    return view.K_inverse * wp.vec3(x, y, 1.0)


@wp.func
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
def blocked(
    instances: wp.array(dtype=Instance), solids: int, origin: wp.vec3, direction: wp.vec3, reach: float
) -> bool:
    for k in range(solids):
        if wp.mesh_query_ray_anyhit(instances[k].mesh, origin, direction, reach):
            return True
    return False


@wp.func
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
            hit.u * instance.normals[i0]
            + hit.v * instance.normals[i1]
            + (1.0 - hit.u - hit.v) * instance.normals[i2]
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
def pattern(cell: int, cells: int, k: int, rays: int, seed: int, stream: int) -> wp.vec2:
    """The k-th of `rays` points of a cell: a rank-1 lattice over all `cells` * `rays`, shifted by the seed."""
    state = wp.rand_init(seed, stream)
    index = float(k * cells + cell)
    u = (index + 0.5) / float(cells * rays) + wp.randf(state)
    v = index * 0.61803399 + wp.randf(state)
    return wp.vec2(u - wp.floor(u), v - wp.floor(v))


@wp.func
def interleave(x: int, y: int) -> int:
    """The pixel's place in a 4 x 4 ordered dither (Bayer 1973): below 8 where x + y is even."""
    a = x & 3
    b = y & 3
    q = a ^ b
    return ((q & 1) << 3) | ((b & 1) << 2) | (q & 2) | ((b & 2) >> 1)


@wp.func
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
def disk(point: wp.vec2) -> wp.vec2:
    radius = wp.sqrt(point[0])
    angle = 2.0 * PI * point[1]
    return wp.vec2(radius * wp.cos(angle), radius * wp.sin(angle))


@wp.kernel
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
    hit = nearest(instances, 0, solids, direction)
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
    reach_past = wp.max(wp.max(seen.wrap[0], seen.wrap[1]), seen.wrap[2])
    for light in range(lighting.count):
        centre = lighting.positions[light]
        outward = wp.normalize(centre - start)
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
    buffers.arriving_raw[i] = arriving
    buffers.open_raw[i] = open
    buffers.plain[i] = plain


@wp.func
def same_surface(buffers: Buffers, view: View, i: int, j: int, offset: wp.vec3, tolerance: float) -> bool:
    """Whether pixels i and j, `offset` apart in space, show one smooth piece of one mesh."""
    if buffers.instance[i] != buffers.instance[j]:
        return False
    limit = tolerance * view.pixel * buffers.depth[i]
    n = buffers.normal[i]
    m = buffers.normal[j]
    return wp.dot(n, m) > 0.7 and wp.min(wp.abs(wp.dot(offset, n)), wp.abs(wp.dot(offset, m))) < limit


@wp.func
def point_of(view: View, buffers: Buffers, i: int) -> wp.vec3:
    x = float(view.left + i % view.width) + 0.5
    y = float(view.top + i // view.width) + 0.5
    return ray_through(view, x, y) * buffers.depth[i]


@wp.kernel
def smooth(view: View, buffers: Buffers):
    """Mean of the light that arrives over 5 x 5 pixels, each place of the 4 x 4 pattern weighing the same."""
    i = wp.tid()
    if buffers.instance[i] < 0:
        return
    x = i % view.width
    y = i // view.width
    plain = int(1)
    for yy in range(wp.max(y - 2, 0), wp.min(y + 3, view.height)):
        for xx in range(wp.max(x - 2, 0), wp.min(x + 3, view.width)):
            plain = plain & buffers.plain[yy * view.width + xx]
    if plain == 1:
        buffers.arriving[i] = wp.vec4(1.0)
        buffers.open[i] = 1.0
        return

    here = point_of(view, buffers, i)
    total = wp.vec4(0.0)
    weights = wp.vec4(0.0)
    open = float(0.0)
    open_weight = float(0.0)
    for yy in range(wp.max(y - 2, 0), wp.min(y + 3, view.height)):
        for xx in range(wp.max(x - 2, 0), wp.min(x + 3, view.width)):
            j = yy * view.width + xx
            if same_surface(buffers, view, i, j, point_of(view, buffers, j) - here, 3.0):
                weight = float(1.0)
                if wp.abs(xx - x) == 2:
                    weight = 0.5
                if wp.abs(yy - y) == 2:
                    weight = weight * 0.5
                sample = buffers.arriving_raw[j]
                for light in range(4):
                    if sample[light] >= 0.0:
                        total[light] += weight * sample[light]
                        weights[light] += weight
                if buffers.open_raw[j] >= 0.0:
                    open += weight * buffers.open_raw[j]
                    open_weight += weight
    for light in range(4):
        total[light] = total[light] / wp.max(weights[light], 1.0e-6)
    buffers.arriving[i] = total
    buffers.open[i] = 1.0
    if open_weight > 0.0:
        buffers.open[i] = open / open_weight


@wp.func
def texel(instance: Instance, level_offset: int, width: int, height: int, x: int, y: int) -> wp.vec4:
    """One texel; the texture repeats."""
    xx = x % width
    yy = y % height
    if xx < 0:
        xx += width
    if yy < 0:
        yy += height
    return instance.texels[level_offset + yy * width + xx]


@wp.struct
class Texel:
    value: wp.vec4
    slope: wp.vec2  # of the height, per unit of u and of v


@wp.func
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
    a = texel(instance, offset, width, height, int(x0), int(y0))
    b = texel(instance, offset, width, height, int(x0) + 1, int(y0))
    c = texel(instance, offset, width, height, int(x0), int(y0) + 1)
    d = texel(instance, offset, width, height, int(x0) + 1, int(y0) + 1)
    out = Texel()
    out.value = (a * (1.0 - fx) + b * fx) * (1.0 - fy) + (c * (1.0 - fx) + d * fx) * fy
    out.slope = wp.vec2(
        ((b[3] - a[3]) * (1.0 - fy) + (d[3] - c[3]) * fy) * float(width),
        ((c[3] - a[3]) * (1.0 - fx) + (d[3] - b[3]) * fx) * float(height),
    )
    return out


@wp.struct
class Skin:
    """Colour and bent normal of a surface point."""

    colour: wp.vec3
    normal: wp.vec3


@wp.func
def textured(instance: Instance, hit: Hit, normal: wp.vec3, direction: wp.vec3, footprint: float) -> Skin:
    """Texture of a point, filtered over about `footprint` metres (mip levels, trilinear), and relief.

    The relief bends the normal by the surface gradient of the height (Mikkelsen 2010).
    """
    out = Skin()
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


@wp.func
def ambient_light(lighting: Lighting, n: wp.vec3) -> wp.vec3:
    """What a white diffuse surface with normal n reflects of the ambient light."""
    total = (
        lighting.ambient[0]
        + lighting.ambient[1] * n[0]
        + lighting.ambient[2] * n[1]
        + lighting.ambient[3] * n[2]
        + lighting.ambient[4] * (n[0] * n[1])
        + lighting.ambient[5] * (n[1] * n[2])
        + lighting.ambient[6] * (n[0] * n[2])
        + lighting.ambient[7] * (3.0 * n[2] * n[2] - 1.0)
        + lighting.ambient[8] * (n[0] * n[0] - n[1] * n[1])
    )
    return wp.max(total, wp.vec3(0.0))


@wp.func
def wrapped(cosine: float, wrap: float) -> float:
    """Diffuse light that reaches past the terminator, normalised to send out no more than arrives.

    Bends towards a square as it reaches further, so that it ends without a kink (after McAuley 2013,
    "Extension to energy-conserving wrapped diffuse").
    """
    x = wp.max((cosine + wrap) / (1.0 + wrap), 0.0)
    return x * (1.0 - wrap + wrap * x) / ((1.0 + wrap) * (1.0 - wrap / 3.0))


@wp.func
def fifth_power(x: float) -> float:
    """Fresnel's rise towards grazing angles (Schlick 1994)."""
    return x * x * x * x * x


@wp.func
def reflected(
    instance: Instance, skin: Skin, position: wp.vec3, direction: wp.vec3, arriving: wp.vec4, open: float,
    lighting: Lighting,
) -> wp.vec3:  # fmt: skip
    """Linear RGB that a point sends towards the camera."""
    n = skin.normal
    view = -wp.normalize(direction)
    n_view = wp.clamp(wp.dot(n, view), 1.0e-3, 1.0)
    alpha = wp.max(instance.roughness * instance.roughness, 2.0e-3)
    total = wp.vec3(0.0)

    for light in range(lighting.count):
        path = lighting.positions[light] - position
        square = wp.max(wp.dot(path, path), 1.0e-8)
        distance = wp.sqrt(square)
        towards = path / distance
        n_light = wp.dot(n, towards)
        lit = arriving[light]
        colour = lighting.colours[light] / square
        for c in range(3):
            # In a penumbra, the channels that travel far below the skin arrive from the lit side.
            share = lit + instance.wrap[c] * (wp.sqrt(lit) - lit)
            total[c] += skin.colour[c] * colour[c] * wrapped(n_light, instance.wrap[c]) * share
        if n_light > 0.0 and lit > 0.0:
            # GGX with height-correlated Smith masking (Heitz 2014); the ball of light widens the lobe (Karis 2013).
            wide = wp.min(alpha + 0.5 * lighting.radii[light] / distance, 1.0)
            h = wp.normalize(towards + view)
            n_h = wp.max(wp.dot(n, h), 0.0)
            a2 = wide * wide
            bottom = n_h * n_h * (a2 - 1.0) + 1.0
            density = alpha * alpha / (PI * bottom * bottom)
            masking = 0.5 / (
                n_light * wp.sqrt(n_view * n_view * (1.0 - a2) + a2)
                + n_view * wp.sqrt(n_light * n_light * (1.0 - a2) + a2)
            )
            grazing = fifth_power(1.0 - wp.max(wp.dot(view, h), 0.0))
            lobe = density * masking * n_light * lit * PI
            total += wp.cw_mul(colour, instance.specular + (wp.vec3(1.0) - instance.specular) * grazing) * lobe

    ambient = ambient_light(lighting, n)
    for c in range(3):
        # Light that bounces between surfaces of this colour fills corners (Jimenez et al. 2016).
        a = skin.colour[c]
        bounced = ((open * (2.0404 * a - 0.3324) + (0.6417 - 4.7951 * a)) * open + (2.7552 * a + 0.6903)) * open
        total[c] += a * ambient[c] * wp.max(open, bounced)
    mirror = ambient_light(lighting, 2.0 * wp.dot(n, view) * n - view)
    grazing = fifth_power(1.0 - n_view) * (1.0 - instance.roughness)
    total += wp.cw_mul(mirror, instance.specular + (wp.vec3(1.0) - instance.specular) * grazing) * open
    return total


@wp.func
def catcher_share(lighting: Lighting, n: wp.vec3, position: wp.vec3, arriving: wp.vec4, open: float) -> float:
    """Share of all light that still arrives at a point of a shadow catcher."""
    if open == 1.0 and wp.min(arriving) == 1.0:
        return 1.0
    ambient = ambient_light(lighting, n)
    full = ambient[0] + ambient[1] + ambient[2]
    left = full * open
    for light in range(lighting.count):
        path = lighting.positions[light] - position
        square = wp.max(wp.dot(path, path), 1.0e-8)
        c = lighting.colours[light]
        power = (c[0] + c[1] + c[2]) * wp.max(wp.dot(n, path), 0.0) / (square * wp.sqrt(square))
        full += power
        left += power * wp.max(arriving[light], 0.0)
    return left / wp.max(full, 1.0e-6)


@wp.func
def nearest_pixel(buffers: Buffers, view: View, solids: int, x: int, y: int, hit: Hit, sx: float, sy: float) -> int:
    """The pixel around (x, y) whose centre shows what is closest to a hit at (x + sx, y + sy): the same mesh if any.

    The light that arrives is known at pixel centres only.
    """
    found = y * view.width + x
    best = float(FAR)
    for yy in range(wp.max(y - 1, 0), wp.min(y + 2, view.height)):
        for xx in range(wp.max(x - 1, 0), wp.min(x + 2, view.width)):
            j = yy * view.width + xx
            other = buffers.instance[j]
            if other >= 0 and other < solids:
                away = wp.abs(buffers.depth[j] - hit.t) / (view.pixel * hit.t)
                aside = wp.abs(float(xx - x) + 0.5 - sx) + wp.abs(float(yy - y) + 0.5 - sy)
                score = away + aside
                if other != hit.instance:
                    score += 1.0e6
                if score < best:
                    best = score
                    found = j
    return found


@wp.kernel
def shade(
    instances: wp.array(dtype=Instance),
    solids: int,
    view: View,
    lighting: Lighting,
    samples: int,
    everywhere: int,
    buffers: Buffers,
    outputs: Outputs,
):
    """Colour, coverage and background shadow of each pixel: n x n rays where it holds an edge, one elsewhere."""
    i = wp.tid()
    x = i % view.width
    y = i // view.width
    mine = buffers.instance[i]
    solid = mine >= 0 and mine < solids
    here = point_of(view, buffers, i)

    edge = everywhere != 0
    near_solid = int(0)
    caught = float(0.0)
    caught_count = float(0.0)
    for yy in range(wp.max(y - 1, 0), wp.min(y + 2, view.height)):
        for xx in range(wp.max(x - 1, 0), wp.min(x + 2, view.width)):
            # Any straight edge through a pixel also parts its centre from that of one of its 4 neighbours.
            if xx == x or yy == y:
                j = yy * view.width + xx
                other = buffers.instance[j]
                if other >= 0 and other < solids:
                    near_solid += 1
                    if solid and not same_surface(buffers, view, i, j, point_of(view, buffers, j) - here, 1.5):
                        edge = True
                else:
                    if solid:
                        edge = True
                    if other >= 0 and (j == i or solid):
                        caught_count += 1.0
                        caught += catcher_share(
                            lighting, buffers.normal[j], point_of(view, buffers, j), buffers.arriving[j],
                            buffers.open[j],
                        )  # fmt: skip
    outputs.shadow[i] = 1.0
    if caught_count > 0.0:
        outputs.shadow[i] = caught / caught_count

    outputs.rgb[i] = wp.vec3(0.0)
    outputs.alpha[i] = 0.0
    if near_solid == 0:
        return
    if not solid:
        edge = True

    n = int(1)
    if edge:
        n = samples
    rgb = wp.vec3(0.0)
    alpha = float(0.0)
    for s in range(n * n):
        # Correlated multi-jittered places: every row and column of the n^2 x n^2 grid holds one (Kensler 2013).
        a = s % n
        b = s // n
        sx = (float(a) + (float(b) + 0.5) / float(n)) / float(n)
        sy = (float(b) + (float(a) + 0.5) / float(n)) / float(n)
        direction = ray_through(view, float(view.left + x) + sx, float(view.top + y) + sy)
        hit = Hit()
        if n == 1 and solid:
            hit.instance = mine
            hit.face = buffers.face[i]
            hit.u = buffers.corner[i][0]
            hit.v = buffers.corner[i][1]
            hit.t = buffers.depth[i]
        else:
            hit = nearest(instances, 0, solids, direction)
        if hit.instance >= 0:
            from_pixel = int(i)
            if n > 1 or not solid:
                from_pixel = nearest_pixel(buffers, view, solids, x, y, hit, sx, sy)
            instance = instances[hit.instance]
            normal = shading_normal(instance, hit, direction)
            tilt = wp.max(-wp.dot(normal, wp.normalize(direction)), 0.1)
            footprint = view.pixel * hit.t / (float(n) * wp.sqrt(tilt))
            skin = textured(instance, hit, normal, direction, footprint)
            rgb += reflected(
                instance, skin, direction * hit.t, direction, buffers.arriving[from_pixel],
                buffers.open[from_pixel], lighting,
            )  # fmt: skip
            alpha += 1.0
    outputs.rgb[i] = rgb / float(n * n)
    outputs.alpha[i] = alpha / float(n * n)
