"""Other views of the same picture, for training: turned, moved, recoloured, worn and partly hidden.

All on whole batches, and a function of (seed, epoch, picture) alone: neither the batch a picture is in nor the process
that loads it changes it.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from ownhand.data.frame import HandFrame
from ownhand.data.sample import HandSample
from ownhand.geometry.crops import Crop, rotation
from ownhand.hand.skeleton import upright_angle

S = TypeVar("S", HandSample, HandFrame)

DRAWS = 40
"""Uniform random numbers that one picture takes."""

STORED_BOX = 2.0
"""Side of stored pictures relative to the larger side of the keypoints' box, about."""

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a picture is changed; the default changes nothing.

    Attributes:
        size: Side of the square that results [px]; None keeps the picture's longer side.
        angle_deg: Rotation in the plane, up to this either way.
        upright: Probability that the picture is turned until the palm points up, and then by up to `tilt_deg` either
            way, instead.
        tilt_deg: See `upright`.
        scale: Range of the factor by which the hand grows (log-uniform).
        box: Instead of the whole picture, show the square around the keypoints; range of its side relative to the
            larger side of their box (log-uniform). Then `scale` does not count.
        shift: Displacement in x and y, up to this share of the side either way.
        mirror: Probability that a whole frame is mirrored, and right hands become left ones. The part of a frame that
            `scale` chooses may lie anywhere in it; `upright`, `box`, `shift` and `patches` do not count there.
        brightness: Added to all channels, up to this either way.
        contrast: Range of the factor about the picture's mean brightness.
        saturation: Range of the factor about each pixel's brightness.
        hue_deg: Turn of all colours about the grey axis, up to this either way.
        balance: Factor of each channel for itself, 1 up to this either way.
        grey: Probability that the colours go.
        blur: Probability of a blur, up to a 5 x 5 tent.
        jpeg: Probability of compression, of quality 20 to 80.
        noise: Standard deviation of the noise, up to this.
        patches: Probability that rectangles hide a part of the picture.
    """

    size: int | None = None
    angle_deg: float = 0.0
    upright: float = 0.0
    tilt_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    box: tuple[float, float] | None = None
    shift: float = 0.0
    mirror: float = 0.0
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    hue_deg: float = 0.0
    balance: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    jpeg: float = 0.0
    noise: float = 0.0
    patches: float = 0.0

    @property
    def middle(self) -> Augmentation:
        """The same view of every picture, in the middle of what training shows: to validate on, and to use later."""
        side = None if self.box is None else math.sqrt(self.box[0] * self.box[1])
        return Augmentation(size=self.size, box=None if side is None else (side, side), upright=float(self.upright > 0))


def draw(seed: int, epochs: list[int], indices: list[int]) -> Float[Tensor, "batch draws"]:
    """The uniform random numbers in [0, 1) of each picture."""
    rows = [np.random.default_rng((seed, *key)).random(DRAWS) for key in zip(epochs, indices, strict=True)]
    return torch.from_numpy(np.stack(rows))


def augment(sample: S, config: Augmentation, draws: Float[Tensor, "batch draws"]) -> S:
    """Change a batch of pictures, and all labels with them.

    Args:
        sample: A batch with one batch axis.
        config: How far.
        draws: From `draw`; the same numbers change a picture in the same way.
    """
    uniform = iter(draws.unbind(-1))
    moves = torch.stack([*(next(uniform) for _ in range(4)), draws[:, -1]], -1)
    patches = torch.stack([next(uniform) for _ in range(17)], -1)
    if isinstance(sample, HandFrame):
        sample = _move_frame(sample, config, moves)
    else:
        sample = _hide(_move(sample, config, moves), config, patches)
    image = _recolour(sample.image, config, torch.stack([next(uniform) for _ in range(8)], -1))
    image = _blur(image, config, next(uniform), next(uniform))
    image = _compress(image, config, next(uniform), next(uniform))
    return replace(sample, image=_add_noise(image, config, next(uniform), next(uniform)).clamp(0, 1))


def _between(low: float, high: float, uniform: Tensor) -> Float[Tensor, "*batch"]:
    return (low + (high - low) * uniform).float()


def _move(sample: HandSample, config: Augmentation, uniform: Float[Tensor, "batch 5"]) -> HandSample:
    """Turn, scale and shift. The camera turns with the picture, so that K stays upper triangular:

    a pixel moves by T, so K' R_z(a) = T K; with square pixels T K R_z(-a) is upper triangular, and R_z(a) moves
    everything in the camera frame.
    """
    turn, grow, x, y, stand = uniform.unbind(-1)
    height, width = sample.image.shape[-2:]
    longer = max(height, width)
    size = longer if config.size is None else config.size
    angle = _between(-1.0, 1.0, turn) * math.radians(config.angle_deg)
    if config.upright:
        tilted = upright_angle(sample.keypoints) + _between(-1.0, 1.0, turn) * math.radians(config.tilt_deg)
        angle = torch.where(stand < config.upright, tilted, angle)
    shift = torch.stack([_between(-config.shift, config.shift, u) for u in (x, y)], -1)
    R = torch.eye(3).repeat(len(angle), 1, 1)
    R[:, :2, :2] = rotation(angle)
    if config.box is None:
        side = longer / _between(math.log(config.scale[0]), math.log(config.scale[1]), grow).exp()
        crop = Crop.square(torch.tensor([width / 2, height / 2]) + shift * side[:, None], side, size, angle)
        stored = longer
    else:
        factor = _between(math.log(config.box[0]), math.log(config.box[1]), grow).exp()
        crop = Crop.around_keypoints(sample.keypoints, size, factor, angle=angle, shift=shift)
        stored = longer * config.box[0] / STORED_BOX
    camera = crop.camera(sample.camera)
    K = camera.K @ R.mT
    K[:, 1, 0] = torch.where(K[:, 1, 0].abs() < 1e-5 * K[:, 0, 0].abs(), 0, K[:, 1, 0])
    pose = sample.pose
    if pose is not None:
        t_cam_root = (R @ pose.t_cam_root[..., None])[..., 0]
        pose = replace(pose, R_cam_root=R @ pose.R_cam_root, t_cam_root=t_cam_root)
    keypoints = crop.keypoints(sample.keypoints)
    inside = ((keypoints >= 0) & (keypoints < size)).all(-1)
    shrink = max(1, int(stored / size))  # not by each batch's own scales

    maps = {name: x for name in ("labels", "depth") if (x := getattr(sample, name)) is not None}
    if maps:
        moved = crop.image(torch.stack([x.float() for x in maps.values()], 1), mode="nearest", shrink=1)
        maps = {name: x.to(maps[name].dtype) for name, x in zip(maps, moved.unbind(1), strict=True)}
    return replace(
        sample,
        image=crop.image(sample.image, padding="border", shrink=shrink),
        camera=replace(camera, K=K),
        keypoints=keypoints,
        visible=sample.visible & inside,
        joints=sample.joints @ R.mT,
        taken=None,
        pose=pose,
        **maps,
    )


def _move_frame(frame: HandFrame, config: Augmentation, uniform: Float[Tensor, "batch 5"]) -> HandFrame:
    """Mirror, turn, and show a part of any place, or more than there is."""
    turn, grow, x, y, mirror = uniform.unbind(-1)
    height, width = frame.image.shape[-2:]
    longer = max(height, width)
    size = longer if config.size is None else config.size
    flipped = mirror < config.mirror
    image = frame.image.where(~flipped[:, None, None, None], frame.image.flip(-1))
    keypoints = frame.keypoints.where(
        ~flipped[:, None, None, None], frame.keypoints.new_tensor([width, 0]) + frame.keypoints * torch.tensor([-1, 1])
    )
    angle = _between(-1.0, 1.0, turn) * math.radians(config.angle_deg)
    side = longer / _between(math.log(config.scale[0]), math.log(config.scale[1]), grow).exp()
    place = torch.stack([_between(-0.5, 0.5, u) for u in (x, y)], -1)
    centre = torch.tensor([width / 2, height / 2]) + place * (longer - side).abs()[:, None]
    crop = Crop.square(centre, side, size, angle)
    moved = crop.keypoints(keypoints.flatten(1, 2)).view_as(keypoints)
    inside = ((moved >= 0) & (moved < size)).all(-1)
    return HandFrame(
        image=crop.image(image, padding="border", shrink=1),
        present=frame.present & inside.any(-1),
        keypoints=moved,
        visible=frame.visible & inside,
        is_right=frame.is_right ^ flipped[:, None],
        complete=frame.complete,
    )


def _hide(sample: HandSample, config: Augmentation, uniform: Float[Tensor, "batch 17"]) -> HandSample:
    """Two rectangles of one colour or of the mirrored picture."""
    rows = (uniform[:, 0] < config.patches).nonzero()[:, 0]
    if not len(rows):
        return sample
    image, keypoints, visible = sample.image[rows], sample.keypoints[rows], sample.visible[rows]
    height, width = image.shape[-2:]
    xs, ys = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    mirrored = image.flip(-1)
    hidden = torch.zeros(len(rows), height, width, dtype=torch.bool)
    for u in uniform[rows, 1:].float().split(8, -1):
        centre, half = u[:, :2] * torch.tensor([width, height]), (0.03 + 0.15 * u[:, 2:4] ** 2) * max(height, width)
        inside_x = (xs - centre[:, :1]).abs() < half[:, :1]
        inside_y = (ys - centre[:, 1:]).abs() < half[:, 1:]
        patch = inside_y[:, :, None] & inside_x[:, None, :]
        fill = torch.where((u[:, 4] < 0.5)[:, None, None, None], u[:, 5:8, None, None], mirrored)
        image = torch.where(patch[:, None], fill, image)
        hidden |= patch
        visible = visible & ~((keypoints - centre[:, None]).abs() < half[:, None]).all(-1)
    maps = {name: x for name in ("labels", "depth") if (x := getattr(sample, name)) is not None}
    return replace(
        sample,
        image=sample.image.index_copy(0, rows, image),
        visible=sample.visible.index_copy(0, rows, visible),
        **{name: x.index_copy(0, rows, x[rows].masked_fill(hidden, 0)) for name, x in maps.items()},
    )


def _recolour(
    image: Float[Tensor, "batch 3 h w"], config: Augmentation, uniform: Float[Tensor, "batch 8"]
) -> Float[Tensor, "batch 3 h w"]:
    """Balance, hue, saturation, contrast and brightness: together one affine map of colours per picture."""
    brightness, contrast, saturation, hue, grey, *balance = uniform.unbind(-1)
    luma = torch.tensor(_LUMA).expand(3, 3)
    angle = _between(-1.0, 1.0, hue) * math.radians(config.hue_deg)
    a, b, c = (angle[:, None, None] + math.radians(d) for d in (0, 120, 240))
    # A rotation about (1, 1, 1): a circulant matrix of (1 + 2 cos) / 3.
    x, y, z = ((1 + 2 * t.cos()) / 3 for t in (a, b, c))
    hue_map = torch.cat([torch.cat([x, y, z], -1), torch.cat([z, x, y], -1), torch.cat([y, z, x], -1)], -2)
    factor = _between(*config.saturation, saturation).masked_fill(grey < config.grey, 0)[:, None, None]
    saturation_map = factor * torch.eye(3) + (1 - factor) * luma
    gain = torch.stack([_between(1 - config.balance, 1 + config.balance, u) for u in balance], -1)
    colours = saturation_map @ hue_map * gain[:, None]
    mean = colours @ image.mean((-1, -2))[..., None]
    factor = _between(*config.contrast, contrast)[:, None, None]
    offset = (1 - factor) * (luma @ mean) + _between(-1.0, 1.0, brightness)[:, None, None] * config.brightness
    return torch.baddbmm(offset, factor * colours, image.flatten(-2)).view_as(image).clamp_(0, 1)


def _blur(image: Tensor, config: Augmentation, chance: Tensor, amount: Tensor) -> Float[Tensor, "batch 3 h w"]:
    return _some(image, chance < config.blur, lambda x, a: x.lerp(_box(_box(x)), a[:, None, None, None]), amount)


def _box(image: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)


def _compress(image: Tensor, config: Augmentation, chance: Tensor, amount: Tensor) -> Float[Tensor, "batch 3 h w"]:
    def encode(images: Tensor, amounts: Tensor) -> Tensor:
        out = []
        for picture, quality in zip((images * 255).round().byte(), (20 + 60 * amounts).int().tolist(), strict=True):
            buffer = io.BytesIO()
            Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG", quality=quality)
            out.append(torch.from_numpy(np.array(Image.open(buffer))))
        return torch.stack(out).permute(0, 3, 1, 2).float() / 255

    return _some(image, chance < config.jpeg, encode, amount)


def _some(image: Tensor, chosen: Bool[Tensor, "batch"], change, amount: Tensor) -> Float[Tensor, "batch 3 h w"]:
    """Change the chosen pictures only."""
    rows = chosen.nonzero()[:, 0]
    return image.index_copy(0, rows, change(image[rows], amount[rows].float())) if len(rows) else image


@cache
def _noise_store() -> Float[Tensor, "numbers"]:
    return torch.randn(2**21, generator=torch.Generator().manual_seed(0))


def _add_noise(image: Tensor, config: Augmentation, amount: Tensor, place: Tensor) -> Float[Tensor, "batch 3 h w"]:
    """White noise: a piece of a store, because drawing it anew would cost more than all the rest."""
    if not config.noise:
        return image
    store, needed = _noise_store(), image[0].numel()
    if needed > len(store) // 2:
        store = store.repeat(2 * needed // len(store) + 1)
    starts = (place * (len(store) - needed)).long().tolist()
    noise = torch.stack([store[s : s + needed] for s in starts]).view_as(image)
    return torch.addcmul(image, noise, (amount.float() * config.noise)[:, None, None, None])
