"""Pictures as the pipeline sees them: upright, of a right hand, with intrinsics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.data.photos import PhotoError, read_focal, read_photo
from ownhand.geometry.camera import Camera, Placement
from ownhand.locate import HandBox
from ownhand.structs import stack

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
DEFAULT_FOV = 60.0


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture of one hand, mirrored if it was a left one.

    Attributes:
        image: RGB in [0, 1], showing a right hand.
        camera: Intrinsics of `image`.
        is_right: Whether the hand was a right one before mirroring.
        name: What to call it in messages and file names.
        file: Name of the picture's file, if it has one.
        camera_source: How the intrinsics are known, in words.
        placement: Where the camera stood, if it is one of several that saw the hand at once; of the mirrored world, if
            the picture was mirrored.
        box: Where the hand is in `image`; None if it has to be found.
        keypoints: The 21 joints in `image` as somebody else found them, each with its confidence as third value; None
            if our network is to find them.
    """

    image: Float[Tensor, "3 h w"]
    camera: Camera
    is_right: bool = True
    name: str = "picture"
    file: str = ""
    camera_source: str = "given intrinsics"
    placement: Placement | None = None
    box: HandBox | None = None
    keypoints: Float[Tensor, "21 3"] | None = None

    @classmethod
    def of(
        cls,
        image: Float[Tensor, "3 h w"],
        K: Float[Tensor, "3 3"] | None = None,
        *,
        fov: float = DEFAULT_FOV,
        is_right: bool = True,
        name: str = "picture",
        camera_source: str | None = None,
    ) -> View:
        """A picture as it came.

        Args:
            image: RGB in [0, 1], upright.
            K: Intrinsics [px], pixel centres at .5; None takes `fov`.
            fov: Field of view along the longer side [degrees] when there is no K.
            is_right: Which hand it shows.
            name: What to call it.
            camera_source: How the intrinsics are known, in words.
        """
        size = (image.shape[-2], image.shape[-1])
        camera = Camera.from_fov(fov, size) if K is None else Camera(K=K, size=size)
        source = camera_source or (assumed(fov) if K is None else "given intrinsics")
        view = cls(image=image, camera=camera, is_right=True, name=name, camera_source=source)
        return view if is_right else view.mirrored()

    def mirrored(self) -> View:
        """The mirror image, in which left and right hands are exchanged; its own inverse.

        The camera frame is mirrored in x with the picture, so that K keeps its usual signs.
        """
        flip = torch.diag(self.camera.K.new_tensor([-1.0, 1.0, 1.0]))
        flip_pixels = flip.clone()
        flip_pixels[0, 2] = self.camera.size[1]
        camera = Camera(K=flip_pixels @ self.camera.K @ flip, size=self.camera.size)
        placement = self.placement
        if placement is not None:
            R, t = flip @ placement.R_cam_world @ flip, flip @ placement.t_cam_world
            placement = replace(placement, R_cam_world=R, t_cam_world=t)
        box = None if self.box is None else self.box.mirrored(self.camera.size[1])
        keypoints = self.keypoints
        if keypoints is not None:
            keypoints = torch.stack([self.camera.size[1] - keypoints[:, 0], *keypoints[:, 1:].unbind(-1)], -1)
        same: dict[str, Any] = {"camera": camera, "is_right": not self.is_right, "placement": placement}
        same |= {"box": box, "keypoints": keypoints}
        return replace(self, image=self.image.flip(-1), **same)


def assumed(fov: float) -> str:
    """What `View.camera_source` says when a field of view was taken."""
    return f"assumed field of view {fov:g} degrees"


def placements(views: Sequence[View]) -> Placement | None:
    """Where the cameras of some views stood; one whose place is not known has an instant of its own."""
    if all(view.placement is None for view in views):
        return None
    found = []
    for number, view in enumerate(views, start=1):
        nowhere = Placement(R_cam_world=torch.eye(3), t_cam_world=torch.zeros(3), instant=torch.tensor(-number))
        found.append(nowhere if view.placement is None else view.placement)
    return stack(found)


