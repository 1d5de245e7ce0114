"""Whole pictures, as cameras take them, with any number of hands or none: what a detector learns from.

Frame i is a pure function of (VERSION, world, size, i). A left hand is built as a right one before a mirrored camera,
and mirrored back with all that it wears and holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from ownhand.data.frame import HANDS, HandFrame
from ownhand.geometry.camera import Camera
from ownhand.render import Material, Mesh, Scene, Surface, Texture, render
from ownhand.render.queries import blocked
from ownhand.synth import scene
from ownhand.synth.generator import Generator
from ownhand.synth.people.cloth import cloth
from ownhand.synth.people.forearm import LENGTH
from ownhand.synth.people.outfit import Sleeve
from ownhand.synth.people.population import Person
from ownhand.synth.people.tones import skin_colour
from ownhand.synth.people.tubes import AROUND, forearm_loops, tube_surface
from ownhand.synth.posing import BLOCK, BentHand, bent_hands
from ownhand.synth.surroundings.backgrounds import background
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.surroundings.devices import Device
from ownhand.synth.surroundings.effects import draw_exposure, photographed
from ownhand.synth.surroundings.light import dimmed, draw_light, metered
from ownhand.synth.things import loose
from ownhand.synth.things.objects import catalogue

Array = np.ndarray
Rng = np.random.Generator

SHARES = (0.25, 0.35, 0.28, 0.08, 0.04)  # of frames with no hand, one, two ... HANDS
LARGE = (0.06, 0.95)  # side of the hand's box over the frame's
FRAMES_PER_BLOCK = 32  # that draw their hands from the same block of BLOCK
IN_FRONT, THINGS, BODY, ARM = 0.1, 0.8, 0.5, 0.3  # shares of hands, mean count, shares of frames
APART = 0.05  # metres between the joints of two hands, at least
OVERLAP = 0.3  # of two hands' boxes, at most, over the smaller one's area
CUT = 0.2  # share of hands that the frame's edge may cut
TRIES = 6
NEAREST, FARTHEST = 0.13, 3.0  # metres
ROWS = 14  # of an upper arm

_FRAME, _LOOK, _BEHIND, _LIGHT, _DEVICE = range(40, 45)  # streams of random numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class _PlacedHand:
    """One hand before the camera, with what it wears and holds."""

    person: Person
    joints: Float[Array, "21 3"]
    elbow: Float[Array, "3"]
    is_right: bool
    keypoints: Float[Array, "21 2"]
    meshes: tuple[Mesh, ...]
    others: tuple[Mesh, ...]  # which of them hide the hand itself: what it holds


@dataclass(frozen=True)
class FrameGenerator(Generator):
    """Takes whole pictures of a world with several hands; `World.singles` of them count as one person's."""

    kind: ClassVar[str] = "frames"

    def __getitem__(self, index: int) -> HandFrame:  # pyright: ignore  # not a sample of one hand
        """Frame `index`; no batch axes.

        Raises:
            IndexError: The index is negative.
        """
        if index < 0:
            raise IndexError(f"expected an index of at least 0, got {index}")
        rng = self._rng((index,), _FRAME)
        camera, device = _draw_camera(rng, self.size)
        hands = self._hands(rng, index, camera)
        meshes = [*(mesh for hand in hands for mesh in hand.meshes), *_around(rng, hands, camera)]
        chosen = self._rng((index,), _BEHIND)
        behind = background(self.world.seed, index, self.size, chosen, self.behind, hands=False)
        linear = behind
        shown = tuple(mesh for mesh in meshes if mesh.verts[:, 2].max() > 0)
        if shown:
            centre = np.mean([hand.joints.mean(0) for hand in hands] or [[0.0, 0.0, 0.6]], axis=0)
            lights, ambient = draw_light(self._rng((index,), _LIGHT), centre, behind)
            looks = [hand.person.look for hand in hands]
            gain = min((metered(skin_colour(look.tone, look.undertone)) for look in looks), default=1.0)
            lights, ambient = dimmed(lights, ambient, gain)
            whole = Scene(meshes=shown, lights=lights, ambient=ambient)
            linear = render(whole, camera, seed=int(rng.integers(2**31)), device=self.device).over(behind)
        exposure = draw_exposure(self._rng((index,), _DEVICE), device)
        image = photographed(linear, exposure, device, rng)
        return self._labelled(image, hands, meshes)

    def _hands(self, rng: Rng, index: int, camera: Camera) -> list[_PlacedHand]:
        """Up to HANDS hands that do not touch each other."""
        block = bent_hands(self.world, index // FRAMES_PER_BLOCK)
        count = int(rng.choice(HANDS + 1, p=SHARES))
        chosen = rng.permutation(BLOCK)[:count]
        # The hands of one frame are about as large as each other, as those of one person or one group are.
        largest = np.exp(rng.uniform(*np.log(LARGE)))
        hands: list[_PlacedHand] = []
        for number, k in enumerate(chosen):
            bent = block[k]
            person = self.world.person(block[chosen[0]].subject if rng.random() < 0.7 else bent.subject)
            for _ in range(TRIES):
                large = np.clip(largest * np.exp(rng.normal(0, 0.25 * (number > 0))), *LARGE)
                hand = self._placed(rng, bent, person, camera, large)
                if hand is not None and not any(_touch(hand, other) for other in hands):
                    hands.append(hand)
                    break
        return hands

    def _placed(self, rng: Rng, bent: BentHand, person: Person, camera: Camera, large: float) -> _PlacedHand | None:
        """A hand whose box is about so large, somewhere in the frame; None if it does not fit there."""
        is_right = bool(rng.random() < 0.5)
        R = scene.draw_view(rng, bent.forearm)
        turned = bent.joints @ R.T
        focal, size = float(camera.K[0, 0]), self.size
        distance = focal * np.ptp(turned[:, :2], axis=0).max() / (large * size)
        if not NEAREST < distance < FARTHEST:
            return None
        inside = 0.5 - large / 2 * (rng.random() > CUT)
        middle = (0.5 + rng.uniform(-1, 1, 2) * max(inside, 0.05)) * size
        ray = np.array([*((middle - camera.K[:2, 2].numpy()) / focal), 1.0])
        t = distance * ray - turned.mean(0)
        joints, elbow = turned + t, LENGTH * R @ bent.forearm + t
        if joints[:, 2].min() < NEAREST * 0.8 or elbow[2] < 0.08:
            return None
        verts = np.asarray(bent.verts @ R.T + t, np.float32)
        held = [] if bent.held is None else [_held(bent, R, t)]
        body = self._body(person, verts, rng, texels=256)
        pixels = camera.project(torch.from_numpy(np.vstack([joints, elbow]).astype(np.float32))).numpy()
        if ((pixels[21] > -0.2 * size) & (pixels[21] < 1.2 * size)).all():
            body.append(_upper_arm(rng, verts, person))
        flip = np.ones(3) if is_right else np.array([-1.0, 1.0, 1.0])
        if not is_right:
            body, held = [_mirrored(m) for m in body], [_mirrored(m) for m in held]
            pixels = camera.project(torch.from_numpy((joints * flip).astype(np.float32))).numpy()
        return _PlacedHand(
            person=person,
            joints=joints * flip,
            elbow=elbow * flip,
            is_right=is_right,
            keypoints=pixels[:21],
            meshes=(*body, *held),
            others=tuple(held),
        )

    def _labelled(self, image: Array, hands: list[_PlacedHand], meshes: list[Mesh]) -> HandFrame:
        keypoints = np.zeros((HANDS, 21, 2), np.float32)
        visible, present, is_right = np.zeros((HANDS, 21), bool), np.zeros(HANDS, bool), np.zeros(HANDS, bool)
        for place, hand in enumerate(hands):
            own = {id(mesh) for mesh in hand.meshes} - {id(mesh) for mesh in hand.others}
            around = [mesh for mesh in meshes if id(mesh) not in own and mesh.verts[:, 2].max() > 0]
            inside = np.asarray(((hand.keypoints >= 0) & (hand.keypoints < self.size)).all(-1))
            hidden = blocked(np.zeros(3), hand.joints, around) if around else np.zeros(21, bool)
            keypoints[place], visible[place] = hand.keypoints, inside & ~hidden
            present[place], is_right[place] = True, hand.is_right
        return HandFrame(
            image=torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255),
            present=torch.from_numpy(present),
            keypoints=torch.from_numpy(keypoints),
            visible=torch.from_numpy(visible),
            is_right=torch.from_numpy(is_right),
            complete=torch.tensor(True),
        )


