"""Any backbone, with or without a network to download from."""

import pytest
import torch
from transformers import ConvNextConfig, HGNetV2Config, ResNetConfig, ResNetForImageClassification

from ownhand.estimators.backbones import BACKBONES, Backbone

OTHERS = {
    "convnext": ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
    "hgnet_v2": HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 24, 32],
        stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[16, 24, 32, 40],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[16, 24, 32, 40],
        depths=[1, 1, 1, 1],
    ),
}


@pytest.mark.parametrize("name", [name for name in BACKBONES if name != "resnet-50" and not name.startswith("hrnet")])
def test_named_backbones_give_four_maps_from_stride_4_to_32(name):
    backbone = Backbone(name).eval()
    features = backbone(torch.rand(2, 3, 64, 64))
    assert [x.shape for x in features.maps] == [(2, c, 64 // s, 64 // s) for c, s in zip(backbone.channels, (4, 8, 16, 32), strict=True)]  # fmt: skip # noqa: E501
    torch.testing.assert_close(features.pooled, features.maps[-1].mean((-2, -1)))


@pytest.mark.parametrize("config", OTHERS.values(), ids=OTHERS.keys())
def test_any_architecture_works_and_its_configuration_rebuilds_it(config):
    first = Backbone(config.to_dict()).eval()
    second = Backbone(first.config).eval()
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 3, 64, 64)
    assert second.channels == first.channels
    assert len(first.channels) == 4
    torch.testing.assert_close(second(image).pooled, first(image).pooled, atol=0, rtol=0)


def test_pictures_are_normalised_inside():
    backbone, seen = Backbone("resnet-tiny"), []
    backbone._body.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    backbone(torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1).expand(1, 3, 64, 64))
    torch.testing.assert_close(seen[0], torch.zeros(1, 3, 64, 64))


def test_pretrained_weights_arrive_in_the_backbone(tmp_path):
    config = ResNetConfig(**{k: v for k, v in BACKBONES["resnet-tiny"].items() if k != "model_type"})
    source = ResNetForImageClassification(config).eval()
    source.save_pretrained(tmp_path)
    backbone = Backbone(str(tmp_path), pretrained=True).eval()
    image = torch.rand(1, 3, 64, 64)
    expected = source.resnet((image - backbone.mean) / backbone.std).pooler_output.flatten(1)
    torch.testing.assert_close(backbone(image).pooled, expected)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("no-such-net", "no backbone 'no-such-net'"),
        ({"model_type": "abacus"}, "no backbone 'abacus'"),
        ({"model_type": "resnet", "layer_type": "round"}, "no backbone 'resnet'"),
        ({"model_type": "bert"}, "has no feature maps"),
    ],
)
def test_unknown_backbones_are_refused(config, message, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=message):
        Backbone(config)


def test_weights_that_nobody_trained_are_refused():
    with pytest.raises(ValueError, match="no pretrained weights for 'resnet-tiny'"):
        Backbone("resnet-tiny", pretrained=True)


def test_out_of_reach_weights_are_a_clear_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="weights 'microsoft/resnet-50' can be neither downloaded nor found in the"):
        Backbone("resnet-50", pretrained=True)
