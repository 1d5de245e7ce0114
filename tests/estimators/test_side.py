"""Left or right, by a head on a frozen keypoint network."""

import torch
from estimator_examples import HAND, make, samples

from ownhand.losses import SIDE, training_loss


def pairs(n: int, seed: int) -> torch.Tensor:
    """Right hands: pictures whose left half is brighter."""
    image = 0.3 * torch.rand(n, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    image[..., :32] += 0.4
    return image


def test_a_picture_and_its_mirror_image_are_told_apart_after_training_and_the_keypoints_stay():
    estimator, sample = make("with side").train(), samples(8)
    before = estimator(sample.image, sample.camera)
    optimizer = torch.optim.Adam([p for p in estimator.parameters() if p.requires_grad], lr=1e-2)
    for step in range(30):
        said = estimator.forward_training(pairs(8, step), sample.camera)
        optimizer.zero_grad()
        training_loss(*said, sample, HAND, SIDE)["total"].mean().backward()
        optimizer.step()
    _, said = estimator.eval().forward_training(pairs(8, 100), sample.camera)
    assert (said.side_logit > 0).all()
    after = estimator(sample.image, sample.camera)
    assert torch.equal(before.keypoints, after.keypoints)
    assert not torch.equal(before.rightness, after.rightness)


def test_exchanging_a_picture_and_its_mirror_image_exchanges_the_answer():
    estimator, sample = make("with side").eval(), samples(4)
    image = pairs(4, 0)
    _, said = estimator.forward_training(image, sample.camera)
    _, mirrored = estimator.forward_training(image.flip(-1), sample.camera)
    torch.testing.assert_close(mirrored.side_logit, -said.side_logit)
