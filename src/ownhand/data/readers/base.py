"""Pictures of a real data set where they lie, as right hands in ownhand's conventions.

What the labels of a data set mean is declared in one value, `Conventions`, and applied here and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ownhand.data.photos import PhotoError, read_photo
from ownhand.data.pictures import check_fields
from ownhand.data.readers.index import Findings, Row, column
from ownhand.data.sample import CLIP, HandSample, Taken
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.hand.mano import pose_from_mano
from ownhand.hand.model import HandModel, HandPose
from ownhand.structs import concatenate

Tips = tuple[int, int, int, int, int]

MOST_FRAMES = 10_000_000
"""No sequence has more: instants of different sequences are far apart."""


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """What the numbers of a data set mean.

    Attributes:
        integer_centres: Whether the intrinsics put pixel centres at whole numbers instead of at .5.
        integer_labels: Whether the 2D labels do.
        flat_hand_mean: Whether a zero pose is the flat rest hand (True) or MANO's mean pose (False).
        wrist_translation: Whether translations say where the wrist is, instead of by how much MANO's mesh is moved.
        pca: Number of PCA coefficients of a pose; None: axis-angles.
        right_tips, left_tips: Fingertip vertices of MANO's meshes, thumb to little.
        one_hand_per_person: Whether both hands of a person have one shape; otherwise each side is a person of its own.
        true_shape: What counts as the true shape of a person, in words for tables; None if people have no names.
    """

    integer_centres: bool
    integer_labels: bool
    flat_hand_mean: bool
    wrist_translation: bool = False
    pca: int | None
    right_tips: Tips
    left_tips: Tips
    one_hand_per_person: bool
    true_shape: str | None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A data set as it is published.

    Attributes:
        name: What it is called here.
        conventions: What its labels mean.
        parts: Root -> the parts that are scanned one after the other. Raises ValueError, in one sentence, for a
            folder that is not this data set.
        scan: (root, part, findings) -> rows of the index.
        sources: (root, part) -> files and folders on which these rows depend.
        splits: Names of its splits, the default first.
        split: (index, name of a split) -> for each row `train`, `val`, `test` or nothing.
    """

    name: str
    conventions: Conventions
    parts: Callable[[Path], list[str]]
    scan: Callable[[Path, str, Findings], list[Row]]
    sources: Callable[[Path, str], list[Path]]
    splits: tuple[str, ...]
    split: Callable[[pa.Table, str], np.ndarray]


