"""HUMBI's hands (Yu et al. 2020), as published.

    subject_N/hand/{project.txt, extrinsic.txt}
    subject_N/hand/FRAME/image_cropped/{right, left}/{imageCAMERA.png, list.txt}
    subject_N/hand/FRAME/reconstruction/{mano_params_r.txt, keypoints_r.txt} (_l likewise)

MANO's numbers are in the world's frame, and a camera file moves them into each camera's. A picture is a 250 x 250
rendering of a box of the camera's full frame, so its intrinsics follow from the box.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from ownhand.data.readers.base import Conventions, Layout
from ownhand.data.readers.index import Findings, Row, column
from ownhand.hand.mano import HUMBI_TIPS

CONVENTIONS = Conventions(
    integer_centres=False,
    integer_labels=False,
    flat_hand_mean=False,
    pca=20,
    right_tips=HUMBI_TIPS,
    left_tips=HUMBI_TIPS,
    one_hand_per_person=False,
    true_shape="the one fit of each side of the person (mano_params)",
)

SIZE = 250
"""Side of a stored picture [px]."""

TEST_SHARE, SPLIT_SEED = 0.1, 0
"""The paper tests on a tenth of the people, without naming them: drawn with this seed, and as many for validation."""

_SIDES = {"right": "r", "left": "l"}


def parts(root: Path) -> list[str]:
    """The people's folders, by number. Raises ValueError if there are none."""
    people = [path.name for path in root.glob("subject_*") if path.name.removeprefix("subject_").isdigit()]
    if not people:
        raise ValueError(f"{root}: expected HUMBI's folders (subject_1, ... with hand/ in them), found none")
    return sorted(people, key=_number)


def sources(root: Path, part: str) -> list[Path]:
    """Files on which a person's rows depend."""
    hand = root / part / "hand"
    files = [hand / "project.txt", hand / "extrinsic.txt"]
    params = [frame / "reconstruction" / f"mano_params_{s}.txt" for frame in _frames(hand) for s in _SIDES.values()]
    return [path for path in (*files, *params) if path.is_file()] + ([hand] if hand.is_dir() else [])


def scan(root: Path, part: str, found: Findings) -> list[Row]:
    """A person's rows."""
    hand = root / part / "hand"
    frames = _frames(hand)
    if not frames:
        found.add("person without frames", hand)
        return []
    try:
        projections, poses = read_cameras(hand / "project.txt"), read_cameras(hand / "extrinsic.txt", rows=4)
    except (OSError, ValueError) as error:
        found.add(f"person without camera files ({type(error).__name__})", hand)
        return []
    cameras = {}
    for number in sorted(projections.keys() & poses.keys()):
        centre, R = poses[number][0], poses[number][1:]
        K = projections[number][:, :3] @ R.T
        cameras[number] = K / K[2, 2], R, -R @ centre
    rows = []
    for frame in frames:
        for side, letter in _SIDES.items():
            rows += _hands(root, frame, side, letter, cameras, {"subject": _number(part), "sequence": part}, found)
    return rows


def split(table: pa.Table, name: str) -> np.ndarray:
    """`train`, `val` or `test` of each row: people are kept apart."""
    subject = column(table, "subject")
    people = np.unique(subject)
    count = max(1, round(TEST_SHARE * len(people)))
    drawn = np.random.default_rng(SPLIT_SEED).permutation(people)
    return np.select(
        [np.isin(subject, drawn[:count]), np.isin(subject, drawn[count : 2 * count])], ["test", "val"], "train"
    )


def read_cameras(path: Path, rows: int = 3) -> dict[int, np.ndarray]:
    """Matrices of a camera file: three lines of header, then for each camera a line that ends in its number, and rows.

    Raises:
        ValueError: It is cut short, or something else stands where numbers should.
    """
    lines = [line.split() for line in path.read_text().splitlines()[3:] if line.strip()]
    cameras = {}
    for start in range(0, len(lines), rows + 1):
        block = lines[start + 1 : start + 1 + rows]
        values = [np.array(line, dtype=np.float64) for line in block]
        if len(block) < rows or len({len(line) for line in values}) != 1:
            raise ValueError(f"{path}: expected {rows} rows of numbers after line {start + 4}")
        cameras[int(lines[start][-1])] = np.stack(values)
    return cameras


def _hands(root: Path, frame: Path, side: str, letter: str, cameras: dict, common: Row, found: Findings) -> list[Row]:
    """One hand at one instant, a row for every camera."""
    params, folder = frame / "reconstruction" / f"mano_params_{letter}.txt", frame / "image_cropped" / side
    if not params.is_file() or not (folder / "list.txt").is_file():
        found.add(f"instant without a {side} hand", frame)
        return []
    try:
        numbers = np.loadtxt(params).ravel()
        joints = _joints(frame / "reconstruction" / f"keypoints_{letter}.txt")
        boxes = np.loadtxt(folder / "list.txt", ndmin=2)
    except (OSError, ValueError) as error:
        found.add(f"labels that cannot be read ({type(error).__name__})", params)
        return []
    if len(numbers) != 36 or boxes.shape[1:] != (5,):
        found.add("labels of another size", params)
        return []
    if not np.isfinite(numbers).all():
        found.add("labels that are not numbers", params)
        return []
    rows = []
    for camera, xmin, xmax, ymin, ymax in boxes:
        image = folder / f"image{int(camera)}.png"
        if not image.is_file():
            found.add("picture missing", image)
        elif int(camera) not in cameras:
            found.add("picture by a camera without calibration", image)
        elif not (xmax > xmin and ymax > ymin):
            found.add("picture with an empty box", image)
        else:
            K, R, t = cameras[int(camera)]
            sx, sy = SIZE / (xmax - xmin), SIZE / (ymax - ymin)
            K = np.array([[sx, 0, -sx * xmin], [0, sy, -sy * ymin], [0, 0, 1]]) @ K
            seen = joints @ R.T + t
            pixels = seen @ K.T
            row = {
                "image": str(image.relative_to(root)),
                "sequence_number": 0,
                "frame": int(frame.name),
                "camera": str(int(camera)),
                "camera_number": int(camera),
                "is_right": side == "right",
                "height": SIZE,
                "width": SIZE,
                "K": K.ravel(),
                "R_cam_world": R.ravel(),
                "t_cam_world": t,
                "global_orient": numbers[3:6],
                "hand_pose": np.concatenate([numbers[6:26], np.zeros(25)]),
                "transl": numbers[:3],
                "betas": numbers[26:],
                "true_betas": numbers[26:],
                "keypoints": (pixels[:, :2] / pixels[:, 2:]).ravel(),
                "joints": seen.ravel(),
            }
            rows.append(common | row)
    return rows


def _joints(path: Path) -> np.ndarray:
    """The 21 joints in the world [m]; not numbers if there is no such file."""
    if not path.is_file():
        return np.full((21, 3), np.nan)
    return np.loadtxt(path).reshape(21, 3)


def _frames(hand: Path) -> list[Path]:
    return sorted(path for path in hand.glob("*") if path.is_dir() and path.name.isdigit())


def _number(part: str) -> int:
    return int(part.removeprefix("subject_"))


HUMBI = Layout(
    name="humbi",
    conventions=CONVENTIONS,
    parts=parts,
    scan=scan,
    sources=sources,
    splits=("people",),
    split=split,
)
