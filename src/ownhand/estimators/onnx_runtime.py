"""Networks that were exported to ONNX files, run by ONNX Runtime on the CPU instead of by torch."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.estimators import build
from ownhand.estimators.base import Estimator, FeatureEstimator, Features, Prediction
from ownhand.estimators.build import WeightsError
from ownhand.estimators.detector import FoundHands, HandDetector
from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel, HandPose

MANIFEST = "networks.json"
"""Says what the ONNX files beside it are."""

FORMAT = "ownhand networks 1"


class Session:
    """One graph, on as many threads as torch has.

    Args:
        path: An ONNX file.

    Raises:
        WeightsError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path):
        try:
            import onnxruntime
        except ImportError as error:
            raise WeightsError(
                f"{path} needs ONNX Runtime, which is not installed: pip install 'ownhand[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """All outputs by name; inputs that the graph does not have are left out."""
        arrays = {name: inputs[name].detach().contiguous().numpy() for name in self._inputs}
        found = self._session.run(None, arrays)
        return {name: torch.from_numpy(value) for name, value in zip(self._outputs, found, strict=True)}


class OnnxEstimator(Estimator):
    """A graph that makes a prediction from pictures: the keypoints, or the baseline with its confidence."""

    def __init__(self, path: Path, hand_id: str | None):
        super().__init__()
        self.auxiliary, self._session, self._hand_id = None, Session(path), hand_id

    @property
    def hand_id(self) -> str | None:
        return self._hand_id

    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        """Looks at no shape that it is given."""
        return _prediction(self._session(image=image, K=camera.K))


class OnnxIdentity(FeatureEstimator):
    """Two graphs, picture -> feature, and feature and shape -> hand."""

    def __init__(self, encoder: Path, identity: Path, hand_id: str, channels: int):
        super().__init__()
        self.auxiliary, self._encoder, self._identity = None, Session(encoder), Session(identity)
        self._hand_id, self._channels = hand_id, channels

    @property
    def hand_id(self) -> str:
        return self._hand_id

    @property
    def feature_channels(self) -> int:
        return self._channels

    def encode(self, image: Float[Tensor, "batch 3 h w"]) -> Features:
        return Features(pooled=self._encoder(image=image)["features"], maps=())

    def predict(
        self, features: Features, camera: Camera, shape: Float[Tensor, "batch shapes"] | None = None
    ) -> Prediction:
        if shape is None:
            raise ValueError("the identity network needs the person's shape, got None")
        said = self._identity(features=features.pooled, K=camera.K, shape=shape)
        return _prediction(said | {"shape": shape})


class OnnxDetector(HandDetector):
    """A graph that finds hands; how many was decided when it was exported."""

    def __init__(self, path: Path):
        super().__init__()
        self.auxiliary, self._session = None, Session(path)

    def find(self, image: Float[Tensor, "batch 3 h w"], count: int) -> FoundHands:
        return FoundHands(**self._session(image=image))[:, :count]


def _prediction(said: dict[str, Any]) -> Prediction:
    pose = {name: said.pop(name) for name in ("R_cam_root", "R_parent_joint") if name in said}
    if pose:
        said["pose"] = HandPose(t_cam_root=torch.zeros_like(pose["R_cam_root"][:, 0]), **pose)
    return Prediction(**said)


class OnnxFolder:
    """ONNX files as `ownhand onnx` writes them, and what they were made from.

    Args:
        folder: Where they are.

    Raises:
        WeightsError: `networks.json` is missing or damaged.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / MANIFEST
        try:
            self.about = json.loads(path.read_bytes())
        except OSError as error:
            raise WeightsError(f"cannot read {path}, which `ownhand onnx` writes: {error.strerror}") from error
        except ValueError as error:
            raise WeightsError(f"{path} is damaged: {error}") from error
        if not isinstance(self.about, dict) or self.about.get("format") != FORMAT:
            raise WeightsError(f"expected {path} to be of the format {FORMAT!r}")

    @classmethod
    def usable(cls, folder: Path) -> bool:
        """Whether there are files to be used: of the weights beside them, if any, and with ONNX Runtime installed."""
        if not (folder / MANIFEST).exists():
            return False
        found = cls(folder)
        if not any((folder / f"{name}.json").exists() for name in found.about["weights"]):
            return True
        return find_spec("onnxruntime") is not None and not found.stale()

    def stale(self) -> list[str]:
        """Weights that lie beside the files and are others than those that these were made from."""
        return [
            name
            for name, sha256 in self.about["weights"].items()
            if (self.folder / f"{name}.json").exists() and build.describe(self.folder / name)["sha256"] != sha256
        ]

    def networks(self, hand: HandModel) -> dict[str, Any]:
        """The networks of a pipeline.

        Raises:
            WeightsError: A file is missing or damaged, belongs to another hand model or other weights, or ONNX Runtime
                is not installed.
        """
        if self.about["hand"] != hand.id:
            raise WeightsError(
                f"{self.folder} was trained with the hand model {self.about['hand']!r}, but {hand.id!r} was given"
            )
        if stale := self.stale():
            raise WeightsError(
                f"{self.folder / MANIFEST} belongs to other weights than {stale[0]}.safetensors beside it: "
                f"export them again with `ownhand onnx`"
            )
        channels = self.about["graphs"]["encoder"]["outputs"]["features"]["shape"][-1]
        return {
            "keypoints": OnnxEstimator(self._file("keypoints"), None),
            "baseline": OnnxEstimator(self._file("baseline"), hand.id),
            "identity": OnnxIdentity(self._file("encoder"), self._file("identity"), hand.id, channels),
        }

    def detector(self) -> tuple[OnnxDetector, float] | None:
        """What finds hands, and the lowest score of one; None if there is none."""
        if "detector" not in self.about["graphs"]:
            return None
        return OnnxDetector(self._file("detector")), self.about["min_score"]

    def _file(self, graph: str) -> Path:
        path = self.folder / f"{graph}.onnx"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.about["graphs"][graph]["sha256"]:
            raise WeightsError(f"{path} is damaged or does not belong to {MANIFEST} beside it")
        return path
