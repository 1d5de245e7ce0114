"""Hands that other programs found are read as they mean them."""

import json
import math

import pytest
import torch

from ownhand.data.detections import FORMAT, DetectedHand, read_detections
from ownhand.geometry.camera import Camera
from ownhand.geometry.lens import Lens, Undistortion

POINTS = [[10.0 + k, 20.0 + 2 * k, 0.9] for k in range(21)]
NOTHING = [[0.0, 0.0, 0.0]] * 21


def flat(points):
    return [v for p in points for v in p]


def written(tmp_path, content, name="hands.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return path


def assert_joints(hand, shift=0.0):
    torch.testing.assert_close(hand.keypoints, torch.tensor(POINTS)[:, :2] + shift)
    torch.testing.assert_close(hand.confidence, torch.full((21,), 0.9))


def test_our_own_format_holds_boxes_or_joints(tmp_path):
    hands = [{"side": "left", "box": [1, 2, 30, 40]}, {"side": "right", "keypoints": POINTS}]
    left, right = read_detections(written(tmp_path, {"format": FORMAT, "pictures": {"a.jpg": hands}}))["a.jpg"]
    assert not left.is_right
    assert left.box == (1, 2, 30, 40)
    assert right.is_right
    assert_joints(right)


def test_coco_whole_body_in_both_forms(tmp_path):
    one = {"image_id": 7, "righthand_kpts": flat(POINTS), "righthand_valid": True}
    one |= {"lefthand_kpts": flat(POINTS), "lefthand_valid": False}
    labels = {"images": [{"id": 7, "file_name": "dir/a.jpg"}], "annotations": [one]}
    (hand,) = read_detections(written(tmp_path, labels))["a.jpg"]
    assert hand.is_right
    assert_joints(hand, 0.5)
    body = [[0.0, 0.0, 0.0]] * 91 + POINTS + NOTHING
    (hand,) = read_detections(written(tmp_path, [{"image_id": "a.jpg", "keypoints": flat(body)}]))["a.jpg"]
    assert not hand.is_right
    assert_joints(hand, 0.5)


def test_a_folder_of_openpose(tmp_path):
    people = [{"hand_left_keypoints_2d": flat(NOTHING), "hand_right_keypoints_2d": flat(POINTS)}]
    written(tmp_path, {"people": people}, "a_keypoints.json")
    written(tmp_path, {"people": []}, "b_keypoints.json")
    found = read_detections(tmp_path)
    assert found["b"] == []
    (hand,) = found["a"]
    assert hand.is_right
    assert_joints(hand, 0.5)


def test_mediapipe_measures_in_shares_and_names_sides_of_the_mirror_image(tmp_path):
    landmarks = [{"x": x / 200, "y": y / 100, "z": 0.0} for x, y, _ in POINTS]
    hand = {"handedness": "Left", "score": 0.9, "landmarks": landmarks}
    content = {"pictures": {"a.png": {"size": [200, 100], "hands": [hand]}}}
    (found,) = read_detections(written(tmp_path, content))["a.png"]
    assert found.is_right
    assert_joints(found)


def test_hands_in_a_distorted_picture_are_moved_to_the_pinholes():
    camera = Camera(K=torch.tensor([[100.0, 0, 100], [0, 100, 100], [0, 0, 1]]), size=(200, 200))
    lens = Lens(model="fisheye", coefficients=torch.zeros(4, dtype=torch.float64))
    undistortion = Undistortion.of(lens, camera)
    shift = undistortion.pinhole.K[0, 2].item() - 100
    points = torch.tensor(POINTS)
    points[0, :2] = torch.tensor([190.0, 100.0])  # 0.9 rad off the axis
    points[1, :2] = torch.tensor([260.0, 100.0])  # 1.6 rad: behind the pinhole
    hand = DetectedHand(is_right=True, box=(90, 90, 100, 20), keypoints=points[:, :2], confidence=points[:, 2])
    moved = hand.undistorted(undistortion)
    assert moved.keypoints[0].tolist() == pytest.approx([100 + 100 * math.tan(0.9) + shift, 100 + shift], abs=1e-3)
    assert moved.confidence[:3].tolist() == pytest.approx([0.9, 0, 0.9])
    left, top, width, height = moved.box
    assert left + width == pytest.approx(100 + 100 * math.tan(0.9) + shift, rel=0.01)
    assert (left, top + height / 2) == pytest.approx((89.9 + shift, 100 + shift), abs=0.2)
    behind = DetectedHand(is_right=True, box=(260, 90, 5, 5))
    with pytest.raises(ValueError, match="more than 85 degrees aside"):
        behind.undistorted(undistortion)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("no JSON", "expected JSON"),
        ({"hello": 1}, "got other JSON"),
        ({"format": FORMAT, "pictures": {"a": [{"side": "up", "box": [0, 0, 1, 1]}]}}, "left or right"),
        ({"format": FORMAT, "pictures": {"a": [{"side": "left", "box": [0, 0, 0, 1]}]}}, "positive size"),
        ({"format": FORMAT, "pictures": {"a": [{"side": "left", "keypoints": POINTS[:20]}]}}, "hands in a format"),
        (
            {"format": FORMAT, "pictures": {"a": [{"side": "left", "keypoints": [[float("nan")] * 3] * 21}]}},
            "no number",
        ),
        ([{"keypoints": []}], "hands in a format"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_a_sentence(tmp_path, content, says):
    path = tmp_path / "hands.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match=says):
        read_detections(path)
    with pytest.raises(ValueError, match="cannot read the hands"):
        read_detections(tmp_path / "none.json")
    with pytest.raises(ValueError, match="found none"):
        read_detections(tmp_path)
