"""The benchmark: the same on every machine, told by its manifest."""

from dataclasses import replace

import pytest
import torch

from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import CLIP, Taken
from ownhand.lab import make_benchmark
from ownhand.synth import ownhand_id
from ownhand.synth.generator import Generator
from ownhand.synth.ownhand_id import PEOPLE, WORLDS, differences, drawn_records, manifest, split, stored_records
from ownhand.synth.write import write


@pytest.fixture(scope="module")
def known():
    return manifest("val")


def test_this_machine_makes_the_pictures_of_the_manifest(known):
    rows = list(drawn_records("val", [7]))
    assert len(rows) == 208
    assert differences(rows, known) == []


def test_the_manifest_knows_every_picture():
    for part, world in WORLDS.items():
        assert [row["index"] for row in manifest(part)] == list(range(PEOPLE[part] * world.per_person))


def test_changes_are_found(known):
    row = next(row for row in known if row["labels"] is not None)
    assert differences([row], known) == []
    nudged = [row["labels"][0] + 2, *row["labels"][1:]]
    for change in (
        {"decisions": row["decisions"] + 1},
        {"visible": row["visible"] ^ 1},
        {"joints": row["joints"] + 100},
        {"labels": nudged},
        {"index": 10**6},
    ):
        assert len(differences([row | change], known)) == 1


def test_a_folder_says_what_its_pictures_are(tmp_path, monkeypatch):
    world = replace(WORLDS["val"], singles=2, clip=2, rig=2)
    monkeypatch.setitem(WORLDS, "val", world)
    write(tmp_path, Generator(world, size=64), people=2, progress=False)
    stored = list(stored_records("val", ShardDataset(tmp_path, fields=())))
    assert len(stored) == 12
    assert differences(stored, list(drawn_records("val", [0, 1]))) == []


def test_the_command_accepts_the_benchmark_and_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(WORLDS, "val", replace(WORLDS["val"], singles=2, clip=0, rig=0))
    monkeypatch.setitem(PEOPLE, "val", 1)
    right = list(drawn_records("val", [0]))
    monkeypatch.setattr(ownhand_id, "manifest", lambda part: right)
    make_benchmark(tmp_path, ["val"], size=32, workers=1, ray=None)
    assert "is OwnHand-ID 1: all labels are those of the manifest" in capsys.readouterr().out
    right[1] |= {"visible": 0}
    with pytest.raises(ValueError, match=r"not OwnHand-ID 1: 1 of 2 pictures differ.*picture 1 of val was decided"):
        make_benchmark(tmp_path, ["val"], size=32, workers=1, ray=None)


def test_no_two_parts_share_people():
    assert len({world.seed for world in WORLDS.values()}) == 3


def _taken(n: int) -> tuple[torch.Tensor, Taken]:
    numbers = torch.arange(n)
    eye = torch.eye(3).expand(n, 3, 3)
    taken = Taken(
        kind=numbers % 3, instant=numbers // 7, device=numbers % 7, thing=numbers % 26 - 1, decisions=numbers,
        R_cam_world=eye, t_cam_world=eye[..., 0],
    )  # fmt: skip
    return numbers % 5, taken


@pytest.mark.parametrize("setup", ownhand_id.SETUPS)
def test_setups_hold_out_what_they_promise(setup):
    subject, taken = _taken(5000)
    rows = split(setup, subject, taken)
    assert torch.equal(torch.cat(list(rows.values())).sort().values, torch.arange(5000))
    assert min(map(len, rows.values())) > 100
    instant = subject * 10_000 + taken.instant.masked_fill(taken.kind == CLIP, -1)
    what = {"s0": instant, "s2": taken.device, "s3": taken.thing}[setup]
    seen = [set(what[part].tolist()) for part in rows.values()]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_an_unknown_setup_is_refused():
    with pytest.raises(ValueError, match="s0, s2, s3"):
        split("s1", *_taken(3))
