"""Lenses: against formulas written down again, there and back, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from ownhand.fit import place
from ownhand.geometry.camera import Camera
from ownhand.geometry.lens import Lens, LensError, Undistortion
from ownhand.synth.surroundings import devices

CAMERA = Camera(K=torch.tensor([[900.0, 0, 655], [0, 880, 350], [0, 0, 1]]), size=(720, 1280))
LENSES = {
    "brown": ("opencv", [-0.28, 0.09, 0.001, -0.0005]),
    "brown with k3": ("opencv", [-0.31, 0.12, 0.0004, -0.0002, -0.02]),
    "rational": ("opencv", [0.1, 0.05, 0.001, -0.0005, 0.01, 0.4, 0.1, 0.005]),
    "pincushion": ("opencv", [0.2, 0.1, -0.002, 0.001]),
    "equidistant": ("fisheye", [0.0, 0.0, 0.0, 0.0]),
    "fisheye": ("fisheye", [-0.02, 0.004, -0.001, 0.0003]),
}


REFERENCE = {
    "brown": [0.456882, -0.2738912],
    "rational": [0.4524131436043596, -0.27120988616261577],
    "fisheye": [0.4502764218718295, -0.27016585312309765],
}
"""Where `cv2.projectPoints` and `cv2.fisheye.distortPoints` of OpenCV 5.0.0 put (0.5, -0.3)."""


def lens(name):
    model, coefficients = LENSES[name]
    return Lens(model=model, coefficients=torch.tensor(coefficients, dtype=torch.float64))


def by_hand(name, x, y):
    """OpenCV's documentation, line by line, for one point."""
    model, k = LENSES[name]
    if model == "fisheye":
        r = math.hypot(x, y)
        a = math.atan(r)
        d = a * (1 + k[0] * a**2 + k[1] * a**4 + k[2] * a**6 + k[3] * a**8)
        return (x * d / r, y * d / r) if r else (0.0, 0.0)
    k1, k2, p1, p2, k3, k4, k5, k6 = k + [0.0] * (8 - len(k))
    r2 = x * x + y * y
    factor = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * factor + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * factor + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@pytest.mark.parametrize("name", LENSES)
def test_points_go_where_the_published_equations_put_them(name):
    points = torch.cat([1.2 * torch.rand(200, 2, dtype=torch.float64) - 0.6, torch.zeros(1, 2).double()])
    expected = torch.tensor([by_hand(name, x, y) for x, y in points.tolist()], dtype=torch.float64)
    torch.testing.assert_close(lens(name).distort(points), expected, atol=1e-14, rtol=0)


def test_reference_values_of_opencv_are_met():
    point = torch.tensor([0.5, -0.3], dtype=torch.float64)
    for name, expected in REFERENCE.items():
        torch.testing.assert_close(
            lens(name).distort(point), torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0
        )


@pytest.mark.parametrize("name", LENSES)
def test_undistortion_is_the_way_back_over_the_whole_picture(name):
    undistortion = Undistortion.of(lens(name), CAMERA)
    xs, ys = torch.meshgrid(torch.linspace(0, 1280, 41), torch.linspace(0, 720, 23), indexing="xy")
    pixels = torch.stack([xs, ys], -1)
    there = undistortion.to_pinhole(pixels)
    assert there.isfinite().all()
    torch.testing.assert_close(undistortion.to_picture(there), pixels, atol=1e-3, rtol=0)
    height, width = undistortion.pinhole.size
    inside = (there > -1e-2) & (there < torch.tensor([width, height]) + 1e-2)
    assert inside.all()  # the pinhole's picture holds all of the other


def test_undistortion_agrees_with_a_root_found_by_bisection():
    model = lens("brown with k3")
    radial = Lens(model="opencv", coefficients=model.coefficients * torch.tensor([1.0, 1, 0, 0, 1]))
    for seen in (0.1, 0.4, 0.6):
        root = brentq(lambda r, seen=seen: by_hand_radial(r) - seen, 0, 0.9, xtol=1e-14)
        found = radial.undistort(seen * torch.tensor([0.6, 0.8], dtype=torch.float64))
        assert float(found.norm()) == pytest.approx(root, abs=1e-9)


def by_hand_radial(r):
    k1, k2, _, _, k3 = LENSES["brown with k3"][1]
    return r * (1 + k1 * r**2 + k2 * r**4 + k3 * r**6)