def _draw_camera(rng: Rng, size: int) -> tuple[Camera, Device]:
    """A square frame of one of the kinds of cameras: the field of view of its longer side counts."""
    names = list(KINDS)
    name = names[rng.choice(len(names), p=np.array([KINDS[n].share for n in names]))]
    kind = KINDS[name]
    camera = Camera.from_fov(rng.uniform(*kind.view), (size, size))
    return camera, Device(kind=name, frame=(0, 0, size, size), pixels=2.0, grey=kind.grey)


def _touch(hand: _PlacedHand, other: _PlacedHand) -> bool:
    boxes = [np.array([h.keypoints.min(0), h.keypoints.max(0)]) for h in (hand, other)]
    shared = np.minimum(boxes[0][1], boxes[1][1]) - np.maximum(boxes[0][0], boxes[1][0])
    smaller = min(np.ptp(box, axis=0).prod() for box in boxes)
    if shared.min() > 0 and shared.prod() > OVERLAP * smaller:
        return True
    return bool(np.linalg.norm(hand.joints[:, None] - other.joints[None], axis=-1).min() < APART)


def _held(hand: BentHand, R: Array, t: Array) -> Mesh:
    held = hand.held
    assert held is not None
    return held.thing.mesh(R @ held.R_hand_object, R @ held.t_hand_object + t)


