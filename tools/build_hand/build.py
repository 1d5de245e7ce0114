"""From MakeHuman's body to the arrays of the open hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import roma
import torch

from ownhand.hand.anatomy import anatomical_axes
from ownhand.synth.poses import sample_poses
from tools.build_hand import asset
from tools.build_hand.cut import cut_hand
from tools.build_hand.regressor import fit_joint_regressor
from tools.build_hand.rig import rig
from tools.build_hand.shapes import GENERATORS, displacement_fields, vertex_normals
from tools.build_hand.source import read_body

POSES = 4000


def build(source: Path) -> dict[str, np.ndarray]:
    """All arrays of the shipped file."""
    cut = cut_hand(read_body(source))
    rigged = rig(cut)
    joints, tips = torch.from_numpy(rigged.joints), torch.from_numpy(rigged.tips)
    axes = anatomical_axes(joints, tips).numpy()
    fields, joint_fields = displacement_fields(rigged, vertex_normals(rigged.verts, cut.faces), axes)
    n = cut.hand_verts
    T = rigged.verts[:n].ravel()
    flat = fields[:, :n].reshape(len(fields), -1)
    size_part = flat @ T / (T @ T)
    fields = fields - size_part[:, None, None] * rigged.verts
    joint_fields = joint_fields - size_part[:, None, None] * rigged.joints
    sd = np.array(list(GENERATORS.values()))
    weighted = sd[:, None] * fields[:, :n].reshape(len(fields), -1)
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    mix = (vectors[:, ::-1][:, :9].T * sd) * 1.0
    mix *= np.sign(mix.sum(1, keepdims=True))
    proportions = np.einsum("pg,gvc->vcp", mix, fields)
    size_sd = 0.065
    rng = np.random.default_rng(0)
    beta = rng.normal(size=(150, 10))
    verts = rigged.verts * (1 + size_sd * beta[:, :1, None]) + np.einsum("vcp,np->nvc", proportions, beta[:, 1:])
    joint_basis = np.einsum("pg,gvc->vcp", mix, joint_fields)
    people_joints = rigged.joints * (1 + size_sd * beta[:, :1, None]) + np.einsum(
        "vcp,np->nvc", joint_basis, beta[:, 1:]
    )
    regressor = fit_joint_regressor(verts, people_joints, rigged.verts, n)
    error = np.linalg.norm(np.einsum("jv,nvc->njc", regressor, verts) - people_joints, axis=-1) * 1000
    print(f"joint regressor: mean {error.mean():.2f} mm, max {error.max():.2f} mm, {(regressor > 0).sum()} entries")
    R = sample_poses(POSES, 0, torch.from_numpy(axes).float())
    rotvec = roma.rotmat_to_rotvec(R).flatten(1).double().numpy()
    mean = rotvec.mean(0)
    _, s, components = np.linalg.svd(rotvec - mean, full_matrices=False)
    pose_basis = np.zeros((n, 3, 135))
    return {
        "template": rigged.verts.astype(np.float32),
        "size_sd": np.float32(size_sd),
        "proportions": proportions.astype(np.float32),
        "faces": cut.faces.astype(np.uint16),
        "uv": cut.uv.astype(np.float32),
        "uv_faces": cut.uv_faces.astype(np.uint16),
        "nail": cut.nail.astype(np.float16),
        "tips": rigged.tip_verts.astype(np.int32),
        "axes": axes.astype(np.float32),
        "pose_mean": mean.astype(np.float32),
        "pose_components": components.astype(np.float32),
        "hand_verts": np.int32(n),
        "hand_faces": np.int32(cut.hand_faces),
        "hand_uvs": np.int32(cut.hand_uvs),
        "notice": np.array(asset.NOTICE),
        **asset.sparse_weights(rigged.weights),
        **asset.sparse_regressor(regressor),
        **asset.sparse_correctives(pose_basis, 4),
    }
