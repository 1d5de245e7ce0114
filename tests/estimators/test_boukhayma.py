"""The network of Boukhayma et al., ours and the published one."""

import pytest
import torch
from estimator_examples import HAND, SIZE, make, samples

from ownhand.estimators.base import UNIT
from ownhand.estimators.boukhayma import PUBLISHED_MEAN, load_published
from ownhand.geometry.camera import Camera

STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published():
    """Tensors in the names of torchvision's ResNet-34, as the authors' file has them, with those for 24 channels."""
    shapes = {"conv1.weight": (64, 3, 7, 7), "conv11.weight": (64, 24, 7, 7), "fc.weight": (22, 512), "fc.bias": (22,)}
    norms, before = {"bn1": 64}, 64
    for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True), start=1):
        for block in range(blocks):
            name, first = f"layer{stage}.{block}", before if block == 0 else width
            shapes |= {f"{name}.conv1.weight": (width, first, 3, 3), f"{name}.conv2.weight": (width, width, 3, 3)}
            norms |= {f"{name}.bn1": width, f"{name}.bn2": width}
            if block == 0 and stage > 1:
                shapes[f"{name}.downsample.0.weight"] = (width, first, 1, 1)
                norms[f"{name}.downsample.1"] = width
        before = width
    generator = torch.Generator().manual_seed(0)
    found = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    for name, width in norms.items():
        for statistic in STATISTICS:
            found[f"{name}.{statistic}"] = torch.ones(()) if "num" in statistic else torch.ones(width)
    return found


def test_the_published_network_loads_with_all_its_tensors(tmp_path):
    tensors = published()
    assert len(tensors) == 1 + 218  # those of ResNet-34, and the first layer for 24 channels
    torch.save({f"module.{name}": x for name, x in tensors.items()}, tmp_path / "net.pth")
    network, sample = load_published(tmp_path / "net.pth", HAND), samples(2)
    ours = network.state_dict()
    stages = "backbone._body.encoder.stages"
    first = ours[f"{stages}.1.layers.0.shortcut.convolution.weight"]
    assert torch.equal(first, tensors["layer2.0.downsample.0.weight"])
    assert torch.equal(ours[f"{stages}.3.layers.2.layer.1.convolution.weight"], tensors["layer4.2.conv2.weight"])
    camera = Camera(K=sample.camera.K, size=(256, 256))
    image = torch.nn.functional.interpolate(sample.image, (256, 256))
    with torch.no_grad():
        found = network(image, camera)
        pooled = network.backbone(image).maps[-1][..., :7, :7].mean((-2, -1))
        numbers = pooled @ tensors["fc.weight"].T + tensors["fc.bias"]
    numbers[:, :3] += torch.tensor(PUBLISHED_MEAN)
    theirs = numbers[:, :1, None] * found.joints[..., :2] + numbers[:, None, 1:3]  # scale x + move, px of 256
    torch.testing.assert_close(found.keypoints, theirs, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(found.shape, numbers[:, 12:])


def test_other_files_are_refused_and_nothing_in_them_is_run(tmp_path):
    tensors = published()
    del tensors["layer3.5.conv1.weight"]
    torch.save(tensors, tmp_path / "short.pth")
    with pytest.raises(ValueError, match=r"ResNet-34 with 22 outputs, but backbone._body.encoder.stages\.2\.layers\.5"):
        load_published(tmp_path / "short.pth", HAND)
    torch.save({"conv1.weight": print}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match="expected a file of tensors"):
        load_published(tmp_path / "code.pth", HAND)
    with pytest.raises(ValueError, match="expected a file of tensors"):
        load_published(tmp_path / "missing.pth", HAND)


def test_keypoints_are_the_joints_in_the_networks_own_weak_perspective():
    network, sample = make("boukhayma").eval(), samples(3)
    straight = Camera(K=Camera.from_fov(50.0, SIZE).K.expand(3, 3, 3), size=SIZE)
    with torch.no_grad():
        found = network(sample.image, straight)
    x, seen = found.joints[..., :2] / UNIT, found.keypoints / SIZE[0]
    scale = (seen[:, 5] - seen[:, 0]).norm(dim=-1) / (x[:, 5] - x[:, 0]).norm(dim=-1)
    torch.testing.assert_close(seen - seen[:, :1], scale[:, None, None] * x, atol=1e-5, rtol=1e-4)
