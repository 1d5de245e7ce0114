"""HO-3D, versions 2 and 3 (Hampali et al. 2020, 2022), as published.

    {train, evaluation}/SEQUENCE/{rgb/NNNN.png or .jpg, meta/NNNN.pkl}

The labels are pickles, of which nothing is run. Those of the evaluation pictures have no pose: the authors keep it.
"""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ownhand.data.readers.base import Conventions, Layout
from ownhand.data.readers.index import Findings, Row
from ownhand.hand.mano import HUMBI_TIPS
from ownhand.hand.safe_pickle import RefusedFile, restricted_load
from ownhand.hand.skeleton import OWN_FROM_MANO, ROTATING_21, TIPS_21

CONVENTIONS = Conventions(
    integer_centres=True,
    integer_labels=True,
    flat_hand_mean=True,
    pca=None,
    right_tips=HUMBI_TIPS,
    left_tips=HUMBI_TIPS,
    one_hand_per_person=True,
    true_shape="the one fit of each person (handBeta)",
)

_WIDTH, _HEIGHT = 640, 480
_OPENGL = np.diag([1.0, -1.0, -1.0])
_FOLDERS = ("train", "evaluation")


def parts(root: Path) -> list[str]:
    """Letters of the sequences' names, which code the person. Raises ValueError if there are no sequences."""
    people = sorted({_person(path) for path in _sequences(root)})
    if not people:
        raise ValueError(f"{root}: expected HO-3D's train/SEQUENCE/meta, found none")
    return people


def sources(root: Path, part: str) -> list[Path]:
    """Folders on which a person's rows depend."""
    return [path / "meta" for path in _sequences(root) if _person(path) == part]


def scan(root: Path, part: str, found: Findings) -> list[Row]:
    """A person's rows."""
    subject, rows = parts(root).index(part), []
    for number, sequence in enumerate(path for path in _sequences(root) if _person(path) == part):
        pictures = {path.stem: path for path in (sequence / "rgb").glob("*") if path.suffix in (".png", ".jpg")}
        common = {
            "sequence": f"{sequence.parent.name}/{sequence.name}",
            "sequence_number": number,
            "camera": sequence.name.removeprefix(part),
            "camera_number": 0,
            "subject": subject,
            "is_right": True,
            "height": _HEIGHT,
            "width": _WIDTH,
            "R_cam_world": _OPENGL.ravel(),
            "t_cam_world": np.zeros(3),
        }
        for meta in sorted((sequence / "meta").glob("*.pkl")):
            if meta.stem not in pictures:
                found.add("picture missing", sequence / "rgb" / meta.stem)
            elif (labels := _labels(meta, found)) is not None:
                image = pictures[meta.stem]
                rows.append(common | labels | {"image": str(image.relative_to(root)), "frame": int(meta.stem)})
    return rows


def split(table: pa.Table, name: str) -> np.ndarray:
    """`train` or `test` of each row, as published."""
    folders = [sequence.split("/")[0] for sequence in table.column("sequence").to_pylist()]
    return np.where(np.array(folders) == "train", "train", "test")


def _labels(meta: Path, found: Findings) -> Row | None:
    try:
        content: dict[str, Any] = restricted_load(meta, also=("bytes", "scalars"))
        if content.get("handPose") is None or content.get("handBeta") is None:
            found.add("picture without a pose of the hand", meta)
            return None
        pose, betas, transl, joints, K = (
            np.asarray(content[name], float) for name in ("handPose", "handBeta", "handTrans", "handJoints3D", "camMat")
        )
    except (RefusedFile, KeyError, TypeError, ValueError, AttributeError) as error:
        found.add(f"labels that cannot be read ({type(error).__name__})", meta)
        return None
    if (pose.size, betas.size, transl.size, joints.shape, K.shape) != (48, 10, 3, (21, 3), (3, 3)):
        found.add("labels of another size", meta)
        return None
    if not all(np.isfinite(values).all() for values in (pose, betas, transl, joints, K)):
        found.add("labels that are not numbers", meta)
        return None
    ours = np.zeros((21, 3))
    ours[list(ROTATING_21)], ours[list(TIPS_21)] = joints[list(OWN_FROM_MANO)], joints[16:]
    ours = ours @ _OPENGL
    pixels = ours @ K.T
    return {
        "K": K.ravel(),
        "global_orient": pose.ravel()[:3],
        "hand_pose": pose.ravel()[3:],
        "transl": transl.ravel(),
        "betas": betas.ravel(),
        "true_betas": betas.ravel(),
        "keypoints": (pixels[:, :2] / pixels[:, 2:]).ravel(),
        "joints": ours.ravel(),
    }


def _sequences(root: Path) -> list[Path]:
    return sorted(path.parent for folder in _FOLDERS for path in (root / folder).glob("*/meta") if path.is_dir())


def _person(sequence: Path) -> str:
    return "".join(takewhile(str.isalpha, sequence.name))


HO3D = Layout(
    name="ho3d",
    conventions=CONVENTIONS,
    parts=parts,
    scan=scan,
    sources=sources,
    splits=("official",),
    split=split,
)
