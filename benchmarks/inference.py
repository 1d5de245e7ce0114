"""What runs the networks fastest on a CPU: torch as it is, compiled by torch, or ONNX Runtime.

    OMP_NUM_THREADS=1 python benchmarks/inference.py [--onnx out/onnx] [--threads 1]

First each network alone, then a whole pipeline: one picture of a known hand, without and with refinement, a calibration
from 20, and frames of 640 x 640 with one hand for a tracker: the first, in which it is searched for, and the next ones,
in which it is followed. All take turns in one run; times are medians, ratios those of torch as it is to each. With one
thread it is processor time, so that other work on the machine counts little; with more it is time on the clock.

Input: synthetic pictures of 224 x 224. Compiling takes minutes, and a C++ compiler; `--no-compiled-too` leaves it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import torch
import tyro
from torch import Tensor, nn

from ownhand.data.frame import HandFrame
from ownhand.hand.builtin import open_hand
from ownhand.hand.identity import Identity
from ownhand.onnx_export import MANIFEST, export_onnx
from ownhand.pipeline import Pipeline, load, shipped_weights
from ownhand.synth.frames import FrameGenerator
from ownhand.synth.generator import Generator
from ownhand.synth.world import World
from ownhand.track import Tracker
from ownhand.views import View

PICTURES = 20


def compiled(weights: Path) -> Pipeline:
    """A pipeline whose networks torch compiles when they first see a picture."""
    pipeline = load(weights, runtime="torch")
    for network in (pipeline.keypoints, pipeline.baseline):
        network.compile()
    encoder: Any = pipeline.identity
    encoder.backbone.compile()
    return pipeline


def frames() -> Iterator[HandFrame]:
    """Whole frames, with and without hands."""
    generator = FrameGenerator(World(seed=2_000_012, singles=1), size=640)
    return (generator[i] for i in count())


def following(pipeline: Pipeline, identity: Identity, frame: Tensor) -> Callable[[], Any]:
    """A tracker that has seen its hand, and gets the same frame again and again."""
    tracker, number = Tracker(pipeline, identity), count(1)
    tracker.update(frame, 0.0)
    return lambda: tracker.update(frame, next(number) / 30)


def milliseconds(ways: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median time of each, in turns; the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = clock()
            way()
            times[name].append(1e3 * (clock() - start))
    return {name: median(values[1:]) for name, values in times.items()}


def main(
    weights: Path | None = None,
    onnx: Path = Path("out/onnx"),
    threads: int = 1,
    rounds: int = 15,
    compiled_too: bool = True,
) -> None:
    """See the head of this file.

    Args:
        weights: Folder with trained weights; those shipped with the package when not given.
        onnx: Where their ONNX files are, or are put.
        threads: Of torch and ONNX Runtime.
        rounds: Timings of each, of which the median counts; of calibrations a fifth.
        compiled_too: Whether torch compiles as well.
    """
    torch.set_num_threads(threads)
    weights = shipped_weights() if weights is None else weights
    if not (onnx / MANIFEST).exists():
        export_onnx(weights, onnx, open_hand())
    pipelines = {"torch": load(weights, runtime="torch")}
    if compiled_too:
        pipelines["compiled"] = compiled(weights)
    pipelines["onnx"] = load(onnx, runtime="onnx")
    clock = time.process_time if threads == 1 else time.perf_counter

    generator = Generator(World(seed=2_000_011, singles=PICTURES), size=224)
    samples = [generator[i] for i in range(PICTURES)]
    views = [View(image=sample.image, camera=sample.camera) for sample in samples]
    ours = pipelines["torch"]
    me = ours.calibrate(views).identity
    crops, seen = ours.crop(views)
    frame = next(one.image for one in frames() if len(Tracker(ours, me).update(one.image, 0.0)) == 1)
    image = torch.stack([crop.image(view.image, padding="border") for crop, view in zip(crops, views, strict=True)])

    def ways(make: Callable[[Pipeline], Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
        return {name: make(pipeline) for name, pipeline in pipelines.items()}

    def alone(name: str, some: int) -> Callable[[Pipeline], Callable[[], Any]]:
        def make(pipeline: Pipeline) -> Callable[[], Any]:
            network: nn.Module = getattr(pipeline, name)
            if name == "identity":
                return lambda: pipeline.identity.encode(image[:some])
            return lambda: network(image[:some], seen.camera[:some])

        return make

    rows: dict[str, tuple[Callable[[Pipeline], Callable[[], Any]], int]] = {
        f"{name}, {some} crop{'s' if some > 1 else ''}": (alone(name, some), rounds)
        for some in (1, PICTURES)
        for name in ("keypoints", "baseline", "identity")
    }
    rows |= {
        "reconstruct 1": (lambda p: lambda: p.reconstruct(views[:1], me), rounds),
        "reconstruct 1, refine": (lambda p: lambda: p.reconstruct(views[:1], me, refine=True), rounds),
        "calibrate 20": (lambda p: lambda: p.calibrate(views), max(rounds // 5, 3)),
        "track, first frame": (lambda p: lambda: Tracker(p, me).update(frame, 0.0), rounds),
        "track, next frame": (lambda p: following(p, me, frame), rounds),
    }
    print(f"{threads} thread{'s' if threads > 1 else ''}; milliseconds, and torch / each\n")
    print(f"{'':24}" + "".join(f"{name:>18}" for name in pipelines))
    with torch.no_grad():
        for row, (make, often) in rows.items():
            found = milliseconds(ways(make), often, clock)
            print(f"{row:24}" + "".join(f"{x:10.1f} {found['torch'] / x:6.2f}x" for x in found.values()), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
