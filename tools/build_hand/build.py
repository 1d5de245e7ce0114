"""From MakeHuman's body to the arrays of the open hand."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import roma
import torch

from ownhand.hand.anatomy import anatomical_axes
from ownhand.hand.builtin import model_from
from ownhand.synth.poses.mixture import sample_poses
from tools.build_hand import asset
from tools.build_hand.correctives import JOINTS_PER_VERTEX, explained, fit_correctives
from tools.build_hand.cut import cut_hand
from tools.build_hand.people import fit_people
from tools.build_hand.regressor import fit_joint_regressor
from tools.build_hand.rig import rig
from tools.build_hand.shapes import Fields, shape_fields, vertex_normals
from tools.build_hand.source import read_body
from tools.build_hand.unfold import unfolded

POSES = 4000
CORRECTIVE_POSES, UNSEEN_POSES = 1200, 100

log = logging.getLogger(__name__)


def build(source: Path, before: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All arrays of the shipped file; `before` are those of the file that shipped last, or none."""
    cut = cut_hand(read_body(source))
    rigged = rig(cut)
    n = cut.hand_verts
    axes = anatomical_axes(torch.from_numpy(rigged.joints), torch.from_numpy(rigged.tips)).numpy()
    normals = vertex_normals(rigged.verts, cut.faces)
    fields = shape_fields(rigged, normals, axes, n)
    people = fit_people(fields, rigged, cut)
    template = Fields(rigged.verts[None], rigged.joints[None])
    regressor = fit_joint_regressor(template, people.basis, n)
    residual = _joint_residual(regressor, people.basis)
    log.info(
        "joint regressor: %.2f mm rms over people at worst, %d entries", 1000 * residual.max(), (regressor > 0).sum()
    )

    R = sample_poses(POSES, 0, torch.from_numpy(axes).float()).double()
    pose_mean, pose_components = _principal_poses(R)
    pose_basis = fit_correctives(rigged, cut.faces, R[:CORRECTIVE_POSES].numpy())
    arrays = {
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
        "pose_mean": pose_mean.astype(np.float32),
        "pose_components": pose_components.astype(np.float32),
        "hand_verts": np.int32(n),
        "hand_faces": np.int32(cut.hand_faces),
        "hand_uvs": np.int32(cut.hand_uvs),
        "notice": np.array(asset.NOTICE),
        **asset.sparse_weights(rigged.weights),
        **asset.sparse_regressor(regressor),
        **asset.sparse_correctives(pose_basis[:n], JOINTS_PER_VERTEX),
    }
    arrays = asset.settled(arrays, before)
    pose_basis[:n] = unfolded(model_from(arrays), arrays["people_mean"], arrays["people_covariance"], JOINTS_PER_VERTEX)
    unseen = sample_poses(UNSEEN_POSES, 1, torch.from_numpy(axes).float()).double().numpy()
    share, length = explained(rigged, cut.faces, pose_basis, unseen)
    log.info(
        "pose correctives: %.1f %% explained on unseen poses; %.2f mm mean, %.1f mm at most",
        100 * share, 1000 * length.mean(), 1000 * length.max(),
    )  # fmt: skip
    return arrays | asset.sparse_correctives(pose_basis[:n], JOINTS_PER_VERTEX)


def _joint_residual(regressor: np.ndarray, basis: Fields) -> np.ndarray:
    """Root mean square error [16] m over people whose coefficients are independent with unit variance."""
    regressed = np.einsum("jv,kvc->kjc", regressor, basis.verts)
    return np.sqrt(((regressed - basis.joints) ** 2).sum((0, 2)))


def _principal_poses(R: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean [45] and principal directions [45 45] of poses [poses 15 3 3] as axis-angle."""
    rotvec = roma.rotmat_to_rotvec(R).flatten(1).numpy()
    components = np.linalg.svd(rotvec - rotvec.mean(0), full_matrices=False)[2]
    return rotvec.mean(0), components * np.sign(components.sum(1, keepdims=True))
