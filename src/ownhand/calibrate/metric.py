"""What a change of shape does to the mesh of a bent hand: linear for a fixed pose, so ten numbers tell everything."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.model import HandModel


def mesh_jacobian(
    model: HandModel, R_parent_joint: Float[Tensor, "*batch 15 3 3"]
) -> Float[Tensor, "*batch verts 3 shapes"]:
    """Derivative of the posed mesh, seen from the wrist, by shape [m].

    For fixed rotations the mesh is affine in shape: pose correctives depend on the pose alone, and both the rest mesh
    and its joints are linear in shape. So each basis mesh goes through the skinning as if it were a hand. The
    orientation of the whole hand is left out, as it changes no length.

    Args:
        model: Hand model.
        R_parent_joint: Rotations of the 15 joints other than the wrist.

    Returns:
        A with `M(beta) - M(0) = A beta`, float64, in the frame of the wrist.
    """
    basis, weights = model.shape_basis.double(), model.skin_weights.double()
    joints = torch.einsum("jv,vcs->sjc", model.joint_regressor.double(), basis)
    R = R_parent_joint.double().flatten(0, -4) if R_parent_joint.ndim > 3 else R_parent_joint.double()[None]
    R = torch.cat([torch.eye(3).to(R).expand(len(R), 1, 3, 3), R], 1)
    T = forward_kinematics(R[:, None], joints, model.parents)
    R_model_joint, positions = T[:, 0, :, :3, :3], T[..., :3, 3]
    moved = positions - positions[..., :1, :] - (R_model_joint[:, None] @ joints[..., None])[..., 0]
    # Vertices lead, so that each multiplies its own basis once for all poses.
    blended_R = (weights @ R_model_joint.movedim(1, 0).flatten(1)).unflatten(1, (-1, 3))
    blended_t = (weights @ moved.permute(2, 0, 3, 1).flatten(1)).unflatten(1, (-1, len(joints)))
    A = torch.baddbmm(blended_t, blended_R, basis).unflatten(1, (-1, 3)).movedim(1, 0)
    return A.reshape(*R_parent_joint.shape[:-3], *A.shape[1:])


def shape_metric(
    model: HandModel, R_parent_joint: Float[Tensor, "*batch 15 3 3"]
) -> Float[Tensor, "*batch shapes shapes"]:
    """H with `e' H e` the mean squared distance between vertices of two hands whose shapes differ by e [m^2].

    Both hands are in the given pose and share the wrist. `H = A' A / verts`, where A is the `mesh_jacobian`.
    """
    A = mesh_jacobian(model, R_parent_joint).flatten(-3, -2)
    return A.mT @ A / len(model.template)
