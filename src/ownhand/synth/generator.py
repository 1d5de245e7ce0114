"""Labelled synthetic pictures: picture i is a pure function of (VERSION, seed, size, i)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.data.sample import HandSample
from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.anatomy import ABDUCTION
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandModel, HandPose
from ownhand.hand.skeleton import PARENTS_16
from ownhand.render import Mesh, Picture, Scene, Surface, render
from ownhand.render.queries import self_penetration_depth
from ownhand.synth import forearm, scene
from ownhand.synth.backgrounds import background
from ownhand.synth.effects import photographed
from ownhand.synth.population import draw_people
from ownhand.synth.poses import sample_poses
from ownhand.synth.skin import skin_texture
from ownhand.synth.skin_map import part_labels

Array = np.ndarray

VERSION = 1
"""Counts changes to what a (seed, index) shows."""

BLOCK = 32  # pictures posed together
TRIES = 5  # poses drawn per picture until one does not penetrate itself
VIEWS = 8  # drawn until one does not show where the forearm ends
DEEPEST = 0.003  # metres that one part of the hand may sink into another: soft flesh
HELD, IN_FRONT, DESK, SLEEVE = 0.15, 0.1, 0.25, 0.3  # shares of the pictures

_POSES, _VIEW, _PEOPLE = 1, 2, 3  # independent streams of random numbers


@dataclass(frozen=True)
class Generator:
    """Draws people, poses, views, light and surroundings, and takes pictures of them.

    Attributes:
        seed: Of everything. Different seeds have different people.
        size: Side of the pictures [px].
        pictures_per_person: Picture i shows person i // pictures_per_person.
    """

    seed: int
    size: int = 128
    pictures_per_person: int = 50

    def __post_init__(self) -> None:
        if self.seed < 0 or self.size < 16 or self.pictures_per_person < 1:
            raise ValueError(
                "expected a seed of at least 0, a size of at least 16 and at least 1 picture per person, "
                f"got {self.seed}, {self.size} and {self.pictures_per_person}"
            )

    def person(self, number: int) -> tuple[Float[Tensor, "shapes"], bool]:
        """Shape of a person and whether he is a man."""
        return _person(self.seed, number)

    def __getitem__(self, index: int) -> HandSample:
        """Picture `index` with all its labels; no batch axes.

        Raises:
            IndexError: The index is negative.
        """
        if index < 0:
            raise IndexError(f"expected an index of at least 0, got {index}")
        block = _block(self.seed, self.pictures_per_person, index // BLOCK)
        rng = np.random.default_rng([self.seed, index, _VIEW])
        return self._taken(index, block[index % BLOCK], rng)

    def _taken(self, index: int, hand: _RestingHand, rng: np.random.Generator) -> HandSample:
        """Place a bent hand before a camera, light it and take the picture."""
        subject = index // self.pictures_per_person
        for _ in range(VIEWS):
            R = scene.draw_view(rng, hand.forearm)
            t, camera = scene.draw_camera(rng, hand.joints @ R.T, self.size)
            if not scene.shows_stump(camera, hand.joints @ R.T + t, forearm.LENGTH * R @ hand.forearm + t):
                break
        verts, joints = (np.asarray(x @ R.T + t, np.float32) for x in (hand.verts, hand.joints))
        normals = np.asarray(hand.normals @ R.T, np.float32)
        texture = skin_texture(self.seed, subject, self.person(subject)[1], 256 if self.size < 160 else 512)
        skin = Mesh(verts=verts, surface=_skin_surface(), material=scene.skin_material(texture, rng), normals=normals)
        meshes = [skin]
        things = []
        if rng.random() < HELD:
            things.append(scene.held_object(rng, joints, -(R @ hand.dorsal)))
        if rng.random() < IN_FRONT:
            things.append(scene.thing_in_front(rng, joints))
        if rng.random() < SLEEVE:
            meshes.append(forearm.sleeve(verts, normals, rng))
        first_thing = len(meshes)
        meshes += things
        if rng.random() < DESK:
            meshes.append(scene.desk(rng, verts))
        behind = background(self.seed, index, self.size, rng)
        lights, ambient = scene.draw_lights(rng, joints.mean(0), behind)
        drawn = render(
            Scene(meshes=tuple(meshes), lights=lights, ambient=ambient), camera, seed=int(rng.integers(2**31))
        )
        image = photographed(drawn.over(behind), rng)

        torch_joints = torch.from_numpy(joints)
        keypoints = camera.project(torch_joints)
        labels = np.where(drawn.label > 0, drawn.label, 0).astype(np.uint8)
        on_hand = labels >= 2
        pose = HandPose(
            R_cam_root=torch.from_numpy(np.asarray(R, np.float32)),
            R_parent_joint=hand.R_parent_joint,
            t_cam_root=torch_joints[0],
        )
        return HandSample(
            image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255),
            camera=camera,
            keypoints=keypoints,
            visible=torch.from_numpy(_visible(keypoints.numpy(), joints, drawn, first_thing, len(things))),
            joints=torch_joints,
            pose=pose,
            shape=self.person(subject)[0],
            subject=torch.tensor(subject),
            is_right=torch.tensor(True),
            labels=torch.from_numpy(labels),
            depth=torch.from_numpy(np.where(on_hand, drawn.depth * 1000, 0).astype(np.float32)),
        )


@dataclass(frozen=True, kw_only=True)
class _RestingHand:
    """A person's bent hand and forearm in the hand's frame, wrist at the origin [m].

    Attributes:
        forearm: Direction from wrist to elbow.
        dorsal: Direction from the palm to the back of the hand.
    """

    verts: Float[Array, "verts 3"]
    normals: Float[Array, "verts 3"]
    joints: Float[Array, "21 3"]
    forearm: Float[Array, "3"]
    dorsal: Float[Array, "3"]
    R_parent_joint: Float[Tensor, "15 3 3"]


@lru_cache(maxsize=4)
def _block(seed: int, pictures_per_person: int, number: int) -> list[_RestingHand]:
    """The bent hands of BLOCK consecutive pictures. Double precision: rounding must not depend on who else is in."""
    first = number * BLOCK
    indices = range(first, first + BLOCK)
    model = _double_model()
    shape = torch.stack([_person(seed, i // pictures_per_person)[0] for i in indices]).double()
    shaped = model.shaped(shape)
    R = natural_poses(seed, first, BLOCK, shape)
    posed = shaped.posed(_unmoved(R))
    bends = np.stack([forearm.draw_bend(np.random.default_rng([seed, i, _POSES, 1])) for i in indices])
    verts = forearm.bent(posed.verts, torch.from_numpy(bends))
    normals = vertex_normals(verts, model.faces)
    elbows = forearm.direction(torch.from_numpy(bends))
    palm_back = model.axes[6, :, ABDUCTION].numpy()
    return [
        _RestingHand(
            verts=verts[k].numpy(),
            normals=normals[k].numpy(),
            joints=posed.joints[k].numpy(),
            forearm=elbows[k].numpy(),
            dorsal=palm_back,
            R_parent_joint=R[k].float(),
        )
        for k in range(BLOCK)
    ]


def natural_poses(
    seed: int, first: int, count: int, shape: Float[Tensor, "count shapes"]
) -> Float[Tensor, "count 15 3 3"]:
    """Poses of pictures `first` on that do not penetrate themselves, unless TRIES poses in a row did.

    Args:
        seed: Of the pictures.
        first: Index of the first picture.
        count: How many.
        shape: Who poses.
    """
    model = open_hand()
    chosen = sample_poses(count, _pose_seed(seed, 0), model.axes, first=first)
    waiting = np.arange(count)
    for attempt in range(TRIES):
        if attempt:
            tried = [sample_poses(1, _pose_seed(seed, attempt), model.axes, first=first + int(k)) for k in waiting]
            chosen[waiting] = torch.cat(tried)
        depth = penetration(chosen[waiting], shape[waiting])
        waiting = waiting[depth > DEEPEST]
        if not len(waiting):
            break
    return chosen.double()


def penetration(R_parent_joint: Float[Tensor, "n 15 3 3"], shape: Float[Tensor, "n shapes"]) -> Float[Array, "n"]:
    """How deep each hand sinks into itself at worst [m]."""
    model = open_hand()
    verts = model.shaped(shape.float()).posed(_unmoved(R_parent_joint)).verts.numpy()
    return np.array([self_penetration_depth(v, _parts_surface(), ignore=_NEIGHBOURS).max() for v in verts])


def _unmoved(R_parent_joint: Float[Tensor, "n 15 3 3"]) -> HandPose:
    """A pose in the hand's own frame, wrist at the origin."""
    n, like = len(R_parent_joint), R_parent_joint
    return HandPose(
        R_cam_root=torch.eye(3).to(like).expand(n, 3, 3), R_parent_joint=R_parent_joint, t_cam_root=like.new_zeros(n, 3)
    )


