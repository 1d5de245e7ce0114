"""A hand's mesh at several resolutions, for networks that work from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.geometry.decimation import barycentric, decimate
from ownhand.geometry.spirals import spirals
from ownhand.hand.model import HandModel

_known: dict[tuple[str, tuple[int, ...]], MeshLevels] = {}


@dataclass(frozen=True, kw_only=True)
class MeshLevels:
    """Meshes from fine to coarse; each has some of the vertices of the one before.

    Attributes:
        verts: Rest positions of the mean hand in each level [m].
        faces: Triangles of each level.
        down: Which vertices of the level before each but the first one has.
        up: For each level but the last: three vertices of the next, coarser one, and
        up_weights: how they are weighted to make each vertex.
    """

    verts: tuple[Float[Tensor, "_ 3"], ...]
    faces: tuple[Int[Tensor, "_ 3"], ...]
    down: tuple[Int[Tensor, "_"], ...]
    up: tuple[Int[Tensor, "_ 3"], ...]
    up_weights: tuple[Float[Tensor, "_ 3"], ...]

    @classmethod
    def of(cls, hand: HandModel, counts: Sequence[int]) -> MeshLevels:
        """Levels of a hand's template, computed once in a process.

        Args:
            hand: Hand model.
            counts: Vertices of each level after the first, which is the hand's own mesh.

        Raises:
            ValueError: The mesh cannot be made so coarse.
        """
        key = hand.id, tuple(counts)
        if key not in _known:
            _known[key] = cls._computed(hand, counts)
        return _known[key]

    @classmethod
    def _computed(cls, hand: HandModel, counts: Sequence[int]) -> MeshLevels:
        verts, faces = [hand.template.double().cpu().numpy()], [hand.faces.cpu().numpy()]
        down, up, weights = [], [], []
        for count in counts:
            kept, coarse = decimate(verts[-1], faces[-1], count)
            corners, shares = barycentric(verts[-1], verts[-1][kept], coarse)
            down.append(torch.from_numpy(kept))
            up.append(torch.from_numpy(corners))
            weights.append(torch.from_numpy(shares).float())
            verts.append(verts[-1][kept])
            faces.append(coarse)
        return cls(
            verts=tuple(torch.from_numpy(x).float() for x in verts),
            faces=tuple(torch.from_numpy(np.ascontiguousarray(x)) for x in faces),
            down=tuple(down),
            up=tuple(up),
            up_weights=tuple(weights),
        )

    def coarser(self, values: Float[Tensor, "*batch verts channels"], level: int) -> Float[Tensor, "*batch _ channels"]:
        """From values at the vertices of a level to those of the next, coarser one."""
        return values[..., self.down[level].to(values.device), :]

    def finer(self, values: Float[Tensor, "*batch verts channels"], level: int) -> Float[Tensor, "*batch _ channels"]:
        """From values at the vertices of a level to those of the one before, finer one."""
        up, weights = self.up[level - 1].to(values.device), self.up_weights[level - 1].to(values)
        return (values[..., up, :] * weights[..., None]).sum(-2)

    def spirals(self, level: int, length: int) -> Int[Tensor, "verts length"]:
        """The first vertices of a spiral around each vertex of a level: see `geometry.spirals`."""
        return torch.from_numpy(spirals(self.verts[level].double().numpy(), self.faces[level].numpy(), length))
