"""Alignments of point sets before they are compared: root, scale, Procrustes."""

from __future__ import annotations

from typing import Any

import roma
from jaxtyping import Float
from torch import Tensor


def relative_to(points: Float[Tensor, "*batch n 3"], root: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch n 3"]:
    """Points as seen from `root`."""
    return points - root[..., None, :]


def best_scale(source: Float[Tensor, "*batch n 3"], target: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch"]:
    """The factor s that minimises |s source - target|^2 about the common origin."""
    return (source * target).sum((-2, -1)) / source.square().sum((-2, -1))


def procrustes(source: Float[Tensor, "*batch n 3"], target: Float[Tensor, "*batch n 3"]) -> Float[Tensor, "*batch n 3"]:
    """`source` moved onto `target` by the best similarity transform (Umeyama 1991)."""
    fitted: Any = roma.rigid_points_registration(source, target, compute_scaling=True)
    R, t, scale = fitted
    return scale[..., None, None] * source @ R.mT + t[..., None, :]
