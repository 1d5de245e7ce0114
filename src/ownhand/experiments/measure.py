"""Everything that is measured of a pipeline on labelled pictures: records first, then tables and figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ownhand.data.photos import to_image
from ownhand.estimators import build
from ownhand.estimators.build import describe
from ownhand.estimators.metro import Metro
from ownhand.experiments import shape_tables, shapes, tables
from ownhand.experiments.figures import attention_sheet, comparison, curve_chart
from ownhand.experiments.parting import Protocol, parted, pool
from ownhand.experiments.rows import calibrations, person_records
from ownhand.experiments.store import Store
from ownhand.experiments.systems import (
    OURS,
    cost_records,
    load_system,
    system_records,
    takes_identity,
    trained_systems,
)
from ownhand.experiments.table import Table
from ownhand.experiments.training import Report, trained_view
from ownhand.files import write_beside, write_text
from ownhand.locate import FILE as DETECTOR
from ownhand.observations import Crops, LabelledPictures, Observations, observe
from ownhand.pipeline import NETWORKS, Pipeline
from ownhand.structs import given

CROPS: dict[Protocol, Crops] = {"honest": "found", "paper": "labelled"}
CHUNK = 500
"""Pictures per part: what a kill loses at most."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured.

    Attributes:
        dataset: `synth`, `dexycb`, `humbi`: whose numbers of the paper stand beside ours.
        true_shape: What counts as a person's true shape, in words.
        protocols: Which; tables of all of them are written.
        calibration: Pictures per person to calibrate from.
        counts: Numbers of pictures for curves of the shape error; none: no curves.
        people: What is known of each person, by number: see `tables.group_table`.
        systems: Folder with weights of the systems to compare with.
    """

    dataset: str
    true_shape: str
    protocols: Sequence[Protocol] = ("honest",)
    calibration: int = 20
    counts: Sequence[int] = shapes.COUNTS
    people: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    systems: Path | None = None


def measure(
    pipeline: Pipeline, weights: Path, pictures: LabelledPictures, plan: Plan, out: Path, *, made_by: Mapping[str, Any],
    report: Report,
) -> str:  # fmt: skip
    """Measure, write everything, and say it in Markdown; started again, it goes on where it stopped.

    Args:
        pipeline: Networks and settings.
        weights: The folder that they come from.
        pictures: Labelled pictures of people never seen in training.
        plan: What to measure.
        out: Folder for steps/ (records), tables/, figures, results.md and results.json.
        made_by: Command, commit, machine, date.
        report: For progress.

    Raises:
        ValueError: The pictures do not say pose, shape and person, or a person has too few of them.
    """
    store = Store(folder=out / "steps", made_by=made_by)
    known = {"weights": weights_fingerprint(weights), "data": pictures.fingerprint}
    rows = range(len(pictures)) if plan.counts else pictures.singles
    found: list[Table] = []
    for protocol in plan.protocols:
        crops = CROPS[protocol]
        seen = _observed(pipeline, pictures, rows, crops, store, known, report)
        records, errors = _records(pipeline, seen, protocol, plan, store, known, report)
        costs = _costs(pipeline, plan, store, known, report)
        systems = _systems(pipeline, pictures, seen, records, protocol, plan, store, known, report)
        if protocol == plan.protocols[-1]:
            _draw_attention(pipeline, pictures, records, plan, out)
        found += [
            tables.table_1(records, systems, plan.dataset, protocol),
            *([tables.table_2(records, systems, costs, plan.dataset)] if protocol == plan.protocols[-1] else []),
            shape_tables.table_3(errors, plan.dataset, protocol, pipeline.settings.method),
            tables.error_table(records, protocol),
            tables.kept_table(records, protocol),
            shape_tables.shape_table(errors, protocol),
            shape_tables.gain_table(errors, protocol),
        ]
        if protocol == "honest":
            found += [*_more(pipeline, seen, records, errors, plan, store, known, report)]
            if (other := _conditioned(pipeline, weights, pictures, rows, plan, store, known, report)) is not None:
                found.append(tables.conditioned_table(records, other))
            sheet = comparison(pipeline, pictures, rows, seen, calibration=plan.calibration, protocol=protocol)
            write_beside(
                out / "comparison.jpg", lambda path, sheet=sheet: to_image(sheet).save(path, "JPEG", quality=90)
            )
    return _written(found, plan, known, store, out, made_by)


def weights_fingerprint(folder: Path) -> str:
    """Equal for equal networks, settings and priors."""
    digest = hashlib.sha256()
    for name in sorted(NETWORKS.values()):
        digest.update(describe(folder / name)["sha256"].encode())
    others = folder.glob(f"{DETECTOR}.json"), folder.glob("prior_*.safetensors")
    for path in [folder / "pipeline.json", *sorted(path for found in others for path in found)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _observed(
    pipeline: Pipeline, pictures: LabelledPictures, rows: Sequence[int], crops: Crops, store: Store, known: Mapping,
    report: Report, name: str = "",
) -> Observations:  # fmt: skip
    return store.structs(
        f"observations_{name or crops}",
        Observations,
        range(-(-len(rows) // CHUNK)),
        {**known, "crops": crops, "rows": [len(rows), int(np.sum(rows))]},
        lambda part: observe(pipeline, pictures, rows=rows[part * CHUNK : (part + 1) * CHUNK], crops=crops),
        report(f"networks, {name or crops} crops"),
    )


def _conditioned(
    pipeline: Pipeline, weights: Path, pictures: LabelledPictures, rows: Sequence[int], plan: Plan, store: Store,
    known: Mapping, report: Report,
) -> pa.Table | None:  # fmt: skip
    """Records with the network whose pose head sees the shape, if it was trained too; the priors stay."""
    path = weights / "conditioned"
    if not path.with_suffix(".safetensors").exists():
        return None
    known = {**known, "conditioned": describe(path)["sha256"]}
    pipeline = pipeline.changed(identity=build.load(path, pipeline.hand))
    seen = _observed(pipeline, pictures, rows, CROPS["honest"], store, known, report, name="conditioned")
    people = {subject: person[pool(person, "anywhere")] for subject, person in seen.people()}
    return store.table(
        "records_conditioned",
        list(people),
        {**known, "pictures": plan.calibration},
        lambda s: person_records(
            pipeline, people[s], s, people[s].shape[0], pictures=plan.calibration, rows=("true shape", "calibrated")
        ),
        report("reconstruction, conditioned"),
    )


def _records(
    pipeline: Pipeline, seen: Observations, protocol: Protocol, plan: Plan, store: Store, known: Mapping, report: Report
) -> tuple[pa.Table, pa.Table]:
    """Records of reconstruction and of shape, person by person, on the pictures that were taken alone."""
    people = {subject: person[pool(person, "anywhere")] for subject, person in seen.people()}
    others = dict(zip(people, [*list(people)[1:], next(iter(people))], strict=True))
    depends_on = {**known, "crops": CROPS[protocol], "protocol": protocol, "pictures": plan.calibration}
    options: dict[str, Any] = {"pictures": plan.calibration, "protocol": protocol}
    records = store.table(
        f"records_{protocol}",
        list(people),
        {**depends_on, "others": "the next person"},
        lambda s: person_records(pipeline, people[s], s, people[others[s]].shape[0], **options),
        report(f"reconstruction, {protocol}"),
    )
    errors = store.table(
        f"shapes_{protocol}",
        list(people),
        depends_on,
        lambda s: shapes.person_shapes(pipeline, people[s], s, **options),
        report(f"shape, {protocol}"),
    )
    return records, errors


def _more(
    pipeline: Pipeline, seen: Observations, records: pa.Table, errors: pa.Table, plan: Plan, store: Store,
    known: Mapping, report: Report,
) -> list[Table]:  # fmt: skip
    """What is told once, of pictures cropped and parted honestly."""
    found = [
        tables.spread_table(records),
        tables.group_table(records, plan.people),
        tables.people_table(records, errors),
        shape_tables.confidence_table(shapes.picture_shapes(pipeline, seen)),
    ]
    if plan.counts:
        people = dict(seen.people())
        curves = store.table(
            "curves",
            list(people),
            {**known, "counts": list(plan.counts)},
            lambda s: shapes.person_curves(pipeline, people[s], s, counts=plan.counts),
            report("curves"),
        )
        found += [
            shape_tables.curve_table(curves),
            shape_tables.source_table(curves),
            *([rigs] if (rigs := shape_tables.rig_table(curves)).rows else []),
            shape_tables.error_bar_table(curves),
        ]
    return found


def _systems(
    pipeline: Pipeline, pictures: LabelledPictures, seen: Observations, records: pa.Table, protocol: Protocol,
    plan: Plan, store: Store, known: Mapping, report: Report,
) -> pa.Table | None:  # fmt: skip
    """Records of the systems that are there, on the pictures on which our rows are tested."""
    trained = {} if plan.systems is None else trained_systems(plan.systems)
    rows, shapes, parts = _tested(pictures, records) if trained else [], None, []
    if any(takes_identity(path) for path in trained.values()):
        shapes = {}
        for subject, person in seen.people():
            alone = person[pool(person, "anywhere")]
            some = alone[parted(alone, plan.calibration, protocol, subject)[0]]
            shapes[subject] = calibrations(pipeline, some, subject)[False].identity.shape
    for name, path in trained.items():
        own, depends_on = None, {"data": known["data"], "system": describe(path)["sha256"], "protocol": protocol}
        if takes_identity(path):
            own, depends_on = shapes, {**known, **depends_on, "pictures": plan.calibration}
        parts.append(
            store.table(
                f"system_{path.stem}_{protocol}",
                [0],
                {**depends_on, "rows": [len(rows), int(np.sum(rows))]},
                lambda _, name=name, path=path, own=own: system_records(
                    name, path, pictures, pipeline.hand, rows=rows, shapes=own
                ),
                report(name),
            )
        )
    return pa.concat_tables(parts) if parts else None


def _costs(pipeline: Pipeline, plan: Plan, store: Store, known: Mapping, report: Report) -> pa.Table | None:
    """What the systems that are there cost, and ours."""
    trained = {} if plan.systems is None else trained_systems(plan.systems)
    if not trained:
        return None
    size = pipeline.settings.size

    def measured(_: int) -> pa.Table:
        ours = [(pipeline.keypoints, size), (pipeline.identity, size)]
        theirs = {
            name: [(load_system(path, pipeline.hand), trained_view(path).size or size)]
            for name, path in trained.items()
        }
        return cost_records({**theirs, OURS: ours}, pipeline.hand)

    sums = {name: describe(path)["sha256"] for name, path in trained.items()}
    return store.table("costs", [0], {"weights": known["weights"], "systems": sums}, measured, report("costs"))


def _draw_attention(
    pipeline: Pipeline, pictures: LabelledPictures, records: pa.Table, plan: Plan, out: Path, count: int = 6
) -> None:
    """attention.jpg: what METRO's joints attend to in some pictures, evenly taken, if it was trained."""
    path = None if plan.systems is None else trained_systems(plan.systems).get("METRO")
    if path is None:
        return
    metro, rows = load_system(path, pipeline.hand), _tested(pictures, records)
    assert isinstance(metro, Metro)
    some = [rows[k] for k in np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    sheet = attention_sheet(metro, trained_view(path), pictures, some)
    write_beside(out / "attention.jpg", lambda path: to_image(sheet).save(path, "JPEG", quality=90))


def _tested(pictures: LabelledPictures, records: pa.Table) -> list[int]:
    """Rows of the pictures of some records, which number a person's pictures that were taken alone."""
    alone = torch.tensor(pictures.singles)
    whose = given(pictures.subjects, "pictures of known people")[alone]
    rows = []
    for subject in sorted(set(records["subject"].to_pylist())):
        own = alone[whose == subject]
        numbers = sorted(set(tables.some(records, subject=subject)["picture"].to_pylist()))
        rows += own[numbers].tolist()
    return rows


def _written(
    found: Sequence[Table], plan: Plan, known: Mapping, store: Store, out: Path, made_by: Mapping[str, Any]
) -> str:
    for table in found:
        table.write(out / "tables")
        if table.name.startswith("curve_"):
            write_text(out / f"{table.name}.svg", curve_chart(table))
    facts = {
        **made_by,
        **known,
        "dataset": plan.dataset,
        "true shape": plan.true_shape,
        "protocols": list(plan.protocols),
        "calibration pictures": plan.calibration,
        "steps": store.made(),
    }
    write_text(out / "results.json", json.dumps(facts, indent=1) + "\n")
    text = "\n".join(table.markdown() for table in found)
    write_text(out / "results.md", text)
    return text
