"""What there is to see: who, in which pose, holding what, before which camera. Nothing is drawn here.

Shot i is a pure function of (VERSION, world, i). It does not depend on the size of the picture, so that labels can be
had, and compared, without any.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.geometry.camera import Camera
from ownhand.render import Mesh
from ownhand.render.queries import blocked
from ownhand.synth import scene, things
from ownhand.synth.forearm import LENGTH
from ownhand.synth.posing import BLOCK, BentHand, bent_hands, person

Array = np.ndarray
Rng = np.random.Generator

VERSION = 4
"""Counts changes to what a (world, index) shows."""

GROUPS = ("people", "poses", "things", "light", "behind", "forearm")
"""What can be made plain, to find out what it is good for."""

LARGEST_SPREAD = 2.0  # further out the linear shape space leaves what a hand can be
HELD, IN_FRONT, DESK = 0.15, 0.1, 0.25  # shares of the pictures
VIEWS = 8  # drawn until one does not show where the forearm ends
SEEN = 8  # joints that things must leave visible

_SHOT = 2  # stream of random numbers


@dataclass(frozen=True, kw_only=True)
class World:
    """People and the pictures that are taken of them. Picture i shows person i // per_person.

    Attributes:
        seed: Of everything. Different seeds have different people.
        singles: Single pictures of each person.
        spread: By how much hands differ more in their proportions than people's do. Beyond 1, shape is easier to learn.
        without: Which of GROUPS are plain instead of rich.
    """

    seed: int
    singles: int = 50
    spread: float = 1.0
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seed < 0 or self.singles < 1:
            raise ValueError(
                f"expected a seed of at least 0 and at least 1 picture per person, got {self.seed} and {self.singles}"
            )
        if not 0 <= self.spread <= LARGEST_SPREAD:
            raise ValueError(f"expected a spread of hand shapes from 0 to {LARGEST_SPREAD:g}, got {self.spread}")
        if unknown := set(self.without) - set(GROUPS):
            raise ValueError(f"expected groups of {', '.join(GROUPS)} to leave out, got {', '.join(sorted(unknown))}")

    @property
    def per_person(self) -> int:
        """Pictures of each person."""
        return self.singles

    def person(self, number: int) -> tuple[Float[Tensor, "shapes"], bool]:
        """Shape of a person and whether he is a man."""
        return person(self.seed, number, self.spread)

    def shot(self, index: int, size: int) -> Shot:
        """What picture `index` shows, before a camera of `size` x `size` pixels.

        Raises:
            IndexError: The index is negative.
        """
        if index < 0:
            raise IndexError(f"expected an index of at least 0, got {index}")
        rng = np.random.default_rng([self.seed, index, _SHOT])
        subject = index // self.per_person
        hand = bent_hands(self.seed, self.singles, index // BLOCK, self.spread)[index % BLOCK]
        R, t, camera = _view(rng, hand, size)
        verts, joints = (np.asarray(x @ R.T + t, np.float32) for x in (hand.verts, hand.joints))
        objects = _objects(rng, joints, -(R @ hand.dorsal))
        desk = things.desk(rng, verts) if rng.random() < DESK else None
        shot = Shot(
            subject=subject, hand=hand, R_world_root=R, t_world_root=t, camera=camera, things=objects, desk=desk
        )
        if shot.visible.sum() < SEEN:
            shot = Shot(subject=subject, hand=hand, R_world_root=R, t_world_root=t, camera=camera, desk=desk)
        return shot


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One camera's view of one instant. The world is the frame of the first camera that sees it [m].

    Attributes:
        subject: Number of the person.
        hand: In its own frame.
        R_world_root, t_world_root: Where it is.
        camera: Intrinsics of the picture.
        things: What may hide the hand, in the world.
        desk: A surface behind it that takes its shadow.
        R_cam_world, t_cam_world: Where the camera is.
    """

    subject: int
    hand: BentHand
    R_world_root: Float[Array, "3 3"]
    t_world_root: Float[Array, "3"]
    camera: Camera
    things: tuple[Mesh, ...] = ()
    desk: Mesh | None = None
    R_cam_world: Float[Array, "3 3"] = field(default_factory=lambda: np.eye(3))
    t_cam_world: Float[Array, "3"] = field(default_factory=lambda: np.zeros(3))

    @property
    def verts(self) -> Float[Array, "verts 3"]:
        """Hand and forearm in the world [m]."""
        return np.asarray(self.hand.verts @ self.R_world_root.T + self.t_world_root, np.float32)

    @property
    def joints(self) -> Float[Tensor, "21 3"]:
        """The 21 joints, camera frame [m]."""
        world = self.hand.joints @ self.R_world_root.T + self.t_world_root
        return torch.from_numpy(np.asarray(world @ self.R_cam_world.T + self.t_cam_world, np.float32))

    @property
    def keypoints(self) -> Float[Tensor, "21 2"]:
        """The 21 joints in the picture [px]."""
        return self.camera.project(self.joints)

    @property
    def visible(self) -> Bool[Array, "21"]:
        """Joints inside the picture that no thing hides."""
        height, width = self.camera.size
        keypoints = self.keypoints.numpy()
        inside = ((keypoints >= 0) & (keypoints < [width, height])).all(-1)
        if not self.things:
            return inside
        world = self.hand.joints @ self.R_world_root.T + self.t_world_root
        return inside & ~blocked(-self.R_cam_world.T @ self.t_cam_world, world, self.things)


def _view(rng: Rng, hand: BentHand, size: int) -> tuple[Float[Array, "3 3"], Float[Array, "3"], Camera]:
    """R_cam_root, t_cam_root and the camera of the crop."""
    for _ in range(VIEWS):
        R = scene.draw_view(rng, hand.forearm)
        joints = hand.joints @ R.T
        t, camera = scene.draw_camera(rng, joints, size)
        if not scene.shows_stump(camera, joints + t, LENGTH * R @ hand.forearm + t):
            break
    return R, t, camera


def _objects(rng: Rng, joints: Float[Array, "21 3"], palm: Float[Array, "3"]) -> tuple[Mesh, ...]:
    """Things that may hide the hand; `palm` is where the palm looks."""
    held = [things.held_object(rng, joints, palm)] if rng.random() < HELD else []
    return (*held, *([things.thing_in_front(rng, joints)] if rng.random() < IN_FRONT else []))
