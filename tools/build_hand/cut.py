"""Cuts the right hand and forearm out of the body along two closed edge loops."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tools.build_hand import unwrap
from tools.build_hand.source import Body

WRIST_X, ELBOW_X = -0.014, -0.195  # nearest edge loops end the hand and the forearm [m]
UV_ROUNDS = 20


@dataclass(frozen=True)
class Cut:
    """The right hand, then the forearm.

    Attributes:
        verts: [verts 3] m in the hand's frame (x distal, y radial, z dorsal, wrist joint at the origin).
        faces, uv_faces: [faces 3]; the hand's faces and vertices come first.
        uv: [uvs 2] in [0, 1], v downwards; the hand's come first.
        joints: MakeHuman's finger joints `[5 fingers, 4 joints, 3]` m, thumb first, base to tip.
        nail: [verts] 1 on fingernails.
        hand_verts, hand_faces, hand_uvs: How many belong to the hand.
        wrist_loop: Vertices of the hand's boundary, in order.
    """

    verts: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    joints: np.ndarray
    nail: np.ndarray
    hand_verts: int
    hand_faces: int
    hand_uvs: int
    wrist_loop: np.ndarray


def cut_hand(body: Body) -> Cut:
    """Cut, name the frame, order and triangulate."""
    fingers = np.array([[body.joints[f"r-finger-{f}-{j}"] for j in range(1, 5)] for f in range(1, 6)])
    wrist = body.joints["r-hand"]
    x = _unit(fingers[2, 0] - wrist)
    z = _unit(np.cross(x, fingers[1, 0] - fingers[4, 0]))
    R_hand_body = np.stack([x, np.cross(z, x), z])
    verts, joints = (body.verts - wrist) @ R_hand_body.T, (fingers - wrist) @ R_hand_body.T

    near = np.abs(verts - [0, 0, 0]).max(1) < 0.3
    graph = _EdgeGraph(body.quads[near[body.quads].all(1)])
    loops = [loop for loop in graph.closed_loops() if _goes_round(verts[loop])]
    wrist_loop = min(loops, key=lambda loop: abs(verts[loop, 0].mean() - WRIST_X))
    elbow_loop = min(loops, key=lambda loop: abs(verts[loop, 0].mean() - ELBOW_X))
    quads, uv_quads = body.quads, body.uv_quads
    tip = np.linalg.norm(verts - joints[2, 3], axis=1).argmin()
    hand = _side_of(quads, [wrist_loop], tip)
    forearm = _side_of(quads, [elbow_loop], tip) & ~hand
    order = np.concatenate([np.flatnonzero(hand), np.flatnonzero(forearm)])
    quads, uv_quads = quads[order], uv_quads[order]
    hand_quads = int(hand.sum())

    used, quads, hand_verts = _renumber(quads, hand_quads)
    verts = verts[used]
    used_uv, uv_quads, hand_uvs = _renumber(uv_quads, hand_quads)
    uv = body.uv[used_uv] * [1, -1] + [0, 1]
    nail = _sample(body.nails, uv)
    nail_of_vertex = np.zeros(len(verts))
    np.maximum.at(nail_of_vertex, quads.ravel(), nail[uv_quads].ravel())
    faces, uv_faces = _triangulate(verts, quads, uv_quads)
    return Cut(
        verts=verts,
        faces=faces,
        uv=unwrap.pack(unwrap.relax(verts[faces], uv, uv_faces, UV_ROUNDS), uv_faces),
        uv_faces=uv_faces,
        joints=joints,
        nail=nail_of_vertex,
        hand_verts=hand_verts,
        hand_faces=2 * hand_quads,
        hand_uvs=hand_uvs,
        wrist_loop=np.array([np.flatnonzero(used == v)[0] for v in wrist_loop]),
    )


class _EdgeGraph:
    """Edges of a quad mesh, for walking straight on through vertices of valence four."""

    def __init__(self, quads: np.ndarray):
        self.faces_of = defaultdict(set)
        self.neighbours = defaultdict(set)
        for i, quad in enumerate(quads):
            for a, b in zip(quad, np.roll(quad, -1), strict=True):
                self.faces_of[frozenset((a, b))].add(i)
                self.neighbours[a].add(b)
                self.neighbours[b].add(a)

    def closed_loops(self) -> list[list[int]]:
        """Every closed edge loop, once, each starting at its smallest vertex."""
        found = {}
        for a, b in sorted(tuple(sorted(edge)) for edge in self.faces_of):
            loop = self._walk(a, b)
            if loop:
                found.setdefault(frozenset(loop), loop)
        return list(found.values())

    def _walk(self, a: int, b: int) -> list[int] | None:
        loop = [a, b]
        while True:
            a, b = loop[-2:]
            if len(self.neighbours[b]) != 4:
                return None
            beside = self.faces_of[frozenset((a, b))]
            ahead = [c for c in self.neighbours[b] if c != a and not beside & self.faces_of[frozenset((b, c))]]
            if len(ahead) != 1:
                return None
            if ahead[0] == loop[0]:
                return loop
            if ahead[0] in loop:
                return None
            loop.append(ahead[0])


def _goes_round(loop: np.ndarray) -> bool:
    """Whether a loop circles the forearm: wide across, thin along it."""
    return bool(np.ptp(loop[:, 1]) > 0.03 and np.ptp(loop[:, 2]) > 0.02 and np.ptp(loop[:, 0]) < 0.025)


def _side_of(quads: np.ndarray, loops: list[list[int]], seed: int) -> np.ndarray:
    """Faces that can be reached from the vertex seed without crossing a loop: [faces] bool."""
    walls = {frozenset(pair) for loop in loops for pair in zip(loop, np.roll(loop, -1), strict=True)}
    owners = defaultdict(list)
    for i, quad in enumerate(quads):
        for a, b in zip(quad, np.roll(quad, -1), strict=True):
            owners[frozenset((a, b))].append(i)
    pairs = np.array([own for edge, own in owners.items() if len(own) == 2 and edge not in walls])
    graph = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(quads), len(quads)))
    label = connected_components(graph, directed=False)[1]
    return label == label[(quads == seed).any(1).argmax()]


def _renumber(corners: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Used indices (those of the first faces first), corners into them, and how many the first faces use."""
    head = np.unique(corners[:first])
    used = np.concatenate([head, np.setdiff1d(corners, head)])
    place = np.zeros(used.max() + 1, int)
    place[used] = np.arange(len(used))
    return used, place[corners], len(head)


def _triangulate(verts: np.ndarray, quads: np.ndarray, uv_quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split each quad along its shorter diagonal."""
    p = verts[quads]
    turn = np.linalg.norm(p[:, 0] - p[:, 2], axis=1) > np.linalg.norm(p[:, 1] - p[:, 3], axis=1)
    split = np.where(turn[:, None], [1, 2, 3, 1, 3, 0], [0, 1, 2, 0, 2, 3])
    return tuple(np.take_along_axis(c, split, 1).reshape(-1, 3) for c in (quads, uv_quads))


def _sample(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    h, w = image.shape
    return map_coordinates(image, [uv[:, 1] * h - 0.5, uv[:, 0] * w - 0.5], order=1, mode="nearest")


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
