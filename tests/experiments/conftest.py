"""People with single pictures, a clip and a rig, seen by tiny networks that know nothing."""

from dataclasses import replace

import pytest

from ownhand.data.dataset import ShardDataset
from ownhand.observations import observe
from ownhand.pipeline import load


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    from ownhand.synth.generator import Generator
    from ownhand.synth.world import World
    from ownhand.synth.write import write

    folder = tmp_path_factory.mktemp("world")
    write(folder, Generator(World(seed=9, singles=6, clip=4, rig=3), size=48), people=3, progress=False)
    return ShardDataset(folder, fields=())


@pytest.fixture(scope="session")
def pipeline(tiny_weights):
    found = load(tiny_weights)
    found.settings = replace(found.settings, min_keypoint_confidence=0.0)
    return found


@pytest.fixture(scope="session")
def seen(pipeline, world):
    return observe(pipeline, world)
