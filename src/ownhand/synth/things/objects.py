"""The catalogue of everyday things, at their true sizes [m].

Frames: what turns about an axis stands on z; what is flat lies in x-y with its long side along x and its front up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ownhand.synth.things import prints
from ownhand.synth.things.prints import (
    DARK,
    STEEL,
    WHITE,
    Print,
    brushed,
    even,
    label,
    panel,
    sheet,
    sideways,
    small_print,
)
from ownhand.synth.things.solids import Solid, box, lathe, prism, tube
from ownhand.synth.things.thing import Hold, Thing, Triple, made

Array = np.ndarray

X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
LEFT, DOWN, UNDER = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
CARD = (0.0856, 0.0540, 0.00076)
"""Length, width, thickness [m] of a bank card: ISO/IEC 7810 ID-1."""
CARD_CORNER = 0.00318  # its corners' radius [m]
QUARTER = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # turns x to z


@lru_cache(maxsize=1)
def catalogue() -> tuple[Thing, ...]:
    """All things, in a fixed order."""
    makers = (
        _drink_can, _food_can, _mug, _bottle, _bowl, _paper_cup, _cereal_box, _small_box, _book, _phone, _bank_card,
        _scissors, _tennis_ball, _apple, _banana, _pen, _marker, _screwdriver, _hammer, _spoon, _fork, _knife,
        _remote_control, _sponge, _spray_bottle,
    )  # fmt: skip
    return tuple(make(place) for place, make in enumerate(makers))


def _drink_can(place: int) -> Thing:
    profile = [(0, -0.0535), (0.024, -0.0575), (0.0325, -0.05), (0.033, -0.047), (0.033, 0.045), (0.032, 0.048),
               (0.0275, 0.0565), (0.0262, 0.0575), (0.025, 0.055), (0, 0.055)]  # fmt: skip
    look = label("KOLA", (196, 24, 30), (240, 240, 238), (150, 12, 18), low=0.18, high=0.8)
    holds = (
        *_upright(0.02, share=3),
        Hold(grasp="palmar", along=UNDER, face=X, point=(0, 0, 0.035), slide=(0, 0, 0.01), spin=180),
        Hold(grasp="palmar", along=Y, face=X, slide=(0, 0, 0.02), spin=180),
    )
    return made(place, "drink can", [(lathe(profile, 24), look)], holds, specular=0.12, roughness=0.3)


def _food_can(place: int) -> Thing:
    profile = [(0, -0.053), (0.034, -0.053), (0.0345, -0.0545), (0.0365, -0.0545), (0.0365, 0.0545), (0.0345, 0.0545),
               (0.034, 0.0525), (0, 0.0525)]  # fmt: skip
    look = label("PEAS", (44, 110, 62), (236, 226, 190), (28, 66, 40), low=0.23, high=0.77)
    holds = (*_upright(0.02, share=3), Hold(grasp="palmar", along=UNDER, face=X, point=(0, 0, 0.03), spin=180))
    return made(place, "food can", [(lathe(profile, 24), look)], holds, specular=0.08, roughness=0.4)


def _mug(place: int) -> Thing:
    profile = [(0, -0.0475), (0.036, -0.0475), (0.041, -0.042), (0.041, 0.0465), (0.039, 0.0475), (0.037, 0.0465),
               (0.037, -0.041), (0, -0.041)]  # fmt: skip
    angle = np.linspace(0, np.pi, 8)
    handle = [(0.039 + 0.031 * np.sin(a), 0.0, 0.03 * np.cos(a)) for a in angle]
    look = label("TEA", (232, 234, 230), (60, 112, 168), (238, 238, 236), faces=3, low=0.52, high=0.82, bare=WHITE)
    holds = (
        Hold(grasp="cylinder", along=Z, face=LEFT, slide=(0, 0, 0.01), spin=50, share=2),
        Hold(grasp="cylinder", along=UNDER, face=LEFT, slide=(0, 0, 0.01), spin=50),
        Hold(grasp="pinch", along=LEFT, face=Y, point=(0.07, 0, 0.008), turn=30),
        Hold(grasp="palmar", along=Y, face=X, spin=40),
    )
    parts = [(lathe(profile, 24), look), (tube(handle, 0.0055, Y), even(WHITE))]
    return made(place, "mug", parts, holds, specular=0.05, roughness=0.2)


def _bottle(place: int) -> Thing:
    profile = [(0, -0.1), (0.028, -0.1075), (0.0325, -0.1), (0.0325, 0.035), (0.028, 0.055), (0.014, 0.083),
               (0.0125, 0.09), (0.0155, 0.091), (0.0155, 0.106), (0.014, 0.1075), (0, 0.1075)]  # fmt: skip
    paper = label("ORANGE", (250, 246, 232), (240, 150, 30), (40, 90, 40), low=0.46, high=0.76, bare=(222, 128, 34))
    holds = (
        *_upright(0.05, share=2),
        Hold(grasp="tripod", along=UNDER, face=X, point=(0, 0, 0.1), spin=180),
        Hold(grasp="palmar", along=Y, face=X, slide=(0, 0, 0.04), spin=180),
    )
    look = prints.topped(paper, 0.13, WHITE)
    return made(place, "bottle", [(lathe(profile), look)], holds, specular=0.05, roughness=0.25)


def _bowl(place: int) -> Thing:
    profile = [(0, -0.028), (0.03, -0.03), (0.036, -0.026), (0.056, -0.005), (0.068, 0.02), (0.07, 0.03),
               (0.067, 0.03), (0.0645, 0.02), (0.053, -0.003), (0.034, -0.022), (0, -0.025)]  # fmt: skip
    look = prints.banded((0, (226, 222, 208)), (0.44, (52, 84, 140)), (0.55, (226, 222, 208)), (0.58, (52, 84, 140)),
                         (0.62, (226, 222, 208)))  # fmt: skip
    holds = (
        Hold(grasp="platform", along=X, face=UNDER, spin=180, share=2),
        Hold(grasp="pinch", along=UNDER, face=X, point=(0.067, 0, 0.015), turn=25),
    )
    return made(place, "bowl", [(lathe(profile), look)], holds, specular=0.05, roughness=0.25)


def _paper_cup(place: int) -> Thing:
    profile = [(0, -0.05), (0.027, -0.05), (0.0275, -0.055), (0.0295, -0.055), (0.0402, 0.052), (0.042, 0.0535),
               (0.042, 0.055), (0.039, 0.055), (0.0275, -0.047), (0, -0.047)]  # fmt: skip
    look = label("CAFE", (122, 78, 48), (222, 206, 178), (70, 40, 24), faces=3, low=0.55, high=0.84, bare=WHITE)
    holds = (*_upright(0.015, share=2), Hold(grasp="palmar", along=Y, face=X, slide=(0, 0, 0.02), spin=180))
    return made(place, "paper cup", [(lathe(profile, 24), look)], holds, specular=0.03, roughness=0.7)


def _cereal_box(place: int) -> Thing:
    front, side = panel("FLAKES", (236, 190, 50), (190, 40, 34), WHITE), small_print((236, 190, 50), DARK, bars=False)
    look = sheet(sideways(front), sideways(small_print((240, 214, 120), DARK)), side)
    holds = (
        Hold(grasp="palmar", along=DOWN, face=Z, point=(0, 0.072, 0), slide=(0.06, 0.01, 0), turn=15),
        Hold(grasp="palmar", along=LEFT, face=UNDER, point=(0.112, 0, 0), slide=(0.01, 0.04, 0), turn=15),
        Hold(grasp="cylinder", along=X, face=Y, slide=(0.06, 0, 0), half_width=0.027),
    )
    return made(place, "cereal box", [(box(0.27, 0.19, 0.053), look)], holds, roughness=0.6)


def _small_box(place: int) -> Thing:
    look = sheet(
        panel("MINT TEA", (64, 150, 120), (246, 246, 240), (24, 80, 62)),
        small_print((246, 246, 240), DARK),
        even((64, 150, 120)),
    )
    holds = (
        Hold(grasp="cylinder", along=X, face=Z, slide=(0.015, 0, 0), half_width=0.031, share=2),
        Hold(grasp="cylinder", along=X, face=Y, slide=(0.015, 0, 0), half_width=0.015),
        Hold(grasp="palmar", along=Y, face=Z, slide=(0.02, 0, 0)),
        Hold(grasp="tripod", along=X, face=Z, point=(-0.035, 0, 0), turn=40),
        Hold(grasp="platform", along=X, face=UNDER, turn=180, half_width=0.031),
    )
    return made(place, "small box", [(box(0.11, 0.062, 0.03), look)], holds, roughness=0.5)


def _book(place: int) -> Thing:
    cover = panel("NIGHT", (30, 44, 84), (206, 160, 60), (246, 236, 210))
    look = sheet(sideways(cover), sideways(small_print((30, 44, 84), WHITE)), prints.pages)
    holds = (
        Hold(grasp="palmar", along=DOWN, face=Z, point=(0, 0.045, 0), slide=(0.05, 0.01, 0), turn=25, share=2),
        Hold(grasp="palmar", along=LEFT, face=UNDER, point=(0.08, 0, 0), slide=(0.01, 0.02, 0), turn=25, share=2),
        Hold(grasp="platform", along=X, face=UNDER, turn=180, half_width=0.06),
    )
    return made(place, "book", [(box(0.2, 0.13, 0.022), look)], holds, roughness=0.45)


def _phone(place: int) -> Thing:
    look = sheet(prints.screen, prints.phone_back, even((70, 76, 86)))
    holds = (
        Hold(grasp="cylinder", along=X, face=UNDER, slide=(0.02, 0, 0), half_width=0.036, share=4),
        Hold(grasp="cylinder", along=LEFT, face=UNDER, slide=(0.02, 0, 0), half_width=0.036),
        Hold(grasp="platform", along=X, face=UNDER, turn=180, half_width=0.036),
        Hold(grasp="palmar", along=UNDER, face=Y, slide=(0.02, 0, 0)),
        Hold(grasp="palmar", along=Z, face=Y, slide=(0.02, 0, 0)),
        Hold(grasp="pinch", along=X, face=UNDER, point=(-0.06, 0, 0), turn=40),
    )
    return made(place, "phone", [(_plate(0.148, 0.072, 0.008, 0.009), look)], holds, specular=0.06, roughness=0.15)


def _bank_card(place: int) -> Thing:
    look = sheet(prints.card_front, prints.card_back, even((60, 90, 150)))
    holds = tuple(
        Hold(grasp=grasp, along=X, face=side, point=(-0.03, 0, 0), slide=(0.006, 0.015, 0), turn=turn, share=share)
        for grasp, turn, share in (("pinch", 60, 2.0), ("tripod", 60, 1.0), ("lateral", 30, 2.0))
        for side in (Z, UNDER)
    )
    flat = Hold(grasp="platform", along=X, face=UNDER, turn=180, half_width=0.027)
    return made(place, "bank card", [(_plate(*CARD, CARD_CORNER), look)], (*holds, flat), specular=0.05, roughness=0.3)


def _scissors(place: int) -> Thing:
    blades = prism([(-0.02, -0.006, 0.006), (0, -0.008, 0.008), (0.06, -0.005, 0.006), (0.09, -0.001, 0.001)], 0.003)
    parts: list[tuple[Solid, Print]] = [(blades, brushed())]
    for side in (-1, 1):
        halves = [
            [(-0.062 + 0.025 * np.cos(a), side * 0.022 + 0.015 * np.sin(a), 0) for a in np.linspace(b, b + np.pi, 6)]
            for b in (0, np.pi)
        ]
        shank = [(-0.012, side * 0.003, 0), (-0.03, side * 0.009, 0), (-0.042, side * 0.012, 0)]
        parts += [(tube(path, 0.004, Z, around=6), even((200, 60, 24))) for path in (shank, *halves)]
    holds = (
        Hold(grasp="pinch", along=LEFT, face=Z, point=(0.06, 0, 0), slide=(0.015, 0, 0), turn=40),
        Hold(grasp="lateral", along=LEFT, face=Z, point=(0.065, 0, 0), slide=(0.01, 0, 0), turn=30),
        Hold(grasp="cylinder", along=X, face=Z, point=(0.04, 0, 0)),
    )
    return made(place, "scissors", parts, holds, specular=0.15, roughness=0.3, height=64)


def _tennis_ball(place: int) -> Thing:
    return made(place, "tennis ball", [(_ball(0.0335), prints.seam)], _all_round(), specular=0.02, roughness=0.95)


def _apple(place: int) -> Thing:
    a = np.linspace(0, np.pi, 13)
    radius = 0.037 * np.sin(a) * (1 + 0.06 * np.cos(a) ** 2 - 0.05 * np.cos(a))
    height = -0.034 * np.cos(a) * (1 - 0.35 * np.exp(-((np.sin(a) / 0.35) ** 2)))
    profile = [(0.0, height[0]), *zip(radius[1:-1], height[1:-1], strict=True), (0.0, height[-1])]
    stem = tube([(0, 0, 0.018), (0.001, 0, 0.03), (0.004, 0, 0.038)], 0.0013, Y, around=5)
    skin = prints.speckled((164, 40, 34), (214, 190, 90), 240, 0.006)
    parts = [(lathe(profile), skin), (stem, even((84, 60, 34)))]
    return made(place, "apple", parts, _all_round(), specular=0.05, roughness=0.3, height=128)


def _banana(place: int) -> Thing:
    a = np.linspace(-0.75, 0.75, 12)
    path = [(0.115 * np.sin(x), 0.115 * (1 - np.cos(x)), 0) for x in a]
    radii = [0.005, 0.006, 0.0095, 0.0135, 0.0165, 0.0182, 0.0185, 0.0178, 0.016, 0.013, 0.009, 0.0055]
    skin = prints.topped(prints.speckled((226, 190, 58), (110, 76, 30), 60, 0.008), 0.06, (70, 56, 32))
    holds = (
        *_bar(0.03, X, DOWN, share=2),
        Hold(grasp="palmar", along=Z, face=Y, slide=(0.02, 0, 0)),
        Hold(grasp="tripod", along=X, face=Y, point=(-0.06, 0.018, 0), turn=30),
    )
    return made(place, "banana", [(tube(path, radii, Z, around=10), skin)], holds, roughness=0.5)


def _pen(place: int) -> Thing:
    profile = [(0, -0.0725), (0.0006, -0.0722), (0.0034, -0.06), (0.0045, -0.048), (0.0045, 0.071), (0.0035, 0.0725),
               (0, 0.0725)]  # fmt: skip
    look = prints.banded((0, (24, 52, 140)), (0.3, (230, 232, 236)), (0.82, (24, 52, 140)), (0.92, STEEL))
    writing = Hold(grasp="writing", along=Z, face=X, point=(0, 0, -0.045), slide=(0, 0, 0.006), spin=180, share=2)
    return made(place, "pen", [(lathe(profile, 10), look)], (writing, *_stick(0.045)), roughness=0.3)


def _marker(place: int) -> Thing:
    profile = [(0, -0.068), (0.008, -0.068), (0.0092, -0.066), (0.0092, 0.02), (0.0085, 0.022), (0.0075, 0.067),
               (0, 0.068)]  # fmt: skip
    look = prints.topped(label("MARK", WHITE, (30, 30, 34), WHITE, faces=1, bare=WHITE), 0.36, (30, 30, 34))
    return made(place, "marker", [(lathe(profile, 14), look)], (*_stick(0.04), *_bar(0.02, Z, X)), roughness=0.35)


def _screwdriver(place: int) -> Thing:
    profile = [(0, -0.105), (0.0025, -0.105), (0.003, -0.1), (0.003, -0.005), (0.009, -0.003), (0.0085, 0.01),
               (0.0145, 0.03), (0.0145, 0.085), (0.012, 0.096), (0, 0.1)]  # fmt: skip
    look = prints.banded((0, (214, 60, 30)), (0.2, DARK), (0.34, (214, 60, 30)), (0.52, STEEL))
    holds = (*_bar(0.01, Z, X, (0, 0, 0.055), share=2), *_stick(0.03, 0.05))
    return made(place, "screwdriver", [(lathe(profile, 14), look)], holds, specular=0.08, roughness=0.3)


def _hammer(place: int) -> Thing:
    handle = lathe([(0, -0.17), (0.013, -0.168), (0.0145, -0.16), (0.0125, -0.06), (0.0105, 0.06), (0.011, 0.115),
                    (0, 0.117)], 14)  # fmt: skip
    head = lathe([(0, -0.05), (0.0125, -0.05), (0.0135, -0.047), (0.0135, -0.03), (0.011, -0.026), (0.011, 0.012),
                  (0.009, 0.02), (0.003, 0.05), (0, 0.0505)], 14)  # fmt: skip
    parts = [(handle, sideways(brushed((176, 128, 74)))), (head.moved(QUARTER, (0, 0, 0.1)), brushed((92, 94, 98)))]
    return made(place, "hammer", parts, _bar(0.04, Z, X, (0, 0, -0.1)), specular=0.08, roughness=0.4, height=128)


def _spoon(place: int) -> Thing:
    stations = [(-0.1, -0.002, 0.002), (-0.097, -0.006, 0.006), (-0.06, -0.0055, 0.0055), (0, -0.003, 0.003),
                (0.04, -0.003, 0.003), (0.047, -0.009, 0.009), (0.06, -0.018, 0.018), (0.075, -0.021, 0.021),
                (0.09, -0.016, 0.016), (0.098, -0.008, 0.008), (0.1, -0.003, 0.003)]  # fmt: skip
    return _cutlery(place, "spoon", [prism(stations, 0.002, _cutlery_lift)])


def _fork(place: int) -> Thing:
    handle = [(-0.1, -0.002, 0.002), (-0.097, -0.006, 0.006), (-0.06, -0.0055, 0.0055), (0, -0.003, 0.003),
              (0.035, -0.003, 0.003), (0.046, -0.011, 0.011), (0.056, -0.0125, 0.0125)]  # fmt: skip
    along = np.linspace(0.054, 0.1, 5)
    tines = [[(x, y - 0.0015, y + 0.0015) for x in along] for y in (-0.011, -0.0037, 0.0037, 0.011)]
    return _cutlery(place, "fork", [prism(x, 0.002, _cutlery_lift) for x in (handle, *tines)])


def _knife(place: int) -> Thing:
    stations = [(-0.11, -0.004, 0.004), (-0.107, -0.0085, 0.0085), (-0.03, -0.007, 0.007), (-0.01, -0.0065, 0.0065),
                (0, -0.009, 0.0075), (0.06, -0.0105, 0.0085), (0.095, -0.0095, 0.009), (0.108, -0.001, 0.008),
                (0.112, 0.005, 0.0065)]  # fmt: skip
    return _cutlery(place, "knife", [prism(stations, 0.0028)])


def _remote_control(place: int) -> Thing:
    look = sheet(prints.buttons, even((36, 36, 40)), even((30, 30, 33)))
    holds = (
        Hold(grasp="cylinder", along=X, face=UNDER, slide=(0.03, 0, 0), half_width=0.022, share=3),
        Hold(grasp="palmar", along=UNDER, face=Y, slide=(0.03, 0, 0)),
        Hold(grasp="tripod", along=X, face=UNDER, point=(-0.06, 0, 0), turn=40),
    )
    return made(place, "remote control", [(_plate(0.17, 0.045, 0.019, 0.008), look)], holds, roughness=0.5)


def _sponge(place: int) -> Thing:
    foam, fleece = (
        prints.speckled((228, 192, 60), (150, 118, 30), 500, 0.008),
        prints.speckled((40, 96, 60), DARK, 300, 0.006),
    )
    holds = (
        Hold(grasp="cylinder", along=X, face=UNDER, slide=(0.01, 0, 0), half_width=0.034),
        Hold(grasp="cylinder", along=X, face=Z, slide=(0.01, 0, 0), half_width=0.034),
        Hold(grasp="palmar", along=Y, face=Z, slide=(0.02, 0, 0)),
        Hold(grasp="platform", along=X, face=UNDER, turn=180, half_width=0.034),
    )
    return made(
        place, "sponge", [(box(0.1, 0.068, 0.028), sheet(fleece, foam, foam))], holds, specular=0.02, roughness=1.0
    )


def _spray_bottle(place: int) -> Thing:
    profile = [(0, -0.11), (0.034, -0.11), (0.036, -0.105), (0.036, -0.02), (0.03, 0.01), (0.014, 0.05), (0.013, 0.06),
               (0.016, 0.062), (0.016, 0.078), (0, 0.08)]  # fmt: skip
    paper = label("CLEAN", (240, 246, 250), (40, 130, 200), WHITE, low=0.48, high=0.78, bare=(110, 178, 214))
    head = prism([(-0.022, -0.006, 0.012), (0.0, -0.01, 0.016), (0.05, -0.002, 0.014), (0.054, 0.002, 0.01)], 0.018)
    stand = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # y to z
    parts = [
        (lathe(profile), prints.topped(paper, 0.13, WHITE)),
        (head.moved(stand, (0, 0, 0.088)), even((30, 96, 170))),
    ]
    return made(place, "spray bottle", parts, _upright(0.03, (0, 0, -0.05)), specular=0.05, roughness=0.3)


def _plate(length: float, width: float, thickness: float, corner: float) -> Solid:
    """A flat piece with round corners."""
    turn = np.linspace(0, np.pi / 2, 4)
    left = np.stack([-length / 2 + corner * (1 - np.sin(turn)), width / 2 - corner * (1 - np.cos(turn))], -1)[::-1]
    stations = [(x, -y, y) for x, y in (*left, *(left * [-1, 1])[::-1])]
    return prism(stations, thickness)


def _ball(radius: float) -> Solid:
    a = np.linspace(0, np.pi, 13)[1:-1]
    rings = [(radius * np.sin(x), -radius * np.cos(x)) for x in a]
    return lathe([(0, -radius), *rings, (0, radius)])


def _cutlery_lift(x: Array, y: Array) -> Array:
    """How spoons and forks are bent: the handle's arch, and the hollow."""
    hollow = np.clip((x - 0.04) / 0.03, 0, 1) * np.clip(1 - ((x - 0.075) / 0.028) ** 2, 0, 1)
    return 0.005 * np.cos(np.clip(x / 0.06, -np.pi / 2, np.pi / 2)) - 0.006 * hollow


