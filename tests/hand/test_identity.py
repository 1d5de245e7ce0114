"""A shape with error bars, its file, and what is derived from it."""

import json
from dataclasses import replace

import pytest
import torch
from toy import toy_hand

from ownhand.hand.hand_file import load_identity, save_identity
from ownhand.hand.identity import Evidence, Identity, ShapeLikelihood, measure, measurements_mm, vertex_std_mm
from ownhand.hand.measure import length_mm
from ownhand.structs import stack


def random_covariance(n: int = 10, scale: float = 0.3) -> torch.Tensor:
    factor = torch.randn(n, n, dtype=torch.float64) * scale / n**0.5
    return factor @ factor.mT


def some_identity(pictures: int = 3) -> Identity:
    k = pictures
    return Identity(
        shape=torch.randn(10, dtype=torch.float64),
        covariance=random_covariance(),
        model_id="toy",
        evidence=Evidence(
            shapes=torch.randn(k, 10, dtype=torch.float64),
            metrics=torch.stack([random_covariance() for _ in range(k)]),
            weights=torch.full((k,), 1 / k, dtype=torch.float64),
            residual_mm=torch.rand(k, dtype=torch.float64),
            confidence=torch.randn(k, dtype=torch.float64),
            keypoints=ShapeLikelihood(
                precision=torch.stack([random_covariance() for _ in range(k)]),
                information=torch.randn(k, 10, dtype=torch.float64),
            ),
            names=tuple(f"picture {i}.jpg" for i in range(k)),
            settings={"method": "paper", "nested": {"list": [1.5, None, "x"]}},
        ),
    )


def test_a_hand_file_gives_every_number_back_exactly(tmp_path):
    identity = some_identity()
    save_identity(identity, tmp_path / "me.hand", provenance={"software": "ownhand 0"})
    back = load_identity(tmp_path / "me.hand", toy_hand())
    assert torch.equal(back.shape, identity.shape)
    assert torch.equal(back.covariance, identity.covariance)
    assert back.model_id == identity.model_id
    for name in ("shapes", "metrics", "weights", "residual_mm", "confidence"):
        assert torch.equal(getattr(back.evidence, name), getattr(identity.evidence, name)), name
    for name in ("precision", "information"):
        ours, theirs = (getattr(x.evidence.keypoints, name) for x in (identity, back))
        assert torch.equal(ours, theirs), name
    assert back.evidence.names == identity.evidence.names
    assert back.evidence.settings == identity.evidence.settings


def test_what_an_identity_lacks_stays_missing_in_its_file(tmp_path):
    save_identity(Identity(shape=torch.randn(10), model_id="toy"), tmp_path / "me.hand")
    back = load_identity(tmp_path / "me.hand")
    assert back.covariance is None
    assert back.evidence is None


def test_a_hand_file_says_what_it_is_and_in_which_units(tmp_path):
    save_identity(some_identity(), tmp_path / "me.hand", provenance={"date": "2024-02-30"})
    content = json.loads((tmp_path / "me.hand").read_text())
    assert content["format"] == "ownhand identity"
    assert content["version"] == 1
    assert content["units"]["metrics"].startswith("m^2")
    assert content["provenance"]["date"] == "2024-02-30"


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path):
    path = tmp_path / "me.hand"
    save_identity(some_identity(), path)
    before = path.read_bytes()
    bad = some_identity()
    with pytest.raises(ValueError, match="finite"):
        save_identity(replace(bad, shape=bad.shape * torch.nan), path)
    with pytest.raises(ValueError, match=r"\"shape\" as n numbers, got 2 x 10"):
        save_identity(Identity(shape=torch.zeros(2, 10), model_id="toy"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["me.hand"]


def _with(**changes):
    return lambda content: content.update(changes)


def _asymmetric(content):
    content["covariance"][0][1] += 0.5


def _negative(content):
    content["covariance"] = (-torch.eye(10)).tolist()


def _evidence(key, value):
    return lambda content: content["evidence"].update({key: value})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_with(format="something"), "ownhand identity"),
        (_with(version=2), "version 1, got 2"),
        (_with(model=None), "model's id"),
        (_with(shape=[]), '"shape" as n numbers'),
        (_with(shape=["a"] * 10), '"shape" as n numbers'),
        (_with(shape=[[1.0], [1.0, 2.0]]), '"shape" as n numbers'),
        (_with(shape=[0.0] * 9), '"covariance" as 9 x 9 numbers, got 10 x 10'),
        (_with(shape=[1e999] * 10), "not finite|Infinity"),
        (_asymmetric, "symmetric covariance"),
        (_negative, "positive semidefinite"),
        (_with(evidence=[]), "evidence as an object"),
        (_evidence("shapes", [[0.0] * 9] * 3), '"shapes" as n x 10 numbers, got 3 x 9'),
        (_evidence("weights", [1.0]), '"weights" as 3 numbers, got 1'),
        (_evidence("names", ["only one"]), "names of 3 pictures"),
        (_evidence("keypoints", 3), "likelihoods as an object"),
        (_evidence("keypoints", {"information": []}), '"precision" is missing'),
        (_evidence("settings", 7), "settings as an object"),
        (lambda content: content["evidence"].pop("metrics"), '"metrics" is missing'),
        (lambda content: content.pop("shape"), '"shape" is missing'),
    ],
)
def test_a_damaged_hand_file_is_refused_in_a_sentence(tmp_path, damage, sentence):
    path = tmp_path / "me.hand"
    save_identity(some_identity(), path)
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence):
        load_identity(path)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xfe\x00", b"[1, 2]", b'{"shape": [NaN]}', b"[" * 100_000, b"\x89PNG\r\n"]
)
def test_what_is_no_hand_file_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "me.hand").write_bytes(content)
    with pytest.raises(ValueError, match=r"me\.hand is not a hand file"):
        load_identity(tmp_path / "me.hand")


