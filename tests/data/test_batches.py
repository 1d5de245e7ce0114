"""The order of training: every picture once per epoch, from any start, over any number of processes."""

import pytest
import torch
from data_helpers import make_sample
from hypothesis import given
from hypothesis import strategies as st

from ownhand.data.augment import Augmentation
from ownhand.data.batches import Batches, in_order, permutation
from ownhand.data.dataset import ShardDataset
from ownhand.data.shards import write_shard

STRONG = Augmentation(size=32, angle_deg=90.0, noise=0.1)


@pytest.fixture
def data(tmp_path):
    write_shard(tmp_path, 0, [make_sample(i) for i in range(10)], quality=None)
    return ShardDataset(tmp_path)


def test_an_epoch_sees_every_picture_once_in_an_order_of_its_own():
    orders = [permutation(100, seed=1, epoch=e) for e in (0, 1)]
    assert all(torch.equal(order.sort().values, torch.arange(100)) for order in orders)
    assert not torch.equal(*orders)
    assert torch.equal(orders[0], permutation(100, seed=1, epoch=0))


def test_pictures_of_a_person_can_be_kept_together():
    subjects = torch.randint(0, 7, (100,))
    order = permutation(100, seed=0, epoch=0, subjects=subjects, together=4)
    assert torch.equal(order.sort().values, torch.arange(100))
    person = subjects[order]
    neighbours = (person[1:] == person[:-1]).float().mean()
    assert neighbours > 0.65
    assert len(person.unique_consecutive()) > 20


class _Counted:
    """Pictures that nobody looks at, five of each person."""

    fingerprint = ""

    def __init__(self, count, blocks):
        self.subjects, self.blocks = torch.arange(count) // 5, blocks

    def __len__(self):
        return len(self.subjects)

    def load(self, indices):
        raise NotImplementedError

    def only(self, fields):
        return self


@given(
    world=st.integers(1, 7),
    share=st.integers(1, 9),
    count=st.integers(1, 40),
    block=st.none() | st.integers(1, 12),
    start=st.integers(0, 3),
    data=st.data(),
)
def test_each_epoch_sees_each_picture_once_over_all_processes(world, share, count, block, start, data):
    """Whatever divides what or does not: processes, batch, pictures, blocks; and from any step on."""
    together = data.draw(st.integers(1, 4))
    pictures = _Counted(count, None if block is None else torch.arange(count) // block)
    options = {"batch": share * world, "seed": 1, "augmentation": STRONG, "together": together, "world": world}
    ranks = [Batches(pictures, rank=rank, **options) for rank in range(world)]
    seen = []
    for step in range(start, start + 2 + 3 * count // (share * world)):
        for rank in ranks:
            epochs, indices = rank.pictures(step)
            assert len(indices) == share
            seen += zip(epochs, indices, strict=True)
    assert len(set(seen)) == len(seen)
    first, last = seen[0][0], seen[-1][0]
    for epoch in range(first + 1, last):
        assert sorted(index for e, index in seen if e == epoch) == list(range(count))
    assert last > first + 1


def test_what_is_in_a_block_follows_each_other_and_blocks_are_shuffled():
    order = permutation(100, seed=0, epoch=0, blocks=torch.arange(100) // 8)
    starts = [i for i in range(100) if i == 0 or order[i] != order[i - 1] + 1]
    assert len(starts) in (11, 12, 13)
    assert order[starts].tolist() != sorted(order[starts].tolist())
    alone = permutation(100, seed=0, epoch=0, blocks=torch.arange(100))
    assert torch.equal(alone.sort().values, torch.arange(100))


def test_a_batch_depends_on_its_number_alone(data):
    straight = Batches(data, batch=4, seed=1, augmentation=STRONG)
    batches = [straight[step] for step in range(6)]
    resumed = Batches(data, batch=4, seed=1, augmentation=STRONG)
    assert torch.equal(resumed[5].image, batches[5].image)
    assert torch.equal(resumed[2].image, batches[2].image)
    assert not torch.equal(Batches(data, batch=4, seed=2, augmentation=STRONG)[2].image, batches[2].image)


def test_two_processes_load_what_one_would(data):
    one = Batches(data, batch=4, seed=1, augmentation=STRONG)[1]
    two = [Batches(data, batch=4, seed=1, augmentation=STRONG, rank=r, world=2)[1] for r in (0, 1)]
    torch.testing.assert_close(torch.cat([x.image for x in two]), one.image, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="3 processes can share evenly"):
        Batches(data, batch=4, seed=1, augmentation=STRONG, world=3)


def test_validation_takes_pictures_evenly_and_leaves_them_as_they_are(data):
    (sample,) = in_order(data, batch=8, view=Augmentation(), limit=5)
    assert sample.subject.tolist() == [data[i].subject.item() for i in (0, 2, 4, 6, 8)]
    assert sum(len(x) for x in in_order(data, batch=4, view=Augmentation(size=32))) == 10


def test_pictures_are_coarse_at_first_if_told_so(data):
    batches = Batches(data, batch=4, seed=1, augmentation=STRONG, coarse=[(2, 16), (4, 24)])
    assert [batches[step].image.shape[-1] for step in range(5)] == [16, 16, 24, 24, 32]
    last = Batches(data, batch=4, seed=1, augmentation=STRONG)[4]
    assert torch.equal(batches[4].image, last.image)
