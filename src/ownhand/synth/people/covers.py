"""Gloves, plasters and bandages, painted over the skin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ownhand.hand.anatomy import TWIST
from ownhand.render import Material, Texture
from ownhand.synth.people.outfit import Glove, Plaster
from ownhand.synth.people.skin_map import SkinMap, joint_frames, smooth
from ownhand.synth.people.skin_noise import Noise

Array = np.ndarray
Rng = np.random.Generator

FINGER_ENDS = (3, 5, 6, 8, 9, 11, 12, 14, 15)  # joints whose parts a fingerless glove leaves bare
STITCH = 0.0042  # metres


def gloved(
    colour: Float[Array, "texels 3"], height: Float[Array, "texels"], glove: Glove, surface: SkinMap, noise: Noise
) -> tuple[Float[Array, "texels 3"], Float[Array, "texels"]]:
    """Skin under a glove."""
    x, y, z = surface.position.T
    on = smooth(x, glove.end - 0.001, glove.end + 0.001)
    if glove.fingerless:
        on *= 1 - smooth(surface.weight[:, list(FINGER_ENDS)].sum(1) + 0.03 * noise("mottle"), 0.48, 0.56)
    if glove.kind == "knit":
        rows = np.abs((x / STITCH + 0.5 * np.abs((y + z) / STITCH % 1 - 0.5)) % 1 - 0.5) * 2
        relief = 0.0006 * rows + 0.00008 * noise("grain")
        shade = 0.65 + 0.4 * rows + 0.06 * noise("mottle")
    elif glove.kind == "leather":
        seam = np.exp(-(((surface.dorsal - 0.5) / 0.1) ** 2)) * (surface.weight[:, 0] < 0.5)
        folds = np.exp(-((noise("crinkle") / 0.35) ** 2)) * surface.knuckle
        relief = 0.0003 * noise("blotch") - 0.0004 * seam - 0.0003 * folds + 0.00004 * noise("pore")
        shade = 1 + 0.12 * noise("blotch") + 0.06 * noise("grain") - 0.45 * seam - 0.2 * folds
    else:
        folds = np.exp(-((noise("crinkle") / 0.3) ** 2)) * np.clip(noise("blotch"), 0, 1)
        relief = 0.00012 * noise("mottle") + 0.00025 * folds
        shade = 1 + 0.03 * noise("blotch") + 0.12 * folds
    cloth = np.array(glove.colour) * np.clip(shade, 0.1, 1.6)[:, None]
    if glove.kind == "latex":
        cloth = 0.93 * cloth + 0.07 * np.median(colour, 0)
    return colour + on[:, None] * (cloth - colour), height + on * (relief + 0.0008 - height)


def glove_material(glove: Glove, texture: Texture) -> Material:
    """How a gloved hand reflects light; bare parts do as well."""
    specular, roughness = {"knit": (0.02, 0.95), "latex": (0.04, 0.42), "leather": (0.04, 0.55)}[glove.kind]
    return Material(texture=texture, specular=specular, roughness=roughness, wrap=(0.1, 0.1, 0.1), scatter=0.001)


def plastered(
    colour: Float[Array, "texels 3"], height: Float[Array, "texels"], plaster: Plaster, surface: SkinMap, noise: Noise
) -> tuple[Float[Array, "texels 3"], Float[Array, "texels"]]:
    """Skin under a plaster or a bandage."""
    origins, axes = joint_frames()
    j = plaster.joint
    middle = np.array([0.045, 0, 0]) if j == 0 else (origins[j] + _next(j)) / 2
    t = (surface.position - middle) @ axes[j][:, TWIST] + 0.0005 * noise("blotch")
    own = surface.weight[:, [0, 1, 4, 7, 10, 13]].sum(1) if j == 0 else surface.weight[:, j]
    on = (1 - smooth(np.abs(t), plaster.half_width - 0.0006, plaster.half_width + 0.0006)) * smooth(own, 0.3, 0.45)
    if plaster.gauze:
        wound = np.abs(((t + 0.15 * surface.position[:, 1]) / 0.009) % 1 - 0.5) * 2
        shade, relief = 0.85 + 0.12 * wound + 0.06 * noise("grain"), 0.0009 + 0.0004 * wound + 0.0001 * noise("grain")
    else:
        pad = np.exp(-((t / (0.5 * plaster.half_width)) ** 4)) * surface.dorsal
        shade, relief = 1 + 0.05 * noise("grain") + 0.04 * pad, 0.0004 + 0.0006 * pad
    cloth = np.array(plaster.colour) * np.clip(shade, 0.3, 1.3)[:, None]
    return colour + on[:, None] * (cloth - colour), height + on * (relief - height)


def _next(joint: int) -> Array:
    """Where the bone of a joint ends; that of a last joint, about."""
    origins, axes = joint_frames()
    return origins[joint] + 0.02 * axes[joint][:, TWIST] if joint % 3 == 0 else origins[joint + 1]
