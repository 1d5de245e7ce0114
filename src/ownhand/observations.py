"""What the networks say of labelled pictures, beside the truth: they run once, and everything else works on that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand.data.pictures import Pictures
from ownhand.data.sample import Taken
from ownhand.geometry.crops import Crop
from ownhand.hand.model import HandPose
from ownhand.pipeline import Pipeline
from ownhand.results import Seen
from ownhand.structs import TensorStruct, concatenate, given, stack
from ownhand.views import View

Crops = Literal["found", "labelled"]
"""Where crops come from: found by the pipeline itself, as in use, or cut around the labelled joints."""

SIDES = ("palm", "back", "thumb's side", "little finger's side", "fingertips", "wrist")
"""From where a hand is seen: along which of its own axes the camera lies most."""


@runtime_checkable
class LabelledPictures(Pictures, Protocol):
    """Pictures to measure on."""

    @property
    def singles(self) -> list[int]:
        """Rows of the pictures that were taken alone, which no clip or rig has in common with others."""
        ...


@dataclass(frozen=True, kw_only=True)
class Observations(TensorStruct):
    """What the networks say of labelled pictures, and the truth.

    Attributes:
        seen: What the networks say.
        pose: True pose.
        shape: True shape.
        keypoints: True keypoints in the crop [px].
        visible: Which of them are in the picture, and no thing before them.
        zoom: Pixels of the crop per pixel of the picture.
        subject: Number of the person.
        taken: How the pictures were taken; None if that is not known.
    """

    seen: Seen
    pose: HandPose
    shape: Float[Tensor, "*batch shapes"]
    keypoints: Float[Tensor, "*batch 21 2"]
    visible: Bool[Tensor, "*batch 21"]
    zoom: Float[Tensor, "*batch"]
    subject: Int[Tensor, "*batch"]
    taken: Taken | None = None

    def people(self) -> Iterator[tuple[int, Observations]]:
        """Each person's pictures, in their order."""
        for subject in self.subject.unique().tolist():
            yield subject, self[self.subject == subject]


def observe(
    pipeline: Pipeline,
    data: LabelledPictures,
    *,
    rows: Sequence[int] | None = None,
    crops: Crops = "found",
    batch: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> Observations:
    """Run the networks over all pictures, or some rows; evaluation and tuning start from here.

    Args:
        pipeline: Networks and settings.
        data: Labelled pictures.
        rows: Which of them; all when None.
        crops: How they are cropped.
        batch: Pictures at once.
        progress: Called with (done, all) pictures.

    Raises:
        ValueError: The pictures do not say pose, shape and person.
    """
    rows = range(len(data)) if rows is None else rows
    parts = []
    for start in range(0, len(rows), batch):
        sample = data.load(rows[start : start + batch])
        views = [View(image=image, camera=sample.camera[i]) for i, image in enumerate(sample.image)]
        cut, seen = pipeline.crop(views) if crops == "found" else pipeline.crop_around(views, sample.keypoints)
        crop: Crop = stack(cut)
        parts.append(
            Observations(
                seen=seen,
                pose=given(sample.pose, "pictures with known poses"),
                shape=given(sample.shape, "pictures with known shapes"),
                keypoints=crop.keypoints(sample.keypoints),
                visible=sample.visible,
                zoom=torch.linalg.det(crop.T_crop_image[:, :2, :2]).sqrt(),
                subject=given(sample.subject, "pictures of known people"),
                taken=sample.taken,
            )
        )
        if progress is not None:
            progress(min(start + batch, len(rows)), len(rows))
    return concatenate(parts)


def seen_from(pose: HandPose) -> list[str]:
    """Which of SIDES each hand shows the camera."""
    towards = (pose.R_cam_root.mT @ -pose.t_cam_root[..., None])[..., 0]
    signed = torch.stack(
        [-towards[..., 2], towards[..., 2], towards[..., 1], -towards[..., 1], towards[..., 0], -towards[..., 0]], -1
    )
    return [SIDES[i] for i in signed.argmax(-1).flatten().tolist()]
