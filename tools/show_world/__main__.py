from __future__ import annotations

import argparse
from pathlib import Path

from tools.show_world import sheets

parser = argparse.ArgumentParser(prog="python -m tools.show_world", description="Draw contact sheets of the world.")
parser.add_argument("out", type=Path, help="folder for the pictures")
parser.add_argument("--only", nargs="*", choices=list(sheets.SHEETS), default=list(sheets.SHEETS))
parser.add_argument("--png", action="store_true", help="PNG instead of JPEG")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
for name in args.only:
    page, path = sheets.SHEETS[name](), args.out / f"world_{name}.{'png' if args.png else 'jpg'}"
    page.save(path, **({} if args.png else {"quality": 85, "subsampling": "4:2:0", "optimize": True}))
    print(f"{path}: {page.width} x {page.height}, {path.stat().st_size / 1e3:.0f} kB")
