"""MANO parameters per picture, as other systems estimate them: one shape and one pose of a hand in each picture."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.mano import pose_from_mano
from ownhand.hand.model import HandModel
from ownhand.structs import TensorStruct


@dataclass(frozen=True, kw_only=True)
class HandParameters(TensorStruct):
    """What a system said of the hand in each picture.

    Attributes:
        R_parent_joint: Rotations of the 15 joints, our order, of a right hand.
        shape: Shape coefficients.
        confidence: How good each is, larger is better; None if the system does not say.
        names: Of the pictures.
    """

    R_parent_joint: Float[Tensor, "*batch 15 3 3"]
    shape: Float[Tensor, "*batch shapes"]
    confidence: Float[Tensor, "*batch"] | None
    names: tuple[str, ...]


def read_parameters(path: Path, model: HandModel) -> HandParameters:
    """Read an .npz, or a .json with the same names, of n pictures; docs/formats.md describes it.

    Args:
        path: The file.
        model: The hand model of its numbers.

    Raises:
        ValueError: Something is missing, of another shape, not a number, or of another hand model.
    """
    arrays = _arrays(path)
    try:
        shape = torch.from_numpy(np.asarray(arrays["betas"], dtype=np.float32))
        pose = torch.from_numpy(np.asarray(arrays["hand_pose"], dtype=np.float32))
        is_right = np.broadcast_to(np.asarray(arrays.get("is_right", True), dtype=bool), len(shape))
        confidence = arrays.get("confidence")
        confidence = None if confidence is None else torch.from_numpy(np.asarray(confidence, dtype=np.float32))
        flat = bool(np.asarray(arrays.get("flat_hand_mean", True)))
        belongs = str(np.asarray(arrays.get("model", model.id)))
        names = tuple(str(x) for x in np.asarray(arrays.get("names", [f"picture {i}" for i in range(len(shape))])))
    except KeyError as error:
        raise ValueError(f"{path}: expected betas and hand_pose, {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected arrays of numbers ({error})") from None
    n, shapes = len(shape), model.shape_basis.shape[-1]
    if belongs != model.id:
        raise ValueError(f"{path}: its numbers are of the hand model {belongs!r}, not of {model.id!r}")
    if shape.shape != (n, shapes) or n == 0:
        raise ValueError(f"{path}: expected betas of n x {shapes}, got {' x '.join(map(str, shape.shape))}")
    if pose.shape not in ((n, 45), (n, 15, 3), (n, 15, 3, 3)):
        raise ValueError(
            f"{path}: expected hand_pose of {n} x 45 axis-angle entries or {n} x 15 x 3 x 3 matrices, got "
            f"{' x '.join(map(str, pose.shape))}"
        )
    if not (shape.isfinite().all() and pose.isfinite().all()):
        raise ValueError(f"{path}: expected numbers, got NaN or infinity")
    if (confidence is not None and confidence.shape != (n,)) or len(names) != n:
        raise ValueError(f"{path}: expected a confidence and a name for each of {n} pictures, or none")
    if pose.ndim == 4:
        pose, flat = roma.rotmat_to_rotvec(pose), True  # matrices are whole
    pose = pose.reshape(n, 45)
    sides = [
        pose_from_mano(
            model, torch.zeros(n, 3), pose, torch.zeros(n, 3), shape, flat_hand_mean=flat, is_right=side
        ).R_parent_joint
        for side in (True, False)
    ]
    right = torch.from_numpy(is_right.copy())[:, None, None, None]
    return HandParameters(R_parent_joint=torch.where(right, *sides), shape=shape, confidence=confidence, names=names)


def _arrays(path: Path) -> dict:
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            if not isinstance(content, dict):
                raise ValueError("it holds no object")
            return content
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError as error:
        raise ValueError(f"{path}: cannot read the parameters ({error.strerror or error})") from None
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path}: expected an .npz of plain arrays or a .json ({error})") from None
