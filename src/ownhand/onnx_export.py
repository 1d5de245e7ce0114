"""The networks of a pipeline, and the geometry around them, as ONNX files for programs without Python.

`ownhand onnx OUT` writes one file per graph, and `networks.json`, which says what goes in and what comes out
(docs/formats.md). OUT is a folder of weights too: `estimators.onnx_runtime` runs the networks from it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ownhand import __version__
from ownhand.estimators import build
from ownhand.estimators.base import Features, HandBuffers
from ownhand.estimators.detector import HandDetector
from ownhand.estimators.onnx_runtime import FORMAT, MANIFEST
from ownhand.files import write_beside, write_text
from ownhand.fit import believe, place
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.hand.model import HandModel, HandPose, at_rest
from ownhand.hand.pose_prior import PosePrior
from ownhand.hand.skeleton import JOINTS, upright_angle
from ownhand.locate import FILE as DETECTOR
from ownhand.locate import MOST, STEP, HandFinder
from ownhand.pipeline import NETWORKS, SMALLEST_HAND, Pipeline, load
from ownhand.settings import FILE as SETTINGS
from ownhand.settings import Settings

OPSET = 18
"""Of ONNX; the lowest that torch's exporter writes."""

VALUES = {
    "image": "RGB in [0, 1], not normalised; for the detector a whole picture, for the others a crop of one right hand",
    "K": "intrinsics of the crop: T_crop_picture times those of the picture [px]",
    "shape": "the person's shape coefficients, `shape` of a .hand file [standard deviations]",
    "features": "what `identity` makes a pose from",
    "keypoints": "the 21 joints, x right, y down: in the crop, for `crop` in the picture [px]",
    "keypoint_confidence": "of each keypoint, in [0, 1]",
    "keypoint_depth": "how much farther than the wrist each joint is, along the ray through the crop [hand lengths]",
    "rightness": "of a crop and its mirror image, the one with the larger number shows a right hand",
    "R_cam_root": "orientation of the hand, from the model's frame to the camera's",
    "R_parent_joint": "rotation of 15 joints in their parents' frames: thumb, index, middle, ring, little, base to tip",
    "joints": "the 21 joints, seen from the wrist, along the camera's axes [m]",
    "verts": "the mesh, seen from the wrist, along the camera's axes [m]",
    "t_cam_root": "the wrist in the camera's frame: what to add to joints and verts [m]",
    "confidence": "how good the guessed shape is; only its order means something",
    "scores": "two such scores, of which `confidence` is one",
    "first_side": "side of the square in which the hand was first looked at [px of the picture]",
    "T_crop_picture": "from homogeneous pixels of the picture to those of the crop",
    "score": "probability of each hand, best first; one with less than `min_score` is none",
    "centre": "middle of the hand's box [px]",
    "side": "longer side of the hand's box [px]",
    "angle": "by which to turn the picture for the palm to point up, clockwise as seen [rad]",
}
"""What each input and output is, with its unit."""

FRAMES = "metres; camera frame x right, y down, z forward; pixel (0, 0) is a corner of the picture, pixel centres at .5"


