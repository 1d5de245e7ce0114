"""Hands that several cameras in known places see at once."""

from __future__ import annotations

from dataclasses import replace

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.fit.residuals import Problem
from ownhand.geometry.camera import Placement


def hands_seen_at_once(
    problem: Problem, t: Float[Tensor, "pictures 3"], placement: Placement
) -> tuple[Problem, Float[Tensor, "hands 3"], Int[Tensor, "pictures"]]:
    """One fit for each hand that cameras see at one instant, instead of one for each picture.

    The first pose is the mean of the pictures' (of rotations the projected arithmetic mean, Moakher 2002), where the
    rays through the keypoints meet it best. Where a hand is seen by one camera only, nothing changes but that its
    distance from that camera is no longer kept.

    Args:
        problem: Of single pictures, all with one shape.
        t: Where their translations start [m].
        placement: Where their cameras stood, and when.

    Returns:
        The fits, each in the frame of that of its cameras that sees most; where their translations start [m]; and which
        fit each picture belongs to.
    """
    _, group = placement.instant.unique(return_inverse=True)
    weight = problem.precision[:, 0].square().sum(-1)
    members = _members(group, weight)
    picture = torch.where(members >= 0, members, members[:, :1])
    R, t_cam = placement.R_cam_world[picture].to(problem.K), placement.t_cam_world[picture].to(problem.K)
    R_cam_first = R @ R[:, :1].mT
    t_cam_first = t_cam - (R_cam_first @ t_cam[:, :1, :, None])[..., 0]

    # A picture counts as much as its keypoints do, and a little if it has none.
    share = torch.where(members >= 0, weight[picture] + 1e-9, 0)[..., None, None, None]
    R_start = problem.R_start[picture]
    R_start = torch.cat([R_cam_first.mT[:, :, None] @ R_start[:, :, :1], R_start[:, :, 1:]], 2)
    first = picture[:, 0]
    together = replace(
        problem,
        chain=problem.chain[first],
        R_start=roma.special_procrustes((share * R_start).sum(1)),
        K=problem.K[picture, 0],
        central_ray=problem.central_ray[first],
        keypoints=problem.keypoints[picture, 0],
        precision=torch.where(members[..., None] >= 0, problem.precision[picture, 0], 0),
        R_cam_first=R_cam_first,
        t_cam_first=t_cam_first,
        distance=problem.distance[first],
        distance_sigma=None,
    )
    meeting = _where_rays_meet(together)
    several = (together.precision > 0).any(-1).sum(-1) > 1
    start = torch.where((several & together.in_front(meeting))[:, None], meeting, t[first])
    return together, start, group


def _where_rays_meet(problem: Problem) -> Float[Tensor, "hands 3"]:
    """The translation for which the joints are nearest to the rays on which they are seen, in least squares."""
    assert problem.R_cam_first is not None
    assert problem.t_cam_first is not None
    homogeneous = torch.cat([problem.keypoints, torch.ones_like(problem.keypoints[..., :1])], -1)
    ray = torch.linalg.solve(problem.K, homogeneous.mT).mT @ problem.R_cam_first
    ray = torch.nn.functional.normalize(ray, dim=-1)
    centre = -(problem.R_cam_first.mT @ problem.t_cam_first[..., None])[..., 0]
    across = torch.eye(3).to(ray) - ray[..., :, None] * ray[..., None, :]
    across = across * problem.precision.square()[..., None, None]
    wanted = centre[:, :, None] - problem.chain.joints(problem.R_start)[:, None]
    left, right = across.sum((1, 2)), (across @ wanted[..., None]).sum((1, 2))
    return torch.linalg.solve_ex(left, right)[0][..., 0]


def _members(group: Int[Tensor, "pictures"], weight: Float[Tensor, "pictures"]) -> Int[Tensor, "groups most"]:
    """The pictures of each group, the one of most weight first; others without weight are left out, as -1."""
    order = weight.argsort(descending=True, stable=True)
    order = order[group[order].argsort(stable=True)]
    count = group.bincount()
    place = torch.arange(len(group)) - (count.cumsum(0) - count)[group[order]]
    members = torch.full((len(count), int(count.max())), -1)
    members[group[order], place] = torch.where((place > 0) & (weight[order] == 0), -1, order)
    return members