class RealPictures:
    """Pictures of a data set, cropped around the hand, by random access; see `Pictures`.

    Left hands are mirrored. A crop is a square around the joints' box, as in Kong et al. (2022).

    Attributes:
        layout: Where from.
        table: The index's rows of these pictures.
        findings: What was left out, and why.
    """

    blocks = None

    def __init__(
        self,
        layout: Layout,
        root: Path,
        table: pa.Table,
        hand: HandModel,
        left: HandModel | None = None,
        *,
        findings: Findings | None = None,
        size: int = 256,
        scale: float = 2.0,
    ) -> None:
        """Take rows of an index; `open_pictures` builds one.

        Args:
            layout: The data set.
            root: Its folder.
            table: Rows of its index.
            hand: MANO's right hand.
            left: MANO's left hand as `load_mano` mirrors it; None takes the right one for both.
            findings: What was left out.
            size: Side of the crops [px].
            scale: Side of the crops relative to the larger side of the joints' box.
        """
        self.layout, self.table, self.findings = layout, table, findings or Findings()
        self._root, self._size, self._scale = root, size, scale
        tips = layout.conventions.right_tips, layout.conventions.left_tips
        self._hands = replace(hand, tips=tips[0]), replace(hand if left is None else left, tips=tips[1])

    def __len__(self) -> int:
        return len(self.table)

    @property
    def subjects(self) -> Int[Tensor, "pictures"] | None:
        """Number of the person in each picture; of person and side, if a data set gives each its own shape; None if the
        data set does not say."""
        if self.layout.conventions.true_shape is None:
            return None
        person, is_right = column(self.table, "subject"), column(self.table, "is_right")
        if not self.layout.conventions.one_hand_per_person:
            person = 2 * person + ~is_right
        return torch.from_numpy(person.astype(np.int64))

    @property
    def singles(self) -> list[int]:
        """All rows."""
        return list(range(len(self)))

    @property
    def fingerprint(self) -> str:
        """Equal for the same hands in the same order, read in the same way."""
        what = f"{self.layout.name} {self.layout.conventions} {self._size} {self._scale}"
        digest = hashlib.sha256(what.encode())
        for name in ("image", "is_right", "K", "hand_pose", "betas"):
            digest.update(str(column(self.table, name).tolist()).encode())
        return digest.hexdigest()[:16]

    def only(self, fields: Sequence[str]) -> RealPictures:
        """The same pictures: there are neither labels of pixels nor depth to leave out."""
        check_fields(fields)
        return self

    def rows(self, chosen: Sequence[int] | Bool[np.ndarray, "pictures"] | Int[np.ndarray, "chosen"]) -> RealPictures:
        """Some of the pictures, by number or by a mask."""
        other, chosen = copy(self), np.asarray(chosen)
        other.table = self.table.filter(pa.array(chosen)) if chosen.dtype == bool else self.table.take(chosen)
        return other

    def with_conventions(self, conventions: Conventions) -> RealPictures:
        """The same pictures, their labels understood in another way."""
        layout = replace(self.layout, conventions=conventions)
        return RealPictures(
            layout, self._root, self.table, *self._hands, findings=self.findings, size=self._size, scale=self._scale
        )

    def part(self, split: str, part: str) -> RealPictures:
        """The `train`, `val` or `test` pictures of a split.

        Raises:
            ValueError: There is no such split or part, or it is empty.
        """
        layout = self.layout
        if split not in layout.splits or part not in ("train", "val", "test"):
            raise ValueError(
                f"expected a split of {layout.name} ({', '.join(layout.splits)}) and train, val or test, "
                f"got {split!r} and {part!r}"
            )
        chosen = self.rows(layout.split(self.table, split) == part)
        if len(chosen) == 0:
            raise ValueError(f"{self._root}: the {part} part of split {split} is empty")
        return chosen

    def right_hands(self) -> RealPictures:
        """Without the left ones."""
        return self._without(~column(self.table, "is_right"), "left hand")

    def whole_hands(self) -> RealPictures:
        """Without hands of which a joint lies outside the picture (the paper's filter)."""
        return self._without(~self.visible().all(-1).numpy(), "hand with a joint outside the picture")

    def _without(self, dropped: Bool[np.ndarray, "pictures"], kind: str) -> RealPictures:
        chosen = self.rows(~dropped)
        chosen.findings = Findings(dict(self.findings.counts), dict(self.findings.first))
        if dropped.any():
            where = self.table.column("image")[int(dropped.argmax())].as_py()
            chosen.findings.add(kind, where, int(dropped.sum()))
        return chosen

    def visible(self) -> Bool[Tensor, "pictures 21"]:
        """Whether each joint lies in the picture (in the stored one, before cropping)."""
        return torch.cat([self.known(rows).visible for rows in torch.arange(len(self)).split(4096)])

    def labels(
        self, indices: Sequence[int] | Int[Tensor, "rows"]
    ) -> tuple[Float[Tensor, "rows 21 2"], Float[Tensor, "rows 21 3"]]:
        """The joints as the data set labels them, in the conventions of `known`: in the picture [px] and in the camera
        frame [m]; NaN where there are none."""
        table = self.table.take(np.asarray(indices))
        flip, flip_pixels = _flips(table)
        keypoints, joints = _floats(table, "keypoints", 21, 2), _floats(table, "joints", 21, 3)
        if self.layout.conventions.integer_labels:
            keypoints = keypoints + 0.5
        return keypoints @ flip_pixels[:, :2, :2] + flip_pixels[:, None, :2, 2], joints @ flip

    def known(self, indices: Sequence[int] | Int[Tensor, "rows"]) -> HandSample:
        """What is known of several pictures as they are stored (left ones mirrored): `image` has no pixels, and
        `camera.size` says nothing, since sizes may differ. A joint is visible if it lies in the stored picture."""
        return self._decoded(torch.as_tensor(indices, dtype=torch.long))

    def load(self, indices: Sequence[int]) -> HandSample:
        """Several pictures as one batch of crops.

        Raises:
            ValueError: A picture is missing, damaged, or of another size than the index says.
        """
        known = self.known(indices)
        crop = Crop.around_keypoints(known.keypoints, self._size, self._scale)
        images = [crop[i].image(self._picture(int(row))) for i, row in enumerate(indices)]
        keypoints = crop.keypoints(known.keypoints)
        inside = ((keypoints >= 0) & (keypoints < self._size)).all(-1)
        return replace(
            known,
            image=torch.stack(images),
            camera=crop.camera(known.camera),
            keypoints=keypoints,
            visible=known.visible & inside,
        )

    def _picture(self, row: int) -> Float[Tensor, "3 h w"]:
        values = self.table.slice(row, 1).select(["image", "height", "width", "is_right"]).to_pylist()[0]
        path = self._root / values["image"]
        try:
            image = read_photo(path)
        except PhotoError as error:
            raise ValueError(f"cannot read a picture of {self.layout.name}: {error}") from error
        if image.shape[1:] != (values["height"], values["width"]):
            raise ValueError(
                f"{path}: expected a picture of {values['width']} x {values['height']} px, "
                f"got {image.shape[2]} x {image.shape[1]}"
            )
        return image if values["is_right"] else image.flip(-1)

    def _decoded(self, rows: Int[Tensor, "rows"]) -> HandSample:
        conventions, table = self.layout.conventions, self.table.take(rows.numpy())
        is_right = torch.from_numpy(column(table, "is_right").astype(bool))
        flip, flip_pixels = _flips(table)
        K = _floats(table, "K", 3, 3)
        if conventions.integer_centres:
            K = Camera.from_integer_centres(K, (0, 0)).K
        camera = Camera(K=flip_pixels @ K @ flip, size=(0, 0))
        size = torch.stack([_floats(table, "width"), _floats(table, "height")], -1)

        sides = [(is_right == side).nonzero()[:, 0] for side in (True, False)]
        hands = [
            self._posed(table.take(here.numpy()), hand, side)
            for side, hand, here in zip((True, False), self._hands, sides, strict=True)
            if len(here)
        ]
        order = torch.cat(sides).argsort()
        pose, joints = (
            concatenate([pose for pose, _ in hands])[order],
            torch.cat([joints for _, joints in hands])[order],
        )
        keypoints = camera.project(joints)
        return HandSample(
            image=torch.empty(len(rows), 3, 0, 0),
            camera=camera,
            keypoints=keypoints,
            visible=((keypoints >= 0) & (keypoints < size[:, None])).all(-1),
            joints=joints,
            pose=pose,
            shape=_floats(table, "true_betas"),
            subject=None if self.subjects is None else self.subjects[rows],
            is_right=is_right,
            taken=self._taken(rows),
        )

    def _taken(self, rows: Int[Tensor, "rows"]) -> Taken:
        """Every picture as a frame of a clip, its sequence: what several cameras took at once has one instant."""
        table = self.table.take(rows.numpy())
        sequence, frame, camera = (
            torch.from_numpy(column(table, name).astype(np.int64))
            for name in ("sequence_number", "frame", "camera_number")
        )
        return Taken(
            kind=torch.full_like(frame, CLIP),
            instant=sequence * MOST_FRAMES + frame,
            device=camera,
            thing=torch.full_like(frame, -1),
            decisions=torch.zeros_like(frame),
            R_cam_world=_floats(table, "R_cam_world", 3, 3),
            t_cam_world=_floats(table, "t_cam_world"),
        )

    def _posed(self, table: pa.Table, hand: HandModel, is_right: bool) -> tuple[HandPose, Float[Tensor, "rows 21 3"]]:
        """Poses and joints of hands of one side, mirrored if that is the left one, in the camera frame."""
        conventions, betas = self.layout.conventions, _floats(table, "betas")
        pose = pose_from_mano(
            hand,
            _floats(table, "global_orient"),
            _floats(table, "hand_pose")[:, : conventions.pca or 45],
            _floats(table, "transl"),
            betas,
            flat_hand_mean=conventions.flat_hand_mean,
            use_pca=conventions.pca,
            is_right=is_right,
        )
        flip, _ = _flips(table)
        if conventions.wrist_translation:
            pose = replace(pose, t_cam_root=(flip @ _floats(table, "transl")[..., None])[..., 0])
        R = flip @ _floats(table, "R_cam_world", 3, 3) @ flip
        t = (flip @ _floats(table, "t_cam_world")[..., None])[..., 0]
        pose = replace(pose, R_cam_root=R @ pose.R_cam_root, t_cam_root=(R @ pose.t_cam_root[..., None])[..., 0] + t)
        return pose, hand.shaped(betas).posed(pose).joints


def _floats(table: pa.Table, name: str, *shape: int) -> Float[Tensor, "rows ..."]:
    return torch.from_numpy(column(table, name, *shape).astype(np.float32))


def _flips(table: pa.Table) -> tuple[Float[Tensor, "rows 3 3"], Float[Tensor, "rows 3 3"]]:
    """What mirrors left hands, in the camera frame and in homogeneous pixels; the identity for right ones."""
    side = 1 - 2 * _floats(table, "is_right").sub(1).abs()
    one, zero, width = torch.ones_like(side), torch.zeros_like(side), _floats(table, "width")
    in_frame = torch.diag_embed(torch.stack([side, one, one], -1))
    in_pixels = in_frame.clone()
    in_pixels[:, 0, 2] = torch.where(side < 0, width, zero)
    return in_frame, in_pixels
