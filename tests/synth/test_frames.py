"""Whole frames: what they show is what their labels say."""

import numpy as np
import pytest
import torch

from ownhand.data.dataset import FrameDataset, ShardDataset
from ownhand.data.frame import HANDS, joint_count
from ownhand.geometry.align import procrustes
from ownhand.render import Mesh
from ownhand.synth import frames
from ownhand.synth.frames import FRAMES_PER_BLOCK, FrameGenerator
from ownhand.synth.posing import bent_hands
from ownhand.synth.things.loose import shapes
from ownhand.synth.world import World
from ownhand.synth.write import write

WORLD = World(seed=3, singles=8)
GENERATOR = FrameGenerator(WORLD, size=96)


@pytest.fixture(scope="module")
def some():
    return [GENERATOR[i] for i in range(16)]


def placed(index: int):
    rng = GENERATOR._rng((index,), frames._FRAME)
    camera, _ = frames._draw_camera(rng, GENERATOR.size)
    return GENERATOR._hands(rng, index, camera)


def test_a_frame_depends_on_its_index_alone(some):
    for index in (3, 0):
        again = GENERATOR[index]
        for name, value in vars(again).items():
            torch.testing.assert_close(value, getattr(some[index], name), rtol=0, atol=0)


def test_frames_show_no_hand_one_or_several(some):
    counts = {int(frame.present.sum()) for frame in some}
    assert {0, 1, 2} <= counts
    assert max(counts) <= HANDS
    sides = torch.cat([frame.is_right[frame.present] for frame in some])
    assert sides.any()
    assert not sides.all()


def test_boxes_hold_the_joints_that_can_be_seen(some):
    for frame in some:
        centre, side = frame.boxes
        inside = ((frame.keypoints - centre[:, None]).abs() <= side[:, None, None] / 2 + 1e-3).all(-1)
        assert inside[frame.visible].all()
        assert (joint_count(frame)[~frame.present] == 0).all()


def test_a_left_hand_is_no_right_one_turned():
    for index in range(12):
        for hand in placed(index):
            best = np.inf
            for bent in bent_hands(WORLD, index // FRAMES_PER_BLOCK):
                right = torch.from_numpy(np.asarray(bent.joints, np.float64))
                seen = torch.from_numpy(np.asarray(hand.joints, np.float64))
                seen = seen if hand.is_right else seen * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
                best = min(best, float((procrustes(right, seen) - seen).norm(dim=-1).max()))
            assert best < 1e-5, hand.is_right


def test_hands_of_one_frame_do_not_touch():
    for index in range(12):
        hands = placed(index)
        for k, hand in enumerate(hands):
            for other in hands[:k]:
                assert np.linalg.norm(hand.joints[:, None] - other.joints[None], axis=-1).min() >= frames.APART


def test_a_mirrored_mesh_still_has_its_faces_outside():
    verts, surface, flat = shapes()[0]

    def volume(mesh: Mesh) -> float:
        a, b, c = mesh.verts[mesh.surface.faces].transpose(1, 0, 2).astype(float)
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)

    mesh = Mesh(verts=(verts + np.array([3, 1, 5])).astype(np.float32), surface=surface, flat=flat)
    mirrored = frames._mirrored(mesh)
    assert volume(mirrored) == pytest.approx(volume(mesh), rel=1e-5)
    assert abs(volume(mesh)) == pytest.approx(8, rel=1e-5)
    assert mirrored.verts[:, 0].max() < 0


def test_stored_frames_are_read_back(tmp_path, some):
    write(tmp_path, GENERATOR, people=2, quality=95, progress=False)
    stored = FrameDataset(tmp_path)
    assert len(stored) == 16
    batch = stored.load([3, 0])
    for row, index in enumerate((3, 0)):
        for name in ("present", "keypoints", "visible", "is_right"):
            torch.testing.assert_close(getattr(batch, name)[row], getattr(some[index], name))
        assert (batch.image[row] - some[index].image).abs().mean() < 0.03
    with pytest.raises(ValueError, match=r"expected crops of one hand, but .* holds whole frames"):
        ShardDataset(tmp_path)


def test_crops_are_no_frames_and_neither_continues_the_other(few_pictures, tmp_path):
    with pytest.raises(ValueError, match=r"expected whole frames with any number of hands, but .* holds crops"):
        FrameDataset(few_pictures)
    write(tmp_path, GENERATOR, people=1, progress=False)
    from ownhand.synth.generator import Generator

    with pytest.raises(ValueError, match="kind frames instead of crops"):
        write(tmp_path, Generator(WORLD, size=96), people=1, progress=False)
    with pytest.raises(IndexError, match="at least 0"):
        GENERATOR[-1]
