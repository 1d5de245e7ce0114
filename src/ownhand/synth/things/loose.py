"""Things that are not the hand and that nobody holds: in front of it, beside it, and the desk that takes its shadow."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ownhand.render import Material, Mesh, Surface, Texture, linear_from_srgb
from ownhand.synth.surroundings.materials import material
from ownhand.synth.things.objects import catalogue

Array = np.ndarray
Rng = np.random.Generator

FROM_CATALOGUE = 0.5  # share of the things in front
CLEAR = 0.015  # metres between joints and a thing in front
CLOSEST = 0.03  # of a thing to the plane of the camera [m]


def near_palm(rng: Rng, joints: Float[Array, "21 3"], palm: Float[Array, "3"]) -> Mesh:
    """A shape between palm and fingers that nobody holds exactly.

    Args:
        rng: Random numbers.
        joints: The 21 joints [m].
        palm: Direction in which the palm looks.
    """
    radius = np.exp(rng.uniform(np.log(0.008), np.log(0.04)))
    across = joints[5] - joints[17]
    across = across / np.linalg.norm(across) + rng.normal(0, 0.25, 3)
    middle = (joints[[5, 9, 13, 17]].mean(0) + joints[[6, 10, 14, 18]].mean(0)) / 2
    centre = middle + palm * (radius + 0.012) + rng.normal(0, 0.006, 3)
    sizes = np.array([radius, radius * rng.uniform(0.6, 1.4), rng.uniform(0.03, 0.12)])
    return _shape(rng, centre, sizes, frame(across))


def thing_in_front(rng: Rng, joints: Float[Array, "21 3"]) -> Mesh:
    """Between the camera, the origin, and some part of the hand: half of the time of the catalogue, else any shape."""
    target = joints[rng.integers(21)]
    centre = target * rng.uniform(0.72, 0.93) + rng.normal(0, 0.02, 3)
    R = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
    if rng.random() < FROM_CATALOGUE:
        thing = catalogue()[rng.integers(len(catalogue()))]
        while thing.distance((joints - centre) @ R).min() < CLEAR and centre[2] > CLOSEST:
            centre = 0.93 * centre
        nearest = (thing.verts @ R.T)[:, 2].min()
        return thing.mesh(R, centre * max(1, (CLOSEST - nearest) / centre[2]))
    sizes = np.exp(rng.uniform(np.log(0.008), np.log(0.05), 3))
    sizes[2] *= rng.choice([1, 3])
    return _shape(rng, centre, sizes, R)


def card_beside(rng: Rng, joints: Float[Array, "21 3"], dorsal: Float[Array, "3"]) -> Mesh:
    """A bank card in the plane of the palm, beside or behind the hand, as people lay one down for its size.

    Args:
        rng: Random numbers.
        joints: The 21 joints [m].
        dorsal: Direction from the palm to the back of the hand.
    """
    card = next(thing for thing in catalogue() if thing.name == "bank card")
    side = rng.choice([-1.0, 1.0])
    normal = dorsal * side
    distal = joints[9] - joints[0]
    distal = distal - normal * (distal @ normal)
    angle = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3)
    upright = frame(normal)
    x, y = upright[:, :2].T @ distal
    turn = Rotation.from_rotvec([0, 0, np.arctan2(y, x) + angle]).as_matrix()
    across = np.cross(normal, distal / np.linalg.norm(distal))
    span = (joints - joints[9]) @ across
    away = rng.choice([span.max() + rng.uniform(0.05, 0.08), span.min() - rng.uniform(0.05, 0.08)])
    below = ((joints - joints[9]) @ dorsal * -side).max() + 0.012
    centre = joints[9] + across * away + distal * rng.uniform(-0.5, 0.4) - normal * below
    return card.mesh(upright @ turn, centre)


def desk(rng: Rng, verts: Float[Array, "verts 3"]) -> Mesh:
    """A plane behind the hand that catches its shadow; it touches the hand or lies a little behind."""
    normal = np.array([*rng.normal(0, 0.35, 2), -1.0])
    normal /= np.linalg.norm(normal)
    nearest = (verts @ normal).min()
    R = frame(normal)
    point = normal * (nearest - rng.choice([0.001, 0.02, 0.08]) * rng.uniform(0.5, 1.5))
    point = point + (np.eye(3) - np.outer(normal, normal)) @ verts.mean(0)
    corners = np.array([[-2, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]]) @ R.T + point
    return Mesh(verts=corners, surface=_plane(), shadow_catcher=True, flat=True)


def on_desk(rng: Rng, plane: Mesh, joints: Float[Array, "21 3"]) -> Mesh:
    """A thing of the catalogue that stands or lies on the plane of `desk`, beside the hand."""
    corners = plane.verts.astype(float)
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal /= np.linalg.norm(normal)
    thing = catalogue()[rng.integers(len(catalogue()))]
    low, high = thing.verts.min(0), thing.verts.max(0)
    stands = rng.random() < 0.5 or (high - low)[2] < 0.5 * (high - low)[:2].max()
    rest = np.eye(3) if stands else Rotation.from_rotvec([0, np.pi / 2, 0]).as_matrix()
    spin = Rotation.from_rotvec([0, 0, rng.uniform(0, 2 * np.pi)]).as_matrix()
    placed = thing.verts @ (spin @ rest).T
    middle = joints[9] - normal * ((joints[9] - corners[0]) @ normal)
    flat = joints - normal * ((joints - corners[0]) @ normal)[:, None]
    reach = np.linalg.norm(flat - middle, axis=1).max() + np.linalg.norm(placed[:, :2], axis=1).max()
    angle = rng.uniform(0, 2 * np.pi)
    R = frame(normal)
    t = middle + reach * rng.uniform(1, 1.3) * (R[:, 0] * np.cos(angle) + R[:, 1] * np.sin(angle))
    return thing.mesh(R @ spin @ rest, t - normal * placed[:, 2].min())


@lru_cache(maxsize=1)
def _plane() -> Surface:
    return Surface(faces=np.array([[0, 1, 2], [0, 2, 3]]))


def _shape(rng: Rng, centre: Array, sizes: Array, R: Array) -> Mesh:
    verts, surface, flat = shapes()[rng.integers(3)]
    wrapping = np.asarray(material(rng, (64, 64)).convert("RGB"), np.float32) / 255 if rng.random() < 0.6 else None
    texture = None if wrapping is None else Texture(colour=linear_from_srgb(wrapping))
    shade = rng.uniform(0.05, 0.9) * np.clip(1 + rng.normal(0, 0.3, 3), 0.2, 1.6)
    return Mesh(
        verts=(verts * sizes) @ R.T + centre,
        surface=surface,
        material=Material(
            colour=(1.0, 1.0, 1.0) if texture else tuple(np.clip(shade, 0.01, 0.95).tolist()),
            texture=texture,
            specular=rng.uniform(0.02, 0.08),
            roughness=rng.uniform(0.15, 0.9),
        ),
        flat=flat,
    )


@lru_cache(maxsize=1)
def shapes() -> tuple[tuple[Array, Surface, bool], ...]:
    """Box, cylinder and ball between -1 and 1: vertices, surface, whether to shade them flat."""
    box = np.array(list(np.ndindex(2, 2, 2))) * 2.0 - 1
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    triangles = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    uv_faces = (np.arange(6)[:, None] * 4 + [0, 1, 2, 0, 2, 3]).reshape(-1, 3)
    cube = Surface(faces=triangles, uv=np.tile(corner, (6, 1)), uv_faces=uv_faces, rest=box)
    profiles = {
        "can": np.array([[0, -1], [0.97, -1], [1, -0.97], [1, 0.97], [0.97, 1], [0, 1]]),
        "ball": np.stack([np.sin(np.linspace(0, np.pi, 11)), -np.cos(np.linspace(0, np.pi, 11))], -1),
    }
    return ((box, cube, True), *((*_lathe(profile), False) for profile in profiles.values()))


def _lathe(profile: Array, around: int = 20) -> tuple[Array, Surface]:
    """A solid of revolution about z with an open seam in its texture coordinates."""
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rings = len(profile)
    verts = np.stack(
        [profile[:, :1] * np.cos(angle), profile[:, :1] * np.sin(angle), np.repeat(profile[:, 1:], around, 1)], -1
    ).reshape(-1, 3)
    ring, step = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")

    def faces(columns: int) -> Array:
        a, b = ring * columns + step, ring * columns + (step + 1) % columns
        c, d = a + columns, b + columns
        return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], -2).reshape(-1, 3)

    u, v = np.meshgrid(np.arange(around + 1) / around, np.arange(rings) / (rings - 1))
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return verts, Surface(faces=faces(around), uv=uv, uv_faces=faces(around + 1), rest=verts)


def frame(axis: Array) -> Array:
    """A rotation whose third column points along `axis`."""
    z = axis / np.linalg.norm(axis)
    x = np.cross(z, [1, 0, 0] if abs(z[0]) < 0.7 else [0, 1, 0])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], -1)
