"""Cameras from files of every kind that is understood, and what is refused."""

import json

import numpy as np
import pytest
import torch

from ownhand.data.cameras import CameraError, read_cameras
from ownhand.geometry.lens import Undistortion

K = torch.tensor([[900.0, 0, 640], [0, 890, 360], [0, 0, 1]])
OPENCV = """%YAML:1.0
---
calibration_time: "Mon 30 Nov 2026"
image_width: 1280
image_height: 720
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 900., 0., 639.5, 0., 890., 359.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -0.3, 0.1, 0.001, -0.002, 0.01 ]
"""
ROS = """image_width: 1280
image_height: 720
camera_name: left
camera_matrix:
  rows: 3
  cols: 3
  data: [900, 0, 639.5, 0, 890, 359.5, 0, 0, 1]
distortion_model: equidistant
distortion_coefficients:
  rows: 1
  cols: 4
  data: [-0.02, 0.004, -0.001, 0.0003]
"""


OVAL = {"model": "oval", "coefficients": [1]}


def written(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


FILES = {
    "opencv.yml": (OPENCV, "opencv", [-0.3, 0.1, 0.001, -0.002, 0.01]),
    "ros.yaml": (ROS, "fisheye", [-0.02, 0.004, -0.001, 0.0003]),
    "plain.json": (
        {"mtx": [[900, 0, 639.5], [0, 890, 359.5], [0, 0, 1]], "dist": [[-0.3, 0.1, 0, 0, 0]]},
        "opencv",
        [-0.3, 0.1, 0, 0, 0],
    ),
    "fisheye.json": (
        {"K": [[900, 0, 639.5], [0, 890, 359.5], [0, 0, 1]], "D": [0.1, 0, 0, 0], "fisheye_model": 1},
        "fisheye",
        [0.1, 0, 0, 0],
    ),
    "long.json": (
        {"K": [[900, 0, 639.5], [0, 890, 359.5], [0, 0, 1]], "D": [0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]},
        "opencv",
        [0.1, 0, 0, 0, 0, 0, 0, 0],
    ),
    "ours.json": (
        {
            "format": "ownhand cameras 1",
            "camera": {
                "K": K.tolist(),
                "size": [720, 1280],
                "distortion": {"model": "opencv", "coefficients": [-0.3, 0.1, 0, 0]},
            },
        },
        "opencv",
        [-0.3, 0.1, 0, 0],
    ),
    "opencv.txt": (
        "# cameras\n1 OPENCV 1280 720 900 890 640 360 -0.3 0.1 0.01 0.02\n",
        "opencv",
        [-0.3, 0.1, 0.01, 0.02],
    ),
    "full.txt": (
        "1 FULL_OPENCV 1280 720 900 890 640 360 -0.3 0.1 0.01 0.02 0.03 0.04 0.05 0.06",
        "opencv",
        [-0.3, 0.1, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06],
    ),
    "fisheye.txt": (
        "1 OPENCV_FISHEYE 1280 720 900 890 640 360 1e-1 2e-2 3e-3 4e-4",
        "fisheye",
        [0.1, 0.02, 0.003, 0.0004],
    ),
    "pinhole.txt": ("1 PINHOLE 1280 720 900 890 640 360", None, None),
    "zero.txt": ("1 OPENCV 1280 720 900 890 640 360 0 0 0 0", None, None),
    "matrix.txt": ("900, 0, 640\n0, 890, 360\n0 0 1\n", None, None),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_camera_in_our_conventions(name, tmp_path):
    content, model, coefficients = FILES[name]
    camera = read_cameras(written(tmp_path, name, content)).of("a.jpg", (720, 1280))
    torch.testing.assert_close(camera.K, K)
    if model is None:
        assert camera.lens is None
        assert camera.undistortion((720, 1280)) is None
    else:
        assert camera.lens.model == model
        torch.testing.assert_close(camera.lens.coefficients, torch.tensor(coefficients, dtype=torch.float64))


def test_colmaps_radial_models_fill_the_coefficients_from_the_front(tmp_path):
    camera = read_cameras(written(tmp_path, "a.txt", "3 RADIAL 1280 720 900 640 360 -0.3 0.1")).camera
    assert camera.K[0, 0] == camera.K[1, 1] == 900
    assert camera.lens.coefficients.tolist() == [-0.3, 0.1, 0, 0]
    assert camera.size == (720, 1280)


def test_a_matrix_of_numpy_is_read(tmp_path):
    np.save(tmp_path / "K.npy", K.numpy())
    torch.testing.assert_close(read_cameras(tmp_path / "K.npy").of(None, (10, 10)).K, K)


def test_a_picture_has_its_own_camera_before_the_common_one(tmp_path):
    own, common = (
        {"K": (2 * K - torch.diag(torch.tensor([0, 0, 1.0]))).tolist()},
        {"K": K.tolist(), "size": [720, 1280]},
    )
    content = {"format": "ownhand cameras 1", "camera": common, "pictures": {"b.jpg": own}}
    cameras = read_cameras(written(tmp_path, "c.json", content))
    assert cameras.of("a.jpg", (720, 1280)).K[0, 0] == 900
    assert cameras.of("b.jpg", (5, 5)).K[0, 0] == 1800
    assert cameras.of("b.jpg", (5, 5)).placement is None
    with pytest.raises(CameraError, match=r"c.json: expected pictures of 1280 x 720 px.*got a.jpg of 720 x 1280"):
        cameras.of("a.jpg", (1280, 720))
    alone = read_cameras(written(tmp_path, "d.json", {"format": "ownhand cameras 1", "pictures": {"b.jpg": own}}))
    with pytest.raises(CameraError, match=r"there is none of a\.jpg"):
        alone.of("a.jpg", (5, 5))
    with pytest.raises(CameraError, match="one camera for all frames"):
        alone.of(None, (5, 5))


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("a.json", "{", "Expecting"),
        ("a.json", [1, 2], "no table of names"),
        ("a.json", {"nothing": 1}, "no camera matrix"),
        ("a.json", {"format": "ownhand hands 1"}, "its format is"),
        ("a.json", {"format": "ownhand cameras 1"}, "neither"),
        ("a.json", {"format": "ownhand cameras 1", "camera": {"size": [1, 2]}}, "has no K"),
        ("a.json", {"format": "ownhand cameras 1", "camera": {"K": [[1, 0], [0, 1]]}}, "3 x 3"),
        ("a.json", {"format": "ownhand cameras 1", "camera": {"K": K.tolist(), "size": [720]}}, "height and width"),
        ("a.json", {"K": K.tolist(), "D": [0.1, 0.2, 0.3]}, "4 or 5 or 8"),
        ("a.json", {"K": K.tolist(), "D": [0.1] * 14}, "4 or 5 or 8"),
        ("a.json", {"K": K.tolist(), "D": [0.1] * 4, "distortion_model": "thin prism"}, "thin prism"),
        ("a.json", {"format": "ownhand cameras 1", "camera": {"K": K.tolist(), "distortion": OVAL}}, "oval"),
        ("a.yml", "!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("a.xml", "<opencv_storage/>", "XML"),
        ("a.txt", "1 2 3\n4 5 6", "3 x 3"),
        ("a.txt", "1 2 3\n4 five 6", "five"),
        ("a.txt", "1 OPENCV 1280 720 900 890 640", "8 parameters"),
        ("a.txt", "1 PINHOLE 9 9 9 9 9 9\n2 PINHOLE 9 9 9 9 9 9", "2 cameras"),
    ],
)  # fmt: skip
def test_what_is_no_camera_is_refused_in_one_sentence(name, content, wrong, tmp_path):
    path = written(tmp_path, name, content)
    with pytest.raises(CameraError) as refusal:
        read_cameras(path)
    assert wrong in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: expected cameras")
    assert "\n" not in str(refusal.value)
    with pytest.raises(CameraError, match="cannot read the cameras"):
        read_cameras(tmp_path / "nowhere.json")


def test_the_lens_of_a_file_is_undone(tmp_path):
    camera = read_cameras(written(tmp_path, "opencv.yml", OPENCV)).of(None, (720, 1280))
    undistortion = camera.undistortion((720, 1280))
    assert isinstance(undistortion, Undistortion)
    middle = torch.tensor([[640.0, 360.0]])
    at = undistortion.to_pinhole(middle)
    torch.testing.assert_close(at[0], undistortion.pinhole.K[:2, 2].float())
