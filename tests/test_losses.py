"""Losses: zero at the truth, positive elsewhere, and what they are said to be."""

from dataclasses import replace

import pytest
import torch
from toy import random_pose, toy_hand

from ownhand import losses
from ownhand.data.sample import HandSample
from ownhand.estimators.base import Auxiliary, Prediction
from ownhand.geometry.camera import Camera
from ownhand.metrics import hand_length

HAND = toy_hand()
SIZE, CELLS = (64, 64), (16, 16)
EVERYTHING = losses.PAPER | losses.DENSE | losses.KEYPOINTS | losses.CONFIDENCE


def samples(n: int = 3) -> HandSample:
    pose, shape = random_pose(n, seed=1), torch.randn(n, 10)
    pose.t_cam_root[:, :2] *= 0.2
    pose.t_cam_root[:, 0] += 0.5 * 40 / 68.6
    posed = HAND.shaped(shape).posed(pose)
    K = Camera.from_fov(50.0, SIZE).K
    K[0, 2] -= 40  # a crop 30 degrees off the optical axis
    camera = Camera(K=K.expand(n, 3, 3), size=SIZE)
    labels = torch.randint(0, 34, (n, *CELLS)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return HandSample(
        image=torch.zeros(n, 3, *SIZE),
        camera=camera,
        keypoints=camera.project(posed.joints),
        visible=torch.ones(n, 21, dtype=torch.bool),
        joints=posed.joints,
        pose=pose,
        shape=shape,
        subject=torch.zeros(n, dtype=torch.long),
        labels=labels.to(torch.uint8),
        depth=(labels > 1) * (450 + labels.float()),
    )


def perfect(sample: HandSample) -> tuple[Prediction, Auxiliary]:
    """The prediction of one who knows the truth."""
    at_origin = replace(sample.pose, t_cam_root=torch.zeros(len(sample), 3))
    posed = HAND.shaped(sample.shape).posed(at_origin)
    length, axis = hand_length(sample.joints)[:, None], sample.camera.crop_frame()[..., 2]
    relative = torch.einsum("bjc,bc->bj", sample.joints - sample.joints[:, :1], axis)
    prediction = Prediction(
        pose=at_origin,
        shape=sample.shape,
        joints=posed.joints,
        verts=posed.verts,
        keypoints=sample.keypoints,
        keypoint_depth=relative / length,
        scores=torch.zeros(len(sample), 2),
    )
    target = losses.heatmap_target(sample.keypoints / 4, *CELLS, sigma=1.0)
    labels, depth = sample.labels[:, 2::4, 2::4].long(), torch.zeros(len(sample), *CELLS)
    for b, row, col in (sample.depth[:, 2::4, 2::4] > 0).nonzero().tolist():
        pixel = torch.tensor([[4 * col + 2.0, 4 * row + 2.0]])
        seen = sample.camera[b].unproject(pixel, sample.depth[b, 4 * row + 2, 4 * col + 2, None] / 1000)[0]
        depth[b, row, col] = (seen - sample.joints[b, 0]) @ axis[b] / length[b, 0]
    auxiliary = Auxiliary(
        heatmap_logits=target.clamp_min(1e-30).log(),
        part_logits=40.0 * torch.nn.functional.one_hot(labels, 34).permute(0, 3, 1, 2),
        depth=depth,
    )
    return prediction, auxiliary


def terms(prediction, auxiliary, sample, weights=EVERYTHING):
    return losses.training_loss(prediction, auxiliary, sample, HAND, weights)


def test_every_loss_is_zero_at_the_truth():
    sample = samples()
    for name, value in terms(*perfect(sample), sample).items():
        if name not in ("total", "normals"):
            torch.testing.assert_close(value, torch.zeros(3), atol=2e-6, rtol=0, msg=name)


def test_normal_loss_is_zero_at_the_truth():
    sample = samples()
    verts = perfect(sample)[0].verts.double()
    torch.testing.assert_close(losses.normal_loss(verts, verts, HAND.faces), torch.zeros(3).double(), atol=1e-9, rtol=0)


def test_every_loss_is_positive_elsewhere():
    sample, other = samples(), replace(samples(), subject=None)
    other = replace(other, shape=torch.randn(3, 10), pose=random_pose(3, seed=9), keypoints=sample.keypoints + 9)
    other = replace(other, joints=other.joints.flip(0), labels=(sample.labels + 1) % 34)
    prediction, auxiliary = perfect(replace(other, subject=sample.subject))
    for name, value in terms(replace(prediction, scores=-torch.rand(3, 2)), auxiliary, sample).items():
        assert (value > 1e-3).all(), name


def test_total_is_the_weighted_sum_of_the_terms():
    sample = samples()
    prediction, auxiliary = perfect(replace(sample, shape=sample.shape + 1))
    found = terms(prediction, auxiliary, sample, {"verts": 2.0, "shape": 0.5})
    assert found.keys() == {"verts", "shape", "total"}
    torch.testing.assert_close(found["total"], 2 * found["verts"] + 0.5 * found["shape"])
    torch.testing.assert_close(found["shape"], torch.ones(3))


def test_the_papers_weights():
    assert losses.PAPER == {"verts": 1.0, "normals": 0.1, "edges": 1.0, "pose": 1.0, "shape": 1.0}


def test_a_sample_does_not_feel_the_others():
    sample = samples()
    weights = {name: w for name, w in EVERYTHING.items() if not name.startswith("rank")}
    prediction, auxiliary = perfect(samples())
    alone = terms(prediction[1:2], auxiliary[1:2], sample[1:2], weights)
    together = terms(prediction, auxiliary, sample, weights)
    for name in together:
        torch.testing.assert_close(together[name][1:2], alone[name], atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_missing_is_named(name):
    sample = samples()
    with pytest.raises(ValueError, match=r"expected (prediction|auxiliary|sample)\.\w+, got None"):
        terms(Prediction(), Auxiliary(), replace(sample, pose=None, shape=None), {name: 1.0})


def test_unknown_terms_are_refused():
    sample = samples()
    with pytest.raises(ValueError, match="no loss is named beauty: expected some of verts"):
        terms(*perfect(sample), sample, {"beauty": 1.0})


def test_losses_are_computed_in_full_precision_inside_autocast():
    sample = samples()
    prediction, auxiliary = perfect(replace(sample, shape=sample.shape + 1))
    with torch.autocast("cpu", torch.bfloat16):
        half = terms(prediction, auxiliary, sample)
    for name, value in terms(prediction, auxiliary, sample).items():
        torch.testing.assert_close(half[name], value, atol=0, rtol=0)


def test_vertex_loss_is_in_units_of_twenty_centimetres():
    verts = torch.zeros(2, 5, 3)
    torch.testing.assert_close(losses.vertex_loss(verts + 0.1, verts), torch.full((2,), 0.5))


def test_mesh_losses_equal_a_plain_loop():
    faces = HAND.faces[:20]
    verts, truth = torch.randn(2, 2, len(HAND.template), 3, dtype=torch.float64)
    cosines, lengths = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for b in range(2):
        for i, j, k in faces.tolist():
            normal = torch.linalg.cross(truth[b, j] - truth[b, i], truth[b, k] - truth[b, i])
            for start, end in ((i, j), (j, k), (k, i)):
                edge, true_edge = verts[b, end] - verts[b, start], truth[b, end] - truth[b, start]
                cosines[b] += (edge @ normal).abs() / edge.norm() / normal.norm() / 60
                lengths[b] += (edge.norm() - true_edge.norm()).abs() / 0.2 / 60
    torch.testing.assert_close(losses.normal_loss(verts, truth, faces), cosines)
    torch.testing.assert_close(losses.edge_loss(verts, truth, faces), lengths)


def test_pose_loss_counts_the_root_like_any_other_joint():
    pose, other = random_pose(2), random_pose(2, seed=1)
    difference = (pose.R_cam_root - other.R_cam_root)[..., :2].abs().mean((-2, -1)) / 16
    torch.testing.assert_close(losses.pose_loss(pose, replace(pose, R_cam_root=other.R_cam_root)), difference)
    difference = (pose.R_parent_joint - other.R_parent_joint)[..., :2].abs().mean((-3, -2, -1)) * 15 / 16
    torch.testing.assert_close(losses.pose_loss(pose, replace(pose, R_parent_joint=other.R_parent_joint)), difference)


def test_gradients_are_right():
    verts = torch.randn(2, len(HAND.template), 3, dtype=torch.float64)
    predicted = torch.randn_like(verts).requires_grad_()
    faces = HAND.faces[:8]
    checked = [
        (lambda x: losses.normal_loss(x, verts, faces), predicted),
        (lambda x: losses.edge_loss(x, verts, faces), predicted),
        (lambda x: losses.heatmap_loss(x, torch.tensor([[[9.0, 20.0]]]).double(), SIZE), torch.randn(1, 1, 6, 6)),
        (lambda x: losses.part_loss(x, torch.tensor([[[0, 1], [2, 2]]])), torch.randn(1, 3, 2, 2)),
    ]
    for function, at in checked:
        assert torch.autograd.gradcheck(function, (at.detach().double().requires_grad_(),))


def test_a_flat_triangle_gives_finite_gradients():
    verts = torch.zeros(1, 3, 3, requires_grad=True)
    faces, truth = torch.tensor([[0, 1, 2]]), torch.eye(3)[None]
    (losses.normal_loss(verts, truth, faces) + losses.edge_loss(verts, truth, faces)).sum().backward()
    assert verts.grad.isfinite().all()


def test_heatmap_target_is_a_probability_with_its_mean_at_the_joint():
    cells = torch.rand(50, 2) * 8 + 4
    target = losses.heatmap_target(cells, *CELLS, sigma=1.0)
    torch.testing.assert_close(target.sum((-2, -1)), torch.ones(50))
    centres = torch.arange(16) + 0.5
    mean = torch.stack([target.sum(-2) @ centres, target.sum(-1) @ centres], -1)
    torch.testing.assert_close(mean, cells, atol=2e-3, rtol=0)


def test_a_joint_outside_the_picture_asks_for_an_even_heatmap():
    target = losses.heatmap_target(torch.tensor([-20.0, 5.0]), *CELLS, sigma=1.0)
    torch.testing.assert_close(target, torch.full(CELLS, 1 / 256))


def test_masks_are_taught_a_bump_of_height_one_at_each_joint():
    keypoints = torch.tensor([[[22.0, 38.0]] * 21])
    target = torch.exp(
        -((torch.arange(16.0)[:, None] + 0.5 - 9.5) ** 2 + (torch.arange(16.0)[None] + 0.5 - 5.5) ** 2) / 2
    )
    perfect = torch.logit(target.clamp(1e-6, 1 - 1e-6)).expand(1, 2, 21, 16, 16)
    least = losses.mask_loss(perfect, keypoints, SIZE)
    assert least.item() < losses.mask_loss(perfect + 0.3 * torch.randn_like(perfect), keypoints, SIZE).item()
    assert least.item() < losses.mask_loss(perfect.roll(1, -1), keypoints, SIZE).item()
    logits = perfect.clone().requires_grad_()
    losses.mask_loss(logits, keypoints, SIZE).sum().backward()
    assert logits.grad.abs().max() < 1e-7


def test_joints_are_compared_squared_from_wrist_to_wrist():
    joints = torch.randn(3, 21, 3)
    assert losses.joint_loss(joints + 5.0, joints).max() < 1e-9
    moved = joints.clone()
    moved[:, 7, 0] += 0.2
    torch.testing.assert_close(losses.joint_loss(moved, joints), torch.full((3,), 1 / 63))


def test_coarser_meshes_are_expected_where_they_are_compared():
    with pytest.raises(ValueError, match="expected coarser meshes"):
        losses.level_loss((), torch.zeros(1, 5, 3))


def test_heatmap_loss_is_least_at_the_joint():
    keypoints = torch.tensor([[[20.0, 36.0]]])
    at = [losses.heatmap_target(torch.tensor([[[5.0 + d, 9.0]]]), *CELLS, sigma=1.0) for d in (0.0, 0.5, 2.0)]
    values = [losses.heatmap_loss(x.clamp_min(1e-30).log(), keypoints, SIZE).item() for x in at]
    assert abs(values[0]) < 1e-5
    assert values[0] < values[1] < values[2]


def test_keypoints_outside_the_picture_count_for_nothing():
    truth = torch.tensor([[[10.0, 10.0], [-5.0, 10.0], [10.0, 70.0]]])
    guess = truth + 6.4
    torch.testing.assert_close(losses.keypoint_loss(guess, truth, SIZE), torch.tensor([0.1]))
    assert losses.keypoint_loss(guess[:, 1:], truth[:, 1:], SIZE) == 0


def test_depth_is_compared_where_the_hand_is_only():
    sample = samples()
    _, auxiliary = perfect(sample)
    hand = sample.depth[:, 2::4, 2::4] > 0
    off_hand = auxiliary.depth + 5 * ~hand
    on_hand = auxiliary.depth + 0.3 * hand
    expected = [torch.zeros(3), torch.full((3,), 0.3)]
    for depth, value in zip((off_hand, on_hand), expected, strict=True):
        found = losses.depth_loss(depth, sample.depth, sample.joints, sample.camera)
        torch.testing.assert_close(found, value, atol=1e-5, rtol=1e-5)


def ranking_by_hand(score, error, group=None, margin=1.0):
    pairs = [
        max(0.0, margin - (score[i] - score[j]))
        for i in range(len(score))
        for j in range(len(score))
        if error[i] < error[j] and (group is None or group[i] == group[j])
    ]
    return sum(pairs) / len(pairs)


@pytest.mark.parametrize("group", [None, [0, 1, 0, 2, 1, 1, 0]])
def test_ranking_loss_is_the_mean_over_all_pairs(group):
    score, error = torch.randn(7), torch.rand(7)
    groups = None if group is None else torch.tensor(group)
    found = losses.ranking_loss(score, error, groups)
    assert found.shape == (7,)
    assert found.mean().item() == pytest.approx(ranking_by_hand(score.tolist(), error.tolist(), group), abs=1e-5)


def test_ranking_loss_wants_smaller_errors_to_score_higher():
    error = torch.tensor([3.0, 1.0, 2.0])
    assert losses.ranking_loss(torch.tensor([-4.0, 4.0, 0.0]), error).sum() == 0
    assert losses.ranking_loss(torch.tensor([4.0, -4.0, 0.0]), error).mean() > 1


def test_equal_errors_and_lone_people_are_not_compared():
    assert losses.ranking_loss(torch.randn(4), torch.ones(4)).abs().sum() == 0
    assert losses.ranking_loss(torch.randn(4), torch.rand(4), torch.arange(4)).abs().sum() == 0
