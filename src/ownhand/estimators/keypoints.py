"""From a picture to the 21 joints in it, each with a confidence and a depth relative to the wrist."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from ownhand.estimators.backbones import Backbone
from ownhand.estimators.base import Auxiliary, FeatureEstimator, Features, Prediction, at_least_float32, full_precision
from ownhand.estimators.decoder import Decoder, PartsAndDepth, soft_argmax
from ownhand.geometry.camera import Camera


@dataclass(frozen=True, kw_only=True)
class KeypointsConfig:
    """A `Keypoints` estimator.

    Attributes:
        backbone: See `Backbone`.
        pretrained: Start from ImageNet weights.
        width: Channels of the decoder.
        radius: See `soft_argmax`.
        auxiliary: Whether the decoder also learns part labels and depth in training.
    """

    backbone: str | dict[str, Any] = "resnet-18-half"
    pretrained: bool = False
    width: int = 64
    radius: int = 3
    auxiliary: bool = False
    kind: Literal["keypoints"] = field(default="keypoints", init=False)


class Keypoints(FeatureEstimator):
    """Heatmaps as fine as the backbone's finest feature map (stride 4 for most), read by soft-argmax.

    A keypoint's confidence is the probability that its heatmap puts into the window it is read from. Its depth is
    the mean, over that window, of a depth map of its own.

    Args:
        config: What to build.

    Raises:
        ValueError: See `Backbone`.
    """

    def __init__(self, config: KeypointsConfig):
        super().__init__()
        self.backbone = Backbone(config.backbone, pretrained=config.pretrained)
        self.config = replace(config, backbone=self.backbone.config, pretrained=False)
        self.decoder = Decoder(self.backbone.channels, config.width)
        self.head = nn.Conv2d(config.width, 2 * 21, 1)
        self.auxiliary = PartsAndDepth(config.width) if config.auxiliary else None

    @property
    def feature_channels(self) -> int:
        return self.backbone.channels[-1]

    def encode(self, image: Float[Tensor, "batch 3 h w"]) -> Features:
        return self.backbone(image)

    def predict(
        self, features: Features, camera: Camera, shape: Float[Tensor, "batch shapes"] | None = None
    ) -> Prediction:
        """Needs no shape."""
        return self._read(self.decoder(features.maps), camera)[0]

    def forward_training(
        self,
        image: Float[Tensor, "batch 3 h w"],
        camera: Camera,
        shape: Float[Tensor, "batch shapes"] | None = None,
    ) -> tuple[Prediction, Auxiliary]:
        decoded = self.decoder(self.encode(image).maps)
        prediction, heatmap_logits = self._read(decoded, camera)
        auxiliary = Auxiliary() if self.auxiliary is None else self.auxiliary(decoded)
        return prediction, replace(auxiliary, heatmap_logits=heatmap_logits)

    def _read(
        self, decoded: Float[Tensor, "batch width rows cols"], camera: Camera
    ) -> tuple[Prediction, Float[Tensor, "batch 21 rows cols"]]:
        logits, depths = at_least_float32(self.head(decoded)).chunk(2, 1)
        with full_precision(logits):
            cells, mass, window = soft_argmax(logits, self.config.radius)
        (rows, cols), (height, width) = logits.shape[-2:], camera.size
        prediction = Prediction(
            keypoints=cells * cells.new_tensor([width / cols, height / rows]),
            keypoint_confidence=mass,
            keypoint_depth=(window.detach() * depths).sum((-2, -1)),
        )
        return prediction, logits
