"""Rings and artificial nails: small meshes that follow the posed fingers and carry their part labels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST
from ownhand.hand.builtin import nail_mask, open_hand
from ownhand.render import Material, Mesh, Surface
from ownhand.synth.people.outfit import RGB, Outfit, Ring
from ownhand.synth.people.skin_map import NAIL_RIM, joint_frames
from ownhand.synth.people.tubes import RING_AROUND, finger_loop, tube_faces

Array = np.ndarray

PROFILE = np.array([[-1.0, -0.25], [-0.75, 1.0], [0.75, 1.0], [1.0, -0.25]])  # along, outwards
SNUG, OVAL = 0.0001, 0.08  # metres between skin and ring; how far its radii may differ from their mean, as a share
DISTAL = (3, 6, 9, 12, 15)
ACROSS = 5  # vertices across a nail


def rings(outfit: Outfit, verts: Float[Array, "verts 3"]) -> list[Mesh]:
    """All rings of a person as one mesh, and one for each stone.

    Args:
        outfit: What is worn.
        verts: Hand, posed [m].
    """
    if not outfit.rings:
        return []
    bands, stones = [], []
    for ring in outfit.rings:
        centre, frame, radii = _place(ring, verts)
        bands.append(_band(ring, centre, frame, radii))
        if ring.stone is not None:
            stones.append(_stone(ring, centre, frame, radii))
    dark = max(outfit.metal) < 0.3
    metal = Material(
        colour=tuple(0.12 * c for c in outfit.metal),
        specular=outfit.metal if not dark else (0.2, 0.2, 0.21),
        roughness=0.3,
    )
    surface = _band_surface(tuple(ring.joint for ring in outfit.rings))
    return [Mesh(verts=np.concatenate(bands), surface=surface, material=metal), *stones]


def long_nails(length: float, polish: RGB, verts: Float[Array, "verts 3"]) -> Mesh:
    """Artificial nails on all five fingers.

    Args:
        length: By which they reach past the fingertips [m].
        polish: Their colour.
        verts: Hand, posed [m].
    """
    plates, fits = _plates(round(length, 4))
    placed = [plate @ (fit[1] @ verts[fit[0]]) for plate, fit in zip(plates, fits, strict=True)]
    shiny = Material(colour=polish, specular=0.045, roughness=0.3)
    return Mesh(verts=np.concatenate(placed), surface=_plate_surface(), material=shiny)


def _place(ring: Ring, verts: Float[Array, "verts 3"]) -> tuple[Array, Array, Array]:
    """Centre, frame (columns back, side, along) and the two radii of an almost round ellipse around the finger."""
    corners, share = finger_loop(ring.joint, ring.share)
    loop = (verts[corners] * share[..., None]).sum(1)
    spokes = loop - loop.mean(0)
    along = np.cross(spokes, np.roll(spokes, -1, 0)).sum(0)
    along /= np.linalg.norm(along)
    back = spokes[0] - along * (spokes[0] @ along)
    back /= np.linalg.norm(back)
    frame = np.stack([back, np.cross(along, back), along], -1)
    flat = spokes @ frame[:, :2]
    low, high = flat.min(0), flat.max(0)
    radii = (high - low) / 2
    radii = np.clip(radii, (1 - OVAL) * radii.mean(), (1 + OVAL) * radii.mean()) + SNUG
    return loop.mean(0) + frame[:, :2] @ ((low + high) / 2), frame, radii


def _band(ring: Ring, centre: Array, frame: Array, radii: Array) -> Float[Array, "verts 3"]:
    angle = np.linspace(0, 2 * np.pi, RING_AROUND, endpoint=False)
    along, out = (PROFILE * [ring.half_width, ring.thickness]).T
    r = radii + out[:, None]
    local = np.stack(np.broadcast_arrays(r[:, :1] * np.cos(angle), r[:, 1:] * np.sin(angle), along[:, None]), -1)
    return local.reshape(-1, 3) @ frame.T + centre


def _stone(ring: Ring, centre: Array, frame: Array, radii: Array) -> Mesh:
    """A cut stone on the back of its ring."""
    size = np.clip(1.2 * ring.half_width, 0.0018, 0.004)
    around = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    rows = [(0.7, 0.0), (1.0, 0.5), (0.6, 0.85), (0.02, 0.87)]
    local = [[size * up, size * wide * np.cos(a), size * wide * np.sin(a)] for wide, up in rows for a in around]
    lift = np.array([radii[0] + 0.7 * ring.thickness, 0, 0])
    verts = (np.array(local) + lift) @ frame.T + centre
    glassy = Material(colour=ring.stone, specular=0.15, roughness=0.12)  # pyright: ignore[reportArgumentType]
    return Mesh(verts=verts, surface=_stone_surface(ring.joint), material=glassy, flat=True)


@lru_cache(maxsize=32)
def _band_surface(joints: tuple[int, ...]) -> Surface:
    template = open_hand().template.numpy()
    one = tube_faces(len(PROFILE), RING_AROUND)
    step = one.reshape(len(PROFILE) - 1, RING_AROUND, 2, 3)
    middle = 2 * np.pi * (np.arange(RING_AROUND) + 0.5) / RING_AROUND
    on_back = np.broadcast_to((np.cos(middle) > 0)[None, :, None], step.shape[:3]).ravel()
    rest, labels = [], []
    for joint in joints:
        ring = Ring(joint=joint, share=0.6, half_width=0.002, thickness=0.001, stone=None)
        rest.append(_band(ring, *_place(ring, template)))
        labels.append(np.where(on_back, 2 + joint, 18 + joint))
    count = len(PROFILE) * RING_AROUND
    faces = np.concatenate([one + count * k for k in range(len(joints))])
    return Surface(faces=faces, labels=np.concatenate(labels), rest=np.concatenate(rest))


@lru_cache(maxsize=8)
def _stone_surface(joint: int) -> Surface:
    faces = tube_faces(4, 8)
    rest = np.stack([np.cos(np.arange(32)), np.sin(np.arange(32)), np.arange(32) // 8], -1) * 0.002
    return Surface(faces=faces, labels=np.full(len(faces), 2 + joint), rest=rest)


@lru_cache(maxsize=64)
def _plates(length: float) -> tuple[list[Array], list[tuple[Array, Array]]]:
    """Nail plates of the mean hand in homogeneous coordinates, and what fits an affine map to a posed fingertip."""
    model = open_hand()
    template, weights, nail = model.template.numpy(), model.skin_weights.numpy(), nail_mask().numpy()
    origins, axes = joint_frames()
    plates, fits = [], []
    for joint in DISTAL:
        place = (template - origins[joint]) @ axes[joint]
        on = place[(nail > 0.5) & (weights[:, joint] > 0.5)]
        low, high = on[:, TWIST].min() - NAIL_RIM, on[:, TWIST].max()
        slope, rise = np.polyfit(on[:, TWIST], on[:, ABDUCTION], 1)
        middle = (on[:, FLEXION].min() + on[:, FLEXION].max()) / 2
        half = np.ptp(on[:, FLEXION]) / 2 + NAIL_RIM
        across = np.linspace(-1, 1, ACROSS)
        local = np.zeros((5, ACROSS, 3))
        for row, (share, narrow) in enumerate([(-1.0, 0.75), (-0.75, 1.0), (0.0, 1.0), (0.7, 0.9), (1.0, 0.7)]):
            s = share * (length if share > 0 else high - low)
            t = high + s + (0.3 * half * across**2 if share == -1 else 0) - 0.35 * half * across**2 * (share == 1)
            local[row, :, TWIST] = t
            local[row, :, ABDUCTION] = rise + slope * np.minimum(t, high) + 0.0008 - 0.3 * half * across**2
            local[row, :, ABDUCTION] -= 0.1 * np.clip(t - high, 0, None)
            local[row, :, FLEXION] = middle + half * narrow * across
        rest = local.reshape(-1, 3) @ axes[joint].T + origins[joint]
        plates.append(np.concatenate([rest, np.ones((len(rest), 1))], 1))
        around = np.flatnonzero(weights[:, joint] > 0.95)
        fits.append((around, np.linalg.pinv(np.concatenate([template[around], np.ones((len(around), 1))], 1))))
    return plates, fits


@lru_cache(maxsize=1)
def _plate_surface() -> Surface:
    one = tube_faces(5, ACROSS, closed=False)
    rest = np.concatenate([plate[:, :3] for plate in _plates(0.005)[0]])
    faces = np.concatenate([one + 5 * ACROSS * k for k in range(len(DISTAL))])
    return Surface(faces=faces, labels=np.repeat(2 + np.array(DISTAL), len(one)), rest=rest)
