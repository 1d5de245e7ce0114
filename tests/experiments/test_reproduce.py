"""`ownhand reproduce` as a user types it: on OwnHand-ID, and on a replica of DexYCB with a licensed hand's stand-in."""

import json
import sys
from dataclasses import replace
from functools import partial

import pytest
import replicas
from tiny import save_pipeline

from ownhand import lab
from ownhand.cli import main
from ownhand.data.readers import from_words
from ownhand.experiments.table import Table
from ownhand.hand.mano import load_mano
from ownhand.synth import ownhand_id


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["ownhand", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code or 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture(autouse=True)
def _short_curves(monkeypatch):
    monkeypatch.setattr(lab, "Plan", partial(lab.Plan, counts=(1,)))


@pytest.fixture
def small_benchmark(monkeypatch):
    """OwnHand-ID with two people and few pictures, and a manifest of just those."""
    monkeypatch.setitem(ownhand_id.WORLDS, "test", replace(ownhand_id.WORLDS["test"], singles=4, clip=0, rig=0))
    monkeypatch.setitem(ownhand_id.PEOPLE, "test", 2)
    right = list(ownhand_id.drawn_records("test", range(2)))
    monkeypatch.setattr(ownhand_id, "manifest", lambda part: right)


def test_the_synthetic_benchmark_is_generated_and_measured(
    small_benchmark, tiny_weights, tmp_path, monkeypatch, capsys
):
    words = ("reproduce", "synth", tmp_path / "id", "-o", tmp_path / "out", "--weights", tiny_weights)
    code, out, err = run(monkeypatch, capsys, *words, "--pictures", 2, "--protocol", "honest")
    assert code == 0, err
    assert "is OwnHand-ID 1" in out
    assert "## Table 1: reconstruction, protocol honest" in out
    assert (tmp_path / "out" / "tables" / "table_3_honest.tex").exists()
    assert "| skin tone |" in (tmp_path / "out" / "tables" / "groups.md").read_text()


def test_dexycb_is_measured_as_the_paper_did(tmp_path, monkeypatch, capsys):
    models = replicas.write_models(tmp_path)
    replicas.write_dexycb(tmp_path / "DexYCB", people=9, sequences=4)
    hand, weights = load_mano(models[True]), tmp_path / "weights"
    weights.mkdir()
    save_pipeline(weights, hand, from_words(f"dexycb:{tmp_path / 'DexYCB'},part=val,hands=right", hand))
    words = ("dexycb", tmp_path / "DexYCB", "-o", tmp_path / "out", "--weights", weights, "--pictures", 2)
    code, _, err = run(monkeypatch, capsys, "reproduce", *words)
    assert code == 2
    assert err == "ownhand: dexycb needs the hand model of its labels: pass the folder with MANO_RIGHT.pkl (--mano)\n"
    code, out, err = run(monkeypatch, capsys, "reproduce", *words, "--mano", tmp_path, "--protocol", "paper")
    assert code == 0, err
    table = out[out.index("## Table 1: reconstruction, protocol paper") :]
    assert next(line for line in table.splitlines() if "| true shape | yes" in line).endswith("| 16.60 | 16.29 |")
    facts = json.loads((tmp_path / "out" / "results.json").read_text())
    assert facts["true shape"] == "the person's calibration of that side (mano.yml)"
    assert facts["steps"]["records_paper"]["parts"] == 2


def test_each_person_of_dexycb_is_left_out_once(tmp_path, monkeypatch, capsys):
    done = []

    def reproduce(dataset, root, out, *, split, **options):
        """Stands for a training with this split."""
        done.append((dataset, split))
        row = [int(split.removeprefix("without-")), 12.5]
        Table(name="people", title="Person by person", columns=["person", "mm"], rows=[row]).write(out / "tables")

    monkeypatch.setattr(lab, "_reproduce", reproduce)
    words = ("reproduce", "dexycb", tmp_path, "-o", tmp_path / "out", "--split", "each-person")
    code, out, err = run(monkeypatch, capsys, *words)
    assert code == 0, err
    assert done == [("dexycb", f"without-{person}") for person in range(10)]
    assert "## Each person left out" in out
    assert [line.split(" | ")[0] for line in out.splitlines() if line.endswith("| 12.50 |")] == [
        f"| {person}" for person in range(10)
    ]
    assert len(Table.read(tmp_path / "out" / "tables" / "people").rows) == 10


def test_splits_that_are_not_there_are_named(tmp_path, monkeypatch, capsys):
    replicas.write_models(tmp_path)
    replicas.write_dexycb(tmp_path / "DexYCB", people=2, sequences=2)
    common = ("-o", tmp_path / "out", "--split")
    wrong = {
        ("synth", tmp_path / "id", *common, "s0"): "expected no split of synth",
        ("humbi", tmp_path / "humbi", *common, "each-person"): "expected dexycb for the split each-person",
        ("dexycb", tmp_path / "DexYCB", "--mano", tmp_path, *common, "s9"): "expected a split of dexycb (s1, s0,",
    }
    for words, reason in wrong.items():
        code, _, err = run(monkeypatch, capsys, "reproduce", *words)
        assert code == 2
        assert reason in err
