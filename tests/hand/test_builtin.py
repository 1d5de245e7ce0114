"""The open hand: anatomy, shape space, mesh."""

from importlib import resources

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import nail_mask, open_hand
from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.model import HandPose
from ownhand.synth.people.population import draw_people
from ownhand.synth.poses.mixture import sample_poses

# Buryanov & Kotiuk 2010, thumb to little [mm]; 4 mm of pulp on the last.
BONES = torch.tensor(
    [[46.2, 31.6, 21.7], [39.8, 22.4, 15.8], [44.6, 26.3, 17.4], [41.4, 25.7, 17.3], [32.7, 18.1, 16.0]]
) + torch.tensor([0.0, 0.0, 4.0])
SMALLEST_FACE = 0.1e-6  # square metres


@pytest.fixture(scope="module")
def hand():
    return open_hand()


@pytest.fixture(scope="module")
def long_hand():
    return open_hand(forearm=True)


def boundary(faces: torch.Tensor) -> torch.Tensor:
    """Edges that belong to one face only."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(-1).values
    unique, count = edges.unique(dim=0, return_counts=True)
    assert count.max() == 2
    return unique[count == 1]


def loops(edges: torch.Tensor) -> int:
    """Number of closed loops that the edges form; every vertex must have two."""
    assert (edges.flatten().unique(return_counts=True)[1] == 2).all()
    links = {v: edges[(edges == v).any(1)].flatten().tolist() for v in edges.flatten().unique().tolist()}
    count = 0
    while links:
        count, queue = count + 1, [next(iter(links))]
        while queue:
            queue += links.pop(queue.pop(), [])
    return count


def areas(verts: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Normals as long as the faces' areas."""
    p = verts[..., faces, :]
    return torch.linalg.cross(p[..., 1, :] - p[..., 0, :], p[..., 2, :] - p[..., 0, :]) / 2


def test_the_file_is_small_and_carries_its_licence():
    folder = resources.files("ownhand.hand")
    assert len(folder.joinpath("open_hand.npz").read_bytes()) < 1.5e6
    assert "CC0" in folder.joinpath("OPEN_HAND_LICENSE.txt").read_text()
    with folder.joinpath("open_hand.npz").open("rb") as file:
        assert "CC0" in str(np.load(file, allow_pickle=False)["notice"])


def test_bones_of_the_mean_hand_have_their_anatomical_lengths(hand):
    joints = hand.shaped(torch.zeros(10)).joints[1:].unflatten(0, (5, 4))
    lengths_mm = 1000 * joints.diff(dim=1).norm(dim=-1)
    assert (lengths_mm - BONES).abs().max() < 1.5


def test_rest_frame_is_distal_radial_dorsal_with_the_wrist_at_the_origin(hand):
    joints = hand.shaped(torch.zeros(10)).joints
    assert joints[0].norm() < 1e-4
    middle_mcp = joints[9] / joints[9].norm()
    assert middle_mcp[0] > 0.9999
    assert joints[5, 1] > joints[9, 1] > joints[13, 1] > joints[17, 1]  # index to little: radial to ulnar
    assert joints[4, 1] > 0.05  # the thumb's tip is radial
    nails = hand.template[nail_mask() > 0.5]
    index_nail = nails[(nails - joints[8]).norm(dim=-1) < 0.02]
    assert index_nail[:, 2].mean() > joints[8, 2]  # nails are dorsal


@pytest.mark.parametrize("forearm", [False, True])
def test_weights_and_regressor_are_sparse_means(forearm):
    model = open_hand(forearm=forearm)
    for rows in (model.skin_weights, model.joint_regressor):
        assert (rows >= 0).all()
        torch.testing.assert_close(rows.sum(-1), torch.ones(len(rows)), atol=1e-5, rtol=0)
    assert ((model.skin_weights > 0).sum(-1) <= 4).all()
    assert ((model.joint_regressor > 0).sum(-1) <= 40).all()


