"""Which backbone learns most in the same time: accuracy per hour of this machine's processor.

    python benchmarks/backbones.py --data data/train data/wide --val data/val --minutes 8

First the training rate of each candidate is measured, in turns, with nothing else running. Then each is trained from
random weights on as many pictures as it can see in that many minutes, and the baseline's error on people never seen is
compared. What it sees is counted in pictures, not in time, so that other programs disturb nothing but the waiting.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import tyro

from ownhand import train
from ownhand.estimators import build
from ownhand.estimators.backbones import BACKBONES
from ownhand.hand.builtin import open_hand
from ownhand.recipes import SMALL, Recipe, Stage


def _resnet(depths: list[int], widths: list[int], layer_type: str = "basic") -> dict[str, Any]:
    return BACKBONES["resnet-18-half"] | {
        "depths": depths,
        "hidden_sizes": widths,
        "embedding_size": 32,
        "layer_type": layer_type,
    }


CANDIDATES = {
    "resnet-18-half": BACKBONES["resnet-18-half"],
    "resnet-18-narrow": BACKBONES["resnet-18-narrow"],
    "resnet-18 32 64 160 320": _resnet([2, 2, 2, 2], [32, 64, 160, 320]),
    "resnet-34-half": BACKBONES["resnet-34-half"],
    "resnet-26 bottleneck, half": _resnet([2, 2, 2, 2], [128, 256, 512, 1024], "bottleneck"),
    "convnext-atto": {"model_type": "convnext", "depths": [2, 2, 6, 2], "hidden_sizes": [40, 80, 160, 320]},
}


def main(
    data: tuple[Path, ...],
    val: tuple[Path, ...],
    minutes: float = 8.0,
    out: Path = Path("out/backbones"),
    threads: int = 2,
) -> None:
    """See the head of this file.

    Args:
        data: Folders of shards to train on.
        val: Folders of shards with other people.
        minutes: Time that each backbone would have on a quiet machine.
        out: Where rates and weights go; started again, what is there is not repeated.
        threads: Of torch.
    """
    out.mkdir(parents=True, exist_ok=True)
    kept = out / "rates.json"
    if not kept.exists():
        rates = {name: [] for name in CANDIDATES}
        for _ in range(3):
            for name in CANDIDATES:
                with tempfile.TemporaryDirectory() as folder:
                    train.run(_recipe(name, 20), data=data, out=folder, threads=threads, log_every=5)
                    lines = [json.loads(line) for line in (Path(folder) / "trunk/log.jsonl").read_text().splitlines()]
                rates[name].append(median(line["pictures_per_second"] for line in lines[1:]))
        kept.write_text(json.dumps({name: median(values) for name, values in rates.items()}))
    rates = json.loads(kept.read_text())

    rows = []
    for name, rate in rates.items():
        steps = round(rate * minutes * 60 / 64)
        folder = out / name.replace(" ", "_").replace(",", "")
        result = train.run(_recipe(name, steps), data=data, val=val, out=folder, threads=threads)["trunk"]
        network: Any = build.load(folder / "trunk", open_hand())
        parameters = sum(p.numel() for p in network.backbone.parameters()) / 1e6
        error = result["best"]["metrics"]["mpjpe_mm"]
        rows.append(f"| {name} | {parameters:.1f} | {rate:.0f} | {steps * 64:,} | {error:.1f} |")
    print(f"| backbone | parameters (M) | pictures/s | pictures in {minutes:g} minutes | MPJPE mm |")
    print("|---|---|---|---|---|", *rows, sep="\n")


def _recipe(name: str, steps: int) -> Recipe:
    """Of the `small` recipe the last trunk stage, from random weights and with its rate falling to zero."""
    last: Stage = [stage for stage in SMALL.stages if stage.name.startswith("trunk")][-1]
    stage = replace(
        last,
        name="trunk",
        estimator=last.estimator | {"backbone": CANDIDATES[name]},
        init_from=None,
        steps=steps,
        schedule="cosine",
        ema=0.99,
        validate_every=max(steps // 2, 1),
    )
    return Recipe(name=name, stages=(stage,), precision=SMALL.precision)


if __name__ == "__main__":
    tyro.cli(main)
