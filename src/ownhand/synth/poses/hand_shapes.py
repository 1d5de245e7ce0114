"""Named hand shapes: tables of how fingers and thumb stand [degrees] and which parts touch.

Fingers are letters, index to little, that `FINGERS` spells out. Parts that touch are named by finger (t, i, m, r, l)
and segment (1 next to the palm, 3 the end), the palm by p. Angles are for the mean hand, within a few degrees;
`contact.repaired` fits them to everybody. The alphabet is the American one (its R, with crossed fingers, is missing;
J, P, Q and Z are I, K, G and 1 in motion or turned).
"""

from __future__ import annotations

from typing import NamedTuple

FINGERS = {  # MCP and PIP flexion
    "|": (-2, 4),  # straight
    "\\": (-18, 0),  # extended as far as it likes
    "r": (20, 32),  # relaxed
    "c": (38, 50),  # around something large
    "o": (52, 60),  # around something small
    "L": (78, 4),  # bent at the knuckle
    "h": (0, 92),  # hook
    "w": (-8, 60),  # claw
    "e": (32, 104),  # folded onto the thumb
    "m": (74, 78),  # folded over the thumb
    "l": (58, 84),  # loosely folded
    "f": (86, 102),  # tightly folded
}

# Base twist, base abduction, base flexion, MCP abduction, MCP flexion, IP flexion.
THUMBS = {
    "relaxed": (-6, 6, 8, 0, 12, 18),
    "wide": (0, -14, -20, 0, -4, -8),
    "back": (2, -22, -28, 0, -12, -20),
    "beside": (4, -8, 11, 0, 2, 4),
    "palmar": (-8, 28, 0, 0, 5, 8),
    "opposed": (-13, 34, 16, 0, 6, 4),
    "up": (0, -8, -18, 0, 0, -10),
    "across": (-24, 14, 45, 0, 25, 8),
    "folded": (-12, 25, 44, 0, 41, 39),
    "side": (-19, 6, 0, 0, 27, 16),
    "key": (-14, 4, 11, 0, 2, 16),
    "under 1": (-23, 13, 24, -1, 18, -2),
    "under 2": (-25, 11, 28, 2, 28, 21),
    "under 3": (-22, 26, 33, -1, 51, 6),
    "inside": (-20, 17, 40, 0, 45, 37),
    "on index": (-24, 21, -9, 4, 52, 6),
    "on middle": (-24, 29, 9, 2, 46, 2),
    "on ring": (-24, 40, 27, 1, 34, 5),
    "on little": (-13, 45, 36, 5, 39, 6),
    "to index": (-13, 15, 20, 0, 2, -10),
    "to middle": (-13, 28, 30, 0, 3, -10),
    "to ring": (-13, 39, 36, 0, 5, -10),
    "to little": (-6, 41, 48, 3, 12, -10),
    "to two": (-13, 22, 24, 0, 3, -6),
    "to all": (-13, 30, 30, 0, 5, -4),
    "under tips": (-25, 13, 12, -3, 39, 34),
    "on middle's base": (-12, 3, 29, 0, 20, 2),
}


class HandShape(NamedTuple):
    """One named shape.

    Attributes:
        fingers: Letters of `FINGERS`, index to little.
        thumb: Name in `THUMBS`.
        spread: Of straight fingers: 0 closed, 1 wide.
        touching: Pairs of parts that touch, such as "t3 i3".
        bent: MCP and PIP flexion of single fingers (1 to 4) instead of their letter's.
        turned: Abduction of single fingers (1 to 4).
    """

    fingers: str
    thumb: str
    spread: float = 0.3
    touching: tuple[str, ...] = ()
    bent: dict[int, tuple[float, float]] = {}  # noqa: RUF012 (never changed)
    turned: dict[int, float] = {}  # noqa: RUF012


PINCH = {1: (50, 46), 2: (60, 43), 3: (64, 40), 4: (50, 44)}  # the finger that meets the thumb