class Graph(NamedTuple):
    """What becomes one ONNX file.

    Attributes:
        module: Takes and gives tensors with a batch axis each; its arguments are the graph's inputs.
        inputs: Examples of them, of a batch of two.
        outputs: Names of what it gives.
        whole: Whether height and width of the image are free, in multiples of `STEP`.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    whole: bool = False


class _Keypoints(nn.Module):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor | None, ...]:
        size = (image.shape[-2], image.shape[-1])
        said = self.network(image, Camera(K=torch.eye(3).expand(image.shape[0], 3, 3), size=size))
        return said.keypoints, said.keypoint_confidence, said.keypoint_depth, said.rightness


class _Baseline(_Keypoints):
    def forward(self, image: Tensor, K: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        said = self.network(image, Camera(K=K, size=(image.shape[-2], image.shape[-1])))
        return said.pose.R_cam_root, said.pose.R_parent_joint, said.shape, said.confidence, said.scores


class _Encoder(_Keypoints):
    def forward(self, image: Tensor) -> Tensor:
        return self.network.encode(image).pooled  # pyright: ignore


class _Identity(nn.Module):
    def __init__(self, network: nn.Module, size: int):
        super().__init__()
        self.network, self.size = network, (size, size)

    def forward(self, features: Tensor, K: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        seen = Features(pooled=features, maps=())
        pose = self.network.predict(seen, Camera(K=K, size=self.size), shape).pose  # pyright: ignore
        return pose.R_cam_root, pose.R_parent_joint


class _Hand(nn.Module):
    def __init__(self, hand: HandModel):
        super().__init__()
        self.hand = HandBuffers(hand)

    def forward(self, R_cam_root: Tensor, R_parent_joint: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        pose = HandPose(
            R_cam_root=R_cam_root, R_parent_joint=R_parent_joint, t_cam_root=torch.zeros_like(R_cam_root[:, 0])
        )
        posed = self.hand().shaped(shape).posed(pose)
        return posed.joints, posed.verts


class _Crop(nn.Module):
    def __init__(self, settings: Settings):
        super().__init__()
        self.settings = settings

    def forward(self, keypoints: Tensor, first_side: Tensor) -> Tensor:
        angle = upright_angle(keypoints) if self.settings.upright else None
        size, scale = self.settings.size, self.settings.crop_scale
        return Crop.around_keypoints(
            keypoints, size, scale, angle=angle, smallest=SMALLEST_HAND * first_side
        ).T_crop_image


class _Place(nn.Module):
    def __init__(self, prior: PosePrior, size: int):
        super().__init__()
        self.prior, self.size = prior, (size, size)

    def forward(self, joints: Tensor, keypoints: Tensor, keypoint_confidence: Tensor, K: Tensor) -> Tensor:
        camera = Camera(K=K, size=self.size)
        t = place(joints, keypoints, self.prior.sigma(keypoint_confidence) ** -2, camera)
        return believe(t, joints, keypoint_confidence, camera, self.prior)


class _Detector(nn.Module):
    def __init__(self, network: HandDetector):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        found = self.network.find(image, MOST)
        return found.score, found.centre, found.side, found.angle


def graphs(pipeline: Pipeline, detector: HandDetector | None = None) -> dict[str, Graph]:
    """What is exported of a pipeline, by the names of the files.

    Args:
        pipeline: With networks that torch runs.
        detector: What finds its hands, if anything does.
    """
    size = pipeline.settings.size
    image, K = torch.rand(2, 3, size, size), Camera.from_fov(20.0, (size, size)).K.repeat(2, 1, 1)
    shape = torch.zeros(2, pipeline.hand.shape_basis.shape[-1])
    with torch.no_grad():
        features = pipeline.identity.encode(image).pooled
    rest = at_rest(2)
    joints = pipeline.hand.shaped(shape).posed(rest).joints
    keypoints = Camera(K=K, size=(size, size)).project(joints + torch.tensor([0.0, 0.0, 0.6]))
    rotations = {"R_cam_root": rest.R_cam_root.clone(), "R_parent_joint": rest.R_parent_joint.clone()}
    found = {
        "keypoints": Graph(
            _Keypoints(pipeline.keypoints),
            {"image": image},
            ("keypoints", "keypoint_confidence", "keypoint_depth", "rightness"),
        ),
        "crop": Graph(
            _Crop(pipeline.settings),
            {"keypoints": keypoints, "first_side": torch.full((2,), float(size))},
            ("T_crop_picture",),
        ),
        "baseline": Graph(
            _Baseline(pipeline.baseline), {"image": image, "K": K}, (*rotations, "shape", "confidence", "scores")
        ),
        "encoder": Graph(_Encoder(pipeline.identity), {"image": image}, ("features",)),
        "identity": Graph(
            _Identity(pipeline.identity, size), {"features": features, "K": K, "shape": shape}, tuple(rotations)
        ),
        "hand": Graph(_Hand(pipeline.hand), rotations | {"shape": shape}, ("joints", "verts")),
        "place": Graph(
            _Place(pipeline.priors["identity"], size),
            {"joints": joints, "keypoints": keypoints, "keypoint_confidence": torch.rand(2, 21), "K": K},
            ("t_cam_root",),
        ),
    }
    if detector is not None:
        picture = torch.rand(2, 3, 3 * STEP, 4 * STEP)
        found["detector"] = Graph(
            _Detector(detector), {"image": picture}, ("score", "centre", "side", "angle"), whole=True
        )
    return found


def write_graph(graph: Graph, path: Path) -> None:
    """Write one ONNX file.

    Raises:
        ValueError: What exports is not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise ValueError("export needs the `onnx` extra: pip install 'ownhand[onnx]'") from None
    batch = torch.export.Dim("batch")
    axes: dict[str, dict[int, Any]] = {name: {0: batch} for name in graph.inputs}
    if graph.whole:
        rows, cols = torch.export.Dim("rows", min=2), torch.export.Dim("cols", min=2)
        axes["image"] |= {2: STEP * rows, 3: STEP * cols}
    with torch.no_grad(), _quiet():
        with _SmallMatrices():
            program = torch.export.export(
                graph.module.eval(), tuple(graph.inputs.values()), dynamic_shapes=axes, strict=False
            )
        exported = torch.onnx.export(
            program,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert exported is not None
        write_beside(path, lambda beside: exported.save(beside, external_data=False))


def _inverse(A: Tensor) -> Tensor:
    """Of 3 x 3 matrices, by cross products."""
    a, b, c = A.unbind(-2)
    adjugate = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], -1)
    return adjugate / (a * adjugate[..., 0]).sum(-1)[..., None, None]


