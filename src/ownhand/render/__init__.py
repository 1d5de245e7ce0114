"""Ray-traced pictures of meshes (Warp, CPU and GPU), distances between them, and drawing over pictures."""

from ownhand.render.colour import linear_from_srgb, srgb_from_linear
from ownhand.render.overlay import contact_sheet, draw_keypoints, draw_mesh
from ownhand.render.queries import self_penetration_depth, signed_distance
from ownhand.render.raytrace import Picture, render
from ownhand.render.scene import Ambient, Light, Material, Mesh, Scene, Surface, Texture

__all__ = [
    "Ambient", "Light", "Material", "Mesh", "Picture", "Scene", "Surface", "Texture",
    "contact_sheet", "draw_keypoints", "draw_mesh",
    "linear_from_srgb", "render", "self_penetration_depth", "signed_distance", "srgb_from_linear",
]  # fmt: skip
