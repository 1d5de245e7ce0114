"""Pictures as the pipeline sees them: upright, of a right hand, with intrinsics, as a pinhole would have taken them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.data.cameras import Cameras
from ownhand.data.photos import PhotoError, read_focal, read_photo
from ownhand.geometry.camera import Camera, Placement
from ownhand.geometry.card import CardError, Plane, card_plane
from ownhand.geometry.lens import Undistortion
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
        undistortion: How the picture as it came, before any mirroring, became that of a pinhole; None if it was one.
        is_right: Whether the hand was a right one before mirroring.
        name: What to call it in messages and file names.
        file: Name of the picture's file, if it has one.
        camera_source: How the intrinsics are known, in words.
        camera_known: False where nobody knows them and `DEFAULT_FOV` is taken.
        placement: Where the camera stood, if it is one of several that saw the hand at once; of the mirrored world, if
            the picture was mirrored.
        box: Where the hand is in `image`; None if it has to be found.
        card: The plane of a bank card that lies beside the hand; of the mirrored camera, if the picture was mirrored.
        keypoints: The 21 joints in `image` as somebody else found them, each with its confidence as third value; None
            if our network is to find them.
    """

    image: Float[Tensor, "3 h w"]
    camera: Camera
    undistortion: Undistortion | None = None
    is_right: bool = True
    name: str = "picture"
    file: str = ""
    camera_source: str = "given intrinsics"
    camera_known: bool = True
    placement: Placement | None = None
    box: HandBox | None = None
    card: Plane | None = None
    keypoints: Float[Tensor, "21 3"] | None = None

    @classmethod
    def of(
        cls,
        image: Float[Tensor, "3 h w"],
        K: Float[Tensor, "3 3"] | None = None,
        *,
        undistortion: Undistortion | None = None,
        fov: float | None = None,
        is_right: bool = True,
        name: str = "picture",
        camera_source: str | None = None,
    ) -> View:
        """A picture as it came.

        Args:
            image: RGB in [0, 1], upright.
            K: Intrinsics [px], pixel centres at .5; None takes `fov`.
            undistortion: What undoes the lens, which is then done; K is that of its camera.
            fov: Field of view along the longer side [degrees] when there is no K; None takes `DEFAULT_FOV`.
            is_right: Which hand it shows.
            name: What to call it.
            camera_source: How the intrinsics are known, in words.
        """
        size = (image.shape[-2], image.shape[-1])
        angle, known = DEFAULT_FOV if fov is None else fov, K is not None or fov is not None
        camera = Camera.from_fov(angle, size) if K is None else Camera(K=K, size=size)
        source = camera_source or (assumed(angle) if K is None else "given intrinsics")
        if undistortion is not None:
            image, camera = undistortion.image(image), undistortion.pinhole.to(torch.float32)
        view = cls(
            image=image, camera=camera, undistortion=undistortion, name=name, camera_source=source, camera_known=known
        )
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
        same |= {"box": box, "keypoints": keypoints, "card": None if self.card is None else self.card.mirrored()}
        return replace(self, image=self.image.flip(-1), **same)

    def with_card(self, corners: Float[Tensor, "4 2"]) -> View:
        """The same with a bank card that lies in the plane of the hand.

        Args:
            corners: Of the card, in any order [px of the picture as it came, before mirroring].

        Raises:
            CardError: The corners are not those of a card, or nothing is known of the camera.
        """
        if not self.camera_known:
            raise CardError(
                f"{self.name}: a card shows size if the camera is known: pass its intrinsics or field of view"
            )
        upright = self if self.is_right else self.mirrored()
        if self.undistortion is not None:
            corners = self.undistortion.to_pinhole(corners)
        try:
            plane = card_plane(corners, upright.camera)
        except CardError as error:
            raise CardError(f"{self.name}: {error}") from None
        return replace(self, card=plane if self.is_right else plane.mirrored())


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


def cards(views: Sequence[View]) -> Plane | None:
    """The planes of the cards in some views, unknown ones where there is none; None if there is none in any."""
    if all(view.card is None for view in views):
        return None
    return stack([Plane.unknown() if view.card is None else view.card for view in views])


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


def read_view(
    path: Path,
    *,
    K: Float[Tensor, "3 3"] | None = None,
    cameras: Cameras | None = None,
    fov: float | None = None,
    is_right: bool = True,
) -> View:
    """A picture file as a view.

    Args:
        path: Of the picture.
        K: Intrinsics [px], pixel centres at .5.
        cameras: Of pictures among which this is one (`read_cameras`); instead of K.
        fov: Field of view along the longer side [degrees] when there is no K. When None, the focal length that the
            camera noted (EXIF) counts, and if there is none, `DEFAULT_FOV`.
        is_right: Which hand it shows.

    Raises:
        PhotoError: It is not a picture.
        CameraError: Its camera is not known, or takes pictures of another size.
        LensError: The distortion folds inside the picture.
    """
    image, source, placement, undistortion = read_photo(path), None, None, None
    size = (image.shape[1], image.shape[2])
    if cameras is not None:
        known = cameras.of(path.name, size)
        K, placement, undistortion = known.K, known.placement, known.undistortion(size)
        source = f"intrinsics from {cameras.file.name}"
    elif K is None and fov is None and (noted := read_focal(path)) is not None:
        (focal, source), (height, width) = noted, size
        K = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    view = View.of(image, K, undistortion=undistortion, fov=fov, name=path.stem, camera_source=source)
    view = replace(view, file=path.name, placement=placement)
    return view if is_right else view.mirrored()