def test_the_fisheye_that_synthetic_pictures_are_taken_with_is_the_same():
    synthetic = devices.Lens(k1=-0.02, k2=0.004)
    model = Lens(model="fisheye", coefficients=torch.tensor([-0.02, 0.004, 0, 0], dtype=torch.float64))
    points = 4 * torch.rand(100, 2, dtype=torch.float64) - 2
    bent = torch.from_numpy(synthetic.bent(points.numpy()))
    torch.testing.assert_close(model.distort(points), bent, atol=1e-12, rtol=0)
    straight = torch.from_numpy(synthetic.straight(bent.numpy()))
    torch.testing.assert_close(model.undistort(bent), straight, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", LENSES)
def test_the_jacobian_is_the_derivative_of_the_distortion(name):
    model = lens(name)
    for point in (torch.zeros(2), torch.tensor([1e-5, 0.0]), torch.tensor([0.4, -0.5])):
        by_autograd = torch.autograd.functional.jacobian(model.distort, point.double())
        torch.testing.assert_close(model.jacobian(point.double()), by_autograd, atol=1e-7, rtol=0)


def test_a_distortion_that_folds_inside_the_picture_is_refused():
    folding = Lens(model="opencv", coefficients=torch.tensor([-0.9, 0.0, 0.0, 0.0]).double())
    assert math.tan(folding.farthest) == pytest.approx(math.sqrt(1 / 2.7), abs=1e-3)
    with pytest.raises(LensError, match=r"one to one over the whole picture of 1280 x 720 px, .* folds 31 degrees"):
        Undistortion.of(folding, CAMERA)
    small = Camera(K=CAMERA.K - torch.tensor([[0.0, 0, 555], [0, 0, 275], [0, 0, 0]]), size=(150, 200))
    assert Undistortion.of(folding, small).pinhole.size[1] > 200  # the same lens before a small sensor
    assert folding.undistort(torch.tensor([[0.5, 0.0]])).isnan().all()


def test_a_fisheye_that_sees_more_than_a_pinhole_is_cut():
    wide = Camera(K=torch.tensor([[400.0, 0, 640], [0, 400, 360], [0, 0, 1]]), size=(720, 1280))  # 92 degrees aside
    undistortion = Undistortion.of(lens("equidistant"), wide)
    assert undistortion.pinhole.size[1] == pytest.approx(2 * 400 * math.tan(math.radians(60)), abs=2)
    assert undistortion.to_pinhole(torch.tensor([[1279.0, 360.0]])).isnan().all()
    assert undistortion.to_pinhole(torch.tensor([[1200.0, 360.0]])).isfinite().all()


def test_a_straight_edge_is_straight_again():
    """A half-plane seen through the lens, drawn pixel by pixel where the equations put it."""
    quarter = Camera(K=torch.diag(torch.tensor([0.25, 0.25, 1])) @ CAMERA.K, size=(180, 320))
    undistortion = Undistortion.of(lens("brown"), quarter)
    xs, ys = torch.meshgrid(torch.arange(320) + 0.5, torch.arange(180) + 0.5, indexing="xy")
    x, y = undistortion.to_pinhole(torch.stack([xs, ys], -1)).unbind(-1)
    bright = (x + 0.3 * y > 330).float()
    image = undistortion.image(bright[None])[0]
    rows = torch.arange(60, undistortion.pinhole.size[0] - 60, 10)
    edges = np.array([float((image[row] < 0.5)[50:-50].sum()) + 50 for row in rows])
    assert np.abs(edges - (330 - 0.3 * (rows.numpy() + 0.5))).max() < 1
    curved = np.array([float((bright[row] < 0.5).sum()) for row in range(5, 175, 10)])
    line = np.polyval(np.polyfit(np.arange(len(curved)), curved, 1), np.arange(len(curved)))
    assert np.abs(curved - line).max() > 2
    white = undistortion.image(torch.ones(1, 180, 320))[0]
    assert float(white[0, 200]) == 0  # the picture shows nothing there
    assert float(white[100, 200]) == 1


def test_a_hand_seen_through_a_lens_is_placed_where_it_is():
    """In the picture's corner, where a pinhole of the same K would put it several centimetres aside."""
    undistortion = Undistortion.of(lens("brown"), CAMERA)
    joints = 0.05 * torch.randn(8, 21, 3)
    t = torch.tensor([0.25, 0.12, 0.5]) + 0.01 * torch.randn(8, 3)
    points = (joints + t[:, None]).double()
    bent = lens("brown").distort(points[..., :2] / points[..., 2:])
    seen = CAMERA.to(torch.float64).project(torch.cat([bent, torch.ones_like(bent[..., :1])], -1)).float()
    found = place(joints, undistortion.to_pinhole(seen), torch.ones(8, 21), undistortion.pinhole.to(torch.float32))
    torch.testing.assert_close(found, t, atol=1e-4, rtol=0)
    without = place(joints, seen, torch.ones(8, 21), CAMERA)
    assert (without - t).norm(dim=-1).min() > 0.02


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("opencv", [0.1, 0.2]),
        ("opencv", [0.1] * 12),
        ("fisheye", [0.1] * 5),
        ("opencv", [math.nan] * 4),
    ],
)
def test_what_is_no_lens_is_refused(model, coefficients):
    with pytest.raises(LensError, match="expected"):
        Lens(model=model, coefficients=torch.tensor(coefficients))
