"""What a camera does to light: exposure, blur, noise, processing, encoding."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter
from scipy.special import ndtri

from ownhand.render.colour import mixed, saturation, srgb_from_linear
from ownhand.synth.surroundings.devices import Device

Array = np.ndarray
Rng = np.random.Generator

LOW_LIGHT, OVEREXPOSED, UNDEREXPOSED = 0.08, 0.05, 0.05  # shares of the pictures
MOVED, DEFOCUSED, SHARPENED, JPEG, VIGNETTED, GREY = 0.2, 0.3, 0.35, 0.4, 0.3, 0.015
CORRELATED = 0.6  # share whose noise has been through demosaicing or denoising
HALO = 1.2  # variance of the blur that sharpening compares with [px^2]
ROLLING = 0.04  # share under lamps that flicker while the rows are read out

_STEPS = 4096
_CODES = srgb_from_linear(np.linspace(0, 1, _STEPS))

_NORMAL = ndtri((np.arange(256) + 0.5) / 256).astype(np.float32)
_GREY = np.array([0.3, 0.5, 0.2], np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposure:
    """What a camera does to every picture of a clip alike. Lengths are shares of the picture's side.

    Attributes:
        mix: Linear RGB times this is what the sensor counts `[3 3]`: gain, white balance, saturation.
        tone: sRGB code 0 to 255 of each of 4096 linear levels: response and contrast `[4096]`.
        noise: Standard deviation of the noise at each code, in codes `[256]`.
        correlated: Whether neighbouring pixels share noise.
        coloured: Share of the noise that differs between channels.
        motion: Longest path of a moving hand or camera during the exposure; 0 for none.
        defocus: Standard deviation of the blur.
        coarse: Side of the recorded picture over that of the crop, at most 1.
        sharpening: Share of the difference to a blurred copy that is added; makes halos.
        vignette: Light lost at the corner of the sensor.
        flicker: Amplitude and period of bands along the rows.
        quality: Of the JPEG with half the colour resolution; None for no JPEG.
    """

    mix: Float[Array, "3 3"]
    tone: Float[Array, "4096"]
    noise: Float[Array, "256"]
    correlated: bool = False
    coloured: float = 1.0
    motion: float = 0.0
    defocus: float = 0.0
    coarse: float = 1.0
    sharpening: float = 0.0
    vignette: float = 0.0
    flicker: tuple[float, float] = (0.0, 1.0)
    quality: int | None = None


def draw_exposure(rng: Rng, device: Device) -> Exposure:
    """How a device takes and encodes pictures.

    Args:
        rng: Random numbers.
        device: Its resolution limits the picture's; a grey one gives grey pictures.
    """
    weak = device.kind in ("webcam", "tracking camera", "pass-through", "depth camera")  # small pixels, few bits
    gain, level = np.exp(rng.normal(0, 0.16)), np.exp(rng.normal(-0.3 if weak else -1.1, 0.6))
    chance = rng.random()
    if chance < LOW_LIGHT:
        gain, level = gain * rng.uniform(0.3, 0.7), level * rng.uniform(2, 4)
    elif chance < LOW_LIGHT + OVEREXPOSED:
        gain *= rng.uniform(1.5, 2.4)
    elif chance < LOW_LIGHT + OVEREXPOSED + UNDEREXPOSED:
        gain *= rng.uniform(0.35, 0.65)
    warmth = rng.normal(0, 0.09)
    balance = gain * np.exp(np.array([warmth, 0, -1.3 * warmth]) + rng.normal(0, 0.025, 3))
    grey = device.grey or rng.random() < GREY
    colours = np.repeat(_GREY[:, None], 3, 1) if grey else saturation(rng.uniform(0.7, 1.25))
    tone = _tone(rng.normal(0, 0.25), rng.uniform(0, 0.03), 1 - rng.uniform(0, 0.06))
    return Exposure(
        mix=(balance[:, None] * colours).astype(np.float32),
        tone=tone,
        noise=_noise(tone, shot=(0.02 * level) ** 2, read=(0.004 * level) ** 2),
        correlated=rng.random() < CORRELATED,
        coloured=0.0 if grey else rng.uniform(0.2, 0.8),
        motion=rng.uniform(0.01, 0.06) if rng.random() < MOVED * (2 if chance < LOW_LIGHT else 1) else 0.0,
        defocus=rng.uniform(0.002, 0.009) if rng.random() < DEFOCUSED else rng.uniform(0.0, 0.0025),
        coarse=float(np.clip(device.pixels * rng.choice([1, 0.35, 0.2], p=[0.6, 0.25, 0.15]), 0.3, 1)),
        sharpening=rng.uniform(0.2, 0.9) if rng.random() < SHARPENED else 0.0,
        vignette=rng.uniform(0.1, 0.5) if rng.random() < VIGNETTED else 0.0,
        flicker=(rng.uniform(0.04, 0.15), rng.uniform(0.2, 1.5)) if rng.random() < ROLLING else (0.0, 1.0),
        quality=int(rng.uniform(25, 95)) if rng.random() < JPEG else None,
    )


def photographed(linear: Float[Array, "h w 3"], exposure: Exposure, device: Device, rng: Rng) -> UInt8[Array, "h w 3"]:
    """A linear picture as a camera stores it (sRGB), edge of the sensor included.

    Args:
        linear: What the tangent pinhole sees.
        exposure: Same for all frames of a clip.
        device: Its lens bends the picture; it ends where the sensor does.
        rng: Of noise and motion.
    """
    size = len(linear)
    linear = device.through_lens(linear)
    light = mixed(linear, exposure.mix)
    if exposure.vignette or exposure.flicker[0]:
        light *= _falloff(exposure, device, size, rng)[..., None]
    if exposure.motion:
        light = _moved(light, exposure.motion * size * rng.uniform(0.1, 1), rng)
    codes = exposure.tone.take((light * (_STEPS - 1)).astype(np.int32), mode="clip")
    codes = _smoothed(codes, (exposure.defocus * size) ** 2)
    coarse = max(round(size * exposure.coarse), 8)
    if coarse < size:
        codes = np.asarray(_picture(codes).resize((coarse, coarse), Image.Resampling.BOX), np.float32)
    codes = _noisy(codes, exposure, rng)
    if exposure.sharpening:
        codes += exposure.sharpening * (codes - _smoothed(codes, HALO))
    image = _picture(codes)
    if exposure.quality is not None:
        stored = io.BytesIO()
        image.save(stored, "jpeg", quality=exposure.quality, subsampling="4:2:0")
        image = Image.open(stored)
    if coarse < size:
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return device.framed(np.asarray(image))


def _picture(codes: Float[Array, "h w 3"]) -> Image.Image:
    return Image.fromarray(np.clip(codes + 0.5, 0, 255).astype(np.uint8))


def _smoothed(values: Float[Array, "h w 3"], variance: float) -> Float[Array, "h w 3"]:
    """Blurred by so many square pixels: short kernels repeated, much faster than one long kernel while it is small."""
    if variance > 3:
        blur = ImageFilter.GaussianBlur(variance**0.5)
        return np.asarray(_picture(values).filter(blur), np.float32)
    if variance < 0.05:
        return values
    repeats = int(np.ceil(variance / 0.6))
    side = np.float32(variance / repeats / 2)
    for _ in range(repeats):
        for axis in (0, 1):
            x = values if axis == 0 else values.swapaxes(0, 1)
            y = x * (1 - 2 * side)
            y[1:-1] += side * (x[:-2] + x[2:])
            y[[0, -1]] = x[[0, -1]]
            values = y if axis == 0 else y.swapaxes(0, 1)
    return values


def _tone(contrast: float, black: float, white: float) -> Float[Array, "4096"]:
    """Code of each linear level: sRGB bent into an S (or straightened), between a raised black and a lowered white."""
    x = _CODES
    bent = x + contrast * x * (1 - x) * (2 * x - 0.9)
    return (255 * (black + (white - black) * np.clip(bent, 0, 1))).astype(np.float32)


def _noise(tone: Float[Array, "4096"], shot: float, read: float) -> Float[Array, "256"]:
    """Noise at each code, of a sensor whose variance is `shot` times the light plus `read`; none where it clips."""
    levels, tone = np.linspace(0, 1, _STEPS)[::15], tone[::15]
    deviation = np.gradient(tone, levels[1]) * np.sqrt(shot * levels + read)
    at_code = np.interp(np.arange(256), tone, np.minimum(deviation, 40))
    at_code[int(np.ceil(tone[-1])) :] = 0
    return at_code.astype(np.float32)


def _noisy(codes: Float[Array, "h w 3"], exposure: Exposure, rng: Rng) -> Float[Array, "h w 3"]:
    """Signal-dependent noise, partly the same in all channels."""
    height, width = codes.shape[:2]
    shape = height, width, 1 if exposure.coloured == 0 else 3
    noise = _NORMAL.take(np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8)).reshape(shape)
    if exposure.coloured:
        noise = mixed(noise, saturation(exposure.coloured) * np.float32(1.3))
    if exposure.correlated:  # neighbours of one variance
        noise[1:] = 0.7 * noise[1:] + 0.7 * noise[:-1]
        noise[:, 1:] = 0.7 * noise[:, 1:] + 0.7 * noise[:, :-1]
    return codes + exposure.noise.take(codes.astype(np.uint8)) * noise


def _falloff(exposure: Exposure, device: Device, size: int, rng: Rng) -> Float[Array, "h w"]:
    """Share of the light that the sensor gets: less towards its corners, more and less along its rows."""
    left, top, right, bottom = device.frame
    pixels = np.arange(size) + 0.5
    reach = ((right - left) ** 2 + (bottom - top) ** 2) / 4
    x2, y2 = (pixels - (left + right) / 2) ** 2 / reach, (pixels - (top + bottom) / 2) ** 2 / reach
    strength, period = exposure.flicker
    bands = strength * np.sin(2 * np.pi * (pixels / (period * size) + rng.random()))
    rows = 1 - exposure.vignette * np.minimum(y2, 1) + bands
    return (rows[:, None] - exposure.vignette * np.minimum(x2, 1)).clip(0.2).astype(np.float32)


def _moved(light: Array, length: float, rng: Rng) -> Array:
    """Motion blur: the mean over a short straight path of so many pixels."""
    angle = rng.uniform(0, np.pi)
    offsets = np.unique(np.round(np.linspace(-0.5, 0.5, 7)[:, None] * length * [np.cos(angle), np.sin(angle)]), axis=0)
    reach = int(np.abs(offsets).max())
    padded = np.pad(light, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = light.shape[:2]
    total = np.zeros_like(light)
    for dx, dy in offsets.astype(int):
        total += padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]
    return total / len(offsets)
