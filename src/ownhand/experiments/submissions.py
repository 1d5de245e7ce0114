"""Predictions in the formats that public benchmarks take. Joints and vertices are in the camera frame [m]."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from ownhand.files import write_text
from ownhand.hand.skeleton import MANO_FROM_OWN, ROTATING_21, TIPS_21

HO3D_FROM_OWN = (*(ROTATING_21[j] for j in MANO_FROM_OWN), *TIPS_21)
"""HO-3D's order: MANO's 16 joints, then the tips from thumb to little finger."""


def write_freihand(path: Path, joints: Float[Tensor, "pictures 21 3"], verts: Float[Tensor, "pictures 778 3"]) -> None:
    """`pred.json` of FreiHAND: a list of joints and a list of meshes, in the order of the evaluation pictures."""
    _write_pair(path, joints, verts)


def write_ho3d(path: Path, joints: Float[Tensor, "pictures 21 3"], verts: Float[Tensor, "pictures 778 3"]) -> None:
    """`pred.json` of HO-3D: as FreiHAND's, in HO-3D's order of joints and OpenGL's axes (y up, z to the viewer)."""
    axes = joints.new_tensor([1.0, -1.0, -1.0])
    _write_pair(path, joints[:, HO3D_FROM_OWN, :] * axes, verts * axes)


def write_dexycb(path: Path, numbers: Sequence[int], joints: Float[Tensor, "pictures 21 3"]) -> None:
    """The text file of DexYCB's hand pose evaluation: per line a picture's number and 63 coordinates in mm.

    Args:
        path: Where to.
        numbers: Of the pictures, as DexYCB's own toolkit counts those of a split.
        joints: Of each.

    Raises:
        ValueError: Joints of more or fewer pictures than numbers.
    """
    if len(numbers) != len(joints):
        raise ValueError(f"expected joints of {len(numbers)} pictures, one for each number, got {len(joints)}")
    rows = (1000 * joints).flatten(1).tolist()
    lines = [",".join([str(number), *(f"{x:.4f}" for x in row)]) for number, row in zip(numbers, rows, strict=True)]
    write_text(path, "\n".join(lines) + "\n")


def _write_pair(path: Path, joints: Tensor, verts: Tensor) -> None:
    write_text(path, json.dumps([joints.tolist(), verts.tolist()]))