_BASES = (1, 4, 7, 10, 13)
_NEIGHBOURS = (*((j, PARENTS_16[j]) for j in range(1, 16)), *((j, k) for j in _BASES for k in _BASES))
"""Parts that touch anyway."""


def _pose_seed(seed: int, attempt: int) -> int:
    return int(np.random.SeedSequence([seed, attempt, _POSES]).generate_state(1)[0])


@lru_cache(maxsize=64)
def _person(seed: int, number: int) -> tuple[Tensor, bool]:
    shape, is_male = draw_people(1, seed, first=number)
    return shape[0], bool(is_male[0])


@lru_cache(maxsize=1)
def _double_model() -> HandModel:
    return open_hand(forearm=True).to(torch.float64)


@lru_cache(maxsize=1)
def _skin_surface() -> Surface:
    model = open_hand(forearm=True)
    return Surface(
        faces=model.faces.numpy(),
        uv=model.uv.numpy(),
        uv_faces=model.uv_faces.numpy(),
        labels=part_labels(len(open_hand().faces)),
        rest=model.template.numpy(),
    )


@lru_cache(maxsize=1)
def _parts_surface() -> Surface:
    model = open_hand()
    return Surface(
        faces=model.faces.numpy(),
        labels=model.skin_weights[model.faces].sum(1).argmax(1).numpy(),
        rest=model.template.numpy(),
    )


def _visible(keypoints: Array, joints: Array, drawn: Picture, first_thing: int, things: int) -> Array:
    """Joints inside the picture that no thing in front of them hides."""
    height, width = drawn.depth.shape
    inside = ((keypoints >= 0) & (keypoints < [width, height])).all(-1)
    column, row = np.clip(keypoints.astype(int), 0, [width - 1, height - 1]).T
    instance = drawn.instance[row, column]
    behind = (instance >= first_thing) & (instance < first_thing + things) & (drawn.depth[row, column] < joints[:, 2])
    return inside & ~behind
