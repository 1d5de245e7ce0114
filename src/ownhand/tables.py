"""Records of `evaluate` -> the tables of docs/results.md, with intervals from a paired bootstrap over people."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ownhand.evaluate import ROWS
from ownhand.metrics import Interval, bootstrap_interval

REFERENCE = "baseline"


def all_tables(records: pa.Table, shapes: pa.Table, people: Mapping[int, Mapping[str, str]] | None = None) -> str:
    """Everything, as Markdown; `people` as `group_table` takes it."""
    pairs = (
        ("paper", "paper, equal weights"),
        ("paper", "paper, shuffled confidence"),
        ("paper", "paper, confidence taught by shape"),
        ("mean", "mean, equal weights"),
        ("default", "mean, equal weights"),
        ("default", "mean hand"),
    )
    gains = "\n".join(
        f"- {ours} against {rival}: {_words(shape_gain(shapes, ours, rival))} mm" for ours, rival in pairs
    )
    seen = _part(records, row=REFERENCE, anchored=False, refined=False)
    return f"""## Keypoints

Mean error of the keypoints that can be seen: {_person_mean(seen, "keypoints_px"):.2f} px of the stored pictures.

## Reconstruction

{error_table(records)}

## Share of the true shape's gain that calibration keeps

{kept_table(records)}

## Shape

{shape_table(shapes)}

Size-free error that one saves against another (95 % over people):

{gains}

## One person, one size

{spread_table(records)}

## For whom, and from where

{group_table(records, people or {})}
"""


def error_table(records: pa.Table) -> str:
    """MPJPE and MPVPE of every row, anchored or not, refined or not, and how far each is below the baseline."""
    lines = [
        "| anchored | refined | row | MPJPE mm | MPVPE mm | PA-MPJPE mm | camera mm | baseline - row, MPJPE mm (95 %) |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|")
    for anchored in (False, True):
        for refined in (False, True):
            for row in ROWS:
                part = _part(records, row=row, anchored=anchored, refined=refined)
                numbers = [
                    f"{_person_mean(part, name):.2f}" for name in ("mpjpe_mm", "mpvpe_mm", "pa_mpjpe_mm", "camera_mm")
                ]
                gain = "" if row == REFERENCE else _words(gain_over_baseline(records, row, anchored, refined))
                lines.append(f"| {_yes(anchored)} | {_yes(refined)} | {row} | {' | '.join(numbers)} | {gain} |")
    return "\n".join(lines)


def gain_over_baseline(
    records: pa.Table, row: str, anchored: bool, refined: bool, metric: str = "mpjpe_mm"
) -> Interval:
    """How much smaller the error of a row is than the baseline's, picture by picture; 95 % over people."""
    base = _part(records, row=REFERENCE, anchored=anchored, refined=refined)
    other = _part(records, row=row, anchored=anchored, refined=refined)
    return _interval(base[metric].to_numpy() - other[metric].to_numpy(), base["subject"].to_numpy())


def kept_gain(records: pa.Table, anchored: bool, refined: bool, metric: str = "mpjpe_mm") -> float:
    """Share of the true shape's gain that the calibrated shape keeps."""
    true, found = (gain_over_baseline(records, row, anchored, refined, metric) for row in ("true shape", "calibrated"))
    return found.mean / true.mean


def kept_table(records: pa.Table) -> str:
    """The kept share for every setting."""
    lines = ["| anchored | refined | kept of the true shape's gain, MPJPE | MPVPE |", "|---|---|---|---|"]
    for anchored in (False, True):
        for refined in (False, True):
            shares = [kept_gain(records, anchored, refined, metric) for metric in ("mpjpe_mm", "mpvpe_mm")]
            lines.append(f"| {_yes(anchored)} | {_yes(refined)} | {shares[0]:.0%} | {shares[1]:.0%} |")
    return "\n".join(lines)


def shape_table(shapes: pa.Table) -> str:
    """Errors of the shape for every way to combine pictures, and the gain of confidence over its rivals."""
    methods = list(dict.fromkeys(shapes["method"].to_pylist()))
    lines = ["| method | MSE_mano | W-error mm | L-error mm | size-free mm | anchored: W-error mm | size-free mm |"]
    lines.append("|---|---|---|---|---|---|---|")
    unanchored = ("mse_mano", "width_mm", "length_mm", "size_free_mm")
    for method in methods:
        cells = []
        for anchored, names in ((False, unanchored), (True, ("width_mm", "size_free_mm"))):
            part = _part(shapes, method=method, anchored=anchored)
            cells += [f"{_person_mean(part, name):.3f}" if len(part) else "" for name in names]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def shape_gain(shapes: pa.Table, method: str, rival: str, metric: str = "size_free_mm") -> Interval:
    """How much smaller a method's error is than its rival's, person by person."""
    a, b = (_part(shapes, method=name, anchored=False) for name in (method, rival))
    return _interval(b[metric].to_numpy() - a[metric].to_numpy(), a["subject"].to_numpy())


def group_table(records: pa.Table, people: Mapping[int, Mapping[str, str]]) -> str:
    """Errors of identity with the true shape by what is known of people and pictures, and the ratio to all.

    Args:
        records: As `evaluate` gives them.
        people: What is known of each person, by number: `{"sex": "woman", "tone": "Monk 3"}`.
    """
    part = _part(records, row="true shape", anchored=False, refined=False)
    subject, metrics = part["subject"].to_numpy(), ("keypoints_px", "mpjpe_mm")
    columns = {"seen from": part["seen_from"].to_pylist()}
    for name in dict.fromkeys(name for facts in people.values() for name in facts):
        columns[name] = [people.get(s, {}).get(name, "unknown") for s in subject]
    lines = [
        "| | | people | pictures | keypoints px | of all | identity MPJPE mm | of all |",
        "|---|---|---|---|---|---|---|---|",
    ]
    everybody = {metric: part[metric].to_numpy().mean() for metric in metrics}
    for name, values in columns.items():
        for value in sorted(set(values)):
            chosen = np.array(values) == value
            cells = [name, value, str(len(np.unique(subject[chosen]))), str(chosen.sum())]
            for metric in metrics:
                mean = part[metric].to_numpy()[chosen].mean()
                cells += [f"{mean:.2f}", f"{mean / everybody[metric]:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def spread_table(records: pa.Table) -> str:
    """Within-person standard deviation of the reconstructed hand length: the paper's motivation."""
    lines = ["| row | spread of the hand length within a person, mm |", "|---|---|"]
    for row in ("baseline", "calibrated"):
        part = _part(records, row=row, anchored=False, refined=False)
        length, subject = part["length_mm"].to_numpy(), part["subject"].to_numpy()
        lines.append(f"| {row} | {np.mean([length[subject == s].std() for s in np.unique(subject)]):.2f} |")
    return "\n".join(lines)


def _part(table: pa.Table, **values: object) -> pa.Table:
    for name, value in values.items():
        table = table.filter(pc.field(name) == pa.scalar(value))
    return table


def _person_mean(part: pa.Table, name: str) -> float:
    values, subject = part[name].to_numpy(), part["subject"].to_numpy()
    return float(np.mean([values[subject == s].mean() for s in np.unique(subject)]))


def _interval(values: np.ndarray, subject: np.ndarray) -> Interval:
    return bootstrap_interval(torch.from_numpy(values), torch.from_numpy(subject))


def _words(interval: Interval) -> str:
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
