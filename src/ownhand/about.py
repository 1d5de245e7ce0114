"""What `ownhand info` prints. Reads JSON only, so that it answers at once."""

from __future__ import annotations

import json
from importlib import metadata, resources
from pathlib import Path

ONE_PERSON = "Are all pictures of one person? These differ from the others as somebody else's hand would:"


def describe_hand_file(path: Path) -> str:
    """A `.hand` file in words.

    Raises:
        ValueError: It is not one.
    """
    try:
        content = json.loads(path.read_text())
        if "hand" not in content["format"]:
            raise ValueError(f"its format is {content['format']!r}")
        provenance, evidence = content["provenance"], content["evidence"]
        lines = [f"{path}: a hand of the model {content['model']}"]
        made = ", ".join(
            f"{key} {provenance[key]}" for key in ("software", "date", "camera", "side") if key in provenance
        )
        lines += [f"  made by {made}"] if made else []
        for name, (value, error) in provenance.get("measurements_mm", {}).items():
            lines.append(f"  {name:<7} {value:6.1f} mm" + ("" if error is None else f" ± {error:.1f}"))
        for what, value in (provenance.get("expected_mm") or {}).items():
            counted = what.startswith("independent")
            lines.append(f"  {what}: {value:.1f}" if counted else f"  error of proportions {what}: {value:.2f} mm")
        lines.append("  shape   " + " ".join(f"{value:+.2f}" for value in content["shape"]))
        if provenance.get("strangers"):
            lines.append(f"  {ONE_PERSON} {', '.join(map(str, provenance['strangers']))}")
        if evidence is not None:
            lines.append(f"  from {len(evidence['weights'])} pictures (weight, distance from the combined hand):")
            names = evidence["names"] or [f"picture {i + 1}" for i in range(len(evidence["weights"]))]
            for name, weight, residual in zip(names, evidence["weights"], evidence["residual_mm"], strict=True):
                lines.append(f"    {name:<24} {weight:5.3f}  {residual:5.1f} mm")
        return "\n".join(lines)
    except OSError as error:
        raise ValueError(f"{path}: cannot read it ({error.strerror})") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a .hand file written by `ownhand calibrate` ({error})") from None


def describe_installation() -> str:
    """The version, and which weights are there."""
    lines = [f"ownhand {metadata.version('ownhand')}"]
    folder = resources.files("ownhand").joinpath("weights")
    settings = folder.joinpath("pipeline.json")
    if not settings.is_file():
        return "\n".join([*lines, "  no weights are shipped with this installation; see `ownhand train --help`"])
    content = json.loads(settings.read_text())
    for name in ("keypoints", "confidence", "identity"):
        file = folder.joinpath(f"{name}.safetensors")
        size = len(file.read_bytes()) / 1e6 if file.is_file() else 0.0
        lines.append(f"  {name:<10} {size:5.1f} MB")
    lines += [f"  {key}: {value}" for key, value in content["made_by"].items()]
    return "\n".join(lines)
