"""Miniature replicas of published data sets, file for file, around hands whose joints a plain loop computed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mano_file import Python2Pickler, mano_arrays, mirrored_arrays, slow_joints, slow_mano, write_mano
from PIL import Image
from scipy.spatial.transform import Rotation

from ownhand.hand.mano import DEXYCB_LEFT_TIPS, DEXYCB_TIPS, HUMBI_TIPS
from ownhand.hand.skeleton import MANO_FROM_OWN, OWN_FROM_MANO, ROTATING_21, TIPS_21

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
    transl: np.ndarray
    coefficients: np.ndarray | None = None
    pose: np.ndarray | None = None

    @classmethod
    def random(cls, rng: np.random.Generator, betas: np.ndarray, *, is_right: bool, pca: int, depth: float = 0.7):
        transl = np.array([*rng.uniform(-0.05, 0.05, 2), depth])
        return cls(is_right, betas, rng.normal(size=3), transl, rng.normal(size=pca) * 0.3)

    def as_axis_angles(self) -> Hand:
        """The same hand, its pose as axis-angles instead of PCA coefficients."""
        return replace(self, coefficients=None, pose=self._offsets())

    def _offsets(self) -> np.ndarray:
        if self.coefficients is None:
            return self.pose
        return self.coefficients @ ARRAYS[self.is_right]["hands_components"][: len(self.coefficients)]

    def joints(self, tips: tuple[int, ...], *, flat_hand_mean: bool) -> np.ndarray:
        """The 21 joints."""
        arrays, pose = ARRAYS[self.is_right], self._offsets()
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


def write_freihand(root: Path, *, pictures: int = 3, seed: int = 0) -> list[np.ndarray]:
    """FreiHAND's training part in two versions of the background, and its evaluation part. Returns the joints."""
    rng, truth = np.random.default_rng(seed), []
    K = np.array([[400.0, 0, 112], [0, 400, 112], [0, 0, 1]])
    for part, versions in (("training", 2), ("evaluation", 1)):
        shapes = rng.normal(size=(pictures, 10))
        hands = [Hand.random(rng, betas, is_right=True, pca=45).as_axis_angles() for betas in shapes]
        joints, mano = [], []
        for hand in hands:
            joints.append(hand.joints(HUMBI_TIPS, flat_hand_mean=False))
            mano.append([np.r_[hand.orient, hand.pose, hand.betas, 112, 112, 0.03].tolist()])
        for name, values in (("K", [K.tolist()] * pictures), ("mano", mano), ("xyz", [x.tolist() for x in joints])):
            _text(root / f"{part}_{name}.json", json.dumps(values))
        for number in range(versions * pictures):
            spots = project(K, joints[number % pictures]) + 0.5
            picture(root / part / "rgb" / f"{number:08d}.jpg", (224, 224), spots)
            truth.append(joints[number % pictures])
    return truth


def write_ho3d(root: Path, *, frames: int = 2, seed: int = 0) -> list[np.ndarray]:
    """HO-3D with two people in three sequences, and an evaluation sequence without poses. Returns the joints."""
    rng, truth, flip = np.random.default_rng(seed), [], np.diag([1.0, -1.0, -1.0])
    K = np.array([[614.6, 0, 320.3], [0, 614.1, 240.2], [0, 0, 1]])
    shapes = {"ABF": rng.normal(size=10), "MC": rng.normal(size=10)}
    for sequence in ("ABF10", "ABF11", "MC1", "SM1"):
        folder = root / ("evaluation" if sequence == "SM1" else "train") / sequence
        for frame in range(frames):
            betas = shapes.get(sequence.rstrip("0123456789"), np.zeros(10))
            hand = Hand.random(rng, betas, is_right=True, pca=45, depth=-0.7).as_axis_angles()
            labelled = hand.joints(HUMBI_TIPS, flat_hand_mean=True)
            joints = labelled @ flip
            in_mano_order = np.r_[labelled[list(ROTATING_21)][list(MANO_FROM_OWN)], labelled[list(TIPS_21)]]
            meta = {"camMat": K, "handJoints3D": in_mano_order, "objName": "010_potted_meat_can"}
            if sequence != "SM1":
                pose = np.r_[hand.orient, hand.pose]
                meta |= {"handPose": pose, "handBeta": betas, "handTrans": hand.transl}
                truth.append(joints)
            picture(folder / "rgb" / f"{frame:04d}.png", (640, 480), project(K, joints) + 0.5)
            path = folder / "meta" / f"{frame:04d}.pkl"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                Python2Pickler(file, protocol=2).dump(meta)
    return truth


