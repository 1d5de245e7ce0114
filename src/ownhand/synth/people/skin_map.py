"""Where on the hand each texel lies: computed once from the mean open hand, the same for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt

from ownhand.geometry.camera import Camera
from ownhand.geometry.meshes import face_normals, vertex_normals
from ownhand.hand.anatomy import ABDUCTION, FLEXION, TWIST
from ownhand.hand.builtin import nail_mask, open_hand
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import PARENTS_16
from ownhand.render import Ambient, Mesh, Scene, Surface, render
from ownhand.structs import given

Array = np.ndarray

THUMB_BASE_DORSAL = (-0.2, 0.6, 0.75)
"""Where the back of the thumb's metacarpal looks (distal, radial, dorsal); its joint's axes do not say."""
NAIL_RIM = 0.0007  # metres by which a nail reaches past the vertices that are marked as nail


@dataclass(frozen=True, kw_only=True, eq=False)
class Bands:
    """Bands across the bones. Each texel knows its nearest one.

    Attributes:
        count: How many bands there are.
        which: Number of the nearest band.
        along: Signed distance to its middle, towards the fingertip [m].
        gate: 1 where the band may show, 0 elsewhere.
    """

    count: int
    which: Int[Array, "texels"]
    along: Float[Array, "texels"]
    gate: Float[Array, "texels"]


@dataclass(frozen=True, kw_only=True, eq=False)
class SkinMap:
    """The texels that lie on the hand or the forearm, as a flat list.

    Attributes:
        size: Side of the texture [texels].
        nearest: For each texel of the square, the nearest one of the list.
        position: On the mean rest hand [m].
        dorsal: 1 on the back, 0 on the palmar side, soft between.
        hand, knuckle, tip, mound, palm, back: Shares of these regions, 0 to 1; `hand` ends at the wrist, `back` is
            the back of hand and forearm without the fingers, `mound` the mounds of thumb, little finger and pads.
        nail: Share of nail; `nail_along` runs from its root (0) to its edge (1), `nail_across` from side to side
            (-1 to 1).
        weight: Skin weights of the 16 joints.
        area: Of the skin that a texel stands for [m^2].
        creases: Across the palmar side of the finger joints.
        wrinkles: Across their dorsal side.
    """

    size: int
    nearest: Int[Array, "size size"]
    position: Float[Array, "texels 3"]
    dorsal: Float[Array, "texels"]
    hand: Float[Array, "texels"]
    knuckle: Float[Array, "texels"]
    tip: Float[Array, "texels"]
    mound: Float[Array, "texels"]
    palm: Float[Array, "texels"]
    back: Float[Array, "texels"]
    nail: Float[Array, "texels"]
    nail_along: Float[Array, "texels"]
    nail_across: Float[Array, "texels"]
    weight: Float[Array, "texels 16"]
    area: Float[Array, "texels"]
    creases: Bands
    wrinkles: Bands


def dorsal_directions(model: HandModel) -> Float[Array, "16 3"]:
    """Where the back of each joint's part looks in the rest hand."""
    directions = np.concatenate([[[0.0, 0.0, 1.0]], given(model.axes, "anatomical axes")[:, :, ABDUCTION].numpy()])
    directions[1] = np.array(THUMB_BASE_DORSAL) / np.linalg.norm(THUMB_BASE_DORSAL)
    return directions


@lru_cache(maxsize=2)
def part_labels(hand_faces: int) -> Int[Array, "faces"]:
    """Label of each face as in `HandSample.labels`: 1 forearm, 2 + j dorsal, 18 + j palmar.

    Args:
        hand_faces: How many faces, the first ones, belong to the hand; the others are forearm.
    """
    model = open_hand(forearm=True)
    joint = model.skin_weights[model.faces].sum(1).argmax(1).numpy()
    facing = (face_normals(model.template, model.faces).numpy() * dorsal_directions(model)[joint]).sum(-1)
    labels = np.where(facing >= 0, 2 + joint, 18 + joint)
    labels[hand_faces:] = 1
    return labels


