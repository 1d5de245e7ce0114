"""How many pictures without a hand are refused, at the threshold that keeps 97 % of the validation hands.

    python benchmarks/no_hand.py [--weights FOLDER] [--pictures 400]

The pictures are the generator's surroundings alone, as its camera takes them, and the same with a forearm-coloured box
or ball before them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image, ImageDraw

from ownhand.pipeline import load
from ownhand.structs import given
from ownhand.synth.surroundings.backgrounds import background
from ownhand.synth.surroundings.devices import Device
from ownhand.synth.surroundings.effects import draw_exposure, photographed
from ownhand.views import View

SEED, SIZE, BATCH = 900_000, 128, 50


def main(weights: Path | None = None, pictures: int = 400) -> None:
    pipeline = load(weights)
    threshold = pipeline.settings.min_keypoint_confidence
    for name, distract in (("surroundings", False), ("skin-coloured things", True)):
        confidence, refused, located = [], [], []
        for start in range(0, pictures, BATCH):
            views = [_view(i, distract=distract) for i in range(start, min(start + BATCH, pictures))]
            _, seen = pipeline.crop(views)
            confidence.append(seen.keypoint_confidence.mean(-1))
            refused.append(~pipeline.has_hand(seen))
            located.append(given(seen.located, "whether hands were located"))
        mean, sure = (torch.cat(x).float().mean() for x in (refused, confidence))
        print(
            f"{name}: {mean:.1%} of {pictures} refused, {1 - torch.cat(located).float().mean():.1%} by the locator "
            f"(confidence {sure:.2f} on average, threshold {threshold:.2f})"
        )


def _view(index: int, *, distract: bool) -> View:
    rng = np.random.default_rng([SEED, index])
    device = Device(kind="phone", frame=(0, 0, SIZE, SIZE))
    linear = background(SEED, index, SIZE, rng, hands=False)
    picture = Image.fromarray(photographed(linear, draw_exposure(rng, device), device, rng))
    if distract:
        draw = ImageDraw.Draw(picture)
        x, y, w, h = (int(v) for v in rng.uniform((0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.5, 0.5)) * SIZE)
        tone = tuple(int(c * rng.uniform(0.3, 1)) for c in (235, 185, 150))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x, y, x + w, y + h), fill=tone)
    return View.of(torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255)


if __name__ == "__main__":
    tyro.cli(main)
