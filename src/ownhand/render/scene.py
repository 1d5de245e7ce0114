"""What a picture shows: meshes with their materials, lights and ambient light. Plain values, all in the camera frame.

Everything is in metres and linear RGB. Colours of light are the linear RGB that a white diffuse surface reflects.
Texture coordinates run like pixels: (0, 0) is the top left corner of the texture, u to the right, v down; outside
[0, 1] the texture repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from ownhand.render.checks import checked

Array = np.ndarray
Triple = Sequence[Any] | Array  # three numbers
RGB = Triple
MAX_LIGHTS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Texture:
    """Colour and relief over texture coordinates. Uploaded once per object and device: keep it while it is drawn.

    Attributes:
        colour: Linear RGB `[h w 3]`.
        height: Relief along the surface normal `[h w]` [m], or None. It bends the shading, not the silhouette.
    """

    colour: Array
    height: Array | None = None

    def __post_init__(self) -> None:
        colour = checked("a texture's colour", self.colour, (None, None, 3))
        object.__setattr__(self, "colour", colour)
        if self.height is not None:
            object.__setattr__(self, "height", checked("a texture's height", self.height, colour.shape[:2]))


@dataclass(frozen=True, kw_only=True)
class Material:
    """How a surface reflects light.

    Attributes:
        colour: Diffuse linear RGB, multiplied with the texture.
        texture: Varies the colour over the surface and adds relief.
        specular: Mirror reflectance at normal incidence, one number or linear RGB (skin 0.028, gold (1, 0.77, 0.34)).
        roughness: GGX roughness in (0, 1]; alpha is its square (Burley 2012).
        wrap: How far diffuse light reaches past the terminator, per channel: 0 is Lambert, 1 lights the whole ball.
        scatter: Distance that light travels below the surface [m] (skin about 0.002); softens the self-shadow.
    """

    colour: RGB = (1.0, 1.0, 1.0)
    texture: Texture | None = None
    specular: float | RGB = 0.04
    roughness: float = 0.5
    wrap: RGB = (0.0, 0.0, 0.0)
    scatter: float = 0.0

    def __post_init__(self) -> None:
        checked("a material's colour", self.colour, (3,))
        checked("a material's wrap", self.wrap, (3,))
        checked("a material's specular reflectance", np.broadcast_to(self.specular, 3), (3,))
        if not 0 < self.roughness <= 1:
            raise ValueError(f"expected a roughness above 0 and at most 1, got {self.roughness}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Surface:
    """What of a mesh stays the same from picture to picture. Keep one per topology: uploads are cached per object.

    Attributes:
        faces: Vertex indices of each triangle `[f 3]`.
        uv: Texture coordinates `[n 2]`, or None.
        uv_faces: Indices into `uv` of each triangle's corners `[f 3]`; `faces` when None.
        labels: Part label of each face `[f]`, at least 0; all 0 when None.
        rest: Vertices `[v 3]` from which the search tree is built once, to be refitted to every pose; when None the
            tree is rebuilt for every picture.
    """

    faces: Array
    uv: Array | None = None
    uv_faces: Array | None = None
    labels: Array | None = None
    rest: Array | None = None

    def __post_init__(self) -> None:
        faces = checked("a mesh's faces", self.faces, (None, 3), np.int32)
        count = len(faces)
        if not count:
            raise ValueError("expected a mesh with at least one face, got none")
        values: dict[str, Any] = {"faces": faces}
        if self.uv is not None:
            uv = checked("texture coordinates", self.uv, (None, 2))
            corners = faces if self.uv_faces is None else self.uv_faces
            values["uv"] = uv
            values["uv_faces"] = checked("the uv_faces", corners, (count, 3), np.int32, below=len(uv))
        if self.labels is not None:
            values["labels"] = checked("the part labels", self.labels, (count,), np.int32)
        if self.rest is not None:
            rest = checked("the rest vertices", self.rest, (None, 3))
            checked("a mesh's faces", faces, (None, 3), np.int32, below=len(rest))
            values["rest"] = rest
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def vertex_count(self) -> int:
        """The least number of vertices that the faces need."""
        return int(self.faces.max()) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """A surface where it is in this picture.

    Attributes:
        verts: Vertex positions in the camera frame `[v 3]` [m].
        surface: Topology, texture coordinates and labels.
        material: How it reflects light.
        normals: Smooth outward unit normals `[v 3]`; area-weighted ones when None. Set `flat` for faceted objects.
        flat: Shade with the normals of the faces.
        shadow_catcher: Stands for the background: shows nothing, casts nothing, appears in no dense output, and only
            darkens `Picture.shadow`.
    """

    verts: Array
    surface: Surface
    material: Material = field(default_factory=Material)
    normals: Array | None = None
    flat: bool = False
    shadow_catcher: bool = False

    def __post_init__(self) -> None:
        verts = checked("a mesh's vertices", self.verts, (None, 3))
        object.__setattr__(self, "verts", verts)
        if self.surface.vertex_count > len(verts):
            raise ValueError(
                f"expected faces that index {len(verts)} vertices, but one asks for vertex "
                f"{self.surface.vertex_count - 1}"
            )
        if self.surface.rest is not None and self.surface.rest.shape != verts.shape:
            raise ValueError(
                f"expected as many vertices as the surface has at rest, {len(self.surface.rest)}, got {len(verts)}"
            )
        if self.normals is not None:
            object.__setattr__(self, "normals", checked("a mesh's normals", self.normals, verts.shape))
        if self.material.texture is not None and self.surface.uv is None:
            raise ValueError("expected texture coordinates for a textured material, but the surface has no uv")


@dataclass(frozen=True, kw_only=True)
class Light:
    """A ball of light that casts soft shadows.

    Attributes:
        position: Its centre in the camera frame [m].
        colour: Linear RGB that a white diffuse surface one metre away and facing it reflects; falls off as 1/d^2.
        radius: Of the ball [m]; the penumbra grows with it.
    """

    position: Triple
    colour: RGB = (1.0, 1.0, 1.0)
    radius: float = 0.05

    def __post_init__(self) -> None:
        checked("a light's position", self.position, (3,))
        checked("a light's colour", self.colour, (3,))
        if not 0 <= self.radius < np.inf:
            raise ValueError(f"expected a light's radius of at least 0 m, got {self.radius}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Ambient:
    """Light from everywhere: second-order spherical harmonics of what a white diffuse surface reflects, by its normal.

    Attributes:
        coefficients: `[9 3]`, linear RGB, for the basis of `harmonics`.
        reach: Distance within which other surfaces keep this light away [m].
    """

    coefficients: Array
    reach: float = 0.06

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", checked("ambient coefficients", self.coefficients, (9, 3)))

    @classmethod
    def gradient(cls, *, sky: RGB, ground: RGB, up: Triple = (0, -1, 0), reach: float = 0.06) -> Ambient:
        """Light that changes evenly from `sky` on surfaces facing `up` to `ground` on those facing down."""
        direction = np.asarray(up, np.float32) / np.linalg.norm(up)
        top, bottom = np.asarray(sky, np.float32), np.asarray(ground, np.float32)
        coefficients = np.zeros((9, 3), np.float32)
        coefficients[0] = (top + bottom) / 2
        coefficients[1:4] = direction[:, None] * (top - bottom) / 2
        return cls(coefficients=coefficients, reach=reach)

    @classmethod
    def panorama(cls, image: Array, *, reach: float = 0.06) -> Ambient:
        """From the surroundings, an equirectangular picture of the camera frame.

        Args:
            image: Linear RGB `[h w 3]`; the middle looks forward (+z), columns turn to the right, rows go down.
            reach: As for the class.

        Ramamoorthi & Hanrahan 2001, "An efficient representation for irradiance environment maps".
        """
        image = checked("a panorama", image, (None, None, 3))
        height, width = image.shape[:2]
        return cls(coefficients=_panorama_weights(height, width) @ image.reshape(-1, 3), reach=reach)

    def turned(self, R: Array) -> Ambient:
        """The same light in another frame.

        Args:
            R: Turns directions of this frame into the other's `[3 3]`, as R_cam_world.
        """
        R, c = np.asarray(R, np.float64), self.coefficients.astype(np.float64)
        xy, yz, xz, zz, xx = c[4:]
        tensor = np.array([[2 * (xx - zz), xy, xz], [xy, -2 * (xx + zz), yz], [xz, yz, 4 * zz]]) / 2
        tensor = np.einsum("ik,klc,jl->ijc", R, tensor, R)
        second = [2 * tensor[0, 1], 2 * tensor[1, 2], 2 * tensor[0, 2]]
        second += [tensor[2, 2] / 2, (tensor[0, 0] - tensor[1, 1]) / 2]
        return Ambient(coefficients=np.concatenate([c[:1], R @ c[1:4], np.stack(second)]), reach=self.reach)


def panorama_directions(height: int, width: int) -> Array:
    """Unit directions of an equirectangular picture's pixels `[h w 3]`; its middle looks along +z."""
    elevation = (np.arange(height) + 0.5) / height * np.pi - np.pi / 2
    azimuth = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    level = np.cos(elevation)[:, None]
    return np.stack(
        np.broadcast_arrays(level * np.sin(azimuth), np.sin(elevation)[:, None], level * np.cos(azimuth)), -1
    )


