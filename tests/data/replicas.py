"""Miniature replicas of published data sets, file for file, around hands whose joints a plain loop computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mano_file import mano_arrays, mirrored_arrays, slow_joints, slow_mano, write_mano
from PIL import Image
from scipy.spatial.transform import Rotation

from ownhand.hand.mano import DEXYCB_LEFT_TIPS, DEXYCB_TIPS, HUMBI_TIPS
from ownhand.hand.skeleton import OWN_FROM_MANO, ROTATING_21, TIPS_21

RIGHT = mano_arrays()
ARRAYS = {True: RIGHT, False: mirrored_arrays(RIGHT)}


def write_models(folder: Path) -> dict[bool, Path]:
    return {
        side: write_mano(folder / f"MANO_{name}.pkl", ARRAYS[side]) for side, name in ((True, "RIGHT"), (False, "LEFT"))
    }


@dataclass
class Hand:
    """MANO's numbers of one hand, in the frame in which a data set writes them."""

    is_right: bool
    betas: np.ndarray
    orient: np.ndarray
    coefficients: np.ndarray
    transl: np.ndarray

    @classmethod
    def random(cls, rng: np.random.Generator, betas: np.ndarray, *, is_right: bool, pca: int, depth: float = 0.7):
        transl = np.array([*rng.uniform(-0.05, 0.05, 2), depth])
        return cls(is_right, betas, rng.normal(size=3), rng.normal(size=pca) * 0.3, transl)

    def joints(self, tips: tuple[int, ...], *, flat_hand_mean: bool) -> np.ndarray:
        """The 21 joints."""
        arrays = ARRAYS[self.is_right]
        pose = self.coefficients @ arrays["hands_components"][: len(self.coefficients)]
        pose = pose if flat_hand_mean else pose + arrays["hands_mean"]
        numbers = arrays, self.betas, self.orient, pose, self.transl
        joints = np.zeros((21, 3))
        joints[list(ROTATING_21)] = slow_joints(*numbers)[list(OWN_FROM_MANO)]
        joints[list(TIPS_21)] = slow_mano(*numbers)[list(tips)]
        return joints


def project(K: np.ndarray, points: np.ndarray) -> np.ndarray:
    pixels = points @ K.T
    return pixels[:, :2] / pixels[:, 2:]


def picture(path: Path, size: tuple[int, int], pixels: np.ndarray) -> None:
    """Grey, with a white spot at each joint (pixels with corner origin)."""
    image = np.full((size[1], size[0]), 90, np.uint8)
    for x, y in pixels.astype(int):
        if 1 <= x < size[0] - 1 and 1 <= y < size[1] - 1:
            image[y - 1 : y + 2, x - 1 : x + 2] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert("RGB").save(path, quality=95)


def write_dexycb(
    root: Path, *, people: int = 2, sequences: int = 2, frames: int = 2, seed: int = 0
) -> list[np.ndarray]:
    """DexYCB with two of its cameras. Every second sequence is of a left hand, and in each sequence's last frame the
    first camera sees no hand. Returns the joints of all others [m, camera frame], in the order of the index."""
    rng, serials, truth = np.random.default_rng(seed), ("836212060125", "839512060362"), []
    for serial in serials:
        text = f"color:\n  fx: {600 + rng.uniform():.6f}\n  fy: 601.5\n  ppx: 310.25\n  ppy: 242.5\n"
        _text(root / "calibration" / "intrinsics" / f"{serial}_640x480.yml", text)
    K = {s: _K(root / "calibration" / "intrinsics" / f"{s}_640x480.yml") for s in serials}
    for person in range(1, people + 1):
        shapes = {side: rng.normal(size=10) for side in ("right", "left")}
        for side, betas in shapes.items():
            name = f"20200709-subject-{person:02d}_{side}"
            _text(root / "calibration" / f"mano_{name}" / "mano.yml", f"betas: {betas.tolist()}\n")
        for sequence in range(sequences):
            side = ("right", "left")[sequence % 2]
            folder = root / f"20200709-subject-{person:02d}" / f"20200709_1000{sequence:02d}"
            meta = f"serials: {list(serials)}\nnum_frames: {frames}\nmano_sides: [{side}]\n"
            _text(folder / "meta.yml", meta + f"mano_calib: [20200709-subject-{person:02d}_{side}]\nycb_ids: [1]\n")
            for serial in serials:
                for frame in range(frames):
                    hand = Hand.random(rng, shapes[side], is_right=side == "right", pca=45)
                    joints = hand.joints(DEXYCB_TIPS if side == "right" else DEXYCB_LEFT_TIPS, flat_hand_mean=False)
                    pixels, pose = project(K[serial], joints), np.r_[hand.orient, hand.coefficients, hand.transl]
                    if serial == serials[0] and frame == frames - 1:
                        joints, pixels, pose = np.full((21, 3), -1.0), np.full((21, 2), -1.0), np.zeros(51)
                    else:
                        truth.append(joints)
                    picture(folder / serial / f"color_{frame:06d}.jpg", (640, 480), pixels + 0.5)
                    np.savez(
                        folder / serial / f"labels_{frame:06d}.npz",
                        pose_m=pose[None].astype(np.float32),
                        joint_3d=joints[None].astype(np.float32),
                        joint_2d=pixels[None].astype(np.float32),
                    )
    return truth


