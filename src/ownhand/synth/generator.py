"""Labelled synthetic pictures: picture i is a pure function of (VERSION, world, size, i)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ownhand.data.sample import CLIP, SINGLE, HandSample, Taken
from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render import Ambient, Light, Mesh, Picture, Scene, render
from ownhand.synth import scene
from ownhand.synth.people.population import Person
from ownhand.synth.people.skin import skin_texture
from ownhand.synth.people.skin_map import skin_surface
from ownhand.synth.people.tones import skin_colour
from ownhand.synth.people.worn import hand_material, worn
from ownhand.synth.shots import Shot, shot
from ownhand.synth.surroundings.backgrounds import background
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.surroundings.effects import draw_exposure, photographed
from ownhand.synth.surroundings.light import dimmed, draw_light, metered
from ownhand.synth.world import World

Array = np.ndarray
Rng = np.random.Generator

CLIP_REACH = 1.2  # half the side of what the still picture behind a clip covers of the plane z = 1

_LIGHT, _WORN, _BEHIND, _DEVICE, _PHOTOGRAPH = range(30, 35)  # streams of random numbers


@dataclass(frozen=True)
class Generator:
    """Takes pictures of a world.

    Attributes:
        world: What there is to see.
        size: Side of the pictures [px].
        behind: Folder of pictures, half of which are what is seen behind the hand; None for drawn surroundings only.
        device: Warp's name of what draws: "cpu", "cuda:0". Pictures differ in their last bits.
    """

    world: World
    size: int = 128
    behind: str | None = None
    device: str = field(default="cpu", compare=False)

    kind: ClassVar[str] = "crops"
    """What its pictures are: crops of one hand each."""

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"expected a size of at least 16, got {self.size}")
        if self.behind is not None and not Path(self.behind).is_dir():
            raise ValueError(f"expected a folder of pictures to show behind hands, but {self.behind} is none")

    def __getitem__(self, index: int) -> HandSample:
        """Picture `index` with all its labels; no batch axes.

        Raises:
            IndexError: The index is negative.
        """
        seen = shot(self.world, index, self.size)
        behind = self._background(seen, index)
        drawn = self._drawn(seen, behind)
        labels = np.where(drawn.label > 0, drawn.label, 0).astype(np.uint8)
        depth = np.where(labels >= 2, drawn.depth * 1000, 0).astype(np.float32)
        image = self._photographed(seen, drawn.over(behind))
        return HandSample(
            image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255),
            camera=seen.camera,
            keypoints=seen.keypoints,
            visible=torch.from_numpy(seen.visible),
            joints=seen.joints,
            pose=HandPose(
                R_cam_root=_tensor(seen.R_cam_world @ seen.R_world_root),
                R_parent_joint=seen.hand.R_parent_joint,
                t_cam_root=seen.joints[0],
            ),
            shape=torch.from_numpy(seen.person.shape),
            subject=torch.tensor(seen.person.number),
            is_right=torch.tensor(True),
            labels=torch.from_numpy(seen.device.labels(labels)),
            depth=torch.from_numpy(seen.device.labels(depth)),
            taken=Taken(
                kind=torch.tensor(seen.kind),
                instant=torch.tensor(seen.instant),
                device=torch.tensor(list(KINDS).index(seen.device.kind)),
                thing=torch.tensor(seen.thing),
                decisions=torch.tensor(seen.decisions),
                R_cam_world=_tensor(seen.R_cam_world),
                t_cam_world=_tensor(seen.t_cam_world),
            ),
        )

    def _rng(self, numbers: Sequence[int], stream: int) -> Rng:
        return np.random.default_rng([self.world.seed, *numbers, stream])

    def _background(self, seen: Shot, index: int) -> Float[Array, "size size 3"]:
        """What is behind the hand, linear RGB. Frames of a clip see pieces of one picture."""
        if "behind" in self.world.without:
            return np.broadcast_to(self._rng(seen.view, _BEHIND).uniform(0.02, 0.9, 3), (self.size, self.size, 3))
        rng = self._rng(seen.scene if seen.kind == CLIP else seen.view, _BEHIND)
        if seen.kind == CLIP:
            return _piece(background(self.world.seed, seen.scene[0], 2 * self.size, rng, self.behind), seen)
        return background(self.world.seed, index, self.size, rng, self.behind)

    def _drawn(self, seen: Shot, behind: Float[Array, "size size 3"]) -> Picture:
        rng = self._rng(seen.scene, _WORN)
        verts = seen.verts
        body = self._body(seen.person, verts, rng, texels=256 if self.size < 160 else 512)
        lights, ambient = self._light(seen, verts, behind)
        meshes = (*body, *seen.things, *([seen.desk] if seen.desk else []))
        if seen.kind != SINGLE:
            R, t = seen.R_cam_world, seen.t_cam_world
            meshes = tuple(_moved(mesh, R, t) for mesh in meshes)
            lights = tuple(replace(light, position=R @ np.array(light.position) + t) for light in lights)
            ambient = ambient.turned(R)
        whole = Scene(meshes=tuple(m for m in meshes if m.verts[:, 2].max() > 0), lights=lights, ambient=ambient)
        return render(whole, seen.camera, seed=int(rng.integers(2**31)), device=self.device)

    def _body(self, person: Person, verts: Float[Array, "verts 3"], rng: Rng, texels: int) -> list[Mesh]:
        """Hand and forearm, and what they wear."""
        if "people" in self.world.without:
            return [Mesh(verts=verts, surface=skin_surface(), material=scene.plain_skin(person.look.tone))]
        texture = skin_texture(person, texels)
        skin = Mesh(verts=verts, surface=skin_surface(), material=hand_material(person, texture, rng))
        return [skin, *([] if "forearm" in self.world.without else worn(person, verts, rng))]

    def _light(self, seen: Shot, verts: Array, behind: Array) -> tuple[tuple[Light, ...], Ambient]:
        centre = verts[: len(open_hand().template)].mean(0)
        if "light" in self.world.without:
            lamp = Light(position=centre + np.array([-0.5, -1.0, -1.0]), colour=(0.9, 0.9, 0.9), radius=0.1)
            return (lamp,), Ambient.gradient(sky=(0.5,) * 3, ground=(0.3,) * 3)
        lights, ambient = draw_light(self._rng(seen.scene, _LIGHT), centre, behind)
        look = seen.person.look
        return dimmed(lights, ambient, metered(skin_colour(look.tone, look.undertone)))

    def _photographed(self, seen: Shot, linear: Float[Array, "size size 3"]) -> UInt8[Array, "size size 3"]:
        if "light" in self.world.without:
            return scene.developed(seen.device.through_lens(linear))
        exposure = draw_exposure(self._rng(seen.scene, _DEVICE), seen.device)
        return photographed(linear, exposure, seen.device, self._rng(seen.view, _PHOTOGRAPH))


def _piece(whole: Float[Array, "sensor sensor 3"], seen: Shot) -> Float[Array, "size size 3"]:
    """What a crop that follows the hand sees of a picture that stands still."""
    size = seen.camera.size[0]
    scale = len(whole) / (2 * CLIP_REACH)
    focal, offset = float(seen.camera.K[0, 0]), seen.camera.K[:2, 2].numpy()
    x, y = ((np.arange(size) + 0.5 - o) / focal for o in offset)
    column, row = (np.abs((len(whole) / 2 + v * scale) % (2 * len(whole)) - len(whole)) for v in (x, y))
    last = len(whole) - 1
    return whole[np.clip(row, 0, last).astype(int)][:, np.clip(column, 0, last).astype(int)]


def _moved(mesh: Mesh, R: Float[Array, "3 3"], t: Float[Array, "3"]) -> Mesh:
    """A mesh in another frame [m]."""
    normals = None if mesh.normals is None else mesh.normals @ R.T
    return replace(mesh, verts=mesh.verts @ R.T + t, normals=normals)


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