@lru_cache(maxsize=4)
def _panorama_weights(height: int, width: int) -> Array:
    """What each pixel adds to the coefficients of `Ambient`, `[9 h*w]`."""
    directions = panorama_directions(height, width)
    level = np.hypot(directions[..., 0], directions[..., 2])
    solid_angle = level * (np.pi / height) * (2 * np.pi / width)
    norms = 4 * np.pi * np.array([1, 1 / 3, 1 / 3, 1 / 3, 1 / 15, 1 / 15, 1 / 15, 4 / 5, 4 / 15])
    cosine_lobe = np.array([1, 2 / 3, 2 / 3, 2 / 3, 1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 4])  # divided by pi
    weights = (harmonics(directions) * solid_angle[..., None]).reshape(-1, 9) * (cosine_lobe / norms)
    return weights.T.astype(np.float32)


def harmonics(directions: Array) -> Array:
    """Unnormalised real spherical harmonics up to second order, `[... 9]`: 1, x, y, z, xy, yz, xz, 3z^2-1, x^2-y^2."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, x * z, 3 * z * z - 1, x * x - y * y], -1)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Meshes and the light on them."""

    meshes: tuple[Mesh, ...]
    lights: tuple[Light, ...] = ()
    ambient: Ambient = field(default_factory=lambda: Ambient.gradient(sky=(0.5,) * 3, ground=(0.3,) * 3))

    def __post_init__(self) -> None:
        if not self.meshes:
            raise ValueError("expected at least one mesh to draw, got none")
        if len(self.lights) > MAX_LIGHTS:
            raise ValueError(f"expected at most {MAX_LIGHTS} lights, got {len(self.lights)}")
        for mesh in self.meshes:
            if mesh.verts[:, 2].max() <= 0:
                raise ValueError("expected a mesh in front of the camera, but all its vertices lie behind it (z <= 0)")
