"""Rigged hands, still or moving, as USD (UsdSkel): .usda (text), .usdc (binary) and .usdz (one file for phones)."""
# What compiled modules hold cannot be seen from outside:
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.model import HandPose, ShapedHand
from ownhand.hand.rig import SKIN, Rig, relative
from ownhand.hand.skeleton import WEBXR_JOINTS

SUFFIXES = (".usda", ".usdc", ".usdz")


def write_usd(
    path: Path | str,
    hand: ShapedHand,
    pose: HandPose | None = None,
    *,
    times: Float[Tensor, "frames"] | None = None,
    is_right: bool = True,
) -> None:
    """Write a rigged hand, still or moving: a skinned mesh over the 25 WebXR joints, metres, y up.

    What `export.write_glb` writes, with the frames, joints and losses named there. Joints are called as in WebXR with
    underscores, since names in USD have no hyphens; a moving hand has as many time codes per second as most of its
    frames. Written beside, then renamed.

    Args:
        path: Ends in one of SUFFIXES.
        hand: One hand, without batch axes.
        pose: Of the joints; with `times`, one per frame.
        times: When each frame is shown [s].
        is_right: False writes the mirror image (of the pose, too).

    Raises:
        ValueError: Another suffix, or as `write_glb`; the library that writes USD is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"expected a file ending in {', '.join(SUFFIXES)}, got {path.name}")
    try:
        from pxr import UsdUtils
    except ImportError:
        raise ValueError(f"{path.name}: expected the library that writes USD: pip install 'ownhand[usd]'") from None

    rig = Rig.of(hand, pose, times=times, is_right=is_right)
    with TemporaryDirectory(prefix=f".{path.name}.{os.getpid()}.", dir=path.parent) as folder:
        packed = path.suffix.lower() == ".usdz"
        made = Path(folder) / f"hand{'.usdc' if packed else path.suffix.lower()}"
        _stage(str(made), rig, moving=pose is not None, times=times)
        if packed:
            UsdUtils.CreateNewUsdzPackage(str(made), f"{folder}/hand.usdz")
            made = made.with_suffix(".usdz")
        made.replace(path)


def _stage(path: str, rig: Rig, *, moving: bool, times: Float[Tensor, "frames"] | None) -> None:
    from pxr import Sdf, Usd, UsdGeom, UsdSkel, Vt

    stage: Any = Usd.Stage.CreateNew(path)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdSkel.Root.Define(stage, "/hand")
    stage.SetDefaultPrim(root.GetPrim())
    root.GetPrim().SetCustomData(rig.about)

    joints, T_rest_parent = _joint_paths(rig), relative(rig.T_rest_joint, rig.parents)
    skeleton = UsdSkel.Skeleton.Define(stage, "/hand/skeleton")
    skeleton.CreateJointsAttr(joints)
    skeleton.CreateJointNamesAttr(list(WEBXR_JOINTS))
    skeleton.CreateBindTransformsAttr(_matrices(rig.T_rest_joint))
    skeleton.CreateRestTransformsAttr(_matrices(T_rest_parent))

    mesh, indices = UsdGeom.Mesh.Define(stage, "/hand/skin"), rig.faces.flatten().int().numpy()
    mesh.CreatePointsAttr(_vectors(rig.verts))
    mesh.CreateNormalsAttr(_vectors(rig.normals))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray([3] * len(rig.faces)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(indices))
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateDoubleSidedAttr(True)  # the wrist is open
    mesh.CreateExtentAttr(UsdGeom.PointBased.ComputeExtent(mesh.GetPointsAttr().Get()))
    if rig.model.uv is not None and rig.model.uv_faces is not None:
        corners = rig.model.uv[rig.model.uv_faces if rig.is_right else rig.model.uv_faces.flip(-1)].flatten(0, 1)
        upwards = torch.stack([corners[:, 0], 1 - corners[:, 1]], -1).detach().cpu().float().numpy()
        primvar = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
            "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
        )
        primvar.Set(Vt.Vec2fArray.FromNumpy(upwards))

    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    which, shares = rig.influences()
    count = which.shape[-1]
    binding.CreateJointIndicesPrimvar(False, count).Set(Vt.IntArray.FromNumpy(which.flatten().int().numpy()))
    binding.CreateJointWeightsPrimvar(False, count).Set(Vt.FloatArray.FromNumpy(shares.flatten().float().numpy()))
    _material(stage, mesh)
    if moving:
        _animation(stage, skeleton, joints, rig, times)
    stage.GetRootLayer().Save()


def _animation(stage: Any, skeleton: Any, joints: list[str], rig: Rig, times: Float[Tensor, "frames"] | None) -> None:
    from pxr import Gf, Usd, UsdSkel, Vt

    animation = UsdSkel.Animation.Define(stage, "/hand/skeleton/motion")
    animation.CreateJointsAttr(joints)
    ones = Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)] * len(joints))
    animation.CreateScalesAttr(ones)
    codes = [Usd.TimeCode.Default()]
    if times is not None:
        rate = 1 / float(times.diff().median()) if len(times) > 1 else 24.0
        codes = [Usd.TimeCode(rate * time) for time in times.tolist()]
        stage.SetTimeCodesPerSecond(rate)
        stage.SetFramesPerSecond(rate)
        stage.SetStartTimeCode(codes[0].GetValue())
        stage.SetEndTimeCode(codes[-1].GetValue())
    shifts, turns = animation.CreateTranslationsAttr(), animation.CreateRotationsAttr()
    for code, T, turn in zip(codes, rig.T_parent_joint, rig.turns(), strict=True):
        shifts.Set(_vectors(T[:, :3, 3]), code)
        turns.Set(Vt.QuatfArray([Gf.Quatf(w, x, y, z) for x, y, z, w in turn.tolist()]), code)
    binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
    binding.CreateAnimationSourceRel().SetTargets([animation.GetPath()])


def _material(stage: Any, mesh: Any) -> None:
    from pxr import Gf, Sdf, UsdShade

    material = UsdShade.Material.Define(stage, "/hand/material")
    surface = UsdShade.Shader.Define(stage, "/hand/material/surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*SKIN))
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.7)
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _joint_paths(rig: Rig) -> list[str]:
    paths: list[str] = []
    for name, parent in zip(WEBXR_JOINTS, rig.parents, strict=True):
        own = name.replace("-", "_")
        paths.append(own if parent < 0 else f"{paths[parent]}/{own}")
    return paths


def _matrices(T: Float[Tensor, "n 4 4"]) -> Any:
    """USD's matrices act on rows."""
    from pxr import Vt

    return Vt.Matrix4dArray.FromNumpy(np.ascontiguousarray(T.mT.double().numpy()))


def _vectors(points: Float[Tensor, "n 3"]) -> Any:
    from pxr import Vt

    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(points.float().numpy()))
