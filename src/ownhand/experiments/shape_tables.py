"""Records -> the tables of calibration: shape errors, curves, error bars, confidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.stats import chi2

from ownhand.experiments import paper
from ownhand.experiments.confidence import area_under_sparsification_error, ranking_accuracy, sparsification
from ownhand.experiments.parting import SOURCES
from ownhand.experiments.shapes import METHODS, PLACES_UNKNOWN
from ownhand.experiments.table import Cell, Table
from ownhand.experiments.tables import interval, person_mean, some
from ownhand.metrics import Interval

LEVELS = (0.5, 0.68, 0.9, 0.95)
PAIRS = (
    ("paper", "paper, equal weights"),
    ("paper", "paper, shuffled confidence"),
    ("paper", "paper, confidence taught by shape"),
    ("mean", "mean, equal weights"),
    ("default", "paper"),
    ("default", "mean, equal weights"),
    ("default", "mean hand"),
)
"""Ways to find a shape that are compared person by person."""


def table_3(shapes: pa.Table, dataset: str, protocol: str, default: str) -> Table:
    """The paper's Table 3: errors of the calibrated shape."""
    rows: list[list[Cell]] = []
    for label, method in (
        ("mean hand", "mean hand"),
        ("the paper's objective", "paper"),
        (f"ours (`{default}`)", "default"),
    ):
        part = some(shapes, method=method, anchored=False)
        taped = some(shapes, method=method, anchored=True)
        errors = [person_mean(part, name) for name in ("mse_mano", "width_mm", "length_mm", "rest_mm")]
        rows.append([label, *errors, person_mean(taped, "width_mm")])
    theirs = paper.TABLE_3.get(dataset)
    if theirs is not None:
        rows.append(["the paper", theirs["mse_mano"], theirs["width_mm"], theirs["length_mm"], None, None])
    return Table(
        name=f"table_3_{protocol}",
        title=f"Table 3: calibration, protocol {protocol}",
        columns=["shape", "MSE_mano", "W-error mm", "L-error mm", "rest vertices mm", "anchored: W-error mm"],
        rows=rows,
        note="Width: index to little MCP of the rest hand; length: wrist to middle fingertip. Rest vertices: mean "
        "distance, relative to the wrist, nothing scaled.",
    )


def shape_table(shapes: pa.Table, protocol: str) -> Table:
    """Errors of the shape for every way to combine pictures."""
    unanchored = ("mse_mano", "width_mm", "length_mm", "rest_mm", "size_free_mm")
    rows: list[list[Cell]] = []
    for method in dict.fromkeys(shapes["method"].to_pylist()):
        cells: list[Cell] = []
        for anchored, names in ((False, unanchored), (True, ("width_mm", "size_free_mm"))):
            part = some(shapes, method=method, anchored=anchored)
            cells += [person_mean(part, name) if len(part) else None for name in names]
        rows.append([method, *cells])
    return Table(
        name=f"shape_{protocol}",
        title=f"Shape, protocol {protocol}",
        columns=[
            "method", "MSE_mano", "W-error mm", "L-error mm", "rest vertices mm", "size-free mm",
            "anchored: W-error mm", "size-free mm",
        ],
        rows=rows,
        note="Size-free: mean vertex distance of the rest hands after the best scale.",
        digits=3,
    )  # fmt: skip


def gain_table(shapes: pa.Table, protocol: str) -> Table:
    """What one way to find a shape saves against another."""
    return Table(
        name=f"gains_{protocol}",
        title=f"Size-free error that one way saves against another, protocol {protocol}",
        columns=["method", "against", "mm (95 % over people)"],
        rows=[[ours, rival, shape_gain(shapes, ours, rival)] for ours, rival in PAIRS],
    )


def shape_gain(shapes: pa.Table, method: str, rival: str, metric: str = "size_free_mm") -> Interval:
    """How much smaller a method's error is than its rival's, person by person."""
    a, b = (some(shapes, method=name, anchored=False) for name in (method, rival))
    return interval(b[metric].to_numpy() - a[metric].to_numpy(), a["subject"].to_numpy())


def curve_table(curves: pa.Table, metric: str = "size_free_mm") -> Table:
    """Shape error against the number of pictures, by method (pictures from anywhere), with intervals."""
    anywhere = some(curves, source=SOURCES[0], anchored=False)
    methods = [m for m in ("default", *METHODS) if m in set(anywhere["method"].to_pylist())]
    return Table(
        name="curve_methods",
        title="Shape error against the number of pictures",
        columns=["pictures", *methods],
        rows=[
            [count, *(_curve_interval(some(anywhere, method=m, pictures=count), metric) for m in methods)]
            for count in sorted(set(anywhere["pictures"].to_pylist()))
        ],
        note="Size-free error in mm, pictures drawn at random from a person's single pictures; 95 % over people.",
    )


