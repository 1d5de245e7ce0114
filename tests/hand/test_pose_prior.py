"""The Gaussian of a network's errors."""

import pytest
import roma
import torch
from safetensors.torch import save_file
from toy import random_pose

from ownhand.hand.model import HandPose
from ownhand.hand.pose_prior import _NUMBERS, PosePrior, pose_deviation, stacked_rotations


def turned(pose: HandPose, deviation: torch.Tensor) -> HandPose:
    R = stacked_rotations(pose) @ roma.rotvec_to_rotmat(deviation.unflatten(-1, (16, 3)))
    return HandPose(R_cam_root=R[..., 0, :, :], R_parent_joint=R[..., 1:, :, :], t_cam_root=pose.t_cam_root)


def errors(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A covariance and deviations drawn from it."""
    generator = torch.Generator().manual_seed(seed)
    mix = 0.1 * torch.randn(48, 6, generator=generator)
    noise = torch.randn(n, 6, generator=generator) @ mix.mT + 0.05 * torch.randn(n, 48, generator=generator)
    return mix @ mix.mT + 0.05**2 * torch.eye(48), noise


def test_deviation_is_the_turn_that_was_applied():
    pose, (_, noise) = random_pose(20), errors(20)
    torch.testing.assert_close(pose_deviation(pose, turned(pose, noise)), noise, atol=1e-5, rtol=0)


def test_the_covariance_of_many_pictures_is_recovered():
    covariance, noise = errors(20000)
    pose = random_pose(20000)
    prior = PosePrior.fit(pose, turned(pose, noise), smallest_sigma=0.0)
    assert (prior.covariance - covariance).norm() < 0.03 * covariance.norm()


def test_shrinkage_helps_when_pictures_are_few():
    covariance, noise = errors(30)
    pose = random_pose(30)
    prior = PosePrior.fit(pose, turned(pose, noise))
    plain = noise.mT @ noise / 30
    assert (prior.covariance - covariance).norm() < (plain - covariance).norm()
    assert torch.linalg.eigvalsh(prior.covariance).min() > 0


def test_whitened_deviations_have_unit_covariance():
    covariance, noise = errors(5000)
    white = noise @ PosePrior(covariance=covariance).whitening().mT
    torch.testing.assert_close(white.mT @ white / 5000, torch.eye(48), atol=0.1, rtol=0)


def test_keypoint_noise_is_found_in_spite_of_gross_errors():
    pose, (_, noise) = random_pose(300), errors(300)
    confidence = 0.05 + 0.95 * torch.rand(300, 21)
    error = 2.0 * confidence[..., None] ** -0.7 * torch.randn(300, 21, 2)
    error[:15] += 200
    error[15:20, 3], confidence[15:20, 3] = torch.nan, 0
    prior = PosePrior.fit(pose, turned(pose, noise), keypoint_error=error, confidence=confidence)
    assert prior.keypoint_sigma == pytest.approx(2.0, rel=0.15)
    assert prior.confidence_power == pytest.approx(0.7, abs=0.15)
    assert prior.sigma(torch.zeros(21)).isinf().all()


def test_bias_and_spread_of_distances_are_measured_but_for_gross_errors():
    pose = random_pose(2000)
    error = 0.03 + 0.08 * torch.randn(2000)
    error[:40] = 4.0
    prior = PosePrior.fit(pose, pose, distance_error=error)
    assert prior.distance_sigma == pytest.approx(0.08, rel=0.1)
    assert prior.distance_bias == pytest.approx(0.03, abs=0.01)
    assert PosePrior.fit(pose, pose).distance_sigma is None


def test_errors_of_a_place_are_those_at_confidence_1_and_grow_as_the_keypoints_noise_does():
    pose, confidence = random_pose(4000), 0.3 + 0.7 * torch.rand(4000, 1).expand(-1, 21)
    grows = confidence.mean(-1) ** -1.5
    noise = 2.0 * confidence[..., None] ** -1.5 * torch.randn(4000, 21, 2)
    distance, across = (0.02 + 0.05 * torch.randn(4000)) * grows, 0.03 * torch.randn(4000, 2) * grows[:, None]
    prior = PosePrior.fit(
        pose, pose, keypoint_error=noise, confidence=confidence, distance_error=distance, across_error=across
    )
    assert prior.place_power == prior.confidence_power == pytest.approx(1.5, abs=0.05)
    assert prior.distance_bias == pytest.approx(0.02, abs=0.004)
    assert prior.distance_sigma == pytest.approx(0.05, rel=0.05)
    assert prior.across_sigma == pytest.approx(0.03, rel=0.05)
    torch.testing.assert_close(prior.unsureness(confidence), grows, rtol=0.06, atol=0)
    assert prior.unsureness(torch.zeros(21)).isfinite()


def test_the_range_of_apparent_lengths_holds_nearly_all():
    pose = random_pose(2000)
    prior = PosePrior.fit(pose, pose, apparent_length=torch.linspace(0.5, 1.5, 2000))
    assert prior.apparent_length == pytest.approx((0.51, 1.49), abs=0.002)


def test_a_saved_prior_is_read_back(tmp_path):
    prior = PosePrior(
        covariance=errors(1)[0],
        keypoint_sigma=2.5,
        confidence_power=0.3,
        depth_sigma=torch.rand(21),
        distance_sigma=0.07,
        distance_bias=0.02,
        across_sigma=0.03,
        place_power=2.0,
        apparent_length=(0.5, 1.5),
    )
    prior.save(tmp_path / "prior.safetensors")
    back = PosePrior.load(tmp_path / "prior.safetensors")
    for name in _NUMBERS:
        assert getattr(back, name) == getattr(prior, name) != getattr(PosePrior.isotropic(0.1), name)
    torch.testing.assert_close((back.covariance, back.depth_sigma), (prior.covariance, prior.depth_sigma))
    assert [p.name for p in tmp_path.iterdir()] == ["prior.safetensors"]


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("not a prior, but a text that is long enough")
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="not a safetensors file"):
        PosePrior.load(tmp_path / "text")
    with pytest.raises(ValueError, match="expected a file of format"):
        PosePrior.load(tmp_path / "other")


def test_one_picture_is_too_few():
    pose = random_pose(1)
    with pytest.raises(ValueError, match="at least 2 pictures, got 1"):
        PosePrior.fit(pose, pose)
