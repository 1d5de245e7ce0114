"""How well are hands found in whole pictures, which side do they get, and how long does a photograph take?

    ownhand synth data/frames_test --frames --people 40 --pictures 16 --size 640 --seed 12
    python benchmarks/find.py data/frames_test [--weights FOLDER] [--frames 640] [--people data/id/test]

Prints recall at one false alarm in ten frames, and at the score that training chose, by the size of the hand; the same
with one look instead of two, and what each costs; how often the side is right; false alarms on surroundings alone; and
the time from a decoded photograph of 12 megapixels to boxes. With `--people`, of 25 single pictures of each person: how
well found hands are reconstructed, given the true shape, and how often pictures tell the side, alone and together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import torch
import tyro

from ownhand.data.dataset import FrameDataset, ShardDataset
from ownhand.detection import OVERLAP, Judged, judge, square_overlap
from ownhand.locate import FALSE_ALARMS, MARGIN, SIDES, HandFinder
from ownhand.metrics import mpjpe_mm
from ownhand.observations import observe
from ownhand.pipeline import Pipeline, load
from ownhand.sides import sides_together
from ownhand.synth.surroundings.backgrounds import background
from ownhand.synth.surroundings.devices import Device
from ownhand.synth.surroundings.effects import draw_exposure, photographed
from ownhand.views import View

SEED, EMPTY, EMPTY_SIZE = 910_000, 400, 640
BINS = (40, 80, 160, 320, 10_000)  # sides of hands' boxes [px of the frame]
SIDE_FROM = 80  # px
PHOTO = (3, 3000, 4000)
EACH, GROSS, TOGETHER = 25, 15, (1, 3, 5, 10)


def main(
    data: tyro.conf.Positional[Path], weights: Path | None = None, frames: int = 640, people: Path | None = None
) -> None:
    torch.manual_seed(0)
    pipeline, pictures = load(weights), FrameDataset(data)
    finder = pipeline.locator
    assert isinstance(finder, HandFinder), "these weights have no detector"
    if people is not None:
        _reconstructed(pipeline, ShardDataset(people, fields=()))
    rows = range(min(frames, len(pictures)))
    for sides in (SIDES, SIDES[:1]):
        finder.sides = sides
        started = time.process_time()
        judged = judge((finder.look(frame.image), frame) for frame in (pictures.load([i])[0] for i in rows))
        spent = (time.process_time() - started) / len(rows)
        print(f"looks at {sides}, {len(rows)} frames, {1e3 * spent:.0f} ms of processor time each, reading included:")
        for score in (judged.threshold(FALSE_ALARMS), finder.min_score):
            _report(judged, score)
    finder.sides = SIDES
    right, asked = _sides(pipeline, finder, pictures, rows)
    print(f"side right for {right / asked:.1%} of {asked} found hands of at least {SIDE_FROM} px")
    alarms = sum(len(finder(_empty(i))) for i in range(EMPTY))
    print(f"{alarms} false alarms in {EMPTY} pictures of surroundings alone")
    photo = torch.rand(*PHOTO)
    for sides in (SIDES, SIDES[:1]):
        finder.sides = sides
        print(f"a decoded photograph of 12 megapixels to boxes, looks at {sides}: {_ms(finder, photo):.0f} ms")


def _reconstructed(pipeline: Pipeline, pictures: ShardDataset) -> None:
    assert pictures.subjects is not None, "the pictures do not say whom they show"
    singles = {int(s): [r for r in pictures.singles if pictures.subjects[r] == s] for s in pictures.subjects.unique()}
    seen = observe(pipeline, pictures, rows=[row for own in singles.values() for row in own[:EACH]])
    off = (seen.seen.keypoints - seen.keypoints).norm(dim=-1).mean(-1) / seen.zoom
    hand = pipeline.hand.shaped(seen.shape)
    truth = hand.posed(seen.pose).joints
    errors = []
    for refine in (False, True):
        pose, _ = pipeline.put(seen.seen, hand, pipeline.pose_given(seen.seen, seen.shape), refine=refine)
        errors.append(float(mpjpe_mm(hand.posed(pose).joints, truth).mean()))
    recognised = pipeline.has_hand(seen.seen).float().mean()
    print(
        f"{len(off)} pictures of {len(singles)} people: keypoints off by {off.mean():.2f} px of the stored picture, "
        f"more than {GROSS} px in {(off > GROSS).float().mean():.1%}; joints with the true shape {errors[0]:.2f} mm, "
        f"refined {errors[1]:.2f}; a hand recognised in {recognised:.1%}"
    )
    right: dict[int, list[bool]] = {count: [] for count in TOGETHER}
    for own in singles.values():
        views = [View(image=one.image, camera=one.camera) for one in (pictures[row] for row in own[:EACH])]
        boxes = [next(iter(pipeline.locator(view.image)), None) for view in views]
        found = [replace(view, box=box) for view, box in zip(views, boxes, strict=True) if box is not None]
        odds = pipeline.side_log_odds(found).tolist()
        for count in TOGETHER:
            for k in range(0, len(odds) - count + 1, count):
                right[count] += sides_together(odds[k : k + count])
    shares = ", ".join(f"in groups of {k} {sum(told) / len(told):.1%} of {len(told)}" for k, told in right.items())
    print(f"side right {shares}")


def _report(judged: Judged, score: float) -> None:
    wrong = int((~judged.correct & (judged.score > score)).sum())
    parts = []
    for low, high in pairwise(BINS):
        asked = (judged.asked >= low) & (judged.asked < high)
        of_size = (judged.side_px >= low) & (judged.side_px < high)
        found = judged.correct & (judged.score > score) & of_size
        parts.append(f"{low} px on {found.sum() / asked.sum().clamp_min(1):.3f} of {int(asked.sum())}")
    print(
        f"  score {score:.2f}, {wrong / judged.frames:.3f} false alarms per frame: recall from {BINS[0]} px on "
        f"{judged.recall(score, BINS[0]):.3f} ({', '.join(parts)}), angle off by {judged.angle_deg(score):.1f} degrees"
    )


def _sides(pipeline: Pipeline, finder: HandFinder, pictures: FrameDataset, rows: Sequence[int]) -> tuple[int, int]:
    """How many found hands get the right side, and how many there are."""
    right = asked = 0
    for row in rows:
        frame = pictures.load([row])[0]
        centres, sides = frame.boxes
        for box in finder(frame.image):
            around = torch.tensor(box.side / MARGIN)
            overlap = square_overlap(torch.tensor(box.centre), around, centres, sides.clamp_min(1))
            best = int(overlap.where(frame.present, 0).argmax())
            if overlap[best] < OVERLAP or not frame.present[best] or sides[best] < SIDE_FROM:
                continue
            view = pipeline.sided(replace(View.of(frame.image), box=box))
            right += int(view.is_right == bool(frame.is_right[best]))
            asked += 1
    return right, asked


def _empty(index: int) -> torch.Tensor:
    rng = np.random.default_rng([SEED, index])
    device = Device(kind="phone", frame=(0, 0, EMPTY_SIZE, EMPTY_SIZE))
    linear = background(SEED, index, EMPTY_SIZE, rng, hands=False)
    picture = photographed(linear, draw_exposure(rng, device), device, rng)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255


def _ms(finder: HandFinder, photo: torch.Tensor, repeats: int = 7) -> float:
    finder(photo)
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        finder(photo)
        times.append(time.perf_counter() - started)
    return 1e3 * median(times)


if __name__ == "__main__":
    tyro.cli(main)
