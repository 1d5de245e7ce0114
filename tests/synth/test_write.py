"""Writing many pictures: by any number of workers, killed and continued, the same files."""

import pytest

from ownhand.data.shards import finished_shards, shard_path
from ownhand.synth import write as write_module
from ownhand.synth.write import write

JOB = {"people": 3, "pictures_per_person": 2, "size": 32, "seed": 3, "shard_size": 2, "progress": False}


def _bytes(folder):
    return {n: shard_path(folder, n).read_bytes() for n in finished_shards(folder)}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    assert write(folder, **JOB) == 6
    return folder


def test_two_workers_write_what_one_writes(alone, tmp_path):
    write(tmp_path, workers=2, **JOB)
    assert _bytes(tmp_path) == _bytes(alone)
    assert len(_bytes(alone)) == 3


def test_killed_and_continued_equals_uninterrupted(alone, tmp_path, monkeypatch):
    original, calls = write_module._write_shard, []

    def killed(folder, plan, shard):
        calls.append(shard)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(folder, plan, shard)

    monkeypatch.setattr(write_module, "_write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, **JOB)
    assert finished_shards(tmp_path) == [0]
    write(tmp_path, **JOB)
    assert calls == [0, 1, 1, 2]
    assert _bytes(tmp_path) == _bytes(alone)


def test_another_plan_in_the_same_folder_is_refused(alone):
    with pytest.raises(ValueError, match="seed 3 instead of 4"):
        write(alone, **{**JOB, "seed": 4})


def test_no_people_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one person"):
        write(tmp_path, **{**JOB, "people": 0})
