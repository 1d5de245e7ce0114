"""HRNet: its shape, its names, and weights as they are published."""

import re

import pytest
import torch

from ownhand.estimators.backbones import Backbone, load_published
from ownhand.estimators.hrnet import HRNet

CLASSIFIER = 2048 * 1000 + 1000


def counted(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("width", "millions"), [(32, 41.23), (64, 128.06)])
def test_it_has_as_many_parameters_as_the_published_networks_without_what_classifies(width, millions):
    with torch.device("meta"):
        assert counted(HRNet(width)) + CLASSIFIER == pytest.approx(millions * 1e6, abs=5e3)


def published(width):
    """Names and shapes of the authors' file for HRNet-Wxx-C, written down from their description of its layers."""
    c = [width, 2 * width, 4 * width, 8 * width]
    convolutions, norms = {"conv1": (64, 3, 3, 3), "conv2": (64, 64, 3, 3)}, {"bn1": 64, "bn2": 64}

    def unit(name, number, shape):
        convolutions[f"{name}.conv{number}"], norms[f"{name}.bn{number}"] = shape, shape[0]

    def pair(name, shape):
        convolutions[f"{name}.0"], norms[f"{name}.1"] = shape, shape[0]

    def bottleneck(name, inputs, w):
        unit(name, 1, (w, inputs, 1, 1)), unit(name, 2, (w, w, 3, 3)), unit(name, 3, (4 * w, w, 1, 1))
        if inputs != 4 * w:
            pair(f"{name}.downsample", (4 * w, inputs, 1, 1))

    for block in range(4):
        bottleneck(f"layer1.{block}", 64 if block == 0 else 256, 64)
    pair("transition1.0", (c[0], 256, 3, 3)), pair("transition1.1.0", (c[1], 256, 3, 3))
    pair("transition2.2.0", (c[2], c[1], 3, 3)), pair("transition3.3.0", (c[3], c[2], 3, 3))
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        for module in range(modules):
            for i in range(stage):
                for block in range(4):
                    for number in (1, 2):
                        unit(f"stage{stage}.{module}.branches.{i}.{block}", number, (c[i], c[i], 3, 3))
                for j in range(stage):
                    name = f"stage{stage}.{module}.fuse_layers.{i}.{j}"
                    if j > i:
                        pair(name, (c[i], c[j], 1, 1))
                    for step in range(i - j):
                        pair(f"{name}.{step}", (c[i] if step == i - j - 1 else c[j], c[j], 3, 3))
    head = [32, 64, 128, 256]
    biases = {}
    for i in range(4):
        bottleneck(f"incre_modules.{i}.0", c[i], head[i])
        if i < 3:
            pair(f"downsamp_modules.{i}", (4 * head[i + 1], 4 * head[i], 3, 3))
            biases[f"downsamp_modules.{i}.0.bias"] = (4 * head[i + 1],)
    pair("final_layer", (2048, 1024, 1, 1))
    biases |= {"final_layer.0.bias": (2048,), "classifier.weight": (1000, 2048), "classifier.bias": (1000,)}
    statistics = ("weight", "bias", "running_mean", "running_var")
    return (
        {f"{name}.weight": shape for name, shape in convolutions.items()}
        | {f"{name}.{statistic}": (n,) for name, n in norms.items() for statistic in statistics}
        | {f"{name}.num_batches_tracked": () for name in norms}
        | biases
    )


@pytest.mark.parametrize("width", [32, 64])
def test_names_and_shapes_are_those_of_the_published_weights(width):
    with torch.device("meta"):
        ours = {name: tuple(x.shape) for name, x in HRNet(width).state_dict().items()}
    theirs = {name: shape for name, shape in published(width).items() if not name.startswith("classifier")}
    assert ours == theirs


def test_published_weights_load_unchanged_and_those_of_another_width_are_refused():
    tensors = {name: torch.full(shape, 0.01) for name, shape in published(32).items()}
    body = HRNet(32)
    load_published(body, tensors)
    assert all((x == (0 if "batches" in name else 0.01)).all() for name, x in body.state_dict().items())
    with pytest.raises(ValueError, match="expected the weights of an HRNet of this width"):
        load_published(HRNet(16), tensors)


def test_maps_are_at_strides_4_to_32_and_the_last_one_sees_all_of_them():
    torch.manual_seed(0)
    backbone = Backbone("hrnet-tiny").eval()
    image = torch.rand(2, 3, 64, 96, requires_grad=True)
    features = backbone(image)
    assert [tuple(x.shape[1:]) for x in features.maps] == [
        (8, 16, 24), (16, 8, 12), (32, 4, 6), (64, 2, 3), (64, 2, 3)
    ]  # fmt: skip
    assert backbone.channels == [x.shape[1] for x in features.maps]
    torch.testing.assert_close(features.pooled, features.maps[-1].mean((-2, -1)))
    for x in features.maps[:4]:
        x.retain_grad()
    features.maps[-1].sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in features.maps[:4])


def test_odd_sizes_and_wrong_configurations():
    assert len(Backbone("hrnet-tiny").eval()(torch.rand(1, 3, 50, 70)).maps) == 5
    with pytest.raises(ValueError, match=re.escape("not a configuration of HRNet")):
        Backbone({"model_type": "hrnet", "depth": 3})
    with pytest.raises(ValueError, match="no pretrained weights for 'hrnet-tiny'"):
        Backbone("hrnet-tiny", pretrained=True)
