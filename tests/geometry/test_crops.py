"""Crops: one map for pixels, keypoints and intrinsics."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop

SIZE = (120, 160)


def picture_of_a_dot(where, sigma=1.5, size=SIZE):
    """A smooth dot whose centre of gravity is `where` [px, corner convention]."""
    ys, xs = (torch.arange(n) + 0.5 for n in size)
    square = (xs[None, :] - where[0]) ** 2 + (ys[:, None] - where[1]) ** 2
    return torch.exp(-square / (2 * sigma**2))[None]


def centre_of_gravity(image):
    ys, xs = (torch.arange(n) + 0.5 for n in image.shape[-2:])
    mass = image[..., 0, :, :]
    return (
        torch.stack([(mass * xs).sum((-2, -1)), (mass * ys[:, None]).sum((-2, -1))], -1) / mass.sum((-2, -1))[..., None]
    )


@settings(max_examples=30, deadline=None)
@given(
    st.floats(60, 100),
    st.floats(50, 70),
    st.floats(-math.pi, math.pi),
    st.floats(40, 110),
    st.sampled_from([48, 64, 96]),
)
def test_a_dot_is_found_where_keypoints_and_camera_say(x, y, angle, side, size):
    crop = Crop.square(torch.tensor([80.0, 60.0]), torch.tensor(side), size, torch.tensor(angle))
    where = torch.tensor([[x, y]])
    expected = crop.keypoints(where)
    reach = 3.5 * 2.5 * size / side  # of the dot, which must be seen whole
    assume(((expected > reach) & (expected < size - reach)).all())
    camera = Camera(K=torch.tensor([[200.0, 0, 80], [0, 210, 60], [0, 0, 1]]), size=SIZE)
    point = camera.unproject(where, torch.tensor([0.7]))
    found = centre_of_gravity(crop.image(picture_of_a_dot((x, y), sigma=2.5)))
    torch.testing.assert_close(found, expected[0], atol=0.1, rtol=0)
    torch.testing.assert_close(crop.camera(camera).project(point), expected, atol=1e-3, rtol=0)


def test_the_whole_picture_is_its_own_crop():
    image = torch.rand(3, 64, 64)
    crop = Crop.square(torch.tensor([32.0, 32.0]), torch.tensor(64.0), 64)
    torch.testing.assert_close(crop.image(image), image, atol=1e-5, rtol=0)
    torch.testing.assert_close(crop.keypoints(torch.tensor([[0.5, 63.5]])), torch.tensor([[0.5, 63.5]]))


def test_a_crop_at_whole_pixels_is_a_slice():
    image = torch.rand(3, *SIZE)
    crop = Crop.square(torch.tensor([50.0, 40.0]), torch.tensor(20.0), 20)
    torch.testing.assert_close(crop.image(image), image[:, 30:50, 40:60], atol=1e-5, rtol=0)


def test_enlarging_keeps_pixel_centres_at_half():
    image = torch.zeros(1, 8, 8)
    image[0, 3, 5] = 1
    found = centre_of_gravity(Crop.square(torch.tensor([4.0, 4.0]), torch.tensor(8.0), 64).image(image))
    torch.testing.assert_close(found, torch.tensor([5.5, 3.5]) * 8, atol=1e-3, rtol=0)


def test_a_quarter_turn_is_clockwise_as_seen():
    image = torch.rand(3, 40, 40)
    crop = Crop.square(torch.tensor([20.0, 20.0]), torch.tensor(40.0), 40, torch.tensor(math.pi / 2))
    torch.testing.assert_close(crop.image(image), torch.rot90(image, -1, (-2, -1)), atol=1e-4, rtol=0)


def test_outside_the_picture_is_black_or_repeats_the_border():
    image = torch.ones(1, 20, 20)
    crop = Crop.square(torch.tensor([0.0, 0.0]), torch.tensor(20.0), 20)
    black, border = crop.image(image), crop.image(image, padding="border")
    assert black[0, :9, :].abs().max() == 0
    torch.testing.assert_close(black[0, 11:, 11:], torch.ones(9, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(border, torch.ones(1, 20, 20), atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [640, 1000])
def test_a_huge_shrink_averages_instead_of_picking_pixels(side):
    stripes = (torch.arange(side) % 2).float().expand(1, side, side)
    small = Crop.square(torch.tensor([side / 2, side / 2]), torch.tensor(float(side)), 20).image(stripes)
    assert (small - 0.5).abs().max() < 0.02
    dot = picture_of_a_dot((side * 0.3, side * 0.6), sigma=side / 25, size=(side, side))
    found = centre_of_gravity(Crop.square(torch.tensor([side / 2, side / 2]), torch.tensor(float(side)), 20).image(dot))
    torch.testing.assert_close(found, torch.tensor([6.0, 12.0]), atol=0.05, rtol=0)


def test_a_crop_and_its_inverse_cancel():
    crop = Crop.square(torch.tensor([[50.0, 40], [3, 99]]), torch.tensor([33.0, 70]), 64, torch.tensor([0.5, -2]))
    keypoints = 100 * torch.rand(2, 21, 2)
    torch.testing.assert_close(crop.inverse(SIZE).keypoints(crop.keypoints(keypoints)), keypoints, atol=1e-3, rtol=0)


def test_the_papers_crop_is_twice_the_box_and_ignores_what_is_not_visible():
    keypoints = torch.tensor([[[10.0, 20], [50, 40], [1000, 1000]]])
    visible = torch.tensor([[True, True, False]])
    crop = Crop.around_keypoints(keypoints, 128, visible=visible)
    corners = crop.inverse(SIZE).keypoints(torch.tensor([[[0.0, 0], [128, 128]]]))
    torch.testing.assert_close(corners, torch.tensor([[[-10.0, -10], [70, 70]]]), atol=1e-3, rtol=0)
    inside = crop.keypoints(keypoints)[0, :2]
    torch.testing.assert_close(inside, torch.tensor([[32.0, 48], [96, 80]]), atol=1e-3, rtol=0)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(-math.pi, math.pi), scale=st.floats(1.0, 3.0), seed=st.integers(0, 1000))
def test_a_turned_crop_holds_the_turned_keypoints_in_its_middle(angle, scale, seed):
    keypoints = 100 * torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(seed))
    inside = Crop.around_keypoints(keypoints, 90, scale, angle=torch.tensor([angle, angle])).keypoints(keypoints)
    low, high = inside.amin(-2), inside.amax(-2)
    torch.testing.assert_close((low + high) / 2, torch.full((2, 2), 45.0), atol=1e-2, rtol=0)
    torch.testing.assert_close((high - low).amax(-1), torch.full((2,), 90 / scale), atol=1e-2, rtol=0)


def test_a_shifted_crop_moves_along_the_pictures_axes():
    keypoints, angle = 100 * torch.rand(1, 21, 2), torch.tensor([0.7])
    middle = torch.tensor([[[45.0, 45.0]]])
    there = [
        Crop.around_keypoints(keypoints, 90, angle=angle, shift=shift).inverse(SIZE).keypoints(middle)
        for shift in (None, torch.tensor([[0.1, 0.0]]))
    ]
    side = 2 * (Crop.around_keypoints(keypoints, 90, angle=angle).keypoints(keypoints)).new_tensor(90 / 2)
    moved = there[1] - there[0]
    assert moved[..., 0] > 0
    torch.testing.assert_close(moved[..., 1], torch.zeros(1, 1), atol=1e-3, rtol=0)
    scale = Crop.around_keypoints(keypoints, 90, angle=angle).inverse(SIZE).T_crop_image[0, :2, 0].norm()
    torch.testing.assert_close(moved[0, 0, 0], 0.1 * side * scale, rtol=1e-3, atol=0)


def test_keypoints_that_fall_together_still_give_a_crop_of_some_size():
    crop = Crop.around_keypoints(torch.full((21, 2), 30.0), 64, 2.0, smallest=16.0)
    corners = crop.inverse(SIZE).keypoints(torch.tensor([[0.0, 0], [64, 64]]))
    torch.testing.assert_close(corners, torch.tensor([[14.0, 14], [46, 46]]), atol=1e-3, rtol=0)


def test_a_batch_of_crops_equals_one_by_one():
    image = torch.rand(2, 2, 3, *SIZE)
    centre, side = 40 + 40 * torch.rand(2, 2, 2), 40 + 20 * torch.rand(2, 2)
    crops = Crop.square(centre, side, 32, torch.rand(2, 2))
    together = crops.image(image)
    assert together.shape == (2, 2, 3, 32, 32)
    for i in range(2):
        for j in range(2):
            torch.testing.assert_close(crops[i, j].image(image[i, j]), together[i, j], atol=1e-5, rtol=0)


def test_labels_stay_labels():
    image = torch.randint(0, 5, (1, *SIZE)).float()
    crop = Crop.square(torch.tensor([70.0, 50]), torch.tensor(37.0), 64, torch.tensor(0.3))
    assert set(crop.image(image, mode="nearest").unique().tolist()) <= {0, 1, 2, 3, 4}


def test_gradients_reach_picture_and_keypoints():
    crop = Crop.square(torch.tensor([4.0, 4.0]).double(), torch.tensor(5.0).double(), 4, torch.tensor(0.3).double())
    assert torch.autograd.gradcheck(crop.image, torch.rand(1, 8, 8, dtype=torch.float64, requires_grad=True))
    assert torch.autograd.gradcheck(crop.keypoints, torch.rand(3, 2, dtype=torch.float64, requires_grad=True))
