"""Calibration and test pictures, and where calibration pictures come from."""

from dataclasses import replace

import pytest
import torch

from ownhand.data.sample import CLIP, RIG, SINGLE
from ownhand.experiments.parting import parted, pool, runs
from ownhand.experiments.rows import person_records
from ownhand.observations import observe


@pytest.fixture(scope="module")
def person(seen):
    return next(iter(seen.people()))[1]


def test_pictures_of_one_clip_or_one_instant_belong_together(person):
    run, kind = runs(person), person.taken.kind
    assert len(run[kind == CLIP].unique()) == 1
    assert len(run[kind == RIG].unique()) == 1
    assert len(run[kind == SINGLE].unique()) == (kind == SINGLE).sum()
    assert len(run.unique()) == (kind == SINGLE).sum() + 2


@pytest.mark.parametrize("pictures", [1, 3, 7])
def test_the_honest_protocol_keeps_calibration_and_test_apart(person, pictures):
    calibration, test = parted(person, pictures, "honest", 0)
    run = runs(person)
    assert len(calibration) == pictures
    assert not set(run[calibration].tolist()) & set(run[test].tolist())
    assert len(test) > 0


def test_the_papers_protocol_calibrates_from_test_pictures(person):
    calibration, test = parted(person, 4, "paper", 0)
    assert len(calibration.unique()) == 4
    assert set(calibration.tolist()) <= set(test.tolist())
    assert len(test) == len(person)
    other, _ = parted(person, 4, "paper", 1)
    assert calibration.tolist() != other.tolist()


def test_too_few_pictures_are_named(pipeline, person):
    with pytest.raises(ValueError, match="expected more than 13 pictures of each person, person 7 has 13"):
        parted(person, 13, "honest", 7)
    with pytest.raises(ValueError, match="expected at least 14 pictures of each person, person 7 has 13"):
        parted(person, 14, "paper", 7)
    with pytest.raises(ValueError, match="beside those of the clips and instants that are for calibration"):
        parted(person[person.taken.kind == CLIP], 2, "honest", 7)
    with pytest.raises(ValueError, match="person 0 has 1"):
        person_records(pipeline, person[:1], 0, person.shape[0])


def test_pools_hold_what_their_names_say(person):
    kind, device = person.taken.kind, person.taken.device
    assert pool(person, "anywhere").tolist() == (kind == SINGLE).nonzero()[:, 0].tolist()
    assert pool(person, "one clip").tolist() == (kind == CLIP).nonzero()[:, 0].tolist()
    assert pool(person, "several cameras at once").tolist() == (kind == RIG).nonzero()[:, 0].tolist()
    camera = pool(person, "one kind of camera")
    assert len(device[camera].unique()) == 1
    assert (kind[camera] == SINGLE).all()


def test_frames_of_one_sequence_stay_together_even_if_some_were_dropped(person):
    """As readers of real data sets give them: two sequences seen by two cameras, with frames left out."""
    instant = torch.tensor([0, 1, 2, 9, 0, 1, 2, 9, 10_000_000, 10_000_001, 10_000_000, 10_000_002])
    camera = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1])
    some = person[[0] * 12]
    filmed = replace(some.taken, kind=torch.full((12,), CLIP), instant=instant, device=camera)
    film = replace(some, taken=filmed)
    assert runs(film).tolist() == [0] * 8 + [1] * 4
    calibration, test = parted(film, 3, "honest", 0)
    assert set(calibration.tolist()) <= set(range(8))
    assert test.tolist() == [8, 9, 10, 11]
    assert pool(film, "anywhere").tolist() == list(range(12))
    assert pool(film, "one clip").tolist() == [0, 1, 2, 3]
    assert pool(film, "one kind of camera").tolist() == [0, 1, 2, 3, 8, 9]
    assert pool(film, "several cameras at once").tolist() == [0, 4]


def test_labelled_crops_do_not_ask_the_keypoint_network(pipeline, world):
    found, labelled = (observe(pipeline, world, rows=range(4), crops=crops) for crops in ("found", "labelled"))
    middle = labelled.keypoints.amax(-2) + labelled.keypoints.amin(-2)
    torch.testing.assert_close(middle, torch.full_like(middle, pipeline.settings.size), atol=1e-3, rtol=0)
    assert (found.keypoints.amax(-2) + found.keypoints.amin(-2) - pipeline.settings.size).abs().max() > 1
