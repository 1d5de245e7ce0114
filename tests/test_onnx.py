"""ONNX files say what torch says, and are enough without it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ownhand.data.dataset import ShardDataset
from ownhand.data.photos import read_photo, to_image
from ownhand.estimators import build
from ownhand.estimators.build import WeightsError
from ownhand.estimators.onnx_runtime import OnnxDetector, OnnxEstimator, Session
from ownhand.geometry.camera import Camera
from ownhand.hand.builtin import open_hand
from ownhand.locate import HandFinder, WholePicture
from ownhand.onnx_export import export_onnx, graphs
from ownhand.pipeline import load
from ownhand.settings import load_settings, save_settings
from ownhand.views import View


@pytest.fixture(scope="module")
def weights(tiny_weights, tmp_path_factory):
    """The tiny weights, which see a hand everywhere, with a tiny detector."""
    folder = tmp_path_factory.mktemp("onnx_weights")
    for file in tiny_weights.iterdir():
        shutil.copy(file, folder)
    save_settings(folder, replace(load_settings(folder), min_keypoint_confidence=0.0))
    torch.manual_seed(0)
    detector = build.build({"kind": "detector", "backbone": "resnet-tiny", "width": 8})
    torch.nn.init.normal_(detector.head[-1].weight)  # scores far from each other
    build.save(detector, folder / "detector", {"min_score": 0.001})
    return folder


@pytest.fixture(scope="module")
def exported(weights, tmp_path_factory):
    """In a process of its own: checks of shapes, and pytest's ear for what torch logs, would take most of the time."""
    folder = tmp_path_factory.mktemp("onnx")
    words = [sys.executable, "-m", "ownhand.cli", "onnx", str(folder), "--weights", str(weights)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert f"{folder}: ready for --weights" in done.stdout
    return folder


@pytest.fixture(scope="module")
def views(few_pictures):
    data = ShardDataset(few_pictures, fields=())
    return [View(image=s.image, camera=s.camera, name=f"p{i}") for i, s in enumerate(data[k] for k in range(5))]


def _random_inputs(graph, batch):
    """Like the graph's examples, but others, and as many as are wanted."""
    made = {}
    for name, example in graph.inputs.items():
        x = example[:1].repeat(batch, *(1,) * (example.ndim - 1))
        if name.startswith("R_"):
            made[name] = torch.linalg.qr(torch.randn_like(x))[0]
        elif name == "K":
            x[:, :2, 2] += 30 * torch.rand(batch, 2)
            made[name] = x
        elif name == "image":
            made[name] = torch.rand_like(x)
        else:
            made[name] = x + 0.05 * x.abs().mean().clamp_min(1) * torch.rand_like(x)
    return made


@pytest.mark.parametrize("name", ["keypoints", "crop", "baseline", "encoder", "identity", "hand", "place"])
def test_a_graph_says_what_torch_says_whatever_the_batch(weights, exported, name):
    pipeline = load(weights, runtime="torch")
    graph = graphs(pipeline, pipeline.locator.network)[name]
    session = Session(exported / f"{name}.onnx")
    about = json.loads((exported / "networks.json").read_text())["graphs"][name]
    for batch in (1, 2, 5):
        inputs = _random_inputs(graph, batch)
        with torch.no_grad():
            said = graph.module(*inputs.values())
        found = session(**inputs)
        for output, expected in zip(graph.outputs, [said] if isinstance(said, torch.Tensor) else said, strict=True):
            assert expected.isfinite().all()
            torch.testing.assert_close(found[output], expected, atol=1e-4, rtol=1e-5)
            assert about["outputs"][output]["shape"] == ["batch", *expected.shape[1:]]


def test_the_detector_takes_pictures_of_any_number_and_size_in_steps_of_32(weights, exported):
    network, found = build.load(weights / "detector"), OnnxDetector(exported / "detector.onnx")
    for batch, height, width in ((1, 64, 64), (2, 96, 256), (5, 256, 160)):
        image = torch.rand(batch, 3, height, width)
        with torch.no_grad():
            expected = network.find(image, 20)
        given = found.find(image, 20)
        torch.testing.assert_close(given.score, expected.score, atol=1e-5, rtol=0)
        hands = expected.score > 0  # the others, where no cell surpasses its neighbours, come in any order
        assert hands.any(1).all()
        for name in ("centre", "side", "angle"):
            ours, theirs = getattr(expected, name)[hands], getattr(given, name)[hands]
            torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("refine", [False, True])
def test_a_folder_of_them_serves_as_weights(weights, exported, views, refine):
    ours, theirs = load(weights, runtime="torch"), load(exported)
    assert isinstance(theirs.keypoints, OnnxEstimator)
    assert isinstance(theirs.locator, HandFinder)
    ours.locator = theirs.locator = WholePicture()
    who, again = ours.calibrate(views).identity, theirs.calibrate(views).identity
    torch.testing.assert_close(again.shape, who.shape, atol=1e-4, rtol=0)
    for a, b in zip(*(p.reconstruct(views, who, refine=refine) for p in (ours, theirs)), strict=True):
        torch.testing.assert_close(b.hand.verts, a.hand.verts, atol=1e-4, rtol=0)
        torch.testing.assert_close(b.keypoints, a.keypoints, atol=1e-3, rtol=0)


def test_files_of_other_weights_beside_the_weights_are_not_used(weights, exported, tmp_path):
    for file in (*weights.iterdir(), *exported.iterdir()):
        shutil.copy(file, tmp_path)
    assert isinstance(load(tmp_path).keypoints, OnnxEstimator)
    network = build.load(tmp_path / "side")
    with torch.no_grad():
        next(network.parameters()).add_(1)
    build.save(network, tmp_path / "side")
    assert not isinstance(load(tmp_path).keypoints, OnnxEstimator)
    with pytest.raises(WeightsError, match="belongs to other weights than side"):
        load(tmp_path, runtime="onnx")


def test_what_is_wrong_with_a_folder_is_said(weights, exported, tmp_path, monkeypatch):
    with pytest.raises(WeightsError, match=r"networks\.json, which `ownhand onnx` writes"):
        load(weights, runtime="onnx")
    with pytest.raises(WeightsError, match=r"side\.json"):
        load(exported, runtime="torch")
    shutil.copytree(exported, tmp_path / "damaged")
    with (tmp_path / "damaged" / "encoder.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(WeightsError, match=r"encoder\.onnx is damaged"):
        load(tmp_path / "damaged")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WeightsError, match=r"pip install 'ownhand\[onnx\]'"):
        load(exported)


def test_without_the_exporter_the_command_says_what_to_install(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r"pip install 'ownhand\[onnx\]'"):
        export_onnx(weights, tmp_path, open_hand())
    assert not list(tmp_path.iterdir())


def test_the_example_of_the_docs_gives_the_hand_of_the_pipeline(weights, exported, views, tmp_path, monkeypatch):
    text = (Path(__file__).parent.parent / "docs" / "formats.md").read_text()
    code = re.search(r"```python\n(.*?)```", text.split("## ONNX files")[1], re.DOTALL).group(1)
    assert "torch" not in code
    assert "ownhand" not in code
    shutil.copytree(exported, tmp_path / "onnx")
    shape = torch.linspace(-1, 1, 10)
    (tmp_path / "me.hand").write_text(json.dumps({"shape": shape.tolist()}))
    to_image(views[0].image).save(tmp_path / "hand.png")
    image = read_photo(tmp_path / "hand.png")
    monkeypatch.chdir(tmp_path)
    said = {}
    exec(code, said)

    pipeline = load(weights, runtime="torch")
    height, width = image.shape[1:]
    camera = Camera(
        K=torch.tensor([[said["f"], 0, width / 2], [0, said["f"], height / 2], [0, 0, 1.0]]), size=(height, width)
    )
    view = View(image=image, camera=camera, box=WholePicture()(image)[0])
    _, seen = pipeline.crop([view])
    pose = pipeline.pose_given(seen, shape[None])
    placed, _ = pipeline.put(seen, pipeline.hand.shaped(shape[None]), pose)
    expected = pipeline.hand.shaped(shape[None]).posed(placed)
    np.testing.assert_allclose(said["verts"], expected.verts, atol=1e-3)
    np.testing.assert_allclose(said["joints"], expected.joints, atol=1e-3)
