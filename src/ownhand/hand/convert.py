"""A person's shape in the coefficients of another hand model, such as MANO's betas of ours, and back.

Two models share no vertex and no rest pose, but what they call joints lies in about the same places. So the lengths
that no bend of a finger changes are made to agree.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.identity import Identity
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import JOINTS, KNUCKLES, PARENTS_21

AGREE_MM = 0.5
"""Standard deviation that is granted to a length [mm]: weighs lengths against people's N(0, 1)."""

PALM = (0, JOINTS.index("thumb_cmc"), *KNUCKLES)
"""Joints that a bend of the fingers moves hardly, if at all, to each other."""

STEPS = 30


def rest_lengths_mm(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch 30"]:
    """The 15 bones of the fingers, to the fingertips, and the 15 distances between wrist and bases of the fingers."""
    joints = model.shaped(shape).joints
    bones = [(parent, joint) for joint, parent in enumerate(PARENTS_21) if parent > 0]
    across = [(a, b) for i, a in enumerate(PALM) for b in PALM[i + 1 :]]
    start, end = (list(side) for side in zip(*bones, *across, strict=True))
    return (joints[..., end, :] - joints[..., start, :]).norm(dim=-1) * 1000


def converted(identity: Identity, source: HandModel, target: HandModel) -> tuple[Identity, Float[Tensor, "30"]]:
    """The same person's identity for another hand model.

    Minimised is `|l_target(b) - l_source(beta)|^2 / AGREE_MM^2 + |b|^2` (Gauss-Newton), l being `rest_lengths_mm`. Its
    curvature says what the lengths leave open; the error of beta is carried over by the derivatives.

    Args:
        identity: Of one person.
        source: Its hand model.
        target: The other one, right or left.

    Returns:
        The identity without evidence, which means nothing to the other model; and by how much its lengths differ [mm].

    Raises:
        ValueError: The identity belongs to another model than `source`.
    """
    identity.check_model(source)
    source, target, shape = source.to(torch.float64), target.to(torch.float64), identity.shape.double()
    wanted = rest_lengths_mm(source, shape)

    def by_shape(model: HandModel, at: Float[Tensor, "shapes"]) -> Float[Tensor, "30 shapes"]:
        J: Any = torch.autograd.functional.jacobian(lambda b: rest_lengths_mm(model, b), at)
        return J

    found = torch.zeros_like(target.shape_basis[0, 0])
    open_, back = torch.eye(len(found)).to(found), torch.zeros_like(found)
    for _ in range(STEPS):
        J = by_shape(target, found)
        open_ = torch.linalg.inv(J.mT @ J / AGREE_MM**2 + torch.eye(len(found)).to(found))
        back = open_ @ J.mT / AGREE_MM**2
        step = back @ (wanted - rest_lengths_mm(target, found) + J @ found) - found
        found = found + step
        if step.abs().max() < 1e-9:
            break
    covariance = None
    if identity.covariance is not None:
        carried = back @ by_shape(source, shape)
        covariance = carried @ identity.covariance.double() @ carried.mT + open_
        covariance = (covariance + covariance.mT) / 2
    answer = Identity(shape=found, covariance=covariance, model_id=target.id.removesuffix("-left"))
    return answer, rest_lengths_mm(target, found) - wanted
