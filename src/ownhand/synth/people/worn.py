"""What is worn on hand and forearm, as meshes that follow the posed skin: sleeves, watches, bracelets, rings, nails."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.hand.builtin import open_hand
from ownhand.render import Material, Mesh, Surface, Texture
from ownhand.synth import scene
from ownhand.synth.people.cloth import TILE, TILES_AROUND, cloth
from ownhand.synth.people.covers import glove_material
from ownhand.synth.people.jewellery import long_nails, rings
from ownhand.synth.people.outfit import Glove, Sleeve, Wrist
from ownhand.synth.people.population import Person
from ownhand.synth.people.tubes import AROUND, lifted, tube_surface

Array = np.ndarray
Rng = np.random.Generator

FOREARM = 1  # part label
BAND = np.array([[-1.0, 0.05], [-0.85, 1.0], [0.85, 1.0], [1.0, 0.05]])  # profile of a band: along, outwards
ROWS = np.array([0.0, 0.0, 0.004, 0.012, 0.022, 0.034, 0.048, 0.064, 0.085, 0.11, 0.14, 0.20])  # of a sleeve [m]
PUSHED_UP, BARE = 0.15, 0.07  # shares of a sleeve's pictures
GLOVE_TO_WRIST = -0.014  # x of the hand's last vertices at rest, about [m]

_CLOTH = 31  # stream of random numbers


def hand_material(person: Person, texture: Texture, rng: Rng) -> Material:
    """What hand and forearm are covered with: skin, or a glove.

    Args:
        person: Whose hand.
        texture: As `skin_texture` paints it.
        rng: Chooses how damp the skin is.
    """
    skin = scene.skin_material(texture, rng)
    return glove_material(person.outfit.glove, texture) if person.outfit.glove else skin


def worn(person: Person, verts: Float[Array, "verts 3"], rng: Rng) -> list[Mesh]:
    """Everything that a person wears, as it is in one picture.

    Args:
        person: Who wears it.
        verts: Hand and forearm, posed [m].
        rng: Chooses what changes from picture to picture: where the sleeve ends, its folds.

    Returns:
        Meshes in the frame of `verts`. Sleeves and what is around the wrist are labelled as forearm, rings and nails
        as the part of the hand that they are on.
    """
    outfit = person.outfit
    meshes, end = rings(outfit, verts), np.inf
    if outfit.long_nails and person.look.polish is not None:
        meshes.append(long_nails(outfit.long_nails, tuple(person.look.polish.tolist()), verts))  # pyright: ignore
    if outfit.sleeve and rng.random() >= BARE:
        end = outfit.sleeve.end + rng.normal(0, 0.005)
        if rng.random() < PUSHED_UP:
            end += rng.uniform(0.02, 0.1)
        meshes.append(_sleeve(person, outfit.sleeve, end, verts, rng))
    if outfit.glove and outfit.glove.kind == "knit":
        meshes.append(_cuff(outfit.glove, verts))
    if outfit.wrist and outfit.wrist.place + outfit.wrist.half_width < end and not outfit.glove:
        meshes += _around_wrist(outfit.wrist, verts)
    return meshes


def _sleeve(person: Person, sleeve: Sleeve, end: float, verts: Array, rng: Rng) -> Mesh:
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    along = ROWS[:, None]
    waves = np.sin(2 * angle + 60 * along + rng.uniform(0, 6.3)) + np.sin(3 * angle - 90 * along + rng.uniform(0, 6.3))
    waves += np.sin(angle + rng.uniform(60, 220) * along + rng.uniform(0, 6.3))
    gap = sleeve.gap * (1 + sleeve.flare * np.exp(-along / 0.02)) + 0.0012
    gap = gap + sleeve.folds * np.clip(along / 0.012, 0.25, 1) * (1 + 0.5 * waves)
    gap = gap + np.where((along < sleeve.cuff) & (sleeve.cuff > 0), 0.0016, 0.0)
    gap[0] = 0.45 * gap[1]  # turned in: the cloth has an edge
    slant = 0.003 * np.cos(angle + rng.uniform(0, 6.3))
    place = lifted(verts, end + along + slant, gap)
    material = Material(texture=_cloth(person), specular=0.02, roughness=0.9)
    return Mesh(verts=place.reshape(-1, 3), surface=_sleeve_surface(), material=material)


def _cuff(glove: Glove, verts: Array) -> Mesh:
    """The hem of a knitted glove, which hides where its paint ends."""
    end = GLOVE_TO_WRIST - glove.end
    place = lifted(verts, end + 0.006 * BAND[:, :1], 0.0018 * BAND[:, 1:])
    material = Material(colour=tuple(0.9 * c for c in glove.colour), specular=0.02, roughness=0.95)
    return Mesh(verts=place.reshape(-1, 3), surface=_band_surface(), material=material)


def _around_wrist(wrist: Wrist, verts: Array) -> list[Mesh]:
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    loose = 0.0025 if wrist.kind == "bangle" else 0.0
    slant = 0.006 * np.cos(angle + 0.8) if wrist.kind == "bangle" else np.zeros(AROUND)
    distances = wrist.place + slant + wrist.half_width * BAND[:, :1]
    place = lifted(verts, distances, np.broadcast_to(loose + wrist.thickness * BAND[:, 1:], (4, AROUND)))
    matter = _metal(wrist.colour) if wrist.metal else Material(colour=wrist.colour, specular=0.04, roughness=0.6)
    meshes = [Mesh(verts=place.reshape(-1, 3), surface=_band_surface(), material=matter)]
    if wrist.kind == "watch":
        rows = wrist.place + np.array([[0.0], [0.0], [0.005]])
        centre, above, beside = lifted(verts, rows, wrist.thickness + np.array([[0.0], [0.01], [0.0]]))[:, 0]
        meshes += _watch(wrist, centre, above - centre, centre - beside)
    return meshes


def _watch(wrist: Wrist, centre: Array, up: Array, along: Array) -> list[Mesh]:
    """Case and face on the back of the wrist."""
    up = up / np.linalg.norm(up)
    along = along - up * (along @ up)
    along /= np.linalg.norm(along)
    frame = np.stack([along, np.cross(up, along), up], -1)
    outline = _OUTLINES[wrist.square] * wrist.dial
    deep = 0.0045
    rows = [(1.0, -0.4), (1.0, 0.75), (0.9, 1.0), (0.86, 0.9)]
    case = np.concatenate([np.column_stack([outline * r, np.full(len(outline), deep * z)]) for r, z in rows])
    face = np.concatenate([np.column_stack([outline * r, np.full(len(outline), deep * 0.92)]) for r in (0.86, 0.02)])
    shiny = _metal(wrist.colour if wrist.metal else (0.6, 0.6, 0.6))
    glass = Material(colour=wrist.dial_colour, specular=0.05, roughness=0.15)
    return [
        Mesh(verts=case @ frame.T + centre, surface=_watch_surface(len(rows)), material=shiny),
        Mesh(verts=face @ frame.T + centre, surface=_watch_surface(2), material=glass),
    ]


def _metal(colour: tuple[float, float, float]) -> Material:
    return Material(colour=tuple(0.15 * c for c in colour), specular=colour, roughness=0.32)


def _outline(power: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], -1)


_OUTLINES = (_outline(2), 0.88 * _outline(5))  # round, square


@lru_cache(maxsize=8)
def _cloth(person: Person) -> Texture:
    sleeve = person.outfit.sleeve
    assert sleeve is not None
    return cloth(sleeve, person.rng(_CLOTH))


@lru_cache(maxsize=1)
def _sleeve_surface() -> Surface:
    template = open_hand(forearm=True).template.numpy()
    u, v = np.meshgrid(TILES_AROUND * np.arange(AROUND + 1) / AROUND, ROWS / TILE)
    return tube_surface(lifted(template, ROWS[:, None], np.full((len(ROWS), 1), 0.005)), FOREARM, np.stack([u, v], -1))


@lru_cache(maxsize=1)
def _band_surface() -> Surface:
    template = open_hand(forearm=True).template.numpy()
    return tube_surface(lifted(template, 0.02 + 0.008 * BAND[:, :1], 0.002 * BAND[:, 1:]), FOREARM)


@lru_cache(maxsize=2)
def _watch_surface(rows: int) -> Surface:
    rest = np.stack([np.column_stack([_OUTLINES[0], np.full(16, float(row))]) for row in range(rows)]) * 0.015
    return tube_surface(rest, FOREARM)
