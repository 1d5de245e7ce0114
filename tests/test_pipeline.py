"""The parts put together, with tiny networks that know nothing: everything but the numbers must be right."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import ownhand
from ownhand.data.dataset import ShardDataset
from ownhand.estimators.build import WeightsError
from ownhand.fit.placing import BEFORE
from ownhand.geometry.card import CardError, Plane
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import measurements_mm
from ownhand.locate import HandBox, Locator
from ownhand.pipeline import OTHERWISE, NoHandError, load
from ownhand.views import View


@pytest.fixture(scope="module")
def pipeline(tiny_weights):
    found = load(tiny_weights)
    found.settings = replace(found.settings, min_keypoint_confidence=0.0)
    return found


@pytest.fixture(scope="module")
def views(few_pictures):
    data = ShardDataset(few_pictures, fields=())
    samples = [data[i] for i in range(6)]
    return [View(image=s.image, camera=s.camera, name=f"p{i}") for i, s in enumerate(samples)]


def test_calibration_gives_one_shape_with_error_bars_and_named_pictures(pipeline, views):
    found = pipeline.calibrate(views)
    assert found.identity.shape.shape == (10,)
    assert torch.linalg.eigvalsh(found.identity.covariance).min() > 0
    assert found.identity.evidence.names == tuple(view.name for view in views)


def test_reconstruction_uses_the_identity_in_every_picture(pipeline, views):
    identity = pipeline.calibrate(views).identity
    hands = pipeline.reconstruct(views, identity)
    for found in hands:
        torch.testing.assert_close(found.shape, identity.shape.float())
    guessed = pipeline.reconstruct(views)
    assert not torch.allclose(guessed[0].shape, guessed[1].shape)


@pytest.mark.parametrize("refine", [False, True])
def test_mesh_joints_and_pose_agree(pipeline, views, refine):
    for found in pipeline.reconstruct(views, refine=refine):
        again = found.model.shaped(found.shape).posed(found.pose)
        torch.testing.assert_close(again.verts, found.hand.verts)
        torch.testing.assert_close(found.hand.joints[0], found.pose.t_cam_root)
        assert (found.fit is not None) == refine


def test_where_a_hand_is_has_an_error_bar_unless_the_camera_is_only_assumed(pipeline, views):
    identity = pipeline.calibrate(views).identity
    sure = replace(identity, covariance=torch.zeros(10, 10).double())
    view = views[0]
    known, surer, left = (
        pipeline.reconstruct([one], who)[0]
        for one, who in ((view, identity), (view, sure), (replace(view, is_right=False), identity))
    )
    distance, error = known.distance
    assert distance == pytest.approx(float(known.pose.t_cam_root.norm()))
    assert 0 < surer.distance[1] < error
    flip = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(left.position_covariance, flip[:, None] * known.position_covariance * flip)
    assumed = View.of(view.image)
    assert pipeline.reconstruct([assumed], identity)[0].position_covariance is None
    assert pipeline.reconstruct([View.of(view.image, fov=60)])[0].position_covariance is not None
    assert pipeline.reconstruct([view], replace(identity, covariance=None))[0].distance[1] is None


def test_a_card_in_the_hands_plane_shows_its_size(pipeline, views):
    free = pipeline.calibrate(views).identity
    length = measurements_mm(free, pipeline.hand)["length"][0]
    with_cards, growth = [], 0.08
    for view, found in zip(views, pipeline.reconstruct(views, free), strict=True):
        middle = found.hand.joints.mean(0)
        m = middle / middle.square().sum()  # through the middle, across the line of sight
        m = m / (growth + (m @ middle).log()).exp() * (1 - BEFORE * m.norm())
        plane = Plane(inverse=m, covariance=1e-4 * torch.eye(3))
        with_cards.append(replace(view, card=plane))
    with_cards[0] = replace(views[0], card=None)
    _, seen = pipeline.crop(with_cards)
    anchor = pipeline.size_beside_card(seen)
    assert anchor.length_mm == pytest.approx(length * 1.08, rel=0.01)
    assert 0 < anchor.std_mm < 0.5 * length
    found = pipeline.calibrate(with_cards).identity
    assert found.evidence.settings["anchor"]["length_mm"] == pytest.approx(anchor.length_mm)
    lefts = [replace(view, is_right=False).mirrored() for view in with_cards]
    torch.testing.assert_close(lefts[1].mirrored().card.inverse, with_cards[1].card.inverse)
    assert pipeline.size_beside_card(pipeline.crop(views)[1]) is None
    far = [replace(view, card=Plane(inverse=torch.tensor([0, 0, 1e-2]), covariance=torch.eye(3))) for view in views]
    with pytest.raises(CardError, match=r"beside them it would be \d+ mm long"):
        pipeline.calibrate(far)


def test_refinement_comes_nearer_to_the_keypoints(pipeline, views):
    def distance(found):
        return (found.camera.project(found.hand.joints) - found.keypoints).norm(dim=-1).mean()

    before, after = (pipeline.reconstruct(views, refine=refine) for refine in (False, True))
    assert sum(map(distance, after)) < sum(map(distance, before))


@pytest.mark.parametrize("refine", [False, True])
def test_a_left_hand_is_reconstructed_as_the_mirror_image_of_the_right(pipeline, views, refine):
    mirrored = [replace(view.mirrored(), is_right=True) for view in views]
    lefts = [View.of(v.image, v.camera.K, is_right=False, name=v.name) for v in mirrored]
    M = torch.tensor([-1.0, 1.0, 1.0])
    for right, left in zip(
        pipeline.reconstruct(views, refine=refine), pipeline.reconstruct(lefts, refine=refine), strict=True
    ):
        assert not left.is_right
        torch.testing.assert_close(left.hand.verts, right.hand.verts * M, atol=1e-4, rtol=1e-3)
        width = views[0].camera.size[1]
        torch.testing.assert_close(left.keypoints[:, 0], width - right.keypoints[:, 0], atol=1e-2, rtol=0)
        projected = left.camera.project(left.hand.joints)
        torch.testing.assert_close(
            projected[:, 0], width - right.camera.project(right.hand.joints)[:, 0], atol=0.1, rtol=1e-3
        )


def test_both_sides_of_a_person_give_one_identity(pipeline, views):
    lefts = [View.of(v.image.flip(-1), is_right=False, name=f"left {v.name}") for v in views]
    assert pipeline.calibrate([*views, *lefts]).identity.shape.shape == (10,)


def test_hand_files_carry_an_identity_from_one_session_to_the_next(pipeline, views, tmp_path):
    identity = pipeline.calibrate(views).identity
    save_identity(identity, tmp_path / "me.hand")
    again = load_identity(tmp_path / "me.hand", pipeline.hand)
    torch.testing.assert_close(again.shape, identity.shape, rtol=0, atol=0)


def test_an_identity_of_another_hand_model_is_refused(pipeline, views):
    identity = replace(pipeline.calibrate(views).identity, model_id="somebody else's")
    with pytest.raises(ValueError, match="somebody else's"):
        pipeline.reconstruct(views, identity)


def test_pictures_without_a_hand_are_refused(pipeline, views):
    strict = replace(pipeline.settings, min_keypoint_confidence=2.0)
    blind = load_with(pipeline, strict)
    assert blind.reconstruct(views) == [None] * len(views)
    with pytest.raises(NoHandError, match="none was recognised in p0, p1, p2"):
        blind.calibrate(views)


def load_with(pipeline, settings):
    from ownhand.pipeline import Pipeline

    return Pipeline(
        hand=pipeline.hand,
        keypoints=pipeline.keypoints,
        baseline=pipeline.baseline,
        identity=pipeline.identity,
        settings=settings,
        priors=pipeline.priors,
    )


def test_missing_damaged_and_foreign_weights_are_refused_in_one_sentence(tiny_weights, tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        load(tmp_path / "nowhere")
    for name, damage in {
        "side.safetensors": lambda path: path.write_bytes(path.read_bytes()[:1000]),
        "identity.json": lambda path: path.write_text(path.read_text().replace("open-hand", "another-hand")),
        "pipeline.json": lambda path: path.write_text("{}"),
    }.items():
        folder = tmp_path / name
        shutil.copytree(tiny_weights, folder)
        damage(folder / name)
        with pytest.raises(WeightsError) as refusal:
            load(folder)
        assert "\n" not in str(refusal.value)


def test_settings_survive_on_disk(tiny_weights):
    content = json.loads((tiny_weights / "pipeline.json").read_text())
    settings = load(tiny_weights).settings
    assert settings.made_by == content["made_by"]
    assert settings.made_by["command"] == "a test"
    assert settings.min_keypoint_confidence == content["min_keypoint_confidence"]
    assert set(settings.error_models) == {"paper", "robust", "mean", "bayes", "joint"}


def test_the_public_names_exist():
    for name in ownhand.__all__:
        assert getattr(ownhand, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ownhand.nonsense


class Two(Locator):
    """Says that there is a right hand in the left half of each picture, and a left one in the right half."""

    def __call__(self, image):
        height, width = image.shape[-2:]
        right = HandBox(centre=(width / 4, height / 2), side=width / 2, is_right=True, angle=0.3, score=0.9)
        return [right, replace(right, centre=(3 * width / 4, height / 2), is_right=False, score=0.8)]


class Nothing(Locator):
    def __call__(self, image):
        return []


def test_every_hand_of_a_picture_is_a_view_of_its_own_and_a_left_one_is_mirrored(pipeline, views):
    both = pipeline.changed(locator=Two()).find(views[:2])
    assert [view.name for view in both] == ["p0", "p0_2", "p1", "p1_2"]
    assert [view.is_right for view in both] == [True, False, True, False]
    width = views[0].camera.size[1]
    for view in both:
        assert view.box.is_right
        assert view.box.centre == (width / 4, width / 2)
        assert view.box.angle == pytest.approx(0.3 if view.is_right else -0.3)
    torch.testing.assert_close(both[1].image, views[0].image.flip(-1))


def test_hands_found_on_both_sides_make_one_identity_and_come_back_on_their_own_side(pipeline, views):
    finding = pipeline.changed(locator=Two())
    both = finding.find(views)
    identity = finding.calibrate(both).identity
    assert len(identity.evidence.weights) == 2 * len(views)
    hands = finding.reconstruct(both, identity)
    assert [found.is_right for found in hands] == [view.is_right for view in both]


class Left(Two):
    def __call__(self, image):
        return super().__call__(image)[1:]


def test_a_view_without_a_box_gets_the_hand_of_its_own_side(pipeline, views):
    finding = pipeline.changed(locator=Two())
    _, seen = finding.crop([*finding.find(views[:1])[:1], views[0]])
    torch.testing.assert_close(seen.keypoints[1], seen.keypoints[0])
    assert seen.located.all()


def test_whoever_names_the_side_is_believed_if_only_the_other_is_found(pipeline, views):
    only = pipeline.changed(locator=Left())
    box = Left()(views[0].image)[0]
    _, seen = only.crop([views[0], replace(views[0], box=box)])
    torch.testing.assert_close(seen.keypoints[1], seen.keypoints[0])
    assert only.find(views[:1])[0].is_right is False


def test_where_no_hand_is_found_there_is_none(pipeline, views):
    blind = pipeline.changed(locator=Nothing())
    assert blind.find(views) == []
    assert blind.reconstruct(views) == [None] * len(views)
    with pytest.raises(NoHandError, match="none was recognised"):
        blind.calibrate(views)


def test_pictures_that_come_one_by_one_give_what_they_give_at_once(pipeline, views):
    at_once, one_by_one = pipeline.calibrate(views).identity, pipeline.calibrate(iter(views * 4), most=6).identity
    assert len(one_by_one.evidence.weights) == 6
    assert set(one_by_one.evidence.names) == {view.name for view in views}
    torch.testing.assert_close(one_by_one.shape, at_once.shape, atol=1e-3, rtol=0)
    with pytest.raises(NoHandError, match="recognised in no picture"):
        pipeline.calibrate(iter([]))


def test_joints_that_somebody_else_found_are_believed(pipeline, views):
    points = torch.cat([10 + 40 * torch.rand(21, 2), torch.full((21, 1), 0.7)], 1)
    right = replace(views[0], keypoints=points)
    hand = pipeline.reconstruct([right], refine=True)[0]
    torch.testing.assert_close(hand.keypoints, points[:, :2], atol=1e-2, rtol=0)
    torch.testing.assert_close(hand.keypoint_confidence, points[:, 2])
    mirrored = right.mirrored().mirrored()
    torch.testing.assert_close(mirrored.keypoints, points)
    assert pipeline.changed(locator=Nothing()).find([right]) == [right]


def test_joints_that_were_not_seen_do_not_move_the_crop(pipeline, views):
    points = torch.cat([10 + 40 * torch.rand(21, 2), torch.full((21, 1), 0.9)], 1)
    unseen = points.clone()
    unseen[5] = torch.tensor([500.0, -300.0, 0.0])
    unseen[6] = torch.tensor([-500.0, 900.0, 0.0])
    crops, _ = pipeline.crop([replace(views[0], keypoints=p) for p in (points, unseen)])
    sides = [float(torch.linalg.det(crop.T_crop_image)) ** -0.5 for crop in crops]
    assert sides[1] <= 1.01 * sides[0]


def test_where_a_locator_cannot_tell_the_side_the_keypoint_network_does(pipeline, views):
    """The pipeline as it is, but for a network that takes bright left halves for right hands."""

    class Unsided(Two):
        def __call__(self, image):
            return [replace(box, is_right=None) for box in super().__call__(image)[:1]]

    finding = pipeline.changed(locator=Unsided(), settings=replace(pipeline.settings, upright=False))
    look = finding.look

    def right_if_bright(image, camera):
        return replace(look(image, camera), rightness=image[..., : image.shape[-1] // 2].mean((1, 2, 3)))

    finding.look = right_if_bright
    finding._keypoints = lambda views, crops: torch.tensor([[8.0, 8.0], [56.0, 56.0]] * 10 + [[8.0, 8.0]]).expand(
        len(views), 21, 2
    )
    image = torch.zeros(3, 64, 64)
    image[..., :32] = 1
    right = replace(views[0], image=image)
    left = replace(views[0], image=image.flip(-1), name="left")
    assert [view.is_right for view in finding.find([right, left])] == [True, False]


def brightness_pipeline(pipeline, monkeypatch, most=0.9):
    """The networks take whatever is in a crop for an upright hand, the surer the brighter the crop is above."""
    finding = pipeline.changed(settings=replace(pipeline.settings, upright=True))
    upright = torch.tensor([[32.0, 56.0]] + [[32.0, 16.0]] * 20) + torch.linspace(-8, 8, 21)[:, None] * torch.eye(2)[0]
    look, seen_crops = finding.look, []

    def keypoints(views, crops):
        pairs = zip(views, crops, strict=True)
        return torch.stack([crop.inverse(view.camera.size).keypoints(upright) for view, crop in pairs])

    def sure_if_bright_above(image, camera):
        seen_crops.append(len(image))
        above, below = (half.mean((1, 2, 3)) for half in image.chunk(2, -2))
        sure = 0.3 + (most - 0.3) * (above - below).clamp_min(0)
        return replace(look(image, camera), keypoint_confidence=sure[:, None].expand(-1, 21))

    monkeypatch.setattr(finding, "_keypoints", keypoints)
    monkeypatch.setattr(finding, "look", sure_if_bright_above)
    return finding, seen_crops


def bright(view, *where):
    image = torch.zeros_like(view.image)
    image[(slice(None), *where)] = 1
    return replace(view, image=image)


def test_a_hand_that_was_found_upside_down_is_turned(pipeline, views, monkeypatch):
    finding, looks = brightness_pipeline(pipeline, monkeypatch)
    half = views[0].image.shape[-1] // 2
    upside_down, upright = bright(views[0], slice(half, None)), bright(views[1], slice(None, half))
    crops, seen = finding.crop([upside_down, upright])
    assert (seen.keypoint_confidence.mean(-1) > 0.8).all()
    assert looks == [2, len(OTHERWISE)]  # only the unsure one again
    up = [crop.T_crop_image[1, :2] / crop.T_crop_image[1, :2].norm() for crop in crops]
    assert up[0][1] < -0.9
    assert up[1][1] > 0.9


def test_a_hand_that_is_unsure_whichever_way_it_is_turned_stays_as_it_was_found(pipeline, views, monkeypatch):
    finding, looks = brightness_pipeline(pipeline, monkeypatch, most=0.3)
    crops, seen = finding.crop(views[:2])
    assert looks == [2, 2 * len(OTHERWISE)]
    assert seen.keypoint_confidence.mean(-1).tolist() == pytest.approx([0.3, 0.3])
    for crop in crops:
        assert crop.T_crop_image[0, 0] > 0
    points = torch.cat([10 + 40 * torch.rand(21, 2), torch.full((21, 1), 0.2)], 1)
    looks.clear()
    finding.crop([replace(views[0], keypoints=points)])
    assert looks == [1]  # joints that somebody else found are believed
    looks.clear()
    finding.settings = replace(finding.settings, min_keypoint_confidence=0.5)
    finding.crop(views[:2])
    assert looks == [2]  # no hand is recognised, and none will be


def test_another_look_keeps_what_is_known_of_each_view(pipeline, views, monkeypatch):
    finding, _ = brightness_pipeline(pipeline, monkeypatch)
    half = views[0].image.shape[-1] // 2
    plane = Plane(inverse=torch.tensor([0.0, 0.0, 2.0]), covariance=torch.eye(3))
    with_card = replace(bright(views[1], slice(None, half)), card=plane)
    _, seen = finding.crop([bright(views[0], slice(half, None)), with_card])
    torch.testing.assert_close(seen.card.inverse[1], plane.inverse)
    assert seen.card.inverse[0].isnan().all()
    assert seen.located.tolist() == [True, True]