def test_a_truncated_hand_file_is_refused(tmp_path):
    path = tmp_path / "me.hand"
    save_identity(some_identity(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="not a hand file"):
        load_identity(path)


def test_an_identity_of_another_hand_model_is_refused(tmp_path):
    save_identity(some_identity(), tmp_path / "me.hand")
    other = replace(toy_hand(), id="other")
    with pytest.raises(ValueError, match="'toy', not to 'other'"):
        load_identity(tmp_path / "me.hand", other)
    with pytest.raises(ValueError, match="belongs to the hand model"):
        some_identity().hand(other)


def test_both_hands_of_a_person_share_one_identity():
    model, identity = toy_hand(), some_identity()
    right, left = identity.hand(model), identity.hand(model.mirrored())
    torch.testing.assert_close(left.verts, right.verts * torch.tensor([-1.0, 1.0, 1.0]))
    assert right.verts.dtype == model.template.dtype


def test_identities_stack_and_index_over_people():
    people = stack([replace(some_identity(), evidence=None) for _ in range(3)])
    assert people.batch_shape == (3,)
    assert people[1].covariance.shape == (10, 10)
    assert people.hand(toy_hand()).verts.shape[0] == 3


def test_error_bars_of_lengths_agree_with_sampling():
    model = toy_hand(dtype=torch.float64)
    identity = replace(some_identity(), covariance=random_covariance(scale=0.2))
    value, std = measure(identity, model, length_mm)
    factor = torch.linalg.cholesky(identity.covariance)
    people = identity.shape + torch.randn(20_000, 10, dtype=torch.float64) @ factor.mT
    sampled = length_mm(model, people)
    assert value.item() == pytest.approx(length_mm(model, identity.shape).item())
    assert std.item() == pytest.approx(sampled.std().item(), rel=0.03)


def test_measurements_name_length_width_and_five_fingers():
    rows = measurements_mm(some_identity(), toy_hand())
    assert list(rows) == ["length", "width", "thumb", "index", "middle", "ring", "little"]
    assert all(value > 0 and std > 0 for value, std in rows.values())
    assert rows["length"][0] == pytest.approx(
        length_mm(toy_hand().to(torch.float64), torch.zeros(10).double()), rel=0.5
    )
    without = measurements_mm(replace(some_identity(), covariance=None), toy_hand())
    assert all(std is None for _, std in without.values())


def test_the_heat_map_agrees_with_sampling_and_is_blind_to_where_the_wrist_is():
    model = toy_hand(dtype=torch.float64)
    identity = some_identity()
    heat = vertex_std_mm(identity, model)
    factor = torch.linalg.cholesky(identity.covariance)
    people = model.shaped(identity.shape + torch.randn(5000, 10, dtype=torch.float64) @ factor.mT)
    verts = people.verts - people.joints_16[:, :1]
    sampled = (verts - verts.mean(0)).square().sum(-1).mean(0).sqrt() * 1000
    torch.testing.assert_close(heat, sampled, rtol=0.06, atol=0)
    shifted = replace(model, shape_basis=model.shape_basis + torch.randn(3, 10, dtype=torch.float64) * 0.01)
    torch.testing.assert_close(vertex_std_mm(identity, shifted), heat)


def test_a_heat_map_without_covariance_is_refused():
    with pytest.raises(ValueError, match="no covariance"):
        vertex_std_mm(Identity(shape=torch.zeros(10), model_id="toy"), toy_hand())
