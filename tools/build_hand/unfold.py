"""Takes the last folds out of the pose correctives.

A face is folded if it is turned by more than a right angle from wherever its bones, each alone, would turn it. The
regressed correctives leave a dozen folds over a thousand people in drawn poses, in the thumb's web and the creases of
the palm. Here people and poses are drawn, and the basis moves as little as it can until their faces are clear of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ownhand.hand.anatomy import joint_limits, rotations_from_angles
from ownhand.hand.kinematics import forward_kinematics
from ownhand.hand.model import HandModel
from ownhand.structs import given
from ownhand.synth.poses.mixture import sample_angles, sample_poses

FOLLOWS = 0.02  # a face follows the bones that have this weight at one of its corners
MARGIN = 0.13  # least agreement of a face with its bones that is asked for: 1 is as at rest, 0 is a fold
SHIFT = 0.03  # a vertex that moves by this [m] in every pose costs as much as one fold in every pose
ROUNDS, DRAWS, STEPS = 5, 4000, 40
SEED = 1000
SPREAD = 1.2  # of the people drawn: rare ones are to be among them
NOISE = 0.06  # of every angle, as a share of its joint's range, for the same reason
CHUNK = 50

log = logging.getLogger(__name__)


def unfolded(hand: HandModel, mean: np.ndarray, covariance: np.ndarray, joints_per_vertex: int) -> np.ndarray:
    """A pose basis [verts 3 135] near the hand's, by L-BFGS; only joints that moved a vertex move it afterwards.

    Args:
        hand: Whose basis folds.
        mean: Mean shapes [2 10] of women and men.
        covariance: Covariances [2 10 10] of their shapes.
        joints_per_vertex: How many joints move a vertex at most.
    """
    before = basis = hand.pose_basis.double()
    shape = _adults(mean, covariance, ROUNDS * DRAWS)
    axes = given(hand.axes, "anatomical axes")
    R = _wide_poses(axes, ROUNDS * DRAWS)
    entries, whitening = _whitening(before, pose_features(sample_poses(DRAWS, SEED, axes)), joints_per_vertex)
    change = torch.zeros(*before.shape[:2], entries.shape[1], dtype=torch.float64)  # of the whitened basis
    found = []
    for people, poses in zip(shape.split(DRAWS), R.split(DRAWS), strict=True):
        for s, r in zip(people.split(CHUNK), poses.split(CHUNK), strict=True):
            bent = bend(hand, s, r)
            near = bent.agreement(basis, hand.faces) < MARGIN
            p, f = torch.nonzero(near, as_tuple=True)
            v = hand.faces[f]
            features = (whitening[v] @ bent.features[p[:, None, None], entries[v]][..., None])[..., 0]
            found.append((v, features, bent.posed(before)[p[:, None], v], bent.blend[p[:, None], v], bent.wanted[p, f]))
        verts, *cases = (torch.cat(parts) for parts in zip(*found, strict=True))
        moved, verts = verts.unique(return_inverse=True)
        change[moved], folds = _cleared(change[moved], CHUNK * len(found), verts, *cases)
        log.info("unfolding: %d faces near a fold, %d of them folded still, %d verts", len(verts), folds, len(moved))
        basis = before.scatter_add(2, entries[:, None].expand(-1, 3, -1), change @ whitening)
    return basis.numpy()


@dataclass(frozen=True)
class Bent:
    """People in poses, in double precision.

    Attributes:
        features: Entries [people 135] of R - I.
        blend: Blended rotations [people verts 3 3].
        skinned: Vertices [people verts 3] without correctives [m].
        wanted: Rest normals [people faces 16 3] as each bone alone would turn them, so long that the rest face agrees
            to 1; 0 for bones that the face does not follow.
    """

    features: Tensor
    blend: Tensor
    skinned: Tensor
    wanted: Tensor

    def posed(self, basis: Tensor) -> Tensor:
        """Vertices [people verts 3] m."""
        offsets = (self.features @ basis.flatten(0, 1).mT).unflatten(-1, (-1, 3))
        return self.skinned + (self.blend @ offsets[..., None])[..., 0]

    def agreement(self, basis: Tensor, faces: Tensor) -> Tensor:
        """Agreement [people faces] of each face with its bones."""
        return agreement(self.posed(basis)[:, faces], self.wanted)


def bend(hand: HandModel, shape: Tensor, R_parent_joint: Tensor) -> Bent:
    """Skin people [people 10] in poses [people 15 3 3]."""
    shaped, R, weights = hand.shaped(shape), R_parent_joint.double(), hand.skin_weights.double()
    verts, joints = shaped.verts.double(), shaped.joints_16.double()
    root = torch.eye(3, dtype=torch.float64).expand(len(R), 1, 3, 3)
    T = forward_kinematics(torch.cat([root, R], 1), joints, hand.parents)
    rotation = T[..., :3, :3]
    shift = T[..., :3, 3] - (rotation @ joints[..., None])[..., 0]
    blend = torch.einsum("vj,pjab->pvab", weights, rotation)
    rest = normals(verts[:, hand.faces])
    follows = weights[hand.faces].amax(1) > FOLLOWS
    wanted = torch.einsum("pjab,pfb->pfja", rotation, rest / rest.square().sum(-1, keepdim=True))
    return Bent(
        features=pose_features(R),
        blend=blend,
        skinned=(blend @ verts[..., None])[..., 0] + weights @ shift,
        wanted=wanted * follows[..., None],
    )


def agreement(corners: Tensor, wanted: Tensor) -> Tensor:
    """How faces [*any 3 3] agree with the bone they agree with best: 1 as at rest, 0 or less is a fold."""
    each = (wanted @ normals(corners)[..., None])[..., 0]
    return each.masked_fill((wanted == 0).all(-1), -torch.inf).amax(-1)


def normals(corners: Tensor) -> Tensor:
    """Normals [*any 3] of triangles [*any 3 3], as long as twice their area."""
    return torch.linalg.cross(corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :])


def pose_features(R: Tensor) -> Tensor:
    """Entries [poses 135] of R - I, row by row."""
    return (R.double() - torch.eye(3)).flatten(1)


def _adults(mean: np.ndarray, covariance: np.ndarray, n: int) -> Tensor:
    """Shapes [n 10] of women and men, `SPREAD` times as different as the population's."""
    rng = np.random.default_rng(SEED)
    sex = rng.integers(2, size=n)
    root = np.linalg.cholesky(covariance.astype(np.float64))
    shape = mean[sex] + (root[sex] @ rng.standard_normal((n, mean.shape[1], 1)))[..., 0]
    return torch.from_numpy((SPREAD * shape).astype(np.float32))


