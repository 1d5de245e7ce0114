"""Training states on disk: NAME.safetensors and, written last, NAME.json; so what a kill leaves is complete."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d{8})\.json")


def state_tensors(modules: Mapping[str, nn.Module], network: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Weights of `modules` as MODULE/NAME, and what the optimiser knows of the parameters of `network`."""
    tensors = {f"{key}/{name}": x for key, module in modules.items() for name, x in module.state_dict().items()}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer/{name}/{key}"] = value
    return {name: x.detach().cpu().contiguous().clone() for name, x in tensors.items()}


def restore(
    tensors: Mapping[str, Tensor], modules: Mapping[str, nn.Module], network: nn.Module, optimizer: Optimizer
) -> None:
    """Put back what `state_tensors` took."""
    for key, module in modules.items():
        prefix = f"{key}/"
        module.load_state_dict({n.removeprefix(prefix): x for n, x in tensors.items() if n.startswith(prefix)})
    for name, parameter in network.named_parameters():
        prefix = f"optimizer/{name}/"
        for tensor_name, value in tensors.items():
            if tensor_name.startswith(prefix):
                # The memory layout of the parameter, so that steps are as fast as before.
                own = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
                optimizer.state[parameter][tensor_name.removeprefix(prefix)] = own.to(parameter.device)


def save(folder: Path, step: int, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write the checkpoint of a step, and delete all but the last `KEPT`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights, description = _paths(folder, step)
    beside = weights.with_name(f".{weights.name}.tmp")
    save_file(tensors, beside)
    beside.replace(weights)
    write_json(description, about | {"step": step})
    for old in _steps(folder)[:-KEPT]:
        for path in reversed(_paths(folder, old)):
            path.unlink(missing_ok=True)


def last(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and description of the last checkpoint, or None if there is none.

    Raises:
        ValueError: It cannot be read.
    """
    steps = _steps(folder)
    if not steps:
        return None
    weights, description = _paths(folder, steps[-1])
    try:
        return load_file(weights), json.loads(description.read_text())
    except (OSError, SafetensorError, ValueError) as error:
        raise ValueError(
            f"checkpoint {weights} cannot be read, delete it to go on from the one before: {error}"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Beside, then renamed."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(beside, path)


def _steps(folder: Path) -> list[int]:
    found = (_NAME.fullmatch(path.name) for path in folder.glob("checkpoint-*.json"))
    return sorted(int(match[1]) for match in found if match)


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"checkpoint-{step:08d}.safetensors", folder / f"checkpoint-{step:08d}.json"
