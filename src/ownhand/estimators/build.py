"""Configuration -> estimator, and weights on disk: NAME.safetensors with NAME.json beside it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors

from ownhand.estimators.base import Extended, FeatureEstimator, Network
from ownhand.estimators.boukhayma import Boukhayma, BoukhaymaConfig
from ownhand.estimators.cmr_pg import CmrPg, CmrPgConfig
from ownhand.estimators.confidence import ConfidenceConfig, WithConfidence
from ownhand.estimators.detector import Detector, DetectorConfig
from ownhand.estimators.keypoints import Keypoints, KeypointsConfig
from ownhand.estimators.metro import Metro, MetroConfig
from ownhand.estimators.regressor import Regressor, RegressorConfig
from ownhand.estimators.side import SideConfig, WithSide
from ownhand.estimators.spurr import Spurr, SpurrConfig
from ownhand.hand.model import HandModel

Config = (
    RegressorConfig
    | KeypointsConfig
    | ConfidenceConfig
    | SideConfig
    | DetectorConfig
    | BoukhaymaConfig
    | CmrPgConfig
    | MetroConfig
    | SpurrConfig
)

_CONFIGS: dict[str, type] = {
    "regressor": RegressorConfig,
    "keypoints": KeypointsConfig,
    "confidence": ConfidenceConfig,
    "side": SideConfig,
    "detector": DetectorConfig,
    "boukhayma": BoukhaymaConfig,
    "cmr_pg": CmrPgConfig,
    "metro": MetroConfig,
    "spurr": SpurrConfig,
}
EXTENSIONS = ("confidence", "side")
"""Kinds that are built on a trained estimator."""

_FORMAT = 1


class WeightsError(ValueError):
    """Saved weights are missing, damaged, or not what was asked for."""


def build(config: Config | dict[str, Any], hand: HandModel | None = None) -> Network:
    """Make a network with random weights (or the backbone's pretrained ones, if the configuration says so).

    Args:
        config: A configuration, or its dictionary, in which `kind` says which.
        hand: The hand model; what knows keypoints or boxes only works without.

    Raises:
        ValueError: The configuration is not valid, or the estimator needs a hand model.
    """
    config = config_from_dict(config) if isinstance(config, dict) else config
    if isinstance(config, KeypointsConfig):
        return Keypoints(config)
    if isinstance(config, DetectorConfig):
        return Detector(config)
    if isinstance(config, (ConfidenceConfig, SideConfig)):
        return _extended(config, build(config.estimator, hand))
    if hand is None:
        raise ValueError(f"the estimator {config.kind} needs a hand model, got None")
    if isinstance(config, BoukhaymaConfig):
        return Boukhayma(config, hand)
    if isinstance(config, CmrPgConfig):
        return CmrPg(config, hand)
    if isinstance(config, MetroConfig):
        return Metro(config, hand)
    if isinstance(config, SpurrConfig):
        return Spurr(config, hand)
    return Regressor(config, hand)


def config_from_dict(values: dict[str, Any]) -> Config:
    """The configuration that `dataclasses.asdict` made a dictionary of.

    Raises:
        ValueError: Unknown kind, or unknown entries.
    """
    values = dict(values)
    kind = values.pop("kind", None)
    if kind not in _CONFIGS:
        raise ValueError(f"expected an estimator of kind {', '.join(_CONFIGS)}, got {kind!r}")
    try:
        return _CONFIGS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
    except TypeError as error:
        raise ValueError(f"not a configuration of kind {kind!r}: {error}") from error


def extended(estimator: Network, kind: str, **config: Any) -> Extended:
    """Let a trained estimator say one thing more; it is frozen from now on, and what served its training only dropped.

    Args:
        estimator: The trained one.
        kind: `confidence` or `side`.
        config: Other entries of the configuration.

    Raises:
        ValueError: The estimator cannot be extended so.
    """
    estimator.auxiliary = None
    inner = asdict(_without_auxiliary(estimator.config))
    return _extended(config_from_dict({"kind": kind, "estimator": inner, **config}), estimator)


def _extended(config: Config, estimator: Network) -> Extended:
    if isinstance(config, SideConfig) and isinstance(estimator, Keypoints):
        return WithSide(config, estimator)
    if isinstance(config, ConfidenceConfig) and isinstance(estimator, FeatureEstimator):
        return WithConfidence(config, estimator)
    raise ValueError(f"an estimator of kind {config.kind} cannot be built on a {type(estimator).__name__}")


def save(
    estimator: Network,
    path: str | os.PathLike[str],
    extra: dict[str, Any] | None = None,
    *,
    half: bool = False,
    training: bool = False,
) -> None:
    """Write `path`.safetensors and `path`.json.

    Args:
        estimator: Any network made by `build`.
        path: Where to; a suffix .safetensors or .json is ignored.
        extra: Anything JSON-able to be kept beside the configuration (how it was trained).
        half: Store matrices and kernels as float16; vectors, such as normalisation statistics, stay float32.
        training: Also what serves training only, so that training can go on from there.
    """
    weights, description = _paths(path)
    tensors = {}
    for name, tensor in estimator.state_dict().items():
        if name.startswith("auxiliary.") and not training:
            continue
        small = half and tensor.is_floating_point() and tensor.ndim >= 2
        tensors[name] = (tensor.half() if small else tensor).detach().cpu().contiguous()
    content = dump_tensors(tensors)
    about = {
        "format": _FORMAT,
        "config": asdict(estimator.config if training else _without_auxiliary(estimator.config)),
        "hand": estimator.hand_id,
        "sha256": hashlib.sha256(content).hexdigest(),
        "extra": extra or {},
    }
    weights.parent.mkdir(parents=True, exist_ok=True)
    _write(weights, content)
    _write(description, (json.dumps(about, indent=1) + "\n").encode())


def load(path: str | os.PathLike[str], hand: HandModel | None = None) -> Network:
    """Read what `save` wrote, in float32 and evaluation mode.

    Args:
        path: As given to `save`.
        hand: The hand model that the weights were trained with; not needed for `Keypoints` and `Detector`.

    Raises:
        WeightsError: A file is missing or damaged, the two do not belong together, the weights are those of another
            estimator, or of another hand model.
    """
    weights, _ = _paths(path)
    about = describe(path)
    if about["hand"] is not None and (hand is None or hand.id != about["hand"]):
        given = "none" if hand is None else repr(hand.id)
        raise WeightsError(f"{weights} was trained with the hand model {about['hand']!r}, but {given} was given")
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read the weights {weights}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise WeightsError(f"{weights} is damaged or does not belong to the .json file beside it")
    try:
        tensors = load_tensors(content)
        estimator = build(about["config"], hand)
    except (SafetensorError, ValueError) as error:
        raise WeightsError(f"{weights} cannot be used: {error}") from error
    _fill(estimator, tensors, weights)
    return estimator.eval()


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What the .json file says: `config`, `hand` (the hand model's id), `sha256` of the weights, and `extra`.

    Raises:
        WeightsError: The file is missing or not one of ours.
    """
    _, description = _paths(path)
    try:
        about = json.loads(description.read_bytes())
    except OSError as error:
        raise WeightsError(f"cannot read {description}, which must lie beside the weights: {error.strerror}") from error
    except ValueError as error:
        raise WeightsError(f"{description} is damaged: {error}") from error
    if not isinstance(about, dict) or not {"format", "config", "hand", "sha256", "extra"} <= about.keys():
        raise WeightsError(f"{description} does not describe weights")
    if about["format"] != _FORMAT:
        raise WeightsError(f"{description} is of format {about['format']}, but this version reads {_FORMAT}")
    return about


def _fill(estimator: Network, tensors: dict[str, torch.Tensor], weights: Path) -> None:
    """Copy `tensors` into `estimator`."""
    expected = estimator.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        ours, theirs = expected.get(name), tensors.get(name)
        if ours is None or theirs is None or ours.shape != theirs.shape:
            shapes = ["none" if x is None else f"{list(x.shape)}" for x in (ours, theirs)]
            raise WeightsError(
                f"{weights} holds the weights of another estimator: {name} should be {shapes[0]}, is {shapes[1]}"
            )
    estimator.load_state_dict(tensors)


def _without_auxiliary(config: Any) -> Any:
    return replace(config, auxiliary=type(config.auxiliary)(0)) if hasattr(config, "auxiliary") else config


def _paths(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    path = Path(path)
    if path.suffix in (".safetensors", ".json"):
        path = path.with_suffix("")
    return path.with_name(path.name + ".safetensors"), path.with_name(path.name + ".json")


def _write(path: Path, content: bytes) -> None:
    """Beside, then renamed: what is at `path` is always complete."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(path)
