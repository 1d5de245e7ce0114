"""Are all pictures of one person? And are more of them worth taking?"""

import html
from dataclasses import replace

import pytest
import roma
import torch
from toy import random_pose, toy_hand

from ownhand import metrics
from ownhand.about import ONE_PERSON, describe_hand_file
from ownhand.app.report import headline
from ownhand.app.session import FoundHand
from ownhand.calibrate import (
    MORE,
    Anchor,
    ErrorModel,
    alike,
    calibrate,
    divide,
    divided,
    expected_error_mm,
    outlook,
    strangers,
)
from ownhand.calibrate.one_person import INFLATION
from ownhand.commands import save_hand
from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import CAUTION, Identity, ShapeLikelihood

MODEL = toy_hand()
EVENLY = torch.full((20,), 0.05, dtype=torch.float64)
GAIN, NOISE = 0.6, 0.35


def errors(method: str = "bayes", gain: float = GAIN) -> ErrorModel:
    """Of pictures that show `gain` times the truth with errors of standard deviation NOISE, and no others."""
    n = 20 if method == "joint" else 10
    eye = torch.eye(n, dtype=torch.float64)
    return ErrorModel(
        person=0.01 * eye,
        picture=NOISE**2 / INFLATION * eye,
        gain=gain * torch.eye(10, dtype=torch.float64).repeat(n // 10, 1),
        offset=torch.zeros(n, dtype=torch.float64),
        method=method,
        model_id=MODEL.id,
    )


def folder(seed: int, strangers: tuple[int, ...] = ()) -> torch.Tensor:
    """What 20 pictures show, some of them of somebody else."""
    g = torch.Generator().manual_seed(seed)
    people = torch.randn(2, 10, generator=g, dtype=torch.float64)
    who = torch.zeros(20, dtype=torch.long)
    who[list(strangers)] = 1
    return GAIN * people[who] + NOISE * torch.randn(20, 10, generator=g, dtype=torch.float64)


def test_one_person_is_rarely_taken_for_two():
    odds = torch.tensor([divide(errors(), folder(seed), EVENLY).log_odds for seed in range(40)])
    assert (odds > 3).double().mean() <= 0.05


@pytest.mark.parametrize(
    ("strangers", "often"), [(tuple(range(10, 20)), 14), ((1, 4, 5, 9, 10, 13, 16), 12), ((3,), 7), ((0, 1), 12)]
)
def test_two_people_are_told_apart_wherever_their_pictures_lie(strangers, often):
    said = [divide(errors(), folder(seed, strangers), EVENLY) for seed in range(15)]
    assert sum(one.two_people for one in said) >= often
    smaller = set(strangers) if len(strangers) < 10 else None
    for one in said:
        if one.two_people and smaller is not None:
            assert len(set(one.others) ^ smaller) <= 4


def test_what_a_stranger_adds_in_directions_nobody_differs_in_counts_for_nothing():
    shapes, blind = folder(0), errors(gain=1e-3)
    shapes[10:] += 5.0
    assert divide(errors(), shapes, EVENLY).two_people
    assert not divide(blind, shapes, EVENLY).two_people


def test_frames_of_two_clips_of_one_person_are_no_two_people():
    """Each clip has one error, not ten."""
    g = torch.Generator().manual_seed(0)
    pose = random_pose(2)
    turn = pose.R_cam_root.repeat_interleave(10, 0) @ roma.rotvec_to_rotmat(0.02 * torch.randn(20, 3, generator=g))
    together = alike(turn, pose.R_parent_joint.repeat_interleave(10, 0))
    alarms = {True: 0, False: 0}
    for _ in range(10):
        own = NOISE * torch.randn(2, 10, generator=g, dtype=torch.float64).repeat_interleave(10, 0)
        shapes = own + 0.1 * NOISE * torch.randn(20, 10, generator=g, dtype=torch.float64)
        for known in alarms:
            alarms[known] += divide(errors(), shapes, EVENLY, together=together if known else None).two_people
    assert alarms[True] <= 1
    assert alarms[False] >= 8


def test_keypoints_tell_people_apart_too():
    g, shapes = torch.Generator().manual_seed(1), NOISE * torch.randn(20, 10, dtype=torch.float64)
    eye = torch.eye(10, dtype=torch.float64).expand(20, 10, 10)
    shown = folder(2, tuple(range(10, 20))) * (1 + CAUTION)
    likelihood = ShapeLikelihood(precision=eye, information=shown)
    assert divide(errors("joint"), shapes, EVENLY, keypoints=likelihood).two_people
    shown = NOISE * torch.randn(20, 10, generator=g, dtype=torch.float64)
    assert not divide(errors("joint"), shapes, EVENLY, keypoints=replace(likelihood, information=shown)).two_people


def test_nothing_is_said_of_few_pictures_or_without_gain():
    plain = replace(errors(), gain=None, offset=None, method="robust")
    assert divide(plain, folder(0), EVENLY) is None
    assert divide(errors(), folder(0)[:3], EVENLY[:3] / 0.15) is None
    with pytest.raises(ValueError, match="no evidence"):
        divided(Identity(shape=torch.zeros(10), model_id=MODEL.id))


def calibrated(count: int = 20, **options) -> Identity:
    pose = random_pose(count)
    shapes = folder(0)[:count].float()
    return calibrate(MODEL, pose.R_parent_joint, shapes, method="bayes", error_model=errors(), **options).identity


def test_a_hand_file_says_the_same_as_its_calibration(tmp_path):
    identity = calibrated()
    save_identity(identity, tmp_path / "me.hand")
    loaded = load_identity(tmp_path / "me.hand")
    assert divided(loaded) == divided(identity)
    assert outlook(loaded, MODEL) == outlook(identity, MODEL)


def test_the_expected_error_is_that_of_hands_drawn_from_the_error_bars():
    identity = calibrated()
    root = torch.linalg.cholesky(identity.covariance)
    others = identity.shape + torch.randn(4000, 10, dtype=torch.float64) @ root.mT
    model = MODEL.to(torch.float64)
    mean = metrics.size_free_error_mm(identity.shape.expand_as(others), others, model).mean()
    assert outlook(identity, MODEL).now_mm == pytest.approx(float(mean), rel=0.05)
    assert expected_error_mm(identity, MODEL) == pytest.approx(float(mean), rel=0.05)


def test_more_pictures_help_and_help_less_and_less():
    expected = [outlook(calibrated(count), MODEL) for count in (2, 5, 10, 20)]
    assert [one.independent for one in expected] == pytest.approx([2, 5, 10, 20])
    gains = [one.now_mm - one.alike_mm for one in expected]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] > 0
    assert expected[2].alike_mm == pytest.approx(expected[3].now_mm, rel=2e-3), f"10 and {MORE} are 20"
    assert all(one.different_mm == pytest.approx(one.alike_mm) for one in expected)