def _mirrored(mesh: Mesh) -> Mesh:
    """A mesh as a mirror at x = 0 shows it."""
    flip = np.array([-1, 1, 1], np.float32)
    normals = None if mesh.normals is None else mesh.normals * flip
    return replace(mesh, verts=mesh.verts * flip, normals=normals, surface=_mirrored_surface(mesh.surface))


@lru_cache(maxsize=128)
def _mirrored_surface(surface: Surface) -> Surface:
    corners = None if surface.uv_faces is None else surface.uv_faces[:, ::-1]
    rest = None if surface.rest is None else surface.rest * np.array([-1, 1, 1], np.float32)
    return replace(surface, faces=surface.faces[:, ::-1], uv_faces=corners, rest=rest)


def _around(rng: Rng, hands: list[_PlacedHand], camera: Camera) -> list[Mesh]:
    """Things, people's bodies and bare arms, which are no hands."""
    meshes = [loose.thing_in_front(rng, hand.joints) for hand in hands if rng.random() < IN_FRONT]
    for _ in range(int(rng.poisson(THINGS))):
        thing = catalogue()[rng.integers(len(catalogue()))]
        R = Rotation.from_quat(rng.standard_normal(4)).as_matrix()
        meshes.append(thing.mesh(R, _somewhere(rng, camera, 0.35, 1.5)))
    far = max((hand.joints[:, 2].max() for hand in hands), default=0.5)
    if rng.random() < BODY:
        meshes += _body(rng, _somewhere(rng, camera, max(far + 0.25, 0.6), max(far + 0.25, 0.6) + 1.5))
    if rng.random() < ARM:
        start, end = (_somewhere(rng, camera, 0.4, 1.6, reach=1.6) for _ in range(2))
        radius = rng.uniform(0.03, 0.055) * np.linspace(1, rng.uniform(0.6, 1), ROWS)
        middle = start + np.linspace(0, 1, ROWS)[:, None] * (end - start)
        meshes.append(Mesh(verts=_tube(middle, radius), surface=_tube_surface(), material=_skin(rng)))
    joints = np.concatenate([hand.joints for hand in hands]) if hands else np.zeros((0, 3))
    return [
        mesh
        for mesh in meshes
        if mesh.verts[:, 2].min() > 0.05
        and (not len(joints) or np.linalg.norm(mesh.verts[:, None] - joints[None, ::4], axis=-1).min() > 0.01)
    ]


def _somewhere(rng: Rng, camera: Camera, near: float, far: float, reach: float = 1.0) -> Float[Array, "3"]:
    """A point that the frame shows, or, further out, the plane around it."""
    size, focal = camera.size[0], float(camera.K[0, 0])
    pixels = (0.5 + rng.uniform(-0.5, 0.5, 2) * reach) * size
    return np.array([*((pixels - camera.K[:2, 2].numpy()) / focal), 1.0]) * rng.uniform(near, far)


