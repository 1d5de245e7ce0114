"""Identities in `.hand` files: small, readable JSON that can be updated without the pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ownhand.hand.identity import Evidence, Identity, ShapeLikelihood
from ownhand.hand.model import HandModel

FORMAT, VERSION = "ownhand identity", 1
_UNITS = {
    "shape": "standard deviations of the hand model's shape coefficients",
    "metrics": "m^2, mean over vertices",
    "residual_mm": "mm",
}


def save_identity(
    identity: Identity, path: str | os.PathLike[str], *, provenance: dict[str, Any] | None = None
) -> None:
    """Write a `.hand` file (JSON), beside and then renamed. Numbers survive exactly.

    Args:
        identity: Of one person.
        path: File to write.
        provenance: Where it comes from: software version, date, whatever helps a person; not read back.

    Raises:
        ValueError: The identity has batch axes or would be refused by `load_identity`.
    """
    evidence = identity.evidence
    content = {
        "format": FORMAT,
        "version": VERSION,
        "units": _UNITS,
        "provenance": provenance or {},
        "model": identity.model_id,
        "shape": identity.shape.double().tolist(),
        "covariance": None if identity.covariance is None else identity.covariance.double().tolist(),
        "evidence": None
        if evidence is None
        else {
            "shapes": evidence.shapes.double().tolist(),
            "metrics": evidence.metrics.double().tolist(),
            "weights": evidence.weights.double().tolist(),
            "residual_mm": evidence.residual_mm.double().tolist(),
            "confidence": None if evidence.confidence is None else evidence.confidence.double().tolist(),
            "keypoints": None
            if evidence.keypoints is None
            else {
                "precision": evidence.keypoints.precision.double().tolist(),
                "information": evidence.keypoints.information.double().tolist(),
            },
            "poses": None if evidence.poses is None else evidence.poses.double().tolist(),
            "names": list(evidence.names),
            "settings": evidence.settings,
        },
    }
    _parsed(content)
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in content.items())
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def load_identity(path: str | os.PathLike[str], model: HandModel | None = None) -> Identity:
    """Read a `.hand` file.

    Args:
        path: The file.
        model: If given, the identity must belong to this hand model.

    Raises:
        ValueError: Not a `.hand` file, of another version or another model, or with numbers that cannot be: not
            finite, of the wrong shape, a covariance that is not symmetric and positive semidefinite.
    """

    def refuse_constant(name: str) -> None:
        raise ValueError(f"{name} where a finite number belongs")

    try:
        content = json.loads(Path(path).read_bytes(), parse_constant=refuse_constant)
        identity = _parsed(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a hand file that can be used: {error}") from error
    if model is not None:
        identity.check_model(model)
    return identity


def _parsed(content: Any) -> Identity:
    """Check everything that a `.hand` file says."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'expected a JSON object with "format": "{FORMAT}"')
    if content.get("version") != VERSION:
        raise ValueError(f"expected format version {VERSION}, got {content.get('version')!r}")
    if not isinstance(content.get("model"), str):
        raise ValueError(f"expected the hand model's id as a string, got {content.get('model')!r}")
    shape = _numbers(content, "shape", None)
    n = len(shape)
    covariance = None
    if content.get("covariance") is not None:
        covariance = _numbers(content, "covariance", n, n)
        scale = covariance.abs().max()
        if (covariance - covariance.mT).abs().max() > 1e-9 * scale:
            raise ValueError("expected a symmetric covariance")
        if torch.linalg.eigvalsh(covariance).min() < -1e-9 * scale:
            raise ValueError("expected a positive semidefinite covariance, but an eigenvalue is negative")
    evidence = content.get("evidence")
    if evidence is not None:
        evidence = _parsed_evidence(evidence, n)
    return Identity(shape=shape, covariance=covariance, model_id=content["model"], evidence=evidence)


def _parsed_evidence(content: Any, n: int) -> Evidence:
    if not isinstance(content, dict):
        raise ValueError(f"expected the evidence as an object, got {type(content).__name__}")
    shapes = _numbers(content, "shapes", None, n)
    k = len(shapes)
    names, settings = content.get("names", []), content.get("settings", {})
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) not in (0, k):
        raise ValueError(f"expected names of {k} pictures or none, got {names!r}")
    if not isinstance(settings, dict):
        raise ValueError(f"expected the settings as an object, got {type(settings).__name__}")
    keypoints = content.get("keypoints")
    if keypoints is not None:
        if not isinstance(keypoints, dict):
            raise ValueError(f"expected the keypoints' likelihoods as an object, got {type(keypoints).__name__}")
        precision, information = _numbers(keypoints, "precision", k, n, n), _numbers(keypoints, "information", k, n)
        keypoints = ShapeLikelihood(precision=precision, information=information)
    return Evidence(
        shapes=shapes,
        metrics=_numbers(content, "metrics", k, n, n),
        weights=_numbers(content, "weights", k),
        residual_mm=_numbers(content, "residual_mm", k),
        confidence=None if content.get("confidence") is None else _numbers(content, "confidence", k),
        keypoints=keypoints,
        poses=None if content.get("poses") is None else _numbers(content, "poses", k, 16, 3),
        names=tuple(names),
        settings=settings,
    )


def _numbers(content: dict[str, Any], key: str, *shape: int | None) -> Tensor:
    """A finite float64 tensor of the given shape; None stands for any length but zero."""
    if key not in content:
        raise ValueError(f'"{key}" is missing')
    wanted = " x ".join("n" if size is None else str(size) for size in shape)
    try:
        values = torch.tensor(content[key], dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(f'expected "{key}" as {wanted} numbers') from None
    fits = values.ndim == len(shape) and all(w in (None, s) and s > 0 for w, s in zip(shape, values.shape, strict=True))
    if not fits:
        raise ValueError(f'expected "{key}" as {wanted} numbers, got {" x ".join(map(str, values.shape)) or "one"}')
    if not values.isfinite().all():
        raise ValueError(f'"{key}" holds numbers that are not finite')
    return values
