"""Ray-traced pictures of meshes, with dense labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import warp as wp
from jaxtyping import Float, Int

from ownhand.geometry.camera import Camera
from ownhand.render import kernel_types
from ownhand.render.checks import checked
from ownhand.render.device import empty, kept, search_tree, start, uploaded
from ownhand.render.kernel_normals import smooth_normals
from ownhand.render.kernel_shade import shade
from ownhand.render.kernel_trace import draw, smooth, trace
from ownhand.render.scene import MAX_LIGHTS, Mesh, Scene, Surface, Texture

Array = np.ndarray
NEAR = 0.01  # metres; a mesh that comes nearer may cover any pixel


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture and its labels. Colour and coverage are antialiased, the dense labels belong to pixel centres.

    Attributes:
        rgb: Linear RGB, multiplied with `alpha`.
        alpha: Share of the pixel that solid meshes cover.
        shadow: Share of the light that still reaches what lies behind, 1 where unshadowed; needs a shadow catcher.
        depth: z of the nearest solid surface [m], infinite where there is none.
        label: Part label of that surface, -1 where there is none.
        instance: Index in `Scene.meshes`, -1 where there is none.
        uv: Its texture coordinates, 0 where there are none.
    """

    rgb: Float[Array, "h w 3"]
    alpha: Float[Array, "h w"]
    shadow: Float[Array, "h w"]
    depth: Float[Array, "h w"]
    label: Int[Array, "h w"]
    instance: Int[Array, "h w"]
    uv: Float[Array, "h w 2"]

    def over(self, background: Float[Array, "h w 3"]) -> Float[Array, "h w 3"]:
        """The picture before a background, whose shadow falls on it; linear RGB."""
        return self.rgb + ((1 - self.alpha) * self.shadow)[..., None] * background


def render(
    scene: Scene,
    camera: Camera,
    *,
    samples: int = 2,
    shadow_rays: int = 1,
    ambient_rays: int = 1,
    seed: int = 0,
    adaptive: bool = True,
    device: str = "cpu",
) -> Picture:
    """Draw a scene. The same arguments give the same picture on the same machine.

    Args:
        scene: What to draw, in the camera frame.
        camera: Intrinsics without batch axes, and the size of the picture.
        samples: Pixels with an edge are antialiased by `samples` x `samples` rays.
        shadow_rays: Rays per pixel and light; neighbours share theirs, so 1 acts like 16.
        ambient_rays: Rays per pixel that find what keeps ambient light away, likewise; 0 turns this off.
        seed: Of the sampling of lights.
        adaptive: Whether only pixels with an edge get more than one ray, and only where a mesh may be.
        device: Warp's name of the device: "cpu", "cuda:0".

    Raises:
        ValueError: K is not an invertible 3 x 3 matrix, or an argument is out of range.
    """
    if samples < 1 or shadow_rays < 1 or ambient_rays < 0:
        raise ValueError(
            "expected at least 1 sample, 1 shadow ray and 0 ambient rays, got "
            f"{samples}, {shadow_rays} and {ambient_rays}"
        )
    height, width = camera.size
    K = checked("K", camera.K, (3, 3), np.float64)
    if min(height, width) < 1 or abs(np.linalg.det(K)) < 1e-9:
        raise ValueError(f"expected an invertible K and a picture of at least 1 x 1, got {K.tolist()}, {camera.size}")

    start()
    order = sorted(range(len(scene.meshes)), key=lambda k: scene.meshes[k].shadow_catcher)
    meshes = [scene.meshes[k] for k in order]
    solids = sum(not mesh.shadow_catcher for mesh in meshes)
    left, top, right, bottom = _covered(meshes, K, height, width) if adaptive else (0, 0, width, height)
    picture = _Canvas(height, width)
    count = (right - left) * (bottom - top)
    if count <= 0:
        return picture.finish(order)

    keep_alive, instances = _instances(meshes, device)
    view = kernel_types.View()
    view.K = wp.mat33(*K.ravel().tolist())
    view.K_inverse = wp.mat33(*np.linalg.inv(K).ravel().tolist())
    view.pixel = float(1 / np.sqrt(abs(np.linalg.det(K[:2, :2]))))
    view.left, view.top, view.width, view.height = left, top, right - left, bottom - top
    lighting = _lighting(scene, shadow_rays, ambient_rays, seed)
    buffers, outputs = (_arrays(kind, height * width, device) for kind in (kernel_types.Buffers, kernel_types.Outputs))

    buffers.seen.fill_(kernel_types.UNSEEN)
    faces = sum(len(mesh.surface.faces) for mesh in meshes[:solids])
    wp.launch(draw, faces, [instances, solids, view, buffers], device=device)
    wp.launch(trace, count, [instances, solids, len(meshes), view, lighting, buffers, outputs], device=device)
    wp.launch(smooth, count, [view, buffers], device=device)
    wp.launch(
        shade,
        count,
        [instances, solids, view, lighting, samples, int(not adaptive), buffers, outputs],
        device=device,
    )
    rectangle = (slice(top, bottom), slice(left, right))
    picture.fill(rectangle, buffers, outputs, solids)
    del keep_alive
    return picture.finish(order)


