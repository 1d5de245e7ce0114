"""MANO files (Romero et al. 2017): `MANO_RIGHT.pkl` and `MANO_LEFT.pkl` become a `HandModel`, their poses a `HandPose`.

Everything in which MANO differs from ownhand ends here: joint order (index, middle, little, ring, thumb), left hands,
axis-angle and PCA poses, and the translation of the mesh instead of the wrist.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.anatomy import anatomical_axes
from ownhand.hand.model import HandModel, HandPose
from ownhand.hand.safe_pickle import RefusedFile, restricted_load
from ownhand.hand.skeleton import MANO_FROM_OWN, OWN_FROM_MANO

DEXYCB_TIPS = (745, 317, 444, 556, 673)
"""Fingertip vertices of right hands in DexYCB and in Kong et al. 2022, thumb to little."""
DEXYCB_LEFT_TIPS = (745, 317, 445, 556, 673)
HUMBI_TIPS = (744, 320, 443, 555, 672)
SMPLX_TIPS = (744, 320, 443, 554, 671)

_SHAPES = 10
_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # in MANO's order
_KEYS = {
    "v_template": (778, 3),
    "shapedirs": (778, 3, None),
    "posedirs": (778, 3, 135),
    "J_regressor": (16, 778),
    "weights": (778, 16),
    "kintree_table": (2, 16),
    "f": (None, 3),
    "hands_mean": (45,),
    "hands_components": (45, 45),
}
_OWN_BLOCKS = [joint - 1 for joint in OWN_FROM_MANO[1:]]
_MANO_BLOCKS = [joint - 1 for joint in MANO_FROM_OWN[1:]]


def load_mano(
    path: Path | str,
    *,
    is_right: bool | None = None,
    tips: tuple[int, int, int, int, int] | None = None,
) -> HandModel:
    """Read a MANO file without chumpy and without running anything in it.

    Every model inside ownhand is a right hand, so a left file comes back mirrored, with "left" in its id. MANO v1.2's
    left file has a mistake: its mesh mirrors the right hand's, but the x components of its shape basis do not, so
    hands that should grow become shorter and wider. It is found and corrected. Where the right hand's file lies
    beside it, the two bases are compared. Otherwise the sign is wrong if growth along x opposes growth along y and z,
    summed over the coefficients: in the first, size, by far the largest, all three go together.

    Args:
        path: The file as distributed.
        is_right: Which hand it is; None: left if "left" is in the file's name.
        tips: Fingertip vertices, thumb to little; None: DexYCB's for that side.

    Returns:
        The model in float32 with ten shape coefficients, without uv.

    Raises:
        RefusedFile: A ValueError: no such file, not a complete pickle, a pickle that asks for anything but arrays,
            or arrays that are missing or of the wrong shape.
    """
    path = Path(path)
    if is_right is None:
        is_right = "left" not in path.stem.lower()
    arrays = _read_arrays(path)
    if not is_right and _has_wrong_sign(arrays, path):
        arrays["shapedirs"] = arrays["shapedirs"] * np.array([-1, 1, 1])[:, None]
    model = _model(arrays, tips or (DEXYCB_TIPS if is_right else DEXYCB_LEFT_TIPS))
    model = model if is_right else model.mirrored()
    mean_hand = model.shaped(torch.zeros(_SHAPES))
    digest = hashlib.sha256(b"".join(arrays[name].astype("<f4").tobytes() for name in sorted(arrays))).hexdigest()[:12]
    return replace(
        model,
        id=f"mano-{'right' if is_right else 'left'}-{digest}",
        axes=anatomical_axes(mean_hand.joints_16, mean_hand.verts[list(model.tips)]),
    )


class ManoPose(NamedTuple):
    """A pose as MANO's users write it, in MANO's joint order.

    Attributes:
        global_orient: Axis-angle of the hand about its root joint [rad].
        hand_pose: Axis-angles of the 15 joints [rad], or PCA coefficients.
        transl: Translation of the mesh [m].
    """

    global_orient: Float[Tensor, "*batch 3"]
    hand_pose: Float[Tensor, "*batch n"]
    transl: Float[Tensor, "*batch 3"]


def pose_from_mano(
    model: HandModel,
    global_orient: Float[Tensor, "*batch 3"],
    hand_pose: Float[Tensor, "*batch n"],
    transl: Float[Tensor, "*batch 3"],
    shape: Float[Tensor, "*batch shapes"],
    *,
    flat_hand_mean: bool,
    use_pca: int | None = None,
    is_right: bool = True,
) -> HandPose:
    """Convert MANO pose vectors.

    MANO turns the hand about its root joint and then shifts the mesh: `t_cam_root = J_0(shape) + transl`.

    Args:
        model: From `load_mano`.
        global_orient: Axis-angle [rad].
        hand_pose: 45 axis-angle entries in MANO's joint order [rad], or PCA coefficients.
        transl: Translation of the mesh [m].
        shape: Shape coefficients; they decide where the wrist is.
        flat_hand_mean: Whether zero means the flat rest hand (True) or the mean pose (False).
        use_pca: Number of PCA coefficients in `hand_pose`; None: axis-angle.
        is_right: False for poses of a left hand; the result is the right hand in the mirrored picture.

    Raises:
        ValueError: `hand_pose` does not have the announced length.
    """
    length = 45 if use_pca is None else use_pca
    if hand_pose.shape[-1] != length:
        raise ValueError(f"expected {length} entries in hand_pose (use_pca={use_pca}), got {hand_pose.shape[-1]}")
    if use_pca is None:
        offset = hand_pose.unflatten(-1, (15, 3))[..., _OWN_BLOCKS, :] * _rotvec_sign(model, is_right)
    else:
        offset = (hand_pose @ model.pose_components[:use_pca]).unflatten(-1, (15, 3))
    mean = 0 if flat_hand_mean else model.pose_mean.unflatten(-1, (15, 3))
    return HandPose(
        R_cam_root=roma.rotvec_to_rotmat(global_orient * _rotvec_sign(model, is_right)),
        R_parent_joint=roma.rotvec_to_rotmat(mean + offset),
        t_cam_root=_rest_wrist(model, shape) + transl * _side_sign(model, is_right),
    )


def pose_to_mano(
    model: HandModel,
    pose: HandPose,
    shape: Float[Tensor, "*batch shapes"],
    *,
    flat_hand_mean: bool,
    use_pca: int | None = None,
    is_right: bool = True,
) -> ManoPose:
    """The inverse of `pose_from_mano`; with fewer than 45 PCA coefficients, the nearest pose that they can say."""
    rotvec = roma.rotmat_to_rotvec(pose.R_parent_joint)
    offset = rotvec if flat_hand_mean else rotvec - model.pose_mean.unflatten(-1, (15, 3))
    if use_pca is None:
        hand_pose = (offset * _rotvec_sign(model, is_right))[..., _MANO_BLOCKS, :].flatten(-2)
    else:
        hand_pose = offset.flatten(-2) @ torch.linalg.pinv(model.pose_components[:use_pca])
    return ManoPose(
        global_orient=roma.rotmat_to_rotvec(pose.R_cam_root) * _rotvec_sign(model, is_right),
        hand_pose=hand_pose,
        transl=(pose.t_cam_root - _rest_wrist(model, shape)) * _side_sign(model, is_right),
    )


def _side_sign(model: HandModel, is_right: bool) -> Float[Tensor, "3"]:
    """Takes points between a left hand's space and the mirrored picture."""
    return model.template.new_tensor([1.0 if is_right else -1.0, 1.0, 1.0])


