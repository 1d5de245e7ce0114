"""Several sources of pictures as one."""

import pytest
import torch
from data_helpers import make_sample

from ownhand.data.dataset import ShardDataset
from ownhand.data.pictures import JoinedPictures
from ownhand.data.shards import write_shard


@pytest.fixture
def folders(tmp_path):
    for name, first, count in (("a", 0, 5), ("b", 10, 7)):
        write_shard(tmp_path / name, 0, [make_sample(first + i) for i in range(count)], quality=None)
    return tmp_path / "a", tmp_path / "b"


def test_joined_sources_give_what_joined_folders_give(folders):
    joined, one = JoinedPictures(*map(ShardDataset, folders)), ShardDataset(*folders)
    assert len(joined) == len(one) == 12
    assert torch.equal(joined.subjects, one.subjects)
    indices = [11, 0, 5, 3, 5]
    ours, theirs = joined.load(indices), one.load(indices)
    for name in ("image", "keypoints", "subject", "labels", "depth"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert joined.only(["depth"]).load([4, 6]).labels is None
    assert joined.only(["depth"]).fingerprint == joined.fingerprint
    assert JoinedPictures(*map(ShardDataset, folders[::-1])).fingerprint != joined.fingerprint


def test_blocks_of_joined_sources_stay_apart(folders):
    stored = ShardDataset(*folders)
    drawn = ShardDataset(*folders)
    drawn.blocks = torch.arange(12) // 8
    assert JoinedPictures(stored, drawn).blocks.tolist() == [*range(12), *[12] * 8, *[13] * 4]


def test_pictures_that_differ_in_size_are_no_batch(folders, tmp_path):
    write_shard(tmp_path / "c", 0, [make_sample(0, (16, 16))])
    joined = JoinedPictures(ShardDataset(*folders), ShardDataset(tmp_path / "c"))
    with pytest.raises(ValueError, match="one size"):
        joined.load([0, 12])
