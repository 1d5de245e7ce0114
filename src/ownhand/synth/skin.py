"""Skin of a person, painted over the open hand's texture coordinates. Nothing is copied from any picture.

Every quantity is painted as an amount (pigment, blood, relief) and becomes colour at the end, so that a freckle, a palm
or a knuckle of any tone stays a plausible colour of skin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.sparse import csr_array
from scipy.spatial import KDTree

from ownhand.render import Texture, linear_from_srgb
from ownhand.synth.skin_map import Bands, SkinMap, skin_map

Array = np.ndarray
Rng = np.random.Generator

TONES = linear_from_srgb(
    np.array([[250, 226, 210], [240, 203, 176], [221, 174, 140], [186, 133, 98], [139, 93, 66], [82, 55, 42]]) / 255
)
"""Albedo of the back of the hand, linear RGB, from very light to very dark."""

BLOOD = np.array([0.06, 0.55, 0.46], np.float32)  # optical density of one unit of blood
POLISH = np.array(
    [[170, 20, 40], [200, 60, 90], [230, 180, 180], [40, 30, 60], [120, 20, 60], [240, 240, 240], [60, 110, 150]]
)
LATTICE = 32
CELLS = {"patch": 0.028, "blotch": 0.011, "mottle": 0.0042, "grain": 0.0016, "pore": 0.0008}  # metres


@dataclass(frozen=True, kw_only=True)
class Look:
    """What of a person's skin can be said in a few numbers.

    Attributes:
        tone: Place in TONES, 0 to 5.
        tan: How much darker the back of the hand is than the tone says, in tones.
        detail: Strength of lines, mottling and relief, 0 to 1.
        blood: How red it is, about 0 to 1.
        polish: Linear RGB of nail polish, or None.
        nail: How long the free white edge of the nails is, as a share of the nail.
    """

    tone: float
    tan: float
    detail: float
    blood: float
    polish: Array | None
    nail: float


def draw_look(rng: Rng, is_male: bool) -> Look:
    """Tones from light to dark are equally frequent; a tenth of the people show no detail at all."""
    polished = rng.random() < (0.02 if is_male else 0.3)
    return Look(
        tone=rng.uniform(0, 5),
        tan=rng.uniform(0, 0.5),
        detail=0.0 if rng.random() < 0.1 else rng.uniform(0.1, 1) ** 1.3,
        blood=rng.uniform(0.3, 1.0),
        polish=linear_from_srgb(POLISH[rng.integers(len(POLISH))] / 255 * rng.uniform(0.7, 1.05)) if polished else None,
        nail=rng.uniform(0.02, 0.12) if is_male else rng.uniform(0.04, 0.3),
    )


@lru_cache(maxsize=4)
def skin_texture(seed: int, person: int, is_male: bool, size: int) -> Texture:
    """The skin of a person.

    Args:
        seed: Of the population.
        person: Number of the person.
        is_male: Influences nails.
        size: Side of the texture [texels]; the look hardly depends on it.
    """
    rng = np.random.default_rng([seed, person, 11])
    return paint(draw_look(rng, is_male), rng, skin_map(size))


def paint(look: Look, rng: Rng, surface: SkinMap) -> Texture:
    """Paint a look with the chance features of one person."""
    noise = _Noise(rng, surface)
    s, dorsal, palmar = look.detail, surface.dorsal, 1 - surface.dorsal
    tone, height = np.full(len(dorsal), look.tone, np.float32), np.zeros(len(dorsal), np.float32)

    # Pigment: paler palms (the forearm is hardly paler inside), their border wanders; tan, blotches, freckles, moles.
    border = np.clip(dorsal + 0.5 * dorsal * palmar * noise("blotch"), 0, 1)
    tone += look.tan * border + (1 - border) * (0.15 + 0.85 * surface.hand) * (-0.55 * look.tone - 0.1)
    tone += s * (0.09 * noise("patch") + 0.06 * noise("blotch") + 0.05 * noise("mottle") + 0.05 * noise("grain"))
    if rng.random() < 0.3:
        freckles = np.clip(noise("mottle") + 0.4 * noise("grain") - 1.6, 0, 1) * border
        tone += freckles * rng.uniform(0.2, 0.8) * (1 - 0.18 * look.tone)
    tone += _moles(rng, surface) * dorsal * s

    # Blood: knuckles, fingertips, the mounds of the palm.
    blush = 0.55 * surface.knuckle * dorsal + 0.5 * surface.tip + palmar * surface.hand * (0.22 + 0.35 * surface.mound)
    blood = look.blood * (0.15 + blush) * (1 + s * (0.4 * noise("patch") + 0.5 * noise("blotch")))
    blood += s * look.blood * (0.10 * noise("mottle") + 0.08 * noise("grain")) * (0.4 + palmar)

    # Lines: joint creases and palm lines, wrinkles over the knuckles.
    strength = s * rng.uniform(0.3, 1)
    wander = 0.0011 * noise("blotch") + 0.0004 * noise("mottle")
    lines = _creases(rng, surface.creases, wander) + _palm_lines(rng, surface, wander)
    lines = np.clip(lines * (1 + 0.35 * noise("mottle")), 0, 1) * palmar
    wrinkles = _wrinkles(rng, surface.wrinkles, noise("blotch"), noise("mottle")) * dorsal
    depth = strength * (lines + 0.55 * wrinkles)
    tone += depth * (0.25 + 0.14 * look.tone)
    blood += depth * 0.45
    height -= 0.00022 * depth

    # Veins and tendons of the back, tiny relief everywhere.
    veins = np.exp(-((noise("vein") / rng.uniform(0.12, 0.25)) ** 2)) * np.clip(noise("patch") + 0.4, 0, 1)
    veins *= surface.back * rng.uniform(0, 1) * s
    height += 0.0006 * veins + s * dorsal * (2.5e-5 * noise("pore") + 3e-5 * noise("grain"))

    vein_density = np.array([0.22, 0.10, 0.06], np.float32)
    density = blood[:, None] * BLOOD * (1 - 0.09 * look.tone) + veins[:, None] * vein_density
    colour = _albedo(tone) * np.exp(-density)
    colour *= np.exp(rng.normal(0, [0.03, 0.03, 0.05]))
    colour, height = _with_nails(colour, height, look, rng, surface)
    texels = np.concatenate([np.clip(colour, 0.005, 0.98), height[:, None]], 1).astype(np.float32)
    image = texels[surface.nearest]
    return Texture(colour=image[..., :3], height=image[..., 3])


def _albedo(tone: Array) -> Array:
    """Linear RGB of a tone; logarithms are interpolated, as pigment absorbs."""
    table = np.log(TONES)
    place = np.linspace(-0.5, 6, 256)
    fine = np.stack([np.interp(place, np.arange(6), table[:, c]) for c in range(3)], -1)
    fine += np.clip(place[:, None] - 5, 0, None) * (table[5] - table[4]) + np.clip(-place[:, None], 0, None) * 0.03
    return np.exp(fine.astype(np.float32))[np.clip((tone + 0.5) * (255 / 6.5), 0, 255).astype(np.int32)]


def _creases(rng: Rng, bands: Bands, wander: Array) -> Array:
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


def _wrinkles(rng: Rng, bands: Bands, coarse: Array, fine: Array) -> Array:
    """Folds of loose skin over a knuckle: a few uneven waves, 0 to 1."""
    pitch = rng.uniform(0.0016, 0.0026)
    waves = 0.5 + 0.5 * np.cos(bands.along * (2 * np.pi / pitch) + 1.3 * coarse + 1.2 * fine)
    reach = np.exp(-((bands.along / rng.uniform(0.0035, 0.006)) ** 2))
    return waves**1.5 * reach * bands.gate


PALM_LINES = (  # control points [mm] over the mean palm (distal, radial), width [mm], strength
    (((65, -40), (70, -26), (76, -8), (88, 8)), 1.1, 0.9),  # heart
    (((72, 34), (68, 16), (60, -8), (48, -26)), 1.1, 0.85),  # head
    (((74, 33), (62, 17), (42, 7), (14, 8)), 1.3, 1.0),  # life
    (((22, -4), (40, -5), (62, -4)), 1.0, 0.35),  # fate
)


def _palm_lines(rng: Rng, surface: SkinMap, wander: Array) -> Array:
    """The three great lines and a weaker one, different in everybody."""
    out = np.zeros(len(wander), np.float32)
    palm = np.flatnonzero(surface.palm > 0.05)
    where = surface.position[palm, :2] + wander[palm, None]
    for points, width, strength in PALM_LINES:
        control = np.array(points) / 1000 + rng.normal(0, 0.0028, (len(points), 2))
        amount = strength * rng.uniform(0.35, 1)
        end = rng.uniform(0.7, 1)
        share = np.linspace(0, end, 60)
        curve = make_interp_spline(np.linspace(0, 1, len(points)), control, k=len(points) - 1)(share)
        distance, nearest = KDTree(curve).query(where, distance_upper_bound=0.006)
        fade = np.minimum(1, 6 * np.minimum(share, end - share) / end + 0.15)
        line = np.exp(-((distance / (width * rng.uniform(0.8, 1.5) / 1000)) ** 2))
        out[palm] = np.maximum(out[palm], amount * line * np.append(fade, 0)[nearest])
    return out * surface.palm


def _moles(rng: Rng, surface: SkinMap) -> Array:
    """A few round dark spots."""
    out = np.zeros(len(surface.position), np.float32)
    for centre in surface.position[rng.integers(len(out), size=rng.poisson(1.5))]:
        square = ((surface.position - centre) ** 2).sum(-1)
        out += rng.uniform(0.4, 1.4) * np.exp(-square / rng.uniform(0.0005, 0.0012) ** 2)
    return out


def _with_nails(colour: Array, height: Array, look: Look, rng: Rng, surface: SkinMap) -> tuple[Array, Array]:
    """Nail plates: paler and pinker than the skin, with a moon and a white edge, or polished."""
    on, t = surface.nail[:, None], surface.nail_along[:, None]
    plate = _albedo(np.array([0.65 * look.tone - 0.1], np.float32)) * np.exp(-BLOOD * rng.uniform(0.15, 0.6))
    moon = np.clip(1 - np.abs(t - 0.05) / 0.18, 0, 1) * rng.uniform(0, 0.4)
    edge = np.clip((t - (1 - look.nail)) / 0.05, 0, 1) * rng.uniform(0.5, 1)
    white = np.array([0.80, 0.74, 0.66], np.float32)
    plate = plate + np.maximum(moon, edge) * (white - plate)
    if look.polish is not None:
        plate = np.broadcast_to(look.polish, plate.shape)
    rim = 4 * on * (1 - on)
    colour = (colour * (1 - on) + plate * on) * (1 - rng.uniform(0, 0.25) * look.detail * rim)
    return colour, height + 0.00025 * surface.nail


class _Noise:
    """Fresh smooth noise of about unit variance over the surface, by the size of its features."""

    def __init__(self, rng: Rng, surface: SkinMap) -> None:
        self._rng, self._surface = rng, surface

    def __call__(self, name: str) -> Array:
        weights = _lattice_weights(self._surface.size, name)
        return weights @ self._rng.standard_normal(LATTICE**3, dtype=np.float32)


@lru_cache(maxsize=16)
def _lattice_weights(size: int, name: str) -> csr_array:
    """Trilinear weights of each texel over a lattice of random numbers that repeats in space."""
    position = skin_map(size).position
    if name == "vein":  # drawn out along the hand
        place = position * np.array([0.4, 1, 1]) / 0.012 + 100
    else:
        turn = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
        place = position / CELLS[name] @ turn + 100
    low = np.floor(place).astype(np.int64)
    part = place - low
    part = part * part * (3 - 2 * part)
    columns, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        node = (low + corner) % LATTICE
        columns.append((node[:, 0] * LATTICE + node[:, 1]) * LATTICE + node[:, 2])
        weights.append(np.prod(np.where(corner, part, 1 - part), -1))
    weights = np.stack(weights, -1)
    weights /= np.sqrt((weights**2).sum(-1, keepdims=True))
    count = len(position)
    return csr_array(
        (weights.ravel().astype(np.float32), np.stack(columns, -1).ravel(), np.arange(0, 8 * count + 1, 8)),
        shape=(count, LATTICE**3),
    )
