"""Records -> the tables of reconstruction, with intervals from a paired bootstrap over people.

Each number is a mean over people of each person's mean. Joints are the model's 21 (16 of the joint regressor, 5
fingertip vertices), right hands, left ones mirrored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from ownhand.experiments import paper
from ownhand.experiments.rows import ROWS
from ownhand.experiments.systems import OURS, SYSTEMS, WITH_IDENTITY
from ownhand.experiments.table import Cell, Table
from ownhand.metrics import Interval, bootstrap_interval

REFERENCE = "baseline"
TABLE_1_ROWS = ("CMR-PG", "baseline", "true shape", "calibrated")
NOT_THERE = "not trained"
ERRORS = "MPJPE and MPVPE: relative to the wrist, nothing else aligned."


def table_1(records: pa.Table, systems: pa.Table | None, dataset: str, protocol: str) -> Table:
    """The paper's Table 1: without and with optimization at inference time; beside it the anchored rows."""
    rows: list[list[Cell]] = []
    for refined in (False, True):
        for row in TABLE_1_ROWS:
            theirs: Sequence[Cell] = paper.TABLE_1.get(dataset, {}).get((row, refined), (None, None))
            if row == "CMR-PG":
                if not refined:
                    ours: list[Cell] = [*system_errors(systems, row), None, None, None]
                    rows.append([row, refined, *ours, *theirs])
                continue
            cells: list[Cell] = []
            for anchored in (False, True):
                part = some(records, row=row, anchored=anchored, refined=refined)
                cells += [person_mean(part, "mpjpe_mm"), person_mean(part, "mpvpe_mm")]
            gain = None if row == REFERENCE else gain_over_baseline(records, row, False, refined)
            rows.append([row, refined, *cells, gain, *theirs])
    return Table(
        name=f"table_1_{protocol}",
        title=f"Table 1: reconstruction, protocol {protocol}",
        columns=[
            "row", "optimized", "MPJPE mm", "MPVPE mm", "anchored: MPJPE mm", "MPVPE mm",
            "baseline - row, MPJPE mm (95 %)", "paper: MPJPE mm", "MPVPE mm",
        ],
        rows=rows,
        note=ERRORS,
    )  # fmt: skip


def table_2(records: pa.Table, systems: pa.Table | None, costs: pa.Table | None, dataset: str) -> Table:
    """The paper's Table 2: systems on the same pictures, and what they cost; rows without weights say so."""
    rows: list[list[Cell]] = []
    for name in (*paper.TABLE_2, *(system for system in SYSTEMS if system.endswith(WITH_IDENTITY))):
        theirs = paper.TABLE_2.get(name, (None, None))
        if name == OURS:
            part = some(records, row="calibrated", anchored=False, refined=True)
            ours: list[Cell] = [person_mean(part, "mpjpe_mm"), person_mean(part, "mpvpe_mm")]
        else:
            ours = system_errors(systems, name)
        rows.append([name, *ours, *_cost(costs, name), *(theirs if dataset == "dexycb" else (None, None))])
    return Table(
        name="table_2",
        title="Table 2: comparison",
        columns=[
            "system", "MPJPE mm", "MPVPE mm", "million parameters", "million multiply-adds", "pictures/s",
            "paper (DexYCB): MPJPE mm", "MPVPE mm",
        ],
        rows=rows,
        note=f"{ERRORS} Ours is optimized at inference time, not anchored; its cost is that of its networks for "
        "keypoints and pose, at the size of their crops. Pictures per second: batches of 16 on this machine's CPU, all "
        "rows timed in turns in one run.",
    )  # fmt: skip


def _cost(costs: pa.Table | None, name: str) -> list[Cell]:
    part = None if costs is None else some(costs, system=name)
    if part is None or len(part) == 0:
        return [None, None, None]
    found = part.to_pylist()[0]
    return [found["parameters"] / 1e6, found["multiply_adds"] / 1e6, found["pictures_per_s"]]


def system_errors(systems: pa.Table | None, name: str) -> list[Cell]:
    """MPJPE and MPVPE of a system to compare with, or that it is not there."""
    part = None if systems is None else some(systems, system=name)
    if part is None or len(part) == 0:
        return [NOT_THERE, NOT_THERE]
    return [_measured(part, column) for column in ("mpjpe_mm", "mpvpe_mm")]


