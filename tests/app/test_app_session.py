"""What the web page does for a visitor, without the page."""

import io
import json
import time
import zipfile
from dataclasses import replace

import pygltflib
import pytest
import torch
from PIL import ExifTags, Image

from ownhand import settings as stored
from ownhand.app import given, report
from ownhand.app.given import Refused, take
from ownhand.app.session import Sessions
from ownhand.data.dataset import ShardDataset
from ownhand.data.photos import to_image
from ownhand.hand.hand_file import load_identity
from ownhand.pipeline import load


def silent(*_):
    pass


@pytest.fixture(scope="module")
def pipeline(tiny_weights):
    """Tiny networks that see a hand everywhere."""
    whole = load(tiny_weights)
    return whole.changed(settings=replace(whole.settings, min_keypoint_confidence=0.0))


@pytest.fixture
def photos(few_pictures, tmp_path):
    """Makes new picture files, each in a folder of its own, as they are when uploaded."""
    data = ShardDataset(few_pictures, fields=())

    def make(*names):
        paths = []
        for number, name in enumerate(names):
            path = tmp_path / "uploaded" / str(number) / name
            path.parent.mkdir(parents=True)
            to_image(data[number].image).save(path, "JPEG", quality=95)
            paths.append(path)
        return paths

    return make


@pytest.fixture
def sessions(tmp_path):
    (tmp_path / "kept").mkdir()
    return Sessions(tmp_path / "kept", linger_s=0.05, most=2)


