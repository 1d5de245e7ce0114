"""The 21 joints of one person's hand without the rest of the mesh, and their exact derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.model import HandModel, ShapedHand
from ownhand.hand.skeleton import ROTATING_21, TIPS_21
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class JointChain(TensorStruct):
    """What moves the 21 joints: 16 ride on the skeleton, the fingertips are skinned vertices with pose correctives.

    Attributes:
        pivots: The 16 rotating joints of the rest hand, relative to the wrist [m].
        rest: The 21 joints of the rest hand, relative to the wrist [m].
        basis: Displacement of the 21 per entry of the 15 matrices R - I [m]; zero but for fingertips.
        weights: Share of each of the 16 joints in each of the 21.
        pairs: Which of the 21 is moved by which of the 16 when that turns; the first 21 pairs are with the wrist.
        shares: For each pair, the same shares, but only those of the joints that follow its joint (itself included).
        parents: Parent of each of the 16 joints.
    """

    pivots: Float[Tensor, "*batch 16 3"]
    rest: Float[Tensor, "*batch 21 3"]
    basis: Float[Tensor, "21 3 15 3 3"]
    weights: Float[Tensor, "21 16"]
    pairs: Int[Tensor, "2 pairs"]
    shares: Float[Tensor, "pairs 16"]
    parents: tuple[int, ...]

    @classmethod
    def of(cls, hand: ShapedHand) -> JointChain:
        """The chain of a shaped hand."""
        model, wrist = hand.model, hand.joints_16[..., :1, :]
        weights = torch.zeros(21, 16).to(hand.verts)
        weights[list(ROTATING_21), range(16)] = 1
        weights[list(TIPS_21)] = model.skin_weights[list(model.tips)]
        basis = torch.zeros(21, 3, 135).to(hand.verts)
        basis[list(TIPS_21)] = model.pose_basis[list(model.tips)]
        follows = torch.eye(16).to(hand.verts)
        for joint, parent in enumerate(model.parents[1:], start=1):
            follows[:, joint] += follows[:, parent]
        shares = weights * follows[:, None]  # joint, point, joint that follows
        pairs = shares.any(-1).nonzero().mT.flip(0)
        return cls(
            pivots=hand.joints_16 - wrist,
            rest=hand.joints - wrist,
            basis=basis.unflatten(-1, (15, 3, 3)),
            weights=weights,
            pairs=pairs,
            shares=shares[pairs[1], pairs[0]],
            parents=model.parents,
        )

    def joints(self, R: Float[Tensor, "*#batch 16 3 3"]) -> Float[Tensor, "*batch 21 3"]:
        """The 21 joints relative to the wrist [m], in the frame of the first rotation's parent (the camera).

        Args:
            R: Rotation of each of the 16 joints in its parent's frame, the wrist's (`R_cam_root`) first.
        """
        blended = (self.weights @ self._motions(R)[0]).unflatten(-1, (3, 4))
        return (blended[..., :3] @ self._corrected(R)[..., None])[..., 0] + blended[..., 3]

    def joints_and_jacobian(
        self, R: Float[Tensor, "batch 16 3 3"]
    ) -> tuple[Float[Tensor, "batch 21 3"], Float[Tensor, "batch 21 3 48"]]:
        """The joints as `joints` gives them, and their derivatives.

        Turning joint a by R_a exp(delta_a) turns all that follows about a's place p_a. With x_j the point carried
        by joint j and w_j its share, the point sum_j w_j x_j moves by

            (G_a delta_a) x sum_{j follows a} w_j (x_j - p_a)

        for the model-to-camera rotation G_a of joint a. A fingertip also moves with its correctives.

        Args:
            R: As in `joints`, with one batch axis.

        Returns:
            Joints [m] and their derivatives with respect to the 16 delta at zero [m/rad].
        """
        motions, T = self._motions(R)
        points, joints = self.pairs
        blended = (self.shares @ motions).unflatten(-1, (3, 4))
        corrected = self._corrected(R)[:, points]
        carried = (blended[..., :3] @ corrected[..., None])[..., 0] + blended[..., 3]
        lever = carried - self.shares.sum(-1, keepdim=True) * T[:, joints, :3, 3]
        axes = T[..., :3, :3].mT.contiguous()[:, joints]
        columns = torch.linalg.cross(axes, lever[..., None, :], dim=-1)
        jacobian = columns.new_zeros(len(R), 21, 16, 3, 3)  # point, joint, axis, xyz
        jacobian[:, points, joints] = columns
        tips = list(TIPS_21)
        turned = _turned(self.basis[tips], R[:, 1:])
        jacobian[:, tips, 1:] += torch.einsum("npxy,npyjk->npjkx", blended[:, tips, :, :3], turned)
        return carried[:, :21], jacobian.flatten(2, 3).mT

    def _motions(self, R: Tensor) -> tuple[Tensor, Tensor]:
        """Rigid motion of each joint as a flat 3 x 4 matrix, and the joint frames."""
        T = forward_kinematics(R, self.pivots, self.parents)
        G = T[..., :3, :3]
        t = T[..., :3, 3] - (G @ self.pivots[..., None])[..., 0]
        return torch.cat([G, t[..., None]], -1).flatten(-2), T

    def _corrected(self, R: Tensor) -> Tensor:
        """The 21 rest points with the fingertips' pose correctives."""
        features = (R[..., 1:, :, :] - torch.eye(3).to(R)).flatten(-3)
        return self.rest + (features @ self.basis.flatten(2).flatten(0, 1).mT).unflatten(-1, (21, 3))


def joints_by_shape(model: HandModel, R: Float[Tensor, "batch 16 3 3"]) -> Float[Tensor, "batch 21 3 shapes"]:
    """Derivatives of the 21 joints, seen from the wrist, by shape [m]; for fixed rotations joints are affine in shape.

    Args:
        model: Hand model.
        R: As in `JointChain.joints`.
    """
    mean = JointChain.of(model.shaped(torch.zeros_like(model.shape_basis[0, 0])))
    one = JointChain.of(model.shaped(torch.eye(model.shape_basis.shape[-1]).to(model.template)))
    no_correctives = torch.zeros_like(mean.basis)
    by_shape = replace(one, pivots=one.pivots - mean.pivots, rest=one.rest - mean.rest, basis=no_correctives)
    return by_shape.joints(R[:, None]).movedim(1, -1)


def _turned(basis: Float[Tensor, "5 3 15 3 3"], R: Float[Tensor, "batch 15 3 3"]) -> Float[Tensor, "batch 5 3 15 3"]:
    """Change of `basis . R_j exp(delta_j)` with delta_j: basis . R_j [e_k]x."""
    a = torch.einsum("pxjrc,njrs->npxjsc", basis, R)
    pairs = [a[..., 2, 1] - a[..., 1, 2], a[..., 0, 2] - a[..., 2, 0], a[..., 1, 0] - a[..., 0, 1]]
    return torch.stack(pairs, -1)