def find_pictures(paths: tuple[Path, ...] | list[Path]) -> list[Path]:
    """Picture files, with folders replaced by the pictures in them, sorted by name.

    Raises:
        PhotoError: There are none.
    """
    found = []
    for path in map(Path, paths):
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise PhotoError(f"{path}: expected a folder with pictures ({', '.join(SUFFIXES)}), found none")
        found += inside
    if not found:
        raise PhotoError("expected at least one picture, got none")
    return found


def read_intrinsics(path: Path) -> Float[Tensor, "3 3"]:
    """A 3 x 3 matrix from a .npy or a text file (rows on lines, blanks or commas between) [px, pixel centres at .5].

    Raises:
        ValueError: The file does not hold the intrinsics of a camera.
    """
    try:
        if path.suffix == ".npy":
            K = np.load(path, allow_pickle=False)
        else:
            K = np.array([[float(x) for x in line.replace(",", " ").split()] for line in path.read_text().splitlines()])
    except OSError as error:
        raise ValueError(f"{path}: cannot read the intrinsics ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: expected a 3 x 3 matrix of numbers ({error})") from None
    if (
        K.shape != (3, 3)
        or not np.isfinite(K).all()
        or K[0, 0] <= 0
        or K[1, 1] <= 0
        or abs(K[2] - [0, 0, 1]).max() > 1e-6
    ):
        raise ValueError(
            f"{path}: expected 3 x 3 intrinsics with positive focal lengths and last row 0 0 1, got {K.tolist()}"
        )
    return torch.from_numpy(K).float()


CAMERAS = "ownhand cameras 1"
"""The format of files with the cameras of a rig (docs/formats.md)."""


def read_cameras(path: Path) -> dict[str, tuple[Float[Tensor, "3 3"], Placement]]:
    """Intrinsics [px, pixel centres at .5] and places of the cameras of some pictures, by the pictures' file names.

    Raises:
        ValueError: The file does not hold them.
    """
    found = {}
    try:
        content = json.loads(path.read_text())
        if content["format"] != CAMERAS:
            raise ValueError(f"its format is {content['format']!r}")
        for name, camera in content["pictures"].items():
            K, R, t = (torch.tensor(camera[key]).float() for key in ("K", "R_cam_world", "t_cam_world"))
            instant = torch.tensor(int(camera["instant"]))
            if (K.shape, R.shape, t.shape) != ((3, 3), (3, 3), (3,)):
                raise ValueError(f"{name} has no 3 x 3 K and R_cam_world, and t_cam_world of 3 numbers")
            if not all(x.isfinite().all() for x in (K, R, t)) or (K[2] - torch.tensor([0, 0, 1.0])).abs().max() > 1e-6:
                raise ValueError(f"the numbers of {name} are no intrinsics in px and no place in metres")
            if (R @ R.mT - torch.eye(3)).abs().max() > 1e-3 or torch.linalg.det(R) < 0:
                raise ValueError(f"R_cam_world of {name} is no rotation")
            if instant < 0:
                raise ValueError(f"the instant of {name} is negative")
            found[name] = K, Placement(R_cam_world=R, t_cam_world=t, instant=instant)
    except OSError as error:
        raise ValueError(f"{path}: cannot read the cameras ({error.strerror})") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f'{path}: expected {{"format": "{CAMERAS}", "pictures": {{NAME: {{"K", "R_cam_world", "t_cam_world", '
            f'"instant"}}}}}}, but {error}'
        ) from None
    return found


def read_view(
    path: Path, *, K: Float[Tensor, "3 3"] | None = None, fov: float | None = None, is_right: bool = True
) -> View:
    """A picture file as a view.

    Args:
        path: Of the picture.
        K: Intrinsics [px], pixel centres at .5.
        fov: Field of view along the longer side [degrees] when there is no K. When None, the focal length that the
            camera noted (EXIF) counts, and if there is none, `DEFAULT_FOV`.
        is_right: Which hand it shows.

    Raises:
        PhotoError: It is not a picture.
    """
    image, source = read_photo(path), None
    if K is None and fov is None and (noted := read_focal(path)) is not None:
        (focal, source), (height, width) = noted, image.shape[1:]
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    fov = DEFAULT_FOV if fov is None else fov
    view = View.of(image, K, fov=fov, is_right=is_right, name=path.stem, camera_source=source)
    return replace(view, file=path.name)
