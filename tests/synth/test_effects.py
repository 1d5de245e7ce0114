"""What a camera does to light."""

from dataclasses import replace

import numpy as np
import pytest

from ownhand.synth.surroundings.devices import Device
from ownhand.synth.surroundings.effects import Exposure, _noise, _tone, draw_exposure, photographed

SIZE = 64
PHONE = Device(kind="phone", frame=(-200, -100, 200, 200), pixels=3)
TONE = _tone(0, 0, 1)
CLEAN = Exposure(mix=np.eye(3, dtype=np.float32), tone=TONE, noise=np.zeros(256, np.float32))


def _grey(level: float = 0.2) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), level, np.float32)


def _half() -> np.ndarray:
    """Dark left, bright right."""
    image = _grey(0.1)
    image[:, SIZE // 2 :] = 0.5
    return image


def test_a_photograph_of_grey_is_about_grey():
    exposures = [draw_exposure(np.random.default_rng(i), PHONE) for i in range(80)]
    levels = [photographed(_grey(), e, PHONE, np.random.default_rng(i)).mean() for i, e in enumerate(exposures)]
    assert 90 < np.mean(levels) < 150
    assert np.std(levels) > 8


def test_a_clean_exposure_is_srgb():
    picture = photographed(_grey(0.2140), CLEAN, PHONE, np.random.default_rng(0))
    np.testing.assert_allclose(picture, 127.5, atol=1)


def test_frames_of_a_clip_share_all_but_their_noise():
    exposure = replace(CLEAN, noise=_noise(TONE, 1e-4, 1e-5), mix=np.diag([1.2, 1, 0.8]).astype(np.float32))
    first, second = (photographed(_grey(), exposure, PHONE, np.random.default_rng(i)) for i in range(2))
    assert (first != second).mean() > 0.5
    np.testing.assert_allclose(first.mean((0, 1)), second.mean((0, 1)), atol=1)
    np.testing.assert_array_equal(first, photographed(_grey(), exposure, PHONE, np.random.default_rng(0)))


@pytest.mark.parametrize("level", [0.05, 0.3, 0.7])
def test_noise_is_that_of_counted_light(level):
    shot, read = 4e-4, 1e-5
    exposure = replace(CLEAN, noise=_noise(TONE, shot, read), coloured=0.999)
    picture = photographed(np.full((128, 128, 3), level, np.float32), exposure, PHONE, np.random.default_rng(0))
    slope = np.gradient(TONE, np.linspace(0, 1, len(TONE)))[int(level * (len(TONE) - 1))]
    expected = 1.3 * slope * np.sqrt(shot * level + read)
    assert picture.std() == pytest.approx(expected, rel=0.12)


def test_clipped_highlights_are_white_and_without_noise():
    exposure = replace(CLEAN, noise=_noise(TONE, 1e-3, 1e-3), coloured=0.5)
    assert (photographed(_grey(3.0), exposure, PHONE, np.random.default_rng(0)) == 255).all()


def test_neighbours_share_noise_after_demosaicing():
    def between(correlated):
        exposure = replace(CLEAN, noise=_noise(TONE, 1e-3, 1e-4), correlated=correlated)
        picture = photographed(_grey(), exposure, PHONE, np.random.default_rng(0)).astype(float).mean(-1)
        picture -= picture.mean()
        return (picture[:, 1:] * picture[:, :-1]).mean() / picture.var()

    assert abs(between(False)) < 0.1
    assert 0.35 < between(True) < 0.65


@pytest.mark.parametrize("change", [{"defocus": 0.01}, {"defocus": 0.05}, {"coarse": 0.3}, {"motion": 0.2}])
def test_blur_softens_edges_and_keeps_brightness(change):
    sharp = photographed(_half(), CLEAN, PHONE, np.random.default_rng(1)).astype(float)
    soft = photographed(_half(), replace(CLEAN, **change), PHONE, np.random.default_rng(1)).astype(float)
    assert np.abs(soft - sharp).max() > 3
    assert abs(soft.mean() - sharp.mean()) < 4
    assert np.abs(np.diff(soft, axis=1)).max() < 0.9 * np.abs(np.diff(sharp, axis=1)).max()


def test_jpeg_loses_colour_before_brightness():
    image = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    exposures = (CLEAN, replace(CLEAN, quality=95))
    clean, stored = (photographed(image, e, PHONE, np.random.default_rng(0)).astype(float) for e in exposures)
    brightness = np.abs((stored - clean) @ [0.299, 0.587, 0.114])
    assert np.abs(stored - clean).mean() > 4 * brightness.mean() > 0


def test_sharpening_leaves_halos():
    picture = photographed(_half(), replace(CLEAN, sharpening=0.8), PHONE, np.random.default_rng(0)).astype(int)
    row = picture[SIZE // 2, :, 1]
    assert row.max() > row[-2] + 5
    assert row.min() < row[2] - 5


def test_corners_are_darker_and_rows_flicker():
    centred = replace(PHONE, frame=(0, 0, SIZE, SIZE))
    dim = photographed(_grey(), replace(CLEAN, vignette=0.5), centred, np.random.default_rng(0)).astype(int)
    assert dim[SIZE // 2, SIZE // 2, 0] > dim[0, 0, 0] + 15
    bands = photographed(_grey(), replace(CLEAN, flicker=(0.15, 0.5)), centred, np.random.default_rng(0)).astype(int)
    assert np.ptp(bands[:, 0, 0]) > 8
    assert np.ptp(bands[0, :, 0]) <= 1


def test_grey_devices_give_grey_pictures():
    device = replace(PHONE, kind="tracking camera", grey=True)
    image = np.random.default_rng(0).random((SIZE, SIZE, 3)).astype(np.float32)
    for seed in range(10):
        exposure = replace(draw_exposure(np.random.default_rng(seed), device), quality=None)
        picture = photographed(image, exposure, device, np.random.default_rng(seed)).astype(int)
        assert np.ptp(picture, axis=-1).max() <= 1


def test_every_effect_occurs():
    drawn = [draw_exposure(np.random.default_rng(i), replace(PHONE, pixels=1.5)) for i in range(400)]
    shares = {
        "motion": np.mean([e.motion > 0 for e in drawn]),
        "coarse": np.mean([e.coarse < 1 for e in drawn]),
        "sharpening": np.mean([e.sharpening > 0 for e in drawn]),
        "vignette": np.mean([e.vignette > 0 for e in drawn]),
        "flicker": np.mean([e.flicker[0] > 0 for e in drawn]),
        "quality": np.mean([e.quality is not None for e in drawn]),
    }
    assert all(0.01 < share < 0.6 for share in shares.values()), shares
    qualities = [e.quality for e in drawn if e.quality is not None]
    assert min(qualities) < 35 < 85 < max(qualities)
    assert min(e.coarse for e in drawn) >= 0.3
