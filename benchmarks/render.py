"""How fast pictures are drawn on one core, against the bound and against plain supersampling.

    OMP_NUM_THREADS=1 python benchmarks/render.py

The scene is the open hand with its forearm, subdivided nowhere, a held ball of 320 faces, one area light with soft
shadows and ambient occlusion. The peer draws the same picture with four times the pixels, each with its own shadow and
occlusion rays, and averages: what antialiasing costs without looking for edges. Times are the processor's, not the
clock's, so that other programs disturb them less.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import torch
import trimesh

from ownhand.geometry.camera import Camera
from ownhand.hand.builtin import open_hand
from ownhand.render import Ambient, Light, Material, Mesh, Scene, Surface, Texture, render, self_penetration_depth

BOUND_MS = {128: 9.0, 224: 25.0}
ROUNDS, PICTURES = 9, 12


def hand_scene(turn: float, *, catcher: bool = False) -> Scene:
    """The hand turned about the vertical, a quarter of a crop wide."""
    rotation = trimesh.transformations.rotation_matrix(turn, [0, 1, 0])[:3, :3] @ HAND_UPRIGHT
    verts = HAND.template.numpy() @ rotation.T + [0.0, 0.06, 0.5]
    meshes = [
        Mesh(verts=verts, surface=SURFACE, material=SKIN),
        Mesh(verts=BALL.vertices + np.array([0.03, 0.0, 0.46]), surface=BALL_SURFACE),
    ]
    if catcher:
        depth = verts[:, 2].max() + 0.01
        corners = np.array([[-1, -1, depth], [1, -1, depth], [1, 1, depth], [-1, 1, depth]])
        meshes.append(Mesh(verts=corners, surface=PLANE, shadow_catcher=True))
    light = Light(position=(-0.4, -0.6, 0.1), radius=0.08, colour=(0.4, 0.4, 0.4))
    ambient = Ambient.gradient(sky=(0.4, 0.4, 0.45), ground=(0.2, 0.2, 0.2))
    return Scene(meshes=tuple(meshes), lights=(light,), ambient=ambient)


HAND = open_hand(forearm=True)
HAND_UPRIGHT = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])
assert HAND.uv is not None
assert HAND.uv_faces is not None
SURFACE = Surface(
    faces=HAND.faces.numpy(),
    uv=HAND.uv.numpy(),
    uv_faces=HAND.uv_faces.numpy(),
    labels=HAND.skin_weights[HAND.faces].sum(1).argmax(1).numpy(),
    rest=HAND.template.numpy(),
)
SKIN = Material(
    texture=Texture(colour=np.random.default_rng(0).uniform(0.2, 0.6, (512, 512, 3)), height=np.zeros((512, 512))),
    specular=0.028,
    wrap=(0.35, 0.18, 0.12),
    scatter=0.002,
)
BALL = trimesh.creation.icosphere(2, 0.03)
BALL_SURFACE = Surface(faces=BALL.faces, rest=BALL.vertices)
PLANE = Surface(faces=np.array([[0, 2, 1], [0, 3, 2]]))


def milliseconds(draw) -> float:
    """Median over rounds of the mean time per picture."""
    draw(0.0)
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for k in range(PICTURES):
            draw(2 * np.pi * k / PICTURES)
        rounds.append((time.process_time() - began) / PICTURES * 1e3)
    return median(rounds)


def main() -> None:
    torch.set_num_threads(1)
    print(f"{len(HAND.template)} vertices, {len(SURFACE.faces) + len(BALL.faces)} faces")
    for size, bound in BOUND_MS.items():
        camera, fine = (Camera.from_fov(30.0, (n, n)) for n in (size, 2 * size))
        fast = milliseconds(lambda turn, camera=camera: render(hand_scene(turn), camera))
        grounded = milliseconds(lambda turn, camera=camera: render(hand_scene(turn, catcher=True), camera))

        def plainly(turn: float, size: int = size, fine: Camera = fine) -> np.ndarray:
            picture = render(hand_scene(turn), fine, samples=1, adaptive=False)
            return picture.rgb.reshape(size, 2, size, 2, 3).mean((1, 3))

        slow = milliseconds(plainly)
        print(
            f"{size} px: {fast:5.1f} ms, {1e3 / fast:5.1f} pictures/s ({bound / fast:.2f} x the bound of {bound} ms); "
            f"with a shadow catcher {grounded:5.1f} ms; plain 2 x 2 {slow:5.1f} ms, {slow / fast:.2f} x slower"
        )
    depth = milliseconds(lambda turn: self_penetration_depth(HAND.template.numpy(), SURFACE))
    print(f"self-penetration of {len(HAND.template)} vertices: {depth:.2f} ms")


if __name__ == "__main__":
    main()
