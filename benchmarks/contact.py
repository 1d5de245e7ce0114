"""How deep generated hands sink into themselves and into what they hold, against the bounds of 1 and 2 mm.

OMP_NUM_THREADS=1 python benchmarks/contact.py [BLOCKS]
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from ownhand.hand.builtin import open_hand
from ownhand.synth.poses.contact import sinking
from ownhand.synth.posing import BLOCK, bent_hands
from ownhand.synth.world import World

SELF_MM, THING_MM = 1.0, 2.0


def main() -> None:
    torch.set_num_threads(1)
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    world, count = World(seed=1, singles=20), len(open_hand().template)
    own, held = [], []
    for number in range(blocks):
        hands = bent_hands(world, number)
        verts = np.stack([hand.verts[:count] for hand in hands]).astype(np.float32)
        own.append(1000 * sinking(verts).max(-1))
        for hand, skin in zip(hands, verts, strict=True):
            if (grasp := hand.held) is not None:
                local = (skin - grasp.t_hand_object) @ grasp.R_hand_object
                held.append(-1000 * grasp.thing.distance(local).min())
    for name, depths, bound in (("itself", np.concatenate(own), SELF_MM), ("the held thing", np.array(held), THING_MM)):
        print(
            f"into {name}: deeper than {bound:g} mm {np.mean(depths > bound):.2%} of {len(depths)}, "
            f"deepest {depths.max():.2f} mm"
        )
    print(f"{blocks * BLOCK} hands, {len(held)} of them hold something")


if __name__ == "__main__":
    main()
