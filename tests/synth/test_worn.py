"""What is worn follows the posed skin, and the wrist bends without folding."""

import numpy as np
import pytest
import torch

from ownhand.hand.builtin import open_hand
from ownhand.hand.model import HandPose
from ownhand.render import Texture
from ownhand.structs import given
from ownhand.synth.people import forearm
from ownhand.synth.people.jewellery import rings
from ownhand.synth.people.population import draw_person
from ownhand.synth.people.skin_map import part_labels
from ownhand.synth.people.tubes import finger_loop, forearm_loops
from ownhand.synth.people.worn import hand_material, worn
from ownhand.synth.posing import bent_hands
from ownhand.synth.world import World

SEED = 5


@pytest.fixture(scope="module")
def hands():
    return [hand.verts for hand in bent_hands(World(seed=SEED, singles=1, holding=0.0), 0)]


def _somebody(wears):
    return next(person for person in (draw_person(SEED, k) for k in range(400)) if wears(person.outfit))


def test_the_same_random_numbers_give_the_same_meshes(hands):
    person = _somebody(lambda o: o.sleeve and o.rings)
    first, again = (worn(person, hands[0], np.random.default_rng(1)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.verts, b.verts)
        assert a.surface is b.surface


def test_rings_stay_on_the_skin_of_a_posed_finger(hands):
    person = _somebody(lambda o: len(o.rings) == 1 and o.rings[0].joint > 2)
    (ring,) = person.outfit.rings
    for verts in hands:
        corners, share = finger_loop(ring.joint, ring.share)
        loop = (verts[corners] * share[..., None]).sum(1)
        mesh = rings(person.outfit, verts)[0]
        outer = np.linalg.norm(mesh.verts[:, None] - loop[None], axis=-1).min(1)
        assert outer.max() < 0.007
        centre = mesh.verts.mean(0)
        assert np.linalg.norm(centre - loop.mean(0)) < 0.003


def test_rings_carry_the_labels_of_their_finger():
    person = _somebody(lambda o: len(o.rings) > 1)
    labels = given(rings(person.outfit, open_hand().template.numpy())[0].surface.labels, "part labels")
    joints = [ring.joint for ring in person.outfit.rings]
    assert set(labels) == {side + joint for joint in joints for side in (2, 18)}
    assert set(labels) <= set(part_labels(3276))


def test_what_is_around_the_wrist_is_labelled_as_forearm(hands):
    person = _somebody(lambda o: o.sleeve and o.wrist and not o.rings and not o.long_nails and not o.glove)
    meshes = [mesh for k in range(8) for mesh in worn(person, hands[1], np.random.default_rng(k))]
    assert {int(label) for mesh in meshes for label in given(mesh.surface.labels, "part labels")} == {1}


def test_meshes_have_few_triangles_and_keep_their_search_tree(hands):
    for number in range(60):
        for mesh in worn(draw_person(SEED, number), hands[2], np.random.default_rng(number)):
            assert np.isfinite(mesh.verts).all()
            assert mesh.surface.rest is not None
            assert len(mesh.surface.faces) <= 500


def test_sleeves_lie_outside_the_arm_and_move_from_picture_to_picture(hands):
    person = _somebody(lambda o: o.sleeve and not o.rings and not o.long_nails and not o.wrist and not o.glove)
    ends = []
    for k in range(30):
        for mesh in worn(person, hands[3], np.random.default_rng(k)):
            loops, _ = forearm_loops()
            arm = hands[3][loops]
            away = np.linalg.norm(mesh.verts[:, None] - arm.reshape(-1, 3), axis=-1).min(1)
            assert away[:100].max() < 0.05
            ends.append(mesh.verts[0])
    assert len(ends) < 30
    assert np.std(ends, 0).max() > 0.003


def test_gloves_change_the_material_and_bare_hands_are_skin():
    gloved, bare = (_somebody(lambda o, g=g: (o.glove is not None) == g) for g in (True, False))
    texture = Texture(colour=np.ones((2, 2, 3)))
    assert hand_material(gloved, texture, np.random.default_rng(0)).scatter < 0.002
    assert hand_material(bare, texture, np.random.default_rng(0)).scatter == 0.002


BENDS = np.deg2rad([[0, 55, 0], [0, -60, 0], [0, 0, 30], [0, 0, -15], [75, 0, 0], [60, 45, -8], [-60, -45, 20]])


def _rest(count):
    """Open hands of so many people."""
    model = open_hand(forearm=True).to(torch.float64)
    shape = torch.from_numpy(np.stack([draw_person(SEED, k).shape for k in range(count)])).double()
    eye = torch.eye(3, dtype=torch.float64).expand(count, 3, 3)
    pose = HandPose(R_cam_root=eye, R_parent_joint=eye[:, None].expand(-1, 15, 3, 3), t_cam_root=eye[:, 0] * 0)
    return model.shaped(shape).posed(pose).verts


@pytest.mark.parametrize("bend", BENDS)
def test_nobodys_bent_wrist_gets_thinner_or_folds(bend):
    verts = _rest(60)
    loops, _ = forearm_loops()
    bends = torch.from_numpy(bend).expand(60, 3)
    straight, bent = (forearm.bent(verts, b)[:, loops] for b in (0 * bends, bends))
    size = (bent - bent.mean(2, keepdim=True)).norm(dim=-1)
    torch.testing.assert_close(size, (straight - straight.mean(2, keepdim=True)).norm(dim=-1))
    step = bent[:, 1:] - bent[:, :-1]
    forward = bent.mean(2)[:, 1:] - bent.mean(2)[:, :-1]
    ahead = (step * (forward / forward.norm(dim=-1, keepdim=True))[:, :, None]).sum(-1)
    assert ahead.min() > 0


def test_the_hand_keeps_still_and_the_elbow_goes_where_direction_says():
    verts = _rest(len(BENDS))
    bent = forearm.bent(verts, torch.from_numpy(BENDS))
    assert torch.equal(bent[:, : forearm.hand_verts()], verts[:, : forearm.hand_verts()])
    loops, _ = forearm_loops()
    far = bent[:, loops[-1]].mean(1) - bent[:, loops[-3]].mean(1)
    cosine = (far / far.norm(dim=-1, keepdim=True) * forearm.direction(torch.from_numpy(BENDS))).sum(-1)
    assert cosine.min() > 0.98


def test_drawn_bends_stay_within_the_wrists_range_and_follow_the_dart_throwers_motion():
    bends = np.rad2deg([forearm.draw_bend(np.random.default_rng(k)) for k in range(2000)])
    twist, extension, deviation = bends.T
    assert np.abs(twist).max() <= 75.001
    assert -60.001 <= extension.min() < -45
    assert 45 < extension.max() <= 55.001
    assert -15.001 <= deviation.min() < -10
    assert 20 < deviation.max() <= 30.001
    assert np.corrcoef(extension, deviation)[0, 1] < -0.3
