"""Lengths, breadths and girths of a rest hand in millimetres, taken as a survey takes them.

A measuring tape is laid once around the template and then sticks to the skin: each of its points is a fixed mix of two
vertices, so that every measurement is a smooth function of shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import ConvexHull
from torch import Tensor

from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import FINGERS, INDEX_MCP, LITTLE_MCP, MIDDLE_TIP

SURVEY = ("hand_length", "palm_length", "hand_breadth", "hand_circumference", "wrist_circumference")
MIDDLE_CREASE = 0.397
"""Where the crease at the finger's base lies on the middle finger's proximal phalanx, as a share of the bone: hand
length less palm length and bones put it 17.7 mm from the joint."""
_MM = 1000.0
_MIDDLE = slice(7, 10)
_THUMB = slice(1, 4)


@dataclass(frozen=True, kw_only=True)
class Tape:
    """Points on mesh edges, in order around a section's convex hull.

    Attributes:
        ends: The two vertices of each point's edge.
        share: Share of the second vertex.
    """

    ends: Int[Tensor, "points 2"]
    share: Float[Tensor, "points"]

    def points(self, verts: Float[Tensor, "*batch verts 3"]) -> Float[Tensor, "*batch points 3"]:
        """Where the tape's points are on a hand."""
        a, b = verts[..., self.ends[:, 0], :], verts[..., self.ends[:, 1], :]
        return a + self.share[:, None] * (b - a)

    def length(self, verts: Float[Tensor, "*batch verts 3"]) -> Float[Tensor, "*batch"]:
        """Length of the closed tape."""
        p = self.points(verts)
        return (p - p.roll(1, -2)).norm(dim=-1).sum(-1)


def lay_tape(
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    point: Float[Tensor, "3"],
    normal: Float[Tensor, "3"],
) -> Tape:
    """A tape around the section of a mesh by a plane, spanning hollows as a real one does (convex hull).

    Raises:
        ValueError: The plane misses the mesh.
    """
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(-1).values.unique(dim=0)
    height = (verts - point) @ normal
    edges = edges[height[edges].prod(-1) < 0]
    if len(edges) < 3:
        raise ValueError(f"a measuring plane must cut the mesh, but it crosses {len(edges)} edges")
    share = height[edges[:, 0]] / (height[edges[:, 0]] - height[edges[:, 1]])
    crossing = Tape(ends=edges, share=share).points(verts)
    across = torch.linalg.svd(crossing - crossing.mean(0)).Vh[:2]
    order = ConvexHull(np.asarray((crossing @ across.mT).double())).vertices.copy()
    return Tape(ends=edges[order], share=share[order])


def size_direction(model: HandModel) -> Float[Tensor, "shapes"]:
    """What makes the mean hand twice as large: a share of these coefficients scales it about its wrist.

    Least squares over the rest vertices; exact for models whose first coefficient is size.
    """
    basis = model.shape_basis - torch.einsum("v,vcs->cs", model.joint_regressor[0], model.shape_basis)
    template = model.template - model.joint_regressor[0] @ model.template
    direction = torch.linalg.lstsq(basis.flatten(0, 1).double(), template.flatten().double()[:, None])[0][:, 0]
    return direction.to(model.template)


def length_mm(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch"]:
    """Wrist to middle fingertip."""
    joints = model.shaped(shape).joints
    return (joints[..., MIDDLE_TIP, :] - joints[..., 0, :]).norm(dim=-1) * _MM


def width_mm(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch"]:
    """Index MCP joint to little MCP joint."""
    joints = model.shaped(shape).joints
    return (joints[..., INDEX_MCP, :] - joints[..., LITTLE_MCP, :]).norm(dim=-1) * _MM


def finger_lengths_mm(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch 5"]:
    """Sum of each finger's three bones, the last to the fingertip; thumb (with its metacarpal) to little."""
    joints = model.shaped(shape).joints[..., 1:, :].unflatten(-2, (len(FINGERS), 4))
    return joints.diff(dim=-2).norm(dim=-1).sum(-1) * _MM


def survey_measurements(model: HandModel, shape: Float[Tensor, "*batch shapes"]) -> Float[Tensor, "*batch 5"]:
    """The five hand measurements of ANSUR II (Gordon et al. 2014), named in `SURVEY`.

    The wrist joint stands for the wrist crease (stylion). Lengths run along the axis from the wrist to the middle
    fingertip: to the fingertip, and to the crease at that finger's base. Breadth and circumference are taken across the
    metacarpal heads 2 to 5 without the thumb, wrist circumference across the axis at the wrist joint.
    """
    rest = model.joint_regressor @ model.template
    landmarks = SurveyLandmarks.on(model.template, rest, model.faces, model.skin_weights)
    hand = model.shaped(shape)
    return landmarks.measure(hand.verts, hand.joints)


@dataclass(frozen=True, kw_only=True)
class SurveyLandmarks:
    """Where a survey measures.

    Attributes:
        hand: Tape across the metacarpal heads 2 to 5.
        wrist: Tape around the wrist.
        crease: One point: the crease at the base of the middle finger.
    """

    hand: Tape
    wrist: Tape
    crease: Tape

    @classmethod
    def on(
        cls,
        verts: Float[Tensor, "verts 3"],
        joints_16: Float[Tensor, "16 3"],
        faces: Int[Tensor, "faces 3"],
        skin_weights: Float[Tensor, "verts 16"],
    ) -> SurveyLandmarks:
        """Find the landmarks on a template at rest."""
        wrist, index, middle, little = joints_16[0], joints_16[4], joints_16[_MIDDLE.start], joints_16[13]
        distal, across = _unit(middle - wrist), _unit(index - little)
        dorsal = _unit(torch.linalg.cross(distal, across))
        thumb = skin_weights[:, _THUMB].sum(-1) > 0.3
        palm_faces = faces[~thumb[faces].any(-1)]
        finger_faces = faces[(skin_weights[:, _MIDDLE].sum(-1) > 0.3)[faces].all(-1)]
        bone = joints_16[_MIDDLE.start + 1] - middle
        base = middle + MIDDLE_CREASE * bone
        ring = lay_tape(verts, finger_faces, base, _unit(bone))
        offset = ring.points(verts) - base
        sideways = (offset @ torch.linalg.cross(dorsal, _unit(bone))).abs()
        palmar = torch.where(sideways < 0.003, offset @ dorsal, torch.inf).argmin()
        return cls(
            hand=lay_tape(verts, palm_faces, index, _unit(torch.linalg.cross(across, dorsal))),
            wrist=lay_tape(verts, palm_faces, wrist, distal),
            crease=Tape(ends=ring.ends[palmar, None], share=ring.share[palmar, None]),
        )

    def measure(
        self, verts: Float[Tensor, "*batch verts 3"], joints: Float[Tensor, "*batch 21 3"]
    ) -> Float[Tensor, "*batch 5"]:
        """The measurements named in `SURVEY` [mm] of rest hands [m]."""
        wrist, tip = joints[..., 0, :], joints[..., MIDDLE_TIP, :]
        axis = _unit(tip - wrist)
        crease = self.crease.points(verts)[..., 0, :]
        across = _unit(joints[..., INDEX_MCP, :] - joints[..., LITTLE_MCP, :])
        span = (self.hand.points(verts) * across[..., None, :]).sum(-1)
        values = [
            (tip - wrist).norm(dim=-1),
            ((crease - wrist) * axis).sum(-1),
            span.amax(-1) - span.amin(-1),
            self.hand.length(verts),
            self.wrist.length(verts),
        ]
        return torch.stack(values, -1) * _MM


def _unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True)
