"""Ray-traced pictures of meshes (Warp, CPU and GPU). Knows nothing of hands."""

from ownhand.render.colour import linear_from_srgb, srgb_from_linear
from ownhand.render.raytrace import Picture, render
from ownhand.render.scene import Ambient, Light, Material, Mesh, Scene, Surface, Texture

__all__ = [
    "Ambient", "Light", "Material", "Mesh", "Picture", "Scene", "Surface", "Texture",
    "linear_from_srgb", "render", "srgb_from_linear",
]  # fmt: skip
