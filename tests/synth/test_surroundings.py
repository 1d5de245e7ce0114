"""Backgrounds, views, forearms."""

import numpy as np
import pytest
import torch
from PIL import Image

from ownhand.hand.builtin import open_hand
from ownhand.synth import scene
from ownhand.synth.people.forearm import bent, direction, draw_bend, hand_verts
from ownhand.synth.surroundings import backgrounds
from ownhand.synth.things import loose as things


def test_backgrounds_differ_and_repeat():
    first = [backgrounds.background(0, 40 * i, 64, np.random.default_rng(i)) for i in range(6)]
    backgrounds.canvas.cache_clear()
    for i, image in enumerate(first):
        np.testing.assert_array_equal(backgrounds.background(0, 40 * i, 64, np.random.default_rng(i)), image)
        assert image.shape == (64, 64, 3)
        assert image.min() >= 0
        assert image.max() <= 1
    assert np.std([image.mean() for image in first]) > 0.01


@pytest.mark.parametrize("size", [64, 224, 600])
def test_no_background_leaves_its_canvas(size):
    """A piece that left it would show black corners: the canvas is made white."""
    canvas = tuple(x.point(lambda v: 255) for x in backgrounds.canvas(0, 0))
    for seed in range(100 if size < 500 else 10):
        rng = np.random.default_rng(seed)
        original, backgrounds.canvas = backgrounds.canvas, lambda *_: canvas
        try:
            assert backgrounds.background(0, 0, size, rng).min() > 0.05
        finally:
            backgrounds.canvas = original


def test_most_backgrounds_are_dull():
    """Saturation of a picture's mean colour: rooms are greyish, and few pictures are one strong colour."""
    colours = np.array(
        [backgrounds.background(1, 50 * i, 32, np.random.default_rng(i)).mean((0, 1)) for i in range(30)]
    )
    saturation = 1 - colours.min(-1) / colours.max(-1)
    assert np.median(saturation) < 0.4
    assert (saturation > 0.75).mean() < 0.15


def test_half_of_the_canvases_come_from_the_folder(tmp_path):
    for k in range(3):
        Image.new("RGB", (90, 60), (255, 10 * k, 0)).save(tmp_path / f"{k}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    red = [np.asarray(backgrounds.canvas(0, k, str(tmp_path))[0])[..., 0].min() == 255 for k in range(24)]
    assert 5 < sum(red) < 19
    assert backgrounds.pictures_in(str(tmp_path)) == tuple(tmp_path / f"{k}.png" for k in range(3))
    shown = backgrounds.background(0, 0, 32, np.random.default_rng(0), tmp_path)
    np.testing.assert_array_equal(shown, backgrounds.background(0, 0, 32, np.random.default_rng(0), tmp_path))


def test_pictures_of_the_folder_are_turned_upright_and_cut_in_the_middle(tmp_path):
    image = Image.new("RGB", (80, 40))
    image.paste((255, 255, 255), (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: what is right comes to be below
    image.save(tmp_path / "a.png", exif=exif)
    number = next(k for k in range(20) if np.random.default_rng([0, k, 8]).random() < backgrounds.FROM_FOLDER)
    canvas = np.asarray(backgrounds.canvas(0, number, str(tmp_path))[0])
    assert canvas[:200].max() == 0
    assert canvas[-200:].min() == 255


def test_a_folder_without_pictures_or_with_a_damaged_one_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a folder with pictures"):
        backgrounds.pictures_in(str(tmp_path))
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    number = next(k for k in range(20) if np.random.default_rng([0, k, 8]).random() < backgrounds.FROM_FOLDER)
    with pytest.raises(ValueError, match=r"broken\.jpg"):
        backgrounds.canvas(0, number, str(tmp_path))


def test_the_forearm_never_points_at_the_camera():
    rng = np.random.default_rng(0)
    for _ in range(200):
        forearm = direction(torch.from_numpy(draw_bend(rng))).numpy()
        assert -(scene.draw_view(rng, forearm) @ forearm)[2] < scene.TOWARDS_CAMERA


def test_bending_the_wrist_moves_the_forearm_only():
    verts = open_hand(forearm=True).template
    straight, turned = bent(verts, torch.zeros(3)), bent(verts, torch.tensor([0.0, 0.7, 0.2]))
    n = hand_verts()
    assert torch.equal(turned[:n], verts[:n])
    assert (turned[n:] - straight[n:]).norm(dim=-1).max() > 0.1
    faces = open_hand(forearm=True).faces
    before, after = ((v[faces] - v[faces.roll(1, 1)]).norm(dim=-1) for v in (straight, turned))
    edge = after / before
    assert edge.min() > 0.3
    assert edge.max() < 2


def test_things_in_front_lie_between_camera_and_hand():
    joints = np.tile([0.0, 0.0, 0.4], (21, 1))
    for seed in range(60):
        mesh = things.thing_in_front(np.random.default_rng(seed), joints)
        assert mesh.verts[:, 2].min() > 0.01
        assert mesh.verts[:, 2].mean() < 0.45


def test_a_card_beside_the_hand_is_off_it_and_in_the_plane_of_the_palm():
    joints = open_hand().shaped(torch.zeros(10)).joints.numpy() + np.array([0, 0, 0.5])
    for seed in range(40):
        mesh = things.card_beside(np.random.default_rng(seed), joints, np.array([0.0, 0.0, 1.0]))
        assert np.ptp(mesh.verts[:, 2]) < 0.002
        assert np.linalg.norm(mesh.verts[:, None] - joints, axis=-1).min() > 0.008


def test_what_stands_on_the_desk_touches_it_beside_the_hand():
    verts = open_hand().template.numpy() + np.array([0, 0, 0.5])
    joints = open_hand().shaped(torch.zeros(10)).joints.numpy() + np.array([0, 0, 0.5])
    for seed in range(40):
        rng = np.random.default_rng(seed)
        plane = things.desk(rng, verts)
        mesh = things.on_desk(rng, plane, joints)
        a, b, c = plane.verts[:3].astype(float)
        normal = np.cross(b - a, c - a) / np.linalg.norm(np.cross(b - a, c - a))
        height, above = (mesh.verts - a) @ normal, (verts - a) @ normal
        assert height.min() == pytest.approx(0, abs=1e-4)
        assert above.min() > 0
        assert np.linalg.norm(mesh.verts[:, None] - joints, axis=-1).min() > 0.005
