"""MANO-format files made up for the tests: random plausible data, in the opcodes that Python 2 and chumpy wrote."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation
from toy import toy_skeleton

from ownhand.hand.skeleton import MANO_FROM_OWN

MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)


def mano_arrays(seed: int = 0, *, is_right: bool = True) -> dict[str, np.ndarray]:
    """The arrays of a MANO file, in MANO's joint order: fingers along -x, dorsal y, thumb towards z."""
    rng = np.random.default_rng(seed)
    joints = toy_skeleton()[0].double().numpy()[list(MANO_FROM_OWN)] @ np.array([[-1, 0, 0], [0, 0, 1], [0, 1, 0.0]])
    joint_of = np.resize(np.arange(16), 778)
    template = joints[joint_of] + rng.normal(size=(778, 3)) * 0.008 + [0.09, 0.006, 0.006]
    shapes = rng.normal(size=(778, 3, 20)) * 0.0005
    shapes[..., 0] += 0.06 * (template - template.mean(0))
    up_to_six_others = rng.uniform(size=(778, 16)).argsort(-1) < rng.integers(0, 7, size=(778, 1))
    weights = np.where(np.arange(16) == joint_of[:, None], 8.0, up_to_six_others)
    regressor = np.where((np.arange(16)[:, None] == joint_of) & (rng.uniform(size=778) < 0.3), 1.0, 0.0)
    arrays = {
        "v_template": template,
        "shapedirs": shapes,
        "posedirs": rng.normal(size=(778, 3, 135)) * 2e-4,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, *MANO_PARENTS[1:]], range(16)], dtype=np.uint32),
        "f": rng.integers(0, 778, size=(1538, 3)).astype(np.uint32),
        "hands_mean": rng.normal(size=45) * 0.2,
        "hands_components": np.linalg.qr(rng.normal(size=(45, 45)))[0],
    }
    return arrays if is_right else mirrored_arrays(arrays)


def mirrored_arrays(right: dict[str, np.ndarray], *, shape_bug: bool = False) -> dict[str, np.ndarray]:
    """The left hand's file; with MANO v1.2's mistake if asked for."""
    M = np.array([-1.0, 1.0, 1.0])
    rotvec = np.tile(-M, 15)
    return {
        **right,
        "v_template": right["v_template"] * M,
        "shapedirs": right["shapedirs"] * (1 if shape_bug else M[:, None]),
        "posedirs": right["posedirs"] * M[:, None] * np.tile(np.outer(M, M).ravel(), 15),
        "f": right["f"][:, ::-1],
        "hands_mean": right["hands_mean"] * rotvec,
        "hands_components": right["hands_components"] * rotvec,
    }


def write_mano(path: Path, arrays: dict[str, Any], **changes: Any) -> Path:
    """As distributed: Python 2's pickle, shapedirs as a chumpy selection of 10 from 20, J_regressor as scipy CSC."""
    content = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
    if isinstance(content["shapedirs"], np.ndarray):
        every = content["shapedirs"]
        state = {
            "a": Instance("chumpy.ch", "Ch", {"x": every, "_dirty_vars": Call("__builtin__", "set", [[]])}),
            "idxs": np.arange(every.size).reshape(every.shape)[..., :10].ravel(),
            "preferred_shape": (*every.shape[:2], 10),
        }
        content["shapedirs"] = Instance("chumpy.reordering", "Select", state)
    if "J_regressor" in content:
        csc = sparse.csc_matrix(content["J_regressor"])
        state = {"_shape": csc.shape, "data": csc.data, "indices": csc.indices, "indptr": csc.indptr, "maxprint": 50}
        content["J_regressor"] = Instance("scipy.sparse.csc", "csc_matrix", state)
    content |= {"bs_style": "lbs", "bs_type": "lrotmin"}
    with path.open("wb") as file:
        Python2Pickler(file, protocol=2).dump(content)
    return path


def slow_mano(arrays, shape, global_orient, full_pose, transl) -> np.ndarray:
    """MANO's mesh (Romero et al. 2017, eq. 2-4) in float64 and its own joint order, vertex by vertex."""
    rest, joints, R, frames = _frames(arrays, shape, global_orient, full_pose)
    feature = np.concatenate([(R[j] - np.eye(3)).ravel() for j in range(1, 16)])
    verts = np.zeros_like(rest)
    for v in range(len(rest)):
        p = rest[v] + arrays["posedirs"][v] @ feature
        for j in range(16):
            verts[v] += arrays["weights"][v, j] * (frames[j][:3, :3] @ (p - joints[j]) + frames[j][:3, 3])
    return verts + transl


def slow_joints(arrays, shape, global_orient, full_pose, transl) -> np.ndarray:
    """MANO's 16 joints, in its own order."""
    *_, frames = _frames(arrays, shape, global_orient, full_pose)
    return np.stack([frame[:3, 3] for frame in frames]) + transl


def _frames(arrays, shape, global_orient, full_pose):
    rest = arrays["v_template"] + arrays["shapedirs"][..., :10] @ shape
    joints = arrays["J_regressor"] @ rest
    R = Rotation.from_rotvec(np.concatenate([global_orient, full_pose]).reshape(16, 3)).as_matrix()
    frames: list[np.ndarray] = []
    for j, parent in enumerate(MANO_PARENTS):
        local = np.eye(4)
        local[:3, :3] = R[j]
        local[:3, 3] = joints[j] - (joints[parent] if j else 0)
        frames.append(frames[parent] @ local if j else local)
    return rest, joints, R, frames


@dataclass
class Global:
    module: str
    name: str


@dataclass
class Call:
    module: str
    name: str
    args: Any


@dataclass
class Instance:
    module: str
    name: str
    state: Any


class Python2Pickler(pickle._Pickler):
    """Writes byte strings, arrays and foreign classes as Python 2 and numpy 1 did."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def _save_string(self, text):
        data = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(text)

    def _save_global(self, item):
        self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())

    def _save_call(self, item):
        self._save_global(item)
        self.save(tuple(item.args))
        self.write(pickle.REDUCE)

    def _save_instance(self, item):
        self._save_global(item)
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.save(item.state)
        self.write(pickle.BUILD)

    def _save_array(self, array):
        self.save(Call("numpy.core.multiarray", "_reconstruct", [Global("numpy", "ndarray"), (0,), b"b"]))
        self.memoize(array)
        is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self.save((1, array.shape, array.dtype, is_fortran, array.tobytes("F" if is_fortran else "C")))
        self.write(pickle.BUILD)

    def _save_dtype(self, dtype):
        self.save(Call("numpy", "dtype", [dtype.str[1:], 0, 1]))
        self.save((3, dtype.str[0], None, None, None, -1, -1, 0))
        self.write(pickle.BUILD)

    dispatch |= {
        str: _save_string,
        bytes: _save_string,
        Global: _save_global,
        Call: _save_call,
        Instance: _save_instance,
        np.ndarray: _save_array,
        **dict.fromkeys((type(np.dtype(kind)) for kind in ("f8", "f4", "u4", "i4", "i8")), _save_dtype),
    }
