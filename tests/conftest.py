"""Shared by all tests: tests may import `toy` (a small hand with random data)."""

import os

import pytest
import torch
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for processes that tests start
torch.set_num_threads(1)  # tiny networks gain nothing from more, and lose much beside other programs

settings.register_profile("same examples every time", derandomize=True, deadline=None)
settings.load_profile("same examples every time")


@pytest.fixture(autouse=True)
def _same_random_numbers_for_every_test():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def few_pictures(tmp_path_factory):
    """A folder with 26 synthetic people, 3 pictures of 64 x 64 each: enough people for error bars."""
    from ownhand.synth.generator import Generator
    from ownhand.synth.world import World
    from ownhand.synth.write import write

    folder = tmp_path_factory.mktemp("few_pictures")
    write(folder, Generator(World(seed=5, singles=3), size=64), people=44, progress=False)
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory, few_pictures):
    """A folder with a whole pipeline of tiny networks that were never trained, tuned on a few pictures."""
    from tiny import save_pipeline

    from ownhand.data.dataset import ShardDataset
    from ownhand.hand.builtin import open_hand

    folder = tmp_path_factory.mktemp("tiny_weights")
    save_pipeline(folder, open_hand(), ShardDataset(few_pictures, fields=()))
    return folder
