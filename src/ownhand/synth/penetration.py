"""How deep hands sink into themselves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from ownhand.hand.builtin import open_hand
from ownhand.hand.skeleton import PARENTS_16
from ownhand.render import Surface
from ownhand.render.queries import self_penetration_depth

Array = np.ndarray

_BASES = (1, 4, 7, 10, 13)
_NEIGHBOURS = (*((j, PARENTS_16[j]) for j in range(1, 16)), *((j, k) for j in _BASES for k in _BASES))
"""Parts that touch anyway."""


def deepest(verts: Float[Array, "verts 3"]) -> float:
    """How deep a hand (`open_hand`'s vertices [m]) sinks into itself at worst [m]."""
    return float(self_penetration_depth(verts, parts_surface(), ignore=_NEIGHBOURS).max())


@lru_cache(maxsize=1)
def parts_surface() -> Surface:
    """The open hand's surface; labels are the joints that move its faces."""
    model = open_hand()
    return Surface(
        faces=model.faces.numpy(),
        labels=model.skin_weights[model.faces].sum(1).argmax(1).numpy(),
        rest=model.template.numpy(),
    )