def _rotvec_sign(model: HandModel, is_right: bool) -> Float[Tensor, "3"]:
    """Takes axis-angle vectors there: they are pseudovectors."""
    return _side_sign(model, is_right) * (1.0 if is_right else -1.0)


def _rest_wrist(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch 3"]:
    return model.shaped(shape).joints_16[..., 0, :]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The file's arrays in MANO's own order, checked."""
    data = restricted_load(path)
    missing = [key for key in _KEYS if not isinstance(data, dict) or key not in data]
    if missing:
        raise RefusedFile(f"{path} is not a MANO file: it has no {', '.join(missing)}")
    arrays = {}
    for key, expected in _KEYS.items():
        array = arrays[key] = np.asarray(data[key])
        if array.dtype.kind not in "biuf":
            raise RefusedFile(f"{path}: expected numbers in {key}, got {type(data[key]).__name__}")
        if array.ndim != len(expected) or any(n not in (None, m) for n, m in zip(expected, array.shape, strict=True)):
            wanted = " x ".join("any" if n is None else str(n) for n in expected)
            raise RefusedFile(f"{path}: expected {key} of shape {wanted}, got {' x '.join(map(str, array.shape))}")
        if not np.isfinite(array).all():
            raise RefusedFile(f"{path}: {key} has entries that are not finite")
    if arrays["shapedirs"].shape[-1] < _SHAPES:
        raise RefusedFile(f"{path}: expected at least {_SHAPES} shapes, got {arrays['shapedirs'].shape[-1]}")
    arrays["shapedirs"] = arrays["shapedirs"][..., :_SHAPES]
    parents = tuple(arrays["kintree_table"].astype(np.int64)[0, 1:].tolist())
    if parents != _PARENTS[1:]:
        raise RefusedFile(f"{path}: expected MANO's joint tree {_PARENTS[1:]}, got {parents}")
    low, high = arrays["f"].min(), arrays["f"].max()
    if low < 0 or high >= 778:
        raise RefusedFile(f"{path}: expected faces of vertices 0 to 777, got {low} to {high}")
    return arrays


def _has_wrong_sign(left: dict[str, np.ndarray], path: Path) -> bool:
    """Whether the x components of a left file's shape basis are the right hand's."""
    basis = left["shapedirs"]
    sibling = path.with_name(path.name.replace("LEFT", "RIGHT").replace("left", "right"))
    if sibling != path and sibling.is_file():
        x_right = _read_arrays(sibling)["shapedirs"][:, 0]
        return bool(np.linalg.norm(basis[:, 0] - x_right) < np.linalg.norm(basis[:, 0] + x_right))
    centred = left["v_template"] - left["v_template"].mean(0)
    growth = np.einsum("vc,vcs->cs", centred, basis)
    return bool((growth[0] * (growth[1] + growth[2])).sum() < 0)


def _model(arrays: dict[str, np.ndarray], tips: tuple[int, int, int, int, int]) -> HandModel:
    def tensor(array: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))

    order = list(OWN_FROM_MANO)
    return HandModel(
        id="mano",
        template=tensor(arrays["v_template"]),
        shape_basis=tensor(arrays["shapedirs"]),
        pose_basis=tensor(arrays["posedirs"].reshape(778, 3, 15, 9)[:, :, _OWN_BLOCKS].reshape(778, 3, 135)),
        joint_regressor=tensor(arrays["J_regressor"][order]),
        skin_weights=tensor(arrays["weights"][:, order]),
        faces=torch.from_numpy(arrays["f"].astype(np.int64)),
        pose_mean=tensor(arrays["hands_mean"].reshape(15, 3)[_OWN_BLOCKS].reshape(45)),
        pose_components=tensor(arrays["hands_components"].reshape(45, 15, 3)[:, _OWN_BLOCKS].reshape(45, 45)),
        tips=tips,
    )
