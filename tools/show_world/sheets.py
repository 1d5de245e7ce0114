"""Contact sheets of the synthetic world."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from ownhand.data.frame import HandFrame
from ownhand.data.photos import to_image
from ownhand.hand.builtin import open_hand
from ownhand.structs import given
from ownhand.synth import scene
from ownhand.synth.frames import FrameGenerator
from ownhand.synth.generator import Generator
from ownhand.synth.people.forearm import hand_verts
from ownhand.synth.people.looks import Look
from ownhand.synth.people.outfit import Outfit
from ownhand.synth.people.population import Person
from ownhand.synth.people.tones import skin_colour
from ownhand.synth.poses import hand_shapes
from ownhand.synth.poses.hand_shapes import HandShape
from ownhand.synth.poses.motion import RATE, pose_path
from ownhand.synth.shots import shot
from ownhand.synth.surroundings.backgrounds import PICTURES_PER_CANVAS, WINDOW, background, canvas
from ownhand.synth.surroundings.cameras import KINDS
from ownhand.synth.surroundings.light import MOODS, dimmed, draw_light, metered
from ownhand.synth.things.digits import Digits
from ownhand.synth.things.grasps import Grasp, draw, solved
from ownhand.synth.things.objects import catalogue
from ownhand.synth.things.preshapes import PRESHAPES
from ownhand.synth.things.thing import Hold, Thing
from ownhand.synth.world import World
from tools.show_world import studio
from tools.show_world.paper import Cell, beside, in_rows, pixels, sheet

Array = np.ndarray
Picture = UInt8[Array, "h w 3"]

SEED = 1  # of all worlds here
FRAME = 200  # side of whole frames [px]
SMALL, SIZE = 96, 128  # px
APART = 80  # people between those that are shown, who then have other surroundings
FLAT = HandShape("||||", "beside", 0.5)
PLAIN = 5.0  # tone of who shows poses


def people() -> Image.Image:
    """Consecutive people, from light to dark: palm and back."""
    world = World(seed=SEED)
    cells = []
    for person in sorted((world.person(number) for number in range(24)), key=lambda p: p.look.tone):
        meshes = studio.skin_mesh(person, studio.posed(person, FLAT), dressed=True)
        middle = np.array([meshes[0].verts[:, 0].max() - 0.105, 0.012, 0.0])
        views = (studio.portrait(meshes, R, (186, 116), middle=middle, side=0.245) for R in (studio.PALM, studio.BACK))
        sex = "man" if person.is_male else "woman"
        cells.append(Cell(beside(*views), f"Monk {person.look.tone:.1f}, {sex} of {person.age:.0f}"))
    return sheet(in_rows(cells, 6))


def worn() -> Image.Image:
    """The back of the first person's hand with what few people have."""
    world, cells = World(seed=SEED), []
    for label, has in RARE.items():
        person = next(p for p in map(world.person, count()) if has(p.look, p.outfit))
        meshes = studio.skin_mesh(person, studio.posed(person, FLAT), dressed=True)
        middle = np.array([meshes[0].verts[:, 0].max() - 0.118, 0.012, 0.0])
        R = studio.turned(studio.BACK, across=12, up=8)
        view = studio.portrait(meshes, R, (205, 142), middle=middle, side=0.255)
        cells.append(Cell(view, f"{label} ({person.number})"))
    return sheet(in_rows(cells, 10))


def _has_glove(kind: str, fingerless: bool = False) -> Callable[[Look, Outfit], bool]:
    return lambda look, outfit: (
        outfit.glove is not None and outfit.glove.kind == kind and outfit.glove.fingerless == fingerless
    )


def _has_sleeve(pattern: str) -> Callable[[Look, Outfit], bool]:
    return lambda look, outfit: (
        outfit.sleeve is not None
        and outfit.sleeve.pattern == pattern
        and np.ptp(outfit.sleeve.colours, axis=0).max() > 0.2
    )


def _has_around_wrist(kind: str) -> Callable[[Look, Outfit], bool]:
    return lambda look, outfit: outfit.wrist is not None and outfit.wrist.kind == kind and outfit.sleeve is None