def error_table(records: pa.Table, protocol: str) -> Table:
    """Errors of every row, anchored or not, refined or not, and how far each is below the baseline."""
    names = ("mpjpe_mm", "mpvpe_mm", "pa_mpjpe_mm", "pa_mpvpe_mm", "auc", "f5", "f15", "camera_mm")
    rows: list[list[Cell]] = []
    for anchored in (False, True):
        for refined in (False, True):
            for row in ROWS:
                part = some(records, row=row, anchored=anchored, refined=refined)
                gain = None if row == REFERENCE else gain_over_baseline(records, row, anchored, refined)
                rows.append([anchored, refined, row, *(_measured(part, name) for name in names), gain])
    return Table(
        name=f"reconstruction_{protocol}",
        title=f"Reconstruction, protocol {protocol}",
        columns=[
            "anchored", "refined", "row", "MPJPE mm", "MPVPE mm", "PA-MPJPE mm", "PA-MPVPE mm", "AUC", "F@5", "F@15",
            "camera mm", "baseline - row, MPJPE mm (95 %)",
        ],
        rows=rows,
        note=f"{ERRORS} AUC: joints relative to the wrist, 0 to 50 mm. PA, F: after the best similarity transform; "
        "F-scores of the mesh. Camera: nothing aligned.",
    )  # fmt: skip


def gain_over_baseline(
    records: pa.Table, row: str, anchored: bool, refined: bool, metric: str = "mpjpe_mm"
) -> Interval:
    """How much smaller the error of a row is than the baseline's, picture by picture; 95 % over people."""
    base = some(records, row=REFERENCE, anchored=anchored, refined=refined)
    other = some(records, row=row, anchored=anchored, refined=refined)
    return interval(base[metric].to_numpy() - other[metric].to_numpy(), base["subject"].to_numpy())


def kept_gain(records: pa.Table, anchored: bool, refined: bool, metric: str = "mpjpe_mm") -> float:
    """Share of the true shape's gain that the calibrated shape keeps."""
    true, found = (gain_over_baseline(records, row, anchored, refined, metric) for row in ("true shape", "calibrated"))
    return found.mean / true.mean


def kept_table(records: pa.Table, protocol: str) -> Table:
    """What calibration keeps of the true shape's gain, in every setting."""
    rows: list[list[Cell]] = []
    for anchored in (False, True):
        for refined in (False, True):
            true, found = (
                person_mean(some(records, row=row, anchored=anchored, refined=refined), "mpjpe_mm")
                for row in ("true shape", "calibrated")
            )
            shares = [f"{kept_gain(records, anchored, refined, metric):.0%}" for metric in ("mpjpe_mm", "mpvpe_mm")]
            rows.append([anchored, refined, *shares, found - true])
    return Table(
        name=f"kept_{protocol}",
        title=f"What calibration keeps of the true shape's gain, protocol {protocol}",
        columns=["anchored", "refined", "of MPJPE", "of MPVPE", "calibrated - true shape, MPJPE mm"],
        rows=rows,
    )


def group_table(records: pa.Table, people: Mapping[int, Mapping[str, str]]) -> Table:
    """Errors of identity with the true shape by what is known of people and pictures, and the ratio to all.

    Args:
        records: As `person_records` gives them.
        people: What is known of each person, by number: `{"sex": "woman", "tone": "Monk 3"}`.
    """
    part = some(records, row="true shape", anchored=False, refined=False)
    subject, metrics = part["subject"].to_numpy(), ("keypoints_px", "mpjpe_mm")
    columns = {"seen from": part["seen_from"].to_pylist()}
    for name in dict.fromkeys(name for facts in people.values() for name in facts):
        columns[name] = [people.get(s, {}).get(name, "unknown") for s in subject]
    everybody = {metric: part[metric].to_numpy().mean() for metric in metrics}
    rows: list[list[Cell]] = []
    for name, values in columns.items():
        for value in sorted(set(values)):
            chosen = np.array(values) == value
            cells: list[Cell] = [name, value, len(np.unique(subject[chosen])), int(chosen.sum())]
            for metric in metrics:
                mean = float(part[metric].to_numpy()[chosen].mean())
                cells += [mean, mean / everybody[metric]]
            rows.append(cells)
    return Table(
        name="groups",
        title="For whom, and from where",
        columns=["", "", "people", "pictures", "keypoints px", "of all", "identity MPJPE mm", "of all"],
        rows=rows,
        note="Keypoints: mean error of those that can be seen, in pixels of the stored pictures.",
    )