def _skin(rng: Rng) -> Material:
    return Material(colour=skin_colour(rng.uniform(0, 10), rng.normal(0, 1, 2)), specular=0.025, roughness=0.7)


def _body(rng: Rng, shoulders: Float[Array, "3"]) -> list[Mesh]:
    """Somebody far away, roughly: trunk, upper arms, neck, head with hair and eyes."""
    verts, surface, flat = loose.shapes()[2]
    skin, R = _skin(rng), Rotation.from_euler("zy", rng.normal(0, [0.15, 0.4])).as_matrix()
    colour = tuple(np.clip(rng.uniform(0.02, 0.8) * (1 + rng.normal(0, 0.3, 3)), 0.01, 0.95).tolist())
    clothes, dark = Material(colour=colour, specular=0.02, roughness=0.9), Material(colour=(0.04, 0.03, 0.02))
    parts = (
        ((0.2, 0.1, 0.1), (0.0, 0.1, 0.0), clothes),
        ((0.17, 0.34, 0.11), (0.0, 0.36, 0.0), clothes),
        *(((0.05, 0.2, 0.06), (side * 0.2, 0.26, 0.0), clothes) for side in (-1, 1)),
        ((0.055, 0.09, 0.055), (0.0, -0.02, 0.0), skin),
        ((0.072, 0.11, 0.09), (0.0, -0.16, -0.01), skin),
        ((0.08, 0.08, 0.095), (0.0, -0.21, 0.02), dark),
        *(((0.012, 0.007, 0.01), (side * 0.028, -0.165, -0.09), dark) for side in (-1, 1)),
        ((0.025, 0.006, 0.01), (0.0, -0.105, -0.085), Material(colour=(0.25, 0.08, 0.07))),
    )
    return [
        Mesh(verts=(verts * size + place) @ R.T + shoulders, surface=surface, material=material, flat=flat)
        for size, place, material in parts
    ]


def _upper_arm(rng: Rng, verts: Float[Array, "verts 3"], person: Person) -> Mesh:
    """From the forearm's end on, bent at the elbow, to somewhere outside: no arm ends in sight."""
    loops, _ = forearm_loops()
    last = verts[loops[-1]]
    start, before = last.mean(0), verts[loops[-3]].mean(0)
    along = (start - before) / np.linalg.norm(start - before)
    away = rng.normal(0, 0.4, 3) + np.array([0.0, 1.0, 0.3])
    away = away / np.linalg.norm(away) + along
    share = np.linspace(0, 1, ROWS)[:, None]
    far = 1.2 + 1.2 * start[2]
    middle = start - 0.02 * along + 0.12 * share * along + far * share**2 * away / np.linalg.norm(away)
    radius = np.linalg.norm(last - start, axis=1).mean() * np.linspace(1.02, 1.35, ROWS)
    sleeve = person.outfit.sleeve
    material = scene.plain_skin(person.look.tone)
    if sleeve is not None:
        material, radius = Material(texture=_cloth(person, sleeve), specular=0.02, roughness=0.9), 1.25 * radius
    return Mesh(verts=_tube(middle, radius), surface=_tube_surface(), material=material)


@lru_cache(maxsize=64)
def _cloth(person: Person, sleeve: Sleeve) -> Texture:
    return cloth(sleeve, person.rng(_LOOK))


def _tube(middle: Float[Array, "rows 3"], radius: Float[Array, "rows"]) -> Float[Array, "verts 3"]:
    """Circles around a path."""
    along = np.gradient(middle, axis=0)
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, np.eye(3)[np.abs(along).mean(0).argmin()])
    side = side / np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    angle = 2 * np.pi * np.arange(AROUND) / AROUND
    circles = np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * other[:, None]
    return (middle[:, None] + radius[:, None, None] * circles).reshape(-1, 3).astype(np.float32)


@lru_cache(maxsize=1)
def _tube_surface() -> Surface:
    middle = np.stack([np.zeros(ROWS), np.zeros(ROWS), np.linspace(0, 1, ROWS)], -1)
    u, v = np.meshgrid(4 * np.arange(AROUND + 1) / AROUND, 20 * np.linspace(0, 1, ROWS))
    return tube_surface(_tube(middle, np.full(ROWS, 0.05)).reshape(ROWS, AROUND, 3), 1, np.stack([u, v], -1))