RARE: dict[str, Callable[[Look, Outfit], bool]] = {
    "old, veins": lambda look, outfit: look.veins > 0.6 and look.age > 70 and look.tone < 7 and not outfit.long_nails,
    "hair": lambda look, outfit: look.hair > 18 and look.hair_colour.max() < 0.03 and look.tone < 5,
    "freckles": lambda look, outfit: look.freckles > 0.6 and look.tone < 5,
    "vitiligo": lambda look, outfit: look.vitiligo and look.tone > 4,
    "eczema": lambda look, outfit: look.eczema and look.tone < 5,
    "tattoos": lambda look, outfit: look.tattoos > 1 and look.tone < 6,
    "polish": lambda look, outfit: look.polish is not None and not outfit.long_nails and not look.vitiligo,
    "long nails": lambda look, outfit: outfit.long_nails > 0.005,
    "rings": lambda look, outfit: len(outfit.rings) > 2,
    "stone": lambda look, outfit: any(ring.stone for ring in outfit.rings),
    "watch": _has_around_wrist("watch"),
    "bangle": _has_around_wrist("bangle"),
    "plaster": lambda look, outfit: outfit.plaster is not None and not outfit.plaster.gauze,
    "bandage": lambda look, outfit: outfit.plaster is not None and outfit.plaster.gauze,
    "knitted glove": _has_glove("knit"),
    "fingerless glove": _has_glove("knit", fingerless=True),
    "latex glove": _has_glove("latex"),
    "leather glove": _has_glove("leather"),
    "striped sleeve": _has_sleeve("striped"),
    "checked sleeve": _has_sleeve("checked"),
}


def poses() -> Image.Image:
    """Every named shape, and a hand on its way from pose to pose."""
    world = World(seed=SEED)
    person = min(map(world.person, range(24)), key=lambda p: abs(p.look.tone - PLAIN))
    rows, left = [], []
    for name, table in {
        "letters,\ndigits,\ngestures": hand_shapes.LETTERS | hand_shapes.DIGITS | hand_shapes.GESTURES,
        "fists and\npinches": hand_shapes.FISTS | hand_shapes.PINCHES,
        "grasps\nin the air": hand_shapes.GRASPS,
    }.items():
        found = in_rows([Cell(_bent(person, studio.posed(person, shape)), k) for k, shape in table.items()], 12)
        rows += found
        left += [name, *[""] * (len(found) - 1)]
    axes, shape = given(open_hand().axes, "anatomical axes"), torch.from_numpy(person.shape)
    for clip in range(2):
        path = pose_path(SEED, clip, 67, axes, shape)
        rows.append([Cell(_bent(person, path[k]), f"{k / RATE:.1f} s") for k in range(0, 67, 6)])
        left.append("motion" if clip == 0 else "")
    return sheet(rows, left=left, width=58)


def _bent(person: Person, R_parent_joint: Float[Tensor, "15 3 3"]) -> Picture:
    """Seen from the palm's side, a little from the little finger's."""
    meshes = studio.skin_mesh(person, R_parent_joint)
    hand = meshes[0].verts[: hand_verts()]
    middle = (hand.min(0) + hand.max(0)) / 2 - [0.008, 0, 0]
    R = studio.turned(studio.PALM, across=-18, up=-14)
    return studio.portrait(meshes, R, (SMALL + 8, SMALL), middle=middle, side=0.215)


def things() -> Image.Image:
    """Everything of the catalogue, alone and held in two ways by somebody else each time."""
    bands = [catalogue()[:13], catalogue()[13:]]
    rows = []
    for first, band in zip((0, 13), bands, strict=True):
        rows.append([Cell(_alone(thing), thing.name) for thing in band])
        for way in (0, 1):
            rows.append([_held(thing, way, first + k) for k, thing in enumerate(band)])
    return sheet(rows)


def _alone(thing: Thing) -> Picture:
    extent = np.ptp(thing.verts, axis=0)
    stands = extent[2] >= extent[:2].max()
    upright = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) if stands else np.diag([1.0, -1, -1])
    R = studio.turned(upright, across=-15 if stands else 0, up=-20 if stands else -40, along=0 if stands else -25)
    mesh = thing.mesh(np.eye(3), np.zeros(3))
    middle = (thing.verts.min(0) + thing.verts.max(0)) / 2
    return studio.portrait([mesh], R, (SMALL, SMALL), middle=middle, side=1.2 * float(np.linalg.norm(extent)))


def _held(thing: Thing, way: int, place: int) -> Cell:
    person = World(seed=SEED).person(2 * place + way)
    hold = thing.holds[way * (len(thing.holds) - 1)]
    grasp = _grasp(person, thing, hold)
    meshes = studio.skin_mesh(person, grasp.R_parent_joint.float())
    held = thing.mesh(grasp.R_hand_object, grasp.t_hand_object)
    where = PRESHAPES[hold.grasp].where
    R = studio.turned(studio.PALM, across=30 if where == "palm" else 55, up=-15)
    middle = 0.6 * np.array([0.08, 0.005, -0.02]) + 0.4 * held.verts.mean(0)
    side = 0.25 + 0.7 * max(0.0, float(np.ptp(thing.verts, axis=0).max()) - 0.13)
    return Cell(studio.portrait([*meshes, held], R, (SMALL + 16, SMALL), middle=middle, side=side), hold.grasp)


