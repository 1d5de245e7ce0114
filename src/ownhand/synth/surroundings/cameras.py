"""Cameras that see hands: what takes the picture, where the hand is before it, which crop is cut out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ownhand.geometry.camera import Camera
from ownhand.synth.surroundings.devices import FILLS, Device, Lens

Array = np.ndarray
Rng = np.random.Generator

CROP_SCALE = (1.6, 2.6)  # side of the crop relative to the box of the keypoints
CENTRE_JITTER = 0.08  # of the crop's side
FILL_SHARES = (0.42, 0.42, 0.09, 0.07)  # of FILLS, where the crop reaches beyond the sensor
CUT = 0.05  # share of pictures in which the sensor may miss up to LOST joints
LOST = 7
BEYOND = 0.35  # share of pictures whose crop may reach beyond the sensor's edge, to the share SEEN of it
SEEN = 0.5
TRIES = 8
NEAREST = 0.1  # metres before the camera, of any joint
PATH = 0.15  # metres; how far the hand of a clip goes from where it starts


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of camera.

    Attributes:
        share: Of the pictures.
        view: Field of view along the picture's longer side, from and to [degrees].
        widths: Pixels along the longer side, of which one is drawn.
        ratios: Shorter over longer side, likewise.
        upright: Share of the pictures taken with the longer side upright.
        distance: From and to [m].
        worn: Whether it is on the head: it sees its wearer's own hands, below the picture's middle.
        grey: Whether it sees no colours.
        fisheye: Share of the pictures that are kept distorted.
    """

    share: float
    view: tuple[float, float]
    widths: tuple[int, ...]
    ratios: tuple[float, ...] = (0.75, 0.5625)
    upright: float = 0.0
    distance: tuple[float, float] = (0.25, 1.2)
    worn: bool = False
    grey: bool = False
    fisheye: float = 0.0


KINDS = {
    "phone": Kind(share=0.33, view=(58, 80), widths=(1280, 1920, 4000), upright=0.6, distance=(0.22, 0.9)),
    "wide phone": Kind(share=0.07, view=(95, 115), widths=(1920, 4000), upright=0.6, distance=(0.2, 0.7)),
    "webcam": Kind(share=0.2, view=(52, 82), widths=(640, 1280, 1920), distance=(0.3, 1.2)),
    "depth camera": Kind(share=0.13, view=(54, 90), widths=(640, 1280, 1920), distance=(0.3, 1.2)),
    "tracking camera": Kind(
        share=0.1, view=(85, 110), widths=(640, 1280), distance=(0.25, 0.7), worn=True, grey=True, fisheye=0.15
    ),
    "pass-through": Kind(share=0.07, view=(75, 100), widths=(1280, 1920), distance=(0.25, 0.7), worn=True, fisheye=0.1),
    "action camera": Kind(share=0.1, view=(75, 110), widths=(1280, 1920), distance=(0.25, 1.2), fisheye=0.1),
}


class Shot(NamedTuple):
    """One calibrated camera: x_cam = R_cam_world x_world + t_cam_world [m]."""

    R_cam_world: Float[Array, "3 3"]
    t_cam_world: Float[Array, "3"]
    camera: Camera
    device: Device


@dataclass(frozen=True, kw_only=True)
class _Sensor:
    """A camera before a crop is cut out of its picture."""

    kind: str
    half_view: Float[Array, "2"]  # on the plane z = 1, or in focal lengths of the lens
    middle: Float[Array, "2"]  # of the sensor, likewise: the principal point is a little off
    pixels: float  # per focal length
    fill: str
    lens: Lens | None


def draw_camera(rng: Rng, joints: Float[Array, "21 3"], size: int) -> tuple[Float[Array, "3"], Camera, Device]:
    """Where the hand is, the camera of a crop around it from a larger picture, and what took that.

    Args:
        rng: Random numbers.
        joints: The 21 joints, turned as the camera sees them, wrist at the origin [m].
        size: Side of the crop [px].

    Returns:
        t_cam_root [m]; the crop's camera: principal point off-centre unless the hand was in the picture's middle; the
        device, whose `lens` says where the picture departs from that pinhole.
    """
    sensor = _draw_sensor(rng, _draw_kind(rng, joints))
    t, device, camera = _placed(rng, joints, sensor, size)
    return t, camera, device