def test_large_pictures_are_shrunk_keep_their_camera_and_lose_what_the_file_said(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 26
    exif[ExifTags.Base.Artist] = "somebody"
    path = tmp_path / "a" / "large.jpg"
    path.parent.mkdir()
    Image.new("RGB", (3000, 2000), (200, 120, 40)).save(path, exif=exif)
    (one,), refused = take([path], (), silent)
    assert not refused
    assert not path.parent.exists()
    view = one.view()
    assert view.camera.size == (round(2000 * given.LONGER_SIDE / 3000), given.LONGER_SIDE)
    assert float(view.camera.focal) == pytest.approx(26 / 43.2666 * 1.2019 * given.LONGER_SIDE, rel=1e-3)
    assert "26 mm" in view.camera_source
    assert torch.allclose(view.image.mean((1, 2)) * 255, torch.tensor([200.0, 120, 40]), atol=2)
    assert b"somebody" not in one.jpeg
    assert not Image.open(io.BytesIO(one.jpeg)).getexif()


def test_what_cannot_be_used_is_said_and_deleted(photos, tmp_path, monkeypatch):
    paths = photos("a.jpg", "b.jpg", "a.JPG", "c.jpg", "d.jpg")
    paths[1].write_text("no picture")
    monkeypatch.setattr(given, "PICTURES", 2)
    pictures, refused = take(paths, (), silent)
    assert [one.name for one in pictures] == ["a", "a (2)"]
    assert [one.name for one in refused] == ["b.jpg", "c.jpg, d.jpg"]
    assert refused[0].reason == "expected a picture (JPEG, PNG, ...), but its content is not one"
    assert refused[1].reason == "2 pictures at most are used at once, frames of clips included"
    assert not list((tmp_path / "uploaded").rglob("*"))
    paths = photos("e.jpg")
    monkeypatch.setattr(given, "PHOTO_MB", 0.001)
    (refused,) = take(paths, (), silent)[1]
    assert refused.reason == "a picture may have 0.001 MB at most, this one has 0 MB"
    (gone,) = take(paths, (), silent)[1]
    assert gone.reason == "it went missing while it was read: add it again"


def test_frames_are_taken_evenly_from_a_clip(tmp_path, monkeypatch):
    pytest.importorskip("av")
    from ownhand.data.video import VideoWriter

    path = tmp_path / "a" / "clip.mp4"
    path.parent.mkdir()
    with VideoWriter(path) as video:
        for k in range(10):
            video.add(torch.full((3, 64, 64), k / 10), k / 30)
    monkeypatch.setattr(given, "CLIP_FRAMES", 4)
    pictures, refused = take([path], (), silent)
    assert not refused
    assert [one.name for one in pictures] == [f"clip, frame {k}" for k in (0, 3, 6, 9)]
    shades = torch.stack([one.view().image.mean() for one in pictures])
    assert torch.allclose(shades, torch.tensor([0, 0.3, 0.6, 0.9]), atol=0.03)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_hand_is_found_and_serves_new_pictures(pipeline, sessions, photos, side):
    session = sessions.of("a")
    heard = []
    session.add(photos("1.jpg", "2.jpg", "3.jpg"), silent)
    found = session.find_hand(pipeline, side, 181.0, lambda *told: heard.append(told))
    assert found.is_right == (side == "right")
    assert [one.name for one in found.used] == ["1", "2", "3"]
    assert found.lengths["length"][0] == pytest.approx(181, abs=2)
    assert (2, 3, "Looking at the pictures") in heard
    assert found.fingers_mm.shape == (3, 5)
    saved = json.loads((found.folder / "me.hand").read_text())
    assert saved["provenance"]["side"] == side

    def positions(name):
        glb = pygltflib.GLTF2().load(str(found.folder / name))
        return glb, torch.frombuffer(bytearray(glb.binary_blob()), dtype=torch.float32)[: 3 * glb.accessors[0].count]

    glb, numbers = positions("turning.glb")
    upright = numbers.view(-1, 3)
    assert glb.asset.extras["side"] == side
    assert (upright.amax(0) + upright.amin(0)).abs().max() < 1e-4
    corners = torch.stack([pipeline.hand.faces, pipeline.hand.uv_faces], -1).flatten(0, 1)
    vertex = torch.unique(corners, dim=0)[:, 0]
    thumb, middle = (upright[vertex == pipeline.hand.tips[finger]][0] for finger in (0, 2))
    assert middle[1] > 0.07  # fingers up
    assert (thumb[0] < -0.03) == (side == "right")  # as a hand that lies before you
    assert glb.animations
    assert not positions("still.glb")[0].animations

    seen, refused, archive = session.reconstruct(pipeline, photos("4.jpg"), side, silent)
    assert (len(seen), len(refused)) == (1, 0)
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["4.json", "4.obj", "4_overlay.jpg"]
        content = json.loads(packed.read("4.json"))
    assert content["is_right"] == found.is_right
    assert content["shape"] == pytest.approx(found.identity.shape.tolist(), abs=1e-5)

    other = sessions.of("b")
    path = photos("x.hand")[0]
    path.write_bytes((found.folder / "me.hand").read_bytes())
    taken = other.take_hand(pipeline, path, side)
    assert taken.lengths == found.lengths
    assert not path.exists()
    assert load_identity(taken.folder / "me.hand").shape.equal(found.identity.shape)


def test_the_heat_map_is_brightest_where_the_hand_is_least_sure(pipeline, sessions, photos):
    session = sessions.of("a")
    session.add(photos("1.jpg", "2.jpg"), silent)
    found = session.find_hand(pipeline, "right", None, silent)
    glb = pygltflib.GLTF2().load(str(found.folder / "still.glb"))
    accessor = glb.accessors[glb.meshes[0].primitives[0].attributes.COLOR_0]
    start = glb.bufferViews[accessor.bufferView].byteOffset
    blob = bytearray(glb.binary_blob())[start : start + 12 * accessor.count]
    red = torch.frombuffer(blob, dtype=torch.float32).view(-1, 3)[:, 0]
    corners = torch.stack([pipeline.hand.faces, pipeline.hand.uv_faces], -1).flatten(0, 1)
    std = found.std_mm[torch.unique(corners, dim=0)[:, 0]]
    assert red.argmax() in (std == std.max()).nonzero()
    order = std.argsort()
    assert (red[order].diff() > -1e-6).all()
    assert f"{float(std.max()):.1f}" in report.heat_scale(found)


def test_bad_input_is_answered_by_a_sentence(pipeline, sessions, photos, tiny_weights):
    session = sessions.of("a")
    with pytest.raises(ValueError, match=r"Add some pictures of your hand first\."):
        session.find_hand(pipeline, None, None, silent)
    with pytest.raises(ValueError, match=r"Find your hand first, or open a \.hand file\."):
        session.reconstruct(pipeline, photos("1.jpg"), None, silent)
    path = photos("me.hand")[0]
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"^me\.hand is not a hand file that can be used: expected a JSON object"):
        session.take_hand(pipeline, path, None)
    session.add(photos("1.jpg"), silent)
    with pytest.raises(ValueError, match="between 50 and 350 mm"):
        session.find_hand(pipeline, "right", 2.0, silent)
    blind = pipeline.changed(settings=replace(stored.load_settings(tiny_weights), min_keypoint_confidence=2.0))
    with pytest.raises(ValueError, match=r"^In all pictures no right hand was recognised"):
        session.find_hand(blind, "right", None, silent)


def test_names_of_files_are_shown_as_text():
    text = report.given([], [Refused(name="<img src=x onerror=alert(1)>.jpg", reason="a < b")])
    assert "<img src=x" not in text
    assert "a &lt; b" in text
    assert "<script>" not in report.alert("<script>")


def test_a_visit_is_forgotten_soon_after_it_ends_unless_it_goes_on(sessions, photos):
    session = sessions.of("a")
    session.add(photos("1.jpg"), silent)
    sessions.leave("a")
    assert sessions.of("a") is session  # back in time
    time.sleep(0.2)
    assert session.pictures
    sessions.leave("a")
    time.sleep(0.3)
    assert len(sessions) == 0
    assert not session.pictures
    assert not list(sessions.folder.iterdir())


def test_too_many_visitors_end_the_visit_of_who_is_idle_longest(sessions):
    first, second = sessions.of("a"), sessions.of("b")
    assert sessions.of("a") is first
    sessions.of("c")
    assert len(sessions) == 2
    assert sessions.of("a") is first
    assert sessions.of("b") is not second
