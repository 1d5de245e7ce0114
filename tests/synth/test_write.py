"""Writing many pictures: by any number of workers or machines, killed and continued, the same files."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pyarrow.parquet as pq
import pytest

from ownhand.data.dataset import ShardDataset
from ownhand.data.shards import finished_shards, shard_path
from ownhand.synth import plan as plan_module
from ownhand.synth import write as write_module
from ownhand.synth.generator import Generator
from ownhand.synth.world import World
from ownhand.synth.write import write

GENERATOR = Generator(World(seed=3, singles=2), size=32)
JOB = {"people": 3, "shard_size": 2, "progress": False}
MANY = {"people": 24, "shard_size": 4, "progress": False}
PATIENCE = 60  # seconds


def _bytes(folder):
    both = [(n, ending) for n in finished_shards(folder) for ending in (".tar", ".parquet")]
    return {key: shard_path(folder, *key).read_bytes() for key in both}


def _writers(folder):
    """Processes that are at a shard now."""
    return {int(path.name.split("-")[-1].split(".")[0]) for path in folder.glob(".shard-*.tar.*.tmp")}


def _wait_for(what):
    end = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)
    return found


def _lives(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    written = write(folder, GENERATOR, **JOB)
    assert (written.pictures, written.shards, written.drawn) == (6, 3, 3)
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    assert write(folder, GENERATOR, **MANY).pictures == 48
    return folder


def test_stopped_and_continued_equals_uninterrupted(alone, tmp_path, monkeypatch):
    original, calls = write_module.make_shard, []

    def stopped(folder, plan, shard):
        calls.append(shard)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(folder, plan, shard)

    with monkeypatch.context() as patch:
        patch.setattr(write_module, "make_shard", stopped)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, GENERATOR, **JOB)
    assert finished_shards(tmp_path) == [0]
    assert write(tmp_path, GENERATOR, **JOB).drawn == 2
    assert _bytes(tmp_path) == _bytes(alone)


def test_a_worker_killed_then_all_killed_and_continued_equals_uninterrupted(many, tmp_path):
    """SIGKILL of a worker: others replace it. Of the parent: its workers end too, and another run does the rest."""
    program = tmp_path / "program.py"
    program.write_text(
        "from test_write import GENERATOR, MANY, write\n"
        f"if __name__ == '__main__':\n    write({str(tmp_path)!r}, GENERATOR, workers=2, **MANY)\n"
    )
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), os.path.dirname(__file__)])
    parent = subprocess.Popen([sys.executable, str(program)], env=os.environ | {"PYTHONPATH": path})
    _wait_for(lambda: finished_shards(tmp_path))
    os.kill(_wait_for(lambda: _writers(tmp_path)).pop(), signal.SIGKILL)
    some = len(finished_shards(tmp_path))
    _wait_for(lambda: len(finished_shards(tmp_path)) > some + 3)  # more than those that the pool had handed out
    writers = _wait_for(lambda: _writers(tmp_path))
    parent.kill()
    assert parent.wait() == -signal.SIGKILL
    _wait_for(lambda: not any(_lives(pid) for pid in writers))
    before = len(finished_shards(tmp_path))
    assert before < 12
    written = write(tmp_path, GENERATOR, **MANY)
    assert (written.pictures, written.drawn) == (48, 12 - before)
    assert _bytes(tmp_path) == _bytes(many)
    assert not list(tmp_path.glob(".*"))


def test_workers_that_are_killed_again_and_again_end_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(write_module, "_start_worker", os.abort)
    with pytest.raises(OSError, match="killed 3 times without finishing a shard"):
        write(tmp_path, GENERATOR, workers=2, **JOB)
    assert not multiprocessing.active_children()


def test_a_second_run_verifies_and_mends(alone, tmp_path):
    for path in alone.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    sound = write(tmp_path, GENERATOR, **JOB)
    assert sound.drawn == 0
    assert str(sound) == f"{tmp_path}: 6 pictures in 3 shards; 3 were there, with the right checksums"
    tar = shard_path(tmp_path, 1)
    content = bytearray(tar.read_bytes())
    content[700] ^= 1
    tar.write_bytes(content)
    mended = write(tmp_path, GENERATOR, **JOB)
    assert mended.drawn == 1
    assert f"drawn again: shard {tar} is damaged: its SHA-256 is not the recorded one" in str(mended)
    assert _bytes(tmp_path) == _bytes(alone)
    ShardDataset(tmp_path).verify()


def test_damaged_labels_are_noticed(alone, tmp_path):
    """One bit of one keypoint."""
    for path in alone.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = shard_path(tmp_path, 2, ".parquet")
    content, labels, noticed = bytearray(index.read_bytes()), pq.read_table(index), 0
    for place in range(len(content) // 8, len(content) // 2, 500):
        content[place] ^= 4
        index.write_bytes(content)
        content[place] ^= 4
        written = write(tmp_path, GENERATOR, **JOB)
        noticed += len(written.damaged)
        assert written.damaged == () or f"{index} is damaged" in written.damaged[0]
        assert pq.read_table(index).equals(labels)  # bits of statistics, which no label depends on, may flip unnoticed
    assert noticed > 5
    assert _bytes(tmp_path) == _bytes(alone)


def test_another_plan_in_the_same_folder_is_refused(alone):
    with pytest.raises(ValueError, match="seed 3 instead of 4"):
        write(alone, Generator(World(seed=4, singles=2), size=32), **JOB)


def test_a_folder_from_before_worlds_learnt_something_is_one_without_it(alone, monkeypatch):
    @dataclass(frozen=True, kw_only=True)
    class Wider(World):
        rain: float = 0.0
        kinds: tuple[str, ...] = ("drizzle",)

    monkeypatch.setattr(plan_module, "World", Wider)
    dry, wet = (Generator(Wider(seed=3, singles=2, rain=rain), size=32) for rain in (0.0, 0.5))
    plan_module.Plan(generator=dry, people=3, shard_size=2).claim(alone)
    with pytest.raises(ValueError, match=r"pictures: rain 0\.0 instead of 0\.5$"):
        plan_module.Plan(generator=wet, people=3, shard_size=2).claim(alone)


def test_no_people_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 1 person"):
        write(tmp_path, GENERATOR, **{**JOB, "people": 0})


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'ownhand[ray]'")
@pytest.mark.filterwarnings("default")  # Ray's own
def test_a_cluster_that_loses_a_machine_and_a_process_writes_what_one_machine_would(many, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second, killed = cluster.add_node(num_cpus=1), []

    def kill():
        _wait_for(lambda: finished_shards(tmp_path))
        os.kill(_wait_for(lambda: _writers(tmp_path)).pop(), signal.SIGKILL)
        killed.append("process")
        some = len(finished_shards(tmp_path))
        _wait_for(lambda: len(finished_shards(tmp_path)) > some)
        cluster.remove_node(second, allow_graceful=False)
        killed.append("machine")

    killer = Thread(target=kill)
    killer.start()
    try:
        written = write(tmp_path, GENERATOR, ray=cluster.address, **MANY)
        killer.join()
    finally:
        cluster.shutdown()
    assert killed == ["process", "machine"]
    assert written.pictures == 48
    assert _bytes(tmp_path) == _bytes(many)
    assert not list(tmp_path.glob(".*"))
