"""What every network takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ownhand.geometry.camera import Camera
from ownhand.hand.model import HandModel, HandPose
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class Prediction(TensorStruct):
    """What an estimator says of a picture; what it does not say is None.

    Attributes:
        pose: Pose in the camera frame. An estimator that does not place the hand leaves the wrist at the origin.
        shape: Shape coefficients: predicted, or the given identity's.
        joints: The 21 joints of that hand in that pose [m].
        verts: Its mesh [m].
        keypoints: The 21 joints in the picture [px].
        keypoint_confidence: Confidence of each keypoint in [0, 1].
        keypoint_depth: How much farther than the wrist each joint is along the ray through the picture's centre (a
            crop does not show how far it was cut from the optical axis), divided by the hand's length.
        confidence: How good the predicted shape is: larger is better, comparable between pictures of one estimator.
        scores: The same by each of `confidence.TARGETS`, of which `confidence` is one.
        rightness: How much the hand looks like a right one: of a picture and its mirror image, the larger one is.
    """

    pose: HandPose | None = None
    shape: Float[Tensor, "*batch shapes"] | None = None
    joints: Float[Tensor, "*batch 21 3"] | None = None
    verts: Float[Tensor, "*batch verts 3"] | None = None
    keypoints: Float[Tensor, "*batch 21 2"] | None = None
    keypoint_confidence: Float[Tensor, "*batch 21"] | None = None
    keypoint_depth: Float[Tensor, "*batch 21"] | None = None
    confidence: Float[Tensor, "*batch"] | None = None
    scores: Float[Tensor, "*batch 2"] | None = None
    rightness: Float[Tensor, "*batch"] | None = None


class Features(NamedTuple):
    """What a backbone sees in a picture.

    Attributes:
        pooled: One vector per picture.
        maps: Feature maps, finest first; each one's stride is a multiple of the one before.
    """

    pooled: Float[Tensor, "batch channels"]
    maps: tuple[Float[Tensor, "batch _ _ _"], ...]


UNIT = 0.2
"""About the length of a hand [m]: makes lengths in networks and losses of order one."""


class Level(NamedTuple):
    """A coarse mesh.

    Attributes:
        vertices: Which of the hand's vertices it has.
        verts: Where they are, relative to the wrist [m].
    """

    vertices: Int[Tensor, "coarse"]
    verts: Float[Tensor, "batch coarse 3"]


@dataclass(frozen=True, kw_only=True)
class Auxiliary(TensorStruct):
    """What is said in training only, so that the losses can teach it; what an estimator does not say is None.

    Attributes:
        heatmap_logits: Where each of the 21 joints is; softmax over rows and columns gives probabilities.
        part_logits: What is at each place: the classes of `HandSample.labels`.
        depth: Depth of the hand at each place, relative to the wrist and measured as `Prediction.keypoint_depth`.
        masks: Sets of heatmaps that each say where the 21 joints are; a sigmoid gives probabilities.
        joints: The 21 joints as they are said beside the prediction's, relative to the wrist [m].
        levels: Coarser meshes.
        biomechanics: Penalties on lengths of bones, on the palm, and on angles: see `Biomechanics`.
        side_logit: Whether this, and not its mirror image, is the picture of a right hand.
    """

    heatmap_logits: Float[Tensor, "*batch 21 rows cols"] | None = None
    part_logits: Float[Tensor, "*batch 34 rows cols"] | None = None
    depth: Float[Tensor, "*batch rows cols"] | None = None
    masks: Float[Tensor, "*batch sets 21 rows cols"] | None = None
    joints: Float[Tensor, "*batch 21 3"] | None = None
    levels: tuple[Level, ...] = ()
    biomechanics: Float[Tensor, "*batch 3"] | None = None
    side_logit: Float[Tensor, "*batch"] | None = None


class Network(nn.Module):
    """What can be built from a configuration, trained and saved. No losses, logging or drawing inside.

    What serves training only lies under the name `auxiliary`, and is dropped when weights are shipped.

    Attributes:
        config: What it was built from, a dataclass.
        auxiliary: What serves training only.
    """

    config: Any
    auxiliary: nn.Module | None

    @property
    def hand_id(self) -> str | None:
        """The hand model that its shapes and poses belong to; None if it has none."""
        return None

    def prepare(self, joints: Float[Tensor, "hands 21 3"], shape: Float[Tensor, "hands shapes"] | None) -> None:
        """Learn from known hands, before training, what does not come from gradients; nothing by default.

        Args:
            joints: Their 21 joints, in any frame [m].
            shape: Their shapes, if they are known.
        """


class Estimator(Network, ABC):
    """A network that looks at pictures of one right hand each."""

    @abstractmethod
    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        """Estimate.

        Args:
            image: RGB in [0, 1]; normalised inside.
            camera: Intrinsics of the pictures.
            shape: The person's shape coefficients, if known.

        Raises:
            ValueError: The estimator needs a shape and got none.
        """

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        """The same prediction, and what is said in training only. Raises as `forward`."""
        return self(image, camera, shape), Auxiliary()


class FeatureEstimator(Estimator):
    """An estimator in two steps, picture -> features -> prediction, so that others can look at the features too."""

    @property
    @abstractmethod
    def feature_channels(self) -> int:
        """Channels of the pooled feature."""

    @abstractmethod
    def encode(self, image: Float[Tensor, "batch 3 h w"]) -> Features:
        """Look at pictures."""

    @abstractmethod
    def predict(
        self, features: Features, camera: Camera, shape: Float[Tensor, "batch shapes"] | None = None
    ) -> Prediction:
        """Estimate from features. Arguments and errors as `forward`."""

    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        return self.predict(self.encode(image), camera, shape)


class Extended(Estimator):
    """A frozen estimator that learns to say one thing more.

    Frozen means frozen: it stays in evaluation mode, so neither its weights nor its normalisation statistics ever
    change.

    Attributes:
        estimator: The frozen one.
    """

    def __init__(self, estimator: FeatureEstimator):
        super().__init__()
        self.estimator = estimator.requires_grad_(False).eval()
        self.auxiliary = None

    @property
    def hand_id(self) -> str | None:
        return self.estimator.hand_id

    def train(self, mode: bool = True) -> Extended:
        super().train(mode)
        self.estimator.eval()
        return self


class HandEstimator(Estimator):
    """An estimator of one hand model that says in one go what it predicts and what serves training only.

    Attributes:
        hand: The hand model.
    """

    hand: HandBuffers

    @property
    def hand_id(self) -> str:
        return self.hand().id

    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        return self.forward_training(image, camera, shape)[0]

    @abstractmethod
    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]: ...


class HandBuffers(nn.Module):
    """A hand model that moves with the network it is in, but is no part of its weights."""

    def __init__(self, model: HandModel):
        super().__init__()
        self._static = model
        self._names = [field.name for field in fields(model) if isinstance(getattr(model, field.name), Tensor)]
        for name in self._names:
            self.register_buffer(name, getattr(model, name), persistent=False)

    def forward(self) -> HandModel:
        return replace(self._static, **{name: getattr(self, name) for name in self._names})


def full_precision(like: Tensor) -> AbstractContextManager:
    """Geometry is computed in full precision, also where the network around it is not."""
    return torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
