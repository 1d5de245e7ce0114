"""One person's shape in the coefficients of another hand model."""

from dataclasses import replace

import pytest
import torch
from mano_file import mano_arrays, write_mano

from ownhand.hand.builtin import open_hand
from ownhand.hand.convert import converted, rest_lengths_mm
from ownhand.hand.identity import Identity, measurements_mm
from ownhand.hand.mano import load_mano

OURS = open_hand()


@pytest.fixture(scope="module")
def mano(tmp_path_factory):
    return load_mano(write_mano(tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl", mano_arrays()))


def person(seed: int = 0, error: float = 0.1) -> Identity:
    shape = torch.randn(10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Identity(shape=shape, covariance=error * torch.eye(10, dtype=torch.float64), model_id=OURS.id)


def test_lengths_are_distances_between_joints():
    lengths, joints = rest_lengths_mm(OURS, torch.zeros(10)), OURS.shaped(torch.zeros(10)).joints
    assert lengths.shape == (30,)
    assert lengths[0] == pytest.approx(1000 * float((joints[2] - joints[1]).norm()))
    assert lengths[15] == pytest.approx(1000 * float((joints[1] - joints[0]).norm()))


def test_the_same_hands_in_other_coefficients_are_found_again():
    """Coefficients exchanged, and everything turned: nothing but the ten numbers differs."""
    mixed = torch.linalg.qr(torch.randn(10, 10, generator=torch.Generator().manual_seed(1)))[0]
    other = replace(OURS, id="other", shape_basis=OURS.shape_basis @ mixed)
    R = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0]
    turned = torch.einsum("cd,vds->vcs", R, other.shape_basis)
    other = replace(other, template=other.template @ R.mT, shape_basis=turned)
    known = person(error=0.01)
    answer, differ = converted(known, OURS, other)
    assert answer.model_id == "other"
    assert differ.abs().max() < 0.7
    back, _ = converted(answer, other, OURS)
    for one, model in ((answer, other), (back, OURS)):
        for name, (value, _) in measurements_mm(known, OURS).items():
            found, error = measurements_mm(one, model)[name]
            assert found == pytest.approx(value, abs=1.0), name
            assert error is not None
            assert abs(found - value) < 2.5 * error


def test_a_hand_comes_back_from_mano_as_near_as_the_residuals_say(mano):
    known = person(3)
    there, differ = converted(known, OURS, mano)
    back, differ_back = converted(there, mano, OURS)
    assert there.model_id == mano.id
    rms = float(differ.square().mean().sqrt() + differ_back.square().mean().sqrt())
    before, after = rest_lengths_mm(OURS, known.shape.float()), rest_lengths_mm(OURS, back.shape.float())
    assert (before - after).square().mean().sqrt() <= rms + 1e-3


def test_error_bars_are_carried_over_and_never_shrink_to_nothing(mano):
    known = person(error=1.0)
    wide, _ = converted(known, OURS, mano)
    narrow, _ = converted(replace(known, covariance=1e-6 * known.covariance), OURS, mano)
    assert (torch.linalg.eigvalsh(wide.covariance - narrow.covariance) > -1e-9).all()
    assert (torch.linalg.eigvalsh(narrow.covariance) > 1e-4).all()
    without, _ = converted(replace(known, covariance=None), OURS, mano)
    assert without.covariance is None
    assert without.evidence is None


def test_an_identity_of_another_model_is_refused(mano):
    with pytest.raises(ValueError, match="belongs to the hand model"):
        converted(person(), mano, OURS)
