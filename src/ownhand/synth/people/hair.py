"""Hair of the back of hand, fingers and forearm, strand by strand."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ownhand.synth.people.looks import Look
from ownhand.synth.people.skin_map import SkinMap
from ownhand.synth.people.skin_marks import scattered, texel_tree
from ownhand.synth.people.skin_noise import Noise

Array = np.ndarray
Rng = np.random.Generator

SKIN = 0.078  # m^2 of skin that roots are scattered over
WIDTH = 0.00009  # of a strand [m]; its soft shadow included
STEPS = 7  # pieces of a strand
PROXIMAL, MIDDLE = (4, 7, 10, 13), (5, 8, 11, 14)


def strands(rng: Rng, look: Look, surface: SkinMap, noise: Noise) -> Float[Array, "texels"]:
    """Share of each texel that hair covers.

    Strands are thinner than texels: each adds what it covers to those it crosses, so that on coarse textures hair is a
    soft shade with a trace of its direction.
    """
    roots = scattered(rng, rng.poisson(look.hair * 1e4 * SKIN))
    at = np.asarray(texel_tree(surface.size).query(roots)[1])
    grown = rng.random(len(roots)) < _growth(surface, noise("patch"))[at]
    roots, at = roots[grown], at[grown]
    flow = np.stack([0.7 + 0.3 * noise("patch")[at], -0.8 + 0.4 * noise("patch")[at], 0 * at], -1)
    flow += np.array([0.35, 0.35, 0.5]) * rng.standard_normal((len(roots), 3))
    flow /= np.linalg.norm(flow, axis=1, keepdims=True)
    on_fingers = 1 - surface.back[at]
    length = rng.uniform(0.5, 1.1, len(roots)) * (0.009 - 0.004 * on_fingers)
    part = (np.arange(STEPS) + 0.5) / STEPS
    bow = rng.normal(0, 0.25, (len(roots), 3))
    places = roots[:, None] + length[:, None, None] * (
        part[:, None] * flow[:, None] + (part * part)[:, None] * bow[:, None]
    )
    _, crossed = texel_tree(surface.size).query(places.reshape(-1, 3))
    thickness = np.outer(length / STEPS * rng.uniform(0.5, 1.2, len(roots)), WIDTH * (1.3 - 0.9 * part)).ravel()
    thickness *= 1 - 0.6 * look.hair_colour.mean()  # fair hair lets light through
    covered = np.bincount(crossed, thickness, len(surface.position)) / surface.area
    return (1 - np.exp(-covered)).astype(np.float32)


def _growth(surface: SkinMap, uneven: Array) -> Array:
    """How dense hair is, relative to where it is densest."""
    x, y = surface.position[:, 0], surface.position[:, 1]
    arm = 1 - surface.hand
    forearm = arm * (0.12 + 0.88 * surface.dorsal) * np.clip((-x - 0.005) / 0.05, 0.2, 1)
    ulnar = np.clip(0.55 - y / 0.06, 0.1, 1)
    back = surface.hand * surface.back * ulnar * 0.5 * np.clip((0.085 - x) / 0.03, 0, 1)
    proximal, middle = (surface.weight[:, list(joints)].sum(1) for joints in (PROXIMAL, MIDDLE))
    fingers = surface.dorsal * (np.clip(2.2 * proximal - 1.2, 0, 1) + 0.12 * np.clip(2.2 * middle - 1.2, 0, 1))
    fingers *= (1 - surface.knuckle) * (1 - surface.nail) * (1 - surface.back)
    return np.clip((forearm + back + fingers) * (1 + 0.3 * uneven), 0, 1)
