"""Hands over time for other programs: BVH for animators, arrays for everybody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.files import write_beside, write_text
from ownhand.hand.mano import pose_to_mano
from ownhand.hand.model import HandModel, HandPose, ShapedHand, mirror_pose
from ownhand.hand.skeleton import JOINTS, PARENTS_21, ROTATING_21

CM = 100.0
"""BVH files are in centimetres."""


def write_bvh(path: Path | str, hand: ShapedHand, pose: HandPose, *, fps: float = 30.0) -> None:
    """A skeleton of 21 joints and its motion: positions in cm, rotations as Euler angles in degrees (z, x, y).

    The frame is the camera's turned half round x, so that y is up and z towards the viewer: (x, y, z) becomes
    (x, -y, -z). Fingertips are end sites.

    Args:
        path: Where to.
        hand: The person's hand, right or left.
        pose: Poses of that hand, one per frame.
        fps: Frames per second.
    """
    half_turn = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    rest = hand.joints.double().reshape(21, 3).cpu()
    R = torch.cat([pose.R_cam_root[:, None], pose.R_parent_joint], 1).double().cpu()
    R[:, 0] = half_turn @ R[:, 0]
    place = (pose.t_cam_root.double().cpu() @ half_turn) * CM
    angles: Any = roma.rotmat_to_euler("ZXY", R, degrees=True)
    moving = dict(zip(ROTATING_21, range(16), strict=True))

    def joint(number: int, depth: int) -> list[str]:
        pad, below = "  " * depth, [child for child, parent in enumerate(PARENTS_21) if parent == number]
        parent = PARENTS_21[number]
        offset = torch.zeros(3) if parent < 0 else (rest[number] - rest[parent]) * CM
        head = "ROOT" if parent < 0 else "JOINT" if number in moving else "End Site"
        channels = "6 Xposition Yposition Zposition " if parent < 0 else "3 "
        return [
            f"{pad}{head}{'' if head == 'End Site' else f' {JOINTS[number]}'}",
            f"{pad}{{",
            f"{pad}  OFFSET {' '.join(f'{x:.6f}' for x in offset.tolist())}",
            *([f"{pad}  CHANNELS {channels}Zrotation Xrotation Yrotation"] if number in moving else []),
            *(line for child in below for line in joint(child, depth + 1)),
            f"{pad}}}",
        ]

    order = [number for number in _depth_first(0) if number in moving]
    turned = angles[:, [moving[number] for number in order]].flatten(1)
    frames = [" ".join(f"{x:.6f}" for x in frame) for frame in torch.cat([place, turned], 1).tolist()]
    head = ["HIERARCHY", *joint(0, 0), "MOTION", f"Frames: {len(R)}", f"Frame Time: {1 / fps:.6f}"]
    write_text(Path(path), "\n".join([*head, *frames]) + "\n")


def write_arrays(
    path: Path | str,
    model: HandModel,
    shape: Float[Tensor, "frames shapes"],
    pose: HandPose,
    *,
    is_right: bool,
    names: list[str],
    times: Float[Tensor, "frames"],
) -> None:
    """An .npz file with everything in plain arrays, and the pose in the form of MANO and SMPL-X (flat_hand_mean True).

    `global_orient`, `hand_pose` (45 axis-angle entries in MANO's joint order), `betas`, `transl`: what smplx's layers
    take, for the hand model named in `model`. `rotations` (16 matrices, the wrist's first, in our joint order) and
    `joints` (21, camera frame, m). Everything is as in the picture: a left hand's arrays are a left hand's.

    Args:
        path: Where to.
        model: The right hand's model.
        shape: Coefficients.
        pose: Poses of a right hand, or of the mirror image of a left one.
        is_right: Which hand it is.
        names: Of the frames.
        times: Of the frames [s].
    """
    mano = pose_to_mano(model, pose, shape, flat_hand_mean=True, is_right=is_right)
    shown, hand = (pose, model) if is_right else (mirror_pose(pose), model.mirrored())
    arrays = {
        "global_orient": mano.global_orient,
        "hand_pose": mano.hand_pose,
        "transl": mano.transl,
        "betas": shape,
        "rotations": torch.cat([shown.R_cam_root[:, None], shown.R_parent_joint], 1),
        "joints": hand.shaped(shape).posed(shown).joints,
        "times": times,
    }
    plain: dict[str, Any] = {name: x.detach().cpu().numpy() for name, x in arrays.items()}
    plain |= {"names": np.array(names), "model": np.array(model.id), "is_right": np.array(is_right)}

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **plain)

    write_beside(Path(path), write)


def _depth_first(number: int) -> list[int]:
    """A joint and all that hang on it, in the order in which the file names them."""
    below = [child for child, parent in enumerate(PARENTS_21) if parent == number]
    return [number, *(joint for child in below for joint in _depth_first(child))]
