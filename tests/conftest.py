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
    from ownhand.data.dataset import ShardDataset
    from ownhand.estimators import build
    from ownhand.hand.builtin import open_hand
    from ownhand.observations import observe
    from ownhand.pipeline import load_networks
    from ownhand.settings import Settings
    from ownhand.tune import tune, untuned

    torch.manual_seed(0)
    folder, hand, backbone = tmp_path_factory.mktemp("tiny_weights"), open_hand(), "resnet-tiny"
    keypoints = build.build({"kind": "keypoints", "backbone": backbone, "width": 8})
    baseline = build.build({"kind": "regressor", "variant": "baseline", "backbone": backbone, "widths": [16]}, hand)
    networks = {
        "keypoints": keypoints,
        "confidence": build.with_confidence(baseline),
        "identity": build.build(
            {"kind": "regressor", "variant": "identity", "backbone": backbone, "widths": [16]}, hand
        ),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.05)
        build.save(network, folder / name)
    pipeline = untuned(hand, Settings(size=64, upright=True), **load_networks(folder, hand))
    tune(pipeline, observe(pipeline, ShardDataset(few_pictures, fields=())), folder, made_by={"command": "a test"})
    return folder
