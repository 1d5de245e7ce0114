"""Tubes around wrist and fingers that follow the posed skin."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from ownhand.hand.anatomy import TWIST
from ownhand.hand.builtin import open_hand
from ownhand.render import Surface
from ownhand.synth.people.skin_map import dorsal_directions, joint_frames

Array = np.ndarray

AROUND = 20  # vertices around the forearm, and of everything made from it
RING_AROUND = 18  # of a ring


@lru_cache(maxsize=1)
def forearm_loops() -> tuple[Int[Array, "loops 20"], Float[Array, "loops"]]:
    """The forearm's vertices loop by loop, from the hand's last ones to the elbow, and each loop's distance [m].

    Every loop starts on the back and turns from the radial side over the palmar to the ulnar one, seen from the hand.
    """
    model = open_hand(forearm=True)
    faces, template = model.faces.numpy(), model.template.numpy()
    arm = faces[len(open_hand().faces) :]
    loops = [np.intersect1d(arm, np.arange(len(open_hand().template)))]
    seen = loops[0]
    while True:
        beside = np.setdiff1d(arm[np.isin(arm, loops[-1]).any(1)], seen)
        if not len(beside):
            break
        loops.append(beside)
        seen = np.union1d(seen, beside)
    ordered: list[Array] = []
    for loop in loops:
        place = template[loop] - template[loop].mean(0)
        loop = loop[np.argsort(np.arctan2(place[:, 1], place[:, 2]))]
        if ordered:
            shifted = [np.roll(loop, -k) for k in range(AROUND)]
            loop = min(shifted, key=lambda order: np.linalg.norm(template[order] - template[ordered[-1]], axis=1).sum())
        else:
            loop = np.roll(loop, -int(template[loop, 2].argmax()))
        ordered.append(loop)
    middles = np.array([template[loop].mean(0) for loop in ordered])
    steps = np.linalg.norm(np.diff(middles, axis=0), axis=1)
    return np.array(ordered), np.concatenate([[0], np.cumsum(steps)])


def lifted(
    verts: Float[Array, "verts 3"], distances: Float[Array, "rows _"], outwards: Float[Array, "rows _"]
) -> Float[Array, "rows 20 3"]:
    """Rows of points around the forearm, above its skin.

    Args:
        verts: Hand and forearm, posed [m].
        distances: From the hand's last vertices along the forearm, for each row or each point [m]; past both ends the
            arm goes straight on.
        outwards: Height above the skin, likewise [m].
    """
    loops, places = forearm_loops()
    arm = verts[loops]
    spokes = arm - arm.mean(1, keepdims=True)
    spokes = spokes / np.sqrt((spokes * spokes).sum(-1, keepdims=True))
    low = np.clip(np.searchsorted(places, distances, side="right") - 1, 0, len(places) - 2)
    t = ((distances - places[low]) / np.diff(places)[low])[..., None]
    both = np.concatenate([arm, spokes], -1)
    column = np.arange(AROUND)
    values = both[low, column] * (1 - t) + both[low + 1, column] * t
    return values[..., :3] + outwards[..., None] * values[..., 3:]


def tube_faces(rows: int, columns: int, *, closed: bool = True) -> Int[Array, "faces 3"]:
    """Triangles between rows of vertices that run around; open ones have a last column of their own."""
    row, step = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = row * columns + step, row * columns + (step + 1) % columns
    c, d = a + columns, b + columns
    return np.stack([np.stack([a, b, d], -1), np.stack([a, d, c], -1)], -2).reshape(-1, 3)


def tube_surface(
    rest: Float[Array, "rows columns 3"], label: int, uv: Float[Array, "rows _ 2"] | None = None
) -> Surface:
    """Surface of a closed tube; texture coordinates have one column more than it has vertices around."""
    rows, columns = rest.shape[:2]
    faces = tube_faces(rows, columns)
    return Surface(
        faces=faces,
        labels=np.full(len(faces), label),
        rest=rest.reshape(-1, 3),
        uv=None if uv is None else uv.reshape(-1, 2),
        uv_faces=None if uv is None else tube_faces(rows, columns + 1, closed=False),
    )


@lru_cache(maxsize=256)
def finger_loop(joint: int, share: float) -> tuple[Int[Array, "18 3"], Float[Array, "18 3"]]:
    """Points around a bone, on the skin of the mean hand: vertices of their faces, and barycentric coordinates.

    Args:
        joint: Of the bone.
        share: Where along the bone. The first point lies on its back.
    """
    model = open_hand()
    verts, faces = model.template.numpy().astype(np.float64), model.faces.numpy()
    faces = faces[(model.skin_weights[:, joint].numpy() > 0.05)[faces].any(1)]
    origins, axes = joint_frames()
    start = origins[joint] + share * (origins[joint + 1] - origins[joint])
    along = axes[joint][:, TWIST]
    back = dorsal_directions(model)[joint]
    back = back - along * (back @ along)
    back /= np.linalg.norm(back)
    angle = np.linspace(0, 2 * np.pi, RING_AROUND, endpoint=False)
    direction = np.outer(np.cos(angle), back) + np.outer(np.sin(angle), np.cross(along, back))
    corner = verts[faces]
    # Where each ray start + s * direction leaves the skin: solve [e1 e2 -direction] (u, v, s) = start - corner 0.
    edges = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], -1)
    system = np.concatenate(
        [
            np.broadcast_to(edges, (RING_AROUND, *edges.shape)),
            np.broadcast_to(-direction[:, None, :, None], (RING_AROUND, len(faces), 3, 1)),
        ],
        -1,
    )
    solution = np.linalg.solve(system, np.broadcast_to((start - corner[:, 0])[..., None], (*system.shape[:2], 3, 1)))
    u, v, s = np.moveaxis(solution[..., 0], -1, 0)
    hit = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (s > 0)
    nearest = np.where(hit, s, np.inf).argmin(1)
    rows = np.arange(RING_AROUND)
    u, v = u[rows, nearest], v[rows, nearest]
    return faces[nearest], np.stack([1 - u - v, u, v], -1)