def write_humbi(root: Path, *, people: int = 3, frames: int = 2, cameras: int = 2, seed: int = 0) -> list[np.ndarray]:
    """HUMBI with few cameras around the hand. Returns the joints in the cameras [m], in the order of the index."""
    rng, truth = np.random.default_rng(seed), []
    for person in range(1, people + 1):
        hand_folder = root / f"subject_{person}" / "hand"
        shapes = {side: rng.normal(size=10) for side in (True, False)}
        K = np.array([[1800.0, 0, 960], [0, 1800, 540], [0, 0, 1]])
        poses = {
            c: (Rotation.from_rotvec(rng.normal(size=3)).as_matrix(), rng.normal(size=3) * 0.05 + [0, 0, 0.8])
            for c in range(cameras)
        }
        projections = extrinsics = "a\nb\nc\n"
        for c, (R, t) in poses.items():
            projections += f"cam {c}\n" + _rows(7.0 * K @ np.c_[R, t])
            extrinsics += f"cam {c}\n" + _rows(np.vstack([-R.T @ t, R]))
        _text(hand_folder / "project.txt", projections)
        _text(hand_folder / "extrinsic.txt", extrinsics)
        for frame in range(frames):
            folder = hand_folder / f"{frame:08d}"
            for side, name in ((True, "right"), (False, "left")):
                hand = Hand.random(rng, shapes[side], is_right=side, pca=20, depth=0.0)
                joints = hand.joints(HUMBI_TIPS, flat_hand_mean=False)
                _text(
                    folder / "reconstruction" / f"mano_params_{name[0]}.txt",
                    _rows(np.r_[hand.transl, hand.orient, hand.coefficients, hand.betas][:, None]),
                )
                _text(folder / "reconstruction" / f"keypoints_{name[0]}.txt", _rows(joints))
                boxes = []
                for c, (R, t) in poses.items():
                    seen = joints @ R.T + t
                    pixels = project(K, seen)
                    low, high = np.floor(pixels.min(0) - 40), np.ceil(pixels.max(0) + 60)
                    boxes.append([c, low[0], high[0], low[1], high[1]])
                    picture(
                        folder / "image_cropped" / name / f"image{c}.png",
                        (250, 250),
                        (pixels - low) * 250 / (high - low),
                    )
                    truth.append(seen)
                _text(folder / "image_cropped" / name / "list.txt", _rows(np.array(boxes)))
    return truth


def _K(path: Path) -> np.ndarray:
    values = dict(line.split(":") for line in path.read_text().splitlines()[1:])
    fx, fy, ppx, ppy = (float(values[f"  {name}"]) for name in ("fx", "fy", "ppx", "ppy"))
    return np.array([[fx, 0, ppx], [0, fy, ppy], [0, 0, 1]])


def _rows(matrix: np.ndarray) -> str:
    return "".join(" ".join(f"{x:.9g}" for x in row) + "\n" for row in matrix)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
