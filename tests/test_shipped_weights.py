"""What ships must see hands: a stranger whom no training, validation or test set has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ownhand.detection import judge
from ownhand.geometry.camera import Camera
from ownhand.inputs import all_right
from ownhand.metrics import mpjpe_mm, size_free_error_mm
from ownhand.pipeline import load
from ownhand.render.colour import srgb_from_linear
from ownhand.structs import stack
from ownhand.synth.frames import FrameGenerator
from ownhand.synth.generator import Generator
from ownhand.synth.surroundings.backgrounds import background
from ownhand.synth.world import World
from ownhand.views import View

PICTURES = 16


@pytest.fixture(scope="module")
def met():
    generator = Generator(World(seed=2_000_001, singles=4))
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
    assert angle.median() < 20  # by chance it is about 125


def test_a_turned_picture_shows_a_turned_hand(met):
    """A quarter turn moves every pixel onto a pixel; the camera turns along, and so should the hand."""
    pipeline, samples, _, _ = met
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # clockwise as seen
    pixels = torch.tensor([[0.0, -1, 128], [1, 0, 0], [0, 0, 1]])
    upright = [View(image=samples.image[i], camera=samples.camera[i]) for i in range(PICTURES)]
    turned = [
        View(image=v.image.rot90(-1, (-2, -1)), camera=Camera(K=pixels @ v.camera.K @ turn.mT, size=v.camera.size))
        for v in upright
    ]
    errors = [
        mpjpe_mm(after.hand.joints, before.hand.joints @ turn.mT)
        for before, after in zip(pipeline.reconstruct(upright), pipeline.reconstruct(turned), strict=True)
        if before is not None and after is not None
    ]
    assert len(errors) > PICTURES / 2
    assert torch.stack(errors).median() < 8


@pytest.mark.parametrize(("without", "share"), [(("things", "light"), 0.6), ((), 2 / 3)])
def test_twenty_pictures_tell_a_strangers_proportions(without, share):
    """Of twenty people, in a plainer world and in the whole one; docs/results.md has forty."""
    generator, pipeline, errors = Generator(World(seed=2_000_002, singles=20, without=without)), load(), []
    for number in range(20):
        samples = [generator[20 * number + i] for i in range(20)]
        found = pipeline.calibrate([View(image=s.image, camera=s.camera) for s in samples]).identity.shape
        shapes = torch.stack([found.float(), torch.zeros(10)])
        errors.append(size_free_error_mm(shapes, samples[0].shape.expand(2, 10), pipeline.hand))
    calibrated, mean_hand = torch.stack(errors).mean(0)
    assert calibrated < share * mean_hand


def test_hands_are_placed_where_they_are(met):
    pipeline, samples, _, seen = met
    hand = pipeline.hand.shaped(samples.shape)
    placed, _ = pipeline.put(seen, hand, pipeline.pose_given(seen, samples.shape))
    away, truth = (t.norm(dim=-1) for t in (placed.t_cam_root, samples.pose.t_cam_root))
    assert (away / truth).log().abs().median() < 0.06
    assert (away / truth).log().abs().max() < 0.4


def test_all_pictures_together_tell_left_from_right(met):
    pipeline, samples, _, _ = met
    views = [View(image=samples.image[i], camera=samples.camera[i]) for i in range(4)]
    assert all_right(pipeline, views)
    assert not all_right(pipeline, [view.mirrored() for view in views])


def test_the_sides_of_a_persons_pictures_are_found_together():
    generator, pipeline = Generator(World(seed=2_000_004, singles=8)), load()
    views = [View(image=generator[i].image, camera=generator[i].camera, name=str(i)) for i in range(8)]
    for given, right in ((views, True), ([replace(view.mirrored(), is_right=True) for view in views], False)):
        found = pipeline.find(given)
        assert len(found) >= 6
        assert sum(view.is_right == right for view in found) >= len(found) - 1


def test_hands_are_found_in_whole_frames(met):
    """At chance there would be hardly any square on a hand; docs/results.md has 480 frames."""
    finder, frames = met[0].locator, FrameGenerator(World(seed=2_000_003, singles=16), size=320)
    judged = judge((finder.look(frame.image), frame) for frame in (frames[i] for i in range(32)))
    assert (judged.asked >= 60).sum() >= 12
    assert judged.recall(finder.min_score, 60) > 0.8  # 0.87; the detector before: 0.78
    assert (~judged.correct & (judged.score > finder.min_score)).sum() < 0.25 * judged.frames


def test_surroundings_without_hands_have_none(met):
    found = 0
    for number in range(20):
        linear = background(2_000_003, 50 * number, 320, np.random.default_rng(number), hands=False)
        found += len(met[0].locator(torch.from_numpy(srgb_from_linear(linear)).permute(2, 0, 1).float()))
    assert found <= 3


def test_left_hands_are_told_from_right_ones(met):
    """Crops and their mirror images, each alone."""
    pipeline, samples, _, _ = met
    views = [View(image=samples.image[i], camera=samples.camera[i]) for i in range(PICTURES)]
    told = [pipeline.find([v, replace(v.mirrored(), is_right=True)]) for v in views]  # as a file would come
    sides = [[one.is_right for one in pair] for pair in told if len(pair) == 2]
    assert len(sides) >= PICTURES // 2
    right = sum(a for a, _ in sides)
    left = sum(not b for _, b in sides)
    assert right + left > 0.75 * 2 * len(sides)