def test_more_frames_of_one_clip_do_not_help_but_other_pictures_do():
    pose = random_pose(1)
    turn, bent = (x.expand(20, *x.shape[1:]) for x in (pose.R_cam_root, pose.R_parent_joint))
    identity = calibrate(
        MODEL, bent, folder(0).float(), method="bayes", error_model=errors(), R_cam_root=turn
    ).identity  # fmt: skip
    expected = outlook(identity, MODEL)
    assert expected.independent == pytest.approx(1)
    assert expected.alike_mm == pytest.approx(expected.now_mm, rel=1e-6)
    assert not expected.worthwhile
    assert expected.different_mm < 0.8 * expected.now_mm


def test_a_tape_measure_leaves_proportions_about_as_they_were():
    loose, anchored = calibrated(), calibrated(anchor=Anchor(length_mm=190))
    assert outlook(anchored, MODEL).now_mm == pytest.approx(outlook(loose, MODEL).now_mm, rel=0.3)
    plain = calibrate(MODEL, random_pose(3).R_parent_joint, folder(0)[:3].float()).identity
    assert outlook(plain, MODEL) is None
    assert divided(plain) is None


def test_strangers_are_named_by_the_file_and_on_the_page(tmp_path):
    names = tuple(f"p{i}.jpg" for i in range(20))

    def identity_of(shapes):
        turns = random_pose(20).R_parent_joint
        return calibrate(MODEL, turns, shapes.float(), method="bayes", error_model=errors(), names=names).identity

    identity = identity_of(folder(0, (3, 8, 11, 14)))
    saved = save_hand(identity, MODEL, tmp_path / "two.hand", side="right", camera="")
    assert saved.strangers == strangers(load_identity(tmp_path / "two.hand"))
    assert len({"p3.jpg", "p8.jpg", "p11.jpg", "p14.jpg"} & set(saved.strangers)) >= 3
    warning = f"{ONE_PERSON} {', '.join(saved.strangers)}"
    assert warning in describe_hand_file(tmp_path / "two.hand")
    found = FoundHand(
        identity=identity, is_right=True, lengths=saved.lengths, std_mm=None, folder=tmp_path, strangers=saved.strangers
    )
    assert html.escape(warning) in headline(found)

    assert save_hand(identity_of(folder(0)), MODEL, tmp_path / "one.hand", side="right", camera="").strangers == ()
    assert ONE_PERSON not in describe_hand_file(tmp_path / "one.hand")
    assert ONE_PERSON not in headline(replace(found, strangers=()))
