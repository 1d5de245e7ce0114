"""Inference-time fitting: ours against the paper's released schedule, on the same synthetic input.

The schedule (Kong et al. 2022, released code): 200 Adam steps on the translation alone (rate 1e-2, first depth 0.85 m
on the ray through the 2D wrist), then 100 on translation and 6D pose (rate 1e-3); the loss is the mean squared
reprojection error in pixels of the full picture, shape fixed. Like the original it poses the mesh in every step;
"lean" spares it that, and computes the joints once while only the translation moves.

Input: people and poses of the open hand, 0.3 to 1 m before a camera of 640 x 480 pixels with f = 600; the network's
pose is the truth turned by a correlated Gaussian (a common curl, a curl per finger, each joint, the whole hand),
keypoints are the truth with Gaussian noise in crop pixels. The prior is fitted on other people with the same errors.

    python benchmarks/fit.py [--noise 3] [--crop 224] [--seeds 5]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import roma
import torch
import tyro
from torch import Tensor

from ownhand.fit import fit, place
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST, joint_limits
from ownhand.hand.builtin import open_hand
from ownhand.hand.joint_chain import JointChain
from ownhand.hand.limits import JointLimits
from ownhand.hand.model import HandModel, HandPose, ShapedHand
from ownhand.hand.pose_prior import PosePrior, stacked_rotations
from ownhand.synth.poses.mixture import sample_poses

CAMERA = Camera(K=torch.tensor([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), size=(480, 640))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A batch of pictures: what the networks say, and the truth."""

    hand: ShapedHand
    truth: HandPose
    network: HandPose
    joints: Tensor
    keypoints: Tensor
    crop: Crop


def network_errors(n: int, axes: Tensor, generator: torch.Generator) -> Tensor:
    """Turns [n 16 3 3] from the network's pose to the truth, about 10 to 15 degrees each, correlated."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    angles = torch.zeros(n, 15, 3)
    finger = (6 * normal(n, 1, 1) + 6 * normal(n, 5, 1)).expand(n, 5, 3).flatten(1)
    angles[..., FLEXION] = finger + 8 * normal(n, 15)
    angles[..., ABDUCTION] = 4 * normal(n, 15)
    angles[..., TWIST] = 4 * normal(n, 15)
    fingers = (axes @ angles.deg2rad()[..., None])[..., 0]
    root = 7 * normal(n, 1, 3).deg2rad()
    return roma.rotvec_to_rotmat(torch.cat([root, fingers], 1))


def make_case(model: HandModel, n: int, seed: int, noise: float, crop_size: int) -> Case:
    generator = torch.Generator().manual_seed(seed)
    assert model.axes is not None
    hand = model.shaped(torch.randn(n, 10, generator=generator))
    depth = 0.3 + 0.7 * torch.rand(n, generator=generator)
    spread = (torch.rand(n, 2, generator=generator) - 0.5) * torch.tensor([0.5, 0.35]) * depth[:, None]
    quat = torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=-1)
    truth = HandPose(
        R_cam_root=roma.unitquat_to_rotmat(quat),
        R_parent_joint=sample_poses(n, seed, model.axes),
        t_cam_root=torch.cat([spread, depth[:, None]], -1),
    )
    joints = hand.posed(truth).joints
    exact = CAMERA.project(joints)
    crop = Crop.around_keypoints(exact, crop_size)
    pixel = 1 / crop.T_crop_image[:, 0, 0]
    keypoints = exact + noise * pixel[:, None, None] * torch.randn(exact.shape, generator=generator)
    turned = stacked_rotations(truth) @ network_errors(n, model.axes, generator).mT
    start = JointChain.of(hand).joints(turned)
    t = place(start, keypoints, torch.ones(n, 21), CAMERA)
    network = HandPose(R_cam_root=turned[:, 0], R_parent_joint=turned[:, 1:], t_cam_root=t)
    return Case(hand=hand, truth=truth, network=network, joints=joints, keypoints=keypoints, crop=crop)


def schedule(case: Case, *, lean: bool) -> Tensor:
    """The released schedule: fitted joints, camera frame [n 21 3] m.

    Args:
        case: Input.
        lean: Without the mesh, and with the joints computed once while only the translation moves.
    """
    chain = JointChain.of(case.hand)
    six = stacked_rotations(case.network)[..., :2].clone().requires_grad_()
    t = (0.85 * CAMERA.rays(case.keypoints[:, :1])[:, 0]).requires_grad_()

    def joints() -> Tensor:
        R = roma.special_gramschmidt(six)
        if lean:
            return chain.joints(R) + t[:, None]
        return case.hand.posed(HandPose(R_cam_root=R[:, 0], R_parent_joint=R[:, 1:], t_cam_root=t)).joints

    for unknowns, rate, steps in (([t], 1e-2, 200), ([t, six], 1e-3, 100)):
        adam = torch.optim.Adam(unknowns, lr=rate)
        six.requires_grad_(len(unknowns) == 2)
        still = (joints() - t[:, None]).detach() if lean and len(unknowns) == 1 else None
        for _ in range(steps):
            adam.zero_grad()
            moved = joints() if still is None else still + t[:, None]
            (CAMERA.project(moved) - case.keypoints).square().mean().backward()
            adam.step()
    return joints().detach()


def ours(case: Case, prior: PosePrior, limits: JointLimits | None = None) -> Tensor:
    in_crop = case.crop.keypoints(case.keypoints)
    confidence = torch.ones(in_crop.shape[:-1])
    return fit(case.hand, case.network, in_crop, confidence, case.crop.camera(CAMERA), prior, limits=limits).joints


def errors(case: Case, joints: Tensor) -> tuple[float, float, float]:
    """Mean joint error relative to the wrist and in the camera frame [mm], reprojection error [px]."""
    difference = joints - case.joints
    relative = (difference - difference[:, :1]).norm(dim=-1).mean().item()
    pixels = (CAMERA.project(joints) - case.keypoints).norm(dim=-1).mean().item()
    return 1e3 * relative, 1e3 * difference.norm(dim=-1).mean().item(), pixels


def milliseconds(methods: dict[str, Callable[[Case], Tensor]], case: Case, rounds: int) -> dict[str, list[float]]:
    """CPU time of each method, in turns: on one thread, other work on the machine does not count."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            start = time.process_time()
            method(case)
            times[name].append(1e3 * (time.process_time() - start))
    return times


