"""Meshes and rigged hands, read back from the files."""

import importlib.util
import json
import struct
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pygltflib
import pytest
import torch
import trimesh
from mano_file import mano_arrays, write_mano
from scipy.spatial.transform import Rotation, Slerp
from toy import random_pose, toy_hand

from ownhand.hand.builtin import open_hand
from ownhand.hand.export import write_glb, write_mesh
from ownhand.hand.kinematics import forward_kinematics, skin
from ownhand.hand.mano import load_mano
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import JOINTS, ROTATING_21, WEBXR_FROM_21, WEBXR_JOINTS
from ownhand.hand.webxr import METACARPAL, WEBXR_PARENTS, webxr_joints
from ownhand.structs import stack

TO_GLTF = torch.tensor([1.0, -1.0, -1.0])
MIRROR = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture(params=["toy", "open hand", "MANO"])
def model(request, tmp_path):
    if request.param == "toy":
        return toy_hand()
    return open_hand() if request.param == "open hand" else load_mano(write_mano(tmp_path / "hand.pkl", mano_arrays()))


class GlbFile:
    """A reader of its own: bytes, JSON, numpy."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, length, json_length, json_kind = struct.unpack_from("<4sIII4s", data)
        assert (magic, version, length, json_kind) == (b"glTF", 2, len(data), b"JSON")
        self.json = json.loads(data[20 : 20 + json_length])
        blob_length, blob_kind = struct.unpack_from("<I4s", data, 20 + json_length)
        assert blob_kind == b"BIN\0"
        self.blob = data[28 + json_length :]
        assert len(self.blob) == blob_length
        assert 0 <= blob_length - self.json["buffers"][0]["byteLength"] < 4

    def array(self, accessor):
        accessor = self.json["accessors"][accessor]
        view = self.json["bufferViews"][accessor["bufferView"]]
        dtype = {5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]
        flat = np.frombuffer(self.blob, dtype, accessor["count"] * width, view.get("byteOffset", 0))
        return flat.reshape(-1, width)

    @property
    def primitive(self):
        return self.json["meshes"][0]["primitives"][0]

    def attribute(self, name):
        return self.array(self.primitive["attributes"][name])

    def faces(self):
        return self.array(self.primitive["indices"]).reshape(-1, 3)

    def node_frames(self):
        """Frames of all nodes by name, from the scene's root down."""
        frames = {}

        def visit(index, above):
            node = self.json["nodes"][index]
            local = np.eye(4)
            local[:3, :3] = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
            local[:3, 3] = node.get("translation", [0, 0, 0])
            frames[node["name"]] = above @ local
            for child in node.get("children", []):
                visit(child, above @ local)

        for root in self.json["scenes"][self.json["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return frames

    def skinned(self):
        """Vertices as a viewer draws them: linear blend skinning with the file's own joints, matrices and weights."""
        frames, skin = self.node_frames(), self.json["skins"][0]
        inverse_bind = self.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        joints = [frames[self.json["nodes"][node]["name"]] for node in skin["joints"]]
        motion = np.stack(joints) @ inverse_bind
        rest = np.c_[self.attribute("POSITION"), np.ones(len(self.attribute("POSITION")))]
        verts = np.zeros((len(rest), 3))
        for i in range(2):
            if f"JOINTS_{i}" in self.primitive["attributes"]:
                weights, which = self.attribute(f"WEIGHTS_{i}"), self.attribute(f"JOINTS_{i}")
                verts += np.einsum("vk,vkij,vj->vi", weights, motion[which], rest)[:, :3]
        return verts


def vertex_of_row(model: HandModel) -> torch.Tensor:
    """Which vertex each row of the file is: vertices are split at seams of the texture, in ascending order."""
    if model.uv_faces is None:
        return torch.arange(len(model.template))
    pairs = {
        pair
        for f, u in zip(model.faces.tolist(), model.uv_faces.tolist(), strict=True)
        for pair in zip(f, u, strict=True)
    }
    return torch.tensor([vertex for vertex, _ in sorted(pairs)])


def without_correctives(hand, pose):
    """Our own skinning, in the camera frame."""
    R = torch.cat([torch.eye(3)[None], pose.R_parent_joint])
    T = forward_kinematics(R, hand.joints_16, hand.model.parents)
    verts = skin(hand.verts, T, hand.joints_16, hand.model.skin_weights)
    return (verts - hand.joints_16[0]) @ pose.R_cam_root.mT + pose.t_cam_root


@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_a_viewer_draws_the_rest_hand(model, tmp_path, is_right, flat):
    hand = model.shaped(torch.randn(10))
    write_glb(tmp_path / "hand.glb", hand, is_right=is_right, flat=flat)
    file = GlbFile(tmp_path / "hand.glb")
    expected = (hand.verts * TO_GLTF * (1 if is_right else MIRROR))[vertex_of_row(model)].numpy()
    np.testing.assert_allclose(file.attribute("POSITION"), expected, atol=1e-7)
    np.testing.assert_allclose(file.skinned(), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_a_viewer_draws_the_posed_hand_as_we_skin_it_without_correctives(model, tmp_path, seed, is_right, flat):
    hand, pose = model.shaped(torch.randn(10)), random_pose(seed=seed)
    write_glb(tmp_path / "hand.glb", hand, pose, is_right=is_right, flat=flat)
    expected = without_correctives(hand, pose) * TO_GLTF * (1 if is_right else MIRROR)
    drawn = GlbFile(tmp_path / "hand.glb").skinned()
    assert np.abs(drawn - expected[vertex_of_row(model)].numpy()).max() < 1e-5


def test_second_set_of_weights_appears_only_when_needed(tmp_path):
    write_glb(tmp_path / "toy.glb", toy_hand().shaped(torch.zeros(10)))
    assert "JOINTS_1" not in GlbFile(tmp_path / "toy.glb").primitive["attributes"]
    model = load_mano(write_mano(tmp_path / "hand.pkl", mano_arrays()))
    write_glb(tmp_path / "mano.glb", model.shaped(torch.zeros(10)))
    file = GlbFile(tmp_path / "mano.glb")
    weights = np.c_[file.attribute("WEIGHTS_0"), file.attribute("WEIGHTS_1")]
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (np.diff(weights) <= 0).all()
    assert not np.c_[file.attribute("JOINTS_0"), file.attribute("JOINTS_1")][weights == 0].any()


def test_of_more_than_eight_joints_in_a_vertex_the_smallest_go(tmp_path):
    weights = torch.rand(len(toy_hand().template), 16)
    model = replace(toy_hand(), skin_weights=weights / weights.sum(-1, keepdim=True))
    write_glb(tmp_path / "hand.glb", model.shaped(torch.zeros(10)))
    file = GlbFile(tmp_path / "hand.glb")
    kept = weights.sort(-1, descending=True).values[:, :8]
    written = np.c_[file.attribute("WEIGHTS_0"), file.attribute("WEIGHTS_1")]
    np.testing.assert_allclose(written, (kept / kept.sum(-1, keepdim=True)).numpy(), atol=1e-6)


def test_joints_have_webxr_names_and_hang_on_each_other_as_bones_do(tmp_path):
    write_glb(tmp_path / "hand.glb", open_hand().shaped(torch.zeros(10)))
    file = GlbFile(tmp_path / "hand.glb")
    nodes = file.json["nodes"]
    assert tuple(nodes[i]["name"] for i in file.json["skins"][0]["joints"]) == WEBXR_JOINTS
    parent = {nodes[child]["name"]: node["name"] for node in nodes for child in node.get("children", [])}
    assert parent["wrist"] == "hand"
    assert parent["thumb-metacarpal"] == parent["pinky-finger-metacarpal"] == "wrist"
    chain = ["tip", "phalanx-distal", "phalanx-intermediate", "phalanx-proximal", "metacarpal"]
    for finger in ("index", "middle", "ring", "pinky"):
        for below, above in pairwise(chain):
            assert parent[f"{finger}-finger-{below}"] == f"{finger}-finger-{above}"
    assert parent["thumb-tip"] == "thumb-phalanx-distal"
    assert parent["thumb-phalanx-distal"] == "thumb-phalanx-proximal"
    assert not any(
        nodes[i].get("children") for i in file.json["skins"][0]["joints"] if nodes[i]["name"].endswith("tip")
    )


def test_flat_joints_are_all_children_of_the_root(tmp_path):
    write_glb(tmp_path / "hand.glb", toy_hand().shaped(torch.zeros(10)), flat=True)
    file = GlbFile(tmp_path / "hand.glb")
    assert set(file.json["skins"][0]["joints"]) < set(file.json["nodes"][0]["children"])


def test_joints_lie_where_the_hand_has_them(model):
    hand, pose = model.shaped(torch.randn(10)), random_pose()
    own = [WEBXR_FROM_21[name] for name in WEBXR_JOINTS if name in WEBXR_FROM_21]
    places = [i for i, name in enumerate(WEBXR_JOINTS) if name in WEBXR_FROM_21]
    torch.testing.assert_close(webxr_joints(hand)[places, :3, 3], hand.joints[own])
    inner = [i for i, joint in zip(places, own, strict=True) if not JOINTS[joint].endswith("tip")]
    posed = webxr_joints(hand, pose)[inner, :3, 3]
    torch.testing.assert_close(posed, hand.posed(pose).joints[[j for j in own if not JOINTS[j].endswith("tip")]])
    index = WEBXR_JOINTS.index("index-finger-metacarpal")
    expected = torch.lerp(hand.joints[0], hand.joints[JOINTS.index("index_mcp")], METACARPAL)
    torch.testing.assert_close(webxr_joints(hand)[index, :3, 3], expected)


def test_joint_frames_are_those_of_webxr():
    """-z to the next joint, y out of the back of the hand, x to the right, on the open hand (z dorsal, y radial)."""
    T = webxr_joints(open_hand().shaped(torch.zeros(10)))
    R, t = T[:, :3, :3], T[:, :3, 3]
    torch.testing.assert_close(R @ R.mT, torch.eye(3).expand(25, 3, 3))
    assert (torch.linalg.det(R) > 0).all()
    for i, name in enumerate(WEBXR_JOINTS[1:], start=1):
        parent = WEBXR_PARENTS[i]
        if parent:
            bone = torch.nn.functional.normalize(t[i] - t[parent], dim=0)
            torch.testing.assert_close(-R[parent, :, 2], bone, msg=name)
        if not name.startswith("thumb"):
            assert R[i, 2, 1] > 0.7, f"{name}: y is not dorsal"
            assert R[i, 1, 0] < -0.7, f"{name}: x is not ulnar, which is the right of a right hand"
    assert R[WEBXR_JOINTS.index("thumb-phalanx-distal"), 1, 1] > 0.5, "the nail of the thumb does not look radially"


@pytest.mark.parametrize("is_right", [True, False])
def test_fingers_of_either_hand_curl_about_minus_x(tmp_path, is_right):
    """Turning the index's first phalanx in the file brings its tip to the palm's side (dorsal is -z in glTF here)."""
    write_glb(tmp_path / "hand.glb", open_hand().shaped(torch.zeros(10)), is_right=is_right)
    file = GlbFile(tmp_path / "hand.glb")
    before = file.node_frames()
    node = next(n for n in file.json["nodes"] if n["name"] == "index-finger-phalanx-proximal")
    node["rotation"] = (Rotation.from_quat(node["rotation"]) * Rotation.from_rotvec([-1.0, 0, 0])).as_quat().tolist()
    moved = file.node_frames()["index-finger-tip"][:3, 3] - before["index-finger-tip"][:3, 3]
    dorsal = before["wrist"][:3, 1]
    assert moved @ dorsal < -0.03


@pytest.mark.parametrize("is_right", [True, False])
def test_normals_are_unit_and_look_outwards(tmp_path, is_right):
    write_glb(tmp_path / "hand.glb", open_hand().shaped(torch.zeros(10)), is_right=is_right)
    file = GlbFile(tmp_path / "hand.glb")
    verts, normals, faces = file.attribute("POSITION"), file.attribute("NORMAL"), file.faces()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-6)
    a, b, c = (verts[faces[:, i]].astype(float) for i in range(3))
    assert np.einsum("fi,fi->f", a, np.cross(b, c)).sum() > 0, "faces look inwards"
    agreement = np.einsum("fi,fi->f", np.cross(b - a, c - a), normals[faces].mean(1))
    assert (agreement > 0).mean() > 0.99


def test_file_is_valid_gltf(model, tmp_path):
    write_glb(tmp_path / "hand.glb", model.shaped(torch.zeros(10)), random_pose())
    file = GlbFile(tmp_path / "hand.glb")
    for accessor in file.json["accessors"]:
        view = file.json["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= file.json["buffers"][0]["byteLength"]
    position = file.json["accessors"][file.primitive["attributes"]["POSITION"]]
    np.testing.assert_array_equal(np.float32(position["min"]), file.attribute("POSITION").min(0))
    np.testing.assert_array_equal(np.float32(position["max"]), file.attribute("POSITION").max(0))
    counts = {len(file.attribute(name)) for name in file.primitive["attributes"]}
    assert len(counts) == 1
    assert file.faces().max() < counts.pop()
    assert file.attribute("JOINTS_0").max() < 25
    inverse_bind = file.array(file.json["skins"][0]["inverseBindMatrices"])
    np.testing.assert_array_equal(inverse_bind[:, [3, 7, 11, 15]], np.tile([0, 0, 0, 1], (25, 1)))
    for node in file.json["nodes"][2:]:
        assert abs(np.linalg.norm(node["rotation"]) - 1) < 1e-6
    assert "correctives" in file.json["asset"]["extras"]["lost"]
    assert file.json["asset"]["extras"]["hand"] == model.id
    pygltflib.GLTF2().load(tmp_path / "hand.glb")


def test_texture_travels_with_the_hand(tmp_path):
    texture = torch.rand(3, 8, 16)
    write_glb(tmp_path / "hand.glb", open_hand().shaped(torch.zeros(10)), texture=texture)
    mesh = next(iter(trimesh.load(tmp_path / "hand.glb").geometry.values()))
    picture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    np.testing.assert_array_equal(picture, (texture * 255).round().byte().permute(1, 2, 0).numpy())
    model, file = open_hand(), GlbFile(tmp_path / "hand.glb")
    corners = file.attribute("TEXCOORD_0")[file.faces()]
    np.testing.assert_allclose(corners, model.uv[model.uv_faces].numpy(), atol=1e-7)
    with pytest.raises(ValueError, match="no texture coordinates"):
        write_glb(tmp_path / "toy.glb", toy_hand().shaped(torch.zeros(10)), texture=texture)


def test_colours_of_vertices_stand_for_the_skin(tmp_path):
    model, colours = open_hand(), torch.rand(len(open_hand().template), 3)
    write_glb(tmp_path / "hand.glb", model.shaped(torch.zeros(10)), colours=colours)
    file = GlbFile(tmp_path / "hand.glb")
    corners = torch.stack([model.faces, model.uv_faces], -1).flatten(0, 1)
    verts_of = torch.unique(corners, dim=0)[:, 0]
    np.testing.assert_array_equal(file.attribute("COLOR_0"), colours[verts_of].numpy())
    assert file.json["materials"][0]["pbrMetallicRoughness"]["baseColorFactor"] == [1, 1, 1, 1]


def test_a_turning_hand_goes_once_round_the_vertical(tmp_path):
    write_glb(tmp_path / "hand.glb", toy_hand().shaped(torch.zeros(10)), turn_s=8.0)
    file = GlbFile(tmp_path / "hand.glb")
    (animation,) = file.json["animations"]
    sampler, channel = animation["samplers"][0], animation["channels"][0]
    assert channel["target"] == {"node": file.json["scenes"][0]["nodes"][0], "path": "rotation"}
    np.testing.assert_allclose(file.array(sampler["input"])[:, 0], [0, 2, 4, 6, 8])
    turned = Rotation.from_quat(file.array(sampler["output"])).apply([0, 0, 1])
    np.testing.assert_allclose(turned, [[0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0], [0, 0, 1]], atol=1e-6)


def animated(path, time):
    """Local rotation and translation of every joint at a time, by pygltflib and SciPy: what a viewer computes."""
    gltf = pygltflib.GLTF2().load(path)
    blob = gltf.binary_blob()

    def rows(number):
        accessor = gltf.accessors[number]
        start = gltf.bufferViews[accessor.bufferView].byteOffset
        return np.frombuffer(blob, "<f4", accessor.count * (w := int(accessor.type[3:] or 1)), start).reshape(-1, w)

    widths = {"SCALAR": "VEC1"}
    for accessor in gltf.accessors:
        accessor.type = widths.get(accessor.type, accessor.type)
    for channel in gltf.animations[0].channels:
        sampler = gltf.animations[0].samplers[channel.sampler]
        assert sampler.interpolation == "LINEAR"
        times, values = rows(sampler.input)[:, 0], rows(sampler.output)
        if channel.target.path == "rotation":
            assert (np.einsum("ij,ij->i", values[1:], values[:-1]) >= 0).all(), "the longer way round"
            value = Slerp(times, Rotation.from_quat(values))(time).as_quat()
        else:
            value = [np.interp(time, times, column) for column in values.T]
        setattr(gltf.nodes[channel.target.node], channel.target.path, [float(x) for x in value])
    gltf.save_binary(path.with_name("sampled.glb"))
    return GlbFile(path.with_name("sampled.glb")), gltf


@pytest.mark.parametrize("is_right", [True, False])
@pytest.mark.parametrize("flat", [True, False])
def test_a_viewer_plays_the_frames_of_a_motion(model, tmp_path, is_right, flat):
    hand, pose, times = model.shaped(torch.randn(10)), random_pose(5), torch.tensor([0.1, 0.2, 0.25, 0.4, 0.5])
    write_glb(tmp_path / "clip.glb", hand, pose, times=times, is_right=is_right, flat=flat)
    own = [WEBXR_FROM_21[name] for name in WEBXR_JOINTS if name in WEBXR_FROM_21]
    rotating = [joint for joint in own if not JOINTS[joint].endswith("tip")]
    names = [name for name in WEBXR_JOINTS if WEBXR_FROM_21.get(name) in rotating]
    for k, time in enumerate(times.tolist()):
        file, _ = animated(tmp_path / "clip.glb", time)
        side = TO_GLTF * (1 if is_right else MIRROR)
        frames = file.node_frames()
        found = np.stack([frames[name][:3, 3] for name in names])
        expected = (hand.posed(pose[k]).joints[rotating] * side).numpy()
        assert np.abs(found - expected).max() < 1e-5
        verts = (without_correctives(hand, pose[k]) * side)[vertex_of_row(model)].numpy()
        assert np.abs(file.skinned() - verts).max() < 1e-5


def test_a_motion_has_the_channels_of_what_moves(tmp_path):
    hand, pose, times = toy_hand().shaped(torch.zeros(10)), random_pose(3), torch.tensor([0.0, 0.5, 1.0])
    write_glb(tmp_path / "clip.glb", hand, pose, times=times)
    file, gltf = animated(tmp_path / "clip.glb", 0.5)
    (motion,) = gltf.animations
    targets = [(gltf.nodes[channel.target.node].name, channel.target.path) for channel in motion.channels]
    assert len(targets) == len(set(targets)) == 17
    assert [name for name, path in targets if path == "translation"] == ["wrist"]
    assert {name for name, path in targets if path == "rotation"} == {
        name for name in WEBXR_JOINTS if WEBXR_FROM_21.get(name) in ROTATING_21
    }
    (time,) = {sampler.input for sampler in motion.samplers}
    assert (gltf.accessors[time].min, gltf.accessors[time].max) == ([0.0], [1.0])
    first = GlbFile(tmp_path / "clip.glb").node_frames()["index-finger-tip"]
    np.testing.assert_allclose(
        first, animated(tmp_path / "clip.glb", 0.0)[0].node_frames()["index-finger-tip"], atol=1e-6
    )
    middle, wrist = animated(tmp_path / "clip.glb", 0.75)[0].node_frames()["wrist"], file.node_frames()["wrist"]
    there = pose.t_cam_root.numpy() * TO_GLTF.numpy()
    np.testing.assert_allclose(wrist[:3, 3], there[1], atol=1e-6)
    np.testing.assert_allclose(middle[:3, 3], there[1:].mean(0), atol=1e-6)


def test_a_hand_that_keeps_still_still_has_a_motion(tmp_path):
    pose = stack([random_pose()] * 2)
    write_glb(tmp_path / "clip.glb", toy_hand().shaped(torch.zeros(10)), pose, times=torch.tensor([0.0, 1.0]))
    gltf = pygltflib.GLTF2().load(tmp_path / "clip.glb")
    assert [(c.target.node, c.target.path) for c in gltf.animations[0].channels] == [
        (2, "rotation"),
        (2, "translation"),
    ]


def test_times_that_do_not_fit_the_frames_are_refused(tmp_path):
    hand, pose = toy_hand().shaped(torch.zeros(10)), random_pose(2)
    for times, wrong in (([0.0], "one pose for each of 1 times"), ([0.2, 0.2], "grow"), ([-1.0, 0.0], "from 0")):
        with pytest.raises(ValueError, match=wrong):
            write_glb(tmp_path / "hand.glb", hand, pose, times=torch.tensor(times))
    with pytest.raises(ValueError, match="one pose for each of 1 times"):
        write_glb(tmp_path / "hand.glb", hand, times=torch.zeros(1))
    assert not list(tmp_path.iterdir())


def test_batches_are_refused(tmp_path):
    hand = toy_hand().shaped(torch.zeros(10))
    with pytest.raises(ValueError, match="one HandPose, or the times of its frames, got a batch"):
        write_glb(tmp_path / "hand.glb", hand, random_pose(2))
    with pytest.raises(ValueError, match="one ShapedHand, got a batch"):
        write_glb(tmp_path / "hand.glb", toy_hand().shaped(torch.zeros(3, 10)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".OBJ"])
def test_mesh_files_keep_vertices_and_faces_as_they_are(tmp_path, suffix):
    model = toy_hand()
    write_mesh(tmp_path / f"hand{suffix}", model.template, model.faces)
    mesh = trimesh.load(tmp_path / f"hand{suffix}", process=False, maintain_order=True)
    np.testing.assert_allclose(mesh.vertices, model.template.numpy(), atol=1e-8)
    np.testing.assert_array_equal(mesh.faces, model.faces.numpy())
    assert [path.name for path in tmp_path.iterdir()] == [f"hand{suffix}"]


def test_obj_keeps_texture_coordinates_per_corner(tmp_path):
    model = open_hand()
    write_mesh(tmp_path / "hand.obj", model.template, model.faces, uv=model.uv, uv_faces=model.uv_faces)
    mesh = trimesh.load(tmp_path / "hand.obj", process=False)
    upwards = model.uv * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0])
    np.testing.assert_allclose(mesh.visual.uv[mesh.faces], upwards[model.uv_faces].numpy(), atol=1e-6)
    np.testing.assert_allclose(mesh.vertices[mesh.faces], model.template[model.faces].numpy(), atol=1e-8)


def test_unknown_suffix_and_half_a_texture_are_refused(tmp_path):
    model = toy_hand()
    with pytest.raises(ValueError, match=r"expected a mesh file ending in \.obj or \.ply, got hand\.fbx"):
        write_mesh(tmp_path / "hand.fbx", model.template, model.faces)
    with pytest.raises(ValueError, match="uv and uv_faces together"):
        write_mesh(tmp_path / "hand.obj", model.template, model.faces, uv=torch.zeros(4, 2))


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "hand.obj"
    path.write_text("old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_mesh(path, toy_hand().template, toy_hand().faces)
    assert [p.name for p in tmp_path.iterdir()] == ["hand.obj"]
    assert path.read_text() == "old"


def test_importing_the_module_loads_no_mesh_library(monkeypatch):
    for name in ("trimesh", "pygltflib", "PIL"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it raises
    spec = importlib.util.find_spec("ownhand.hand.export")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
