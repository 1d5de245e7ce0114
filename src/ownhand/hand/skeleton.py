"""Joint names and joint orders: one table, and the maps that follow from it.

Inside ownhand there is one order: wrist, thumb, index, middle, ring, little, base to tip. The 21 joints include the
fingertips; the 16 joints that rotate are the same list without them.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

FINGERS = ("thumb", "index", "middle", "ring", "little")

JOINTS = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "little_mcp", "little_pip", "little_dip", "little_tip",
)  # fmt: skip
"""The 21 joints (also the order of OpenPose, MediaPipe and FreiHAND)."""

PARENTS_21 = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)

TIPS_21 = tuple(i for i, name in enumerate(JOINTS) if name.endswith("_tip"))
ROTATING_21 = tuple(i for i in range(21) if i not in TIPS_21)
"""Places of the 16 rotating joints among the 21."""

JOINTS_16 = tuple(JOINTS[i] for i in ROTATING_21)
PARENTS_16 = tuple(-1 if i == 0 else 0 if i % 3 == 1 else i - 1 for i in range(16))

_MANO_FINGERS = ("index", "middle", "little", "ring", "thumb")
MANO_JOINTS_16 = (
    "wrist",
    *(name for finger in _MANO_FINGERS for name in JOINTS_16 if name.startswith(finger)),
)
"""The order of MANO files: index, middle, little, ring, thumb."""

MANO_FROM_OWN = tuple(JOINTS_16.index(name) for name in MANO_JOINTS_16)
"""`mano[j] = own[MANO_FROM_OWN[j]]`."""
OWN_FROM_MANO = tuple(MANO_JOINTS_16.index(name) for name in JOINTS_16)
"""`own[j] = mano[OWN_FROM_MANO[j]]`."""

WEBXR_JOINTS = (
    "wrist",
    *(f"thumb-{part}" for part in ("metacarpal", "phalanx-proximal", "phalanx-distal", "tip")),
    *(
        f"{finger}-finger-{part}"
        for finger in ("index", "middle", "ring", "pinky")
        for part in ("metacarpal", "phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
    ),
)
"""The 25 joints of the W3C WebXR Hand Input module; each name is the bone that starts at the joint."""

WEBXR_FROM_21 = dict(
    zip(
        (name for name in WEBXR_JOINTS if not name.endswith("-metacarpal") or name.startswith("thumb")),
        range(21),
        strict=True,
    )
)
"""Our joint for each WebXR joint; the metacarpals of the four fingers have none."""

KNUCKLES = tuple(JOINTS.index(f"{finger}_mcp") for finger in FINGERS[1:])


def upright_angle(keypoints: Float[Tensor, "*batch 21 2"]) -> Float[Tensor, "*batch"]:
    """By how much to turn a picture so that the palm, from wrist to knuckles, points up.

    Args:
        keypoints: The 21 joints in the picture [px].

    Returns:
        Angle of the content [rad], from x towards y (clockwise as seen).
    """
    x, y = (keypoints[..., KNUCKLES, :].mean(-2) - keypoints[..., 0, :]).unbind(-1)
    return -math.pi / 2 - torch.atan2(y, x)


MIDDLE_TIP, INDEX_MCP, LITTLE_MCP = JOINTS.index("middle_tip"), JOINTS.index("index_mcp"), JOINTS.index("little_mcp")
