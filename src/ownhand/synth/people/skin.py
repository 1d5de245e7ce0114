"""Skin of a person, painted over the open hand's texture coordinates. Nothing is copied from any picture.

Every quantity is painted as an amount (pigment, blood, relief) and becomes colour at the end, so that a freckle, a palm
or a knuckle of any tone stays a plausible colour of skin.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.render import Texture
from ownhand.synth.people.covers import gloved, plastered
from ownhand.synth.people.hair import strands
from ownhand.synth.people.looks import Look
from ownhand.synth.people.population import Person
from ownhand.synth.people.skin_lines import creases, palm_lines, tendons, veins, wrinkles
from ownhand.synth.people.skin_map import SkinMap, skin_map
from ownhand.synth.people.skin_marks import patches, pigment_marks, scars
from ownhand.synth.people.skin_noise import Noise
from ownhand.synth.people.tattoos import tattooed
from ownhand.synth.people.tones import albedo, melanin_of, skin_colour

Array = np.ndarray
Rng = np.random.Generator

BLOOD = np.array([0.06, 0.55, 0.46], np.float32)  # optical density of one unit of blood
VEIN = np.array([0.26, 0.10, 0.06], np.float32)  # of a vein below pale skin
NAIL_WHITE = np.array([0.80, 0.74, 0.66], np.float32)
SCAR = np.array([0.04, 0.16, 0.12], np.float32)
DARK_PALM = np.array([-0.04, 0.05, -0.16], np.float32)  # density: dark people's palms are pinker than fair skin
PALM_ALIKE = 0.75  # how much less palms differ in hue than backs

_SKIN, _COVERS = 21, 22  # streams of random numbers


@lru_cache(maxsize=4)
def skin_texture(person: Person, size: int) -> Texture:
    """The skin of a person's right hand and forearm, with hair, nails, tattoos, gloves and plasters.

    Args:
        person: Whose.
        size: Side of the texture [texels]; the look hardly depends on it.
    """
    surface = skin_map(size)
    colour, height = paint(person.look, person.rng(_SKIN), surface)
    rng, outfit = person.rng(_COVERS), person.outfit
    if outfit.glove:
        colour, height = gloved(colour, height, outfit.glove, surface, Noise(rng, surface))
    if outfit.plaster:
        colour, height = plastered(colour, height, outfit.plaster, surface, Noise(rng, surface))
    texels = np.concatenate([np.clip(colour, 0.003, 0.98), height[:, None]], 1).astype(np.float32)
    image = texels[surface.nearest]
    return Texture(colour=image[..., :3], height=image[..., 3])


def paint(look: Look, rng: Rng, surface: SkinMap) -> tuple[Float[Array, "texels 3"], Float[Array, "texels"]]:
    """Paint a look with the chance features of one person: linear RGB and height [m]."""
    noise = Noise(rng, surface)
    s, dorsal, palmar = look.detail, surface.dorsal, 1 - surface.dorsal
    target = skin_colour(look.tone, look.undertone)
    own = melanin_of(target)
    height = np.zeros(len(dorsal), np.float32)

    # Pigment: paler palms (the forearm is hardly paler inside), their border wanders; tan, blotches, marks.
    border = np.clip(dorsal + 0.5 * dorsal * palmar * noise("blotch"), 0, 1)
    bare = min(0.92 * own, 0.32 + 0.33 * own)  # pigment of a palm
    palm = (1 - border) * surface.hand * np.clip(1 + 0.025 * s * noise("patch"), 0, 1)
    pigment = own + look.tan * (border - 1) + palm * (bare - own)
    pigment += s * (0.04 * noise("patch") + 0.025 * noise("blotch") + 0.022 * noise("mottle") + 0.02 * noise("grain"))
    pigment += 0.08 * np.sqrt(own) * surface.knuckle * dorsal * rng.uniform(0.2, 1)
    pigment += pigment_marks(rng, look, surface, noise) * max(s, 0.15)

    # Blood: knuckles, fingertips, the mounds of the palm.
    blush = 0.45 * surface.knuckle * dorsal + 0.4 * surface.tip + palmar * surface.hand * (0.15 + 0.3 * surface.mound)
    blood = look.blood * blush * (1 + s * (0.3 * noise("patch") + 0.25 * noise("blotch")))
    blood += s * look.blood * (0.05 * noise("patch") + 0.05 * noise("blotch")) * (0.5 + palmar)
    blood += s * look.blood * (0.07 * noise("mottle") + 0.06 * noise("grain")) * (0.4 + palmar)

    # Lines: joint creases and palm lines, wrinkles over the knuckles, the net of old skin.
    old = np.clip((look.age - 40) / 40, 0, 1)
    strength = s * rng.uniform(0.3, 1)
    wander = 0.0011 * noise("blotch") + 0.0004 * noise("mottle")
    lines = creases(rng, surface.creases, wander) + palm_lines(rng, surface, wander)
    lines = np.clip(lines * (1 + 0.35 * noise("mottle")), 0, 1) * palmar
    folds = (1 + 0.6 * old) * wrinkles(rng, surface.wrinkles, noise("blotch"), noise("mottle")) * dorsal
    net = old * s * np.exp(-((noise("crinkle") / 0.35) ** 2)) * dorsal
    depth = strength * (lines + 0.55 * folds) + 0.3 * net
    pigment += depth * (0.10 + 0.09 * own)
    blood += depth * 0.45
    height -= 0.00022 * depth

    # Veins and tendons of the back, tiny relief everywhere.
    thin = np.clip(0.35 + s, 0, 1)
    raised = look.veins * veins(rng, surface, 0.0015 * noise("blotch"))
    height += 0.00045 * raised * surface.hand + 0.0005 * look.tendons * tendons(surface)
    height += s * dorsal * (2.5e-5 * noise("pore") + 3e-5 * noise("grain"))

    if look.eczema:
        dry = patches(noise, surface, rng.uniform(0.02, 0.1), 0.7)
        blood += dry * rng.uniform(0.15, 0.5) * (1 + 0.4 * noise("mottle"))
        pigment -= dry * 0.12 * np.clip(noise("grain") + 0.3 * noise("mottle"), 0, 1) * (0.5 + own)
        height += 6e-5 * dry * noise("grain")
    density = (blood * np.clip(1 - 0.16 * pigment, 0.35, 1))[:, None] * BLOOD
    density += (palm * min(own / 3, 1))[:, None] * DARK_PALM
    density += (thin * raised)[:, None] * VEIN * max(0.25, 1 - 0.2 * own)
    scarred = scars(rng, surface)
    pigment -= scarred * 0.25 * own
    height += 0.00012 * scarred
    colour = albedo(pigment) * np.exp(-density - scarred[:, None] * SCAR)
    back = surface.back * surface.hand > 0.9
    gain = target / np.median(colour[back], 0)
    colour *= gain ** (1 - PALM_ALIKE * palm[:, None])
    if look.vitiligo:
        pale = patches(noise, surface, rng.uniform(0.1, 0.4), 0.12)
        white = albedo(np.full(1, min(own, 0.2), np.float32)) * np.exp(-0.4 * density)
        colour += pale[:, None] * (white - colour)
    if look.tattoos:
        colour *= tattooed(rng, look.tattoos, surface, noise)
    colour, height = _with_nails(colour, height, look, bare, rng, surface)
    colour += strands(rng, look, surface, noise)[:, None] * (look.hair_colour - colour)
    return colour, height


def _with_nails(
    colour: Array, height: Array, look: Look, bare: float, rng: Rng, surface: SkinMap
) -> tuple[Array, Array]:
    """Nail plates: paler and pinker than the skin, with a moon and a white edge, or polished."""
    on, t, u = surface.nail[:, None], surface.nail_along[:, None], surface.nail_across[:, None]
    plate = albedo(np.array([1.1 * bare], np.float32)) * np.exp(-BLOOD * rng.uniform(0.15, 0.6))
    moon = np.clip(1 - np.hypot((t + 0.02) / 0.24, u / 0.55), 0, 0.4) * 2.5 * rng.uniform(0, 0.4)
    edge = np.clip((t - (1 - look.nail) + 0.08 * u * u) / 0.05, 0, 1) * rng.uniform(0.5, 1)
    plate = plate + np.maximum(moon, edge) * (NAIL_WHITE - plate)
    if look.polish is not None:
        plate = np.broadcast_to(look.polish, plate.shape)
    rim = 4 * on * (1 - on)
    colour = (colour * (1 - on) + plate * on) * (1 - rng.uniform(0, 0.3) * (0.3 + 0.7 * look.detail) * rim)
    curved = np.clip(1 - surface.nail_across**2, 0, 1)
    ridges = look.detail * np.clip((look.age - 35) / 40, 0.1, 1) * 2e-5 * np.sin(26 * surface.nail_across)
    return colour, height + surface.nail * (0.0002 + 0.0001 * curved + ridges)
