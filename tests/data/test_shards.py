"""Shards: what is written is read, and a kill or damage is noticed."""

import dataclasses
import os
import signal
import subprocess
import sys
import tarfile
import textwrap
from pathlib import Path

import pytest
import torch
from data_helpers import make_sample

from ownhand.data.dataset import ShardDataset
from ownhand.data.sample import HandSample
from ownhand.data.shards import ShardWriter, finished_shards, shard_path, write_shard


def assert_same(read: HandSample, written: HandSample, image_error: float = 0.5 / 255 + 1e-6) -> None:
    torch.testing.assert_close(read.image, written.image, rtol=0, atol=image_error)
    exact = [
        torch.equal(getattr(read, f.name), getattr(written, f.name))
        for f in dataclasses.fields(read)
        if isinstance(getattr(read, f.name), torch.Tensor) and f.name != "image"
    ]
    assert all(exact)
    assert len(exact) == 8
    assert read.camera.size == written.camera.size
    assert torch.equal(read.camera.K, written.camera.K)
    assert all(torch.equal(getattr(read.pose, n), getattr(written.pose, n)) for n in vars(written.pose))


def test_a_png_shard_gives_back_what_was_written_at_any_place(tmp_path):
    with ShardWriter(tmp_path, shard_size=3, quality=None) as writer:
        for i in range(8):
            writer.add(make_sample(i))
    data = ShardDataset(tmp_path)
    assert len(data) == 8
    assert finished_shards(tmp_path) == [0, 1, 2]
    for i in (7, 0, 4):
        assert_same(data[i], make_sample(i))
    batch = data.load([5, 2])
    assert_same(batch[1], make_sample(2))
    data.verify()


def test_jpeg_changes_pictures_little_and_labels_not_at_all(tmp_path):
    write_shard(tmp_path, 0, [make_sample(0, (64, 64))])
    read, written = ShardDataset(tmp_path)[0], make_sample(0, (64, 64))
    assert (read.image - written.image).abs().mean() < 0.01
    assert_same(dataclasses.replace(read, image=written.image), written)


def test_fields_can_be_left_out(tmp_path):
    bare = dataclasses.replace(make_sample(0), pose=None, shape=None, subject=None, labels=None, depth=None)
    write_shard(tmp_path / "bare", 0, [bare])
    read = ShardDataset(tmp_path / "bare")[0]
    assert read.pose is None
    assert read.labels is None
    assert read.subject is None
    write_shard(tmp_path / "full", 0, [make_sample(0)])
    full = ShardDataset(tmp_path / "full")
    for read in (ShardDataset(tmp_path / "full", fields=["labels"])[0], full.only(["labels"])[0]):
        assert read.labels is not None
        assert read.depth is None
    assert full[0].depth is not None
    with pytest.raises(ValueError, match="not verts"):
        full.only(["verts"])
    with pytest.raises(ValueError, match="different fields"):
        ShardDataset(tmp_path / "bare", tmp_path / "full")


def test_people_of_joined_folders_stay_apart(tmp_path):
    for name in ("a", "b"):
        write_shard(tmp_path / name, 0, [make_sample(i) for i in range(4)])
    data = ShardDataset(tmp_path / "a", tmp_path / "b")
    assert data.subjects.tolist() == [0, 1, 2, 0, 3, 4, 5, 3]
    assert_same(dataclasses.replace(data[5], subject=torch.tensor(1)), make_sample(1), image_error=0.5)


def test_a_shard_can_be_read_by_any_tar_reader(tmp_path):
    write_shard(tmp_path, 0, [make_sample(0), make_sample(1)])
    with tarfile.open(shard_path(tmp_path, 0)) as tar:
        names = tar.getnames()
    assert names == [f"00000{i}.{end}" for i in (0, 1) for end in ("jpg", "labels.png", "depth.png")]


def test_the_same_pictures_make_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_shard(tmp_path / name, 0, [make_sample(0), make_sample(1)])
    first, second = (shard_path(tmp_path / name, 0).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_killed_writer_loses_at_most_its_shard_and_the_next_one_continues(tmp_path):
    script = f"""
        import os, signal, sys
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
        from data_helpers import make_sample
        from ownhand.data.shards import ShardWriter
        writer = ShardWriter({str(tmp_path)!r}, shard_size=4, quality=None)
        for i in range(writer.count, 11):
            writer.add(make_sample(i))
            if i == 6 and writer.count == 7 and len(sys.argv) > 1:
                os.kill(os.getpid(), signal.SIGKILL)
        writer.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    assert subprocess.run([*command, "die"], env=environment).returncode == -signal.SIGKILL
    assert len(ShardDataset(tmp_path)) == 4
    assert subprocess.run(command, env=environment).returncode == 0
    data = ShardDataset(tmp_path)
    assert len(data) == 11
    for i in range(11):
        assert_same(data[i], make_sample(i))
    assert not list(tmp_path.glob(".*"))


def test_a_failing_source_leaves_no_shard(tmp_path):
    def source():
        yield make_sample(0)
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_shard(tmp_path, 0, source())
    assert not list(tmp_path.iterdir())


def test_a_finished_shard_is_not_made_again(tmp_path):
    write_shard(tmp_path, 3, [make_sample(0)])
    assert write_shard(tmp_path, 3, (pytest.fail("asked for a picture") for _ in range(1))) == 1


def test_damage_is_named(tmp_path):
    write_shard(tmp_path, 0, [make_sample(0), make_sample(1)])
    path = shard_path(tmp_path, 0)
    whole = path.read_bytes()
    middle = whole.index(b"\xff\xd8") + 200
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    data = ShardDataset(tmp_path)
    with pytest.raises(ValueError, match=r"shard-000000\.tar is damaged: image"):
        data[0]
    data[1]
    with pytest.raises(ValueError, match=r"shard-000000\.tar is damaged"):
        data.verify()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"shard-000000\.tar has \d+ bytes"):
        ShardDataset(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match=r"shard-000000\.tar is missing"):
        ShardDataset(tmp_path)


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no finished shards"):
        ShardDataset(tmp_path)
    with pytest.raises(ValueError, match="got none"):
        write_shard(tmp_path, 0, [])
    with pytest.raises(ValueError, match="some lack shape"):
        write_shard(tmp_path, 0, [make_sample(0), dataclasses.replace(make_sample(1), shape=None)])
    write_shard(tmp_path, 0, [make_sample(0), make_sample(1, (32, 32))])
    with pytest.raises(ValueError, match="one size"):
        ShardDataset(tmp_path).load([0, 1])
