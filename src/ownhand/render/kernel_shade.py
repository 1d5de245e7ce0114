"""Second half of the ray tracer: the colour of each pixel, with more rays where it holds an edge."""

# ruff: noqa: UP018, RUF046 (Warp: a call makes a number a variable, and there are no generators)

from typing import no_type_check

import warp as wp

from ownhand.render.kernel_texture import TexturedPoint, textured
from ownhand.render.kernel_types import (
    FAR,
    OPTIONS,
    PI,
    Buffers,
    Hit,
    Instance,
    Lighting,
    Outputs,
    View,
    nearest,
    ray_through,
    same_surface,
    shading_normal,
)

wp.set_module_options(OPTIONS)

SHINES = wp.constant(wp.vec3(2.0, 0.7, 0.4))  # way on which light fades to 1/e, times `scatter`


@wp.func
@no_type_check
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
@no_type_check
def wrapped(cosine: float, wrap: float) -> float:
    """Diffuse light that reaches past the terminator, normalised to send out no more than arrives.

    Bends towards a square as it reaches further, so that it ends without a kink (after McAuley 2013,
    "Extension to energy-conserving wrapped diffuse").
    """
    x = wp.max((cosine + wrap) / (1.0 + wrap), 0.0)
    return x * (1.0 - wrap + wrap * x) / ((1.0 + wrap) * (1.0 - wrap / 3.0))


@wp.func
@no_type_check
def fifth_power(x: float) -> float:
    """Fresnel's rise towards grazing angles (Schlick 1994)."""
    return x * x * x * x * x


@wp.func
@no_type_check
def ambient_reflectance(f0: wp.vec3, f90: wp.vec3, roughness: float, n_view: float) -> wp.vec3:
    """Share of even light that GGX mirrors towards the camera (Karis 2014, "Physically based shading on mobile")."""
    x = 1.0 - roughness
    a = wp.min(x * x, wp.pow(2.0, -9.28 * n_view)) * x + 0.0425 - 0.0275 * roughness
    scale = 1.04 - 0.572 * roughness - 1.04 * a
    offset = 1.04 * a - 0.04 + 0.022 * roughness
    return f0 * scale + f90 * offset


@wp.func
@no_type_check
def reflected(
    instance: Instance, point: TexturedPoint, position: wp.vec3, direction: wp.vec3, arriving: wp.vec4,
    through: wp.vec4, open: float, lighting: Lighting,
) -> wp.vec3:  # fmt: skip
    """Linear RGB that a point sends towards the camera."""
    n = point.normal
    view = -wp.normalize(direction)
    n_view = wp.clamp(wp.dot(n, view), 1.0e-3, 1.0)
    alpha = wp.max(instance.roughness * instance.roughness, 2.0e-3)
    total = wp.vec3(0.0)
    # Nothing real reflects less than 0.02 at normal incidence: below, the grazing reflection goes too (Lagarde 2014).
    f0 = instance.specular
    rise = wp.vec3(wp.min(1.0, 50.0 * wp.max(f0))) - f0

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
            total[c] += point.colour[c] * colour[c] * wrapped(n_light, instance.wrap[c]) * share
        if through[light] < FAR and n_light < 0.0:
            # Red goes furthest (after Jimenez et al. 2010, "Real-time realistic skin translucency").
            entering = wp.min(-2.0 * n_light, 1.0)
            for c in range(3):
                fade = wp.exp(-through[light] / (instance.scatter * SHINES[c]))
                total[c] += wp.sqrt(point.colour[c]) * colour[c] * entering * fade
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
            total += wp.cw_mul(colour, f0 + rise * grazing) * lobe

    ambient = ambient_light(lighting, n)
    for c in range(3):
        # Light that bounces between surfaces of this colour fills corners (Jimenez et al. 2016).
        a = point.colour[c]
        bounced = ((open * (2.0404 * a - 0.3324) + (0.6417 - 4.7951 * a)) * open + (2.7552 * a + 0.6903)) * open
        total[c] += a * ambient[c] * wp.max(open, bounced)
    mirror = ambient_light(lighting, 2.0 * wp.dot(n, view) * n - view)
    total += wp.cw_mul(mirror, ambient_reflectance(f0, f0 + rise, instance.roughness, n_view)) * open
    return total


@wp.func
@no_type_check
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
@no_type_check
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
@no_type_check
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
                    if solid and not same_surface(buffers, view, i, j, 1.5):
                        edge = True
                else:
                    if solid:
                        edge = True
                    if other >= 0 and (j == i or solid):
                        caught_count += 1.0
                        caught += catcher_share(
                            lighting, buffers.normal[j], buffers.point[j], buffers.arriving[j], buffers.open[j]
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
            point = textured(instance, hit, normal, direction, footprint)
            rgb += reflected(
                instance, point, direction * hit.t, direction, buffers.arriving[from_pixel],
                buffers.through[from_pixel], buffers.open[from_pixel], lighting,
            )  # fmt: skip
            alpha += 1.0
    outputs.rgb[i] = rgb / float(n * n)
    outputs.alpha[i] = alpha / float(n * n)
