"""A hand as programs for animation want it: skin over the 25 WebXR joints, y up. GLB and USD files are made of it."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.model import HandModel, HandPose, ShapedHand
from ownhand.hand.skeleton import ROTATING_21, WEBXR_FROM_21, WEBXR_JOINTS
from ownhand.hand.webxr import WEBXR_PARENTS, webxr_joints

LOST = "Pose correctives of the skin are not in this file (skins have none): bent joints are a little thinner."

SKIN = (0.72, 0.48, 0.38)
"""Linear RGB of a hand without a texture."""


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A hand at rest, and its joints at rest and posed.

    Everything is turned half round x, so that y points up and z towards the viewer: (x, y, z) becomes (x, -y, -z). A
    pose puts the hand before that frame's camera as it was before ours.

    Attributes:
        model: The hand model, of the right hand.
        is_right: Whether all this is of the right hand, or of its mirror image.
        verts: Vertices at rest [m].
        normals: Unit normals of the vertices.
        faces: Triangles, counter-clockwise seen from outside.
        parents: The parent of each joint, -1 without.
        T_rest_joint: The joints at rest, with WebXR's orientations (see `webxr.py`).
        T_parent_joint: The joints of each frame relative to their parents; one frame of a still hand.
    """

    model: HandModel
    is_right: bool
    verts: Float[Tensor, "verts 3"]
    normals: Float[Tensor, "verts 3"]
    faces: Int[Tensor, "faces 3"]
    parents: tuple[int, ...]
    T_rest_joint: Float[Tensor, "25 4 4"]
    T_parent_joint: Float[Tensor, "frames 25 4 4"]

    @classmethod
    def of(
        cls,
        hand: ShapedHand,
        pose: HandPose | None = None,
        *,
        times: Float[Tensor, "frames"] | None = None,
        is_right: bool = True,
        flat: bool = False,
    ) -> Rig:
        """Arguments as of `export.write_glb`. Raises ValueError as that does."""
        _check_frames(pose, times)
        hand = hand.detach().to("cpu").to(torch.float64)
        mirror = torch.diag(hand.verts.new_tensor([1.0 if is_right else -1.0, 1.0, 1.0, 1.0]))
        turned = torch.diag(hand.verts.new_tensor([1.0, -1.0, -1.0, 1.0])) @ mirror
        T_rest_joint = turned @ webxr_joints(hand) @ mirror
        parents = (-1,) * len(WEBXR_JOINTS) if flat else WEBXR_PARENTS
        verts = hand.verts @ turned[:3, :3]
        faces = hand.model.faces if is_right else hand.model.faces.flip(-1)
        posed = T_rest_joint
        if pose is not None:
            posed = turned @ webxr_joints(hand, pose.detach().to("cpu").to(torch.float64)) @ mirror
        return cls(
            model=hand.model,
            is_right=is_right,
            verts=verts,
            normals=_normals(verts, faces),
            faces=faces,
            parents=parents,
            T_rest_joint=T_rest_joint,
            T_parent_joint=relative(posed if times is not None else posed[None], parents),
        )

    @property
    def about(self) -> dict[str, str]:
        """What a file should say of itself."""
        return {"hand": self.model.id, "side": "right" if self.is_right else "left", "lost": LOST}

    def influences(self) -> tuple[Int[Tensor, "verts n"], Float[Tensor, "verts n"]]:
        """The joints of each vertex and their shares, largest first: four or, if any vertex needs them, eight."""
        shares, joints = self.model.skin_weights.detach().cpu().topk(2 * 4)
        if not shares[:, 4:].any():
            shares, joints = shares[:, :4], joints[:, :4]
        own_21 = [WEBXR_FROM_21.get(name) for name in WEBXR_JOINTS]
        webxr_of_16 = torch.tensor([own_21.index(joint) for joint in ROTATING_21])
        unused_are_zero = torch.where(shares > 0, webxr_of_16[joints], 0)
        return unused_are_zero, shares / shares.sum(-1, keepdim=True)

    def turns(self) -> Float[Tensor, "frames 25 4"]:
        """Rotations of the joints relative to their parents, as quaternions (x, y, z, w) that do not jump."""
        turns = roma.rotmat_to_unitquat(self.T_parent_joint[..., :3, :3])
        flips = torch.where((turns[1:] * turns[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0).cumprod(0)
        return torch.cat([turns[:1], turns[1:] * flips])


def relative(T_rest_joint: Float[Tensor, "*batch 25 4 4"], parents: tuple[int, ...]) -> Float[Tensor, "*batch 25 4 4"]:
    """Each joint relative to its parent."""
    T_rest_parent = T_rest_joint[..., [max(parent, 0) for parent in parents], :, :]
    top = torch.tensor([parent < 0 for parent in parents])[:, None, None]
    return torch.where(top, T_rest_joint, torch.linalg.inv(T_rest_parent) @ T_rest_joint)


def _normals(verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]) -> Float[Tensor, "verts 3"]:
    """Smooth unit normals, also for vertices without a face."""
    normals = vertex_normals(verts, faces)
    return torch.where(normals.any(-1, keepdim=True), normals, normals.new_tensor([0.0, 0.0, 1.0]))


def _check_frames(pose: HandPose | None, times: Float[Tensor, "frames"] | None) -> None:
    frames = () if pose is None else tuple(pose.batch_shape)
    if times is None and frames:
        raise ValueError(f"expected one HandPose, or the times of its frames, got a batch of shape {frames}")
    if times is not None:
        if len(times) == 0 or frames != tuple(times.shape):
            raise ValueError(f"expected one pose for each of {len(times)} times, got a batch of shape {frames}")
        if not times.isfinite().all() or times[0] < 0 or (times.diff() <= 0).any():
            raise ValueError("expected times of frames that grow from 0 or later, got others")
