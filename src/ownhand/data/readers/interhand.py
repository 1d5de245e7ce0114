"""InterHand2.6M (Moon et al. 2020) with MANO fits (NeuralAnnot), as published; single hands only.

    annotations/SPLIT/InterHand2.6M_SPLIT_{data, camera, joint_3d, MANO_NeuralAnnot}.json
    images/SPLIT/CaptureN/SEQUENCE/camCAMERA/imageFRAME.jpg

Each frame was fitted with a shape of its own; the true shape of a capture's hand is their median.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ownhand.data.readers.base import Conventions, Layout
from ownhand.data.readers.index import Findings, Row
from ownhand.hand.mano import HUMBI_TIPS
from ownhand.hand.skeleton import FINGERS

CONVENTIONS = Conventions(
    integer_centres=True,
    integer_labels=True,
    flat_hand_mean=False,
    pca=None,
    right_tips=HUMBI_TIPS,
    left_tips=HUMBI_TIPS,
    one_hand_per_person=False,
    true_shape="the median of the fits to all frames of a capture's hand",
)

_SPLITS = ("train", "val", "test")
_WRIST = 20
_OWN_FROM_INTERHAND = (_WRIST, *(4 * finger + 3 - bone for finger in range(len(FINGERS)) for bone in range(4)))
"""Its joints run from tip to base, finger by finger, the wrist last; those of the left hand follow."""


def parts(root: Path) -> list[str]:
    """SPLIT-CAPTURE for every capture. Raises ValueError if there is no split."""
    found = []
    for split in _SPLITS:
        if _file(root, split, "camera").is_file():
            found += [f"{split}-{capture}" for capture in sorted(_json(_file(root, split, "camera")), key=int)]
    if not found:
        raise ValueError(f"{root}: expected InterHand2.6M's annotations/SPLIT/*_camera.json, found none")
    return found


def sources(root: Path, part: str) -> list[Path]:
    """Files on which a capture's rows depend: of the large ones, only that they are there."""
    split = part.split("-")[0]
    return [path for path in (_file(root, split, "camera"), _file(root, split, "data").parent) if path.exists()]


def scan(root: Path, part: str, found: Findings) -> list[Row]:
    """A capture's rows."""
    split, capture = part.split("-")
    try:
        images = _by_capture(_file(root, split, "data")).get(capture, [])
        cameras = _json(_file(root, split, "camera"))[capture]
        fits = _json(_file(root, split, "MANO_NeuralAnnot")).get(capture, {})
        labels = _json(_file(root, split, "joint_3d")).get(capture, {})
    except (OSError, KeyError, TypeError, ValueError) as error:
        found.add(f"labels that cannot be read ({type(error).__name__})", _file(root, split, "*"))
        return []
    rows = []
    for image, hand_type in images:
        path = Path("images") / split / image["file_name"]
        if hand_type == "interacting":
            found.add("picture of two hands", path)
            continue
        fit = (fits.get(str(image["frame_idx"])) or {}).get(hand_type)
        if fit is None:
            found.add("hand without a MANO fit", path)
        elif not (root / path).is_file():
            found.add("picture missing", root / path)
        else:
            rows.append(_row(image, hand_type, path, split, cameras, fit, labels))
    return _with_median_shapes(rows)


def split(table: pa.Table, name: str) -> np.ndarray:
    """`train`, `val` or `test` of each row, as published."""
    return np.array([sequence.split("/")[0] for sequence in table.column("sequence").to_pylist()])


def _row(image: dict, hand_type: str, path: Path, split: str, cameras: dict, fit: dict, labels: dict) -> Row:
    camera = str(image["camera"])
    R = np.asarray(cameras["camrot"][camera], float)
    t = -R @ np.asarray(cameras["campos"][camera], float) / 1000
    (fx, fy), (cx, cy) = cameras["focal"][camera], cameras["princpt"][camera]
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    joints = _joints(labels.get(str(image["frame_idx"])), hand_type) @ R.T + t
    pixels = joints @ K.T
    return {
        "image": str(path),
        "sequence": f"{split}/{image['capture']}/{image['seq_name']}",
        "sequence_number": int(image["capture"]),
        "frame": int(image["frame_idx"]),
        "camera": camera,
        "camera_number": sorted(cameras["focal"]).index(camera),
        "subject": int(image["subject"]),
        "is_right": hand_type == "right",
        "height": int(image["height"]),
        "width": int(image["width"]),
        "K": K.ravel(),
        "R_cam_world": R.ravel(),
        "t_cam_world": t,
        "global_orient": np.asarray(fit["pose"][:3], float),
        "hand_pose": np.asarray(fit["pose"][3:], float),
        "transl": np.asarray(fit["trans"], float),
        "betas": np.asarray(fit["shape"], float),
        "keypoints": (pixels[:, :2] / pixels[:, 2:]).ravel(),
        "joints": joints.ravel(),
    }


def _joints(label: dict | None, hand_type: str) -> np.ndarray:
    """The 21 joints in the world [m]; not numbers where they are not labelled."""
    if label is None:
        return np.full((21, 3), np.nan)
    places = [place + (0 if hand_type == "right" else 21) for place in _OWN_FROM_INTERHAND]
    joints = np.asarray(label["world_coord"], float)[places] / 1000
    valid = np.asarray(label["joint_valid"], float).reshape(-1)[places] > 0
    return np.where(valid[:, None], joints, np.nan)


def _with_median_shapes(rows: list[Row]) -> list[Row]:
    medians = {}
    for key in {(row["subject"], row["is_right"]) for row in rows}:
        fits = {row["frame"]: row["betas"] for row in rows if (row["subject"], row["is_right"]) == key}
        medians[key] = np.median(list(fits.values()), axis=0)
    return [row | {"true_betas": medians[row["subject"], row["is_right"]]} for row in rows]


def _file(root: Path, split: str, name: str) -> Path:
    return root / "annotations" / split / f"InterHand2.6M_{split}_{name}.json"


@lru_cache(maxsize=4)
def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


@lru_cache(maxsize=1)
def _by_capture(path: Path) -> dict[str, list[tuple[dict, str]]]:
    """Pictures of each capture with the hands that they show."""
    content = json.loads(path.read_bytes())
    images = {image["id"]: image for image in content["images"]}
    captures: dict[str, list[tuple[dict, str]]] = {}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        captures.setdefault(str(image["capture"]), []).append((image, annotation["hand_type"]))
    return captures


INTERHAND = Layout(
    name="interhand",
    conventions=CONVENTIONS,
    parts=parts,
    scan=scan,
    sources=sources,
    splits=("official",),
    split=split,
)
