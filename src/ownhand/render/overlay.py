"""Drawing results over pictures: meshes, keypoints, contact sheets. Pictures are `[3 h w]` sRGB in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.hand.skeleton import PARENTS_21
from ownhand.render.colour import linear_from_srgb, srgb_from_linear
from ownhand.render.raytrace import render
from ownhand.render.scene import RGB, Ambient, Light, Material, Mesh, Scene, Surface

FINGER_COLOURS: tuple[RGB, ...] = (
    (0.86, 0.86, 0.86),  # wrist
    (0.90, 0.22, 0.20),  # thumb
    (0.98, 0.68, 0.10),  # index
    (0.30, 0.75, 0.30),  # middle
    (0.15, 0.60, 0.95),  # ring
    (0.65, 0.35, 0.90),  # little
)
NEUTRAL: RGB = (0.72, 0.77, 0.84)
_OVERSAMPLE = 4


def draw_mesh(
    image: Float[Tensor, "3 h w"],
    verts: Float[Tensor, "v 3"],
    faces: Int[Tensor, "f 3"] | Surface,
    camera: Camera,
    *,
    colour: RGB = NEUTRAL,
    alpha: float = 1.0,
    device: str = "cpu",
) -> Float[Tensor, "3 h w"]:
    """Draw a shaded mesh over a picture.

    Args:
        image: The picture that `camera` took.
        verts: Vertices in the camera frame [m].
        faces: Triangles, or a kept `Surface` when many meshes of one topology are drawn.
        camera: Its size is that of the picture.
        colour: Linear RGB of the material.
        alpha: Opacity of the mesh.
        device: Warp's name of the device.

    Raises:
        ValueError: The sizes of picture and camera differ, or a mesh that cannot be drawn.
    """
    if tuple(image.shape[-2:]) != tuple(camera.size):
        raise ValueError(f"expected a picture of {tuple(camera.size)}, as the camera's, got {tuple(image.shape[-2:])}")
    surface = faces if isinstance(faces, Surface) else Surface(faces=_numpy(faces))
    mesh = Mesh(
        verts=_numpy(verts),
        surface=surface,
        material=Material(colour=colour, specular=0.03, roughness=0.55, wrap=(0.2, 0.2, 0.2)),
    )
    # A key light from the upper left, grazing enough to show relief, and a weak one from the right.
    distance = float(np.linalg.norm(mesh.verts.mean(0)))

    def light(x: float, y: float, z: float, brightness: float) -> Light:
        colour = (brightness * distance**2,) * 3
        return Light(position=(x * distance, y * distance, z * distance), colour=colour, radius=0.15 * distance)

    lights = (light(-0.8, -0.9, 0.5, 1.35), light(0.9, 0.3, 0.4, 0.3))
    ambient = Ambient.gradient(sky=(0.24, 0.25, 0.28), ground=(0.13, 0.12, 0.11), reach=0.1 * distance)
    picture = render(Scene(meshes=(mesh,), lights=lights, ambient=ambient), camera, samples=4, device=device)
    background = linear_from_srgb(_numpy(image).transpose(1, 2, 0))
    coverage = alpha * picture.alpha[..., None]
    drawn = srgb_from_linear(alpha * picture.rgb + (1 - coverage) * background)
    # Untouched pixels stay exactly as they were.
    result = np.where(picture.alpha[..., None] > 0, drawn, _numpy(image).transpose(1, 2, 0))
    return torch.from_numpy(np.ascontiguousarray(result.transpose(2, 0, 1), np.float32))


def draw_keypoints(
    image: Float[Tensor, "3 h w"],
    keypoints: Float[Tensor, "21 2"],
    confidence: Float[Tensor, "21"] | None = None,
    *,
    width: float | None = None,
) -> Float[Tensor, "3 h w"]:
    """Draw the 21 keypoints and the bones between them, one colour per finger.

    Args:
        image: Picture.
        keypoints: Pixels of the picture, in the project's joint order. Those that are not finite are left out.
        confidence: In [0, 1]; fades uncertain keypoints and the bones that end there.
        width: Of the bones [px]; from the size of the picture when None.
    """
    points = _numpy(keypoints)
    opacity = [1.0] * 21 if confidence is None else _numpy(confidence).clip(0.1, 1).tolist()
    scale, (height, breadth) = _OVERSAMPLE, image.shape[-2:]
    line = width if width is not None else max(1.0, max(height, breadth) / 160)
    layer = Image.new("RGBA", (breadth * scale, height * scale))
    pen = ImageDraw.Draw(layer)

    def ink(joint: int, fade: float) -> tuple[int, int, int, int]:
        r, g, b = (round(255 * c) for c in FINGER_COLOURS[(joint + 3) // 4])
        return r, g, b, round(255 * fade)

    drawable = np.isfinite(points.sum(-1))
    for rim in (0.5 * line, 0.0):  # a dark rim first, so that the bones show on any picture
        for joint, parent in enumerate(PARENTS_21):
            if parent >= 0 and drawable[joint] and drawable[parent]:
                fade = min(opacity[joint], opacity[parent])
                ends = [tuple(points[parent] * scale), tuple(points[joint] * scale)]
                colour = (0, 0, 0, round(110 * fade)) if rim else ink(joint, fade)
                pen.line(ends, colour, max(1, round((line + 2 * rim) * scale)))
    for joint in range(21):
        if drawable[joint]:
            x, y = points[joint] * scale
            radius = 1.3 * line * scale
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), ink(joint, opacity[joint]))

    return _over(image, layer.resize((breadth, height), Image.Resampling.BOX))


def contact_sheet(
    images: Sequence[Float[Tensor, "3 h w"]],
    *,
    columns: int,
    captions: Sequence[str] | None = None,
    gap: int = 4,
) -> Float[Tensor, "3 height width"]:
    """Pictures of one size side by side on white, row by row, each above its caption.

    Raises:
        ValueError: No picture, pictures of several sizes, or captions for more or fewer.
    """
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) != 1 or columns < 1:
        raise ValueError(f"expected pictures of one size in at least one column, got {sorted(shapes)} in {columns}")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"expected {len(images)} captions, one for each picture, got {len(captions)}")
    _, h, w = shapes.pop()
    columns = min(columns, len(images))
    font = ImageFont.load_default(size=max(10, min(h, w) // 14))
    caption_height = 0 if captions is None else math.ceil(1.5 * font.size)  # type: ignore[union-attr]
    rows = math.ceil(len(images) / columns)
    size = (columns * (w + gap) - gap, rows * (h + caption_height + gap) - gap)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for k, image in enumerate(images):
        left, top = k % columns * (w + gap), k // columns * (h + caption_height + gap)
        sheet.paste(to_pillow(image), (left, top))
        if captions is not None:
            pen.text((left + w / 2, top + h + caption_height / 2), captions[k], "black", font, anchor="mm")
    return from_pillow(sheet)


def to_pillow(image: Float[Tensor, "3 h w"]) -> Image.Image:
    """An 8-bit Pillow picture."""
    levels = (_numpy(image).clip(0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(levels.transpose(1, 2, 0))


def from_pillow(image: Image.Image) -> Float[Tensor, "3 h w"]:
    """A Pillow picture as a tensor."""
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1) / 255)


def _over(image: Tensor, layer: Image.Image) -> Tensor:
    """A layer with straight alpha over a picture; what it leaves clear stays exactly as it was."""
    pixels = torch.from_numpy(np.asarray(layer, np.float32).transpose(2, 0, 1) / 255)
    return torch.lerp(image.detach().cpu().float(), pixels[:3], pixels[3:])


def _numpy(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().cpu())
