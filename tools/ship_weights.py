"""Copy the weights of a finished training run into the package, matrices as float16.

    python tools/ship_weights.py runs/small

Thresholds and error bars stay those of `pipeline.json`; the networks are written anew by `estimators.build.save`.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ownhand.estimators import build
from ownhand.hand.builtin import open_hand
from ownhand.locate import FILE as DETECTOR
from ownhand.pipeline import NETWORKS, load

LIMIT_MB = 30.0


def main(run: Path, package: Path) -> None:
    """Raises SystemExit when the weights are larger than `LIMIT_MB` together, or cannot be loaded back."""
    hand, beside = open_hand(), package.with_name("weights.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    there = [DETECTOR] if (run / f"{DETECTOR}.json").exists() else []
    for stage in (*NETWORKS.values(), *there):
        about = build.describe(run / stage)
        build.save(build.load(run / stage, hand), beside / stage, about["extra"], half=True)
    for name in ("prior_baseline.safetensors", "prior_identity.safetensors", "pipeline.json"):
        shutil.copy(run / name, beside / name)
    load(beside)
    size = sum(file.stat().st_size for file in beside.iterdir()) / 1e6
    if size > LIMIT_MB:
        sys.exit(f"expected at most {LIMIT_MB:g} MB of weights, got {size:.1f}")
    shutil.rmtree(package, ignore_errors=True)
    beside.rename(package)
    for file in sorted(package.iterdir()):
        print(f"{file.stat().st_size / 1e6:6.2f} MB  {file}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[1] / "src" / "ownhand" / "weights")
