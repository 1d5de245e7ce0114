"""Configurations, and weights on disk."""

import hashlib
import json
from dataclasses import asdict, replace

import pytest
import torch
from estimator_examples import ALL, CONFIGS, HAND, make, samples
from safetensors.torch import load_file

from ownhand.estimators.build import WeightsError, build, config_from_dict, describe, load, save


@pytest.fixture
def saved(tmp_path):
    save(make("baseline"), tmp_path / "net", {"seed": 3})
    return tmp_path / "net"


@pytest.mark.parametrize("name", CONFIGS)
def test_configurations_survive_json(name):
    config = make(name).config
    assert config_from_dict(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize("name", ALL)
def test_saving_needs_two_files_and_leaves_no_other(name, tmp_path):
    save(make(name), tmp_path / "v1.2")
    assert {path.name for path in tmp_path.iterdir()} == {"v1.2.safetensors", "v1.2.json"}


def test_what_was_said_about_the_weights_is_kept(saved):
    assert describe(saved)["extra"] == {"seed": 3}
    assert describe(saved)["hand"] == HAND.id


def test_half_precision_halves_the_file_and_changes_little(saved, tmp_path):
    estimator, sample = make("baseline").eval(), samples()
    save(estimator, tmp_path / "half.safetensors", half=True)
    small, big = tmp_path / "half.safetensors", saved.with_suffix(".safetensors")
    assert small.stat().st_size < 0.6 * big.stat().st_size
    loaded = load(tmp_path / "half.json", HAND)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    joints = loaded(sample.image, sample.camera).joints
    torch.testing.assert_close(joints, estimator(sample.image, sample.camera).joints, atol=1e-3, rtol=0)
    assert not any(t.dtype == torch.float16 for t in load_file(small).values() if t.ndim < 2)


def test_loading_gives_an_estimator_ready_for_use(saved):
    assert not load(saved, HAND).training


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_missing_file_is_named(saved, suffix):
    saved.with_suffix(suffix).unlink()
    with pytest.raises(WeightsError, match=rf"cannot read .*{suffix}.*No such file"):
        load(saved, HAND)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_a_truncated_file_is_refused(saved, suffix):
    path = saved.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WeightsError, match="damaged"):
        load(saved, HAND)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"3"])
def test_a_description_of_something_else_is_refused(saved, content):
    saved.with_suffix(".json").write_bytes(content)
    with pytest.raises(WeightsError, match="does not describe weights"):
        load(saved, HAND)


def rewrite(saved, **changes):
    path = saved.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_newer_format_is_refused(saved):
    rewrite(saved, format=2)
    with pytest.raises(WeightsError, match="format 2"):
        load(saved, HAND)


def test_an_unknown_kind_is_refused(saved):
    rewrite(saved, config={"kind": "oracle"})
    with pytest.raises(WeightsError, match="'oracle'"):
        load(saved, HAND)


def test_unknown_entries_are_refused():
    with pytest.raises(ValueError, match="colour"):
        config_from_dict({"kind": "regressor", "colour": 3})


def test_weights_of_another_file_are_refused(saved, tmp_path):
    save(make("identity"), tmp_path / "other")
    (tmp_path / "other.safetensors").replace(saved.with_suffix(".safetensors"))
    with pytest.raises(WeightsError, match=r"does not belong to the \.json"):
        load(saved, HAND)


@pytest.mark.parametrize("change", [{"variant": "identity"}, {"widths": [64, 16]}])
def test_weights_of_another_estimator_are_refused(saved, change):
    rewrite(saved, config=json.loads(saved.with_suffix(".json").read_text())["config"] | change)
    with pytest.raises(WeightsError, match="weights of another estimator"):
        load(saved, HAND)


@pytest.mark.parametrize("hand", [None, replace(HAND, id="another")])
def test_another_hand_model_is_refused(saved, hand):
    with pytest.raises(WeightsError, match="trained with the hand model 'toy'"):
        load(saved, hand)


def test_tensors_that_are_none_are_refused(saved):
    saved.with_suffix(".safetensors").write_bytes(b"not tensors")
    rewrite(saved, sha256=hashlib.sha256(b"not tensors").hexdigest())
    with pytest.raises(WeightsError, match="cannot be used"):
        load(saved, HAND)


def test_a_failed_save_leaves_the_old_weights(saved, monkeypatch):
    def full_disk(*_):
        raise OSError("no space")

    before = saved.with_suffix(".safetensors").read_bytes()
    monkeypatch.setattr("pathlib.Path.write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        save(make("identity"), saved)
    monkeypatch.undo()
    assert saved.with_suffix(".safetensors").read_bytes() == before
    load(saved, HAND)


def test_keypoints_need_no_hand_model_and_regressors_do():
    build(CONFIGS["keypoints"])
    with pytest.raises(ValueError, match="needs a hand model"):
        build(CONFIGS["baseline"])


def test_only_estimators_with_features_can_be_extended():
    inner = asdict(make("with confidence").config)
    with pytest.raises(ValueError, match="kind confidence cannot be built on a WithConfidence"):
        build({"kind": "confidence", "estimator": inner}, HAND)
