"""How good is the shape that an estimator predicts from this picture? A score learnt by ranking (Kong et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.base import Extended, FeatureEstimator, Prediction, at_least_float32
from ownhand.geometry.camera import Camera

TARGETS = ("shape", "size_free")
"""What the two scores were taught to order: the mean absolute error of the shape coefficients (the paper), and the
error of the shape apart from its size."""


@dataclass(frozen=True, kw_only=True)
class ConfidenceConfig:
    """A `WithConfidence`.

    Attributes:
        estimator: Configuration of the estimator that gets a score, as a dictionary.
        target: The score that is reported as the confidence.
    """

    estimator: dict[str, Any]
    target: Literal["shape", "size_free"] = "shape"
    kind: Literal["confidence"] = field(default="confidence", init=False)


class WithConfidence(Extended):
    """A frozen estimator, and one linear map of its pooled feature to each picture's scores.

    The scores are unbounded and comparable between pictures of one estimator only.

    Args:
        config: `config.estimator` describes `estimator`.
        estimator: What gets the scores.
    """

    def __init__(self, config: ConfidenceConfig, estimator: FeatureEstimator):
        super().__init__(estimator)
        self.config = config
        self.score = nn.Linear(estimator.feature_channels, len(TARGETS), bias=False)

    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        with torch.no_grad():
            features = self.estimator.encode(image)
            prediction = self.estimator.predict(features, camera, shape)
        scores = at_least_float32(self.score(features.pooled))
        confidence = scores[:, TARGETS.index(self.config.target)]
        return replace(prediction, confidence=confidence, scores=scores)
