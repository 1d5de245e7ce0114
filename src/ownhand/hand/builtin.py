"""The open hand shipped with the package: no licence to sign, same type as MANO."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.model import HandModel

_FILE = "open_hand.npz"
_WHAT_A_SHAPE_MEANS = ("template", "size_sd", "proportions", "faces", "regressor_joints", "regressor_verts",
                       "regressor_weights", "tips")  # fmt: skip
"""Arrays that the id is a digest of: with and without forearm, and whatever is learned about poses, it stays."""


def open_hand(*, forearm: bool = False) -> HandModel:
    """The built-in hand (from MakeHuman's CC0 base mesh).

    Rest frame: x distal (wrist to middle MCP), y radial, z dorsal; the mean hand's wrist joint is the origin and lies
    at the wrist crease. Fingers are straight, so that rest lengths are tape lengths. Coefficient 0 is size (pure
    scaling about the wrist), 1 to 9 are size-free proportions; each has unit variance over adults, half of them women.

    Args:
        forearm: Append some 20 cm of forearm, for pictures. The hand's vertices, faces and uv stay first, so that
            `verts[..., :n, :]` of the longer model are the shorter model's.
    """
    return _open_hand(forearm)


def nail_mask(*, forearm: bool = False) -> Float[Tensor, "verts"]:
    """1 on the open hand's fingernails, 0 elsewhere."""
    data = asset()
    return torch.from_numpy(data["nail"][: None if forearm else int(data["hand_verts"])].astype(np.float32))


@cache
def asset() -> dict[str, np.ndarray]:
    """The arrays of the shipped file."""
    with resources.files("ownhand.hand").joinpath(_FILE).open("rb") as file, np.load(file, allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


@cache
def _open_hand(forearm: bool) -> HandModel:
    return model_from(asset(), forearm=forearm)


def model_from(data: dict[str, np.ndarray], *, forearm: bool = False) -> HandModel:
    """The hand that arrays laid out like the shipped file's describe."""
    verts, faces, uvs = (None if forearm else int(data[f"hand_{part}"]) for part in ("verts", "faces", "uvs"))
    template = data["template"][:verts]
    shape_basis = np.concatenate([data["size_sd"] * template[..., None], data["proportions"][:verts]], -1)
    count = len(template)
    weights = np.zeros((count, 16), np.float32)
    np.add.at(weights, (np.arange(count)[:, None], data["skin_joints"][:verts]), data["skin_weights"][:verts])
    regressor = np.zeros((16, count), np.float32)
    regressor[data["regressor_joints"], data["regressor_verts"]] = data["regressor_weights"]
    arrays: dict[str, Any] = {
        "template": template,
        "shape_basis": shape_basis,
        "pose_basis": _dense_pose_basis(data, count),
        "joint_regressor": regressor,
        "skin_weights": weights,
        "faces": data["faces"][:faces].astype(np.int64),
        "pose_mean": data["pose_mean"],
        "pose_components": data["pose_components"],
        "uv": data["uv"][:uvs],
        "uv_faces": data["uv_faces"][:faces].astype(np.int64),
        "axes": data["axes"],
    }
    digest = hashlib.sha256(b"".join(data[name].tobytes() for name in _WHAT_A_SHAPE_MEANS)).hexdigest()[:12]
    tensors: Any = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    return HandModel(id=f"open-hand-{digest}", tips=tuple(data["tips"].tolist()), **tensors)


def _dense_pose_basis(data: dict[str, np.ndarray], count: int) -> np.ndarray:
    """Stored per vertex for the few joints that move it; dense: [verts 3 135]."""
    joints = data["corrective_joints"]
    dense = np.zeros((count, 15, 3, 9), np.float32)
    stored = min(count, len(joints))
    rows = np.arange(stored)[:, None]
    values = data["correctives"][:stored].astype(np.float32) * data["corrective_scale"]
    np.add.at(dense, (rows, joints[:stored]), values)
    return dense.transpose(0, 2, 1, 3).reshape(count, 3, 135)
