"""The page that makes a newcomer understand what identity buys, about a person whom the networks have never met."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand import __version__, metrics
from ownhand.calibrate import Anchor, Calibration
from ownhand.data.sample import HandSample
from ownhand.experiments.rows import TAPE_SD_MM, tape_mm
from ownhand.geometry.camera import Camera
from ownhand.hand.hand_file import save_identity
from ownhand.hand.identity import Identity, measurements_mm, vertex_std_mm
from ownhand.hand.measure import length_mm
from ownhand.hand.model import FROM_THE_BACK, PosedHand
from ownhand.page import BASE, OURS, page, picture, strip_chart, table
from ownhand.pipeline import Pipeline, load
from ownhand.render import Ambient, Light, Material, Mesh, Scene, Surface, render
from ownhand.render.colour import heat
from ownhand.render.overlay import draw_mesh
from ownhand.results import Reconstruction
from ownhand.synth.generator import Generator
from ownhand.synth.world import World
from ownhand.views import View

FIRST_SEED = 1_000_000
"""Seeds of strangers start here; training, validation and test people have small ones."""
TRUTH = (0.52, 0.66, 0.93)
COLUMNS = (
    ("guessing the shape", "base", BASE),
    ("with the calibrated hand", "ours", OURS),
    ("and one tape measure", "ours", (0.36, 0.70, 0.76)),
)
"""What is compared: name, style and colour."""


@dataclass(frozen=True, kw_only=True)
class Met:
    """A new picture of the stranger, reconstructed without and with knowing the hand, in the order of `COLUMNS`."""

    sample: HandSample
    truth: PosedHand
    found: tuple[Reconstruction | None, ...]


def run(
    out: Path, *, seed: int = 7, pictures: int = 20, show: int = 12, size: int = 224, weights: Path | None = None
) -> str:
    """Draw a stranger, calibrate, reconstruct, and write `index.html` and `stranger.hand`.

    Args:
        out: Folder to write to.
        seed: Which stranger.
        pictures: Pictures to calibrate from.
        show: New pictures to reconstruct.
        size: Side of the pictures [px].
        weights: See `load`.

    Returns:
        What was found, in a few lines.
    """
    started = time.time()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{out}: cannot write there ({error.strerror})") from None
    pipeline = load(weights)
    generator = Generator(World(seed=FIRST_SEED + seed, singles=pictures + show), size=size)
    samples = [generator[i] for i in range(pictures + show)]
    views = [View(image=s.image, camera=s.camera, name=f"picture {i + 1}") for i, s in enumerate(samples)]
    truth = samples[0].shape
    assert truth is not None
    found = pipeline.calibrate(views[:pictures])
    tape = Anchor(length_mm=tape_mm(pipeline.hand, truth, seed), std_mm=TAPE_SD_MM)
    taped = pipeline.calibrate(views[:pictures], anchor=tape)
    met = _meet(pipeline, samples[pictures:], views[pictures:], [None, found.identity, taped.identity])
    save_identity(found.identity, out / "stranger.hand", provenance={"software": f"ownhand {__version__}"})
    content = page(
        "ownhand: a stranger's hand from 20 pictures",
        _opening(seed, pictures, met),
        _calibration(samples[:pictures], found),
        _hand(pipeline, truth, found, taped, tape),
        _new_pictures(pipeline, met),
        _size(pipeline, met, found, float(length_mm(pipeline.hand, truth))),
        _closing(pipeline, seed, pictures, show, time.time() - started),
    )
    beside = out / "index.html.part"
    beside.write_text(content, encoding="utf-8")
    beside.replace(out / "index.html")
    return "\n".join([*_summary(met), f"{out / 'index.html'} ({time.time() - started:.0f} s)"])


def _meet(
    pipeline: Pipeline, samples: list[HandSample], views: list[View], identities: list[Identity | None]
) -> list[Met]:
    columns = [pipeline.reconstruct(views, who, refine=True) for who in identities]
    met = []
    for sample, *found in zip(samples, *columns, strict=True):
        assert sample.pose is not None
        assert sample.shape is not None
        truth = pipeline.hand.shaped(sample.shape).posed(sample.pose)
        met.append(Met(sample=sample, truth=truth, found=tuple(found)))
    return met


def _errors(met: Met, found: Reconstruction | None) -> tuple[float, float] | None:
    """MPJPE and MPVPE [mm]."""
    if found is None:
        return None
    joints = metrics.mpjpe_mm(found.hand.joints, met.truth.joints)
    verts = metrics.mpvpe_mm(found.hand.verts, met.truth.verts, found.hand.joints, met.truth.joints)
    return float(joints), float(verts)


def _means(met: list[Met]) -> list[float]:
    """Mean MPJPE of each column [mm], over pictures in which all saw a hand."""
    rows = [[errors[0] for found in m.found if (errors := _errors(m, found)) is not None] for m in met]
    complete = [row for row in rows if len(row) == len(COLUMNS)]
    return [sum(column) / len(complete) for column in zip(*complete, strict=True)] or [float("nan")] * len(COLUMNS)


def _summary(met: list[Met]) -> list[str]:
    lines = [f"  {name:<25}{mean:5.1f} mm" for (name, _, _), mean in zip(COLUMNS, _means(met), strict=True)]
    return [f"mean joint error over {len(met)} new pictures of somebody never met before:", *lines]


def _opening(seed: int, pictures: int, met: list[Met]) -> str:
    cards = "".join(
        f'<div class="card"><span class="{css}">{name}</span><b>{mean:.1f} mm</b>mean joint error</div>'
        for (name, css, _), mean in zip(COLUMNS, _means(met), strict=True)
    )
    return f"""