def _wide_poses(axes: Tensor, n: int) -> Tensor:
    """Poses [n 15 3 3] around drawn ones, within the joints' limits."""
    low, high = joint_limits().double().numpy().transpose(2, 0, 1)
    angles = np.empty((n, *low.shape), np.float32)
    for i in range(n):
        rng = np.random.default_rng((SEED, i))
        angles[i] = np.clip(sample_angles(rng) + NOISE * (high - low) * rng.standard_normal(low.shape), low, high)
    return rotations_from_angles(torch.from_numpy(angles), axes)


def _whitening(basis: Tensor, features: Tensor, joints_per_vertex: int) -> tuple[Tensor, Tensor]:
    """Features [verts n] of the joints that move each vertex, and matrices [verts n n] that whiten them over poses."""
    strength = basis.unflatten(-1, (15, 9)).abs().sum((1, 3))
    strength, joints = (x[:, :joints_per_vertex] for x in strength.sort(dim=-1, descending=True, stable=True))
    entries = (9 * joints[..., None] + torch.arange(9)).flatten(1)
    moment = features.mT @ features / len(features) + 1e-4 * torch.eye(135)
    root = torch.linalg.cholesky(moment[entries[:, :, None], entries[:, None]])
    moves = (strength > 0).repeat_interleave(9, 1)
    return entries, torch.linalg.inv(root) * moves[:, None]


def _cleared(
    change: Tensor, people: int, verts: Tensor, features: Tensor, posed: Tensor, blend: Tensor, wanted: Tensor
) -> tuple[Tensor, int]:
    """The change [verts 3 n] that clears the cases [cases ...] of folds at least cost, and how many stay folded."""
    x = change.clone().requires_grad_()

    def clear() -> Tensor:
        offsets = x[verts] @ features[..., None]
        return agreement(posed + (blend @ offsets)[..., 0], wanted)

    def cost() -> Tensor:
        search.zero_grad()
        missed = torch.relu(1 - clear() / MARGIN)
        loss = missed.square().sum() / people + (x / SHIFT).square().sum()
        loss.backward()
        return loss

    search = torch.optim.LBFGS([x], max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0)
    search.step(cost)
    return x.detach(), int((clear() <= 0).sum())
