"""Cameras from files: our own JSON, calibrations of OpenCV and ROS, COLMAP's cameras.txt, bare matrices."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.camera import Camera, Placement
from ownhand.geometry.lens import COUNTS, Lens, LensModel, Undistortion

FORMAT = "ownhand cameras 1"
"""The format of our own files (docs/formats.md)."""

COLMAP: dict[str, tuple[int, LensModel | None, tuple[int, ...]]] = {
    "SIMPLE_PINHOLE": (1, None, ()),
    "PINHOLE": (2, None, ()),
    "SIMPLE_RADIAL": (1, "opencv", (0,)),
    "RADIAL": (1, "opencv", (0, 1)),
    "OPENCV": (2, "opencv", (0, 1, 2, 3)),
    "FULL_OPENCV": (2, "opencv", (0, 1, 2, 3, 4, 5, 6, 7)),
    "SIMPLE_RADIAL_FISHEYE": (1, "fisheye", (0,)),
    "RADIAL_FISHEYE": (1, "fisheye", (0, 1)),
    "OPENCV_FISHEYE": (2, "fisheye", (0, 1, 2, 3)),
}
"""COLMAP's models: focal lengths, our lens model, and which of its coefficients follow; the others are 0."""

_MATRIX = ("K", "camera_matrix", "cameraMatrix", "Camera_Matrix", "camera_matrix_left", "mtx")
_COEFFICIENTS = ("D", "distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist_coeffs", "dist")
_ROS: dict[str, LensModel] = {
    "plumb_bob": "opencv",
    "rational_polynomial": "opencv",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
}


class CameraError(ValueError):
    """A file that holds no cameras; the message says why, in one sentence."""


@dataclass(frozen=True, kw_only=True)
class KnownCamera:
    """What is known of the camera of a picture.

    Attributes:
        K: Intrinsics [px, pixel centres at .5].
        size: Height and width of its pictures [px]; None if any will do.
        lens: Its lens; None for a pinhole.
        placement: Where it stood, if that is known.
    """

    K: Float[Tensor, "3 3"]
    size: tuple[int, int] | None = None
    lens: Lens | None = None
    placement: Placement | None = None

    def undistortion(self, size: tuple[int, int]) -> Undistortion | None:
        """What undoes the lens in pictures of some height and width [px]; None for a pinhole.

        Raises:
            LensError: The distortion folds inside the picture.
        """
        return None if self.lens is None else Undistortion.of(self.lens, Camera(K=self.K, size=size))


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """The cameras of a file.

    Attributes:
        file: Its path.
        camera: That of all pictures which have none of their own.
        pictures: By the pictures' file names.
    """

    file: Path
    camera: KnownCamera | None = None
    pictures: Mapping[str, KnownCamera] = field(default_factory=dict)

    def of(self, name: str | None, size: tuple[int, int]) -> KnownCamera:
        """The camera of a picture.

        Args:
            name: Of the picture's file; None for a frame of a video.
            size: Height and width of the picture [px].

        Raises:
            CameraError: There is none, or it is of pictures of another size.
        """
        found = self.camera if name is None else self.pictures.get(name, self.camera)
        if found is None and name is None:
            raise CameraError(f"{self.file}: expected one camera for all frames, got cameras of single pictures")
        if found is None:
            raise CameraError(f"{self.file}: expected a camera of every picture, but there is none of {name}")
        if found.size not in (None, size):
            height, width = found.size
            raise CameraError(
                f"{self.file}: expected pictures of {width} x {height} px, as this camera takes them, "
                f"got {name or 'frames'} of {size[1]} x {size[0]}"
            )
        return found


def read_cameras(path: Path) -> Cameras:
    """Cameras in any of the formats of docs/formats.md, by what the file holds.

    Raises:
        CameraError: It holds none.
    """
    try:
        if path.suffix == ".npy":
            return Cameras(file=path, camera=KnownCamera(K=_matrix(np.load(path, allow_pickle=False))))
        text = path.read_text(encoding="utf-8")
        if path.suffix in (".json", ".yaml", ".yml", ".xml"):
            content = json.loads(text) if path.suffix == ".json" else _yaml(text)
            if isinstance(content, dict) and "format" in content:
                return _own(path, content)
            return Cameras(file=path, camera=_opencv(content))
        lines = [
            line.split() for line in text.replace(",", " ").splitlines() if line.strip() and line.strip()[0] != "#"
        ]
        if any(len(line) > 1 and line[1] in COLMAP for line in lines):
            return Cameras(file=path, camera=_colmap(lines))
        return Cameras(file=path, camera=KnownCamera(K=_matrix([[float(x) for x in line] for line in lines])))
    except OSError as error:
        raise CameraError(f"{path}: cannot read the cameras ({error.strerror})") from None
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError, yaml.YAMLError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error).split("\n")[0]
        raise CameraError(f"{path}: expected cameras in a format of docs/formats.md, but {said}") from None


def _matrix(values: Any) -> Float[Tensor, "3 3"]:
    try:
        K = torch.as_tensor(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"K is not a 3 x 3 matrix of numbers ({error})") from None
    if (
        K.shape != (3, 3)
        or not K.isfinite().all()
        or K[0, 0] <= 0
        or K[1, 1] <= 0
        or (K[2] - torch.tensor([0, 0, 1.0])).abs().max() > 1e-6
    ):
        raise ValueError(f"intrinsics are 3 x 3 with positive focal lengths and last row 0 0 1 in px, not {K.tolist()}")
    return K.float()


