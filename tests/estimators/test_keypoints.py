"""Heatmaps and how they are read."""

from dataclasses import replace

import pytest
import torch
from estimator_examples import CONFIGS, HAND, make, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.estimators.build import build
from ownhand.estimators.decoder import PARTS, soft_argmax
from ownhand.losses import heatmap_target


def gaussians(at: torch.Tensor, sigma: float = 1.0, background: float = 0.0) -> torch.Tensor:
    target = heatmap_target(at, 32, 32, sigma)
    return ((1 - background) * target + background / 32**2).clamp_min(1e-20).log()


@settings(max_examples=50, deadline=None)
@given(x=st.floats(3, 29), y=st.floats(3, 29), background=st.sampled_from([0.0, 0.02]))
def test_soft_argmax_finds_the_middle_of_a_gaussian_to_a_twentieth_of_a_cell(x, y, background):
    at = torch.tensor([x, y])
    found, _, _ = soft_argmax(gaussians(at, background=background))
    assert (found - at).norm() < 0.05


def test_soft_argmax_is_not_drawn_away_by_a_second_peak():
    at, other = torch.tensor([8.3, 9.6]), torch.tensor([25.0, 20.0])
    logits = torch.logaddexp(gaussians(at), gaussians(other) - 1)
    found, mass, _ = soft_argmax(logits)
    assert (found - at).norm() < 0.05
    torch.testing.assert_close(mass, torch.tensor(0.73), atol=0.02, rtol=0)


def test_soft_argmax_prefers_a_broad_peak_to_one_loud_cell():
    at = torch.tensor([8.3, 9.6])
    logits = gaussians(at, sigma=1.5)
    logits[25, 25] = logits.max() + 0.5
    assert (soft_argmax(logits)[0] - at).norm() < 0.2


def test_mass_is_high_for_a_sharp_map_and_low_for_a_flat_one():
    _, sharp, _ = soft_argmax(gaussians(torch.tensor([16.0, 16.0])))
    _, flat, _ = soft_argmax(torch.zeros(32, 32))
    assert sharp > 0.99
    assert flat < 0.05


def test_soft_argmax_works_for_any_batch_and_at_the_border():
    at = torch.tensor([[[0.5, 0.5], [31.5, 16.0]], [[16.0, 31.5], [31.5, 31.5]]])
    found, mass, window = soft_argmax(gaussians(at))
    assert found.shape == (2, 2, 2)
    assert mass.shape == (2, 2)
    torch.testing.assert_close(window.sum((-2, -1)), torch.ones(2, 2))
    assert (found - at).abs().max() < 1


def test_soft_argmax_has_the_right_gradient():
    logits = gaussians(torch.tensor([9.0, 7.3])).double()[:16, :16].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: soft_argmax(x)[:2], (logits,), atol=1e-7)


def test_heatmaps_are_read_in_pixels_of_the_picture():
    """A head that puts all probability into one known cell."""
    estimator, sample = build(CONFIGS["keypoints"]).eval(), samples()
    places = torch.zeros(4, 42, 16, 16)
    places[:, :21, 5, 11] = 1e3
    places[:, 21:] = 0.25
    estimator.head.forward = lambda _: places
    found = estimator(sample.image, sample.camera)
    torch.testing.assert_close(found.keypoints, torch.tensor([11.5 * 4, 5.5 * 4]).expand(4, 21, 2))
    torch.testing.assert_close(found.keypoint_confidence, torch.ones(4, 21))
    torch.testing.assert_close(found.keypoint_depth, torch.full((4, 21), 0.25))


def test_keypoints_need_no_shape():
    estimator, sample = make("keypoints").eval(), samples()
    without, with_shape = estimator(sample.image, sample.camera), estimator(sample.image, sample.camera, sample.shape)
    torch.testing.assert_close(without.keypoints, with_shape.keypoints, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["baseline, dense", "keypoints, dense"])
def test_dense_answers_are_as_fine_as_the_finest_feature_map(name):
    sample = samples()
    _, auxiliary = make(name).forward_training(sample.image, sample.camera)
    assert auxiliary.heatmap_logits.shape == (4, 21, 16, 16)
    assert auxiliary.part_logits.shape == (4, PARTS, 16, 16)
    assert auxiliary.depth.shape == (4, 16, 16)


@pytest.mark.parametrize("name", ["baseline", "keypoints"])
def test_what_serves_training_only_changes_no_prediction(name):
    """The same weights, with and without the auxiliary heads."""
    sample, dense = samples(), make(f"{name}, dense").eval()
    plain = build(replace(dense.config, auxiliary=type(dense.config.auxiliary)(0)), HAND).eval()
    plain.load_state_dict({k: v for k, v in dense.state_dict().items() if not k.startswith("auxiliary")})
    one, two = dense(sample.image, sample.camera), plain(sample.image, sample.camera)
    for a, b in ((one.joints, two.joints), (one.keypoints, two.keypoints)):
        assert (a is None and b is None) or torch.equal(a, b)
