"""From MakeHuman's body to the arrays of the open hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import roma
import torch

from ownhand.hand.anatomy import anatomical_axes
from ownhand.synth.poses import sample_poses
from tools.build_hand import asset
from tools.build_hand.correctives import JOINTS_PER_VERTEX, fit_correctives
from tools.build_hand.cut import cut_hand
from tools.build_hand.people import fit_people
from tools.build_hand.regressor import fit_joint_regressor
from tools.build_hand.rig import rig
from tools.build_hand.shapes import Fields, shape_fields, vertex_normals
from tools.build_hand.source import read_body

POSES = 4000
CORRECTIVE_POSES = 1200


def build(source: Path) -> dict[str, np.ndarray]:
    """All arrays of the shipped file."""
    cut = cut_hand(read_body(source))
    rigged = rig(cut)
    joints, tips = torch.from_numpy(rigged.joints), torch.from_numpy(rigged.tips)
    n = cut.hand_verts
    axes = anatomical_axes(joints, tips).numpy()
    normals = vertex_normals(rigged.verts, cut.faces)
    fields = shape_fields(rigged, normals, axes, n)
    people = fit_people(fields, rigged, cut)
    template = Fields(rigged.verts[None], rigged.joints[None])
    regressor = fit_joint_regressor(template, people.basis, n)
    error = np.square(np.tensordot(people.basis.verts, regressor, ((1,), (1,))).swapaxes(1, 2) - people.basis.joints)
    print(np.sqrt(error.sum((0, 2))).round(5) * 1000, (regressor > 0).sum(1))
    print(
        "DBG",
        np.sqrt(error.sum(2))[:, 1].round(5) * 1000,
        np.abs(regressor @ rigged.verts - rigged.joints).max(1).round(5) * 1000,
    )
    R = sample_poses(POSES, 0, torch.from_numpy(axes).float()).double()
    mean, components = _principal_poses(R)
    pose_basis = fit_correctives(rigged, cut.faces, R[:CORRECTIVE_POSES].numpy())
    return {
        "template": rigged.verts.astype(np.float32),
        "size_sd": np.float32((people.basis.verts[0] * rigged.verts).sum() / (rigged.verts**2).sum()),
        "proportions": np.moveaxis(people.basis.verts[1:], 0, -1).astype(np.float32),
        "people_mean": people.mean.astype(np.float32),
        "people_covariance": people.covariance.astype(np.float32),
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
        **asset.sparse_correctives(pose_basis[:n], JOINTS_PER_VERTEX),
    }


def _principal_poses(R: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean [45] and principal directions [45 45] of poses [poses 15 3 3] as axis-angle."""
    rotvec = roma.rotmat_to_rotvec(R).flatten(1).numpy()
    components = np.linalg.svd(rotvec - rotvec.mean(0), full_matrices=False)[2]
    return rotvec.mean(0), components * np.sign(components.sum(1, keepdims=True))