def _own(path: Path, content: dict[str, Any]) -> Cameras:
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}, not {FORMAT!r}")
    if not ("camera" in content or "pictures" in content):
        raise ValueError('it has neither a "camera" nor "pictures"')
    everywhere = _one_of_ours("the camera", content["camera"]) if "camera" in content else None
    pictures = {name: _one_of_ours(name, camera) for name, camera in content.get("pictures", {}).items()}
    return Cameras(file=path, camera=everywhere, pictures=pictures)


def _one_of_ours(name: str, camera: dict[str, Any]) -> KnownCamera:
    if "K" not in camera:
        raise ValueError(f"{name} has no K")
    size = tuple(int(x) for x in camera["size"]) if "size" in camera else None
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f"the size of {name} is not its height and width")
    lens = None
    if camera.get("distortion") is not None:
        lens = _lens(camera["distortion"]["model"], camera["distortion"]["coefficients"])
    placement = None
    if {"R_cam_world", "t_cam_world", "instant"} & camera.keys():
        R, t = (torch.tensor(camera[key]).float() for key in ("R_cam_world", "t_cam_world"))
        instant = torch.tensor(int(camera["instant"]))
        if (R.shape, t.shape) != ((3, 3), (3,)):
            raise ValueError(f"{name} has no 3 x 3 R_cam_world, and t_cam_world of 3 numbers")
        if not all(x.isfinite().all() for x in (R, t)):
            raise ValueError(f"the numbers of {name} are no place in metres")
        if (R @ R.mT - torch.eye(3)).abs().max() > 1e-3 or torch.linalg.det(R) < 0:
            raise ValueError(f"R_cam_world of {name} is no rotation")
        if instant < 0:
            raise ValueError(f"the instant of {name} is negative")
        placement = Placement(R_cam_world=R, t_cam_world=t, instant=instant)
    return KnownCamera(K=_matrix(camera["K"]), size=size, lens=lens, placement=placement)


def _lens(model: Any, coefficients: Any) -> Lens | None:
    """None where all coefficients are 0: a pinhole."""
    if model not in COUNTS:
        raise ValueError(f"a lens model is one of {', '.join(COUNTS)}, not {model!r}")
    values = torch.tensor(coefficients, dtype=torch.float64).flatten()
    if model == "opencv" and len(values) > 8 and (values[8:] == 0).all():
        values = values[:8]  # no thin prism and no tilt
    lens = Lens(model=model, coefficients=values)
    return None if (values == 0).all() and model == "opencv" else lens


class _Loader(yaml.SafeLoader):
    """Plain data only, and the matrices of OpenCV's FileStorage."""


def _opencv_matrix(loader: yaml.SafeLoader, node: yaml.Node) -> dict[Any, Any]:
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _opencv_matrix)


def _yaml(text: str) -> Any:
    """OpenCV writes `%YAML:1.0`, which YAML does not know."""
    if text.lstrip().startswith("<"):
        raise ValueError("it is XML: write the calibration as .yml or .json instead")
    lines = text.splitlines()
    return yaml.load("\n".join(lines[1:] if lines and lines[0].startswith("%YAML:") else lines), Loader=_Loader)


def _opencv(content: Any) -> KnownCamera:
    """A calibration as OpenCV's FileStorage or ROS writes it; pixel centres at whole numbers."""
    if not isinstance(content, dict):
        raise ValueError("it is no table of names and values")
    matrix = next((content[name] for name in _MATRIX if name in content), None)
    if matrix is None:
        raise ValueError(f"it has no camera matrix ({', '.join(_MATRIX[:3])}, ...)")
    K = _matrix(np.reshape(_entries(matrix), (3, 3)))
    size = None
    if "image_width" in content and "image_height" in content:
        size = int(content["image_height"]), int(content["image_width"])
    lens = None
    found = next((content[name] for name in _COEFFICIENTS if name in content), None)
    if found is not None and len(_entries(found)):
        model = "fisheye" if int(content.get("fisheye_model", 0) or 0) else "opencv"
        named = content.get("distortion_model")
        if named is not None and named not in _ROS:
            raise ValueError(f"its distortion model is {named!r}, none of {', '.join(_ROS)}")
        lens = _lens(model if named is None else _ROS[named], _entries(found))
    return KnownCamera(K=Camera.from_integer_centres(K, size or (1, 1)).K, size=size, lens=lens)


def _entries(matrix: Any) -> list[float]:
    values = matrix["data"] if isinstance(matrix, dict) else matrix
    return [float(x) for x in np.ravel(values)]


def _colmap(lines: Sequence[Sequence[str]]) -> KnownCamera:
    """A line CAMERA_ID MODEL WIDTH HEIGHT PARAMS; pixel centres at .5, as ours."""
    if len(lines) != 1:
        raise ValueError(f"it has {len(lines)} cameras of COLMAP: leave one line, that of these pictures")
    _, name, width, height, *rest = lines[0]
    if name not in COLMAP:
        raise ValueError(f"COLMAP's model {name!r} is none of {', '.join(COLMAP)}")
    focals, model, which = COLMAP[name]
    numbers = [float(x) for x in rest]
    if len(numbers) != focals + 2 + len(which) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"COLMAP's model {name} has {focals + 2 + len(which)} parameters, not {rest}")
    fx, fy, (cx, cy) = numbers[0], numbers[focals - 1], numbers[focals : focals + 2]
    lens = None
    if model is not None:
        coefficients = np.zeros(8 if len(which) > 4 else 4)
        coefficients[list(which)] = numbers[focals + 2 :]
        lens = _lens(model, coefficients.tolist())
    K = _matrix([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return KnownCamera(K=K, size=(int(height), int(width)), lens=lens)