def _pinch(finger: int, fingers: str, thumb: str, spread: float = 0.5) -> HandShape:
    return HandShape(fingers, thumb, spread, (f"t3 {'timrl'[finger]}3",), {finger: PINCH[finger]}, {finger: -4.5})


LETTERS = {
    "a": HandShape("ffff", "side", touching=("t3 i2",)),
    "b": HandShape("||||", "across", 0.0, ("t3 p", "i2 m2", "m2 r2", "r2 l3")),
    "c": HandShape("cccc", "opposed", 0.0),
    "d": HandShape("|ooo", "to middle", 0.2, ("t3 m3",), {2: (60, 43)}, {2: -5}),
    "e": HandShape("eeee", "under tips", 0, ("i3 t3", "m3 t3")),
    "f": _pinch(1, "o|||", "to index", 0.8),
    "g": HandShape("Lfff", "key", bent={1: (60, 8)}),
    "h": HandShape("||ff", "on ring", 0.0, ("t3 r2", "i2 m2")),
    "i": HandShape("fff|", "on middle", touching=("t3 m2",)),
    "k": HandShape("|Lff", "on middle's base", 0.5, ("t3 m1",), {2: (42, 12)}),
    "l": HandShape("|fff", "wide"),
    "m": HandShape("mmmf", "under 3", 0, ("m2 t3", "r2 t3"), {1: (80, 73), 2: (86, 60), 3: (74, 78), 4: (77, 78)}),
    "n": HandShape("mmff", "under 2", 0, ("t3 r1", "m2 t3"), {1: (76, 67), 2: (66, 71)}),
    "o": HandShape("oooo", "to all", 0.0, ("t3 i3", "t3 m3")),
    "s": HandShape("ffff", "on middle", touching=("t3 m2", "t3 i2")),
    "t": HandShape("mfff", "under 1", 0, ("t3 m1", "i2 t3"), {1: (56, 63)}),
    "u": HandShape("||ff", "on ring", 0.0, ("t3 r2", "i2 m2")),
    "v": HandShape("||ff", "on ring", 0.9, ("t3 r2",)),
    "w": HandShape("|||f", "on little", 0.8, ("t3 l2",)),
    "x": HandShape("hfff", "on middle", touching=("t3 m2",), bent={1: (14, 84)}),
    "y": HandShape("fff|", "wide", 1.0),
}
DIGITS = {
    "1": HandShape("|fff", "on middle", touching=("t3 m2",)),
    "2": LETTERS["v"],
    "3": HandShape("||ff", "wide", 0.8),
    "4": HandShape("||||", "across", 0.9, ("t3 p",)),
    "5": HandShape("||||", "wide", 0.9),
    "6": _pinch(4, "|||o", "to little"),
    "7": _pinch(3, "||o|", "to ring"),
    "8": _pinch(2, "|o||", "to middle"),
    "9": _pinch(1, "o|||", "to index"),
    "10": HandShape("ffff", "up"),
}
GESTURES = {
    "point": HandShape("|lll", "on middle", touching=("t3 m2",)),
    "three": LETTERS["w"],
    "scout": HandShape("|||f", "on little", 0.0, ("t3 l2", "i2 m2", "m2 r2")),
    "peace": HandShape("||ff", "on ring", 1.0, ("t3 r3",)),
    "horns": HandShape("|ff|", "on middle", 0.8, ("t3 m2",)),
    "love": HandShape("|ff|", "wide", 0.8),
    "gun": HandShape("||ff", "up", 0.0),
    "thumb up": HandShape("llll", "up"),
    "stop": HandShape("||||", "beside", 0.0, ("t3 i1",)),
    "salute": HandShape("||||", "beside", 0.0, ("i2 m2", "m2 r2", "r2 l3")),
    "little up": HandShape("fff|", "on middle", 0.5, ("t3 m2",)),
    "ring down": HandShape("||f|", "on ring", 0.4, ("t3 r2",)),
    "middle down": HandShape("|f||", "on middle", 0.4, ("t3 m2",)),
    "money": HandShape("oorr", "to two", 0.0, ("t3 i3", "t3 m3"), {1: (52, 46), 2: (54, 46)}),
    "beak": HandShape("LLLL", "to all", 0.0, ("t3 i3", "t3 m3"), {1: (60, 18), 2: (66, 18)}),
    "thumb in palm": HandShape("||||", "folded", 0.5, ("t3 p",)),
}
FISTS = {
    "thumb over": LETTERS["s"],
    "thumb on index": HandShape("ffff", "on index", touching=("t3 i2",)),
    "thumb at side": LETTERS["a"],
    "thumb along": HandShape("ffff", "key", touching=("t3 i1",)),
    "loose": HandShape("llll", "on middle", touching=("t3 m3", "t3 i3")),
    "thumb inside": HandShape("mmmm", "inside", 0, ("r3 t3",), {1: (70, 94), 2: (69, 84), 3: (66, 89), 4: (60, 79)}),
}
PINCHES = {  # how the other fingers stand varies: `poses` draws it
    "index": _pinch(1, "orrr", "to index"),
    "middle": _pinch(2, "rorr", "to middle"),
    "ring": _pinch(3, "rror", "to ring"),
    "little": _pinch(4, "rrro", "to little"),
    "index, fist": _pinch(1, "olll", "to index"),
    "index and middle": HandShape("oorr", "to two", 0.1, ("t3 i3", "t3 m3"), {1: (52, 46), 2: (54, 46)}),
}
GRASPS = {  # in the air; main types of the GRASP taxonomy (Feix et al. 2016)
    "large cylinder": HandShape("cccc", "palmar", 0.3),
    "medium cylinder": HandShape("oooo", "opposed", 0.1),
    "small cylinder": HandShape("llll", "on middle", 0.0),
    "bar": HandShape("llll", "key", 0.0),
    "adducted thumb": HandShape("llll", "beside", 0.0),
    "large ball": HandShape("wwww", "palmar", 1.0, bent={1: (22, 38), 2: (24, 40), 3: (24, 40), 4: (24, 38)}),
    "small ball": HandShape("cccc", "opposed", 0.9),
    "disk": HandShape("wwww", "wide", 1.0, bent={1: (18, 52), 2: (16, 56), 3: (16, 56), 4: (18, 50)}),
    "tip pinch": HandShape("orrr", "to index", 0.3, ("t3 i3",), {1: (46, 58)}),
    "tripod": HandShape("ooll", "to two", 0.2, ("t3 i3", "t3 m3"), {1: (52, 46), 2: (54, 46)}),
    "writing tripod": HandShape("oooo", "to two", 0.0, ("t3 i3",), {1: (48, 48), 2: (58, 56)}),
    "quadpod": HandShape("cccl", "to all", 0.5),
    "prismatic, two": HandShape("LLrr", "to two", 0.1, bent={1: (52, 22), 2: (56, 22)}),
    "prismatic, four": HandShape("LLLL", "opposed", 0.1, bent={1: (56, 18), 2: (58, 18), 3: (58, 18), 4: (56, 18)}),
    "parallel extension": HandShape("LLLL", "palmar", 0.0),
    "lateral": HandShape("llll", "key", 0.0, ("t3 i2",)),
    "lateral tripod": HandShape("lLll", "key", 0.0, ("t3 i2",), {2: (58, 62)}),
    "extended index": HandShape("|lll", "beside", 0.2),
    "cigarette": HandShape("||rr", "relaxed", 0.0, ("i2 m2",)),
    "ring": HandShape("olll", "opposed", 0.2),
    "hook": HandShape("hhhh", "beside", 0.0, bent={1: (22, 84), 2: (22, 86), 3: (22, 86), 4: (22, 84)}),
    "platform": HandShape("\\\\\\\\", "palmar", 0.6),
    "stick": HandShape("llll", "on index", 0.0),
}
