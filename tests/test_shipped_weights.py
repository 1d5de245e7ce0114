"""What ships must see hands: a stranger whom no training, validation or test set has."""

from __future__ import annotations

import pytest
import torch

from ownhand.pipeline import load
from ownhand.structs import stack
from ownhand.synth.generator import Generator
from ownhand.views import View

PICTURES = 16


@pytest.fixture(scope="module")
def met():
    generator = Generator(seed=2_000_001, size=128, pictures_per_person=4)
    samples = stack([generator[i] for i in range(PICTURES)])
    pipeline = load()
    views = [View(image=samples.image[i], camera=samples.camera[i]) for i in range(PICTURES)]
    crops, seen = pipeline.crop(views)
    return pipeline, samples, stack(crops), seen


def test_keypoints_are_found_within_a_few_pixels(met):
    _, samples, crop, seen = met
    error = (crop.inverse((128, 128)).keypoints(seen.keypoints) - samples.keypoints).norm(dim=-1)
    assert error[samples.visible].median() < 5


def test_hands_are_recognised(met):
    pipeline, _, _, seen = met
    assert pipeline.has_hand(seen).float().mean() > 0.8


def test_the_guessed_shape_depends_on_the_picture(met):
    """A dead shape head says the same of all."""
    assert met[3].shape.std(0).amax() > 0.02


def test_the_pose_depends_on_the_picture_and_is_better_than_any_single_one(met):
    _, samples, _, seen = met
    turned = seen.pose.R_cam_root.mT @ samples.pose.R_cam_root
    angle = torch.acos(((turned.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1)).rad2deg()
    assert angle.median() < 40  # by chance it is about 125
