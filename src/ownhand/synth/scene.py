"""What is drawn at random for one picture besides the hand: view, camera, light."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ownhand.geometry.camera import Camera
from ownhand.render import Ambient, Light, Material, Texture

Array = np.ndarray
Rng = np.random.Generator

TOWARDS_CAMERA = 0.35  # largest cosine between the forearm and the direction to the camera
DISTANCE = (0.25, 1.2)  # metres
CROP_SCALE = (1.6, 2.6)  # side of the crop relative to the box of the keypoints
CENTRE_JITTER = 0.08  # of the crop's side

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


def draw_camera(rng: Rng, joints: Float[Array, "21 3"], size: int) -> tuple[Float[Array, "3"], Camera]:
    """Where the hand is, and the camera of a crop around it from a larger picture.

    Args:
        rng: Random numbers.
        joints: The 21 joints, turned as the camera sees them, wrist at the origin [m].
        size: Side of the crop [px].

    Returns:
        t_cam_root [m], and the crop's camera: principal point off-centre unless the hand was in the picture's middle.
    """
    distance = np.exp(rng.uniform(*np.log(DISTANCE)))
    half_view = np.tan(np.deg2rad(rng.uniform(35, 85)) / 2)
    aim = np.clip(rng.normal(0, 0.35, 2), -0.8, 0.8) * half_view
    t = distance * np.array([*aim, 1.0]) - joints.mean(0)
    flat = (joints + t)[:, :2] / (joints + t)[:, 2:]
    low, high = flat.min(0), flat.max(0)
    side = rng.uniform(*CROP_SCALE) * (high - low).max()
    centre = (low + high) / 2 + rng.uniform(-CENTRE_JITTER, CENTRE_JITTER, 2) * side
    focal = size / side
    offset = size / 2 - focal * centre
    K = torch.tensor([[focal, 0, offset[0]], [0, focal, offset[1]], [0, 0, 1]], dtype=torch.float32)
    return t, Camera(K=K, size=(size, size))


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


def draw_lights(
    rng: Rng, centre: Float[Array, "3"], surroundings: Float[Array, "h w 3"]
) -> tuple[tuple[Light, ...], Ambient]:
    """One to three lamps or windows, and light from the surroundings in their colours.

    Args:
        rng: Random numbers.
        centre: Of the hand [m].
        surroundings: The picture behind it, linear RGB.
    """
    exposure = np.exp(rng.normal(0, 0.22)) * 0.85
    direct = rng.beta(1.6, 1.6)
    lights = []
    powers = rng.dirichlet([2.5, 1.0, 0.5][: rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2])])
    for power in powers:
        direction = rng.standard_normal(3) + np.array([0, -0.9, -1.0])
        distance = np.exp(rng.uniform(np.log(0.5), np.log(3)))
        colour = exposure * direct * power * distance**2 * _temperature(rng)
        lights.append(
            Light(
                position=tuple((centre + direction / np.linalg.norm(direction) * distance).tolist()),
                colour=tuple(colour.tolist()),
                radius=float(distance * np.exp(rng.uniform(np.log(0.03), np.log(0.35)))),
            )
        )
    half = len(surroundings) // 2
    sky, ground = (part.mean(0).mean(0) + 0.05 for part in (surroundings[:half], surroundings[half:]))
    mean = (sky.mean() + ground.mean()) / 2
    tint = _temperature(rng)
    level = exposure * (1 - direct) + 0.12
    mix = rng.uniform(0.1, 0.6)
    up = rng.normal(0, 0.5, 3) + np.array([0, -1, 0])
    top, bottom = (level * tint * ((1 - mix) + mix * c / mean) for c in (sky, ground))
    bottom = bottom * rng.uniform(0.35, 0.9)
    return tuple(lights), Ambient.gradient(
        sky=tuple(top.tolist()), ground=tuple(bottom.tolist()), up=tuple(up.tolist()), reach=rng.uniform(0.04, 0.12)
    )


def skin_material(texture: Texture, rng: Rng) -> Material:
    """Skin from dry to damp."""
    return Material(
        texture=texture,
        specular=rng.uniform(0.018, 0.032),
        roughness=rng.uniform(0.5, 0.85),
        wrap=(0.35, 0.18, 0.12),
        scatter=0.002,
    )


def _temperature(rng: Rng) -> Array:
    """Colour of a lamp: between warm and cold, mean 1."""
    warmth = rng.normal(0, 0.5)
    colour = np.exp(warmth * np.array([0.22, 0.0, -0.32]) + rng.normal(0, 0.03, 3))
    return colour / colour.mean()


def _about(x: float, y: float, z: float) -> Array:
    return Rotation.from_rotvec([x, y, z]).as_matrix()
