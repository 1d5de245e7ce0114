"""Derivatives on the rotation group that roma does not have (Solà, Deray & Atchuthan 2018)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def hat(v: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The cross-product matrix: hat(v) x = v x x."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))


def inverse_right_jacobian(rotvec: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """How the logarithm follows a turn from the right: log(exp(v) exp(d)) = v + J d + O(d^2) (eq. 144).

    Args:
        rotvec: v, shorter than 2 pi [rad].
    """
    angle2 = rotvec.square().sum(-1)[..., None, None]
    small = angle2 < 1e-2
    half = torch.where(small, 1, angle2).sqrt() / 2
    series = 1 / 12 + angle2 / 720 + angle2**2 / 30240 + angle2**3 / 1209600
    factor = torch.where(small, series, (1 - half / half.tan()) / (4 * half**2))
    V = hat(rotvec)
    return torch.eye(3).to(rotvec) + V / 2 + factor * (V @ V)