def _grasp(person: Person, thing: Thing, hold: Hold) -> Grasp:
    """The first draw that holds."""
    shape = torch.from_numpy(person.shape).double()[None]
    hands = Digits.of(shape.numpy())
    draws = (draw(np.random.default_rng([SEED, number]), thing, hold) for number in count())
    return next(found for one in draws if (found := solved([one], hands, shape)[0]) is not None)


def singles() -> Image.Image:
    """Consecutive pictures of a person in each row."""
    world = World(seed=SEED, singles=10)
    return _rows_of_people(world, range(10), 8)


def light() -> Image.Image:
    """One hand under every mood, drawn several times each."""
    rows = [[Cell(_lit(mood, number)) for number in range(9)] for mood in MOODS]
    return sheet(rows, left=list(MOODS), width=58)


def _lit(mood: str, number: int) -> Picture:
    person = World(seed=SEED).person(3)
    shares = [m.share for m in MOODS.values()]
    seeds = (s for s in count() if list(MOODS)[np.random.default_rng(s).choice(len(MOODS), p=shares)] == mood)
    seed = next(s for k, s in enumerate(seeds) if k == number)
    behind = background(SEED, number * WINDOW * PICTURES_PER_CANVAS, SIZE, np.random.default_rng(number))
    light = draw_light(np.random.default_rng(seed), studio.SUBJECT, behind)
    return studio.portrait(
        studio.skin_mesh(person, studio.posed(person, hand_shapes.GRASPS["large ball"])),
        studio.turned(studio.PALM if number % 2 else studio.BACK, across=25, up=-15, along=15),
        (SIZE, SIZE),
        middle=np.array([0.06, 0.01, 0]),
        side=0.25,
        light=dimmed(*light, metered(skin_colour(person.look.tone, person.look.undertone))),
        behind=behind,
    )


def devices() -> Image.Image:
    """The first pictures that each kind of camera took, of every second, and the first fisheye ones."""
    world = World(seed=SEED, singles=5)
    generator = Generator(world, SIZE)
    found: dict[str, list[int]] = {kind: [] for kind in (*KINDS, "kept fisheye")}
    for index in count(step=2):
        device = shot(world, index, SIZE).device
        for kind in (device.kind, *(["kept fisheye"] if device.lens else [])):
            found[kind].append(index)
        if all(len(indices) >= 9 for indices in found.values()):
            break
    rows = [[Cell(pixels(generator[index].image)) for index in indices[:9]] for indices in found.values()]
    return sheet(rows, left=[kind.replace(" ", "\n").replace("-", "-\n") for kind in found], width=58)


def behind() -> Image.Image:
    """Canvases by consecutive numbers, and what pictures show of them."""
    whole = [np.asarray(canvas(SEED, number)[0].resize((SIZE, SIZE), Image.Resampling.BOX)) for number in range(27)]
    pieces = [
        scene.developed(background(SEED, number * WINDOW * PICTURES_PER_CANVAS, SIZE, np.random.default_rng(number)))
        for number in range(27)
    ]
    rows = [*in_rows([Cell(x) for x in whole], 9), *in_rows([Cell(x) for x in pieces], 9)]
    return sheet(rows, left=["canvases", "", "", "seen of\nthem", "", ""], width=58)


def clips() -> Image.Image:
    """Every tenth frame of clips."""
    return _rows_of_people(World(seed=SEED, singles=0, clip=100), range(5, 100, 10), 7)


def rigs() -> Image.Image:
    """What eight cameras see of an instant."""
    return _rows_of_people(World(seed=SEED, singles=0, rig=8), range(8), 6)


def _rows_of_people(world: World, chosen: range, rows: int) -> Image.Image:
    """Chosen pictures of some people, one in each row."""
    generator, people = Generator(world, SIZE), [row * APART for row in range(rows)]
    cells = [[Cell(pixels(generator[p * world.per_person + k].image)) for k in chosen] for p in people]
    return sheet(cells, left=[f"person\n{p}" for p in people], width=46)


def frames() -> Image.Image:
    """Consecutive whole frames with the boxes of their hands: right ones red, left ones green."""
    generator = FrameGenerator(World(seed=SEED, singles=16), size=FRAME)
    return sheet([[Cell(_boxed(generator[6 * row + column])) for column in range(6)] for row in range(4)])


def _boxed(frame: HandFrame) -> Picture:
    image = to_image(frame.image)
    draw, (centres, sides) = ImageDraw.Draw(image), frame.boxes
    for k in frame.present.nonzero()[:, 0].tolist():
        (x, y), half = centres[k].tolist(), float(sides[k]) / 2
        draw.rectangle((x - half, y - half, x + half, y + half), outline="red" if frame.is_right[k] else "lime")
    return np.asarray(image)


SHEETS = {
    draw_sheet.__name__: draw_sheet
    for draw_sheet in (people, worn, poses, things, singles, light, devices, behind, clips, rigs, frames)
}
