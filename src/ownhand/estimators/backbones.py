"""Backbones: from pictures to one vector and a pyramid of feature maps."""

from __future__ import annotations

from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoBackbone, AutoConfig, PretrainedConfig

from ownhand.estimators.base import Features
from ownhand.estimators.hrnet import HRNet


def _resnet(layer_type: str, depths: list[int], widths: list[int], stem: int | None = None) -> dict[str, Any]:
    stem = widths[0] if stem is None else stem
    return {
        "model_type": "resnet",
        "layer_type": layer_type,
        "depths": depths,
        "hidden_sizes": widths,
        "embedding_size": stem,
    }


def _hrnet(width: int) -> dict[str, Any]:
    return {"model_type": "hrnet", "width": width}


BACKBONES: dict[str, dict[str, Any]] = {
    "resnet-tiny": _resnet("basic", [1, 1, 1, 1], [8, 16, 32, 64]),
    "resnet-16-narrow": _resnet("basic", [2, 2, 2, 1], [32, 64, 160, 256]),
    "resnet-18-half": _resnet("basic", [2, 2, 2, 2], [32, 64, 128, 256]),
    "resnet-18-narrow": _resnet("basic", [2, 2, 2, 2], [32, 64, 160, 256]),
    "resnet-34-half": _resnet("basic", [3, 4, 6, 3], [32, 64, 128, 256]),
    "resnet-18": _resnet("basic", [2, 2, 2, 2], [64, 128, 256, 512]),
    "resnet-34": _resnet("basic", [3, 4, 6, 3], [64, 128, 256, 512]),
    "resnet-50": _resnet("bottleneck", [3, 4, 6, 3], [256, 512, 1024, 2048], stem=64),
    "hrnet-tiny": _hrnet(8) | {"modules": [1, 1, 1], "blocks": 1, "head": [4, 8, 8, 16], "out": 64},
    "hrnet-w32": _hrnet(32),
    "hrnet-w64": _hrnet(64),
}
"""Backbones that can be made without a download: `transformers` configurations, and those of `HRNet`."""

IMAGENET = {
    "resnet-18": "microsoft/resnet-18",
    "resnet-34": "microsoft/resnet-34",
    "resnet-50": "microsoft/resnet-50",
} | {
    "hrnet-w32": "timm/hrnet_w32.ms_in1k",
    "hrnet-w64": "timm/hrnet_w64.ms_in1k",
}
"""Where the ImageNet weights of those in `BACKBONES` are on the Hugging Face hub."""


_OUT_OF_REACH = (
    "the pretrained weights {!r} can be neither downloaded nor found in the cache: connect to the network once, or "
    "train from random weights"
)


class Backbone(nn.Module):
    """HRNet, or any backbone of `transformers` that gives feature maps.

    Args:
        config: A name in `BACKBONES`; the name of a model on the Hugging Face hub, or its folder; or a complete
            configuration, such as `Backbone.config`, which is all that saved weights need.
        pretrained: Load the weights of that name (ImageNet for those in `BACKBONES`); random weights otherwise.

    Attributes:
        config: The complete configuration, JSON-able.
        channels: Channels of each feature map, finest first; the last is also the pooled feature's.

    Raises:
        ValueError: There is no such backbone, it has no pretrained weights, or the hub is out of reach.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: str | dict[str, Any], *, pretrained: bool = False):
        super().__init__()
        complete = BACKBONES.get(config, {}) if isinstance(config, str) else config
        body: Any
        if complete.get("model_type") == "hrnet":
            self.config = dict(complete)
            body = _hrnet_of(complete)
            if pretrained:
                _load_imagenet(body, config)
        else:
            body = _pretrained(config) if pretrained else AutoBackbone.from_config(_configuration(config))
            self.config = _essentials(body.config)
        self._body = body
        self.channels: list[int] = list(body.channels)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, image: Float[Tensor, "batch 3 h w"]) -> Features:
        """See `Features`. The picture is RGB in [0, 1]."""
        maps = self._body((image - self.mean) / self.std)
        maps = maps if isinstance(maps, list) else maps.feature_maps
        return Features(pooled=maps[-1].mean((-2, -1)), maps=tuple(maps))


def _hrnet_of(config: dict[str, Any]) -> HRNet:
    try:
        return HRNet(**{name: value for name, value in config.items() if name != "model_type"})
    except TypeError as error:
        raise ValueError(f"not a configuration of HRNet: {error}") from None


def _load_imagenet(body: HRNet, name: str | dict[str, Any]) -> None:
    """Raises ValueError if there are no weights of that name, or the hub is out of reach."""
    if not isinstance(name, str) or name not in IMAGENET:
        raise ValueError(f"no pretrained weights for {name!r}: expected one of {', '.join(IMAGENET)}")
    try:
        path = hf_hub_download(IMAGENET[name], "model.safetensors")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ValueError(_OUT_OF_REACH.format(IMAGENET[name])) from error
    load_published(body, load_file(path))


def load_published(body: HRNet, tensors: dict[str, Tensor]) -> None:
    """Take over ImageNet weights as they are published; what classifies is left out.

    Raises:
        ValueError: They are those of another network.
    """
    own = {name: x for name, x in tensors.items() if not name.startswith("classifier.")}
    try:
        body.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(
            f"expected the weights of an HRNet of this width: {str(error).splitlines()[1].strip()}"
        ) from None


def _configuration(config: str | dict[str, Any]) -> PretrainedConfig:
    name = config if isinstance(config, str) else config.get("model_type", "")
    try:
        if isinstance(config, dict):
            complete = AutoConfig.for_model(**config)
        elif config in BACKBONES:
            complete = AutoConfig.for_model(**BACKBONES[config])
        else:
            complete = AutoConfig.from_pretrained(config)
    except Exception as error:  # each architecture checks its configuration in its own way
        raise ValueError(
            f"no backbone {name!r}: expected one of {', '.join(BACKBONES)}, a model on the Hugging Face hub that can "
            f"be reached from here, or a transformers configuration"
        ) from error
    if getattr(complete, "stage_names", None) is None:
        raise ValueError(f"the model {name!r} has no feature maps: expected a backbone such as ResNet or ConvNeXt")
    if len(complete.out_features) == 1:
        complete.out_features = [stage for stage in complete.stage_names if stage != "stem"]
    return complete


def _pretrained(config: str | dict[str, Any]) -> nn.Module:
    if isinstance(config, dict) or (config in BACKBONES and config not in IMAGENET):
        raise ValueError(
            f"no pretrained weights for {config!r}: expected one of {', '.join(IMAGENET)} or a model on the "
            f"Hugging Face hub"
        )
    source = IMAGENET.get(config, config)
    complete = _configuration(config)
    with torch.device("meta"):
        architecture = type(AutoBackbone.from_config(complete))
    try:
        return architecture.from_pretrained(source, config=complete, use_safetensors=True)
    except OSError as error:
        raise ValueError(_OUT_OF_REACH.format(source)) from error


def _essentials(config: PretrainedConfig) -> dict[str, Any]:
    """The configuration without what says nothing about the network."""
    noise = {"transformers_version", "_name_or_path", "architectures", "id2label", "label2id", "dtype", "torch_dtype"}
    return {key: value for key, value in config.to_diff_dict().items() if key not in noise}
