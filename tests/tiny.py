"""A whole pipeline of tiny networks that were never trained."""

from pathlib import Path

import torch

from ownhand.estimators import build
from ownhand.hand.model import HandModel
from ownhand.observations import LabelledPictures, observe
from ownhand.pipeline import load_networks
from ownhand.settings import Settings
from ownhand.tune import tune, untuned


def save_pipeline(folder: Path, hand: HandModel, val: LabelledPictures) -> None:
    """Write its weights, and what the pictures of known people decide."""
    torch.manual_seed(0)
    backbone = "resnet-tiny"
    keypoints = build.build({"kind": "keypoints", "backbone": backbone, "width": 8})
    baseline = build.build({"kind": "regressor", "variant": "baseline", "backbone": backbone, "widths": [16]}, hand)
    networks = {
        "side": build.extended(keypoints, "side", width=2, hidden=4),
        "confidence": build.extended(baseline, "confidence"),
        "identity": build.build(
            {"kind": "regressor", "variant": "identity", "backbone": backbone, "widths": [16]}, hand
        ),
    }
    for name, network in networks.items():
        for parameter in network.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.05)
        build.save(network, folder / name)
    pipeline = untuned(hand, Settings(size=64, upright=True), **load_networks(folder, hand))
    tune(pipeline, observe(pipeline, val), folder, made_by={"command": "a test"})
