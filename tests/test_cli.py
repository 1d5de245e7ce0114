"""Every command as a user types it, with tiny networks that know nothing."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pygltflib
import pytest
import roma
import torch
from mano_file import mano_arrays, write_mano
from PIL import Image

from ownhand import cli
from ownhand import settings as stored
from ownhand.data.dataset import ShardDataset
from ownhand.data.photos import to_image
from ownhand.geometry.camera import Camera
from ownhand.geometry.card import LONG, SHORT
from ownhand.hand.anatomy import joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.hand_file import save_identity
from ownhand.hand.identity import Identity
from ownhand.hand.limits import JointLimits


@pytest.fixture
def ownhand(monkeypatch, capsys):
    """Run a command; returns exit code, output and errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["ownhand", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def weights(tiny_weights, tmp_path_factory):
    """The tiny weights, made to see a hand everywhere."""
    folder = tmp_path_factory.mktemp("weights")
    for file in tiny_weights.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    settings = stored.load_settings(folder)
    stored.save_settings(folder, replace(settings, min_keypoint_confidence=0.0))
    return folder


@pytest.fixture(scope="module")
def photos(few_pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    data = ShardDataset(few_pictures, fields=())
    for i in range(4):
        to_image(data[i].image).resize((120, 120)).save(folder / f"p{i}.jpg")
    return folder


def test_calibrate_writes_a_hand_that_info_and_export_read(ownhand, weights, photos, tmp_path):
    hand = tmp_path / "me.hand"
    code, out, _ = ownhand("calibrate", photos, "-o", hand, "--weights", weights)
    assert code == 0
    assert "from 4 of 4 pictures (assumed field of view 60 degrees)" in out
    assert re.search(r"length +\d+\.\d mm ± \d+\.\d", out)
    code, out, _ = ownhand("info", hand)
    assert code == 0
    assert re.search(r"p3 +0\.\d+ +\d+\.\d mm", out)
    known = json.loads(hand.read_text())["covariance"] is not None
    assert bool(re.search(r"error of proportions now: \d+\.\d\d mm", out)) == known
    code, out, _ = ownhand("info", hand, "--picture", tmp_path / "me.svg")
    assert code == 0
    assert ElementTree.parse(tmp_path / "me.svg").getroot().tag.endswith("svg")
    assert ownhand("info", hand, "--picture", tmp_path / "me.gif")[0] == 2
    assert not (tmp_path / "me.gif").exists()
    for name in ("me.glb", "me.usdz", "me.obj", "me.ply"):
        code, out, _ = ownhand("export", hand, "-o", tmp_path / name, "--side", "left")
        assert code == 0
        assert "left hand" in out
        assert (tmp_path / name).stat().st_size > 1000


def test_a_hand_becomes_one_of_mano_and_comes_back(ownhand, tmp_path):
    model = open_hand()
    covariance = 0.1 * torch.eye(10, dtype=torch.float64)
    me = Identity(shape=torch.zeros(10, dtype=torch.float64), covariance=covariance, model_id=model.id)
    save_identity(me, tmp_path / "me.hand")
    write_mano(tmp_path / "MANO_RIGHT.pkl", mano_arrays())
    there, back = tmp_path / "mano.hand", tmp_path / "back.hand"
    code, out, err = ownhand("export", tmp_path / "me.hand", "-o", there, "--mano", tmp_path)
    assert code == 0, err
    differ = json.loads(there.read_text())["provenance"]["lengths_differ_mm"]
    assert f"differ by {differ['root mean square']:.2f} mm" in out
    assert json.loads(there.read_text())["model"].startswith("mano-right-")
    code, out, err = ownhand("export", there, "-o", back, "--mano", tmp_path)
    assert code == 0, err
    assert json.loads(back.read_text())["model"] == model.id
    assert ownhand("info", there, "--picture", tmp_path / "a.svg", "--mano", tmp_path)[0] == 0
    for words, wrong in {
        ("export", there, "-o", tmp_path / "b.hand"): "expected --mano FOLDER",
        ("export", there, "-o", tmp_path / "b.glb", "--mano", tmp_path): "expected a file ending in .hand",
        ("info", there, "--picture", tmp_path / "b.svg"): "belongs to the hand model",
        ("info", "--picture", tmp_path / "b.svg"): "expected a .hand file",
    }.items():
        code, _, err = ownhand(*words)
        assert code == 2
        assert wrong in err
    assert not list(tmp_path.glob("b.*"))


def test_a_tape_measure_settles_the_length(ownhand, weights, photos, tmp_path):
    _, out, _ = ownhand(
        "calibrate", photos, "-o", tmp_path / "a.hand", "--weights", weights, "--length-mm", 200, "--length-std-mm", 0.5
    )
    length, error = re.search(r"length +(\d+\.\d) mm ± (\d+\.\d)", out).groups()
    assert abs(float(length) - 200) < 1
    assert float(error) <= 0.5


def test_cameras_in_known_places_settle_the_length(ownhand, weights, photos, tmp_path):
    turn = torch.tensor([[0.8, 0, -0.6], [0, 1, 0], [0.6, 0, 0.8]])
    cameras = {
        f"p{i}.jpg": {
            "K": [[120, 0, 60], [0, 120, 60], [0, 0, 1]],
            "R_cam_world": (torch.eye(3) if i % 2 else turn).tolist(),
            "t_cam_world": [0, 0, 0] if i % 2 else [0.3, 0, 0.1],
            "instant": i // 2,
        }
        for i in range(4)
    }
    file = tmp_path / "cameras.json"
    file.write_text(json.dumps({"format": "ownhand cameras 1", "pictures": cameras}))
    for side in ("right", "left"):
        words = ("calibrate", photos, "-o", tmp_path / "a.hand", "--weights", weights, "--side", side, "--K", file)
        code, out, err = ownhand(*words)
        assert code == 0, err
        assert "from 4 of 4 pictures (intrinsics from cameras.json)" in out
        assert json.loads((tmp_path / "a.hand").read_text())["evidence"]["settings"]["anchor"]["std_mm"] > 0
    del cameras["p2.jpg"]
    file.write_text(json.dumps({"format": "ownhand cameras 1", "pictures": cameras}))
    code, _, err = ownhand(*words)
    assert code == 2
    assert err.endswith("expected a camera of every picture, but there is none of p2.jpg\n")
    for key, wrong in {
        "R_cam_world": "no rotation",
        "t_cam_world": "t_cam_world of 3 numbers",
        "instant": "is negative",
    }.items():
        value = {"R_cam_world": (2 * turn).tolist(), "t_cam_world": [0, 0], "instant": -1}[key]
        some = cameras | {"p2.jpg": cameras["p0.jpg"] | {key: value}}
        file.write_text(json.dumps({"format": "ownhand cameras 1", "pictures": some}))
        code, _, err = ownhand(*words)
        assert code == 2
        assert wrong in err
        assert err.count("\n") == 1


def test_a_lens_is_undone_and_joints_are_told_in_the_picture_as_it_came(ownhand, weights, photos, tmp_path):
    lens = {"model": "opencv", "coefficients": [-0.2, 0.05, 0.001, 0.0, 0.0]}
    camera = {"K": [[130, 0, 62], [0, 130, 57], [0, 0, 1]], "size": [120, 120], "distortion": lens}
    (tmp_path / "K.json").write_text(json.dumps({"format": "ownhand cameras 1", "camera": camera}))
    points = torch.cat([20 + 80 * torch.rand(21, 2), torch.full((21, 1), 0.8)], 1).tolist()
    for side in ("right", "left"):
        hands = {"format": "ownhand hands 1", "pictures": {"p0.jpg": [{"side": side, "keypoints": points}]}}
        (tmp_path / "hands.json").write_text(json.dumps(hands))
        code, out, err = ownhand(
            "reconstruct", photos / "p0.jpg", "-o", tmp_path / "out", "--weights", weights, "--K", tmp_path / "K.json",
            "--hands", tmp_path / "hands.json", "--refine",
        )  # fmt: skip
        assert code == 0, err
        assert re.search(r"\d\.\d\d ± \d\.\d\d m away", out)
        content = json.loads((tmp_path / "out" / "p0.json").read_text())
        np.testing.assert_allclose(content["keypoints"], np.array(points)[:, :2], atol=0.02)
        assert content["camera"]["K"] == camera["K"]
        assert content["camera"]["size"] == [120, 120]
        assert content["camera"]["distortion"] == lens
        pinhole = content["camera"]["pinhole"]
        assert pinhole["size"][0] > 120
        assert pinhole["K"][0][2] - 62 == int(pinhole["K"][0][2] - 62) > 0
        with Image.open(tmp_path / "out" / "p0_overlay.jpg") as overlay:
            assert list(overlay.size[::-1]) == pinhole["size"]
        assert np.linalg.eigvalsh(content["position_covariance"]).min() > 0
    camera["size"] = [120, 100]
    (tmp_path / "K.json").write_text(json.dumps({"format": "ownhand cameras 1", "camera": camera}))
    code, _, err = ownhand("reconstruct", photos / "p0.jpg", "--weights", weights, "--K", tmp_path / "K.json")
    assert code == 2
    assert "expected pictures of 100 x 120 px, as this camera takes them, got p0.jpg of 120 x 120" in err


def test_a_card_needs_a_known_camera_and_four_corners_of_a_card(ownhand, weights, photos, tmp_path):
    camera = Camera.from_fov(60, (120, 120))
    flat = torch.tensor([[-LONG, -SHORT, 0], [LONG, -SHORT, 0], [LONG, SHORT, 0], [-LONG, SHORT, 0]]) / 2
    turn = roma.rotvec_to_rotmat(torch.tensor([0.3, 0.2, 0.4]))
    corners = camera.project(flat @ turn.mT + torch.tensor([0.0, 0, 0.18]))
    words = ("calibrate", photos / "p0.jpg", "-o", tmp_path / "a.hand", "--weights", weights, "--side", "right")
    numbers = [f"{x:.3f}" for x in corners.flatten().tolist()]
    for more, wrong in {
        ("--card", *numbers): "p0: a card shows size if the camera is known",
        ("--fov", 60, "--card", *numbers[:7]): "expected a file or 8 numbers",
        ("--fov", 60, "--card", tmp_path / "none.json"): "cannot read the cards",
        ("--fov", 60, "--card", *numbers[:6], 60, 60): "expected",
        ("--fov", 60, "--length-mm", 190, "--card", *numbers): "leave --card or the other out",
    }.items():
        code, _, err = ownhand(*words, *more)
        assert code == 2
        assert wrong in err
        assert err.count("\n") == 1
    file = tmp_path / "cards.json"
    file.write_text(json.dumps({"format": "ownhand cards 1", "pictures": {"other.jpg": corners.tolist()}}))
    code, _, err = ownhand(*words, "--fov", 60, "--card", file)
    assert "expected cards in the pictures, but it has none in p0.jpg" in err
    file.write_text(json.dumps({"format": "ownhand cards 1", "pictures": {"p0.jpg": corners.tolist()}}))
    for card in (numbers, [file]):
        code, _, err = ownhand(*words, "--fov", 60, "--card", *card)
        said = "mm long" in err  # these networks know nothing: the hand may be nowhere near
        anchored = code == 0 and json.loads((tmp_path / "a.hand").read_text())["evidence"]["settings"]["anchor"]
        assert said or anchored["std_mm"] > 0


def test_estimates_of_other_systems_give_one_hand(ownhand, tmp_path):
    truth, noise = torch.randn(10), 0.3 * torch.randn(40, 10)
    R = roma.rotvec_to_rotmat(0.3 * torch.randn(40, 15, 3))
    arrays = {"betas": (truth + noise).numpy(), "hand_pose": roma.rotmat_to_rotvec(R).reshape(40, 45).numpy()}
    np.savez(tmp_path / "a.npz", **arrays)
    (tmp_path / "b.json").write_text(json.dumps({"betas": arrays["betas"].tolist(), "hand_pose": R.tolist()}))
    found = []
    for name in ("a.npz", "b.json"):
        code, out, err = ownhand("calibrate", tmp_path / name, "-o", tmp_path / "me.hand")
        assert code == 0, err
        assert f"from 40 of 40 pictures (estimates from {name})" in out
        found.append(json.loads((tmp_path / "me.hand").read_text())["shape"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.abs(np.array(found[0]) - truth.numpy()).max() < 0.25
    wrong = {
        "betas": arrays["betas"][:, :7],
        "hand_pose": arrays["hand_pose"][:, :30],
        "confidence": np.ones(3),
        "model": np.array("mano-0"),
        "names": np.array([{}], dtype=object),
    }
    for name, value in wrong.items():
        np.savez(tmp_path / "c.npz", **arrays | {name: value})
        code, _, err = ownhand("calibrate", tmp_path / "c.npz", "-o", tmp_path / "no.hand")
        assert code == 2
        assert "c.npz: expected" in err or "its numbers are of the hand model" in err
        assert err.count("\n") == 1
        assert not (tmp_path / "no.hand").exists()


@pytest.mark.parametrize("side", ["right", "left"])
def test_reconstruct_writes_what_the_formats_page_promises(ownhand, weights, photos, tmp_path, side):
    np.save(tmp_path / "K.npy", np.array([[130.0, 0, 60], [0, 130, 60], [0, 0, 1]]))
    code, _, err = ownhand(
        "reconstruct", photos, "-o", tmp_path / "out", "--weights", weights, "--side", side, "--K", tmp_path / "K.npy",
        "--refine",
    )  # fmt: skip
    assert code == 0, err
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {f"p{i}{end}" for i in range(4) for end in (".json", ".obj", "_overlay.jpg")}
    content = json.loads((tmp_path / "out" / "p0.json").read_text())
    assert content["is_right"] == (side == "right")
    assert np.shape(content["keypoints"]) == (21, 2)
    assert np.shape(content["joints"]) == (21, 3)
    assert np.shape(content["shape"]) == (10,)
    assert np.shape(content["pose"]["R_parent_joint"]) == (15, 3, 3)
    assert 0 <= content["confidence"] <= 1
    assert content["units"]["joints"] == "m, camera frame"
    angles = [[of[axis] for axis in ("twist", "abduction", "flexion")] for of in content["angles_deg"].values()]
    R = JointLimits.of(joint_limits(), open_hand().axes).rotations(torch.tensor(angles).deg2rad())
    mirrored = torch.tensor([[1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]])
    assert list(content["angles_deg"])[3] == "index_mcp"
    np.testing.assert_allclose(R if side == "right" else R * mirrored, content["pose"]["R_parent_joint"], atol=1e-3)
    assert content["camera"]["source"] == "intrinsics from K.npy"
    K, joints = np.array(content["camera"]["K"]), np.array(content["joints"])
    seen = joints @ K.T
    np.testing.assert_allclose((seen[:, :2] / seen[:, 2:]).mean(0), np.mean(content["keypoints"], 0), atol=25)
    with Image.open(tmp_path / "out" / "p0_overlay.jpg") as overlay:
        assert overlay.size == (120, 120)
    for name in ("p0.glb", "p0.ply", "p0.bvh"):
        code, out, err = ownhand("export", tmp_path / "out" / "p0.json", "-o", tmp_path / name)
        assert code == 0, err
        assert f"{side} hand" in out
    for name in ("clip.glb", "clip.usda", "clip.bvh", "clip.npz"):
        code, out, err = ownhand("export", tmp_path / "out", "-o", tmp_path / name)
        assert code == 0, err
        assert f"{side} hand, " in out
        assert f", {len(list((tmp_path / 'out').glob('*.json')))} frames" in out
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as arrays:
        assert bool(arrays["is_right"]) == (side == "right")
        np.testing.assert_allclose(arrays["joints"][0], content["joints"], atol=1e-5)


def test_reconstruct_with_a_hand_uses_its_shape(ownhand, weights, photos, tmp_path):
    hand = tmp_path / "me.hand"
    ownhand("calibrate", photos, "-o", hand, "--weights", weights)
    ownhand("reconstruct", photos, "-o", tmp_path / "out", "--hand", hand, "--weights", weights)
    shapes = [json.loads((tmp_path / "out" / f"p{i}.json").read_text())["shape"] for i in range(4)]
    np.testing.assert_allclose(shapes, [json.loads(hand.read_text())["shape"]] * 4, atol=1e-5)


def test_demo_writes_one_page_that_needs_nothing_else(ownhand, weights, tmp_path):
    code, out, err = ownhand("demo", "--out", tmp_path, "--pictures", 3, "--show", 2, "--weights", weights)
    assert code == 0, err
    assert "with the calibrated hand" in out
    text = (tmp_path / "index.html").read_text()
    assert text.count("<img ") == 3 + 1 + 2 * 5
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert (tmp_path / "stranger.hand").exists()


def test_synth_train_and_evaluate_work_together(ownhand, tmp_path):
    for name, people, seed in (("train", 4, 1), ("val", 24, 2)):
        words = ("--people", people, "--pictures", 3, "--size", 64, "--seed", seed, "--workers", 1)
        assert ownhand("synth", tmp_path / name, *words)[0] == 0
    code, out, err = ownhand(
        "train", "tiny", "--data", tmp_path / "train", "--val", tmp_path / "val", "--out", tmp_path / "run",
        "--length", 0.2, "--workers", 0,
    )  # fmt: skip
    assert code == 0, err
    assert "ready for --weights" in out
    code, out, err = ownhand(
        "evaluate",
        "--data",
        tmp_path / "val",
        "--weights",
        tmp_path / "run",
        "--out",
        tmp_path / "results",
        "--pictures",
        2,
    )
    assert code == 0, err
    assert "| calibrated |" in out
    facts = json.loads((tmp_path / "results" / "results.json").read_text())
    assert facts["steps"]["records_honest"]["parts"] == 24
    assert facts["command"].startswith("ownhand evaluate")
    assert (tmp_path / "results" / "tables" / "reconstruction_honest.csv").exists()


def test_bad_input_ends_in_one_sentence_and_leaves_nothing_behind(ownhand, weights, photos, tmp_path):
    (tmp_path / "not.jpg").write_text("not a picture")
    (tmp_path / "bad.hand").write_text("{}")
    (tmp_path / "K.txt").write_text("1 2\n3 4")
    (tmp_path / "file").write_text("a file, no folder")
    empty = tmp_path / "empty"
    empty.mkdir()
    some = photos / "p0.jpg"
    before = sorted(tmp_path.iterdir())
    cases = {
        ("calibrate", tmp_path / "not.jpg"): "not.jpg",
        ("calibrate", empty): "found none",
        ("calibrate", some, "--weights", tmp_path / "nowhere"): "nowhere",
        ("calibrate", some, "--weights", weights, "--length-mm", 2): "between 50 and 350 mm",
        ("calibrate", some, some, "--weights", weights): "two are called p0",
        ("reconstruct", some, "-o", tmp_path / "file" / "out"): "cannot write there",
        ("reconstruct", some, "--hand", tmp_path / "bad.hand", "--weights", weights, "-o", empty): "bad.hand",
        ("reconstruct", some, "--K", tmp_path / "K.txt", "--weights", weights, "-o", empty): "3 x 3",
        ("reconstruct", some, "--fov", 200, "--weights", weights, "-o", empty): "between 0 and 180",
        ("info", tmp_path / "bad.hand"): "bad.hand",
        ("info", tmp_path / "missing.hand"): "cannot read it",
        ("export", tmp_path / "bad.hand", "-o", tmp_path / "a.fbx"): ".usdz, .obj, .ply, .bvh, .npz or .hand",
        ("demo", "--out", tmp_path / "file" / "demo", "--weights", weights): "cannot write there",
    }
    for words, reason in cases.items():
        if words[0] == "calibrate":
            words = (*words, "-o", tmp_path / "x.hand")
        code, _, err = ownhand(*words)
        assert code == 2, words
        assert reason in err, (words, err)
        assert err.count("\n") == 1, (words, err)
    assert sorted(tmp_path.iterdir()) == before
    assert not list(empty.iterdir())


def test_no_hand_in_view_is_said(ownhand, tiny_weights, photos, tmp_path):
    settings = stored.load_settings(tiny_weights)
    blind = tmp_path / "blind"
    blind.mkdir()
    for file in tiny_weights.iterdir():
        (blind / file.name).write_bytes(file.read_bytes())
    stored.save_settings(blind, replace(settings, min_keypoint_confidence=2.0))
    code, _, err = ownhand("reconstruct", photos, "--weights", blind, "-o", tmp_path / "out")
    assert code == 2
    assert "none was recognised in p0, p1, p2, p3" in err
    code, _, err = ownhand("calibrate", photos, "--weights", blind, "-o", tmp_path / "x.hand")
    assert code == 2
    assert not (tmp_path / "x.hand").exists()


def test_the_web_page_says_what_it_needs(ownhand, monkeypatch):
    monkeypatch.delitem(sys.modules, "ownhand.app.server", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, _, err = ownhand("app")
    assert code == 2
    assert err == "ownhand: the web page needs Gradio: pip install 'ownhand[app]'\n"


@pytest.mark.parametrize("words", [("--help",), ("info",)])
def test_help_and_info_load_nothing_heavy(words):
    code = (
        "import sys\nfrom ownhand.cli import main\n"
        f"sys.argv = ['ownhand', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'warp', 'transformers', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ownhand" in done.stdout


def test_every_command_explains_itself(ownhand):
    for command in (
        "demo",
        "calibrate",
        "reconstruct",
        "app",
        "info",
        "export",
        "synth",
        "benchmark",
        "train",
        "evaluate",
    ):
        code, out, _ = ownhand(command, "--help")
        assert code == 0
        assert "usage: ownhand" in out


def test_hands_that_another_program_found_are_used(ownhand, tmp_path, tiny_weights):
    points = [[5.0 + 2 * k, 40.0 - k, 0.99] for k in range(21)]
    hands = [{"side": "left", "keypoints": points}, {"side": "right", "box": [10, 10, 40, 40]}]
    content = {"format": "ownhand hands 1", "pictures": {"a.png": hands}}
    (tmp_path / "hands.json").write_text(json.dumps(content))
    to_image(torch.rand(3, 64, 64)).save(tmp_path / "a.png")
    weights = shutil.copytree(tiny_weights, tmp_path / "weights")
    settings = json.loads((weights / "pipeline.json").read_text()) | {"min_keypoint_confidence": 0.0}
    (weights / "pipeline.json").write_text(json.dumps(settings))
    words = ("--hands", tmp_path / "hands.json", "--weights", weights, "--out", tmp_path / "out")
    code, _, err = ownhand("reconstruct", tmp_path / "a.png", *words)
    assert code == 0, err
    left, right = (json.loads((tmp_path / "out" / name).read_text()) for name in ("a.json", "a_2.json"))
    assert (left["is_right"], right["is_right"]) == (False, True)
    np.testing.assert_allclose(left["keypoints"], np.array(points)[:, :2], atol=0.02)
    code, _, err = ownhand("reconstruct", tmp_path / "a.png", *words, "--side", "right")
    assert code == 0, err
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    code, _, err = ownhand("reconstruct", tmp_path / "b.png", *words)
    assert code == 2
    assert "it has none in b" in err


def test_track_follows_a_video_and_goes_on_where_it_was_stopped(ownhand, tmp_path, tiny_weights, monkeypatch):
    pytest.importorskip("av")
    from ownhand.data.video import VideoWriter, frame_size

    weights = shutil.copytree(tiny_weights, tmp_path / "weights")
    settings = json.loads((weights / "pipeline.json").read_text()) | {"min_keypoint_confidence": 0.0}
    (weights / "pipeline.json").write_text(json.dumps(settings))
    with VideoWriter(tmp_path / "clip.mp4") as video:
        for k in range(6):
            video.add(torch.rand(3, 64, 64), k / 30)
    words = ("track", tmp_path / "clip.mp4", "--weights", weights, "--out")
    code, out, err = ownhand(*words, tmp_path / "whole")
    assert code == 0, err
    assert "hand_1: 6 of 6 frames" in out
    assert (tmp_path / "whole" / "overlay.mp4").exists()

    import ownhand.commands as commands

    whole = sorted((tmp_path / "whole" / "hand_1").glob("*.json"))
    monkeypatch.setattr(commands, "SAVE_EVERY", 2)
    real, count = commands.as_json, iter(range(100))

    def killed(*arguments, **options):
        if next(count) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    monkeypatch.setattr(commands, "as_json", killed)
    assert ownhand(*words, tmp_path / "parts")[0] == 130
    monkeypatch.setattr(commands, "as_json", real)
    assert ownhand(*words, tmp_path / "parts")[0] == 0
    for path in whole:
        assert json.loads((tmp_path / "parts" / "hand_1" / path.name).read_text()) == json.loads(path.read_text())
    code, _, err = ownhand(*words, tmp_path / "parts", "--refine")
    assert code == 2
    assert "holds the hands of another video, or others of this one" in err
    code, out, err = ownhand("calibrate", tmp_path / "clip.mp4", "--weights", weights, "--out", tmp_path / "me.hand")
    assert code == 0, err
    assert "a hand from 6 of 6 pictures (assumed field of view 60 degrees)" in out
    (tmp_path / "K.txt").write_text("1 SIMPLE_RADIAL 64 64 60 32 32 -0.2")
    code, _, err = ownhand(*words, tmp_path / "lens", "--K", tmp_path / "K.txt")
    assert code == 0, err
    shown = json.loads((tmp_path / "lens" / "hand_1" / "000005.json").read_text())["camera"]["pinhole"]["size"]
    assert min(shown) > 64
    assert abs(np.array(frame_size(tmp_path / "lens" / "overlay.mp4")) - shown).max() <= 1
    code, out, err = ownhand(
        "calibrate",
        tmp_path / "clip.mp4",
        "--weights",
        weights,
        "--out",
        tmp_path / "me.hand",
        "--K",
        tmp_path / "K.txt",
    )
    assert code == 0, err
    assert "a hand from 6 of 6 pictures (intrinsics from K.txt)" in out
    (tmp_path / "whole" / "hand_1" / "000003.json").unlink()
    for options, last in (((), 5 / 30), (("--fps", 10), 0.4)):
        for name in ("motion.glb", "motion.bvh"):
            code, out, err = ownhand("export", tmp_path / "whole" / "hand_1", "--out", tmp_path / name, *options)
            assert code == 0, err
            assert "5 frames" in out
        gltf = pygltflib.GLTF2().load(tmp_path / "motion.glb")
        times = gltf.accessors[gltf.animations[0].samplers[0].input]
        assert (times.count, times.max) == (5, [pytest.approx(last, abs=1e-4)])
        frames = "6" if not options else "5"  # one that is missing is held, if its time is known
        assert f"Frames: {frames}\nFrame Time: {last / (int(frames) - 1):.6f}" in (tmp_path / "motion.bvh").read_text()
    code, _, err = ownhand("export", tmp_path / "whole" / "hand_1", "--out", tmp_path / "a.glb", "--fps", 0)
    assert (code, err) == (2, "ownhand: expected a positive number of frames per second, got 0\n")


def test_a_detector_is_trained_on_frames_and_used_by_the_pipeline(ownhand, tmp_path, tiny_weights):
    for name, seed in (("train", 1), ("val", 2)):
        words = ("--frames", "--people", 1, "--pictures", 16, "--size", 64, "--seed", seed, "--workers", 1)
        assert ownhand("synth", tmp_path / name, *words)[0] == 0
    weights = shutil.copytree(tiny_weights, tmp_path / "weights")
    code, out, err = ownhand(
        "train", "detector", "--data", tmp_path / "train", "--val", tmp_path / "val", "--out", weights, "--length",
        0.0004, "--workers", 0,
    )  # fmt: skip
    assert code == 0, err
    assert "recall" in out
    assert 0 <= json.loads((weights / "detector.json").read_text())["extra"]["min_score"] <= 1
    from ownhand.locate import HandFinder
    from ownhand.pipeline import load

    assert isinstance(load(weights).locator, HandFinder)
    code, _, err = ownhand(
        "train", "detector", "--data", "synth:people=2,seed=0", "--val", tmp_path / "val", "-o", tmp_path
    )
    assert code == 2
    assert "ownhand synth --frames" in err
