"""Long steps are made once, and again if what they depend on has changed."""

import pyarrow as pa
import pytest
import torch

from ownhand.data.sample import Taken
from ownhand.experiments.store import Store
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandPose
from ownhand.structs import from_tensors, to_tensors


@pytest.fixture
def store(tmp_path):
    return Store(folder=tmp_path, made_by={"commit": "abc"})


def counted(part):
    counted.calls.append(part)
    return pa.table({"part": [part, part], "value": [0.1 * part, 1.0]})


@pytest.fixture(autouse=True)
def _no_calls_yet():
    counted.calls = []


def test_parts_are_made_once_and_stay_in_order(store):
    first = store.table("errors", [3, 1], {"seed": 0}, counted)
    again = store.table("errors", [3, 1], {"seed": 0}, counted)
    assert counted.calls == [3, 1]
    assert first == again
    assert first["part"].to_pylist() == [3, 3, 1, 1]


def test_another_dependency_makes_them_again(store):
    store.table("errors", [3], {"seed": 0}, counted)
    store.table("errors", [3], {"seed": 1}, counted)
    assert counted.calls == [3, 3]


def test_after_a_kill_only_what_is_missing_or_cut_short_is_made(store):
    def killed(part):
        if part == 3:
            raise KeyboardInterrupt
        return counted(part)

    with pytest.raises(KeyboardInterrupt):
        store.table("errors", [1, 2, 3, 4], {}, killed)
    path = store.folder / "errors" / "2.parquet"
    path.write_bytes(path.read_bytes()[:50])
    found = store.table("errors", [1, 2, 3, 4], {}, counted)
    assert counted.calls == [1, 2, 2, 3, 4]
    assert found["part"].to_pylist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert not list(store.folder.glob("errors/.*"))


def camera(part: int) -> Camera:
    return Camera(K=torch.full((2, 3, 3), float(part)), size=(40, 60))


def test_tensors_come_back_as_they_were(store):
    first = store.structs("cameras", Camera, [5, 6], {}, camera)
    again = store.structs("cameras", Camera, [5, 6], {}, lambda part: pytest.fail("made again"))
    assert again.size == (40, 60)
    assert torch.equal(first.K, again.K)
    assert again.K[:, 0, 0].tolist() == [5, 5, 6, 6]


def test_results_say_how_they_were_made(store):
    store.table("errors", [1, 2], {}, counted)
    store.structs("cameras", Camera, [5], {}, camera)
    made = store.made()
    assert made["errors"]["parts"] == 2
    assert made["cameras"]["commits"] == ["abc"]
    assert made["errors"]["seconds"] >= 0


def test_nested_structs_are_taken_apart_and_put_together():
    zeros = torch.zeros(2, dtype=torch.long)
    taken = Taken(
        kind=zeros, instant=zeros + 1, device=zeros, thing=zeros, decisions=zeros, R_cam_world=torch.ones(2, 3, 3),
        t_cam_world=torch.zeros(2, 3),
    )  # fmt: skip
    pose = HandPose(R_cam_root=torch.ones(2, 3, 3), R_parent_joint=torch.rand(2, 15, 3, 3), t_cam_root=torch.rand(2, 3))
    for struct in (taken, pose):
        back = from_tensors(type(struct), to_tensors(struct))
        assert to_tensors(back).keys() == to_tensors(struct).keys()
        assert all(
            torch.equal(x, y) for x, y in zip(to_tensors(back).values(), to_tensors(struct).values(), strict=True)
        )
    with pytest.raises(ValueError, match="expected all fields of HandPose"):
        from_tensors(HandPose, {"t_cam_root": torch.zeros(3)})