def conditioned_table(records: pa.Table, conditioned: pa.Table) -> Table:
    """What it is worth to show the shape to the pose head as well, picture by picture."""
    rows: list[list[Cell]] = []
    for row in sorted(set(conditioned["row"].to_pylist()), reverse=True):
        for refined in (False, True):
            ours, other = (some(table, row=row, anchored=False, refined=refined) for table in (records, conditioned))
            saved = ours["mpjpe_mm"].to_numpy() - other["mpjpe_mm"].to_numpy()
            means = [person_mean(table, "mpjpe_mm") for table in (ours, other)]
            rows.append([row, refined, *means, interval(saved, ours["subject"].to_numpy())])
    return Table(
        name="conditioned",
        title="Shape into the pose head",
        columns=["row", "refined", "MPJPE mm", "pose head sees the shape: MPJPE mm", "saved mm (95 %)"],
        rows=rows,
        note="The paper's network puts the shape into the hand model only. Two networks of one recipe; not anchored.",
    )


PEOPLE = "people"
"""Name of the table with everybody's scores."""


def people_table(records: pa.Table, shapes: pa.Table) -> Table:
    """Every person's scores; nothing anchored."""
    rows: list[list[Cell]] = []
    for subject in np.unique(records["subject"].to_numpy()).tolist():
        cells: list[Cell] = [subject]
        for row in ("baseline", "true shape", "calibrated"):
            for refined in (False, True):
                part = some(records, row=row, anchored=False, refined=refined, subject=subject)
                cells.append(person_mean(part, "mpjpe_mm"))
        part = some(shapes, method="default", anchored=False, subject=subject)
        rows.append([*cells, *(person_mean(part, name) for name in ("width_mm", "length_mm", "size_free_mm"))])
    names = [f"{row}{end}" for row in ("baseline", "true shape", "calibrated") for end in ("", ", refined")]
    return Table(
        name=PEOPLE,
        title="Person by person",
        columns=["person", *(f"{name}: MPJPE mm" for name in names), "W-error mm", "L-error mm", "size-free mm"],
        rows=rows,
    )


def spread_table(records: pa.Table) -> Table:
    """Within-person standard deviation of the reconstructed hand length: the paper's motivation."""
    rows: list[list[Cell]] = []
    for row in ("baseline", "calibrated"):
        part = some(records, row=row, anchored=False, refined=False)
        length, subject = part["length_mm"].to_numpy(), part["subject"].to_numpy()
        rows.append([row, float(np.mean([length[subject == s].std() for s in np.unique(subject)]))])
    return Table(
        name="spread",
        title="One person, one size",
        columns=["row", "spread of the hand length within a person, mm"],
        rows=rows,
    )


def keypoint_error_px(records: pa.Table) -> float:
    """Mean error of the keypoints that can be seen, in pixels of the stored pictures."""
    return person_mean(some(records, row=REFERENCE, anchored=False, refined=False), "keypoints_px")


def some(table: pa.Table, **values: object) -> pa.Table:
    """The rows in which columns have these values."""
    masks = [pc.equal(table[name], pa.scalar(value)) for name, value in values.items()]  # pyright: ignore
    return table.filter(reduce(pc.and_, masks))  # pyright: ignore


def person_mean(part: pa.Table, name: str) -> float:
    """Mean over people of each person's mean."""
    values, subject = part[name].to_numpy(), part["subject"].to_numpy()
    return float(np.mean([values[subject == s].mean() for s in np.unique(subject)]))


def _measured(part: pa.Table, name: str) -> float | None:
    mean = person_mean(part, name)
    return None if np.isnan(mean) else mean


def interval(values: np.ndarray, subject: np.ndarray) -> Interval:
    """A mean over people with its 95 % interval."""
    return bootstrap_interval(torch.tensor(values), torch.tensor(subject))
