"""Pictures and clips that a visitor gives: read, shrunk, kept in memory; their files are deleted."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ownhand.data.photos import PhotoError, to_image, to_tensor
from ownhand.data.video import is_video
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.inputs import even_frames, some_names
from ownhand.views import View, read_view

PICTURES = 60
"""Pictures that a visitor may give, frames of clips included."""

CLIP_FRAMES = 40
"""Frames that are taken of a clip."""

MB = 2**20
"""Bytes of what browsers call a megabyte."""

PHOTO_MB, CLIP_MB = 20, 200
"""Largest files."""

LONGER_SIDE = 1280
"""To which pictures are shrunk [px]."""

THUMBNAIL = 128
"""Side of a thumbnail [px]."""

Report = Callable[[int, int, str], None]
"""Hears how many of how many are done, and of what."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A picture as it is kept: shrunk, without what its file said besides.

    Attributes:
        name: What to call it.
        jpeg: The picture.
        camera: Its intrinsics.
        camera_source: How they are known, in words.
    """

    name: str
    jpeg: bytes
    camera: Camera
    camera_source: str

    @classmethod
    def of(cls, view: View, name: str) -> Given:
        """From a picture as it came."""
        height, width = view.camera.size
        scale = min(1.0, LONGER_SIDE / max(height, width))
        size = (round(height * scale), round(width * scale))
        shrink = Crop(T_crop_image=torch.diag(torch.tensor([size[1] / width, size[0] / height, 1.0])), size=size)
        image = view.image if scale == 1 else shrink.image(view.image, padding="border")
        file = io.BytesIO()
        to_image(image).save(file, "JPEG", quality=95)
        return cls(name=name, jpeg=file.getvalue(), camera=shrink.camera(view.camera), camera_source=view.camera_source)

    @cached_property
    def small(self) -> Float[Tensor, "3 h w"]:
        """To see which picture it is."""
        return squared(self.view().image, THUMBNAIL)

    def view(self, *, is_right: bool = True) -> View:
        """As the pipeline takes it, mirrored if it shows a left hand."""
        with Image.open(io.BytesIO(self.jpeg)) as image:
            pixels = to_tensor(image)
        return View.of(pixels, self.camera.K, is_right=is_right, name=self.name, camera_source=self.camera_source)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Something that is not used, why, and its picture if there is one."""

    name: str
    reason: str
    picture: Float[Tensor, "3 h w"] | None = None


def take(paths: Sequence[Path], known: Sequence[Given], report: Report) -> tuple[list[Given], list[Refused]]:
    """Read pictures and clips, and delete their files.

    Args:
        paths: The files.
        known: Pictures that are there already; they count, and names stay different.
        report: Hears of progress.

    Returns:
        The pictures, and what cannot be used, with the reason as an end of a sentence.
    """
    new: list[Given] = []
    refused: list[Refused] = []
    left_out: list[str] = []
    for number, path in enumerate(paths):
        report(number, len(paths), "Reading")
        room = PICTURES - len(known) - len(new)
        try:
            _check_size(path)
            if room <= 0:
                left_out.append(path.name)
            elif is_video(path):
                frames = even_frames(path, min(CLIP_FRAMES, room), lambda *_: None)
                for name, image in frames:
                    new.append(Given.of(View.of(image), _unique(f"{path.stem}, {name}", [*known, *new])))
            else:
                view = read_view(path)
                new.append(Given.of(view, _unique(path.stem, [*known, *new])))
        except ValueError as error:
            reason = str(error).removeprefix(f"{path}: ").replace(str(path), path.name)
            refused.append(Refused(name=path.name, reason=reason))
        finally:
            delete(path)
    if left_out:
        reason = f"{PICTURES} pictures at most are used at once, frames of clips included"
        refused.append(Refused(name=some_names(left_out), reason=reason))
    return new, refused


def squared(image: Float[Tensor, "3 h w"], size: int) -> Float[Tensor, "3 size size"]:
    """The middle of a picture, as large a square as there is, resampled to `size` x `size`."""
    height, width = image.shape[-2:]
    crop = Crop.square(torch.tensor([width / 2, height / 2]), torch.tensor(float(min(height, width))), size)
    return crop.image(image, padding="border")


def delete(path: Path) -> None:
    """A file that was uploaded, and the folder that it had to itself."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()


def _check_size(path: Path) -> None:
    if not path.exists():
        raise PhotoError("it went missing while it was read: add it again")
    most, size = CLIP_MB if is_video(path) else PHOTO_MB, path.stat().st_size / MB
    if size > most:
        kind = "clip" if is_video(path) else "picture"
        raise PhotoError(f"a {kind} may have {most} MB at most, this one has {size:.0f} MB")


def _unique(name: str, others: Sequence[Given]) -> str:
    taken = {one.name for one in others}
    names = (name if number == 1 else f"{name} ({number})" for number in range(1, len(taken) + 2))
    return next(one for one in names if one not in taken)