class _Canvas:
    """The full-size arrays of a picture, of which only a rectangle is traced."""

    def __init__(self, height: int, width: int) -> None:
        self.arrays: dict[str, Array] = {
            "rgb": np.zeros((height, width, 3), np.float32),
            "alpha": np.zeros((height, width), np.float32),
            "shadow": np.ones((height, width), np.float32),
            "depth": np.full((height, width), np.inf, np.float32),
            "label": np.full((height, width), -1, np.int32),
            "instance": np.full((height, width), -1, np.int32),
            "uv": np.zeros((height, width, 2), np.float32),
        }

    def fill(self, rectangle: tuple[slice, slice], buffers: Any, outputs: Any, solids: int) -> None:
        def put(name: str, values: Array) -> None:
            target = self.arrays[name][rectangle]
            target[...] = values[: target.shape[0] * target.shape[1]].reshape(target.shape)

        for name in ("rgb", "alpha", "shadow", "label", "uv"):
            put(name, getattr(outputs, name).numpy())
        instance = buffers.instance.numpy()
        solid = (instance >= 0) & (instance < solids)
        put("instance", np.where(solid, instance, -1))
        put("depth", np.where(solid, buffers.depth.numpy(), np.inf))

    def finish(self, order: list[int]) -> Picture:
        lookup = np.array([*order, -1], np.int32)
        self.arrays["instance"] = lookup[self.arrays["instance"]]
        return Picture(**self.arrays)


def _covered(meshes: list[Mesh], K: Array, height: int, width: int) -> tuple[int, int, int, int]:
    """The rectangle (left, top, right, bottom) outside which no mesh can appear, one pixel wider for edges."""
    corners = []
    for mesh in meshes:
        if mesh.verts[:, 2].min() < NEAR:
            return 0, 0, width, height
        pixels = K.astype(np.float32) @ mesh.verts.T
        pixels = pixels[:2] / pixels[2]
        corners.append((pixels.min(1), pixels.max(1)))
    limit = np.array([width, height])
    low = np.clip(np.floor(np.min([a for a, _ in corners], 0)) - 1, 0, limit).astype(int)
    high = np.clip(np.ceil(np.max([b for _, b in corners], 0)) + 1, 0, limit).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _instances(meshes: list[Mesh], device: str) -> tuple[list[Any], wp.array]:
    """The kernels' description of each mesh, and what must outlive the launch."""
    occurrences: Counter[Surface] = Counter()
    out, keep_alive, faces = [], [], 0
    for mesh in meshes:
        surface, material = mesh.surface, mesh.material
        tree = search_tree(surface, mesh.verts, device, occurrences[surface])
        occurrences[surface] += 1
        instance = kernel_types.Instance()
        instance.mesh = tree.id
        instance.first_face = faces
        faces += len(surface.faces)
        if not mesh.flat:
            given = mesh.normals
            instance.normals = (
                smooth_normals(surface, tree) if given is None else wp.array(given, dtype=wp.vec3, device=device)
            )
        instance.flat = int(mesh.flat)
        for name, dtype in (("labels", wp.int32), ("uv", wp.vec2), ("uv_faces", wp.int32)):
            values = getattr(surface, name)
            if values is not None:
                values = values if name == "uv" else values.ravel()
                setattr(instance, name, uploaded(surface, name, values, dtype, device))
        texture = material.texture
        if texture is not None:
            instance.texture_height, instance.texture_width = texture.colour.shape[:2]
            instance.texels, instance.texture_levels = kept(
                texture, (device,), lambda t=texture: _mip_levels(t, device)
            )
        instance.colour = wp.vec3(*map(float, material.colour))
        instance.specular = wp.vec3(*map(float, np.broadcast_to(material.specular, 3)))
        instance.roughness = float(material.roughness)
        instance.wrap = wp.vec3(*map(float, material.wrap))
        instance.scatter = float(material.scatter)
        out.append(instance)
        keep_alive.append((tree, instance))
    return keep_alive, wp.array(out, dtype=kernel_types.Instance, device=device)


def _mip_levels(texture: Texture, device: str) -> tuple[wp.array, int]:
    """All levels of a texture, each half the size of the one before, in one array."""
    height = texture.height if texture.height is not None else np.zeros(texture.colour.shape[:2], np.float32)
    level = np.concatenate([texture.colour, height[..., None]], -1)
    levels: list[Array] = [level]
    while min(level.shape[:2]) > 1:
        h, w = (n // 2 for n in level.shape[:2])
        rows = level[: 2 * h : 2] + level[1 : 2 * h : 2]
        level = (rows[:, : 2 * w : 2] + rows[:, 1 : 2 * w : 2]) / 4
        levels.append(level)
    texels = np.concatenate([x.reshape(-1, 4) for x in levels])
    return wp.array(texels, dtype=wp.vec4, device=device), len(levels)


def _lighting(scene: Scene, shadow_rays: int, ambient_rays: int, seed: int) -> Any:
    lights = scene.lights
    lighting = kernel_types.Lighting()
    lighting.count = len(lights)
    values = np.zeros((MAX_LIGHTS, 7), np.float32)
    for row, light in zip(values, lights, strict=False):
        row[:] = *light.position, *light.colour, light.radius
    lighting.positions, lighting.colours, lighting.radii = values[:, :3], values[:, 3:6], values[:, 6]
    lighting.shadow_rays = shadow_rays
    lighting.ambient = scene.ambient.coefficients
    lighting.ambient_rays = ambient_rays
    lighting.reach = float(scene.ambient.reach)
    lighting.seed = int(seed) & 0x7FFFFFFF
    return lighting


@lru_cache(maxsize=4)
def _arrays(struct: Any, count: int, device: str) -> Any:
    """A Warp struct of arrays with every field allocated; pictures of one size share it."""
    value = struct()
    for name, variable in struct.vars.items():
        setattr(value, name, empty(count, variable.type.dtype, device))
    return value
