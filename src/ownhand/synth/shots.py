"""What there is to see: who, in which pose, holding what, before which camera. Nothing is drawn here.

A shot is a pure function of (VERSION, world, index). It does not depend on the size of the picture, so that labels can
be had, and compared, without any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from ownhand.data.sample import CLIP, RIG, SINGLE
from ownhand.geometry.camera import Camera
from ownhand.render import Mesh
from ownhand.render.queries import blocked
from ownhand.synth import scene, second_hand
from ownhand.synth.people.forearm import LENGTH
from ownhand.synth.people.population import Person
from ownhand.synth.people.skin import skin_texture
from ownhand.synth.poses.motion import hand_path
from ownhand.synth.posing import BLOCK, BentHand, bent_hands, moving_hand
from ownhand.synth.surroundings import cameras
from ownhand.synth.surroundings.devices import Device
from ownhand.synth.things import loose as things
from ownhand.synth.things.objects import catalogue
from ownhand.synth.world import World

Array = np.ndarray
Rng = np.random.Generator

IN_FRONT, NEAR_PALM, CARD, SECOND_HAND, DESK, ON_DESK = 0.08, 0.04, 0.03, 0.08, 0.25, 0.3  # shares; ON_DESK: of desks
VIEWS = 8  # drawn until one does not show where the forearm ends
SEEN = 8  # joints that things must leave visible
NEAREST_ELBOW = 0.08  # metres before the camera

_SHOT, _CLIP, _RIG = 2, 5, 6  # streams of random numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """One camera's view of one instant. The world is the frame of the first camera that sees it [m].

    Attributes:
        person: Whose hand.
        hand: In its own frame.
        R_world_root, t_world_root: Where it is.
        camera: Intrinsics of the picture.
        device: What else the camera does to where things are.
        things: What may hide the hand, in the world.
        desk: A surface behind it that takes its shadow.
        kind: SINGLE, CLIP or RIG (see `data.sample`).
        instant: As `Taken.instant`.
        scene: Random numbers of what all pictures of a clip or a rig have in common.
        view: Random numbers of this picture alone.
        views: How many views were drawn.
        left_away: Whether things were, because they hid too much.
        R_cam_world, t_cam_world: Where the camera is.
    """

    person: Person
    hand: BentHand
    R_world_root: Float[Array, "3 3"]
    t_world_root: Float[Array, "3"]
    camera: Camera
    device: Device
    kind: int
    instant: int
    scene: tuple[int, ...]
    view: tuple[int, ...]
    things: tuple[Mesh, ...] = ()
    desk: Mesh | None = None
    views: int = 1
    left_away: bool = False
    R_cam_world: Float[Array, "3 3"] = field(default_factory=lambda: np.eye(3))
    t_cam_world: Float[Array, "3"] = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        world = self.hand.joints @ self.R_world_root.T + self.t_world_root
        joints = torch.from_numpy(np.asarray(world @ self.R_cam_world.T + self.t_cam_world, np.float32))
        pixels = self.camera.project(joints).numpy()
        height, width = self.camera.size
        moved = self.device.distorted(pixels)
        visible = ((moved >= 0) & (moved < [width, height])).all(-1) & self.device.inside(moved)
        if self.things:
            visible &= ~blocked(-self.R_cam_world.T @ self.t_cam_world, world, self.things)
        object.__setattr__(self, "joints", joints)
        object.__setattr__(self, "keypoints", torch.from_numpy(np.asarray(moved, np.float32)))
        object.__setattr__(self, "visible", visible)

    joints: Float[Tensor, "21 3"] = field(init=False)
    """The 21 joints, camera frame [m]."""
    keypoints: Float[Tensor, "21 2"] = field(init=False)
    """Where the picture has them [px]."""
    visible: Bool[Array, "21"] = field(init=False)
    """Which of them are in the picture, and no thing before them."""

    @property
    def verts(self) -> Float[Array, "verts 3"]:
        """Hand and forearm in the world [m]."""
        return np.asarray(self.hand.verts @ self.R_world_root.T + self.t_world_root, np.float32)

    @property
    def thing(self) -> int:
        """Number of the held thing in the catalogue, -1 for none."""
        held = self.hand.held
        return -1 if held is None or self.left_away else catalogue().index(held.thing)

    @property
    def decisions(self) -> int:
        """What was accepted and rejected on the way, as one number."""
        return ((self.hand.tries * 16 + self.views) * 2 + self.left_away) * 64 + self.thing + 1


def shot(world: World, index: int, size: int) -> Shot:
    """What picture `index` shows, before a camera of `size` x `size` pixels.

    Raises:
        IndexError: The index is negative.
    """
    if index < 0:
        raise IndexError(f"expected an index of at least 0, got {index}")
    subject, k = divmod(index, world.per_person)
    if k < world.singles:
        return _single(world, subject, k, index, size)
    if k < world.singles + world.clip:
        return _clip(world, subject, size)[k - world.singles]
    return _rig(world, subject, size)[k - world.singles - world.clip]


def _single(world: World, subject: int, k: int, index: int, size: int) -> Shot:
    rng = np.random.default_rng([world.seed, index, _SHOT])
    number = subject * world.instants + k
    hand = bent_hands(world, number // BLOCK)[number % BLOCK]
    views = 0
    while views < VIEWS:
        views += 1
        R = scene.draw_view(rng, hand.forearm)
        t, camera, device = cameras.draw_camera(rng, hand.joints @ R.T, size)
        if _arm_fits(camera, hand, R, t):
            break
    around = _around(rng, world, hand, _neighbour(rng, world, number), R, t)
    taken = {"kind": SINGLE, "instant": k, "scene": (index,), "view": (index,), "views": views}
    return _with_things(world.person(subject), hand, R, t, camera, device, around, taken)


@lru_cache(maxsize=2)
def _clip(world: World, subject: int, size: int) -> list[Shot]:
    rng = np.random.default_rng([world.seed, subject, _CLIP])
    hands = moving_hand(world, subject)
    turns, _ = hand_path(rng, world.clip)
    for _ in range(VIEWS):
        start = scene.draw_view(rng, hands[0].forearm)
        R = Rotation.from_rotvec(turns).as_matrix() @ start
        joints = np.stack([hand.joints @ turned.T for hand, turned in zip(hands, R, strict=True)])
        t, pictures, devices = cameras.clip_cameras(rng, joints, size)
        views = zip(pictures, hands, R, t, strict=True)
        if sum(not _arm_fits(*view) for view in views) < world.clip / 10:
            break
    first = subject * world.per_person + world.singles
    shots = []
    for k, hand in enumerate(hands):
        around = ([] if hand.held is None else [_held(hand, R[k], t[k])], [], None)
        taken = {"kind": CLIP, "instant": world.singles + k, "scene": (first, _CLIP), "view": (first + k,)}
        shots.append(_with_things(world.person(subject), hand, R[k], t[k], pictures[k], devices[k], around, taken))
    return shots


@lru_cache(maxsize=2)
def _rig(world: World, subject: int, size: int) -> list[Shot]:
    rng = np.random.default_rng([world.seed, subject, _RIG])
    number = subject * world.instants + world.singles
    hand = bent_hands(world, number // BLOCK)[number % BLOCK]
    best: tuple[int, tuple] | None = None
    for _ in range(VIEWS):
        R = scene.draw_view(rng, hand.forearm)
        t, views = cameras.draw_rig(rng, hand.joints @ R.T, size, world.rig)
        stumps = sum(not _arm_fits(v.camera, hand, v.R_cam_world @ R, v.R_cam_world @ t + v.t_cam_world) for v in views)
        if best is None or stumps < best[0]:
            best = stumps, (R, t, views)
        if not stumps:
            break
    assert best is not None
    R, t, views = best[1]
    around = _around(rng, world, hand, None, R, t)
    first = subject * world.per_person + world.singles + world.clip
    shots = []
    for k, v in enumerate(views):
        taken = {"kind": RIG, "instant": world.singles + world.clip, "scene": (first, _RIG), "view": (first + k,)}
        taken |= {"R_cam_world": v.R_cam_world, "t_cam_world": v.t_cam_world}
        shots.append(_with_things(world.person(subject), hand, R, t, v.camera, v.device, around, taken))
    return shots


def _arm_fits(camera: Camera, hand: BentHand, R_cam_root: Array, t_cam_root: Array) -> bool:
    """Whether the forearm neither ends in sight nor comes too near the camera."""
    elbow = LENGTH * R_cam_root @ hand.forearm + t_cam_root
    joints = hand.joints @ R_cam_root.T + t_cam_root
    return elbow[2] > NEAREST_ELBOW and not scene.shows_stump(camera, joints, elbow)


def _neighbour(rng: Rng, world: World, number: int) -> BentHand | None:
    """Another hand of the same block, mostly the same person's, in some of the pictures."""
    if rng.random() >= SECOND_HAND or "things" in world.without:
        return None
    other = (number % BLOCK + 1 + int(rng.integers(BLOCK - 1))) % BLOCK
    return bent_hands(world, number // BLOCK)[other]


Around = tuple[list[Mesh], list[Mesh], Mesh | None]


def _around(rng: Rng, world: World, hand: BentHand, other: BentHand | None, R: Array, t: Array) -> Around:
    """What the hand holds, what else may hide it, and the desk."""
    if "things" in world.without:
        return [], [], None
    joints = hand.joints @ R.T + t
    held = [] if hand.held is None else [_held(hand, R, t)]
    loose = []
    chance = rng.random(5)
    if chance[0] < NEAR_PALM and not held:
        loose.append(things.near_palm(rng, joints, -(R @ hand.dorsal)))
    if chance[1] < IN_FRONT:
        loose.append(things.thing_in_front(rng, joints))
    if chance[2] < CARD:
        loose.append(things.card_beside(rng, joints, R @ hand.dorsal))
    if other is not None:
        loose += _second_hand(rng, world, joints, R, LENGTH * R @ hand.forearm + t, other)
    if chance[3] >= DESK:
        return held, loose, None
    desk = things.desk(rng, np.asarray(hand.verts @ R.T + t, np.float32))
    if chance[4] < ON_DESK:
        loose.append(things.on_desk(rng, desk, joints))
    return held, [mesh for mesh in loose if mesh.verts[:, 2].min() > 0.01], desk


def _held(hand: BentHand, R: Array, t: Array) -> Mesh:
    held = hand.held
    assert held is not None
    return held.thing.mesh(R @ held.R_hand_object, R @ held.t_hand_object + t)


def _second_hand(
    rng: Rng, world: World, joints: Array, R: Array, elbow: Float[Array, "3"], other: BentHand
) -> list[Mesh]:
    placed = second_hand.second_hand(rng, joints, R, elbow, other)
    if placed is None:
        return []
    material = scene.skin_material(skin_texture(world.person(other.subject), 256), rng)
    return [second_hand.mesh(*placed, material)]


def _with_things(
    person: Person, hand: BentHand, R: Array, t: Array, camera: Camera, device: Device, around: Around, taken: dict
) -> Shot:
    """The shot, without those things that would hide too much of the hand."""
    held, loose, desk = around
    common = {"person": person, "hand": hand, "camera": camera, "device": device, "desk": desk}
    common |= {"R_world_root": R, "t_world_root": t} | taken
    for shown in ((*held, *loose), tuple(held)):
        found = Shot(things=shown, **common)
        if found.visible.sum() >= SEEN or not shown:
            return found
    return Shot(left_away=True, **common)
