import numpy as np
import pytest
import torch
import trimesh

from ownhand.geometry.camera import Camera
from ownhand.hand.skeleton import JOINTS
from ownhand.render import contact_sheet, draw_keypoints, draw_mesh, linear_from_srgb, srgb_from_linear
from ownhand.render.overlay import FINGER_COLOURS

GREY = torch.full((3, 64, 96), 0.25)


def ball():
    body = trimesh.creation.icosphere(3, 0.05)
    verts = torch.tensor(body.vertices, dtype=torch.float32) + torch.tensor([0.0, 0, 0.5])
    return verts, torch.tensor(body.faces)


def test_a_mesh_is_drawn_over_the_picture_and_nothing_else_changes():
    camera = Camera.from_fov(40.0, (64, 96))
    verts, faces = ball()
    drawn = draw_mesh(GREY, verts, faces, camera)
    changed = (drawn != GREY).any(0)
    y, x = np.indices((64, 96)) + 0.5
    radius = float(camera.focal) * np.tan(np.arcsin(0.1))
    distance = np.hypot(x - 48, y - 32)
    assert changed.numpy()[distance < radius - 1.5].all()
    assert not changed.numpy()[distance > radius + 1.5].any()
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn[:, 32, 48].std() < 0.1  # neutral
    assert drawn[0, 26, 42] > drawn[0, 38, 54]  # lit from the upper left


def test_opacity_blends_with_the_picture():
    camera = Camera.from_fov(40.0, (64, 96))
    verts, faces = ball()
    opaque, half, none = (draw_mesh(GREY, verts, faces, camera, alpha=a)[:, 32, 48].numpy() for a in (1.0, 0.5, 0.0))
    expected = srgb_from_linear((linear_from_srgb(opaque) + linear_from_srgb(GREY[:, 32, 48].numpy())) / 2)
    assert np.allclose(half, expected, atol=1e-3)
    assert np.allclose(none, 0.25, atol=1e-3)


def test_a_picture_of_another_size_is_refused():
    verts, faces = ball()
    with pytest.raises(ValueError, match=r"\(64, 96\)"):
        draw_mesh(GREY, verts, faces, Camera.from_fov(40.0, (64, 64)))


def spread_keypoints() -> torch.Tensor:
    wrist = torch.tensor([[48.0, 60.0]])
    fingers = [torch.tensor([10.0 + 18 * k, 45.0 - 10 * i]) for k in range(5) for i in range(4)]
    return torch.cat([wrist, torch.stack(fingers)])


def test_each_finger_has_its_colour():
    drawn = draw_keypoints(GREY, spread_keypoints())
    for joint, colour in (("thumb_tip", 1), ("middle_pip", 3), ("little_tip", 5), ("wrist", 0)):
        x, y = spread_keypoints()[JOINTS.index(joint)].int()
        assert torch.allclose(drawn[:, y, x], torch.tensor(FINGER_COLOURS[colour]), atol=0.06)


def test_uncertain_and_missing_keypoints_fade():
    keypoints = spread_keypoints()
    keypoints[JOINTS.index("index_tip")] = torch.nan
    confidence = torch.ones(21)
    confidence[JOINTS.index("ring_tip")] = 0.2
    drawn = draw_keypoints(GREY, keypoints, confidence)
    x, y = spread_keypoints()[JOINTS.index("index_tip")].int()
    assert (drawn[:, y, x] == 0.25).all()
    x, y = spread_keypoints()[JOINTS.index("ring_tip")].int()
    full = torch.tensor(FINGER_COLOURS[4])
    assert 0 < (drawn[2, y, x] - 0.25) < 0.6 * (full[2] - 0.25)


def test_a_contact_sheet_keeps_pictures_and_places_them_row_by_row():
    images = [torch.full((3, 20, 30), k / 255) for k in range(5)]
    sheet = contact_sheet(images, columns=3, gap=2)
    assert sheet.shape == (3, 2 * 20 + 2, 3 * 30 + 4)
    for k, image in enumerate(images):
        top, left = k // 3 * 22, k % 3 * 32
        assert torch.equal(sheet[:, top : top + 20, left : left + 30], image)
    assert (sheet[:, 30, 80] == 1).all()


def test_captions_take_room_below_each_picture():
    images = [torch.zeros(3, 40, 60)] * 2
    plain, captioned = (contact_sheet(images, columns=2, captions=c) for c in (None, ["a", "b"]))
    assert captioned.shape[1] > plain.shape[1]
    assert captioned[:, plain.shape[1] :].min() < 0.5


def test_a_sheet_of_unequal_pictures_or_captions_is_refused():
    with pytest.raises(ValueError, match="one size"):
        contact_sheet([torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)], columns=2)
    with pytest.raises(ValueError, match="2 captions"):
        contact_sheet([torch.zeros(3, 4, 4)] * 2, columns=2, captions=["one"])


def test_srgb_and_linear_light_invert_each_other():
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert np.allclose(linear_from_srgb(srgb_from_linear(values)), values, atol=1e-6)
    assert srgb_from_linear(np.array(0.5)) == pytest.approx(0.7354, abs=1e-4)
