"""Writes contact sheets (JPEG) and histograms (SVG) of the synthetic world."""

from __future__ import annotations

import argparse
from pathlib import Path

from ownhand.synth.world import World
from tools.show_world import coverage, sheets

NAMES = (*sheets.SHEETS, "coverage")

parser = argparse.ArgumentParser(prog="python -m tools.show_world", description="Show what is in the synthetic world.")
parser.add_argument("out", type=Path, help="folder for the pictures")
parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
parser.add_argument("--png", action="store_true", help="sheets as PNG instead of JPEG")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
for name in args.only:
    if name == "coverage":
        path = args.out / "world_coverage.svg"
        path.write_text(str(coverage.charts(coverage.measured(World(seed=sheets.SEED, singles=4)))))
    elif args.png:
        path = args.out / f"world_{name}.png"
        sheets.SHEETS[name]().save(path)
    else:
        path = args.out / f"world_{name}.jpg"
        sheets.SHEETS[name]().save(path, quality=85, subsampling="4:2:0", optimize=True)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
