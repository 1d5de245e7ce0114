"""What a world's shots are like, counted without drawing any picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from ownhand.hand.anatomy import FLEXION
from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import length_mm
from ownhand.hand.skeleton import FINGERS
from ownhand.synth.poses.contact import open_hand_limits
from ownhand.synth.shots import Shot, shot
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.things.objects import catalogue
from ownhand.synth.world import World
from tools.show_world.charts import Page

Array = np.ndarray

SHOTS, SIZE = 2000, 128  # px
JOINTS = ("base", "middle", "end")
SEGMENTS = 24  # of a histogram


@dataclass(frozen=True, kw_only=True, eq=False)
class Coverage:
    """Numbers of single pictures.

    Attributes:
        length: Of each person's hand [mm].
        tone: Of each person's skin on the Monk scale, 0 to 10.
        flexion: Of every joint [degrees].
        direction: From the hand to the camera, in the hand's frame: x distal, y to the thumb's side, z dorsal.
        kind: Of camera.
        view: The camera's field of view along its longer side [degrees].
        distance: From the camera to the middle of the hand [m].
        share: Longer side of the keypoints' box over the crop's.
        thing: What is held; -1 for nothing.
        visible: Joints.
    """

    length: Float[Array, "people"]
    tone: Float[Array, "people"]
    flexion: Float[Array, "n 5 3"]
    direction: Float[Array, "n 3"]
    kind: Int[Array, "n"]
    view: Float[Array, "n"]
    distance: Float[Array, "n"]
    share: Float[Array, "n"]
    thing: Int[Array, "n"]
    visible: Int[Array, "n"]


def measured(world: World, count: int = SHOTS) -> Coverage:
    """Numbers of a world's first pictures."""
    shots = [shot(world, index, SIZE) for index in range(count)]
    people = [world.person(number) for number in range(count // world.per_person)]
    angles = open_hand_limits().angles(torch.stack([seen.hand.R_parent_joint for seen in shots]))
    middle = np.stack([seen.joints.numpy().mean(0) for seen in shots])
    towards = np.stack([-seen.R_world_root.T @ m for seen, m in zip(shots, middle, strict=True)])
    boxes = np.stack([np.ptp(seen.keypoints.numpy(), axis=0).max() for seen in shots])
    return Coverage(
        length=length_mm(open_hand(), torch.from_numpy(np.stack([p.shape for p in people]))).numpy(),
        tone=np.array([p.look.tone for p in people]),
        flexion=np.rad2deg(angles[..., FLEXION].numpy()).reshape(-1, 5, 3),
        direction=towards / np.linalg.norm(towards, axis=1, keepdims=True),
        kind=np.array([list(KINDS).index(seen.device.kind) for seen in shots]),
        view=np.array([field_of_view(seen) for seen in shots]),
        distance=np.linalg.norm(middle, axis=1),
        share=boxes / SIZE,
        thing=np.array([seen.thing for seen in shots]),
        visible=np.array([seen.visible.sum() for seen in shots]),
    )


def field_of_view(seen: Shot) -> float:
    """Of the whole sensor along its longer side, through its middle [degrees]."""
    left, top, right, bottom = seen.device.frame
    x, y = (left + right) / 2, (top + bottom) / 2
    ends = np.array([[left, y], [right, y]] if right - left > bottom - top else [[x, top], [x, bottom]])
    lens = seen.device.lens
    if lens is None:
        flat = np.c_[ends, [1, 1]] @ np.linalg.inv(seen.camera.K.numpy()).T
    else:
        assert lens.centre is not None
        flat = np.c_[lens.straight((ends - SIZE / 2) / lens.scale + lens.bent(lens.centre[None])), [1, 1]]
    rays = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return float(np.rad2deg(np.arccos(np.clip(rays[0] @ rays[1], -1, 1))))


def charts(found: Coverage) -> Page:
    """All of it on one page."""
    page = Page(1224, 960)
    wide, tall = 196, 90
    columns = [40 + 240 * k for k in range(5)]
    for finger, name in enumerate(FINGERS):
        for joint, word in enumerate(JOINTS):
            place = columns[finger], 40 + joint * 140, wide, tall
            _histogram(
                page, place, f"{name}, {word} joint, flexion [°]", found.flexion[:, finger, joint], (-40, 120), 40
            )
    top = 460
    _histogram(page, (columns[0], top, wide, tall), "length of the hand [mm]", found.length, (150, 230), 20)
    _histogram(page, (columns[1], top, wide, tall), "skin on the Monk scale", found.tone, (0, 10), 2, 10)
    _histogram(page, (columns[2], top, wide, tall), "field of view [°]", found.view, (40, 160), 40)
    _histogram(page, (columns[3], top, wide, tall), "distance [m]", found.distance, (0, 1.6), 0.4)
    _histogram(page, (columns[4], top, wide, tall), "keypoints' box / crop", found.share, (0.35, 0.65), 0.1)
    top = 610
    _histogram(page, (columns[0], top, wide, tall), "visible joints", found.visible, (-0.5, 21.5), 0, 22)
    for share in (0, 7, 14, 21):
        page.text(columns[0] + (share + 0.5) / 22 * wide, top + tall + 13, str(share), fill="#6e6e74")
    kinds = np.bincount(found.kind, minlength=len(KINDS)).tolist()
    page.rows((columns[0] - 12, 752, wide + 30, 180), "camera", list(KINDS), kinds)
    names = ["nothing", *(thing.name for thing in catalogue())]
    things = np.bincount(found.thing + 1, minlength=len(names)).tolist()
    title = f"held, in the {100 * (1 - things[0] / sum(things)):.0f} % that hold something"
    page.rows((columns[1], top, wide + 20, 322), title, names[1:], things[1:])
    for k, (title, side) in enumerate((("seen from the back", 1), ("seen from the palm", -1))):
        chosen = found.direction[found.direction[:, 2] * side > 0]
        across = chosen[:, 1] * -side
        flat = np.stack([across, chosen[:, 0]], 1) / np.sqrt(1 + np.abs(chosen[:, 2:]))
        thumb, little = ("thumb", "little") if side == 1 else ("little", "thumb")
        share = f"{title}, {100 * len(chosen) / len(found.direction):.0f} %"
        page.disc((580 + 330 * k, top + 40, 250, 250), share, flat, ("fingertips", little, "wrist", thumb))
    return page


def _histogram(
    page: Page,
    place: Sequence[float],
    title: str,
    values: Array,
    limits: tuple[float, float],
    step: float,
    segments: int = SEGMENTS,
) -> None:
    low, high = limits
    counts = np.histogram(values, segments, limits)[0]
    marks = np.arange(low, high + step / 2, step) if step else []
    page.bars(place, title, counts, [((mark - low) / (high - low), f"{mark:g}") for mark in marks])
