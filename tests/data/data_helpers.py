"""Labelled pictures of the small hand: noise to look at, but every label is true."""

from __future__ import annotations

import torch
from toy import random_pose, toy_hand

from ownhand.data.sample import HandSample
from ownhand.geometry.camera import Camera


def make_sample(index: int, size: tuple[int, int] = (24, 32), people: int = 3) -> HandSample:
    generator = torch.Generator().manual_seed(index)
    camera = Camera.from_fov(50.0, size)
    shape = torch.randn(10, generator=generator)
    pose = random_pose(seed=index)
    joints = toy_hand().shaped(shape).posed(pose).joints
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    return HandSample(
        image=torch.nn.functional.interpolate(coarse, size, mode="bicubic")[0].clamp(0, 1),
        camera=camera,
        keypoints=camera.project(joints),
        visible=torch.rand(21, generator=generator) > 0.2,
        joints=joints,
        pose=pose,
        shape=shape,
        subject=torch.tensor(index % people),
        is_right=torch.tensor(index % 2 == 0),
        labels=torch.randint(0, 34, size, generator=generator, dtype=torch.uint8),
        depth=torch.randint(0, 900, size, generator=generator).float(),
    )
