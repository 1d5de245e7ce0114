"""Hands for other programs: plain meshes (OBJ, PLY) and rigged hands, still or moving (GLB).

Files are written beside, then renamed.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.hand.model import HandModel, HandPose, ShapedHand
from ownhand.hand.rig import SKIN, Rig
from ownhand.hand.skeleton import WEBXR_JOINTS

if TYPE_CHECKING:
    from pygltflib import GLTF2, Animation, Material, Node

_ROOT, _MESH = 0, 1
_JOINT_NODES = range(2, 2 + len(WEBXR_JOINTS))
_VERTICES, _INDICES = 34962, 34963  # buffer targets
_COMPONENTS = {torch.float32: 5126, torch.uint8: 5121, torch.int32: 5125}  # indices are never negative
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def write_mesh(
    path: Path | str,
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    *,
    uv: Float[Tensor, "uvs 2"] | None = None,
    uv_faces: Int[Tensor, "faces 3"] | None = None,
) -> None:
    """Write a mesh with its vertices and faces in the given order and frame.

    Args:
        path: Ends in .obj or .ply (binary).
        verts: Vertices [m].
        faces: Triangles, counter-clockwise seen from outside.
        uv: Texture coordinates, v downwards (turned upwards in the file, as OBJ has it); a PLY file goes without.
        uv_faces: Texture coordinates of each face's corners.

    Raises:
        ValueError: Another suffix, or one of `uv` and `uv_faces` without the other.
    """
    path = Path(path)
    if (uv is None) != (uv_faces is None):
        raise ValueError("expected uv and uv_faces together, got one of them")
    if path.suffix.lower() == ".obj":
        _write(path, _obj(verts, faces, uv, uv_faces))
    elif path.suffix.lower() == ".ply":
        from trimesh import Trimesh
        from trimesh.exchange.ply import export_ply

        _write(path, export_ply(Trimesh(verts.detach().cpu().numpy(), faces.cpu().numpy(), process=False)))
    else:
        raise ValueError(f"expected a mesh file ending in .obj or .ply, got {path.name}")


def write_glb(
    path: Path | str,
    hand: ShapedHand,
    pose: HandPose | None = None,
    *,
    times: Float[Tensor, "frames"] | None = None,
    texture: Float[Tensor, "3 height width"] | None = None,
    colours: Float[Tensor, "verts 3"] | None = None,
    is_right: bool = True,
    flat: bool = False,
    turn_s: float | None = None,
) -> None:
    """Write a rigged hand, still or moving: one skin over the 25 WebXR joints, metres.

    Frames: glTF has y up and z backwards, so everything is turned half round x: (x, y, z) becomes (x, -y, -z). A pose
    puts the hand before glTF's standard camera as it was before ours; without one the hand rests in its model frame.
    Joints have WebXR's names and orientations (see `webxr.py`); finger metacarpals and fingertips carry no skin.

    Lost: pose correctives, because glTF skins have none (the file says so in `asset.extras`); in a vertex that more
    than eight joints share, the smallest shares. The four largest are the first set, all that many viewers use.

    Args:
        path: The .glb file.
        hand: One hand, without batch axes.
        pose: Written as rotations of the joints; the skin itself stays at rest. With `times`, one pose per frame:
            an animation of the joints' rotations and the wrist's position, which starts as its first frame.
        times: When each frame is shown [s].
        texture: RGB in [0, 1], by the model's uv. Without: a plain skin colour.
        colours: Linear RGB in [0, 1] of each vertex, which multiplies the texture, or stands for it without one.
        is_right: False writes the mirror image (of the pose, too).
        flat: All joints are children of the root instead of a chain, for programs that set each joint's pose in
            space, as WebXR gives it (XRHandMeshModel of three.js).
        turn_s: Adds an animation in which the hand turns once round the vertical axis in so long [s].

    Raises:
        ValueError: The hand or the pose has other batch axes; times that do not grow; a texture but no uv.
    """
    from pygltflib import GLTF2, Asset, Attributes, Mesh, Primitive, Scene, Skin

    if texture is not None and hand.model.uv is None:
        raise ValueError(f"hand model {hand.model.id} has no texture coordinates for this texture")
    rig = Rig.of(hand, pose, times=times, is_right=is_right, flat=flat)
    verts_of, uv_of, faces = _split_at_seams(rig.model)
    faces = faces if is_right else faces.flip(-1)

    gltf = GLTF2(asset=Asset(generator="ownhand", extras=rig.about))
    blob = _Blob(gltf)
    attributes = {
        "POSITION": blob.add(rig.verts[verts_of], bounds=True),
        "NORMAL": blob.add(rig.normals[verts_of]),
    }
    if rig.model.uv is not None:
        attributes["TEXCOORD_0"] = blob.add(rig.model.uv[uv_of])
    if colours is not None:
        attributes["COLOR_0"] = blob.add(colours.detach().cpu()[verts_of])
    joints, weights = rig.influences()
    joints = joints.to(torch.uint8)
    for i in range(joints.shape[-1] // 4):
        attributes[f"JOINTS_{i}"] = blob.add(joints[verts_of, 4 * i : 4 * i + 4])
        attributes[f"WEIGHTS_{i}"] = blob.add(weights[verts_of, 4 * i : 4 * i + 4])
    indices = blob.add(faces.reshape(-1, 1).to(torch.int32), target=_INDICES)
    inverse_bind = torch.linalg.inv(rig.T_rest_joint).mT.flatten(1)  # column by column
    gltf.skins = [
        Skin(joints=list(_JOINT_NODES), skeleton=_ROOT, inverseBindMatrices=blob.add(inverse_bind, target=None))
    ]
    gltf.materials = [_material(blob, texture, coloured=colours is not None)]
    gltf.meshes = [
        Mesh(name="hand", primitives=[Primitive(attributes=Attributes(**attributes), indices=indices, material=0)])
    ]
    gltf.nodes = _nodes(rig)
    if times is not None:
        gltf.animations = [_animation(blob, rig, times.detach().cpu())]
    gltf.scenes, gltf.scene = [Scene(nodes=[_ROOT])], 0
    if turn_s is not None:
        gltf.animations = [_turning(blob, turn_s)]
    blob.close()
    _write(Path(path), b"".join(gltf.save_to_bytes()))


class _Blob:
    """The binary part of a GLB file: arrays one after another, each with its accessor."""

    def __init__(self, gltf: GLTF2) -> None:
        self.gltf = gltf
        self.data = bytearray()

    def view(self, data: bytes, target: int | None = None) -> int:
        """Append bytes, aligned to four."""
        from pygltflib import BufferView

        self.gltf.bufferViews.append(
            BufferView(buffer=0, byteOffset=len(self.data), byteLength=len(data), target=target)
        )
        self.data += data + bytes(-len(data) % 4)
        return len(self.gltf.bufferViews) - 1

    def add(self, rows: Tensor, *, target: int | None = _VERTICES, bounds: bool = False) -> int:
        """Append an array; floats become float32. Returns its accessor."""
        from pygltflib import Accessor

        rows = rows.float() if rows.is_floating_point() else rows
        self.gltf.accessors.append(
            Accessor(
                bufferView=self.view(rows.contiguous().numpy().tobytes(), target),
                componentType=_COMPONENTS[rows.dtype],
                count=len(rows),
                type=_TYPES[rows.shape[-1]],
                min=rows.amin(0).tolist() if bounds else [],
                max=rows.amax(0).tolist() if bounds else [],
            )
        )
        return len(self.gltf.accessors) - 1

    def close(self) -> None:
        from pygltflib import Buffer

        self.gltf.buffers = [Buffer(byteLength=len(self.data))]
        self.gltf.set_binary_blob(bytes(self.data))


def _split_at_seams(model: HandModel) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"] | None, Int[Tensor, "faces 3"]]:
    """Vertices as glTF wants them, with one texture coordinate each: which vertex, which uv, and the faces.

    Without uv, vertices stay as they are.
    """
    if model.uv_faces is None:
        return torch.arange(len(model.template)), None, model.faces
    corners = torch.stack([model.faces, model.uv_faces], -1).flatten(0, 1)
    pairs, faces = torch.unique(corners, dim=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], faces.reshape(-1, 3)


def _animation(blob: _Blob, rig: Rig, times: Float[Tensor, "frames"]) -> Animation:
    """Of every joint what changes, and always the wrist's place; between frames, the shorter way round."""
    from pygltflib import Animation, AnimationChannel, AnimationChannelTarget, AnimationSampler

    moving = Animation(name="motion")
    time = blob.add(times[:, None], target=None, bounds=True)
    for path, values in (("rotation", rig.turns()), ("translation", rig.T_parent_joint[..., :3, 3])):
        changes = (values - values[:1]).abs().amax((0, -1)) > 1e-7
        changes[0] = True
        for joint in changes.nonzero().flatten().tolist():
            output = blob.add(values[:, joint], target=None)
            moving.samplers.append(AnimationSampler(input=time, output=output, interpolation="LINEAR"))
            target = AnimationChannelTarget(node=_JOINT_NODES[joint], path=path)
            moving.channels.append(AnimationChannel(sampler=len(moving.samplers) - 1, target=target))
    return moving