@lru_cache(maxsize=1)
def joint_frames() -> tuple[Float[Array, "16 3"], Float[Array, "16 3 3"]]:
    """Joints of the mean rest hand, and their axes as columns (TWIST along the bone, FLEXION from side to side)."""
    model = open_hand(forearm=True)
    axes = np.concatenate([np.eye(3)[None], given(model.axes, "anatomical axes").numpy()])
    return (model.joint_regressor @ model.template).numpy(), axes


@lru_cache(maxsize=1)
def skin_surface() -> Surface:
    """The open hand with its forearm; faces have the labels of `part_labels`."""
    model = open_hand(forearm=True)
    return Surface(
        faces=model.faces.numpy(),
        uv=given(model.uv, "texture coordinates").numpy(),
        uv_faces=given(model.uv_faces, "texture coordinates").numpy(),
        labels=part_labels(len(open_hand().faces)),
        rest=model.template.numpy(),
    )


@lru_cache(maxsize=4)
def skin_map(size: int) -> SkinMap:
    """Lay the mean hand out over a texture of `size` x `size`."""
    model = open_hand(forearm=True)
    weights, joints = model.skin_weights.numpy(), (model.joint_regressor @ model.template).numpy()
    tips, template = model.template[list(model.tips)].numpy(), model.template.numpy()
    dorsal = (
        vertex_normals(model.template, model.faces).numpy()[:, None]
        * dorsal_directions(model)[None]
        * weights[..., None]
    ).sum((1, 2))
    features = np.concatenate([template, weights, dorsal[:, None]], 1)
    texels, nearest, area = _laid_out(model, features, size)
    position, weight, facing = texels[:, :3], texels[:, 3:19], texels[:, 19]
    model_nail = nail_mask(forearm=True).numpy()
    dorsal = smooth(facing, -0.25, 0.35)
    palm = smooth(-facing, 0.2, 0.6) * smooth(weight[:, [0, 1, 2, 4, 7, 10, 13]].sum(1), 0.5, 0.9)
    palm *= smooth(position[:, 0], 0.0, 0.012)

    def near(points: Array, reach: float) -> Array:
        square = ((position[:, None] - points[None]) ** 2).sum(-1)
        return np.exp(-square.min(1) / reach**2)

    mounds = np.array([[0.045, 0.028, -0.03], [0.035, -0.03, -0.025], [0.085, -0.025, -0.015], [0.092, 0.02, -0.015]])
    axes = given(model.axes, "anatomical axes").numpy()
    distal = [3, 6, 9, 12, 15]
    plate, nail_along, nail_across = (np.zeros(len(position), np.float32) for _ in range(3))
    for joint in distal:
        on = np.flatnonzero((model_nail > 0.5) & (weights[:, joint] > 0.5))
        own = np.flatnonzero((weight[:, joint] > 0.3) & (dorsal > 0.3))
        (low, _, left), (high, _, right) = (
            f((template[on] - joints[joint]) @ axes[joint - 1], axis=0) for f in (np.min, np.max)
        )
        place = (position[own] - joints[joint]) @ axes[joint - 1]
        low, high = low - NAIL_RIM, high + NAIL_RIM
        t = (place[:, TWIST] - low) / (high - low)
        u = (2 * place[:, FLEXION] - left - right) / (right - left + 2 * NAIL_RIM)
        outside = np.abs(u) ** 3 + np.where(t < 0.5, np.abs(2 * t - 1) ** 2.6, np.abs(2 * t - 1) ** 4)
        plate[own] = 1 - smooth(outside, 0.8, 1.15)
        nail_along[own], nail_across[own] = t, u

    def bands(places: list[tuple[int, float]], gate: Array) -> Bands:
        """Bands at (joint, share of the way to the next joint)."""
        along, gates = [], []
        for joint, share in places:
            axis = axes[joint - 1, :, TWIST]
            end = tips[(joint - 1) // 3] if joint in distal else joints[joint + 1]
            middle = joints[joint] + share * (end - joints[joint])
            along.append((position - middle) @ axis)
            own = weight[:, joint] + weight[:, PARENTS_16[joint]]
            own = own + (weight[:, joint + 1] if joint not in distal else 0)
            gates.append(smooth(own, 0.5, 0.8) * (np.abs(along[-1]) < 0.012))
        which = np.argmin(np.where(np.array(gates) > 0.01, np.abs(along), 1.0), 0)
        rows = np.arange(len(position))
        return Bands(
            count=len(places),
            which=which,
            along=np.array(along)[which, rows].astype(np.float32),
            gate=(np.array(gates)[which, rows] * gate).astype(np.float32),
        )

    fingers = [j for base in (4, 7, 10, 13) for j in (base + 1, base + 2)]
    crease_places = [(2, 0.0), (3, 0.0), *((base, 0.5) for base in (4, 7, 10, 13)), *((j, 0.0) for j in fingers)]
    wrinkle_places = [(2, 0.0), (3, 0.0), *((j, 0.0) for j in fingers)]
    is_middle = np.isin([j for j, _ in wrinkle_places], [3, 5, 8, 11, 14])
    wrinkles = bands(wrinkle_places, dorsal)
    wrinkles.gate[:] *= np.where(is_middle[wrinkles.which], 1, 0.4)
    return SkinMap(
        size=size,
        nearest=nearest,
        position=position,
        dorsal=dorsal,
        hand=smooth(position[:, 0], -0.02, 0.018),
        knuckle=near(joints[[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]], 0.013),
        tip=near(tips, 0.012),
        mound=(1 - dorsal) * np.maximum(near(mounds, 0.016), 0.7 * near(tips, 0.016)),
        palm=palm,
        back=smooth(facing, 0.1, 0.7) * smooth(weight[:, 0] + 0.7 * weight[:, [4, 7, 10, 13]].sum(1), 0.4, 0.9),
        nail=plate,
        nail_along=nail_along,
        nail_across=nail_across,
        weight=weight,
        area=area,
        creases=bands(crease_places, 1 - dorsal),
        wrinkles=wrinkles,
    )


def _laid_out(model: HandModel, features: Array, size: int) -> tuple[Array, Array, Array]:
    """Vertex features at each covered texel, the nearest covered texel of every texel, and each one's area [m^2].

    The flattened mesh is drawn by the ray tracer, seen from straight above.
    """
    uv, corners = (given(part, "texture coordinates").numpy() for part in (model.uv, model.uv_faces))
    flat = Mesh(
        verts=np.concatenate([uv, np.ones((len(uv), 1), np.float32)], 1),
        surface=Surface(faces=corners, labels=np.arange(len(corners))),
    )
    camera = Camera(K=torch.diag(torch.tensor([float(size), float(size), 1.0])), size=(size, size))
    dark = Ambient.gradient(sky=(0, 0, 0), ground=(0, 0, 0))
    face = render(Scene(meshes=(flat,), ambient=dark), camera, samples=1, ambient_rays=0, adaptive=False).label
    covered = face >= 0
    row, column = np.nonzero(covered)
    triangle = uv[corners[face[covered]]]
    point = np.stack([column + 0.5, row + 0.5], -1) / size
    share = np.linalg.solve((triangle[:, :2] - triangle[:, 2:]).transpose(0, 2, 1), (point - triangle[:, 2])[..., None])
    share = np.concatenate([share[..., 0], 1 - share[..., 0].sum(1, keepdims=True)], 1)
    area = face_areas(model.template.numpy(), model.faces.numpy()) / face_areas(uv, corners) / size**2
    values = (features[model.faces.numpy()[face[covered]]] * share[..., None]).sum(1)
    place = np.full((size, size), -1)
    place[covered] = np.arange(covered.sum())
    nearest: Any = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return values.astype(np.float32), place[tuple(nearest)], area[face[covered]].astype(np.float32)


def face_areas(verts: Float[Array, "verts dim"], faces: Int[Array, "faces 3"]) -> Float[Array, "faces"]:
    """Of triangles in the plane or in space."""
    a, b, c = np.moveaxis(verts[faces].astype(np.float64), 1, 0)
    if verts.shape[1] == 2:
        a, b, c = (np.pad(corner, ((0, 0), (0, 1))) for corner in (a, b, c))
    return np.maximum(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2, 1e-12)


def smooth(x: Array, low: float, high: float) -> Array:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)
