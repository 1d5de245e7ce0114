"""Lines of the skin: creases and palm lines, folds over the knuckles, veins and tendons of the back."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_interp_spline
from scipy.spatial import KDTree

from ownhand.hand.builtin import open_hand
from ownhand.synth.people.skin_map import Bands, SkinMap

Array = np.ndarray
Rng = np.random.Generator

PALM_LINES = (  # control points [mm] over the mean palm (distal, radial), width [mm], strength
    (((65, -40), (70, -26), (76, -8), (88, 8)), 1.1, 0.9),  # heart
    (((72, 34), (68, 16), (60, -8), (48, -26)), 1.1, 0.85),  # head
    (((74, 33), (62, 17), (42, 7), (14, 8)), 1.3, 1.0),  # life
    (((22, -4), (40, -5), (62, -4)), 1.0, 0.35),  # fate
)
VEINS = (  # control points [mm] over the mean back (distal, radial), half width [mm]
    ((84, 13), (70, 14), (52, 16), (26, 22), (-4, 20), (-45, 12), (-120, 8)),
    ((82, -9), (66, -7), (50, 2), (34, 12), (12, 20)),
    ((76, -27), (60, -24), (42, -19), (16, -16), (-10, -12), (-50, -14), (-130, -6)),
    ((66, -40), (54, -34), (40, -24), (24, -18)),
    ((62, 24), (54, 17), (51, 6), (58, -10), (62, -22)),  # the arch
)
FINGER_BASES = (4, 7, 10, 13)


def creases(rng: Rng, bands: Bands, wander: Array) -> Array:
    """One or two soft lines across the palmar side of each joint."""
    count = bands.count
    shift, width = rng.normal(0, 0.0008, count), rng.uniform(0.0007, 0.0014, count)
    gap, second = rng.uniform(0.0022, 0.004, count), rng.uniform(0, 0.8, count)
    first = rng.uniform(0.5, 1, count)
    t = bands.along + wander - shift[bands.which]
    w = width[bands.which]
    line = first[bands.which] * np.exp(-((t / w) ** 2))
    line += second[bands.which] * np.exp(-(((t - gap[bands.which]) / w) ** 2))
    return line * bands.gate


def wrinkles(rng: Rng, bands: Bands, coarse: Array, fine: Array) -> Array:
    """Folds of loose skin over a knuckle: a few uneven waves, 0 to 1."""
    pitch = rng.uniform(0.0016, 0.0026)
    waves = 0.5 + 0.5 * np.cos(bands.along * (2 * np.pi / pitch) + 1.3 * coarse + 1.2 * fine)
    reach = np.exp(-((bands.along / rng.uniform(0.0035, 0.006)) ** 2))
    return waves**1.5 * reach * bands.gate


def palm_lines(rng: Rng, surface: SkinMap, wander: Array) -> Array:
    """The three great lines and a weaker one, different in everybody."""
    out = np.zeros(len(wander), np.float32)
    palm = np.flatnonzero(surface.palm > 0.05)
    for points, width, strength in PALM_LINES:
        control = np.array(points) / 1000 + rng.normal(0, 0.0028, (len(points), 2))
        amount = strength * rng.uniform(0.35, 1)
        end, width = rng.uniform(0.7, 1), width * rng.uniform(0.8, 1.5) / 1000
        distance, share = _to_curve(control, surface.position[palm, :2] + wander[palm, None], end=end)
        fade = np.minimum(1, 6 * np.minimum(share, end - share) / end + 0.15)
        out[palm] = np.maximum(out[palm], amount * fade * np.exp(-((distance / width) ** 2)))
    return out * surface.palm


def veins(rng: Rng, surface: SkinMap, wander: Array) -> Array:
    """The network on the back of the hand and the forearm, 0 to 1: some of it lies too deep to be seen."""
    out = np.zeros(len(wander), np.float32)
    on = np.flatnonzero(surface.back > 0.05)
    where = surface.position[on, :2] + wander[on, None]
    for points in VEINS:
        control = np.array(points) / 1000 + rng.normal(0, 0.0035, (len(points), 2))
        width = rng.uniform(0.0012, 0.0024)
        distance, share = _to_curve(control, where)
        depth = np.interp(share, np.linspace(0, 1, 5), rng.uniform(0.1, 1.1, 5)) * np.minimum(1, 8 * share)
        out[on] = np.maximum(out[on], np.clip(depth, 0, 1) * np.exp(-((distance / width) ** 2)))
    return out * surface.back


def tendons(surface: SkinMap) -> Array:
    """Of the fingers' extensors, from the wrist to the knuckles, 0 to 1."""
    return _tendons(surface.size, surface)


@lru_cache(maxsize=4)
def _tendons(size: int, surface: SkinMap) -> Array:
    model = open_hand()
    joints = (model.joint_regressor @ model.template).numpy()[:, :2]
    out = np.zeros(len(surface.position), np.float32)
    on = np.flatnonzero(surface.back > 0.05)
    for base in FINGER_BASES:
        start = np.array([0.008, 0.25 * joints[base, 1]])
        control = np.stack([start, (start + joints[base]) / 2 * [1, 0.95], joints[base]])
        distance, share = _to_curve(control, surface.position[on, :2])
        strength = np.clip(share * 3 - 0.2, 0, 1) * np.exp(-((distance / 0.0024) ** 2))
        out[on] = np.maximum(out[on], strength)
    return out * surface.back


def _to_curve(
    control: Float[Array, "points 2"], where: Float[Array, "texels 2"], *, end: float = 1.0
) -> tuple[Float[Array, "texels"], Float[Array, "texels"]]:
    """Distance to the smooth curve through some points, as far as `end`, and the nearest place on it (0 to 1)."""
    share = np.linspace(0, end, 80)
    degree = min(len(control) - 1, 3)
    curve = make_interp_spline(np.linspace(0, 1, len(control)), control, k=degree)(share)
    distance, nearest = KDTree(curve).query(where, distance_upper_bound=0.006)
    return distance, np.append(share, 0)[nearest]
