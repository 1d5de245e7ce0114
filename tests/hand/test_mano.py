"""MANO files, on a file that the test writes itself: nobody's licence is needed."""

import pickle

import numpy as np
import pytest
import torch
from mano_file import Call, Global, Instance, Python2Pickler, mano_arrays, mirrored_arrays, slow_mano, write_mano
from toy import random_pose

from ownhand.hand.mano import DEXYCB_LEFT_TIPS, DEXYCB_TIPS, HUMBI_TIPS, load_mano, pose_from_mano, pose_to_mano
from ownhand.hand.safe_pickle import RefusedFile, restricted_load


@pytest.fixture(scope="module")
def arrays():
    return mano_arrays()


@pytest.fixture(scope="module")
def right_file(arrays, tmp_path_factory):
    return write_mano(tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl", arrays)


@pytest.fixture(scope="module")
def model(right_file):
    return load_mano(right_file)


def random_mano(seed, n=45):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=10), rng.normal(size=3), rng.normal(size=n) * 0.5, rng.normal(size=3) * 0.3]


def tensors(vectors):
    return [torch.from_numpy(v).float() for v in vectors]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("flat_hand_mean", [True, False])
def test_mesh_equals_a_plain_loop_in_mano_order_to_a_micrometre(arrays, model, seed, flat_hand_mean):
    shape, orient, pose, transl = random_mano(seed)
    full_pose = pose if flat_hand_mean else pose + arrays["hands_mean"]
    expected = slow_mano(arrays, shape, orient, full_pose, transl)
    beta, *vectors = tensors([shape, orient, pose, transl])
    posed = model.shaped(beta).posed(pose_from_mano(model, *vectors, beta, flat_hand_mean=flat_hand_mean))
    assert np.abs(posed.verts.numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("n", [6, 45])
@pytest.mark.parametrize("flat_hand_mean", [True, False])
def test_pca_poses_are_sums_of_components(arrays, model, n, flat_hand_mean):
    shape, orient, coefficients, transl = random_mano(0, n)
    full_pose = coefficients @ arrays["hands_components"][:n] + (0 if flat_hand_mean else arrays["hands_mean"])
    expected = slow_mano(arrays, shape, orient, full_pose, transl)
    beta, *vectors = tensors([shape, orient, coefficients, transl])
    pose = pose_from_mano(model, *vectors, beta, flat_hand_mean=flat_hand_mean, use_pca=n)
    assert np.abs(model.shaped(beta).posed(pose).verts.numpy() - expected).max() < 1e-6
    if not flat_hand_mean:
        torch.testing.assert_close(model.rotations_from_pca(vectors[1]), pose.R_parent_joint)


def test_mesh_equals_smplx(arrays, model):
    smplx = pytest.importorskip("smplx", reason="smplx is not installed (its licence is non-commercial)")
    plain = {**arrays, "shapedirs": arrays["shapedirs"][..., :10]}
    layer = smplx.MANO(
        "", data_struct=smplx.utils.Struct(**plain), is_rhand=True, use_pca=False, flat_hand_mean=False, batch_size=3
    )
    vectors = [tensors(random_mano(seed)) for seed in range(3)]
    shape, orient, pose, transl = (torch.stack(column) for column in zip(*vectors, strict=True))
    theirs = layer(betas=shape, global_orient=orient, hand_pose=pose, transl=transl).vertices.detach()
    ours = model.shaped(shape).posed(pose_from_mano(model, orient, pose, transl, shape, flat_hand_mean=False)).verts
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_joints_are_sorted_into_our_order(arrays, model):
    expected = (arrays["J_regressor"] @ arrays["v_template"])[[0, 13, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9]]
    np.testing.assert_allclose(model.shaped(torch.zeros(10)).joints_16.numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("use_pca", [None, 45])
@pytest.mark.parametrize("is_right", [True, False])
def test_poses_survive_the_way_to_mano_and_back(model, use_pca, is_right):
    pose, shape = random_pose(5), torch.randn(5, 10)
    how = {"flat_hand_mean": False, "use_pca": use_pca, "is_right": is_right}
    back = pose_from_mano(model, *pose_to_mano(model, pose, shape, **how), shape, **how)
    for name in ("R_cam_root", "R_parent_joint", "t_cam_root"):
        torch.testing.assert_close(getattr(back, name), getattr(pose, name), atol=1e-5, rtol=0)


def test_pose_of_the_wrong_length_is_refused(model):
    vectors = torch.zeros(3), torch.zeros(20), torch.zeros(3), torch.zeros(10)
    with pytest.raises(ValueError, match="expected 45 entries in hand_pose"):
        pose_from_mano(model, *vectors, flat_hand_mean=True)


@pytest.mark.parametrize("shape_bug", [False, True])
@pytest.mark.parametrize("with_right_file", [False, True])
def test_left_file_becomes_a_right_hand_whatever_its_sign_mistake(arrays, model, tmp_path, shape_bug, with_right_file):
    path = write_mano(tmp_path / "MANO_LEFT.pkl", mirrored_arrays(arrays, shape_bug=shape_bug))
    if with_right_file:
        write_mano(tmp_path / "MANO_RIGHT.pkl", arrays)
    left = load_mano(path, tips=model.tips)
    for name in ("template", "shape_basis", "pose_basis", "pose_mean", "pose_components", "faces", "axes"):
        torch.testing.assert_close(getattr(left, name), getattr(model, name), msg=name)
    assert "left" in left.id


@pytest.mark.parametrize("use_pca", [None, 45])
def test_left_poses_give_the_mirror_image_of_the_left_mesh(arrays, tmp_path, use_pca):
    left_arrays = mirrored_arrays(arrays)
    left = load_mano(write_mano(tmp_path / "MANO_LEFT.pkl", left_arrays))
    shape, orient, pose, transl = random_mano(1)
    full_pose = (pose if use_pca is None else pose @ left_arrays["hands_components"]) + left_arrays["hands_mean"]
    expected = slow_mano(left_arrays, shape, orient, full_pose, transl) * [-1, 1, 1]
    beta, *vectors = tensors([shape, orient, pose, transl])
    pose = pose_from_mano(left, *vectors, beta, flat_hand_mean=False, use_pca=use_pca, is_right=False)
    assert np.abs(left.shaped(beta).posed(pose).verts.numpy() - expected).max() < 1e-6


def test_side_and_tips_can_be_said(arrays, right_file, tmp_path):
    assert load_mano(right_file).tips == DEXYCB_TIPS
    assert load_mano(right_file, tips=HUMBI_TIPS).tips == HUMBI_TIPS
    path = write_mano(tmp_path / "hand.pkl", mirrored_arrays(arrays))
    assert "left" in load_mano(path, is_right=False).id
    assert load_mano(path, is_right=False).tips == DEXYCB_LEFT_TIPS
    assert "right" in load_mano(path).id


def test_id_follows_the_content_not_the_place(arrays, model, tmp_path):
    assert load_mano(write_mano(tmp_path / "copy.pkl", arrays)).id == model.id
    assert load_mano(write_mano(tmp_path / "other.pkl", mano_arrays(seed=1))).id != model.id


def test_plain_and_fortran_arrays_of_this_numpy_are_read_too(arrays, model, tmp_path):
    content = {**arrays, "shapedirs": np.asfortranarray(arrays["shapedirs"][..., :10])}
    for protocol in (3, 4):
        path = tmp_path / f"protocol{protocol}.pkl"
        path.write_bytes(pickle.dumps(content, protocol))
        assert load_mano(path).id == model.id


ATTACKS = [
    ("posix", "system"), ("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("__builtin__", "eval"),
    ("builtins", "getattr"), ("numpy", "load"), ("numpy", "fromfile"), ("numpy.core.multiarray", "fromfile"),
    ("numpy", "core.multiarray._reconstruct.__globals__"), ("copyreg", "_reconstructor"), ("copy_reg", "__newobj__"),
    ("_codecs", "encode"), ("chumpy.ch", "os.system"), ("scipy.sparse.csc", "csc_array"), ("functools", "partial"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), ATTACKS)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_any_other_global_is_refused_by_name_and_not_run(arrays, tmp_path, module, name, protocol):
    marker = tmp_path / "marker"
    command = f"touch {marker}"
    if protocol == 0:
        (tmp_path / "evil.pkl").write_bytes(f"c{module}\n{name}\n(S'{command}'\ntR.".encode())
    elif protocol == 4:
        text = b"".join(pickle.SHORT_BINUNICODE + bytes([len(t)]) + t.encode() for t in (module, name))
        (tmp_path / "evil.pkl").write_bytes(b"\x80\x04" + text + b"\x93(S'" + command.encode() + b"'\ntR.")
    else:
        write_mano(tmp_path / "evil.pkl", arrays, hands_mean=[{"deep": Call(module, name, [command])}])
    with pytest.raises(RefusedFile, match=rf"{module}\.{name}".replace("(", r"\(")):
        load_mano(tmp_path / "evil.pkl")
    assert not marker.exists()


@pytest.mark.parametrize("target", [("numpy", "ndarray"), ("chumpy.ch", "Ch"), ("__builtin__", "set")])
@pytest.mark.parametrize("state", [{"decoded": 1}, (None, {"decoded": 1, "__setstate__": 1})])
def test_no_file_can_change_what_later_files_mean(arrays, model, right_file, tmp_path, target, state):
    class BuildOnClass(Python2Pickler):
        def save(self, obj, *args):
            super().save(obj, *args)
            if isinstance(obj, Global):
                super().save(state)
                self.write(pickle.BUILD)

    with (tmp_path / "evil.pkl").open("wb") as file:
        BuildOnClass(file, protocol=2).dump({"x": Global(*target)})
    with pytest.raises(RefusedFile):
        restricted_load(tmp_path / "evil.pkl")
    assert load_mano(right_file).id == model.id


def test_every_truncation_is_refused_in_a_sentence(right_file, tmp_path):
    data = right_file.read_bytes()
    for length in (0, 1, 50, 1000, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.pkl").write_bytes(data[:length])
        with pytest.raises(RefusedFile, match=r"cut\.pkl is not a complete pickle"):
            load_mano(tmp_path / "cut.pkl")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": None}, "no weights"),
        ({"v_template": np.zeros((777, 3))}, "v_template of shape 778 x 3, got 777 x 3"),
        ({"posedirs": np.zeros((778, 3, 207))}, "posedirs of shape 778 x 3 x 135"),
        ({"hands_mean": np.full(45, np.nan)}, "hands_mean has entries that are not finite"),
        ({"f": np.full((4, 3), 778, np.uint32)}, "faces of vertices 0 to 777"),
        ({"kintree_table": np.zeros((2, 16), np.uint32)}, "joint tree"),
        ({"shapedirs": Instance("chumpy.ch", "Ch", {"x": np.zeros((778, 3, 6))})}, "at least 10 shapes, got 6"),
        ({"v_template": "hello"}, "expected numbers in v_template, got str"),
    ],
)
def test_wrong_content_is_refused_in_a_sentence(arrays, tmp_path, changes, sentence):
    path = write_mano(tmp_path / "MANO_RIGHT.pkl", {**arrays, **changes})
    with pytest.raises(RefusedFile, match=sentence):
        load_mano(path)


def test_missing_file_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(RefusedFile, match=r"cannot open .*MANO_RIGHT\.pkl: No such file"):
        load_mano(tmp_path / "MANO_RIGHT.pkl")


def test_python_3_arrays_in_old_protocols_are_read_on_request(tmp_path):
    path = tmp_path / "meta.pkl"
    path.write_bytes(pickle.dumps({"handPose": np.arange(48.0), "scale": np.float32(2), "objName": "mug"}, 2))
    with pytest.raises(RefusedFile, match=r"_codecs\.encode"):
        restricted_load(path)
    data = restricted_load(path, also=("bytes", "scalars"))
    np.testing.assert_array_equal(data["handPose"], np.arange(48.0))
    assert data["scale"] == 2
    assert data["objName"] == "mug"
