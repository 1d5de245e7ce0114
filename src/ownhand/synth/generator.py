"""Labelled synthetic pictures: picture i is a pure function of (VERSION, world, size, i)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float

from ownhand.data.sample import HandSample
from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render import Mesh, Scene, Surface, render
from ownhand.structs import given
from ownhand.synth import scene, worn
from ownhand.synth.backgrounds import background
from ownhand.synth.effects import photographed
from ownhand.synth.skin import skin_texture
from ownhand.synth.skin_map import part_labels
from ownhand.synth.world import World

Array = np.ndarray
Rng = np.random.Generator

SLEEVE, WATCH = 0.3, 0.1  # shares of the pictures

_LOOK = 3  # stream of random numbers


@dataclass(frozen=True)
class Generator:
    """Takes pictures of a world.

    Attributes:
        world: What there is to see.
        size: Side of the pictures [px].
    """

    world: World
    size: int = 128

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"expected a size of at least 16, got {self.size}")

    def __getitem__(self, index: int) -> HandSample:
        """Picture `index` with all its labels; no batch axes.

        Raises:
            IndexError: The index is negative.
        """
        shot = self.world.shot(index, self.size)
        rng = np.random.default_rng([self.world.seed, index, _LOOK])
        shape, is_male = self.world.person(shot.subject)
        verts, joints = shot.verts, shot.joints

        texture = skin_texture(self.world.seed, shot.subject, is_male, 256 if self.size < 160 else 512)
        skin = Mesh(verts=verts, surface=_skin_surface(), material=scene.skin_material(texture, rng))
        behind = background(self.world.seed, index, self.size, rng)
        lights, ambient = scene.draw_lights(rng, joints.numpy().mean(0), behind)
        meshes = (skin, *_worn(rng, verts), *shot.things, *([shot.desk] if shot.desk else []))
        drawn = render(Scene(meshes=meshes, lights=lights, ambient=ambient), shot.camera, seed=int(rng.integers(2**31)))
        image = photographed(drawn.over(behind), rng)
        labels = np.where(drawn.label > 0, drawn.label, 0).astype(np.uint8)
        depth = np.where(labels >= 2, drawn.depth * 1000, 0).astype(np.float32)
        return HandSample(
            image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255),
            camera=shot.camera,
            keypoints=shot.keypoints,
            visible=torch.from_numpy(shot.visible),
            joints=joints,
            pose=HandPose(
                R_cam_root=torch.from_numpy(np.asarray(shot.R_cam_world @ shot.R_world_root, np.float32)),
                R_parent_joint=shot.hand.R_parent_joint,
                t_cam_root=joints[0],
            ),
            shape=shape,
            subject=torch.tensor(shot.subject),
            is_right=torch.tensor(True),
            labels=torch.from_numpy(labels),
            depth=torch.from_numpy(depth),
        )


def _worn(rng: Rng, verts: Float[Array, "verts 3"]) -> list[Mesh]:
    choice = rng.random()
    if choice >= SLEEVE + WATCH:
        return []
    normals = vertex_normals(torch.from_numpy(verts), open_hand(forearm=True).faces).numpy()
    if choice < SLEEVE:
        return [worn.sleeve(verts, normals, rng)]
    return list(worn.watch(verts, normals, rng))


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
