"""The pinhole camera and its conventions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ownhand.geometry.camera import Camera

K = torch.tensor([[600.0, 0.5, 320], [0, 590, 240], [0, 0, 1]], dtype=torch.float64)
CAMERA = Camera(K=K, size=(480, 640))


def points(*batch):
    return torch.rand(*batch, 3, dtype=torch.float64) + torch.tensor([-0.5, -0.5, 0.3], dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(st.floats(-500, 1500), st.floats(-500, 1500), st.floats(0.01, 100))
def test_projecting_undoes_unprojecting(u, v, depth):
    pixels = torch.tensor([[u, v]], dtype=torch.float64)
    point = CAMERA.unproject(pixels, torch.tensor([depth], dtype=torch.float64))
    assert point[0, 2].item() == pytest.approx(depth)
    torch.testing.assert_close(CAMERA.project(point), pixels, atol=1e-8, rtol=0)


def test_unprojecting_undoes_projecting_for_any_batch():
    camera = Camera(K=K.expand(2, 3, 3, 3), size=(480, 640))
    p = points(2, 3, 7)
    torch.testing.assert_close(camera.unproject(camera.project(p), p[..., 2]), p)


def test_axes_are_right_down_and_forward():
    centre = CAMERA.project(torch.tensor([[0.0, 0, 1]], dtype=torch.float64))[0]
    right, down = CAMERA.project(torch.tensor([[0.1, 0, 1], [0, 0.1, 1]], dtype=torch.float64)) - centre
    assert centre.tolist() == [320, 240]
    assert right[0] > 0
    assert right[1] == 0
    assert down[1] > 0


def test_a_field_of_view_spans_the_longer_side_from_edge_to_edge():
    camera = Camera.from_fov(90.0, (480, 640))
    edges = camera.rays(torch.tensor([[0.0, 240], [640, 240]]))
    torch.testing.assert_close(edges, torch.tensor([[-1.0, 0, 1], [1, 0, 1]]))
    assert camera.focal.item() == pytest.approx(320)


@pytest.mark.parametrize("fov", [0, -5, 180, float("nan")])
def test_an_impossible_field_of_view_is_refused(fov):
    with pytest.raises(ValueError, match="between 0 and 180"):
        Camera.from_fov(float(fov), (10, 10))


def test_integer_pixel_centres_move_by_half_a_pixel():
    camera = Camera.from_integer_centres(K, (480, 640))
    p = points(5)
    torch.testing.assert_close(camera.project(p), CAMERA.project(p) + 0.5)


def test_focal_is_the_geometric_mean_and_does_not_depend_on_rotation():
    torch.testing.assert_close(CAMERA.focal, torch.tensor((600.0 * 590) ** 0.5, dtype=torch.float64))
    turn = torch.tensor([[0.0, -1, 480], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(Camera(K=turn @ K, size=(640, 480)).focal, CAMERA.focal)


def test_gradients_are_right():
    pixels = 300 * torch.rand(4, 2, dtype=torch.float64)
    depth = torch.rand(4, dtype=torch.float64) + 0.3
    assert torch.autograd.gradcheck(CAMERA.project, points(4).requires_grad_())
    assert torch.autograd.gradcheck(CAMERA.unproject, (pixels.requires_grad_(), depth.requires_grad_()))
    seen = points(4)
    assert torch.autograd.gradcheck(lambda k: Camera(K=k, size=(1, 1)).project(seen), K.clone().requires_grad_())