def _nodes(rig: Rig) -> list[Node]:
    """The root with the skinned mesh and the joints below it, each relative to its parent."""
    from pygltflib import Node

    def children(of: int) -> list[int]:
        return [node for node, parent in zip(_JOINT_NODES, rig.parents, strict=True) if parent == of]

    nodes = [Node(name="hand", children=[_MESH, *children(-1)]), Node(name="skin", mesh=0, skin=0)]
    shifts, turns = rig.T_parent_joint[0, :, :3, 3].tolist(), rig.turns()[0].tolist()
    for joint, (name, shift, turn) in enumerate(zip(WEBXR_JOINTS, shifts, turns, strict=True)):
        nodes.append(Node(name=name, translation=shift, rotation=turn, children=children(joint)))
    return nodes


def _turning(blob: _Blob, seconds: float) -> Animation:
    """Once round glTF's y axis, evenly: quaternions (x, y, z, w) of the root at every quarter."""
    from pygltflib import Animation, AnimationChannel, AnimationChannelTarget, AnimationSampler

    half = torch.linspace(0, torch.pi, 5)
    zero = torch.zeros_like(half)
    turns = torch.stack([zero, half.sin(), zero, half.cos()], -1)
    times = blob.add(torch.linspace(0, seconds, 5)[:, None], target=None, bounds=True)
    target = AnimationChannelTarget(node=_ROOT, path="rotation")
    return Animation(
        name="turn",
        samplers=[AnimationSampler(input=times, output=blob.add(turns, target=None), interpolation="LINEAR")],
        channels=[AnimationChannel(sampler=0, target=target)],
    )