def write_interhand(root: Path, *, frames: int = 3, seed: int = 0) -> list[np.ndarray]:
    """InterHand2.6M with one capture in training and one in testing, two cameras, both single hands and one picture of
    both. Shapes vary from frame to frame. Returns the joints in the cameras."""
    rng, truth = np.random.default_rng(seed), []
    for split, capture in (("train", 0), ("test", 1)):
        turns = Rotation.from_rotvec(rng.normal(size=(2, 3))).as_matrix()
        starts = [rng.normal(size=3) * 0.05 + [0, 0, 0.8] for _ in range(2)]
        poses = {str(400262 + c): (turns[c], starts[c]) for c in range(2)}
        camera = {
            "campos": {name: (-1000 * R.T @ t).tolist() for name, (R, t) in poses.items()},
            "camrot": {name: R.tolist() for name, (R, t) in poses.items()},
            "focal": {name: [500.0, 500.0] for name in poses},
            "princpt": {name: [167.0, 256.0] for name in poses},
        }
        K = np.array([[500.0, 0, 167], [0, 500, 256], [0, 0, 1]])
        images, annotations, fits, labels = [], [], {}, {}
        for frame in range(frames):
            side = frame % 2 == 0
            hand = Hand.random(rng, rng.normal(size=10), is_right=side, pca=45, depth=0.0).as_axis_angles()
            joints = hand.joints(HUMBI_TIPS, flat_hand_mean=False)
            key = "right" if side else "left"
            fit = {"pose": [*hand.orient, *hand.pose], "shape": [*hand.betas], "trans": [*hand.transl]}
            fits[str(frame)] = {"right": None, "left": None, key: fit}
            from_tip = [4 - bone + 4 * finger for finger in range(5) for bone in range(4)] + [0]
            world = np.full((42, 3), 1.0)
            world[np.arange(21) + (0 if side else 21)] = 1000 * joints[from_tip]
            labels[str(frame)] = {"world_coord": world.tolist(), "joint_valid": [[1]] * 42, "hand_type": key}
            for name, (R, t) in poses.items():
                file_name = f"Capture{capture}/0000/cam{name}/image{frame}.jpg"
                seen = joints @ R.T + t
                picture(root / "images" / split / file_name, (334, 512), project(K, seen) + 0.5)
                about = {
                    "width": 334,
                    "height": 512,
                    "capture": capture,
                    "subject": f"{7 + capture}",
                    "seq_name": "0000",
                }
                images.append(about | {"id": len(images), "file_name": file_name, "camera": name, "frame_idx": frame})
                annotations.append({"image_id": len(images) - 1, "hand_type": key})
                truth.append(seen)
        images.append(images[-1] | {"id": len(images), "frame_idx": 99})
        annotations.append({"image_id": len(images) - 1, "hand_type": "interacting"})
        files = {
            "data": {"images": images, "annotations": annotations},
            "camera": {str(capture): camera},
            "joint_3d": {str(capture): labels},
            "MANO_NeuralAnnot": {str(capture): fits},
        }
        for name, content in files.items():
            _text(root / "annotations" / split / f"InterHand2.6M_{split}_{name}.json", json.dumps(content))
    return truth
