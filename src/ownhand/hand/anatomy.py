"""How hands bend: the axes of each joint in the rest hand, and how far each joint goes.

A joint rotation is `R_abduction R_flexion R_twist`, each about its axis in the rest frame:

- twist: about the bone, which points to the fingertip, by the right-hand rule; negative at the thumb's base pronates it
  (turns its pad towards the fingers);
- abduction: of a finger, positive moves it towards the thumb's side; of the thumb, positive lifts it in front of the
  palm (palmar abduction);
- flexion: positive curls towards the palm; the thumb's base sweeps across the palm, parallel to it, and negative
  spreads it (radial abduction).

Each set is orthonormal with abduction = twist x flexion.
"""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.hand.skeleton import FINGERS

TWIST, ABDUCTION, FLEXION = range(3)
THUMB_DORSAL = (-0.22, 0.95, 0.21)  # where the rest thumb's nail looks, in the palm's frame (distal, radial, dorsal)

_LIMITS_DEGREES = {  # (lowest, highest) of twist, abduction, flexion
    "thumb_cmc": ((-25, 10), (-25, 45), (-30, 58)),
    "thumb_mcp": ((-5, 5), (-10, 12), (-15, 60)),
    "thumb_ip": ((-3, 3), (-3, 3), (-25, 80)),
    "mcp": ((-6, 6), (-20, 20), (-30, 95)),
    "pip": ((-3, 3), (-3, 3), (-8, 112)),
    "dip": ((-3, 3), (-3, 3), (-12, 82)),
}


def joint_limits() -> Float[Tensor, "15 3 2"]:
    """Lowest and highest angle [rad] of each joint about each axis (twist, abduction, flexion)."""
    thumb = [_LIMITS_DEGREES[f"thumb_{part}"] for part in ("cmc", "mcp", "ip")]
    finger = [_LIMITS_DEGREES[part] for part in ("mcp", "pip", "dip")]
    return torch.deg2rad(torch.tensor(thumb + finger * (len(FINGERS) - 1), dtype=torch.float32))


def anatomical_axes(joints_16: Float[Tensor, "16 3"], tips: Float[Tensor, "5 3"]) -> Float[Tensor, "15 3 3"]:
    """Axes of a right hand's joints from its rest joints; columns are twist, abduction, flexion (unit vectors).

    Args:
        joints_16: Rest joints in internal order.
        tips: Rest fingertips, thumb to little.
    """
    distal = _unit(joints_16[7] - joints_16[0])
    dorsal = _unit(torch.linalg.cross(distal, joints_16[4] - joints_16[13]))
    radial = torch.linalg.cross(dorsal, distal)
    R_model_palm = torch.stack([distal, radial, dorsal], -1)
    thumb_dorsal = R_model_palm @ joints_16.new_tensor(THUMB_DORSAL)
    axes = []
    for finger in range(5):
        base = 1 + 3 * finger
        chain = torch.cat([joints_16[base : base + 3], tips[finger : finger + 1]])
        bones = _unit(chain.diff(dim=0))
        if finger == 0:
            flexion = torch.stack([-dorsal, *torch.linalg.cross(thumb_dorsal.expand(2, 3), bones[1:])])
        else:
            flexion = torch.linalg.cross(dorsal, _unit(chain[3] - chain[0])).expand(3, 3)
        flexion = _unit(flexion - (flexion * bones).sum(-1, keepdim=True) * bones)
        axes.append(torch.stack([bones, torch.linalg.cross(bones, flexion), flexion], -1))
    return torch.cat(axes)


def rotations_from_angles(
    angles: Float[Tensor, "*batch 15 3"], axes: Float[Tensor, "15 3 3"]
) -> Float[Tensor, "*batch 15 3 3"]:
    """Joint rotations from angles [rad] about the joints' axes (twist, abduction, flexion)."""
    R = roma.rotvec_to_rotmat(angles[..., None] * axes.mT)
    return R[..., ABDUCTION, :, :] @ R[..., FLEXION, :, :] @ R[..., TWIST, :, :]


def _unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True)
