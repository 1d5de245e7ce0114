"""One thing: how it looks, its signed distance, how hands hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image

from ownhand.render import Material, Mesh, Surface, Texture, linear_from_srgb
from ownhand.synth.things.prints import Print
from ownhand.synth.things.solids import Solid, shaded

Array = np.ndarray
Triple = tuple[float, float, float]

WIDTH = 256  # of a texture [px]


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A way to hold a thing.

    Attributes:
        grasp: Name of a grasp (`grasps.GRASPS`).
        along: Direction, in the thing's frame, that goes with the grasp's direction.
        face: Direction that looks at the palm or the fingers' pads.
        point: Middle of the grip [m].
        slide: By how much it may be held elsewhere, either way [m].
        turn: How far it may be turned about `face`, either way [degrees].
        spin: How far it may be turned about its own z first, either way [degrees].
        half_width: Of a flat thing on the palm, across `along` [m].
        share: How often, relative to the other ways.
    """

    grasp: str
    along: Triple
    face: Triple
    point: Triple = (0.0, 0.0, 0.0)
    slide: Triple = (0.0, 0.0, 0.0)
    turn: float = 0.0
    spin: float = 0.0
    half_width: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Thing:
    """One thing of the catalogue, in its own frame.

    Attributes:
        name: What it is.
        solids: Closed meshes whose union it is.
        verts: Vertices, doubled at creases [m].
        normals: Of the vertices.
        surface: Its topology; keeps the search tree.
        material: Its look.
        holds: How it is held.
    """

    name: str
    solids: tuple[Solid, ...]
    verts: Float[Array, "verts 3"]
    normals: Float[Array, "verts 3"]
    surface: Surface
    material: Material
    holds: tuple[Hold, ...]

    def distance(self, points: Float[Array, "n 3"]) -> Float[Array, "n"]:
        """Signed distance of points to the thing [m], negative inside; inside where solids overlap, a bound."""
        return np.min([solid.distance(points) for solid in self.solids], axis=0)

    def mesh(self, R: Float[Array, "3 3"], t: Float[Array, "3"]) -> Mesh:
        """The thing turned by R, then moved by t [m]."""
        return Mesh(
            verts=self.verts @ R.T + t, surface=self.surface, material=self.material, normals=self.normals @ R.T
        )


def made(
    place: int,
    name: str,
    parts: Sequence[tuple[Solid, Print]],
    holds: tuple[Hold, ...],
    *,
    specular: float = 0.04,
    roughness: float = 0.5,
    height: int = 256,
) -> Thing:
    """A thing from its parts.

    Args:
        place: In the catalogue: the seed of its print.
        name: What it is.
        parts: Solids and what is printed on them.
        holds: How it is held.
        specular: As for `Material`.
        roughness: Likewise.
        height: Of the texture of each solid [px].
    """
    rng = np.random.default_rng(place)
    image = Image.new("RGB", (WIDTH, height * len(parts)))
    verts, normals, faces, uvs, uv_faces = [], [], [], [], []
    points = corners = 0
    for row, (solid, picture) in enumerate(parts):
        image.paste(picture(rng, (WIDTH, height)), (0, row * height))
        doubled, triangles, outwards = shaded(solid.verts, solid.faces)
        verts.append(doubled)
        normals.append(outwards)
        faces.append(triangles + points)
        uvs.append(np.stack([solid.uv[:, 0], (np.clip(solid.uv[:, 1], 0.004, 0.996) + row) / len(parts)], -1))
        uv_faces.append(solid.uv_faces + corners)
        points, corners = points + len(doubled), corners + len(solid.uv)
    rest = np.concatenate(verts)
    colour = linear_from_srgb(np.asarray(image, np.float32) / 255)
    return Thing(
        name=name,
        solids=tuple(solid for solid, _ in parts),
        verts=rest,
        normals=np.concatenate(normals),
        surface=Surface(
            faces=np.concatenate(faces), uv=np.concatenate(uvs), uv_faces=np.concatenate(uv_faces), rest=rest
        ),
        material=Material(texture=Texture(colour=colour), specular=specular, roughness=roughness),
        holds=holds,
    )
