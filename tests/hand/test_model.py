"""Shape, pose and skinning, on a small hand with random data."""

import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand.hand.model import HandModel, HandPose, mirror_pose
from ownhand.hand.skeleton import ROTATING_21, TIPS_21
from ownhand.structs import concatenate, stack


def slow_mesh(model: HandModel, shape: torch.Tensor, pose: HandPose) -> torch.Tensor:
    """The MANO equations (Romero et al. 2017, eq. 2-4), one vertex and one joint at a time."""
    rest = model.template + model.shape_basis @ shape
    joints = model.joint_regressor @ rest
    R = torch.cat([torch.eye(3, dtype=rest.dtype)[None], pose.R_parent_joint])
    frames = []
    for j, parent in enumerate(model.parents):
        local = torch.eye(4, dtype=rest.dtype)
        local[:3, :3] = R[j]
        local[:3, 3] = joints[j] - (joints[parent] if j else 0)
        frames.append(frames[parent] @ local if j else local)
    feature = torch.cat([(R[j] - torch.eye(3, dtype=rest.dtype)).reshape(9) for j in range(1, 16)])
    verts = torch.zeros_like(rest)
    for v in range(len(rest)):
        p = rest[v] + model.pose_basis[v] @ feature
        for j in range(16):
            moved = frames[j][:3, :3] @ (p - joints[j]) + frames[j][:3, 3]
            verts[v] += model.skin_weights[v, j] * moved
    return (verts - joints[0]) @ pose.R_cam_root.mT + pose.t_cam_root


@pytest.mark.parametrize("seed", range(3))
def test_mesh_equals_a_plain_loop_in_float64(seed):
    model, pose = toy_hand(dtype=torch.float64), random_pose(seed=seed, dtype=torch.float64)
    shape = torch.randn(10, dtype=torch.float64)
    torch.testing.assert_close(model.shaped(shape).posed(pose).verts, slow_mesh(model, shape, pose), atol=1e-12, rtol=0)


def test_rest_pose_returns_the_shaped_hand():
    model, shape = toy_hand(), torch.randn(10)
    hand = model.shaped(shape)
    eye = torch.eye(3)
    pose = HandPose(R_cam_root=eye, R_parent_joint=eye.expand(15, 3, 3), t_cam_root=hand.joints_16[0])
    torch.testing.assert_close(hand.posed(pose).verts, hand.verts)
    torch.testing.assert_close(hand.posed(pose).joints, hand.joints)


def test_bone_lengths_do_not_depend_on_pose():
    model = toy_hand()
    hand = model.shaped(torch.randn(10))
    joints = hand.posed(random_pose(50, bend=1.5)).joints[:, list(ROTATING_21)]
    for j in range(1, 16):
        bones = (joints[:, j] - joints[:, model.parents[j]]).norm(dim=-1)
        rest = (hand.joints_16[j] - hand.joints_16[model.parents[j]]).norm()
        torch.testing.assert_close(bones, rest.expand(50))


def test_wrist_is_where_the_pose_says():
    model, pose = toy_hand(), random_pose(7)
    torch.testing.assert_close(model.shaped(torch.randn(7, 10)).posed(pose).joints[:, 0], pose.t_cam_root)


def test_mesh_is_affine_in_shape_for_a_fixed_pose():
    model, pose = toy_hand(dtype=torch.float64), random_pose(dtype=torch.float64)
    a, b = torch.randn(2, 10, dtype=torch.float64)

    def mesh(s):
        return model.shaped(s).posed(pose).verts

    torch.testing.assert_close(mesh(0.3 * a + 0.7 * b), 0.3 * mesh(a) + 0.7 * mesh(b), atol=1e-14, rtol=0)


