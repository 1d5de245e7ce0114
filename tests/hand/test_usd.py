"""Hands as USD, read back by its own library. Needs `usd-core`; else skipped."""

import subprocess
import sys

import pytest
import torch
from test_export import MIRROR, TO_GLTF, model, without_correctives  # noqa: F401  # a fixture
from toy import random_pose, toy_hand

from ownhand.hand.skeleton import WEBXR_JOINTS
from ownhand.hand.usd import write_usd
from ownhand.structs import stack

pytest.importorskip("pxr", reason="usd-core is not installed")
from pxr import Usd, UsdGeom, UsdShade, UsdSkel, Vt


class UsdFile:
    def __init__(self, path):
        self.stage = Usd.Stage.Open(str(path))
        self.root = self.stage.GetDefaultPrim()
        self.mesh = UsdGeom.Mesh(self.stage.GetPrimAtPath("/hand/skin"))
        cache = UsdSkel.Cache()
        cache.Populate(UsdSkel.Root(self.root), Usd.PrimDefaultPredicate)
        self.skeleton = cache.GetSkelQuery(UsdSkel.Skeleton(self.stage.GetPrimAtPath("/hand/skeleton")))
        self.skinning = cache.GetSkinningQuery(self.mesh.GetPrim())

    def drawn(self, code):
        """Vertices as USD's own skinning places them."""
        points = Vt.Vec3fArray(self.mesh.GetPointsAttr().Get())
        transforms = self.skeleton.ComputeSkinningTransforms(code)
        assert self.skinning.ComputeSkinnedPoints(transforms, points, code)
        return torch.tensor([list(p) for p in points])


@pytest.mark.parametrize("suffix", [".usda", ".usdc", ".usdz"])
@pytest.mark.parametrize("is_right", [True, False])
def test_usd_draws_the_hand_as_we_skin_it_without_correctives(model, tmp_path, suffix, is_right):  # noqa: F811
    hand = model.shaped(torch.linspace(-1, 1, 10))
    side = TO_GLTF * (1 if is_right else MIRROR)
    write_usd(tmp_path / f"rest{suffix}", hand, is_right=is_right)
    file = UsdFile(tmp_path / f"rest{suffix}")
    assert torch.allclose(file.drawn(Usd.TimeCode.Default()), hand.verts * side, atol=1e-6)
    assert file.root.GetCustomDataByKey("side") == ("right" if is_right else "left")

    pose = random_pose(1)[0]
    write_usd(tmp_path / f"posed{suffix}", hand, pose, is_right=is_right)
    expected = without_correctives(hand, pose) * side
    assert torch.allclose(UsdFile(tmp_path / f"posed{suffix}").drawn(Usd.TimeCode.Default()), expected, atol=2e-6)


def test_a_motion_is_shown_at_its_times(tmp_path):
    hand, poses, times = toy_hand().shaped(torch.zeros(10)), random_pose(4), torch.tensor([0.5, 0.55, 0.6, 0.8])
    write_usd(tmp_path / "hand.usdc", hand, poses, times=times)
    file = UsdFile(tmp_path / "hand.usdc")
    rate = file.stage.GetTimeCodesPerSecond()
    assert rate == pytest.approx(20, rel=1e-4)
    assert file.stage.GetStartTimeCode() / rate == pytest.approx(0.5)
    assert file.stage.GetEndTimeCode() / rate == pytest.approx(0.8)
    for k, time in enumerate(times.tolist()):
        expected = without_correctives(hand, poses[k]) * TO_GLTF
        assert torch.allclose(file.drawn(Usd.TimeCode(time * rate)), expected, atol=2e-6)
    turned = stack([poses[0], poses[0]])
    write_usd(tmp_path / "still.usdc", hand, turned, times=torch.tensor([0.0, 0.1]))
    still = UsdFile(tmp_path / "still.usdc")
    assert torch.equal(still.drawn(Usd.TimeCode(0)), still.drawn(Usd.TimeCode(0.5)))


def test_faces_look_outwards_and_units_axes_names_and_texture_are_said(model, tmp_path):  # noqa: F811
    hand = model.shaped(torch.zeros(10))
    for is_right in (True, False):
        path = tmp_path / f"hand_{is_right}.usda"  # the library keeps open files in memory, by name
        write_usd(path, hand, is_right=is_right)
        file = UsdFile(path)
        verts = torch.tensor([list(p) for p in file.mesh.GetPointsAttr().Get()])
        normals = torch.tensor([list(n) for n in file.mesh.GetNormalsAttr().Get()])
        faces = torch.tensor(list(file.mesh.GetFaceVertexIndicesAttr().Get())).view(-1, 3)
        a, b, c = verts[faces].unbind(1)
        outwards = (torch.linalg.cross(b - a, c - a) * normals[faces[:, 0]]).sum(-1) > 0
        assert outwards.float().mean() > (0.99 if len(verts) > 1000 else 0.55)  # the faces of small ones are random
    assert UsdGeom.GetStageMetersPerUnit(file.stage) == 1
    assert UsdGeom.GetStageUpAxis(file.stage) == "Y"
    joints = UsdSkel.Skeleton(file.stage.GetPrimAtPath("/hand/skeleton"))
    assert [str(path).rsplit("/")[-1].replace("_", "-") for path in joints.GetJointsAttr().Get()] == list(WEBXR_JOINTS)
    assert list(joints.GetJointNamesAttr().Get()) == list(WEBXR_JOINTS)
    assert UsdShade.MaterialBindingAPI(file.mesh.GetPrim()).ComputeBoundMaterial()[0]
    primvar = UsdGeom.PrimvarsAPI(file.mesh).GetPrimvar("st")
    assert bool(primvar) == (model.uv is not None)
    if primvar:
        expected = model.uv[model.uv_faces.flip(-1)].flatten(0, 1) * torch.tensor([1.0, -1.0]) + torch.tensor([0, 1.0])
        assert torch.allclose(torch.tensor([list(uv) for uv in primvar.Get()]), expected, atol=1e-6)


def test_the_package_for_phones_is_valid(tmp_path):
    write_usd(tmp_path / "hand.usdz", toy_hand().shaped(torch.zeros(10)), random_pose(1)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["hand.usdz"]
    UsdValidation = pytest.importorskip("pxr.UsdValidation")
    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadValidatorsByName([one.name for one in registry.GetAllValidatorMetadata()])
    errors = UsdValidation.ValidationContext(validators).Validate(Usd.Stage.Open(str(tmp_path / "hand.usdz")))
    assert [error.GetErrorAsString() for error in errors] == []


def test_other_endings_batches_and_a_missing_library_are_refused(tmp_path):
    hand = toy_hand().shaped(torch.zeros(10))
    with pytest.raises(ValueError, match=r"ending in \.usda, \.usdc, \.usdz, got hand\.usd2"):
        write_usd(tmp_path / "hand.usd2", hand)
    with pytest.raises(ValueError, match="one HandPose"):
        write_usd(tmp_path / "hand.usda", hand, random_pose(2))
    program = f"""
import sys
sys.modules["pxr"] = None
import torch
from toy import toy_hand
from ownhand.hand.usd import write_usd
try:
    write_usd({str(tmp_path / "hand.usda")!r}, toy_hand().shaped(torch.zeros(10)))
except ValueError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], cwd="tests", capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "hand.usda: expected the library that writes USD: pip install 'ownhand[usd]'"
    assert not list(tmp_path.iterdir())
