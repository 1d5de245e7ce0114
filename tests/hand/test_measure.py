"""Measuring tape and callipers against a real section of the mesh."""

import pytest
import torch
import trimesh
from scipy.spatial import ConvexHull

from ownhand.hand.builtin import open_hand
from ownhand.hand.measure import (
    SURVEY,
    finger_lengths_mm,
    lay_tape,
    length_mm,
    size_direction,
    survey_measurements,
    width_mm,
)
from ownhand.synth.people.population import draw_people


@pytest.fixture(scope="module")
def hand():
    return open_hand()


def test_the_size_direction_scales_the_mean_hand_about_its_wrist(hand):
    mean, larger = (hand.shaped(share * size_direction(hand)) for share in (0.0, 0.1))
    verts, scaled = (h.verts - h.joints_16[..., :1, :] for h in (mean, larger))
    torch.testing.assert_close(scaled, 1.1 * verts, atol=1e-6, rtol=0)


def section_perimeter_mm(verts, faces, origin, normal) -> float:
    """Perimeter of the convex hull of a mesh's section."""
    mesh = trimesh.Trimesh(verts.numpy(), faces.numpy(), process=False)
    segments = trimesh.intersections.mesh_plane(mesh, normal.numpy(), origin.numpy())
    points = torch.from_numpy(segments.reshape(-1, 3))
    across = torch.linalg.svd(points - points.mean(0), full_matrices=False).Vh[:2]
    return 1000 * ConvexHull((points @ across.mT).numpy()).area


def test_tape_around_a_cylinder_is_its_circumference():
    cylinder = trimesh.creation.cylinder(radius=0.03, height=0.2, sections=200)
    verts, faces = torch.tensor(cylinder.vertices), torch.tensor(cylinder.faces)
    axis = torch.tensor([0.0, 0.0, 1.0], dtype=verts.dtype)
    tape = lay_tape(verts, faces, 0.013 * axis, axis)
    assert tape.length(verts).item() == pytest.approx(2 * torch.pi * 0.03, rel=1e-3)
    assert tape.length(1.1 * verts).item() == pytest.approx(2 * torch.pi * 0.033, rel=1e-3)


def test_a_plane_beside_the_mesh_is_refused(hand):
    with pytest.raises(ValueError, match="must cut the mesh"):
        lay_tape(hand.template, hand.faces, torch.tensor([1.0, 0, 0]), torch.tensor([1.0, 0, 0]))


def test_circumferences_agree_with_sections_of_each_persons_mesh(hand):
    shape, _ = draw_people(20, seed=4)
    taped = survey_measurements(hand, shape)
    for verts, joints, tape in zip(hand.shaped(shape).verts, hand.shaped(shape).joints, taped, strict=True):
        wrist = section_perimeter_mm(verts, hand.faces, joints[0], joints[9] / joints[9].norm())
        assert tape[SURVEY.index("wrist_circumference")].item() == pytest.approx(wrist, rel=0.01)
        palm = hand.faces[(hand.skin_weights[:, 1:4].sum(-1) <= 0.3)[hand.faces].all(-1)]
        across = joints[5] - joints[17]
        normal = torch.linalg.cross(across, torch.tensor([0.0, 0, 1]))
        section = section_perimeter_mm(verts, palm, joints[5], normal / normal.norm())
        assert tape[SURVEY.index("hand_circumference")].item() == pytest.approx(section, rel=0.01)


def test_every_measurement_of_a_scaled_hand_scales(hand):
    scale = 1 + (hand.shape_basis[..., 0] / hand.template).median().item()
    size = torch.eye(10)[0]
    for measure in (length_mm, width_mm, finger_lengths_mm, survey_measurements):
        torch.testing.assert_close(measure(hand, size), scale * measure(hand, 0 * size), rtol=1e-4, atol=0)


def test_measurements_broadcast_over_people_and_have_gradients(hand):
    shape = draw_people(6, seed=1)[0].reshape(2, 3, 10).requires_grad_()
    together = survey_measurements(hand, shape)
    assert together.shape == (2, 3, 5)
    assert torch.equal(together[1, 2], survey_measurements(hand, shape[1, 2]))
    together.sum().backward()
    assert (shape.grad[..., 0] > 0).all()  # larger hands are larger


def test_hand_length_is_palm_and_middle_finger():
    hand, mean = open_hand(), torch.zeros(10)
    joints = hand.shaped(mean).joints
    expected = 1000 * joints[9].norm() + finger_lengths_mm(hand, mean)[2]
    assert length_mm(hand, mean).item() == pytest.approx(expected.item(), abs=0.1)
