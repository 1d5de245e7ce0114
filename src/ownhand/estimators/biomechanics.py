"""What a skeleton can be (Spurr et al. 2020, section 3.3): penalties on 21 joints, with limits from known hands."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.hand.skeleton import PARENTS_21

DIRECTIONS = 16
"""Sides of the polygon that stands for the convex hull of a joint's flexion and abduction."""

ROOTS = (1, 5, 9, 13, 17)
"""Where the fingers begin."""


class Biomechanics(nn.Module):
    """Three penalties: on lengths of bones, on the structure of the palm, on how joints bend.

    Without limits, which `learn` estimates, nothing is penalised. They are part of the weights.
    """

    lengths: Tensor
    palm: Tensor
    hulls: Tensor

    def __init__(self) -> None:
        super().__init__()
        anything = torch.tensor([-torch.inf, torch.inf])
        self.register_buffer("lengths", anything.repeat(20, 1))
        self.register_buffer("palm", anything.repeat(8, 1))
        self.register_buffer("hulls", torch.full((15, DIRECTIONS), torch.inf))

    @torch.no_grad()
    def learn(self, joints: Float[Tensor, "hands 21 3"]) -> None:
        """Take the limits from joints of known hands, in the unit of those to be penalised."""
        for limits, values in ((self.lengths, bone_lengths(joints)), (self.palm, palm_structure(joints))):
            limits.copy_(torch.stack([values.amin(0), values.amax(0)], -1))
        self.hulls.copy_(_along(bend_angles(joints)).amax(0))

    def forward(self, joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch 3"]:
        """Mean distance to what is allowed: of lengths, of the palm's curvatures and angles, of joint angles [rad].

        A joint's angles are measured across the side of its polygon that they are farthest beyond.
        """
        beyond = _along(bend_angles(joints)) - self.hulls
        return torch.stack(
            [
                _outside(bone_lengths(joints), self.lengths).mean(-1),
                _outside(palm_structure(joints), self.palm).mean(-1),
                beyond.amax(-1).clamp_min(0).mean(-1),
            ],
            -1,
        )


def bones(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 20 3"]:
    """From each joint's parent to it."""
    return joints[..., 1:, :] - joints[..., list(PARENTS_21[1:]), :]


def bone_lengths(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 20"]:
    return _norm(bones(joints))


def palm_structure(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 8"]:
    """Curvature between neighbouring root bones (equation 8), four, and the angles between them, four [rad]."""
    root = joints[..., list(ROOTS), :] - joints[..., :1, :]
    edge = _edge_normals(root)
    step, turn = root.diff(dim=-2), edge.diff(dim=-2)
    curvature = (turn * step).sum(-1) / step.square().sum(-1).clamp_min(1e-8)
    a, b = _unit(root[..., :-1, :]), _unit(root[..., 1:, :])
    angle = torch.atan2(_norm(torch.linalg.cross(a, b)), (a * b).sum(-1))
    return torch.cat([curvature, angle], -1)


def bend_angles(joints: Float[Tensor, "*batch 21 3"]) -> Float[Tensor, "*batch 15 2"]:
    """Flexion and abduction of the 15 bones beyond the palm, each in the frame of the bone before it [rad].

    A finger's first frame has the root bone as its z axis, and x towards the palm's normal there; it is carried along
    by the smallest rotation from bone to bone.
    """
    root = joints[..., list(ROOTS), :] - joints[..., :1, :]
    z = _unit(root)
    normal = _edge_normals(root)
    x = _unit(normal - (normal * z).sum(-1, keepdim=True) * z)
    y = torch.linalg.cross(z, x)
    found = []
    for step in range(3):
        ends = [start + step + 1 for start in ROOTS]
        bone = _unit(joints[..., ends, :] - joints[..., [end - 1 for end in ends], :])
        along_x, along_y, along_z = ((bone * axis).sum(-1) for axis in (x, y, z))
        flexion = torch.atan2(along_x, along_z)
        abduction = torch.atan2(along_y, _norm(torch.stack([along_x, along_z], -1)))
        found.append(torch.stack([flexion, abduction], -1))
        x, y = (_carried(axis, z, bone) for axis in (x, y))
        z = bone
    return torch.stack(found, -2).flatten(-3, -2)


def _edge_normals(root: Float[Tensor, "*batch 5 3"]) -> Float[Tensor, "*batch 5 3"]:
    """Of each root bone: the mean of the normals of the planes that it spans with its neighbours."""
    plane = _unit(torch.linalg.cross(root[..., 1:, :], root[..., :-1, :]))
    return torch.cat([plane[..., :1, :], _unit(plane[..., 1:, :] + plane[..., :-1, :]), plane[..., -1:, :]], -2)


def _carried(v: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """A vector turned by the smallest rotation from unit vector a to b."""
    cosine = (a * b).sum(-1, keepdim=True)
    middle = a + b
    return (
        v
        - middle * (v * middle).sum(-1, keepdim=True) / (1 + cosine).clamp_min(1e-4)
        + 2 * b * (v * a).sum(-1, keepdim=True)
    )


def _along(angles: Float[Tensor, "*batch 15 2"]) -> Float[Tensor, "*batch 15 directions"]:
    """How far angles lie in each of the directions of a polygon's sides."""
    turn = torch.arange(DIRECTIONS, device=angles.device, dtype=angles.dtype) * (2 * math.pi / DIRECTIONS)
    return angles @ torch.stack([turn.cos(), turn.sin()])


def _outside(values: Float[Tensor, "*batch n"], limits: Float[Tensor, "n 2"]) -> Float[Tensor, "*batch n"]:
    low, high = limits.unbind(-1)
    return (low - values).clamp_min(0) + (values - high).clamp_min(0)


def _norm(v: Tensor) -> Tensor:
    return v.square().sum(-1).clamp_min(1e-12).sqrt()


def _unit(v: Tensor) -> Tensor:
    return v / _norm(v)[..., None]
