"""Small pictures with truth, and every estimator in its smallest form."""

from __future__ import annotations

from dataclasses import replace

import torch
from toy import random_pose, toy_hand

from ownhand import losses
from ownhand.data.sample import HandSample
from ownhand.estimators.base import Estimator
from ownhand.estimators.boukhayma import BoukhaymaConfig
from ownhand.estimators.build import build, extended
from ownhand.estimators.cmr_pg import CmrPgConfig
from ownhand.estimators.keypoints import KeypointsConfig
from ownhand.estimators.metro import MetroConfig
from ownhand.estimators.regressor import RegressorConfig
from ownhand.estimators.spurr import SpurrConfig
from ownhand.geometry.camera import Camera

HAND = toy_hand()
SIZE = (64, 64)
_SMALL = {"backbone": "resnet-tiny", "widths": (64, 32)}
_METRO = MetroConfig(backbone="resnet-tiny", coarse=20, hidden=(32, 16, 16), between=(16, 8), layers=2, dropout=0.0)
_CMR_PG = CmrPgConfig(backbone="resnet-tiny", levels=(35, 18, 12), widths=(16, 16, 8), feature=32, spiral=9)

CONFIGS = {
    "baseline": RegressorConfig(variant="baseline", **_SMALL),
    "identity": RegressorConfig(variant="identity", **_SMALL),
    "conditioned": RegressorConfig(variant="conditioned", **_SMALL),
    "baseline, dense": RegressorConfig(variant="baseline", auxiliary=16, **_SMALL),
    "boukhayma": BoukhaymaConfig(backbone="resnet-tiny"),
    "cmr-pg": _CMR_PG,
    "cmr-pg, identity": replace(_CMR_PG, identity=True),
    "metro": _METRO,
    "metro, identity": replace(_METRO, identity=True),
    "spurr": SpurrConfig(backbone="resnet-tiny", width=16, hidden=8),
    "spurr, hrnet": SpurrConfig(backbone="hrnet-tiny", width=16, hidden=8),
    "keypoints": KeypointsConfig(backbone="resnet-tiny", width=16),
    "keypoints, dense": KeypointsConfig(backbone="resnet-tiny", width=16, auxiliary=True),
}
ALL = (*CONFIGS, "with confidence", "with side")

WEIGHTS = {
    "baseline": losses.PAPER,
    "identity": losses.PAPER,
    "conditioned": losses.PAPER,
    "baseline, dense": losses.PAPER | losses.DENSE,
    "boukhayma": losses.BOUKHAYMA,
    "cmr-pg": losses.CMR_PG,
    "cmr-pg, identity": losses.CMR_PG,
    "metro": losses.METRO,
    "metro, identity": losses.METRO,
    "spurr": losses.SPURR,
    "spurr, hrnet": losses.SPURR,
    "keypoints": losses.KEYPOINTS,
    "keypoints, dense": losses.KEYPOINTS | {"parts": 1.0, "depth": 1.0},
    "with confidence": losses.CONFIDENCE,
    "with side": losses.SIDE,
}


def make(name: str, *, untrained: bool = False) -> Estimator:
    """An estimator whose every weight matters: heads that start at zero are given small random weights."""
    torch.manual_seed(1)
    if name == "with confidence":
        return extended(make("baseline"), "confidence")
    if name == "with side":
        return extended(make("keypoints"), "side", width=8, hidden=16, dropout=0.0)
    estimator = build(CONFIGS[name], HAND)
    if not untrained:
        with torch.no_grad():
            for parameter in estimator.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    return estimator


def samples(n: int = 4) -> HandSample:
    """Noise for pictures, but true in all that is said of the hands, which lie well inside them."""
    pose, shape = random_pose(n, seed=2), torch.randn(n, 10, generator=torch.Generator().manual_seed(3))
    pose.t_cam_root[:, :2] *= 0.2
    posed = HAND.shaped(shape).posed(pose)
    camera = Camera(K=Camera.from_fov(50.0, SIZE).K.expand(n, 3, 3), size=SIZE)
    return HandSample(
        image=torch.rand(n, 3, *SIZE, generator=torch.Generator().manual_seed(4)),
        camera=camera,
        keypoints=camera.project(posed.joints),
        visible=torch.ones(n, 21, dtype=torch.bool),
        joints=posed.joints,
        pose=pose,
        shape=shape,
        subject=torch.arange(n) // 2,
        labels=_patches(n).to(torch.uint8),
        depth=400.0 + 5 * _patches(n),
    )


def _patches(n: int) -> torch.Tensor:
    """Another number below 34 in each of 16 squares."""
    squares = torch.arange(16).reshape(4, 4) + 3 * torch.arange(n)[:, None, None]
    return (squares % 34).repeat_interleave(SIZE[0] // 4, 1).repeat_interleave(SIZE[1] // 4, 2)