def main(noise: float = 3.0, crop: int = 224, seeds: int = 5, people: int = 64, rounds: int = 5) -> None:
    """Compare.

    Args:
        noise: Standard deviation of keypoints [px of the crop].
        crop: Side of the crop [px].
        seeds: Batches of pictures.
        people: Pictures in a batch, each of another person.
        rounds: Timings of each method, of which the median counts.
    """
    torch.set_num_threads(1)
    model = open_hand()
    validation = make_case(model, 2000, 10**6, noise, crop)
    prior = PosePrior.fit(validation.network, validation.truth)
    prior = PosePrior(covariance=prior.covariance, keypoint_sigma=noise)
    limits = JointLimits.of(joint_limits(), model.axes)
    methods = {
        "network, placed": lambda c: c.hand.posed(c.network).joints,
        "schedule": lambda c: schedule(c, lean=False),
        "schedule, lean": lambda c: schedule(c, lean=True),
        "ours": lambda c: ours(c, prior),
        "ours, joint limits": lambda c: ours(c, prior, limits),
    }
    print(f"keypoint noise {noise} px of a {crop} px crop, {seeds} x {people} pictures, one thread, float32\n")
    cases = [make_case(model, people, seed, noise, crop) for seed in range(seeds)]
    times = [milliseconds(methods, case, rounds) for case in (make_case(model, 1, 77, noise, crop), cases[0])]
    level = statistics.mean((CAMERA.project(c.joints) - c.keypoints).norm(dim=-1).mean().item() for c in cases)
    print(f"{'':38}{'joints, mm':>12}{'camera, mm':>12}{'reproj., px':>12}{'ms, batch 1':>13}{f'ms, {people}':>9}")
    print(f"{'truth':38}{0:12.2f}{0:12.2f}{level:12.2f}")
    rows = {}
    for name, method in methods.items():
        found = [errors(case, method(case)) for case in cases]
        rows[name] = [statistics.mean(column) for column in zip(*found, strict=True)]
        print(table_row(name, rows[name], [statistics.median(t[name]) for t in times]))
    print()
    for peer in ("schedule", "schedule, lean"):
        for mine in ("ours", "ours, joint limits"):
            better = [theirs / own for theirs, own in zip(rows[peer], rows[mine], strict=True)]
            faster = [statistics.median(x / y for x, y in zip(t[peer], t[mine], strict=True)) for t in times]
            print(table_row(f"{peer} / {mine}", better, faster))


def table_row(name: str, three: list[float], two: list[float]) -> str:
    return f"{name:38}"[:38] + "".join(f"{x:12.2f}" for x in three) + f"{two[0]:13.1f}{two[1]:9.1f}"


if __name__ == "__main__":
    tyro.cli(main)
