"""CMR-PG: stages, spiral convolutions, levels."""

from dataclasses import replace

import pytest
import torch
from estimator_examples import CONFIGS, HAND, make, samples

from ownhand.estimators.build import build
from ownhand.estimators.cmr_pg import CmrPgConfig, SelfAttention, SpiralConv, peak
from ownhand.losses import CMR_PG, training_loss


def trained(estimator, sample):
    return estimator.forward_training(sample.image, sample.camera, sample.shape)


def test_three_sets_of_maps_and_every_coarser_mesh_are_said_in_training():
    prediction, auxiliary = trained(make("cmr-pg").eval(), samples(2))
    assert auxiliary.masks.shape == (2, 3, 21, 32, 32)  # twice the finest feature map, half of the picture
    assert [level.verts.shape[1] for level in auxiliary.levels] == [35, 18]
    finer = set(range(len(HAND.template)))
    for level in auxiliary.levels:
        assert set(level.vertices.tolist()) < finer
        finer = set(level.vertices.tolist())
    cells = auxiliary.masks[:, -1].sigmoid()
    torch.testing.assert_close(prediction.keypoint_confidence, cells.amax((-2, -1)))


def test_truth_of_the_levels_is_the_fine_mesh_at_their_vertices():
    estimator, sample = make("cmr-pg").eval(), samples(2)
    prediction, auxiliary = trained(estimator, sample)
    at_wrist = replace(sample.pose, t_cam_root=torch.zeros(2, 3))
    verts = HAND.shaped(sample.shape).posed(at_wrist).verts
    perfect = replace(
        auxiliary, levels=tuple(level._replace(verts=verts[:, level.vertices]) for level in auxiliary.levels)
    )
    assert training_loss(prediction, perfect, sample, HAND, {"levels": 1.0})["levels"].max() == 0
    assert training_loss(prediction, auxiliary, sample, HAND, {"levels": 1.0})["levels"].min() > 0


def test_with_identity_the_mesh_follows_the_persons_shape():
    estimator, sample = make("cmr-pg, identity").eval(), samples(2)
    a, b = (estimator(sample.image, sample.camera, shape).verts for shape in (sample.shape, -sample.shape))
    assert (a - b).abs().max() > 1e-4
    with pytest.raises(ValueError, match="needs the shape"):
        estimator(sample.image, sample.camera)


def test_a_spiral_convolution_sees_just_the_vertices_of_its_spiral():
    spiral = torch.tensor([[0, 2], [1, 0], [2, 1], [3, 2]])
    convolution, x = SpiralConv(3, 5, spiral), torch.randn(1, 4, 3, requires_grad=True)
    convolution(x)[0, 1].sum().backward()
    assert x.grad[0].abs().sum(-1).gt(0).tolist() == [True, True, False, False]
    expected = torch.cat([x[0, 1], x[0, 0]]) @ convolution.weigh.weight.T + convolution.weigh.bias
    torch.testing.assert_close(convolution(x)[0, 1], expected)


def test_attention_begins_by_changing_nothing():
    attention, x = SelfAttention(7), torch.randn(3, 7)
    assert torch.equal(attention(x), x)


def test_a_peak_is_the_centre_of_the_highest_cell():
    cells = torch.zeros(2, 5, 6)
    cells[0, 3, 1], cells[1, 0, 5] = 0.9, 0.4
    at, height = peak(cells)
    assert at.tolist() == [[1.5, 3.5], [5.5, 0.5]]
    torch.testing.assert_close(height, torch.tensor([0.9, 0.4]))


def test_the_papers_network_has_its_sizes_and_takes_a_training_step():
    torch.manual_seed(0)
    hand_levels = (35, 18, 14, 12)
    network, sample = build(CmrPgConfig(levels=hand_levels, spiral=9), HAND).train(), samples(2)
    assert network.start.weight.shape == (12 * 512, 1000)
    assert [block.around.weight.shape[0] for block in network.blocks] == [512, 256, 128, 64]
    assert [block.around.weight.shape[1] for block in network.blocks] == [512, 515, 259, 131]
    prediction, auxiliary = trained(network, sample)
    training_loss(prediction, auxiliary, sample, HAND, CMR_PG)["total"].mean().backward()
    closed = ("attention.query", "attention.key", "attention.value")  # until the gate opens
    assert all(p.grad.abs().sum() > 0 for n, p in network.named_parameters() if not n.startswith(closed))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="as many widths as coarser levels"):
        build(replace(CONFIGS["cmr-pg"], widths=(8, 8)), HAND)
    convnext = {"model_type": "convnext", "depths": [1, 1], "hidden_sizes": [8, 16], "num_stages": 2}
    with pytest.raises(ValueError, match="expected a ResNet"):
        build(replace(CONFIGS["cmr-pg"], backbone=convnext), HAND)
