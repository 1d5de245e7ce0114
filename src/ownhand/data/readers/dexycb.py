"""DexYCB (Chao et al. 2021): 10 people, 20 objects, 8 cameras, as published.

YYYYMMDD-subject-NN/YYYYMMDD_HHMMSS/meta.yml
YYYYMMDD-subject-NN/YYYYMMDD_HHMMSS/SERIAL/{color_000000.jpg, labels_000000.npz, ...}
calibration/intrinsics/SERIAL_640x480.yml, calibration/mano_NAME/mano.yml
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from ownhand.data.readers.base import Conventions, Layout
from ownhand.data.readers.index import Findings, Row, column
from ownhand.hand.mano import DEXYCB_LEFT_TIPS, DEXYCB_TIPS

CONVENTIONS = Conventions(
    integer_centres=True,  # those of the RealSense cameras
    integer_labels=True,
    flat_hand_mean=False,
    pca=45,
    right_tips=DEXYCB_TIPS,
    left_tips=DEXYCB_LEFT_TIPS,
    one_hand_per_person=False,
    true_shape="the person's calibration of that side (mano.yml)",
)

SEQUENCES = 100
"""Sequences of a person; splits go by their numbers."""

_WIDTH, _HEIGHT = 640, 480


def parts(root: Path) -> list[str]:
    """The people's folders, by name. Raises ValueError if the root has none, or no calibration."""
    people = sorted(path.name for path in root.glob("*-subject-*") if path.is_dir())
    if not people or not (root / "calibration").is_dir():
        raise ValueError(
            f"{root}: expected DexYCB's folders (20200709-subject-01, ..., calibration), "
            f"found {len(people)} of people and {'a' if (root / 'calibration').is_dir() else 'no'} calibration"
        )
    return people


def sources(root: Path, part: str) -> list[Path]:
    """Files on which a person's rows depend."""
    sequences = _sequences(root / part)
    metas = [path / "meta.yml" for path in sequences]
    cameras = [camera for path in sequences for camera in _cameras(path)]
    return [path for path in (*metas, *sorted((root / "calibration").rglob("*.yml"))) if path.is_file()] + cameras


def scan(root: Path, part: str, found: Findings) -> list[Row]:
    """A person's rows."""
    sequences = _sequences(root / part)
    if len(sequences) != SEQUENCES:
        found.add(f"person with fewer than {SEQUENCES} sequences, so that splits by sequence differ", root / part)
    rows: list[Row] = []
    for number, sequence in enumerate(sequences):
        try:
            meta = _yaml(sequence / "meta.yml")
            names, sides, serials = meta["mano_calib"], meta["mano_sides"], sorted(map(str, meta["serials"]))
            betas = _yaml(root / "calibration" / f"mano_{names[0]}" / "mano.yml")["betas"]
        except (OSError, KeyError, IndexError, TypeError, yaml.YAMLError) as error:
            found.add(f"sequence without calibration ({type(error).__name__})", sequence)
            continue
        common = {
            "sequence": f"{part}/{sequence.name}",
            "sequence_number": number,
            "subject": int(part.rsplit("-", 1)[1]) - 1,
            "is_right": sides[0] == "right",
            "betas": betas,
            "true_betas": betas,
        }
        for place, serial in enumerate(serials):
            folder = sequence / serial
            try:
                color = _yaml(root / "calibration" / "intrinsics" / f"{serial}_640x480.yml")["color"]
            except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
                found.add(f"camera without intrinsics ({type(error).__name__})", folder)
                continue
            K = [color["fx"], 0, color["ppx"], 0, color["fy"], color["ppy"], 0, 0, 1]
            camera = {"camera": serial, "camera_number": place, "K": K}
            rows += _frames(root, folder, common | camera, int(meta["num_frames"]), found)
    return rows


WITHOUT = tuple(f"without-{person}" for person in range(10))
"""Splits that leave one of the ten people out."""


def split(table: pa.Table, name: str) -> np.ndarray:
    """`train`, `val` or `test` of each row: DexYCB's four setups, and those that test on one person.

    For the latter the next person is for validation.
    """
    subject, sequence, camera = (column(table, key) for key in ("subject", "sequence_number", "camera_number"))
    if name == "s1":  # unseen people
        val, test = subject == 6, np.isin(subject, (7, 8))
    elif name == "s0":  # unseen sequences
        fifth = sequence % 5 == 4
        val, test = fifth & (subject < 2), fifth & (subject >= 2)
    elif name == "s2":  # unseen cameras
        val, test = camera == 6, camera == 7
    elif name in WITHOUT:
        person = WITHOUT.index(name)
        val, test = subject == (person + 1) % len(WITHOUT), subject == person
    else:  # s3: unseen objects
        val, test = np.isin(sequence // 5, (3, 19)), np.isin(sequence // 5, (7, 11, 15))
    return np.select([val, test], ["val", "test"], "train")


def _frames(root: Path, folder: Path, common: Row, count: int, found: Findings) -> list[Row]:
    if not folder.is_dir():
        found.add("camera's folder missing", folder)
        return []
    rows, known = [], {path.name for path in folder.iterdir()}
    for frame in range(count):
        image, labels = f"color_{frame:06d}.jpg", folder / f"labels_{frame:06d}.npz"
        if image not in known or labels.name not in known:
            found.add("picture or labels missing", folder / image)
            continue
        try:
            with labels.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                pose, joints, keypoints = (arrays[name].reshape(-1) for name in ("pose_m", "joint_3d", "joint_2d"))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            found.add(f"labels that cannot be read ({type(error).__name__})", labels)
            continue
        if (len(pose), len(joints), len(keypoints)) != (51, 63, 42):
            found.add("labels of another size", labels)
        elif not pose.any():
            found.add("hand not in the picture", labels)
        elif not (np.isfinite(pose).all() and np.isfinite(joints).all() and np.isfinite(keypoints).all()):
            found.add("labels that are not numbers", labels)
        else:
            row = {
                "image": str((folder / image).relative_to(root)),
                "frame": frame,
                "height": _HEIGHT,
                "width": _WIDTH,
                "R_cam_world": np.eye(3).ravel(),
                "t_cam_world": np.zeros(3),
                "global_orient": pose[:3],
                "hand_pose": pose[3:48],
                "transl": pose[48:],
                "keypoints": keypoints,
                "joints": joints,
            }
            rows.append(common | row)
    return rows


def _sequences(person: Path) -> list[Path]:
    return sorted(path for path in person.iterdir() if path.is_dir())


def _cameras(sequence: Path) -> list[Path]:
    return sorted(path for path in sequence.iterdir() if path.is_dir())


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


DEXYCB = Layout(
    name="dexycb",
    conventions=CONVENTIONS,
    parts=parts,
    scan=scan,
    sources=sources,
    splits=("s1", "s0", "s2", "s3", *WITHOUT),
    split=split,
)
