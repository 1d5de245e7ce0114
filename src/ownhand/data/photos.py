"""Ordinary picture files of any kind -> RGB in [0, 1], and the focal length that a camera wrote into them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

FILM_DIAGONAL_MM = 43.2666
"""Of a 24 x 36 mm film frame: 35 mm equivalents compare fields of view along the diagonal (CIPA DCG-001)."""

MIN_SIDE = 16
MAX_PIXELS = 100_000_000


class PhotoError(ValueError):
    """A file that cannot be used as a picture; the message says why, in one sentence."""


def read_photo(path: str | Path) -> Float[Tensor, "3 h w"]:
    """Read a picture as RGB in [0, 1], upright.

    EXIF orientation is applied; grey, palette, CMYK and 16-bit pictures are converted; transparency is laid over white;
    of an animation the first frame counts.

    Raises:
        PhotoError: There is no such file, it is not a picture, it is truncated, or its size is unusable.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                width, height = file.size
                if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
                    raise PhotoError(
                        f"{path}: expected a picture of at least {MIN_SIDE} x {MIN_SIDE} and at most "
                        f"{MAX_PIXELS // 1_000_000} megapixels, got {width} x {height}"
                    )
                file.load()
                image = ImageOps.exif_transpose(file)
    except PhotoError:
        raise
    except FileNotFoundError:
        raise PhotoError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise PhotoError(f"{path}: expected a picture, got a folder") from None
    except UnidentifiedImageError:
        hint = " (HEIC: convert it to JPEG first)" if path.suffix.lower() in (".heic", ".heif") else ""
        raise PhotoError(f"{path}: expected a picture (JPEG, PNG, ...), but its content is not one{hint}") from None
    except Image.DecompressionBombError:
        raise PhotoError(f"{path}: expected at most {MAX_PIXELS // 1_000_000} megapixels, got far more") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"{path}: the picture is truncated or damaged ({error})") from None
    return to_tensor(image)


def read_focal(path: str | Path) -> tuple[float, str] | None:
    """The focal length that the camera noted in the file's EXIF data.

    Returns:
        Focal length [px], and where it comes from, in words. None if the file says nothing, or if the picture's
        proportions are no longer those that the camera noted: it was cut, and nobody knows where.

    Raises:
        PhotoError: It is not a picture.
    """
    try:
        with Image.open(path) as file:
            size, exif = file.size, file.getexif().get_ifd(ExifTags.IFD.Exif)
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f"{path}: expected a picture, but it cannot be read ({error})") from None

    def number(tag: ExifTags.Base) -> float:
        try:
            return float(exif.get(tag, 0))
        except (TypeError, ValueError, ZeroDivisionError):
            return 0.0

    noted = number(ExifTags.Base.ExifImageWidth), number(ExifTags.Base.ExifImageHeight)
    if min(noted) > 0 and abs(min(size) / max(size) - min(noted) / max(noted)) > 0.01:
        return None
    if (equivalent := number(ExifTags.Base.FocalLengthIn35mmFilm)) > 0:
        return equivalent * math.hypot(*size) / FILM_DIAGONAL_MM, f"EXIF: {equivalent:g} mm (35 mm equivalent)"
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(number(ExifTags.Base.FocalPlaneResolutionUnit)), 25.4)
    focal_mm, per_unit = number(ExifTags.Base.FocalLength), number(ExifTags.Base.FocalPlaneXResolution)
    if focal_mm > 0 and per_unit > 0 and min(noted) > 0:
        pixels = focal_mm * per_unit / unit_mm * max(size) / max(noted)
        return pixels, f"EXIF: {focal_mm:g} mm and the sensor's resolution"
    return None


def to_tensor(image: Image.Image) -> Float[Tensor, "3 h w"]:
    """A Pillow picture of any mode as RGB in [0, 1]."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        grey = np.asarray(image, dtype=np.float32)
        top = 65535.0 if grey.max() > 255 else 255.0
        rgb = np.repeat((grey / top).clip(0, 1)[..., None], 3, axis=-1)
        return torch.from_numpy(rgb).permute(2, 0, 1).contiguous()
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def to_image(image: Float[Tensor, "3 h w"]) -> Image.Image:
    """RGB in [0, 1] as an 8-bit Pillow picture."""
    pixels = (image.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(pixels.cpu().numpy())
