"""What training fixed and validation people decided, as stored beside the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ownhand.calibrate import ErrorModel, WeightMap
from ownhand.estimators.build import WeightsError

FILE = "pipeline.json"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Stored as `pipeline.json` beside the weights.

    Attributes:
        size: Side of the crops that the networks were trained on [px].
        crop_scale: Side of those crops relative to the larger side of the keypoints' box.
        upright: Whether they are turned until the palm points up.
        min_keypoint_confidence: Below this mean confidence of the keypoints there is no hand.
        method: How pictures are combined; see `calibrate`.
        weight_maps: From confidence to weight, for each way to combine pictures; the paper's also for those without.
        error_models: Errors of calibrated shapes against truth, for each way to combine pictures.
        made_by: Command, seed, commit and numbers of the run that made the weights.
    """

    size: int = 128
    crop_scale: float = 2.0
    upright: bool = False
    min_keypoint_confidence: float = 0.0
    method: str = "paper"
    weight_maps: dict[str, WeightMap] = field(default_factory=dict)
    error_models: dict[str, ErrorModel] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)


def save_settings(folder: Path, settings: Settings) -> None:
    """Write `pipeline.json`, beside and then renamed."""
    content = {
        "size": settings.size,
        "crop_scale": settings.crop_scale,
        "upright": settings.upright,
        "min_keypoint_confidence": settings.min_keypoint_confidence,
        "method": settings.method,
        "weight_maps": {name: weight_map.to_dict() for name, weight_map in settings.weight_maps.items()},
        "error_models": {name: model.to_dict() for name, model in settings.error_models.items()},
        "made_by": settings.made_by,
    }
    beside = folder / f"{FILE}.part"
    beside.write_text(json.dumps(content, indent=1) + "\n")
    beside.replace(folder / FILE)


def load_settings(folder: Path) -> Settings:
    """`pipeline.json` of a folder of weights.

    Raises:
        WeightsError: It is missing or damaged.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        return Settings(
            size=content["size"],
            crop_scale=content["crop_scale"],
            upright=content["upright"],
            min_keypoint_confidence=content["min_keypoint_confidence"],
            method=content["method"],
            weight_maps={name: WeightMap.from_dict(x) for name, x in content["weight_maps"].items()},
            error_models={name: ErrorModel.from_dict(model) for name, model in content["error_models"].items()},
            made_by=content["made_by"],
        )
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not the settings of a pipeline: {error!r}") from error
