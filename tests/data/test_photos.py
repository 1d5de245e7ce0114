"""Every kind of picture file people have, and every kind of file that is none."""

import math

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from ownhand.data.photos import PhotoError, read_focal, read_photo, to_image
from ownhand.views import read_view


@pytest.fixture
def rgb():
    ramp = np.linspace(0, 255, 40, dtype=np.uint8)
    return np.stack([np.tile(ramp, (30, 1)), np.full((30, 40), 90), np.tile(ramp[::-1], (30, 1))], -1).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tiff"])
def test_common_formats_give_the_same_picture(tmp_path, rgb, suffix):
    Image.fromarray(rgb).save(tmp_path / f"a.{suffix}", quality=98)
    image = read_photo(tmp_path / f"a.{suffix}")
    assert image.shape == (3, 30, 40)
    assert (image - torch.from_numpy(rgb).permute(2, 0, 1) / 255).abs().mean() < 0.02


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_mode_becomes_rgb(tmp_path, rgb, mode):
    suffix = "tiff" if mode == "CMYK" else "png"
    Image.fromarray(rgb).convert(mode).save(tmp_path / f"a.{suffix}")
    image = read_photo(tmp_path / f"a.{suffix}")
    assert image.shape == (3, 30, 40)
    assert 0 <= image.min() < image.max() <= 1
    if mode in ("RGBA", "CMYK"):
        assert (image - torch.from_numpy(rgb).permute(2, 0, 1) / 255).abs().mean() < 0.02


def test_sixteen_bit_grey_keeps_its_brightness(tmp_path):
    grey = (np.linspace(0, 1, 40 * 30).reshape(30, 40) * 65535).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    image = read_photo(tmp_path / "a.png")
    torch.testing.assert_close(image[1], torch.from_numpy(grey.astype(np.float32) / 65535), atol=1e-4, rtol=0)


def test_exif_orientation_is_applied(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "a.jpg", exif=exif, quality=98)
    upright = torch.from_numpy(np.rot90(rgb, -1).copy()).permute(2, 0, 1) / 255
    assert (read_photo(tmp_path / "a.jpg") - upright).abs().mean() < 0.02


def test_transparency_is_laid_over_white(tmp_path):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").min() == 1


def test_twenty_megapixels_are_read(tmp_path):
    Image.new("RGB", (5200, 3900), (10, 20, 30)).save(tmp_path / "a.jpg")
    assert read_photo(tmp_path / "a.jpg").shape == (3, 3900, 5200)


def test_unusable_files_are_refused_in_one_sentence(tmp_path, rgb):
    Image.fromarray(rgb).resize((400, 300)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("this is no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for name, reason in {
        "cut.jpg": "truncated",
        "text.jpg": "not one",
        "empty.png": "not one",
        "phone.heic": "convert it to JPEG",
        "dot.png": "at least 16 x 16.*got 1 x 1",
        "missing.png": "no such file",
        ".": "folder",
    }.items():
        with pytest.raises(PhotoError, match=reason) as refusal:
            read_photo(tmp_path / name)
        assert "\n" not in str(refusal.value)


def test_to_image_undoes_read_photo(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(to_image(read_photo(tmp_path / "a.png"))), rgb)


def with_exif(path, size, **tags):
    image, exif = Image.new("RGB", size), Image.Exif()
    for name, value in tags.items():
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base[name]] = value
    image.save(path, exif=exif)
    return path


def test_the_35_mm_equivalent_gives_the_focal_length_along_the_diagonal(tmp_path):
    focal, source = read_focal(with_exif(tmp_path / "a.jpg", (400, 300), FocalLengthIn35mmFilm=26))
    assert math.isclose(2 * math.degrees(math.atan(250 / focal)), 79.5, abs_tol=0.1)  # a 26 mm lens on film
    assert source == "EXIF: 26 mm (35 mm equivalent)"


def test_the_sensors_resolution_does_as_well_and_scales_with_the_picture(tmp_path):
    noted = {"FocalLength": 50.0, "FocalPlaneXResolution": 4000 / 36 * 25.4, "FocalPlaneResolutionUnit": 2}
    size = {"ExifImageWidth": 4000, "ExifImageHeight": 3000}
    focal, _ = read_focal(with_exif(tmp_path / "a.jpg", (400, 300), **noted, **size))
    assert math.isclose(focal, 400 * 50 / 36, rel_tol=1e-4)
    turned, _ = read_focal(with_exif(tmp_path / "b.jpg", (300, 400), **noted, **size))
    assert turned == focal


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FocalLength": 4.2},
        {"FocalLengthIn35mmFilm": 0},
        {"FocalLengthIn35mmFilm": 26, "ExifImageWidth": 4000, "ExifImageHeight": 4000},
    ],
    ids=["nothing", "millimetres alone", "unknown", "cut since"],
)
def test_without_a_usable_note_there_is_no_focal_length(tags, tmp_path):
    assert read_focal(with_exif(tmp_path / "a.jpg", (400, 300), **tags)) is None


def test_a_view_takes_the_cameras_note_unless_told_better(tmp_path):
    path = with_exif(tmp_path / "a.jpg", (400, 300), FocalLengthIn35mmFilm=26)
    noted, told = read_view(path), read_view(path, fov=60)
    assert math.isclose(noted.camera.K[0, 0], 26 * 500 / 43.2666, rel_tol=1e-4)
    assert noted.camera.K[:2, 2].tolist() == [200, 150]
    assert told.camera_source == "assumed field of view 60 degrees"
    assert math.isclose(told.camera.K[0, 0], 200 / math.tan(math.radians(30)), rel_tol=1e-4)
    assert read_view(with_exif(tmp_path / "b.jpg", (400, 300))).camera_source == told.camera_source
    left = read_view(path, is_right=False)
    assert left.camera_source == "EXIF: 26 mm (35 mm equivalent)"
