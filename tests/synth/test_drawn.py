"""Pictures drawn while training: those that would be stored, whoever draws them and in whatever order."""

import pickle

import pytest
import torch

from ownhand.data.dataset import ShardDataset
from ownhand.synth.drawn import DrawnPictures
from ownhand.synth.generator import Generator
from ownhand.synth.world import World
from ownhand.synth.write import write

WORDS = "synth:people=3,singles=4,size=32,seed=5"


@pytest.fixture(scope="module")
def drawn():
    return DrawnPictures.from_words(WORDS)


def test_drawn_pictures_are_those_that_would_be_stored(drawn, tmp_path):
    write(tmp_path, Generator(World(seed=5, singles=4), size=32), people=3, quality=100, progress=False)
    stored = ShardDataset(tmp_path)
    assert len(drawn) == len(stored) == 12
    assert torch.equal(drawn.subjects, stored.subjects)
    indices = [9, 0, 4, 9]
    ours, theirs = drawn.load(indices), stored.load(indices)
    assert ours.batch_shape == (4,)
    assert (ours.image - theirs.image).abs().mean() < 0.02
    for name in ("keypoints", "visible", "joints", "shape", "subject", "labels"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def test_neither_order_nor_threads_nor_a_copy_in_another_process_change_a_picture(drawn):
    torch.set_num_threads(2)
    try:
        several = drawn.load([7, 1])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    alone = pickle.loads(pickle.dumps(drawn)).load([1])
    assert torch.equal(several.image[1], alone.image[0])


def test_fields_can_be_left_out(drawn):
    bare = drawn.only(["depth"]).load([0])
    assert bare.labels is None
    assert bare.depth is not None
    assert drawn.only(()).fingerprint == drawn.fingerprint
    with pytest.raises(ValueError, match="not verts"):
        drawn.only(["verts"])


def test_what_changes_pictures_changes_the_fingerprint(drawn):
    others = (WORDS, WORDS.replace("people=3", "people=4"), WORDS + ",spread=1.5", WORDS.replace("seed=5", "seed=6"))
    others = *others, WORDS + ",without=light+behind"
    assert len({DrawnPictures.from_words(words).fingerprint for words in others}) == 5
    assert DrawnPictures.from_words(WORDS).fingerprint == drawn.fingerprint


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("synth:people=3", "lacks seed"),
        ("synth:people=3,seed=x", "got 'seed=x'"),
        ("synth:people=3,seed=0,colour=1", "got 'colour=1'"),
        ("synth:", "people=2400,singles=20,seed=0"),
        ("synth:people=0,seed=0", "at least 1 person"),
        ("synth:people=1,seed=0,size=1", "size of at least 16"),
    ],
)
def test_words_that_cannot_be_understood_are_refused(words, reason):
    with pytest.raises(ValueError, match=reason):
        DrawnPictures.from_words(words)
