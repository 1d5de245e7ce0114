"""The tool that shows what is in the synthetic world: its charts, its sheets, and what it counts."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from ownhand.synth.poses.hand_shapes import DIGITS
from ownhand.synth.shots import shot
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.world import World
from tools.show_world import coverage, studio
from tools.show_world.paper import MARGIN, Cell, in_rows, sheet

WORLD, COUNT = World(seed=3, singles=4), 40


@pytest.fixture(scope="module")
def found():
    return coverage.measured(WORLD, COUNT)


def test_people_are_counted_once_and_pictures_each(found):
    assert len(found.length) == len(found.tone) == COUNT // WORLD.per_person
    assert len(found.view) == len(found.flexion) == COUNT
    assert ((found.visible >= 0) & (found.visible <= 21)).all()


def test_a_field_of_view_is_one_that_its_kind_of_camera_has(found):
    for index, degrees in enumerate(found.view):
        seen = shot(WORLD, index, coverage.SIZE)
        low, high = KINDS[seen.device.kind].view
        if seen.device.lens is None:
            assert low - 2 < degrees < high + 2


def test_a_hand_that_shows_its_palm_is_seen_from_the_palm(found):
    for index in range(COUNT):
        seen = shot(WORLD, index, coverage.SIZE)
        towards = -seen.joints.numpy().mean(0)
        palm = -(seen.R_world_root @ seen.hand.dorsal)
        if palm @ towards > 0.5 * np.linalg.norm(towards):
            assert found.direction[index, 2] < 0


def test_charts_are_well_formed(found):
    root = ElementTree.fromstring(str(coverage.charts(found)))
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert "index, middle joint, flexion [°]" in words


def test_a_sheet_has_every_cell():
    cells = [Cell(np.full((20, 30, 3), 10 * k, np.uint8)) for k in range(5)]
    page = np.asarray(sheet(in_rows(cells, 3)))
    assert all((page == 10 * k).all(-1).sum() >= 600 for k in range(5))
    assert (page[:MARGIN] == 255).all()


def test_a_portrait_shows_the_hand_before_the_wall():
    person = WORLD.person(0)
    meshes = studio.skin_mesh(person, studio.posed(person, DIGITS["5"]))
    image = studio.portrait(meshes, studio.PALM, (48, 48), middle=np.array([0.06, 0, 0]), side=0.25)
    assert np.abs(image[24, 24].astype(int) - image[0, 0]).max() > 10