def _cutlery(place: int, name: str, solids: Sequence[Solid]) -> Thing:
    holds = (
        Hold(grasp="lateral", along=X, face=Z, point=(-0.06, 0, 0.002), slide=(0.015, 0, 0), turn=25),
        Hold(grasp="tripod", along=X, face=Z, point=(-0.05, 0, 0.002), slide=(0.02, 0, 0), turn=25),
        Hold(grasp="writing", along=LEFT, face=Z, point=(-0.01, 0, 0.002)),
        Hold(grasp="cylinder", along=X, face=Z, point=(-0.05, 0, 0.002)),
    )
    return made(place, name, [(x, brushed()) for x in solids], holds, specular=0.3, roughness=0.25, height=32)


def _upright(slide: float, point: Triple = (0.0, 0.0, 0.0), share: float = 1.0) -> tuple[Hold, ...]:
    """Whole hand around something that stands: mostly the right way up."""
    return tuple(
        Hold(grasp="cylinder", along=along, face=X, point=point, slide=(0, 0, slide), spin=180, share=part * share)
        for along, part in ((Z, 0.8), (UNDER, 0.2))
    )


def _bar(
    slide: float, axis: Triple, face: Triple, point: Triple = (0.0, 0.0, 0.0), share: float = 1.0
) -> tuple[Hold, ...]:
    """Whole hand around a handle, either end at the thumb; or hanging in the fingers."""
    away = tuple(slide * x for x in axis)
    back: Triple = tuple(-x for x in axis)  # pyright: ignore[reportAssignmentType]
    spin = 180 if axis == Z else 0
    return tuple(
        Hold(grasp=grasp, along=along, face=face, point=point, slide=away, spin=spin, share=part * share)  # pyright: ignore
        for grasp, along, part in (("cylinder", axis, 0.5), ("cylinder", back, 0.3), ("hook", axis, 0.2))
    )


def _stick(reach: float, middle: float = 0.0) -> tuple[Hold, ...]:
    """Thin things between fingertips; the tip is at the lowest z."""
    low = (0.0, 0.0, middle - reach)
    return (
        Hold(grasp="pinch", along=Y, face=X, point=(0, 0, middle), slide=(0, 0, 0.03), spin=180, turn=30),
        Hold(grasp="tripod", along=Z, face=X, point=low, slide=(0, 0, 0.01), spin=180, turn=30),
        Hold(grasp="lateral", along=Z, face=X, point=(0, 0, low[2] - 0.012), spin=180, turn=20),
    )


def _all_round() -> tuple[Hold, ...]:
    return (
        Hold(grasp="sphere", along=Z, face=X, spin=180, turn=180, share=3),
        Hold(grasp="tripod", along=Z, face=X, spin=180, turn=180),
        Hold(grasp="palmar", along=Z, face=X, spin=180, turn=180),
        Hold(grasp="platform", along=Z, face=X, spin=180, turn=180),
    )
