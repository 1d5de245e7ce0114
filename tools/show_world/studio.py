"""Hands and things before a plain wall, in light that is the same for all of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial.transform import Rotation
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.hand.anatomy import rotations_from_angles
from ownhand.hand.builtin import open_hand
from ownhand.render import Ambient, Light, Mesh, Scene, render
from ownhand.structs import given
from ownhand.synth import scene
from ownhand.synth.people import forearm
from ownhand.synth.people.population import Person
from ownhand.synth.people.skin import skin_texture
from ownhand.synth.people.skin_map import skin_surface
from ownhand.synth.people.worn import hand_material, worn
from ownhand.synth.poses.contact import repaired, unmoved
from ownhand.synth.poses.hand_shapes import HandShape
from ownhand.synth.poses.mixture import parts, shape_angles

Array = np.ndarray
Lit = tuple[tuple[Light, ...], Ambient]

WALL = (0.36, 0.365, 0.37)  # linear RGB
DISTANCE = 0.6  # of the camera [m]
SUBJECT = np.array([0, 0, DISTANCE])
SAMPLES = 4  # rays per pixel's side
LAMP = Light(position=(-0.7, -1.0, DISTANCE - 1.2), colour=(1.55,) * 3, radius=0.35)
AROUND = Ambient.gradient(sky=(0.42,) * 3, ground=(0.24,) * 3)

PALM = scene.FINGERS_UP
BACK = Rotation.from_euler("y", 180, degrees=True).as_matrix() @ PALM
"""R_cam_root of a hand seen from its palm and from its back, fingers up."""


def turned(R: Float[Array, "3 3"], *, across: float = 0, up: float = 0, along: float = 0) -> Float[Array, "3 3"]:
    """A hand turned about the picture's vertical, horizontal and optical axis [degrees]."""
    return Rotation.from_euler("yxz", [across, up, along], degrees=True).as_matrix() @ R


def posed(person: Person, shape: HandShape) -> Float[Tensor, "15 3 3"]:
    """Joint rotations of a named shape as a person makes it."""
    axes = given(open_hand().axes, "anatomical axes")
    angles = torch.from_numpy(np.deg2rad(shape_angles(shape)).reshape(1, 15, 3).astype(np.float32))
    one = torch.from_numpy(person.shape)[None]
    return repaired(rotations_from_angles(angles, axes), one, parts(shape.touching)[None])[0][0]


def skin_mesh(person: Person, R_parent_joint: Float[Tensor, "15 3 3"], *, dressed: bool = False) -> list[Mesh]:
    """Hand and straight forearm in the hand's frame, with what the person wears on the hand if `dressed`."""
    verts = forearm.bent(
        open_hand(forearm=True).shaped(torch.from_numpy(person.shape)[None]).posed(unmoved(R_parent_joint[None])).verts,
        torch.zeros(1, 3),
    )[0].numpy()
    rng = np.random.default_rng(person.number)
    material = hand_material(person, skin_texture(person, 512), rng)
    skin = Mesh(verts=verts, surface=skin_surface(), material=material)
    return [skin, *(worn(person, verts, rng) if dressed else [])]


def portrait(
    meshes: list[Mesh],
    R: Float[Array, "3 3"],
    size: tuple[int, int],
    *,
    middle: Float[Array, "3"],
    side: float,
    light: Lit | None = None,
    behind: Float[Array, "h w 3"] | None = None,
) -> UInt8[Array, "h w 3"]:
    """A picture of meshes of one frame.

    Args:
        meshes: What is seen.
        R: R_cam_root.
        size: Height and width [px].
        middle: What is in the middle of the picture, in the meshes' frame [m].
        side: What the picture's longer side covers at that distance [m].
        light: In the frame of the camera, whose subject is at SUBJECT.
        behind: Linear RGB.
    """
    t = SUBJECT - R @ middle
    moved = tuple(
        replace(m, verts=m.verts @ R.T + t, normals=None if m.normals is None else m.normals @ R.T) for m in meshes
    )
    camera = Camera.from_fov(float(np.rad2deg(2 * np.arctan(side / 2 / DISTANCE))), size)
    lights, around = light or ((LAMP,), AROUND)
    drawn = render(Scene(meshes=moved, lights=lights, ambient=around), camera, samples=SAMPLES)
    return scene.developed(drawn.over(np.broadcast_to(np.float32(WALL), (*size, 3)) if behind is None else behind))
