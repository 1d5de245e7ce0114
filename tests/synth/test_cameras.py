"""Cameras: where the hand is before them, what their sensors see, what their lenses do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import open_hand
from ownhand.synth.surroundings import cameras
from ownhand.synth.surroundings.cameras import KINDS, clip_cameras, draw_camera, draw_rig
from ownhand.synth.surroundings.devices import FILLS, Device, Lens

SIZE = 96


def _joints(rng: np.random.Generator) -> np.ndarray:
    joints = open_hand().joint_regressor.numpy() @ open_hand().template.numpy()
    joints = np.concatenate([joints, joints[-5:] * 1.1])[:21] - joints[0]
    Q = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    return joints @ (Q * np.sign(np.linalg.det(Q))).T


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    out = []
    for _ in range(600):
        joints = _joints(rng)
        t, camera, device = draw_camera(rng, joints, SIZE)
        pixels = camera.project(torch.from_numpy((joints + t).astype(np.float32))).numpy().astype(float)
        out.append((joints + t, camera, device, device.distorted(pixels)))
    return out


def test_the_hand_fills_the_crop_as_asked(drawn):
    scale = np.array([SIZE / np.ptp(pixels, axis=0).max() for *_, pixels in drawn])
    assert scale.min() > 1.59
    assert scale.max() < 2.61
    assert min(joints[:, 2].min() for joints, *_ in drawn) > 0.05
    assert len({device.kind for _, _, device, _ in drawn}) == len(KINDS)
    assert sum(kind.share for kind in KINDS.values()) == pytest.approx(1)


def test_headsets_see_hands_near_and_below(drawn):
    worn = [(joints.mean(0), device) for joints, _, device, _ in drawn if KINDS[device.kind].worn]
    distance = np.array([np.linalg.norm(centre) for centre, _ in worn])
    assert np.percentile(distance, 5) > 0.25
    assert np.percentile(distance, 90) < 0.9
    assert np.mean([centre[1] > 0 for centre, _ in worn]) > 0.65
    assert all(device.grey == (device.kind == "tracking camera") for _, device in worn)


def test_few_pictures_are_cut_and_few_stay_distorted(drawn):
    inside = np.array([device.inside(pixels) for _, _, device, pixels in drawn])
    assert (inside.all(-1)).mean() > 0.95
    assert inside.sum(-1).min() >= 21 - cameras.LOST
    seen = np.array([device.seen((SIZE, SIZE)) for _, _, device, _ in drawn])
    assert 0.03 < (seen < 1).mean() < 0.25
    assert 0.01 < np.mean([device.lens is not None for _, _, device, _ in drawn]) < 0.06


def test_a_fisheye_picture_moves_away_from_its_tangent_camera_towards_the_edge_only():
    lens = Lens(k1=-0.05, k2=0.01, centre=np.array([0.5, -0.3]), scale=120.0, size=SIZE)
    middle = np.array([[SIZE / 2, SIZE / 2]])
    np.testing.assert_allclose(lens.distorted(middle), middle, atol=1e-6)
    step = np.array([[0.3, 0.0], [0.0, 0.3], [10.0, 0.0], [40.0, 0.0]])
    moved = lens.distorted(middle + step) - middle - step
    assert np.abs(moved[:2]).max() < 1e-2
    assert np.abs(moved[3]).max() > 8 * np.abs(moved[2]).max() > 0.01


def test_a_lens_sends_points_where_kannala_and_brandt_do():
    lens = Lens(k1=-0.05, k2=0.01, centre=np.array([0.4, 0.2]), scale=100.0, size=SIZE)
    flat = np.array([[0.9, -0.2], [0.0, 0.0], [-0.3, 0.8]])
    rho = np.linalg.norm(flat, axis=-1, keepdims=True)
    angle = np.arctan(rho)
    expected = np.where(rho > 0, flat / np.maximum(rho, 1e-9), 0) * (angle - 0.05 * angle**3 + 0.01 * angle**5)
    np.testing.assert_allclose(lens.bent(flat), expected, atol=1e-6)
    np.testing.assert_allclose(lens.straight(lens.bent(flat)), flat, atol=1e-6)
    pixels = np.array([[10.0, 20.0], [70.0, 15.0], [48.0, 90.0]])
    back = lens.sources()[(pixels[:, 1]).astype(int), pixels[:, 0].astype(int)]
    np.testing.assert_allclose(lens.distorted(back), pixels.astype(int) + 0.5, atol=1e-3)


def test_pictures_labels_and_keypoints_move_along():
    lens = Lens(k1=-0.05, k2=0.0, centre=np.array([0.6, 0.3]), scale=100.0, size=SIZE)
    device = Device(kind="action camera", frame=(0, 0, SIZE, SIZE), lens=lens)
    row, column = 20, 78
    image, labels = np.zeros((SIZE, SIZE, 3), np.float32), np.zeros((SIZE, SIZE), np.uint8)
    image[row - 1 : row + 2, column - 1 : column + 2] = 1
    labels[row - 1 : row + 2, column - 1 : column + 2] = 5
    x, y = device.distorted(np.array([[column + 0.5, row + 0.5]]))[0]
    assert np.hypot(x - column, y - row) > 1.5
    for seen in (device.through_lens(image)[..., 0] > 0.5, device.labels(labels) == 5):
        rows, columns = np.nonzero(seen)
        assert abs(rows.mean() + 0.5 - y) < 0.6
        assert abs(columns.mean() + 0.5 - x) < 0.6


@pytest.mark.parametrize("fill", FILLS)
def test_what_the_sensor_misses_is_filled_and_not_labelled(fill):
    device = Device(kind="phone", frame=(-50.0, 10.2, 60.0, 200.0), fill=fill)
    rng = np.random.default_rng(0)
    image = rng.integers(1, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    framed = device.framed(image)
    np.testing.assert_array_equal(framed[10:, :60], image[10:, :60])
    assert (framed[:10] == 0).all() == (fill == "black")
    labels = device.labels(np.ones((SIZE, SIZE), np.uint8))
    assert labels[10:, :60].all()
    assert labels.sum() == (SIZE - 10) * 60
    inside = device.inside(np.array([[5.0, 11.0], [5.0, 9.0], [61.0, 40.0], [-3.0, 40.0]]))
    assert inside.tolist() == [True, False, False, True]
    assert replace(device, frame=(0, 0, SIZE, SIZE)).framed(image) is image


def test_every_camera_of_a_rig_has_the_hand_in_its_picture_and_upright():
    rng = np.random.default_rng(4)
    for _ in range(10):
        joints = _joints(rng)
        t, shots = draw_rig(rng, joints, SIZE)
        assert len(shots) == 8
        np.testing.assert_array_equal(shots[0].R_cam_world, np.eye(3))
        np.testing.assert_array_equal(shots[0].t_cam_world, np.zeros(3))
        centres = np.array([-shot.R_cam_world.T @ shot.t_cam_world for shot in shots])
        gaps = np.linalg.norm(centres[:, None] - centres, axis=-1) + np.eye(8)
        assert gaps.min() > 0.05
        for number, shot in enumerate(shots):
            seen = (joints + t) @ shot.R_cam_world.T + shot.t_cam_world
            assert np.linalg.det(shot.R_cam_world) == pytest.approx(1)
            pixels = shot.camera.project(torch.from_numpy(seen.astype(np.float32))).numpy()
            assert ((pixels > 0) & (pixels < SIZE)).all()
            assert shot.device.inside(pixels).sum() >= (21 if number else 21 - cameras.LOST)
            assert 0.3 < np.linalg.norm(seen.mean(0)) < 2.2


def test_crops_of_a_clip_follow_the_hand_smoothly_and_never_lose_it():
    rng = np.random.default_rng(5)
    for _ in range(10):
        joints = np.repeat(_joints(rng)[None], 16, 0)
        t, crops, devices = clip_cameras(rng, joints, SIZE)
        assert t.shape == (16, 3)
        assert np.linalg.norm(t - t[0], axis=-1).max() <= cameras.PATH + 0.1
        assert np.linalg.norm(np.diff(t, axis=0), axis=-1).max() < 0.08
        assert len({(d.kind, d.fill, d.grey) for d in devices}) == 1
        focal = np.array([camera.focal.item() for camera in crops])
        assert (np.abs(np.diff(np.log(focal))) < 0.35).all()
        for points, camera, device in zip(joints + t[:, None], crops, devices, strict=True):
            pixels = camera.project(torch.from_numpy(points.astype(np.float32))).numpy().astype(float)
            pixels = device.distorted(pixels)
            assert ((pixels > 0) & (pixels < SIZE)).all()