def _solve(A: Tensor, B: Tensor) -> Tensor:
    """With 3 x 3 matrices."""
    return _inverse(A) @ B


def _solve_ex(A: Tensor, B: Tensor) -> tuple[Tensor, None]:
    return _solve(A, B), None


def _determinant(A: Tensor) -> Tensor:
    """Of 2 x 2 matrices."""
    return A[..., 0, 0] * A[..., 1, 1] - A[..., 0, 1] * A[..., 1, 0]


class _SmallMatrices(TorchFunctionMode):
    """Linear algebra of cameras that ONNX does not have, in operations that it has."""

    CLOSED: ClassVar[dict[Any, Any]] = {
        torch.linalg.inv: _inverse,
        torch.linalg.solve: _solve,
        torch.linalg.solve_ex: _solve_ex,
        torch.linalg.det: _determinant,
    }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        closed: Any = self.CLOSED.get(func, func)
        return closed(*args, **(kwargs or {}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on what is installed and how it works."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export_onnx(weights: Path, out: Path, hand: HandModel, report: Callable[[int, int], None] | None = None) -> None:
    """Write every graph of a pipeline, `networks.json`, and what else a folder of weights needs.

    Args:
        weights: Folder that training wrote.
        out: Where to; may be the same folder.
        hand: The hand model that the weights were trained with.
        report: Hears of each graph that is done.

    Raises:
        WeightsError: Weights are missing, damaged, or belong to another hand model.
        ValueError: What exports is not installed.
    """
    pipeline, detector, min_score = load(weights, hand, runtime="torch"), None, None
    names = list(NETWORKS.values())
    if isinstance(pipeline.locator, HandFinder):
        detector, min_score = pipeline.locator.network, pipeline.locator.min_score
        names.append(DETECTOR)
    found = graphs(pipeline, detector)
    described = {}
    for done, (name, graph) in enumerate(found.items(), start=1):
        path = out / f"{name}.onnx"
        write_graph(graph, path)
        described[name] = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            **_described(graph),
        }
        if report is not None:
            report(done, len(found))
    settings = pipeline.settings
    about = {
        "format": FORMAT,
        "software": f"ownhand {__version__}",
        "hand": hand.id,
        "units": FRAMES,
        "weights": {name: build.describe(weights / name)["sha256"] for name in names},
        "crop": {
            "size": settings.size,
            "scale": settings.crop_scale,
            "upright": settings.upright,
            "outside": "the picture's border goes on",
            "normalisation": "none: inside the graphs",
        },
        "min_keypoint_confidence": settings.min_keypoint_confidence,
        "min_score": min_score,
        "joints": list(JOINTS),
        "graphs": described,
        "faces": hand.faces.tolist(),
    }
    if out.resolve() != weights.resolve():
        for file in (SETTINGS, *(f"prior_{name}.safetensors" for name in pipeline.priors)):
            write_beside(out / file, lambda beside, file=file: shutil.copyfile(weights / file, beside))
    write_text(out / MANIFEST, json.dumps(about, allow_nan=False) + "\n")


def _described(graph: Graph) -> dict[str, dict[str, Any]]:
    """Inputs and outputs with their shapes, in which words stand for what is free."""
    with torch.no_grad():
        said = graph.module.eval()(*graph.inputs.values())
    said = (said,) if isinstance(said, Tensor) else said

    def value(name: str, x: Tensor) -> dict[str, Any]:
        free = [f"{STEP} * rows", f"{STEP} * cols"] if graph.whole and name == "image" else list(x.shape[2:])
        return {"shape": ["batch", *x.shape[1:2], *free], "what": VALUES[name]}

    return {
        "inputs": {name: value(name, x) for name, x in graph.inputs.items()},
        "outputs": {name: value(name, x) for name, x in zip(graph.outputs, said, strict=True)},
    }
