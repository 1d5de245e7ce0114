"""What is drawn at random for one picture besides the hand: view, skin's material."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial.transform import Rotation

from ownhand.geometry.camera import Camera
from ownhand.render import Material, Texture
from ownhand.render.colour import srgb_from_linear
from ownhand.synth.people.tones import skin_colour

Array = np.ndarray
Rng = np.random.Generator

TOWARDS_CAMERA = 0.35  # largest cosine between the forearm and the direction to the camera

FINGERS_UP = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""R_cam_root of a right hand that shows its palm, fingers up, thumb to the right."""


def draw_view(rng: Rng, forearm: Float[Array, "3"]) -> Float[Array, "3 3"]:
    """Orientation of the hand: half of them anywhere on the sphere, half as people show and see their hands.

    Args:
        rng: Random numbers.
        forearm: Direction from wrist to elbow in the hand's frame.

    Returns:
        R_cam_root; the forearm never points at the camera.
    """
    while True:
        if rng.random() < 0.5:
            R = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
        else:
            about_x = rng.choice([0, np.pi, np.pi / 2, -np.pi / 2], p=[0.35, 0.35, 0.15, 0.15])
            tilt, roll = rng.normal(0, np.deg2rad(28), 2), rng.normal(0, np.deg2rad(55))
            base = FINGERS_UP @ _about(about_x, 0.0, 0.0)
            R = _about(0.0, 0.0, roll) @ _about(tilt[0], tilt[1], 0.0) @ base
        if -(R @ forearm)[2] < TOWARDS_CAMERA:
            return R


def shows_stump(camera: Camera, joints: Float[Array, "21 3"], elbow: Float[Array, "3"]) -> bool:
    """Whether the forearm's end would be seen beside the hand.

    Args:
        camera: Of the crop.
        joints: The 21 joints, camera frame [m].
        elbow: End of the forearm, likewise.
    """
    pixels = camera.project(torch.from_numpy(np.vstack([joints, elbow]).astype(np.float32))).numpy()
    size = camera.size[0]
    hand, end = pixels[:21], pixels[21]
    beside = np.linalg.norm(end - hand.mean(0)) > 0.3 * np.ptp(hand, axis=0).max()
    return bool(elbow[2] > 0 and beside and ((end > -0.1 * size) & (end < 1.1 * size)).all())


def skin_material(texture: Texture, rng: Rng) -> Material:
    """Skin from dry to damp."""
    return Material(
        texture=texture,
        specular=rng.uniform(0.018, 0.032),
        roughness=rng.uniform(0.5, 0.85),
        wrap=(0.35, 0.18, 0.12),
        scatter=0.002,
    )


def plain_skin(tone: float) -> Material:
    """Skin of one colour, without any detail.

    Args:
        tone: Place on the Monk scale, 0 to 10.
    """
    return Material(colour=skin_colour(tone, np.zeros(2)), specular=0.025, roughness=0.7)


def developed(linear: Float[Array, "h w 3"]) -> UInt8[Array, "h w 3"]:
    """A linear picture as a camera without flaws would store it (sRGB)."""
    return (srgb_from_linear(np.clip(linear, 0, 1)) * 255).round().astype(np.uint8)


def _about(x: float, y: float, z: float) -> Array:
    return Rotation.from_rotvec([x, y, z]).as_matrix()
