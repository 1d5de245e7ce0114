"""FreiHAND (Zimmermann et al. 2019), as published.

    {training, evaluation}_{K, mano, xyz}.json
    {training, evaluation}/rgb/NNNNNNNN.jpg

The training pictures come in four versions with other backgrounds, one block of numbers after the other. People are not
named: good for detection, keypoints and baselines, not for identity.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from ownhand.data.readers.base import Conventions, Layout
from ownhand.data.readers.index import Findings, Row, column
from ownhand.hand.mano import HUMBI_TIPS

CONVENTIONS = Conventions(
    integer_centres=True,
    integer_labels=True,
    flat_hand_mean=False,
    wrist_translation=True,
    pca=None,
    right_tips=HUMBI_TIPS,
    left_tips=HUMBI_TIPS,
    one_hand_per_person=False,
    true_shape=None,
)

SIZE = 224
"""Side of a picture [px]."""

_PARTS = ("training", "evaluation")
_FILES = ("K", "mano", "xyz")


def parts(root: Path) -> list[str]:
    """What there is of training and evaluation. Raises ValueError if there is neither."""
    there = [part for part in _PARTS if (root / f"{part}_K.json").is_file()]
    if not there:
        raise ValueError(f"{root}: expected FreiHAND's training_K.json or evaluation_K.json, found none")
    return there


def sources(root: Path, part: str) -> list[Path]:
    """Files on which a part's rows depend."""
    folder = root / part / "rgb"
    files = [root / f"{part}_{name}.json" for name in _FILES]
    return [path for path in files if path.is_file()] + ([folder] if folder.is_dir() else [])


def scan(root: Path, part: str, found: Findings) -> list[Row]:
    """A part's rows."""
    try:
        Ks, manos, joints = (json.loads((root / f"{part}_{name}.json").read_bytes()) for name in _FILES)
    except (OSError, ValueError) as error:
        found.add(f"labels that cannot be read ({type(error).__name__})", root / f"{part}_*.json")
        return []
    if not len(Ks) == len(manos) == len(joints):
        found.add(f"labels of different lengths ({len(Ks)}, {len(manos)}, {len(joints)})", root / f"{part}_*.json")
        return []
    folder, rows = root / part / "rgb", []
    names = sorted(path.name for path in folder.glob("*.jpg")) if folder.is_dir() else []
    if len(names) % max(len(Ks), 1) or not names:
        found.add(f"folder with {len(names)} pictures for {len(Ks)} labels", folder)
    for name in names:
        version, number = divmod(int(Path(name).stem), len(Ks))
        K, mano, seen = (np.asarray(values[number], float) for values in (Ks, manos, joints))
        if mano.size != 61 or seen.shape != (21, 3):
            found.add("labels of another size", folder / name)
        elif not (np.isfinite(mano).all() and np.isfinite(seen).all()):
            found.add("labels that are not numbers", folder / name)
        else:
            pixels, numbers = seen @ K.T, mano.ravel()
            row = {
                "image": str((folder / name).relative_to(root)),
                "sequence": part,
                "sequence_number": _PARTS.index(part),
                "frame": number,
                "camera": f"background {version}",
                "camera_number": version,
                "subject": -1,
                "is_right": True,
                "height": SIZE,
                "width": SIZE,
                "K": K.ravel(),
                "R_cam_world": np.eye(3).ravel(),
                "t_cam_world": np.zeros(3),
                "global_orient": numbers[:3],
                "hand_pose": numbers[3:48],
                "transl": seen[0],
                "betas": numbers[48:58],
                "true_betas": numbers[48:58],
                "keypoints": (pixels[:, :2] / pixels[:, 2:]).ravel(),
                "joints": seen.ravel(),
            }
            rows.append(row)
    return rows


def split(table: pa.Table, name: str) -> np.ndarray:
    """`train` or `test` of each row, as published."""
    return np.where(column(table, "sequence_number") == 1, "test", "train")


FREIHAND = Layout(
    name="freihand",
    conventions=CONVENTIONS,
    parts=parts,
    scan=scan,
    sources=sources,
    splits=("official",),
    split=split,
)
