import numpy as np
import pytest
import trimesh

from ownhand.render import Surface, self_penetration_depth, signed_distance


def joined(*bodies: trimesh.Trimesh) -> tuple[np.ndarray, Surface]:
    """Bodies as one mesh, each a part."""
    verts = np.concatenate([body.vertices for body in bodies])
    starts = np.cumsum([0, *(len(body.vertices) for body in bodies[:-1])])
    faces = np.concatenate([body.faces + start for body, start in zip(bodies, starts, strict=True)])
    labels = np.repeat(np.arange(len(bodies)), [len(body.faces) for body in bodies])
    return verts, Surface(faces=faces, labels=labels, rest=verts)


def ball(radius: float, x: float) -> trimesh.Trimesh:
    return trimesh.creation.icosphere(4, radius).apply_translation([x, 0, 0])


def finger(x: float, radius: float = 0.008) -> trimesh.Trimesh:
    return trimesh.creation.capsule(0.05, radius, count=[24, 24]).apply_translation([x, 0, 0])


@pytest.mark.parametrize("overlap", [0.001, 0.004, 0.01])
def test_two_balls_penetrate_by_their_overlap(overlap):
    verts, surface = joined(ball(0.02, 0), ball(0.015, 0.035 - overlap))
    assert self_penetration_depth(verts, surface).max() == pytest.approx(overlap, abs=2e-4)


def test_bodies_apart_do_not_penetrate():
    verts, surface = joined(ball(0.02, 0), ball(0.02, 0.0401), finger(-0.0285))
    assert (self_penetration_depth(verts, surface) == 0).all()


def test_only_the_vertices_inside_the_other_body_count():
    verts, surface = joined(ball(0.02, 0), ball(0.02, 0.03))
    depth = self_penetration_depth(verts, surface)
    half = len(verts) // 2
    to_other = np.concatenate([verts[:half] - [0.03, 0, 0], verts[half:]])
    inside = 0.02 - np.linalg.norm(to_other, axis=1)
    assert (depth[inside < 0] == 0).all()
    assert np.allclose(depth[inside > 5e-4], inside[inside > 5e-4], atol=2e-4)


@pytest.mark.parametrize("overlap", [0.0005, 0.002, 0.005])
def test_two_fingers_penetrate_by_their_overlap(overlap):
    verts, surface = joined(finger(0), finger(0.016 - overlap))
    assert self_penetration_depth(verts, surface).max() == pytest.approx(overlap, abs=2.5e-4)


def test_poses_searched_together_give_what_each_gives_alone():
    first, surface = joined(ball(0.02, 0), ball(0.015, 0.031))
    poses = np.stack([first, joined(ball(0.02, 0), ball(0.015, 0.04))[0], np.add(first, [0.5, 0, 0])]).astype(
        np.float32
    )
    alone = np.stack([self_penetration_depth(pose, surface) for pose in poses])
    assert np.allclose(self_penetration_depth(poses, surface), alone, atol=2e-6)
    assert self_penetration_depth(np.repeat(poses, 20, 0), surface).shape == (60, len(first))


def test_neighbouring_parts_may_overlap():
    verts, surface = joined(finger(0), finger(0.012))
    assert self_penetration_depth(verts, surface, ignore=[(1, 0)]).max() == 0
    assert self_penetration_depth(verts, surface, ignore=[(1, 2)]).max() > 0.003


def test_a_body_bent_into_itself_is_found_after_refitting():
    bar = trimesh.creation.capsule(0.2, 0.008, count=[24, 24])
    for _ in range(2):
        bar = bar.subdivide()
    straight = bar.vertices - [0, 0, bar.vertices[:, 2].mean()]
    labels = np.digitize(straight[bar.faces].mean(1)[:, 2], [-0.06, 0.06])
    surface = Surface(faces=bar.faces, labels=labels, rest=straight)
    neighbours = [(0, 1), (1, 2)]
    assert self_penetration_depth(straight, surface, ignore=neighbours).max() == 0

    def bent(gap: float) -> np.ndarray:
        """The ends folded upwards until their axes are `gap` apart: a U with a round bottom."""
        radius = gap / 2
        x, y, s = straight.T
        angle = np.clip(s / radius, -np.pi / 2, np.pi / 2)
        straight_part = s - angle * radius
        along, across = np.abs(straight_part), radius - x
        return np.stack([across * np.sin(angle), -y, radius - across * np.cos(angle) + along], -1)

    assert self_penetration_depth(bent(0.025), surface, ignore=neighbours).max() == 0
    assert self_penetration_depth(bent(0.017), surface, ignore=neighbours).max() == 0
    assert self_penetration_depth(bent(0.012), surface, ignore=neighbours).max() == pytest.approx(0.004, abs=3e-4)


def test_signed_distances_to_a_ball_are_exact():
    body = trimesh.creation.icosphere(5, 0.05)
    points = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32) * 0.05
    distance, closest = signed_distance(points, body.vertices, Surface(faces=body.faces))
    radius = np.linalg.norm(points, axis=1)
    assert np.allclose(distance, radius - 0.05, atol=1e-4)
    assert np.allclose(closest, points / radius[:, None] * 0.05, atol=1e-3)


def test_distances_follow_a_moved_mesh():
    body = trimesh.creation.icosphere(3, 0.05)
    surface = Surface(faces=body.faces, rest=body.vertices)
    points = np.array([[0.1, 0, 0]])
    for x in (0.0, 0.02, 0.06):
        distance, _ = signed_distance(points, body.vertices + np.array([x, 0, 0]), surface)
        assert distance[0] == pytest.approx(abs(0.1 - x) - 0.05, abs=2e-4)


def test_bad_meshes_are_refused():
    body = trimesh.creation.icosphere(1)
    with pytest.raises(ValueError, match="part labels"):
        self_penetration_depth(body.vertices, Surface(faces=body.faces))
    with pytest.raises(ValueError, match="finite"):
        signed_distance(np.full((2, 3), np.nan), body.vertices, Surface(faces=body.faces))
    with pytest.raises(ValueError, match="at least 42 vertices"):
        signed_distance(np.zeros((2, 3)), body.vertices[:40], Surface(faces=body.faces))
