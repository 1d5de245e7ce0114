"""Readers of real data sets, on miniature replicas with known answers."""

import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import replicas
import torch
from torch.utils.data import DataLoader

from ownhand.cli import main
from ownhand.data.photos import read_photo
from ownhand.data.pictures import Pictures
from ownhand.data.readers import LAYOUTS, from_words, is_words, open_pictures, recognise
from ownhand.data.readers.check import compare, verdict
from ownhand.data.readers.humbi import read_cameras
from ownhand.data.readers.index import column
from ownhand.hand.mano import load_mano
from ownhand.structs import concatenate


@dataclass
class Replica:
    name: str
    root: Path
    truth: np.ndarray
    cache: Path


WRITERS: dict[str, Callable] = {
    "dexycb": replicas.write_dexycb,
    "humbi": replicas.write_humbi,
    "freihand": replicas.write_freihand,
    "ho3d": replicas.write_ho3d,
    "interhand": replicas.write_interhand,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    files = replicas.write_models(tmp_path_factory.mktemp("mano"))
    return load_mano(files[True]), load_mano(files[False])


@pytest.fixture(scope="module", params=WRITERS)
def replica(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param)
    truth = WRITERS[request.param](root)
    return Replica(request.param, root, np.stack(truth), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def pictures(replica, models):
    return open_pictures(replica.name, replica.root, *models, cache=replica.cache, size=64)


@pytest.fixture(scope="module")
def small_dexycb(tmp_path_factory):
    root = tmp_path_factory.mktemp("small")
    replicas.write_dexycb(root, people=1)
    return root


@pytest.fixture
def dexycb(small_dexycb, tmp_path):
    return Path(shutil.copytree(small_dexycb, tmp_path / "dexycb"))


def mirrored(joints, is_right):
    return np.where(np.asarray(is_right)[:, None, None], joints, joints * [-1, 1, 1])


def test_every_data_set_has_a_replica():
    assert WRITERS.keys() == LAYOUTS.keys()


def test_joints_are_those_of_a_plain_loop_and_left_hands_are_mirrored(replica, pictures):
    known = pictures.known(range(len(pictures)))
    assert set(known.is_right.tolist()) == ({True} if replica.name in ("freihand", "ho3d") else {True, False})
    assert len(known) == len(replica.truth)
    expected = mirrored(replica.truth, known.is_right)
    assert np.abs(known.joints.numpy() - expected).max() < 2e-6


def test_joints_land_on_the_labels_within_a_tenth_of_a_pixel(pictures):
    known = pictures.known(range(len(pictures)))
    keypoints, joints = pictures.labels(range(len(pictures)))
    assert (known.keypoints - keypoints).abs().max() < 0.1
    assert (known.joints - joints).abs().max() < 1e-5


def test_crops_show_the_joints_where_their_keypoints_are(pictures):
    sample = pictures.load(range(len(pictures)))
    assert sample.image.shape == (len(pictures), 3, 64, 64)
    assert torch.allclose(sample.camera.project(sample.joints), sample.keypoints, atol=1e-3)
    grey = sample.image.mean(1)
    for image, keypoints in zip(grey, sample.keypoints, strict=True):
        x, y = keypoints.floor().long().clamp(0, 63).T
        assert image[y, x].mean() > image.mean() + 0.15
        assert image[y, 63 - x].mean() < image[y, x].mean()


def test_the_mesh_of_shape_and_pose_has_those_joints(pictures, models):
    known = pictures.known(range(len(pictures)))
    for side, model in zip((True, False), models, strict=True):
        here = known.is_right == side
        tips = pictures.layout.conventions.right_tips if side else pictures.layout.conventions.left_tips
        shape = torch.tensor(column(pictures.table, "betas")).float()[here]
        posed = replace(model, tips=tips).shaped(shape).posed(known.pose[here])
        assert torch.allclose(posed.joints, known.joints[here], atol=1e-6)


def test_a_person_has_one_shape(pictures):
    known = pictures.known(range(len(pictures)))
    if pictures.layout.name == "freihand":
        assert known.subject is None
        return
    people = known.subject.unique()
    assert len(people) >= 2
    for person in people:
        assert (known.shape[known.subject == person] == known.shape[known.subject == person][:1]).all()


def test_it_is_what_training_asks_for(pictures):
    assert isinstance(pictures, Pictures)
    if pictures.subjects is not None:
        assert torch.equal(pictures.subjects, pictures.known(range(len(pictures))).subject)
    assert pictures.only(("labels",)).load([0]).labels is None
    batches = DataLoader(Loading(pictures), batch_size=None, num_workers=1)
    loaded = concatenate(list(batches))
    assert torch.allclose(loaded.image, pictures.load(range(4)).image, atol=1e-3)


class Loading(torch.utils.data.Dataset):
    def __init__(self, pictures):
        self.pictures = pictures

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.pictures.load([2 * index, 2 * index + 1])


def test_order_of_loading_does_not_matter(pictures):
    there, back = pictures.load([0, 1, 2]), pictures.load([2, 1, 0])
    assert torch.allclose(there.keypoints, back.keypoints.flip(0), atol=1e-4)
    assert torch.allclose(there.image, back.image.flip(0), atol=1e-3)


def test_the_index_is_built_once(replica, models, pictures, monkeypatch):
    def scan(*_):
        raise AssertionError("it is indexed already")

    layout = replace(LAYOUTS[replica.name], scan=scan)
    monkeypatch.setitem(LAYOUTS, replica.name, layout)
    again = open_pictures(replica.name, replica.root, *models, cache=replica.cache, size=64)
    assert again.fingerprint == pictures.fingerprint
    assert str(again.findings) == str(pictures.findings)


def test_fingerprints_tell_other_rows_and_other_meanings(pictures):
    conventions = pictures.layout.conventions
    other = replace(conventions, flat_hand_mean=not conventions.flat_hand_mean)
    assert pictures.rows([0, 1]).fingerprint != pictures.rows([1, 0]).fingerprint
    assert pictures.fingerprint != pictures.with_conventions(other).fingerprint


def test_another_meaning_of_the_labels_moves_the_joints(pictures):
    known, conventions = pictures.known([0]), pictures.layout.conventions
    turned = pictures.with_conventions(replace(conventions, flat_hand_mean=not conventions.flat_hand_mean)).known([0])
    shifted = pictures.with_conventions(replace(conventions, integer_centres=not conventions.integer_centres))
    assert (turned.joints - known.joints).norm(dim=-1).max() > 0.002
    moved = shifted.known([0]).keypoints - known.keypoints
    assert torch.allclose(moved.abs(), torch.tensor(0.5), atol=1e-3)


def test_right_hands_only(pictures):
    rights = pictures.right_hands()
    assert rights.known(range(len(rights))).is_right.all()
    lefts = len(pictures) - len(rights)
    assert (f"{lefts} x left hand" in str(rights.findings)) == (lefts > 0)
    assert "left hand" not in str(pictures.findings)


def test_splits_part_the_pictures(pictures):
    for name in pictures.layout.splits:
        parts = pictures.layout.split(pictures.table, name)
        assert set(parts) <= {"train", "val", "test"}
        for part in set(parts):
            assert len(pictures.part(name, part)) == (parts == part).sum()
    with pytest.raises(ValueError, match="expected a split of"):
        pictures.part("s9", "train")


def test_words_name_a_data_set_and_a_part_of_it(dexycb, models):
    words = f"dexycb:{dexycb},split=s0,part=train,hands=right,filter=whole"
    assert is_words(words)
    assert not is_words(dexycb)
    found = from_words(words, *models)
    same = open_pictures("dexycb", dexycb, *models).right_hands().whole_hands()
    assert found.fingerprint == same.part("s0", "train").fingerprint
    everything = from_words(f"dexycb:{dexycb}", *models)
    assert len(everything) > len(found)
    for wrong in ("part=testing", "hands=left", "colour=red", "part"):
        with pytest.raises(ValueError, match="expected NAME:ROOT and, after commas"):
            from_words(f"dexycb:{dexycb},{wrong}", *models)


def test_pictures_say_when_and_by_which_camera_they_were_taken(dexycb, models):
    pictures = open_pictures("dexycb", dexycb, *models)
    taken = pictures.known(range(len(pictures))).taken
    names = list(zip(*(pictures.table[name].to_pylist() for name in ("sequence", "frame")), strict=True))
    together = {name: set() for name in names}
    for name, instant in zip(names, taken.instant.tolist(), strict=True):
        together[name].add(instant)
    assert all(len(instants) == 1 for instants in together.values())
    assert taken.device.tolist() == pictures.table["camera_number"].to_pylist()


def test_humbi_keeps_people_apart(models, tmp_path):
    replicas.write_humbi(tmp_path, people=6, frames=1, cameras=1)
    pictures = open_pictures("humbi", tmp_path, *models)
    people = {part: set((pictures.part("people", part).subjects // 2).tolist()) for part in ("train", "val", "test")}
    assert {part: len(numbers) for part, numbers in people.items()} == {"train": 4, "val": 1, "test": 1}
    assert len(set.union(*people.values())) == 6


def test_dexycb_splits_as_published(models):
    from ownhand.data.readers.dexycb import split

    rows = [(s, q, c) for s in range(10) for q in range(100) for c in range(8)]
    table = {"subject": 0, "sequence_number": 1, "camera_number": 2}
    import pyarrow as pa

    index = pa.table({name: [row[place] for row in rows] for name, place in table.items()})
    expected = {
        "s0": lambda s, q, c: ("val" if s < 2 else "test") if q % 5 == 4 else "train",
        "s1": lambda s, q, c: {6: "val", 7: "test", 8: "test"}.get(s, "train"),
        "s2": lambda s, q, c: {6: "val", 7: "test"}.get(c, "train"),
        "without-9": lambda s, q, c: {0: "val", 9: "test"}.get(s, "train"),
        "s3": lambda s, q, c: {3: "val", 19: "val", 7: "test", 11: "test", 15: "test"}.get(q // 5, "train"),
    }
    for name, rule in expected.items():
        assert split(index, name).tolist() == [rule(*row) for row in rows], name


def test_the_papers_filter_drops_hands_that_are_cut_and_counts_them(dexycb, models):
    meta = dexycb / "calibration" / "intrinsics" / "836212060125_640x480.yml"
    meta.write_text(meta.read_text().replace("ppx: 310.25", "ppx: 5.25"))
    pictures = open_pictures("dexycb", dexycb, *models)
    whole = pictures.whole_hands()
    assert set(column(whole.table, "camera")) == {"839512060362"}
    assert f"{len(pictures) - len(whole)} x hand with a joint outside the picture" in str(whole.findings)


def test_hands_that_are_not_there_are_counted(dexycb, models):
    pictures = open_pictures("dexycb", dexycb, *models)
    assert "2 x hand not in the picture; first: " in str(pictures.findings)
    assert "1 x person with fewer than 100 sequences" in str(pictures.findings)


def damage_nothing(root, folder):
    pass


def remove_labels(root, folder):
    (folder / "labels_000000.npz").unlink()


def remove_picture(root, folder):
    (folder / "color_000000.jpg").unlink()


def remove_camera(root, folder):
    shutil.rmtree(folder)


def remove_intrinsics(root, folder):
    (root / "calibration" / "intrinsics" / f"{folder.name}_640x480.yml").unlink()


def remove_calibration(root, folder):
    shutil.rmtree(root / "calibration" / "mano_20200709-subject-01_right")


def truncate_labels(root, folder):
    path = folder / "labels_000000.npz"
    path.write_bytes(path.read_bytes()[:100])


def pickled_labels(root, folder):
    np.savez(folder / "labels_000000.npz", pose_m=np.array([print], dtype=object), joint_3d=0, joint_2d=0)


def not_numbers(root, folder):
    with np.load(folder / "labels_000000.npz") as arrays:
        content = {**arrays, "pose_m": np.full((1, 51), np.nan)}
    np.savez(folder / "labels_000000.npz", **content)


DAMAGES = {
    remove_labels: "1 x picture or labels missing",
    remove_picture: "1 x picture or labels missing",
    remove_camera: "1 x camera's folder missing",
    remove_intrinsics: "2 x camera without intrinsics (FileNotFoundError)",
    remove_calibration: "1 x sequence without calibration (FileNotFoundError)",
    truncate_labels: "1 x labels that cannot be read (BadZipFile)",
    pickled_labels: "1 x labels that cannot be read (ValueError)",
    not_numbers: "1 x labels that are not numbers",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_cannot_be_used_is_named_and_counted(damage, dexycb, models):
    folder = dexycb / "20200709-subject-01" / "20200709_100000" / "839512060362"
    complete = len(open_pictures("dexycb", dexycb, *models))
    damage(dexycb, folder)
    shutil.rmtree(dexycb / ".ownhand")
    pictures = open_pictures("dexycb", dexycb, *models)
    assert DAMAGES[damage] in str(pictures.findings)
    assert len(pictures) < complete
    assert str(dexycb) in str(pictures.findings)


def test_a_changed_calibration_makes_the_index_anew(dexycb, models):
    before = open_pictures("dexycb", dexycb, *models).fingerprint
    path = next((dexycb / "calibration").glob("mano_*_right")) / "mano.yml"
    path.write_text(f"betas: {[0.5] * 10}\n")
    assert open_pictures("dexycb", dexycb, *models).fingerprint != before


def test_a_cut_index_is_made_anew(dexycb, models):
    before = open_pictures("dexycb", dexycb, *models).fingerprint
    path = next((dexycb / ".ownhand" / "dexycb").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:200])
    assert open_pictures("dexycb", dexycb, *models).fingerprint == before


def test_a_picture_of_another_size_is_named_when_it_is_read(dexycb, models):
    pictures = open_pictures("dexycb", dexycb, *models)
    path = dexycb / pictures.table.column("image")[0].as_py()
    replicas.picture(path, (320, 240), np.zeros((0, 2)))
    with pytest.raises(ValueError, match=r"color_000000\.jpg: expected a picture of 640 x 480 px, got 320 x 240"):
        pictures.load([0])
    path.unlink()
    with pytest.raises(ValueError, match=r"color_000000\.jpg"):
        pictures.load([0])


@pytest.mark.parametrize("name", LAYOUTS)
def test_another_folder_is_refused_in_a_sentence(name, models, tmp_path):
    with pytest.raises(ValueError, match="expected the folder of"):
        open_pictures(name, tmp_path / "nowhere", *models)
    with pytest.raises(ValueError, match=f"{tmp_path}: expected .*, found"):
        open_pictures(name, tmp_path, *models)
    with pytest.raises(ValueError, match="expected a data set of dexycb"):
        open_pictures("nose", tmp_path, *models)


MISREADINGS = {
    "pixel centres": lambda c: replace(c, integer_centres=not c.integer_centres),
    "poses relative to": lambda c: replace(c, flat_hand_mean=not c.flat_hand_mean),
    "poses as": lambda c: replace(c, pca=None if c.pca else 45),
    "fingertips of": lambda c: replace(c, right_tips=(1, 2, 3, 4, 5), left_tips=(1, 2, 3, 4, 5)),
}


def test_checking_a_folder_that_is_understood_says_so(pictures):
    fits = compare(pictures)
    assert fits[0].pixels < 0.1
    assert fits[0].joints_mm < 0.01
    assert all(fit.pixels > 0.4 for fit in fits[1:] if not fit.meaning.startswith("fingertips"))
    assert all(fit.tips_mm > 0.1 for fit in fits[1:] if fit.meaning in ("fingertips of HUMBI", "fingertips of DexYCB"))
    assert verdict(fits).startswith("Joints are where they are labelled (0.0")


@pytest.mark.parametrize("name", MISREADINGS)
def test_a_misread_convention_is_named(name, pictures):
    wrong = pictures.with_conventions(MISREADINGS[name](pictures.layout.conventions))
    said = verdict(compare(wrong))
    assert "fit better when read otherwise" in said
    assert name in said


def test_nothing_is_said_of_labels_that_are_not_there(models, tmp_path):
    replicas.write_humbi(tmp_path, people=1, frames=1)
    for path in tmp_path.rglob("keypoints_?.txt"):
        path.unlink()
    pictures = open_pictures("humbi", tmp_path, *models)
    assert verdict(compare(pictures)) == "There are no labelled joints to compare with."


def test_the_command_reports_and_draws(replica, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ownhand", "data", "check", str(replica.root), "--cache", str(replica.cache)])
    main()
    printed = capsys.readouterr().out
    assert f"{replica.name}: {len(replica.truth)} hands (" in printed
    assert "Pass --mano FOLDER" in printed
    replicas.write_models(tmp_path)
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--mano", str(tmp_path), "-o", str(tmp_path / "sheet.png")])
    main()
    assert "Joints are where they are labelled" in capsys.readouterr().out
    assert read_photo(tmp_path / "sheet.png").shape[2] > 5 * 250


def test_a_folder_of_none_of_the_data_sets_is_refused_with_what_each_needs(tmp_path):
    with pytest.raises(ValueError, match=r"none of the data sets dexycb.*expected HUMBI's folders"):
        recognise(tmp_path)


def test_interhands_true_shape_is_the_median_over_frames_and_two_hands_are_left_out(models, tmp_path):
    replicas.write_interhand(tmp_path, frames=5)
    pictures = open_pictures("interhand", tmp_path, *models)
    fits = column(pictures.part("official", "train").right_hands().table, "betas")
    assert len(np.unique(fits, axis=0)) == 3
    shape = pictures.part("official", "train").right_hands().known([0]).shape[0]
    assert np.allclose(shape, np.median(np.unique(fits, axis=0), axis=0), atol=1e-6)
    assert "2 x picture of two hands" in str(pictures.findings)


def test_ho3ds_evaluation_has_no_poses_and_its_pickles_are_not_run(models, tmp_path):
    replicas.write_ho3d(tmp_path)
    path = tmp_path / "train" / "MC1" / "meta" / "0000.pkl"
    path.write_bytes(pickle.dumps({"handPose": print}))
    pictures = open_pictures("ho3d", tmp_path, *models)
    assert "2 x picture without a pose of the hand" in str(pictures.findings)
    assert "1 x labels that cannot be read (RefusedFile)" in str(pictures.findings)


def test_freihands_labels_of_other_lengths_are_named(models, tmp_path):
    replicas.write_freihand(tmp_path)
    (tmp_path / "training_xyz.json").write_text("[]")
    pictures = open_pictures("freihand", tmp_path, *models)
    assert "1 x labels of different lengths (3, 3, 0)" in str(pictures.findings)
    assert set(pictures.layout.split(pictures.table, "official")) == {"test"}


def test_humbis_empty_person_is_named(models, tmp_path):
    replicas.write_humbi(tmp_path, people=2, frames=1)
    (tmp_path / "subject_52" / "hand").mkdir(parents=True)
    pictures = open_pictures("humbi", tmp_path, *models)
    assert f"1 x person without frames; first: {tmp_path / 'subject_52' / 'hand'}" in str(pictures.findings)


def test_a_cut_camera_file_is_refused(tmp_path):
    path = tmp_path / "project.txt"
    path.write_text("a\nb\nc\ncam 0\n1 2 3 4\n5 6 7 8\n")
    with pytest.raises(ValueError, match=r"project\.txt: expected 3 rows of numbers after line 4"):
        read_cameras(path)
