"""Marks of the skin: moles, freckles, age spots, scars, patches of vitiligo and eczema."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from ownhand.hand.builtin import open_hand
from ownhand.synth.people.looks import Look
from ownhand.synth.people.skin_map import SkinMap, face_areas, skin_map
from ownhand.synth.people.skin_noise import Noise

Array = np.ndarray
Rng = np.random.Generator


def scattered(rng: Rng, count: int) -> Float[Array, "count 3"]:
    """Points anywhere on the skin of the mean hand and forearm, whatever the texture's size [m]."""
    corners, cumulative = _faces()
    chosen = np.searchsorted(cumulative, rng.random(count))
    share = rng.random((count, 2))
    share = np.where(share.sum(1, keepdims=True) > 1, 1 - share, share)
    share = np.concatenate([share, 1 - share.sum(1, keepdims=True)], 1)
    return (corners[chosen] * share[..., None]).sum(1)


@lru_cache(maxsize=4)
def texel_tree(size: int) -> KDTree:
    """To find the texels near a point."""
    return KDTree(skin_map(size).position)


def spots(points: Float[Array, "count 3"], strengths: Array, radii: Array, surface: SkinMap) -> Float[Array, "texels"]:
    """Round soft spots; one smaller than a texel is as much paler as the texel is larger.

    Args:
        points: Their middles [m].
        strengths: Of each.
        radii: Of each [m].
        surface: Where to paint.
    """
    out = np.zeros(len(surface.position), np.float32)
    if not len(points):
        return out
    texel = np.sqrt(np.median(surface.area))
    wide = np.hypot(radii, 0.5 * texel)
    strengths = strengths * (radii / wide) ** 2
    for texels, point, strength, radius in zip(
        texel_tree(surface.size).query_ball_point(points, 2.5 * wide), points, strengths, wide, strict=True
    ):
        square = ((surface.position[texels] - point) ** 2).sum(-1)
        out[texels] += strength * np.exp(-square / radius**2)
    return out


def pigment_marks(rng: Rng, look: Look, surface: SkinMap, noise: Noise) -> Array:
    """Moles, freckles and the spots of age: how much pigment they add."""
    moles = rng.poisson(3.0)
    out = spots(scattered(rng, moles), rng.uniform(0.4, 1.6, moles), rng.uniform(0.0004, 0.0012, moles), surface)
    old = np.clip((look.age - 45) / 35, 0, 1)
    count = rng.poisson(50 * old * rng.uniform(0.1, 1))
    out += spots(scattered(rng, count), rng.uniform(0.08, 0.4, count), rng.uniform(0.001, 0.003, count), surface)
    if look.freckles:
        field = 0.4 * noise("mottle") + 0.9 * noise("grain") + 0.3 * noise("blotch")
        out += 0.3 * look.freckles * np.clip(field - 1.3 + 0.4 * look.freckles, 0, 0.8) * np.exp(-0.35 * look.tone / 5)
    return out * surface.dorsal


def scars(rng: Rng, surface: SkinMap) -> Array:
    """Thin lines, a few millimetres to centimetres long, of healed cuts: 0 to 1."""
    out = np.zeros(len(surface.position), np.float32)
    for start in scattered(rng, rng.choice(4, p=[0.6, 0.25, 0.1, 0.05])):
        along, length = rng.standard_normal(3), rng.uniform(0.004, 0.022)
        bow, width = rng.normal(0, 0.15, 3), rng.uniform(0.0004, 0.001)
        near = texel_tree(surface.size).query_ball_point(start, length + 0.004)
        part = np.linspace(0, 1, 24)[:, None]
        curve = start + length * (part * along / np.linalg.norm(along) + part * (1 - part) * 4 * bow)
        distance, step = KDTree(curve).query(surface.position[near])
        off_surface = 0.5 * np.sqrt(np.median(surface.area))
        line = np.exp(-((distance / np.hypot(width, off_surface)) ** 2)) * np.sin(np.pi * (step + 1) / 25) ** 0.4
        out[near] = np.maximum(out[near], line * min(1.0, 1.6 * width / off_surface))
    return out


def patches(noise: Noise, surface: SkinMap, share: float, border: float) -> Array:
    """Irregular patches, more of them over knuckles and fingertips, 0 to 1; `border` says how soft they end."""
    field = 0.8 * noise("patch") + 0.35 * noise("blotch") + 0.1 * noise("mottle")
    field += 0.8 * surface.knuckle + 0.9 * surface.tip
    level = np.quantile(field, 1 - share)
    return np.clip((field - level) / border + 0.5, 0, 1)


@lru_cache(maxsize=1)
def _faces() -> tuple[Array, Array]:
    """Corners of the mean hand's faces, and the share of all skin up to and with each face."""
    model = open_hand(forearm=True)
    verts, faces = model.template.numpy(), model.faces.numpy()
    areas = face_areas(verts, faces)
    return verts[faces].astype(np.float64), np.cumsum(areas) / areas.sum()
