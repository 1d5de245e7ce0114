"""Labelled synthetic pictures: picture i is a pure function of (VERSION, seed, size, i)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ownhand.data.sample import HandSample
from ownhand.geometry.camera import Camera
from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render import Mesh, Picture, Scene, Surface, render
from ownhand.structs import given
from ownhand.synth import forearm, scene, things, worn
from ownhand.synth.backgrounds import background
from ownhand.synth.effects import photographed
from ownhand.synth.posing import BLOCK, BentHand, bent_hands, person
from ownhand.synth.skin import skin_texture
from ownhand.synth.skin_map import part_labels

Array = np.ndarray
Rng = np.random.Generator

VERSION = 3
"""Counts changes to what a (seed, index) shows. 2: watches, calm surfaces, no hand wholly hidden. 3: cheaper noise."""

HELD, IN_FRONT, DESK, SLEEVE, WATCH = 0.15, 0.1, 0.25, 0.3, 0.1  # shares of the pictures
VIEWS = 8  # drawn until one does not show where the forearm ends
SEEN = 8  # joints that things must leave visible
LARGEST_SPREAD = 2.0  # further out the linear shape space leaves what a hand can be

_VIEW = 2  # stream of random numbers


@dataclass(frozen=True)
class Generator:
    """Draws people, poses, views, light and surroundings, and takes pictures of them.

    Attributes:
        seed: Of everything. Different seeds have different people.
        size: Side of the pictures [px].
        pictures_per_person: Picture i shows person i // pictures_per_person.
        spread: By how much hands differ more in their proportions than people's do. Beyond 1, shape is easier to learn.
    """

    seed: int
    size: int = 128
    pictures_per_person: int = 50
    spread: float = 1.0

    def __post_init__(self) -> None:
        if self.seed < 0 or self.size < 16 or self.pictures_per_person < 1:
            raise ValueError(
                "expected a seed of at least 0, a size of at least 16 and at least 1 picture per person, "
                f"got {self.seed}, {self.size} and {self.pictures_per_person}"
            )
        if not 0 <= self.spread <= LARGEST_SPREAD:
            raise ValueError(f"expected a spread of hand shapes from 0 to {LARGEST_SPREAD:g}, got {self.spread}")

    def person(self, number: int) -> tuple[Float[Tensor, "shapes"], bool]:
        """Shape of a person and whether he is a man."""
        return person(self.seed, number, self.spread)

    def __getitem__(self, index: int) -> HandSample:
        """Picture `index` with all its labels; no batch axes.

        Raises:
            IndexError: The index is negative.
        """
        if index < 0:
            raise IndexError(f"expected an index of at least 0, got {index}")
        rng = np.random.default_rng([self.seed, index, _VIEW])
        hand = bent_hands(self.seed, self.pictures_per_person, index // BLOCK, self.spread)[index % BLOCK]
        subject = index // self.pictures_per_person
        shape, is_male = self.person(subject)
        R, t, camera = _view(rng, hand, self.size)
        verts, joints = (np.asarray(x @ R.T + t, np.float32) for x in (hand.verts, hand.joints))

        texture = skin_texture(self.seed, subject, is_male, 256 if self.size < 160 else 512)
        skin = Mesh(verts=verts, surface=_skin_surface(), material=scene.skin_material(texture, rng))
        body = [skin, *_worn(rng, verts)]
        objects = _objects(rng, joints, -(R @ hand.dorsal))
        desk = [things.desk(rng, verts)] if rng.random() < DESK else []
        behind = background(self.seed, index, self.size, rng)
        lights, ambient = scene.draw_lights(rng, joints.mean(0), behind)
        light_seed = int(rng.integers(2**31))

        keypoints = camera.project(torch.from_numpy(joints))
        for shown in (objects, []):
            meshes = (*body, *shown, *desk)
            drawn = render(Scene(meshes=meshes, lights=lights, ambient=ambient), camera, seed=light_seed)
            visible = _visible(keypoints.numpy(), joints, drawn, range(len(body), len(body) + len(shown)))
            if visible.sum() >= SEEN:
                break
        image = photographed(drawn.over(behind), rng)
        labels = np.where(drawn.label > 0, drawn.label, 0).astype(np.uint8)
        depth = np.where(labels >= 2, drawn.depth * 1000, 0).astype(np.float32)
        return HandSample(
            image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255),
            camera=camera,
            keypoints=keypoints,
            visible=torch.from_numpy(visible),
            joints=torch.from_numpy(joints),
            pose=HandPose(
                R_cam_root=torch.from_numpy(np.asarray(R, np.float32)),
                R_parent_joint=hand.R_parent_joint,
                t_cam_root=torch.from_numpy(joints[0]),
            ),
            shape=shape,
            subject=torch.tensor(subject),
            is_right=torch.tensor(True),
            labels=torch.from_numpy(labels),
            depth=torch.from_numpy(depth),
        )


def _view(rng: Rng, hand: BentHand, size: int) -> tuple[Float[Array, "3 3"], Float[Array, "3"], Camera]:
    """R_cam_root, t_cam_root and the camera of the crop."""
    for _ in range(VIEWS):
        R = scene.draw_view(rng, hand.forearm)
        joints = hand.joints @ R.T
        t, camera = scene.draw_camera(rng, joints, size)
        if not scene.shows_stump(camera, joints + t, forearm.LENGTH * R @ hand.forearm + t):
            break
    return R, t, camera


def _worn(rng: Rng, verts: Float[Array, "verts 3"]) -> list[Mesh]:
    choice = rng.random()
    if choice >= SLEEVE + WATCH:
        return []
    normals = vertex_normals(torch.from_numpy(verts), open_hand(forearm=True).faces).numpy()
    if choice < SLEEVE:
        return [worn.sleeve(verts, normals, rng)]
    return list(worn.watch(verts, normals, rng))


def _objects(rng: Rng, joints: Float[Array, "21 3"], palm: Float[Array, "3"]) -> list[Mesh]:
    """Things that may hide the hand; `palm` is where the palm looks."""
    held = [things.held_object(rng, joints, palm)] if rng.random() < HELD else []
    return held + ([things.thing_in_front(rng, joints)] if rng.random() < IN_FRONT else [])


@lru_cache(maxsize=1)
def _skin_surface() -> Surface:
    model = open_hand(forearm=True)
    return Surface(
        faces=model.faces.numpy(),
        uv=given(model.uv, "texture coordinates").numpy(),
        uv_faces=given(model.uv_faces, "texture coordinates").numpy(),
        labels=part_labels(len(open_hand().faces)),
        rest=model.template.numpy(),
    )


def _visible(
    keypoints: Float[Array, "21 2"], joints: Float[Array, "21 3"], drawn: Picture, objects: range
) -> Bool[Array, "21"]:
    """Joints inside the picture that none of the scene's meshes `objects` hides."""
    height, width = drawn.depth.shape
    inside = ((keypoints >= 0) & (keypoints < [width, height])).all(-1)
    column, row = np.clip(keypoints.astype(int), 0, [width - 1, height - 1]).T
    hidden = np.isin(drawn.instance[row, column], objects) & (drawn.depth[row, column] < joints[:, 2])
    return inside & ~hidden
