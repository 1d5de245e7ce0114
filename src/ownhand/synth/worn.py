"""What is worn on the forearm: sleeves and watches. Both are made from the forearm's own faces, lifted off the skin."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from ownhand.hand.builtin import open_hand
from ownhand.render import Material, Mesh, Surface
from ownhand.synth.forearm import hand_verts
from ownhand.synth.things import frame, shapes

Array = np.ndarray
Rng = np.random.Generator


def sleeve(verts: Float[Array, "verts 3"], normals: Float[Array, "verts 3"], rng: Rng) -> Mesh:
    """A sleeve that ends somewhere on the forearm.

    Args:
        verts: Hand and forearm, camera frame [m].
        normals: Their outward unit normals.
        rng: Chooses its end, width, folds and colour.
    """
    faces, ring = _rings()
    kept = faces[(ring[faces] >= rng.integers(6)).all(1)]
    place = open_hand(forearm=True).template.numpy()
    phase = rng.uniform(0, 2 * np.pi, 3)
    folds = np.sin(place[:, 0] * rng.uniform(90, 250) + 40 * place[:, 1] + phase[0])
    folds = folds + np.sin(place @ rng.normal(0, 80, 3) + phase[1])
    gap = rng.uniform(0.003, 0.01)
    outwards = gap * (1 + rng.uniform(0, 0.3) * folds)
    colour = rng.uniform(0.02, 0.8) * np.clip(1 + rng.normal(0, 0.35, 3) * (rng.random() < 0.6), 0.1, 2)
    cloth = Material(colour=tuple(np.clip(colour, 0.01, 0.9).tolist()), specular=0.02, roughness=0.9)
    return _lifted(kept, verts + normals * outwards[:, None], cloth)


def watch(verts: Float[Array, "verts 3"], normals: Float[Array, "verts 3"], rng: Rng) -> tuple[Mesh, Mesh]:
    """A band around the wrist, and the dial on its back. Arguments as for `sleeve`."""
    faces, ring = _rings()
    first = rng.integers(1, 3)
    band = faces[np.isin(ring[faces], (first, first + 1)).all(1)]
    metal = rng.random() < 0.5
    grey = np.array([1, 1, 1]) if rng.random() < 0.6 else np.array([1, 0.75, 0.4])
    shine = Material(colour=tuple((0.25 * grey).tolist()), specular=tuple((0.6 * grey).tolist()), roughness=0.35)
    strap = rng.uniform(0.01, 0.4) * np.clip(1 + rng.normal(0, 0.3, 3), 0.2, 1.6)
    leather = Material(colour=tuple(strap.tolist()), specular=0.04, roughness=0.6)
    around = np.unique(band)
    back = around[np.argmax(open_hand(forearm=True).template[around, 2].numpy())]
    radius = rng.uniform(0.011, 0.02)
    disc, surface, _ = shapes()[1]
    centre = verts[back] + normals[back] * 0.003
    dial = (disc * [radius, radius, 0.004]) @ frame(normals[back]).T + centre
    strap_mesh = _lifted(band, verts + normals * rng.uniform(0.0015, 0.0025), shine if metal else leather)
    return strap_mesh, Mesh(verts=dial, surface=surface, material=shine if rng.random() < 0.7 else leather)


def _lifted(faces: Int[Array, "faces 3"], verts: Float[Array, "verts 3"], material: Material) -> Mesh:
    """Some faces of the forearm as a mesh of their own, labelled as forearm."""
    used, corners = np.unique(faces, return_inverse=True)
    surface = Surface(faces=corners.reshape(-1, 3), labels=np.ones(len(faces), np.int32))
    return Mesh(verts=verts[used], surface=surface, material=material)


@lru_cache(maxsize=1)
def _rings() -> tuple[Array, Array]:
    """The forearm's faces, and how many edges each vertex is from the hand (hand: -1)."""
    faces = open_hand(forearm=True).faces.numpy()
    arm = faces[len(open_hand().faces) :]
    ring = np.full(faces.max() + 1, -1)
    reached = np.intersect1d(arm, np.arange(hand_verts()))
    number = 0
    while len(reached):
        ring[reached] = number
        beside = np.unique(arm[np.isin(arm, reached).any(1)])
        reached, number = beside[ring[beside] < 0], number + 1
    return arm, ring