@pytest.mark.parametrize(
    ("shape_batch", "pose_batch"), [((), ()), ((4,), (4,)), ((), (3,)), ((2, 1), (2, 3)), ((5,), ())]
)
def test_any_leading_batch_axes_equal_one_by_one(shape_batch, pose_batch):
    model = toy_hand()
    shape, pose = torch.randn(*shape_batch, 10), random_pose(*pose_batch)
    batch = torch.broadcast_shapes(shape_batch, pose_batch)
    posed = model.shaped(shape).posed(pose)
    assert posed.verts.shape[:-2] == batch
    shape = shape.expand(*batch, 10).reshape(-1, 10)
    poses = [
        HandPose(R_cam_root=R, R_parent_joint=Rs, t_cam_root=t)
        for R, Rs, t in zip(
            pose.R_cam_root.expand(*batch, 3, 3).reshape(-1, 3, 3),
            pose.R_parent_joint.expand(*batch, 15, 3, 3).reshape(-1, 15, 3, 3),
            pose.t_cam_root.expand(*batch, 3).reshape(-1, 3),
            strict=True,
        )
    ]
    one_by_one = stack([model.shaped(s).posed(p) for s, p in zip(shape, poses, strict=True)])
    torch.testing.assert_close(posed.verts.reshape(-1, *posed.verts.shape[-2:]), one_by_one.verts)
    torch.testing.assert_close(posed.joints.reshape(-1, 21, 3), one_by_one.joints)


def test_gradients_are_right_at_random_and_at_zero_rotation():
    model = toy_hand(verts_per_joint=1, dtype=torch.float64)

    def joints(shape, rotvec, t):
        R = roma.rotvec_to_rotmat(rotvec)
        return model.shaped(shape).posed(HandPose(R_cam_root=R[0], R_parent_joint=R[1:], t_cam_root=t)).joints

    t = torch.tensor([0.0, 0.1, 0.5], dtype=torch.float64, requires_grad=True)
    shape = torch.randn(10, dtype=torch.float64, requires_grad=True)
    for rotvec in (torch.randn(16, 3, dtype=torch.float64), torch.zeros(16, 3, dtype=torch.float64)):
        assert torch.autograd.gradcheck(joints, (shape, rotvec.requires_grad_(), t), atol=1e-6)


def test_left_hand_is_the_mirror_image_of_the_right():
    model, pose, shape = toy_hand(), random_pose(6), torch.randn(6, 10)
    right = model.shaped(shape).posed(pose)
    left = model.mirrored().shaped(shape).posed(mirror_pose(pose))
    M = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(left.verts, right.verts * M)
    torch.testing.assert_close(left.joints, right.joints * M)
    left_pca = model.mirrored().rotations_from_pca(torch.ones(45))
    torch.testing.assert_close(left_pca, model.rotations_from_pca(torch.ones(45)) * (M[:, None] * M))


def test_mirroring_twice_changes_nothing():
    model, pose = toy_hand(), random_pose(2)
    torch.testing.assert_close(model.mirrored().mirrored().pose_basis, model.pose_basis)
    torch.testing.assert_close(mirror_pose(mirror_pose(pose)).R_parent_joint, pose.R_parent_joint)


def test_fingertips_are_vertices_and_the_rest_are_skeleton_joints():
    model, pose = toy_hand(), random_pose()
    posed = model.shaped(torch.zeros(10)).posed(pose)
    torch.testing.assert_close(posed.joints[list(TIPS_21)], posed.verts[list(model.tips)])


def test_structs_index_stack_and_concatenate_over_batch_axes_only():
    pose = random_pose(4, 3)
    assert pose[1].batch_shape == (3,)
    assert pose[:, 2].batch_shape == (4,)
    torch.testing.assert_close(stack([pose[i] for i in range(4)]).t_cam_root, pose.t_cam_root)
    assert concatenate([pose, pose]).batch_shape == (8, 3)
    model = toy_hand()
    hand = model.shaped(torch.randn(4, 10))
    assert hand[2].verts.shape == hand.verts.shape[1:]
    assert hand[2].model.template.shape == model.template.shape
    with pytest.raises(IndexError, match="no batch axis"):
        hand[2][0]