def test_wrist_ends_in_one_closed_nearly_planar_loop(hand):
    edges = boundary(hand.faces)
    assert loops(edges) == 1
    rim = hand.template[edges.unique()]
    off_plane = torch.linalg.svdvals(rim - rim.mean(0))[2] / len(rim) ** 0.5
    assert off_plane < 0.002


def test_forearm_comes_after_the_hand_and_stays_attached_for_everybody(hand, long_hand):
    n, f, u = len(hand.template), len(hand.faces), len(hand.uv)
    for name, rows in (("template", n), ("shape_basis", n), ("pose_basis", n), ("skin_weights", n), ("faces", f)):
        assert torch.equal(getattr(long_hand, name)[:rows], getattr(hand, name)), name
    assert torch.equal(long_hand.uv[:u], hand.uv)
    assert torch.equal(long_hand.joint_regressor[:, :n], hand.joint_regressor)
    assert not long_hand.joint_regressor[:, n:].any()
    assert (long_hand.skin_weights[n:, 0] == 1).all()
    assert long_hand.id == hand.id
    edges = boundary(long_hand.faces)
    assert loops(edges) == 1  # at the elbow; none is left at the wrist
    assert long_hand.template[edges.unique(), 0].max() < -0.17


def test_coefficient_0_is_size_and_the_others_leave_size_alone(hand):
    T, B = hand.template.double(), hand.shape_basis.double()
    scale = (B[..., 0] * T).sum() / (T * T).sum()
    torch.testing.assert_close(B[..., 0], scale * T, atol=1e-8, rtol=0)
    assert (torch.einsum("vck,vc->k", B[..., 1:], T) / (T * T).sum()).abs().max() < 1e-6
    variance = B[..., 1:].square().sum((0, 1))
    assert (variance.diff() < 0).all()


def test_everybodys_wrist_stays_at_the_origin(hand):
    shape, _ = draw_people(200, seed=3)
    assert hand.shaped(shape).joints_16[:, 0].norm(dim=-1).max() < 3e-4


def test_texture_coordinates_fill_the_unit_square_without_flips(long_hand):
    uv = long_hand.uv[long_hand.uv_faces].double()
    assert (uv >= 0).all()
    assert (uv <= 1).all()
    u, v = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2
    assert (area.sign() == area[0].sign()).all()
    assert area.abs().sum() > 0.35


def test_no_face_is_degenerate_or_flipped_over_many_people(long_hand):
    shape, _ = draw_people(1000, seed=7)
    rest = areas(long_hand.template, long_hand.faces)
    for some in shape.split(100):
        normals = areas(long_hand.shaped(some).verts, long_hand.faces)
        assert ((normals * rest).sum(-1) > 0).all()
        assert normals.norm(dim=-1).min() > SMALLEST_FACE


def test_no_face_is_degenerate_or_folds_over_many_people_and_poses(hand):
    """A face is folded if it is turned by more than a right angle from wherever its bones would turn it, each alone."""
    count, folded = 1000, 0
    shape, R = draw_people(count, seed=7)[0], sample_poses(count, 8, hand.axes)
    follows = hand.skin_weights[hand.faces].amax(1) > 0.02
    eyes = torch.eye(3).expand(50, 1, 3, 3)
    for some, R_parent_joint in zip(shape.split(50), R.split(50), strict=True):
        shaped = hand.shaped(some)
        pose = HandPose(R_cam_root=eyes[:, 0], R_parent_joint=R_parent_joint, t_cam_root=torch.zeros(50, 3))
        normals = areas(shaped.posed(pose).verts, hand.faces)
        T = forward_kinematics(torch.cat([eyes, R_parent_joint], 1), shaped.joints_16, hand.parents)
        rest = areas(shaped.verts, hand.faces)
        agreement = torch.einsum("bjxy,bfy,bfx->bfj", T[..., :3, :3], rest, normals)
        folded += (torch.where(follows, agreement, -torch.inf).amax(-1) <= 0).sum().item()
        assert normals.norm(dim=-1).min() > SMALLEST_FACE
    assert folded == 0
