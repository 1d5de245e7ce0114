"""Is this the picture of a right hand, or the mirror image of a left one's?

Asked of an upright crop. Which of a picture and its mirror image shows a right hand is then a comparison of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.base import Auxiliary, Extended, Prediction, at_least_float32
from ownhand.estimators.keypoints import Keypoints
from ownhand.geometry.camera import Camera

GRIDS = (8, 4)
"""Cells along a side to which the two coarsest feature maps are averaged."""


@dataclass(frozen=True, kw_only=True)
class SideConfig:
    """A `WithSide`.

    Attributes:
        estimator: Configuration of the keypoint network that learns to say it, as a dictionary.
        width: Channels to which each feature map is reduced.
        hidden: Width of the layer that sees all of them.
        dropout: Share of what that layer sees that is left out in training.
    """

    estimator: dict[str, Any]
    width: int = 24
    hidden: int = 64
    dropout: float = 0.3
    kind: Literal["side"] = field(default="side", init=False)


class WithSide(Extended):
    """A frozen keypoint network with a head on its features and confidences: how much a hand looks like a right one.

    Args:
        config: `config.estimator` describes `estimator`.
        estimator: What gets the head.
    """

    estimator: Keypoints

    def __init__(self, config: SideConfig, estimator: Keypoints):
        super().__init__(estimator)
        self.config = config
        channels = estimator.backbone.channels[-len(GRIDS) :]
        self.reduce = nn.ModuleList(nn.Conv2d(n, config.width, 1) for n in channels)
        seen = config.width * sum(n * n for n in GRIDS) + 21
        self.head = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(seen, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, 1, bias=False),  # only differences are ever asked for
        )

    def forward(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> Prediction:
        with torch.no_grad():
            features = self.estimator.encode(image)
            prediction = self.estimator.predict(features, camera, shape)
        assert prediction.keypoint_confidence is not None
        grids = [
            F.adaptive_avg_pool2d(reduce(seen).relu(), cells).flatten(1)
            for reduce, seen, cells in zip(self.reduce, features.maps[-len(GRIDS) :], GRIDS, strict=True)
        ]
        right = at_least_float32(self.head(torch.cat([*grids, prediction.keypoint_confidence], 1)))
        return replace(prediction, rightness=right[:, 0])

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        """Looks at the mirror images too."""
        prediction, mirrored = self(image, camera, shape), self(image.flip(-1), camera, shape)
        assert prediction.rightness is not None
        assert mirrored.rightness is not None
        return prediction, Auxiliary(side_logit=prediction.rightness - mirrored.rightness)