<h1>Whose hand is it?</h1>
<p class="lead">This is stranger number {seed}. The networks have never seen this person, and nobody marked anything
in the pictures. From {pictures} of them ownhand works out the shape of this one hand, and uses it in every picture
after.</p>
<div class="cards">{cards}</div>
<p class="dim">Over {len(met)} new pictures that were not used for calibration. A few pictures of one person are an
anecdote; docs/results.md has forty people.</p>"""


def _calibration(samples: list[HandSample], found: Calibration) -> str:
    evidence = found.identity.evidence
    assert evidence is not None
    weight = {name: float(w) for name, w in zip(evidence.names, evidence.weights, strict=True)}
    top = max(weight.values())
    cells = []
    for i, sample in enumerate(samples):
        name = f"picture {i + 1}"
        share = weight.get(name, 0.0)
        shown = picture(sample.image[:, ::2, ::2], f"{name} for calibration")
        bar = f'<div class="bar" title="weight {share:.3f}"><i style="width:{100 * share / top:.0f}%"></i></div>'
        cells.append(f"<div>{shown}{bar}</div>")
    return f"""
<h2>1. Pictures nobody annotated</h2>
<p>Each picture alone gives a rough idea of the hand. A confidence learnt by ranking says how much each one is worth
(the bars), and a convex problem with a single best answer combines them.</p>
<div class="thumbs">{"".join(cells)}</div>"""


def _hand(pipeline: Pipeline, truth: Tensor, found: Calibration, taped: Calibration, tape: Anchor) -> str:
    real = measurements_mm(Identity(shape=truth, model_id=pipeline.hand.id), pipeline.hand)
    plain, with_tape = (measurements_mm(c.identity, pipeline.hand) for c in (found, taped))
    mean = measurements_mm(Identity(shape=torch.zeros(10), model_id=pipeline.hand.id), pipeline.hand)

    def cell(pair: tuple[float, float | None]) -> str:
        return f"{pair[0]:.1f}" + ("" if pair[1] is None else f" ± {pair[1]:.1f}")

    rows = [
        [
            name,
            f'<span class="truth">{real[name][0]:.1f}</span>',
            cell(plain[name]),
            cell(with_tape[name]),
            cell(mean[name]),
        ]
        for name in real
    ]
    heads = ["mm", "true", "from pictures", "and one tape measure", "average adult"]
    std = vertex_std_mm(taped.identity, pipeline.hand)
    top = float(std.max())
    figure = picture(error_map(pipeline, taped.identity, std), "the calibrated hand, coloured by its error bars")
    return f"""