def draw_rig(
    rng: Rng, joints: Float[Array, "21 3"], size: int, cameras: int = 8
) -> tuple[Float[Array, "3"], list[Shot]]:
    """Calibrated cameras of one kind around and above a table, the hand in every picture.

    Args:
        rng: Random numbers.
        joints: The 21 joints, turned as the first camera sees them, wrist at the origin [m].
        size: Side of the crops [px].
        cameras: How many, 1 to 8.

    Returns:
        t_world_root [m], and the cameras; the world's frame is that of the first.
    """
    kind = str(rng.choice(["depth camera", "webcam", "action camera"], p=[0.5, 0.3, 0.2]))
    sensor = replace(_draw_sensor(rng, kind), lens=None)
    t, device, camera = _placed(rng, joints, sensor, size, far=0.5)
    shots = [Shot(np.eye(3), np.zeros(3), camera, device)]
    hand = (joints + t).mean(0)
    elevation = np.deg2rad(rng.uniform(15, 75))
    up = Rotation.from_euler("z", rng.normal(0, 0.1)).apply([0, -np.cos(elevation), -np.sin(elevation)])
    across = np.cross(up, -hand)
    across /= np.linalg.norm(across)
    ahead = np.cross(across, up)  # from the hand towards the first camera, level with the table
    R, centre = np.eye(3), np.zeros(3)
    for number in range(1, cameras):
        for _ in range(TRIES):
            turn = 2 * np.pi * (number + rng.uniform(-0.3, 0.3)) / cameras
            rise = np.deg2rad(rng.uniform(10, 80))
            outward = np.cos(rise) * (np.cos(turn) * ahead + np.sin(turn) * across) + np.sin(rise) * up
            centre = hand + outward * rng.uniform(0.5, 1.2)
            R = _looking(hand + rng.normal(0, 0.06, 3) - centre, up, rng.normal(0, 0.08))
            seen = (joints + t - centre) @ R.T
            if _inside(seen, sensor).all():
                break
        camera, device = _cropped(rng, seen, sensor, size)
        shots.append(Shot(R, -R @ centre, camera, device))
    return t, shots


def clip_cameras(
    rng: Rng, joints: Float[Array, "frames 21 3"], size: int
) -> tuple[Float[Array, "frames 3"], list[Camera], list[Device]]:
    """A clip of one camera that stands still: where the hand goes, and crops that follow it as a tracker does.

    Args:
        rng: Random numbers.
        joints: The 21 joints of every frame, turned as the camera sees them, wrist at the origin [m].
        size: Side of the crops [px].

    Returns:
        t_cam_root of every frame [m], at most `PATH` from the first; the crops' cameras and devices. Centre and side
        of the crop lag behind the keypoints' box and shake a little, and never leave out a keypoint.
    """
    frames = len(joints)
    sensor = _draw_sensor(rng, _draw_kind(rng, joints[0]))
    first, _, _ = _placed(rng, joints[0], sensor, size)
    time = np.arange(frames)[:, None] / max(frames - 1, 1)
    waves = sum(rng.normal(0, 1 / k, 3) * (np.sin(k * np.pi * time + p) - np.sin(p)) for k, p in ((1, 0.4), (2, 2.0)))
    path = waves / max(np.linalg.norm(waves, axis=-1).max(), 1e-9) * rng.uniform(0.1, 1) * PATH
    path[:, 2] = np.maximum(path[:, 2], NEAREST - (joints + first)[..., 2].min())
    flats = [_flat(points, sensor) for points in joints + first + path[:, None]]
    boxes = np.array([[f.min(0), f.max(0)] for f in flats])
    centres, sides = boxes.mean(1), np.ptp(boxes, axis=1).max(-1)
    scale, lag = rng.uniform(*CROP_SCALE), rng.uniform(0.3, 0.8)
    centre, side, cameras, devices = centres[0], sides[0], [], []
    for low, high in boxes:
        centre = centre + lag * ((low + high) / 2 - centre)
        side = side + lag * ((high - low).max() - side)
        shaken = centre + rng.normal(0, 0.01, 2) * side
        needed = 2 * np.maximum(np.abs(high - shaken), np.abs(low - shaken)).max()
        camera, device = _square(shaken, max(scale * side, 1.05 * needed), sensor, size)
        cameras.append(camera)
        devices.append(device)
    return first + path, cameras, devices


def _draw_kind(rng: Rng, joints: Array) -> str:
    """Headsets see hands whose forearm comes from below or from behind the camera, and few others."""
    forearm = joints[0] - joints[[5, 9, 13, 17]].mean(0)
    forearm = forearm / np.linalg.norm(forearm)
    own = forearm[1] > 0.3 or forearm[2] < -0.5
    shares = np.array([k.share * ((1.7 if own else 0.25) if k.worn else 1.0) for k in KINDS.values()])
    return list(KINDS)[rng.choice(len(KINDS), p=shares / shares.sum())]


