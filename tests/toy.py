"""A small hand with random but plausible data: every function must work on any hand model."""

from __future__ import annotations

import torch
from scipy.spatial import ConvexHull

from ownhand.hand.model import HandModel, HandPose
from ownhand.hand.skeleton import PARENTS_16

_BASES = {1: (0.02, 0.03), 4: (0.09, 0.025), 7: (0.092, 0.003), 10: (0.085, -0.016), 13: (0.078, -0.034)}
_BONES = {1: (0.045, 0.03, 0.025), 4: (0.04, 0.023, 0.02), 7: (0.044, 0.026, 0.021), 10: (0.041, 0.025, 0.021), 13: (0.032, 0.018, 0.02)}  # fmt: skip # noqa: E501


def toy_skeleton() -> tuple[torch.Tensor, torch.Tensor]:
    """Rest joints [16 3] and fingertips [5 3] of a flat right hand: x distal, y radial, z dorsal [m]."""
    joints, tips = torch.zeros(16, 3), torch.zeros(5, 3)
    for finger, (base, (x, y)) in enumerate(_BASES.items()):
        direction = torch.tensor([0.8, 0.6, 0.0]) if finger == 0 else torch.tensor([1.0, 0.0, 0.0])
        joints[base] = torch.tensor([x, y, 0.0])
        joints[base + 1] = joints[base] + _BONES[base][0] * direction
        joints[base + 2] = joints[base + 1] + _BONES[base][1] * direction
        tips[finger] = joints[base + 2] + _BONES[base][2] * direction
    return joints, tips


def _sphere(directions: torch.Tensor) -> torch.Tensor:
    """Triangles that close a sphere around these directions, counter-clockwise from outside."""
    points = torch.nn.functional.normalize(directions, dim=-1)
    faces = torch.from_numpy(ConvexHull(points.numpy()).simplices).long()
    a, b, c = points[faces].unbind(1)
    inwards = (torch.linalg.cross(b - a, c - a) * a).sum(-1) < 0
    return torch.where(inwards[:, None], faces.flip(-1), faces)


def toy_hand(
    verts_per_joint: int = 4, shapes: int = 10, seed: int = 0, dtype: torch.dtype = torch.float32
) -> HandModel:
    """Each joint is the mean of its own little cloud of vertices; the fingertips are vertices; beta_0 is size."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    joints, tips = (x.double() for x in toy_skeleton())
    clouds = noise(16, verts_per_joint, 3) * 0.008
    clouds = clouds - clouds.mean(1, keepdim=True)
    template = torch.cat([(joints[:, None] + clouds).flatten(0, 1), tips])
    n = len(template)
    regressor = torch.zeros(16, n, dtype=torch.float64)
    weights = torch.zeros(n, 16, dtype=torch.float64)
    for joint in range(16):
        own = slice(joint * verts_per_joint, (joint + 1) * verts_per_joint)
        regressor[joint, own] = 1 / verts_per_joint
        weights[own, joint] = 0.7
        weights[own, PARENTS_16[joint] if joint else 0] += 0.3
    for finger in range(5):
        weights[16 * verts_per_joint + finger, 3 + 3 * finger] = 1
    basis = noise(n, 3, shapes) * 0.001
    basis[..., 0] = 0.06 * template
    faces = _sphere(noise(n, 3))
    components = torch.linalg.qr(noise(45, 45))[0] * 0.3
    return HandModel(
        id="toy",
        template=template,
        shape_basis=basis,
        pose_basis=noise(n, 3, 135) * 1e-4,
        joint_regressor=regressor,
        skin_weights=weights,
        faces=faces,
        pose_mean=noise(45) * 0.1,
        pose_components=components,
        tips=tuple(range(16 * verts_per_joint, n)),  # pyright: ignore
    ).to(dtype)


def random_pose(*batch: int, seed: int = 0, bend: float = 0.4, dtype: torch.dtype = torch.float32) -> HandPose:
    """Any orientation, bent joints, half a metre from the camera."""
    import roma

    generator = torch.Generator().manual_seed(seed)
    rotvec = torch.randn(*batch, 15, 3, generator=generator, dtype=dtype) * bend
    quat = torch.nn.functional.normalize(torch.randn(*batch, 4, generator=generator, dtype=dtype), dim=-1)
    t = torch.randn(*batch, 3, generator=generator, dtype=dtype) * 0.05 + torch.tensor([0.0, 0.0, 0.5], dtype=dtype)
    return HandPose(
        R_cam_root=roma.unitquat_to_rotmat(quat), R_parent_joint=roma.rotvec_to_rotmat(rotvec), t_cam_root=t
    )