def _material(blob: _Blob, texture: Float[Tensor, "3 height width"] | None, *, coloured: bool) -> Material:
    """Rough and matt; seen from both sides because the wrist is open."""
    from pygltflib import Image, Material, PbrMetallicRoughness, Texture, TextureInfo

    surface = PbrMetallicRoughness(metallicFactor=0.0, roughnessFactor=0.7)
    if texture is None:
        surface.baseColorFactor = [1.0] * 4 if coloured else [*SKIN, 1.0]
    else:
        blob.gltf.images = [Image(bufferView=blob.view(_png(texture)), mimeType="image/png")]
        blob.gltf.textures = [Texture(source=0)]
        surface.baseColorTexture = TextureInfo(index=0)
    return Material(name="skin", pbrMetallicRoughness=surface, doubleSided=True)


def _png(picture: Float[Tensor, "3 height width"]) -> bytes:
    from PIL import Image

    pixels = (picture.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _obj(
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    uv: Float[Tensor, "uvs 2"] | None,
    uv_faces: Int[Tensor, "faces 3"] | None,
) -> bytes:
    lines = ["v {:.9g} {:.9g} {:.9g}".format(*point) for point in verts.tolist()]
    if uv is None or uv_faces is None:
        lines += ["f {} {} {}".format(*face) for face in (faces + 1).tolist()]
    else:
        lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in uv.tolist()]
        corners = torch.stack([faces, uv_faces], -1).flatten(1) + 1
        lines += ["f {}/{} {}/{} {}/{}".format(*face) for face in corners.tolist()]
    return ("\n".join(lines) + "\n").encode()


def _write(path: Path, data: bytes) -> None:
    """All or nothing: beside the file, then renamed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