def _draw_sensor(rng: Rng, name: str) -> _Sensor:
    kind = KINDS[name]
    half = np.deg2rad(rng.uniform(*kind.view)) / 2
    lens = Lens(k1=rng.uniform(-0.09, 0.02), k2=rng.uniform(-0.01, 0.01)) if rng.random() < kind.fisheye else None
    reach = np.tan(half) if lens is None else 1.25 * half  # a fisheye picture shows what undistorting cuts off
    sides = reach * np.array([1.0, rng.choice(kind.ratios)])
    return _Sensor(
        kind=name,
        half_view=sides[::-1] if rng.random() < kind.upright else sides,
        middle=rng.normal(0, 0.015, 2) * reach,
        pixels=float(rng.choice(kind.widths) / (2 * reach)),
        fill=str(rng.choice(FILLS, p=FILL_SHARES)),
        lens=lens,
    )


def _placed(
    rng: Rng, joints: Array, sensor: _Sensor, size: int, far: float = 0.0
) -> tuple[Float[Array, "3"], Device, Camera]:
    """t_cam_root before the sensor, at least `far` away, and a crop; mostly with all of the hand in the frame."""
    kind = KINDS[sensor.kind]
    allowed, seen = (LOST if rng.random() < CUT else 0), (SEEN if rng.random() < BEYOND else 1.0)
    spread = 0.7 if allowed else 0.28
    for attempt in range(TRIES):
        distance = max(np.exp(rng.uniform(*np.log(kind.distance))), far) * (1 + 0.08 * attempt)
        aim = rng.normal([0, 0.25 * kind.worn], spread / (1 + 0.5 * attempt))
        aim = np.clip(aim, -0.95, 0.95) * sensor.half_view
        ray = np.array([*(aim if sensor.lens is None else sensor.lens.straight(aim[None] * 0.7)[0]), 1.0])
        t = distance * ray / (np.linalg.norm(ray) if kind.worn else 1.0) - joints.mean(0)
        points = joints + t
        if points[:, 2].min() > NEAREST and (~_inside(points, sensor)).sum() <= allowed:
            camera, device = _cropped(rng, points, sensor, size)
            if allowed or device.seen((size, size)) >= seen:
                return t, device, camera
    camera, device = _cropped(rng, points, sensor, size)
    return t, device, camera


def _flat(points: Array, sensor: _Sensor) -> Array:
    """Points [m] on the sensor [focal lengths]."""
    flat = points[:, :2] / points[:, 2:]
    return flat if sensor.lens is None else sensor.lens.bent(flat)


def _inside(points: Array, sensor: _Sensor) -> Array:
    return (np.abs(_flat(points, sensor) - sensor.middle) < sensor.half_view).all(-1) & (points[:, 2] > 0)


def _cropped(rng: Rng, points: Array, sensor: _Sensor, size: int) -> tuple[Camera, Device]:
    """The square around the keypoints' box, larger and off its centre."""
    flat = _flat(points, sensor)
    low, high = flat.min(0), flat.max(0)
    side = rng.uniform(*CROP_SCALE) * (high - low).max()
    return _square((low + high) / 2 + rng.uniform(-CENTRE_JITTER, CENTRE_JITTER, 2) * side, side, sensor, size)


def _square(centre: Array, side: float, sensor: _Sensor, size: int) -> tuple[Camera, Device]:
    focal = size / side
    lens = sensor.lens
    if lens is not None:
        lens = replace(lens, centre=lens.straight(centre[None])[0], scale=focal, size=size)
        K = lens.K
    else:
        K = np.array([[focal, 0, size / 2 - focal * centre[0]], [0, focal, size / 2 - focal * centre[1]], [0, 0, 1]])
    edges = np.concatenate([sensor.middle - sensor.half_view, sensor.middle + sensor.half_view])
    device = Device(
        kind=sensor.kind,
        frame=tuple(((edges - np.tile(centre, 2)) * focal + size / 2).tolist()),
        pixels=sensor.pixels / focal,
        fill=sensor.fill,
        grey=KINDS[sensor.kind].grey,
        lens=lens,
    )
    return Camera(K=torch.tensor(K, dtype=torch.float32), size=(size, size)), device


def _looking(direction: Array, up: Array, roll: float) -> Float[Array, "3 3"]:
    """R_cam_world of a camera that looks along `direction`, the picture's top towards `up` but for `roll` [rad]."""
    z = direction / np.linalg.norm(direction)
    x = np.cross(-up, z)
    x /= np.linalg.norm(x)
    return Rotation.from_euler("z", roll).as_matrix() @ np.stack([x, np.cross(z, x), z])
