"""The numbers of Kong et al. (2022), Tables 1 to 3: mm, and MSE of the coefficients. None where the paper has none."""

from __future__ import annotations

TABLE_1: dict[str, dict[tuple[str, bool], tuple[float, float]]] = {
    "dexycb": {
        ("CMR-PG", False): (20.34, 19.88),
        ("baseline", False): (21.58, 20.95),
        ("true shape", False): (18.83, 18.27),
        ("calibrated", False): (18.97, 18.42),
        ("baseline", True): (18.03, 17.92),
        ("true shape", True): (16.60, 16.29),
        ("calibrated", True): (16.81, 16.55),
    },
    "humbi": {
        ("CMR-PG", False): (11.64, 11.37),
        ("baseline", False): (12.13, 11.82),
        ("true shape", False): (11.41, 11.11),
        ("calibrated", False): (11.51, 11.21),
        ("baseline", True): (10.75, 10.60),
        ("true shape", True): (10.17, 9.94),
        ("calibrated", True): (10.31, 10.28),
    },
}
"""Data set -> (row, with optimization at inference time) -> MPJPE and MPVPE."""

TABLE_2: dict[str, tuple[float, float | None]] = {
    "Boukhayma et al., as released": (27.94, 27.28),
    "Spurr et al. + ResNet-50": (22.71, None),
    "Spurr et al. + HRNet-W32": (22.26, None),
    "Boukhayma et al., retrained": (21.20, 21.56),
    "CMR-PG": (20.34, 19.88),
    "METRO": (19.05, 17.71),
    "ours, calibrated": (16.81, 16.55),
}
"""System -> MPJPE and MPVPE on DexYCB."""

TABLE_3: dict[str, dict[str, float]] = {
    "humbi": {"mse_mano": 0.07, "width_mm": 0.88, "length_mm": 1.71},
    "dexycb": {"mse_mano": 0.04, "width_mm": 1.02, "length_mm": 1.20},
}
"""Data set -> errors of the calibrated shape."""
