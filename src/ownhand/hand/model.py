"""A hand as three staged values: `HandModel` (anyone) -> `ShapedHand` (someone) -> `PosedHand` (someone, here and now).

A hand model is data: MANO, the built-in hand and the small hand of the tests are values of one type. Every hand is a
right hand; `HandModel.mirrored` makes the left one for output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.hand.kinematics import forward_kinematics, skin
from ownhand.hand.skeleton import PARENTS_16, ROTATING_21, TIPS_21
from ownhand.structs import TensorStruct

FROM_THE_BACK = ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
"""R_cam_root of the open hand seen from its back, fingers up."""


@dataclass(frozen=True, kw_only=True)
class HandPose(TensorStruct):
    """Where a hand is and how it is bent.

    Attributes:
        R_cam_root: Orientation of the hand: from the model frame to the camera frame.
        R_parent_joint: Rotation of the 15 joints other than the wrist, each in its parent's frame.
        t_cam_root: Position of the wrist joint in the camera frame [m].
    """

    R_cam_root: Float[Tensor, "*batch 3 3"]
    R_parent_joint: Float[Tensor, "*batch 15 3 3"]
    t_cam_root: Float[Tensor, "*batch 3"]


@dataclass(frozen=True, kw_only=True)
class PosedHand(TensorStruct):
    """A hand in the camera frame.

    Attributes:
        verts: Mesh vertices [m].
        joints: The 21 joints [m]: 16 moved by the skeleton, 5 fingertip vertices.
    """

    verts: Float[Tensor, "*batch verts 3"]
    joints: Float[Tensor, "*batch 21 3"]


@dataclass(frozen=True, kw_only=True)
class HandModel(TensorStruct):
    """A MANO-type hand model (Romero et al. 2017), right hand.

    Attributes:
        id: Name and content hash of the data: shapes of one model mean nothing to another.
        template: Mean hand at rest [m].
        shape_basis: Vertex displacement per standard deviation of each shape coefficient [m].
        pose_basis: Vertex displacement per entry of the 15 matrices R - I, row by row [m].
        joint_regressor: Joints of the rest hand as weighted means of vertices; rows sum to 1.
        skin_weights: Share of each joint in each vertex; rows sum to 1.
        faces: Triangles, counter-clockwise seen from outside.
        pose_mean: Mean pose, axis-angle per joint [rad].
        pose_components: Principal directions of pose, one per row, axis-angle [rad].
        tips: Fingertip vertices, thumb to little.
        parents: Parent of each of the 16 joints.
        uv: Texture coordinates in [0, 1], v downwards; None if the model has none.
        uv_faces: Texture coordinates of each face's corners.
        axes: Anatomical axes of the 15 joints at rest: columns are twist (along the bone), abduction, flexion.
    """

    id: str
    template: Float[Tensor, "verts 3"]
    shape_basis: Float[Tensor, "verts 3 shapes"]
    pose_basis: Float[Tensor, "verts 3 135"]
    joint_regressor: Float[Tensor, "16 verts"]
    skin_weights: Float[Tensor, "verts 16"]
    faces: Int[Tensor, "faces 3"]
    pose_mean: Float[Tensor, "45"]
    pose_components: Float[Tensor, "components 45"]
    tips: tuple[int, int, int, int, int]
    parents: tuple[int, ...] = PARENTS_16
    uv: Float[Tensor, "uvs 2"] | None = None
    uv_faces: Int[Tensor, "faces 3"] | None = None
    axes: Float[Tensor, "15 3 3"] | None = None

    def shaped(self, shape: Float[Tensor, "*batch shapes"]) -> ShapedHand:
        """The rest hand of a person.

        Args:
            shape: Shape coefficients beta, in standard deviations.
        """
        verts = self.template + torch.einsum("vcs,...s->...vc", self.shape_basis, shape)
        return ShapedHand(model=self, verts=verts, joints_16=self.joint_regressor @ verts)

    def rotations_from_pca(self, coefficients: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch 15 3 3"]:
        """Joint rotations from the first n pose PCA coefficients (MANO's pose space, mean pose added)."""
        components = self.pose_components[: coefficients.shape[-1]]
        rotvec = self.pose_mean + coefficients @ components
        return roma.rotvec_to_rotmat(rotvec.unflatten(-1, (15, 3)))

    def joints_of_mesh(self, verts: Float[Tensor, "*batch verts 3"]) -> Float[Tensor, "*batch 21 3"]:
        """The 21 joints as the regressor and the fingertips give them of a bent mesh [m].

        The regressor is made for rest meshes: inside a bent finger its joints lie a little off the skeleton's.
        """
        return _with_tips(self.joint_regressor.to(verts) @ verts, verts, self.tips)

    def mirrored(self) -> HandModel:
        """The left hand: reflected in x, with the faces turned so that they still look outwards.

        A right pose (R, t) becomes the left pose (M R M, M t) with M = diag(-1, 1, 1): see `mirror_pose`.
        """
        M = self.template.new_tensor([-1.0, 1.0, 1.0])
        feature_sign = (M[:, None] * M).flatten().repeat(15)
        rotvec_sign = (-M).repeat(15)
        return replace(
            self,
            id=self.id + "-left",
            template=self.template * M,
            shape_basis=self.shape_basis * M[:, None],
            pose_basis=self.pose_basis * M[:, None] * feature_sign,
            faces=self.faces.flip(-1),
            uv_faces=None if self.uv_faces is None else self.uv_faces.flip(-1),
            pose_mean=self.pose_mean * rotvec_sign,
            pose_components=self.pose_components * rotvec_sign,
            axes=None if self.axes is None else self.axes * M[:, None] * self.axes.new_tensor([1.0, -1.0, -1.0]),
        )


def mirror_pose(pose: HandPose) -> HandPose:
    """The pose of the mirrored hand in the mirrored picture (left and right exchanged; its own inverse)."""
    M = pose.t_cam_root.new_tensor([-1.0, 1.0, 1.0])
    sign = M[:, None] * M
    return HandPose(
        R_cam_root=pose.R_cam_root * sign,
        R_parent_joint=pose.R_parent_joint * sign,
        t_cam_root=pose.t_cam_root * M,
    )


@dataclass(frozen=True, kw_only=True)
class ShapedHand(TensorStruct):
    """A person's hand at rest.

    Attributes:
        model: Where the shape comes from.
        verts: Rest vertices [m], model frame.
        joints_16: Rest positions of the rotating joints [m].
    """

    model: HandModel
    verts: Float[Tensor, "*batch verts 3"]
    joints_16: Float[Tensor, "*batch 16 3"]

    @property
    def joints(self) -> Float[Tensor, "*batch 21 3"]:
        """The 21 joints of the rest hand [m]."""
        return _with_tips(self.joints_16, self.verts, self.model.tips)

    def posed(self, pose: HandPose) -> PosedHand:
        """Bend the hand and place it before the camera. Batch axes of hand and pose broadcast.

        MANO places the mesh by another translation: theirs is `t_cam_root - J_0(beta)`.
        """
        model = self.model
        features = (pose.R_parent_joint - torch.eye(3).to(pose.R_parent_joint)).flatten(-3)
        offsets = (features @ model.pose_basis.flatten(0, 1).mT).unflatten(-1, (-1, 3))
        R_root = torch.eye(3).to(features).expand(*pose.R_parent_joint.shape[:-3], 1, 3, 3)
        R = torch.cat([R_root, pose.R_parent_joint], -3)
        T_model_joint = forward_kinematics(R, self.joints_16, model.parents)
        verts = skin(self.verts + offsets, T_model_joint, self.joints_16, model.skin_weights)
        joints = _with_tips(T_model_joint[..., :3, 3], verts, model.tips)
        wrist = self.joints_16[..., :1, :]
        return PosedHand(
            verts=(verts - wrist) @ pose.R_cam_root.mT + pose.t_cam_root[..., None, :],
            joints=(joints - wrist) @ pose.R_cam_root.mT + pose.t_cam_root[..., None, :],
        )


def at_rest(frames: int) -> HandPose:
    """Hands that do nothing, the wrist at the origin."""
    eye = torch.eye(3)
    return HandPose(
        R_cam_root=eye.expand(frames, 3, 3),
        R_parent_joint=eye.expand(frames, 15, 3, 3),
        t_cam_root=torch.zeros(frames, 3),
    )


def _with_tips(
    joints_16: Float[Tensor, "*#batch 16 3"], verts: Float[Tensor, "*#batch verts 3"], tips: tuple[int, ...]
) -> Float[Tensor, "*#batch 21 3"]:
    """Sort 16 joints and 5 fingertip vertices into the order of the 21 joints."""
    batch = torch.broadcast_shapes(joints_16.shape[:-2], verts.shape[:-2])
    joints = torch.cat([joints_16.expand(*batch, 16, 3), verts[..., list(tips), :].expand(*batch, 5, 3)], -2)
    order = [0] * 21
    for place, joint in enumerate((*ROTATING_21, *TIPS_21)):
        order[joint] = place
    return joints[..., order, :]
