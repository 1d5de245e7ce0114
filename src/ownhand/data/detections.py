"""Hands that other programs found in pictures: boxes, or the 21 joints with a confidence each. docs/formats.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.lens import Undistortion

FORMAT = "ownhand hands 1"
WHOLE_BODY = {"left": slice(91, 112), "right": slice(112, 133)}
"""Where the hands are among the 133 keypoints of COCO-WholeBody."""

LEAST = 0.05
"""Confidence below which a joint of another program was not seen at all."""


@dataclass(frozen=True, kw_only=True)
class DetectedHand:
    """A hand in a picture.

    Attributes:
        is_right: Whether it is a right one.
        box: Left, top, width and height of its joints' box [px], or None.
        keypoints: The 21 joints [px, corner origin], or None.
        confidence: Of each joint in [0, 1], or None.
    """

    is_right: bool
    box: tuple[float, float, float, float] | None = None
    keypoints: Float[Tensor, "21 2"] | None = None
    confidence: Float[Tensor, "21"] | None = None

    def undistorted(self, undistortion: Undistortion) -> DetectedHand:
        """The same in the pinhole's picture; joints that it does not show count as not seen.

        Raises:
            ValueError: The pinhole's picture does not show the box at all.
        """
        box, keypoints, confidence = self.box, self.keypoints, self.confidence
        if box is not None:
            x, y, width, height = box
            share = torch.linspace(0, 1, 9)
            grid = torch.stack(torch.meshgrid(x + width * share, y + height * share, indexing="xy"), -1)
            moved = undistortion.to_pinhole(grid).reshape(-1, 2)
            moved = moved[moved.isfinite().all(-1)]
            if len(moved) == 0:
                raise ValueError(
                    f"expected a hand that a pinhole can show, got one at {box} more than 85 degrees aside"
                )
            low, (right, bottom) = moved.amin(0), moved.amax(0).tolist()
            left, top = low.tolist()
            box = (left, top, right - left, bottom - top)
        if keypoints is not None and confidence is not None:
            moved = undistortion.to_pinhole(keypoints)
            there = moved.isfinite().all(-1)
            keypoints, confidence = torch.where(there[:, None], moved, 0), torch.where(there, confidence, 0)
        return replace(self, box=box, keypoints=keypoints, confidence=confidence)


def read_detections(path: Path) -> dict[str, list[DetectedHand]]:
    """Hands by the name of their picture's file, or by its stem where the format has no more.

    Understood are our own format, COCO-WholeBody (annotations with `images`, or results that name files), MediaPipe's
    hand landmarks as docs/formats.md writes them, and a folder of OpenPose's `NAME_keypoints.json`.

    Raises:
        ValueError: It is none of these.
    """
    if path.is_dir():
        files = sorted(path.glob("*_keypoints.json"))
        if not files:
            raise ValueError(f"{path}: expected a folder of OpenPose's NAME_keypoints.json, found none")
        return {file.name.removesuffix("_keypoints.json"): list(_openpose(_json(file), file)) for file in files}
    content = _json(path)
    try:
        if isinstance(content, dict) and content.get("format") == FORMAT:
            return {name: [_own(hand) for hand in hands] for name, hands in content["pictures"].items()}
        if isinstance(content, dict) and "annotations" in content:
            names = {image["id"]: Path(image["file_name"]).name for image in content["images"]}
            return _grouped((names[one["image_id"]], one) for one in content["annotations"])
        if isinstance(content, list):
            return _grouped((Path(str(one.get("file_name", one["image_id"]))).name, one) for one in content)
        if isinstance(content, dict) and "pictures" in content:
            return {name: [_mediapipe(hand, p) for hand in p["hands"]] for name, p in content["pictures"].items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path}: expected hands in a format of docs/formats.md, but {error!r}") from None
    raise ValueError(
        f"{path}: expected '{FORMAT}', COCO-WholeBody, landmarks of MediaPipe or a folder of OpenPose, got other JSON"
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot read the hands ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON ({error})") from None


def _hand(side: str, points: Any) -> DetectedHand:
    if side not in ("left", "right"):
        raise ValueError(f"a side is left or right, not {side!r}")
    table = torch.tensor(points, dtype=torch.float32).reshape(21, 3)
    if not table.isfinite().all():
        raise ValueError("a keypoint is no number")
    return DetectedHand(is_right=side == "right", keypoints=table[:, :2], confidence=table[:, 2].clamp(0, 1))


def _seen(hand: DetectedHand) -> bool:
    return hand.confidence is not None and bool((hand.confidence > LEAST).sum() >= 2)


def _own(hand: dict[str, Any]) -> DetectedHand:
    if "keypoints" in hand:
        return _hand(hand["side"], hand["keypoints"])
    x, y, width, height = (float(v) for v in hand["box"])
    if hand["side"] not in ("left", "right") or not (width > 0 and height > 0):
        raise ValueError(f"a box needs a side, left or right, and a positive size, got {hand}")
    return DetectedHand(is_right=hand["side"] == "right", box=(x, y, width, height))


def _openpose(content: Any, file: Path) -> Iterator[DetectedHand]:
    """Pixel centres lie at whole numbers there."""
    try:
        for person in content["people"]:
            for side in WHOLE_BODY:
                if person.get(f"hand_{side}_keypoints_2d"):
                    hand = _half_pixel(_hand(side, person[f"hand_{side}_keypoints_2d"]))
                    if _seen(hand):
                        yield hand
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{file}: expected a file of OpenPose, but {error!r}") from None


def _grouped(pairs: Iterator[tuple[str, Any]]) -> dict[str, list[DetectedHand]]:
    found: dict[str, list[DetectedHand]] = {}
    for name, one in pairs:
        hands = found.setdefault(name, [])
        for side, where in WHOLE_BODY.items():
            if f"{side}hand_kpts" in one:
                points = one[f"{side}hand_kpts"] if one.get(f"{side}hand_valid", True) else [0.0] * 63
            else:
                points = torch.tensor(one["keypoints"], dtype=torch.float32).reshape(133, 3)[where].tolist()
            hand = _half_pixel(_hand(side, points))
            if _seen(hand):
                hands.append(hand)
    return found


def _half_pixel(hand: DetectedHand) -> DetectedHand:
    """From pixel centres at whole numbers to the corner's origin."""
    assert hand.keypoints is not None
    return DetectedHand(is_right=hand.is_right, keypoints=hand.keypoints + 0.5, confidence=hand.confidence)


def _mediapipe(hand: dict[str, Any], picture: dict[str, Any]) -> DetectedHand:
    """Landmarks are shares of the picture's width and height; sides are those of a mirrored picture."""
    width, height = picture["size"]
    score = float(hand.get("score", 1.0))
    points = [[p["x"] * width, p["y"] * height, score] for p in hand["landmarks"]]
    side = {"left": "right", "right": "left"}[str(hand["handedness"]).lower()]
    return _hand(side, points)
