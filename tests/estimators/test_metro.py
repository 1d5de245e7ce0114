"""METRO: tokens, masks, attention."""

from dataclasses import replace

import pytest
import torch
from estimator_examples import CONFIGS, HAND, make, samples

from ownhand.estimators.base import UNIT
from ownhand.estimators.build import build
from ownhand.estimators.metro import MASK, MetroConfig
from ownhand.losses import METRO, training_loss


def test_tokens_hold_the_rest_position_of_every_joint_and_coarse_vertex_beside_the_picture():
    metro, pooled = make("metro"), torch.randn(2, 64)
    tokens = metro.tokens(pooled, None)
    rest = HAND.shaped(torch.zeros(10))
    expected = torch.cat([rest.joints, rest.verts[metro.coarse]]) - rest.joints.mean(0)
    torch.testing.assert_close(tokens[..., :3], (expected / UNIT).expand(2, 41, 3))
    torch.testing.assert_close(tokens[..., 3:], pooled[:, None].expand(2, 41, 64))


def test_with_identity_tokens_hold_the_persons_own_rest_hand():
    metro, shape = make("metro, identity"), torch.randn(2, 10)
    rest = HAND.shaped(shape)
    points = metro.tokens(torch.zeros(2, 64), shape)[..., :3] * UNIT + rest.joints.mean(1, keepdim=True)
    torch.testing.assert_close(points[:, :21], rest.joints)
    sample = samples(2)
    with pytest.raises(ValueError, match="needs the shape"):
        metro(sample.image, sample.camera)
    a, b = (metro.eval()(sample.image, sample.camera, s).joints for s in (shape, -shape))
    assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_tokens_are_masked_at_any_rate_in_training_only(rate):
    metro, tokens = build(replace(CONFIGS["metro"], masked=rate), HAND), torch.randn(400, 41, 67)
    masked = metro._masked(tokens)
    hidden = (masked == MASK).all(-1)
    assert hidden.float().mean() == pytest.approx(rate / 2, abs=0.05)  # the share is drawn up to the rate
    torch.testing.assert_close(masked[~hidden], tokens[~hidden], atol=0, rtol=0)
    sample = samples(2)
    with torch.no_grad():
        once, again = (metro.eval()(sample.image, sample.camera).joints for _ in range(2))
    assert torch.equal(once, again)


def test_attention_of_a_joint_is_a_share_of_every_token():
    metro, sample = make("metro").eval(), samples(3)
    with torch.no_grad():
        shares = metro.attention(sample.image, 8)
    assert shares.shape == (3, 41)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(-1), torch.ones(3))


def test_the_fine_mesh_starts_as_an_interpolation_of_the_coarse_one():
    metro = build(CONFIGS["metro"], HAND)
    verts = HAND.template[metro.coarse]
    fine = metro.upsample(verts.mT).mT
    torch.testing.assert_close(fine[metro.coarse], verts)
    torch.testing.assert_close(metro.upsample.weight.sum(1), torch.ones(len(HAND.template)))


def test_the_papers_network_can_be_built_and_trained_a_step():
    torch.manual_seed(0)
    metro, sample = build(MetroConfig(coarse=40), HAND).train(), samples(2)
    assert [tuple(e.enter.weight.shape) for e in metro.encoders] == [(1024, 2051), (256, 512), (64, 128)]
    assert sum(p.numel() for e in metro.encoders for p in e.parameters()) == pytest.approx(4 * 8.4e6 * 1.09, rel=0.15)
    prediction, auxiliary = metro.forward_training(sample.image, sample.camera)
    training_loss(prediction, auxiliary, sample, HAND, METRO)["total"].mean().backward()
    assert all(p.grad.isfinite().all() for p in metro.parameters())