def source_table(curves: pa.Table, metric: str = "size_free_mm") -> Table:
    """Shape error of the default method against where its pictures come from."""
    default = some(curves, method="default", anchored=False)
    sources = [s for s in SOURCES if s in set(default["source"].to_pylist())]
    everybody = [set(some(default, source=source)["subject"].to_pylist()) for source in sources]
    rows: list[list[Cell]] = []
    for count in sorted(set(default["pictures"].to_pylist())):
        parts = [some(default, source=source, pictures=count) for source in sources]
        # A person whose pictures of a kind are fewer than the number gives all of them: others' numbers differ.
        whole = [set(part["subject"].to_pylist()) == known for part, known in zip(parts, everybody, strict=True)]
        if any(whole):
            rows.append(
                [count, *(_curve_interval(p, metric) if there else None for p, there in zip(parts, whole, strict=True))]
            )
    return Table(
        name="curve_sources",
        title="Shape error against where the pictures come from",
        columns=["pictures", *sources],
        rows=rows,
        note="Size-free error of the default method in mm; 95 % over people.",
    )


def rig_table(curves: pa.Table) -> Table:
    """What it is worth to know where the cameras stand that see a hand at once."""
    several = some(curves, source=SOURCES[3], anchored=False)
    methods = (PLACES_UNKNOWN, "default", "fit")
    return Table(
        name="curve_rigs",
        title="Several cameras at once, in known places",
        columns=["cameras", *(f"{error}, {m}" for error in ("length", "size-free") for m in methods)],
        rows=[
            [
                count,
                *(
                    _curve_interval(some(several, method=m, pictures=count), metric)
                    for metric in ("length_mm", "size_free_mm")
                    for m in methods
                ),
            ]
            for count in sorted(set(several["pictures"].to_pylist()))
        ],
        note="Errors in mm; 95 % over people. Where the places are known, the default takes the length from `fit`.",
    )


def error_bar_table(curves: pa.Table, counts: Sequence[int] = (1, 5, 20)) -> Table:
    """Whether the default method's error bars hold: pictures from anywhere."""
    rows: list[list[Cell]] = []
    for count in counts:
        for anchored in (False, True):
            part = some(curves, source=SOURCES[0], method="default", anchored=anchored, pictures=count)
            squared = part["squared"].to_numpy()
            if len(part) == 0 or np.isnan(squared).any():
                continue
            shares = [f"{np.mean(squared <= chi2.ppf(level, 10)):.1%}" for level in LEVELS]
            people = len(set(part["subject"].to_pylist()))
            rows.append([count, anchored, people, person_mean(part, "squared") / 10, *shares])
    return Table(
        name="error_bars",
        title="Error bars",
        columns=["pictures", "anchored", "people", "squared error", *(f"holds {level:.0%}" for level in LEVELS)],
        rows=rows,
        note="Squared error in units of the error bar, 1 if it is right; share of calibrations whose truth lies in "
        "the ellipsoid that should hold so many.",
    )


def confidence_table(pictures: pa.Table) -> Table:
    """Confidence judged as such, by what it was taught."""
    subject = pictures["subject"].to_numpy()
    rows: list[list[Cell]] = []
    for target, label in (("size_free", "size-free error"), ("shape", "error of the coefficients (the paper's)")):
        confidence = pictures[f"confidence_{target}"].to_numpy()
        for of in ("size_free", "shape"):
            error = pictures[f"error_{of}"].to_numpy()
            ranked = ranking_accuracy(confidence, error, subject)
            kept = sparsification(confidence, error, np.array([0.5, 0.2])) / error.mean()
            rows.append(
                [
                    label,
                    {"size_free": "size-free", "shape": "coefficients"}[of],
                    interval(np.array(list(ranked.values())), np.array(list(ranked))),
                    *(float(x) for x in kept),
                    area_under_sparsification_error(confidence, error),
                ]
            )
    return Table(
        name="confidence",
        title="Confidence",
        columns=["taught by", "judged by", "pairs in order (95 %)", "error of the best 50 %", "20 %", "AUSE"],
        rows=rows,
        note="Pairs of one person's pictures in which the more confident one has the smaller error. Error of the most "
        "confident pictures, and area under the sparsification error, in units of the error of all.",
        digits=3,
    )


def _curve_interval(part: pa.Table, metric: str) -> Interval | None:
    return interval(part[metric].to_numpy(), part["subject"].to_numpy()) if len(part) else None