<h2>2. The hand, with error bars</h2>
<div class="pair"><div>{table(heads, rows)}</div>
<figure>{figure}<figcaption>The calibrated hand. Dark: sure to a fraction of a millimetre; bright: ± {top:.1f} mm
(one standard deviation, seen from the wrist, with the tape measure).</figcaption></figure></div>
<p class="dim">A picture hardly shows absolute size: a large hand far away looks like a small one near by. That is why
the error bars without a measurement are wide. One tape measurement ({tape.length_mm:.0f} mm ± {tape.std_mm:g})
settles it.</p>"""


def _new_pictures(pipeline: Pipeline, met: list[Met]) -> str:
    heads = "".join(f'<div class="{css}">{name}</div>' for name, css, _ in COLUMNS)
    rows = [f'<div class="row heads"><div>picture</div>{heads}<div class="truth">truth</div></div>']
    for number, m in enumerate(met, start=1):
        cells = [picture(m.sample.image, f"new picture {number}")]
        for (name, css, colour), found in zip(COLUMNS, m.found, strict=True):
            errors = _errors(m, found)
            if found is None or errors is None:
                cells.append("<div>no hand recognised</div>")
                continue
            shown = draw_mesh(m.sample.image, found.hand.verts, found.model.faces, m.sample.camera, colour=colour)
            caption = f'<b class="{css}">{errors[0]:.1f}</b> mm joints, <b class="{css}">{errors[1]:.1f}</b> mesh'
            cells.append(picture(shown, f"new picture {number}, {name}", caption))
        shown = draw_mesh(m.sample.image, m.truth.verts, pipeline.hand.faces, m.sample.camera, colour=TRUTH)
        cells.append(picture(shown, f"new picture {number}, truth"))
        rows.append(f'<div class="row">{"".join(cells)}</div>')
    return f"""
<h2>3. New pictures</h2>
<p>All columns see the same picture and are fitted to the same 2D keypoints. Errors are relative to the wrist.</p>
{"".join(rows)}"""


def _size(pipeline: Pipeline, met: list[Met], found: Calibration, truth: float) -> str:
    guessed = [float(length_mm(pipeline.hand, m.found[0].shape)) for m in met if m.found[0] is not None]
    own = float(length_mm(pipeline.hand, found.identity.shape.float()))
    chart = strip_chart(
        [("guessed anew", "base", guessed), ("calibrated once", "ours", [own])],
        "mm", "Length of the reconstructed hand, one dot per picture", truth=truth,
    )  # fmt: skip
    return f"""
<h2>4. One person, one hand</h2>
<p>A system that guesses the shape in every picture gives the same person a different hand each time. The calibrated
one does not change.</p>{chart}"""


def _closing(pipeline: Pipeline, seed: int, pictures: int, show: int, seconds: float) -> str:
    made = "".join(f"<li>{key}: {value}</li>" for key, value in pipeline.settings.made_by.items())
    return f"""
<h2>Again, with somebody else</h2>
<p><code>ownhand demo --seed {seed + 1}</code> draws another stranger. This page came from
<code>ownhand demo --seed {seed} --pictures {pictures} --show {show}</code> in {seconds:.0f} s with ownhand
{__version__}. With your own pictures: <code>ownhand calibrate PICTURES... -o me.hand</code>, then
<code>ownhand reconstruct PICTURES... --hand me.hand --refine</code>.</p>
<p class="dim">The people and pictures are synthetic, so that the truth is known. The weights:</p>
<ul class="dim">{made}</ul>"""


def error_map(
    pipeline: Pipeline, identity: Identity, std_mm: Float[Tensor, "verts"], size: int = 420
) -> Float[Tensor, "3 h w"]:
    """The rest hand seen from its back, coloured from dark (0) to bright (largest standard deviation)."""
    hand = identity.hand(pipeline.hand)
    centre = (hand.verts.amax(0) + hand.verts.amin(0)) / 2
    verts = (hand.verts - centre) @ torch.tensor(FROM_THE_BACK).mT + torch.tensor([0.0, 0.0, 0.8])
    faces = pipeline.hand.faces
    surface = Surface(faces=faces.numpy(), labels=torch.arange(len(faces)).numpy())
    scene = Scene(
        meshes=(Mesh(verts=verts.numpy(), surface=surface, material=Material(wrap=(0.3, 0.3, 0.3))),),
        lights=(Light(position=(-0.5, -0.6, -0.2), radius=0.2, colour=(0.8, 0.8, 0.8)),),
        ambient=Ambient.gradient(sky=(0.45, 0.45, 0.45), ground=(0.3, 0.3, 0.3)),
    )
    drawn = render(scene, Camera.from_fov(17.0, (size, size)), samples=3)
    share = (std_mm.float() / std_mm.max())[faces].mean(-1)
    shown = torch.from_numpy(drawn.label.astype("int64"))
    share_shown = torch.where(shown >= 0, share[shown.clamp_min(0)], 0)
    colour = torch.from_numpy(heat(share_shown.numpy()))
    rgb, alpha = torch.from_numpy(drawn.rgb), torch.from_numpy(drawn.alpha)[..., None]
    shaded = colour * rgb.mean(-1, keepdim=True) * 1.3 + (1 - alpha) * 0.9
    return shaded.clamp(0, 1).pow(1 / 2.2).permute(2, 0, 1)
