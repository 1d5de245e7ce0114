"""Figures: curves as SVG, and the paper's qualitative comparison as a sheet of pictures."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import ImageDraw
from torch import Tensor

from ownhand import metrics
from ownhand.data.augment import Augmentation
from ownhand.data.batches import in_order
from ownhand.data.photos import to_image, to_tensor
from ownhand.estimators.metro import Metro
from ownhand.experiments.parting import Protocol, parted, pool
from ownhand.experiments.rows import calibrations, reconstructed, row_shapes
from ownhand.experiments.table import Table
from ownhand.geometry.camera import Camera
from ownhand.geometry.crops import Crop
from ownhand.hand.skeleton import JOINTS
from ownhand.metrics import Interval
from ownhand.observations import LabelledPictures, Observations
from ownhand.pipeline import Pipeline
from ownhand.render.overlay import contact_sheet, draw_mesh
from ownhand.structs import given

_COLOURS = (
    "#1f7a5a", "#b8561b", "#3b5fae", "#8e44ad", "#c0392b", "#7f8c8d", "#d4a017", "#16a085", "#2c3e50", "#e0559a",
)  # fmt: skip


def curve_chart(table: Table, unit: str = "mm") -> str:
    """A table of intervals by number of pictures as lines with bands, over a logarithmic axis.

    Args:
        table: Its first column has the numbers of pictures; cells without an interval are left out.
        unit: Of the values.
    """
    cells = [cell for row in table.rows for cell in row[1:] if isinstance(cell, Interval)]
    counts = [float(row[0]) for row in table.rows]  # pyright: ignore
    low, high = min(c.low for c in cells), max(c.high for c in cells)
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    left, top, width, height = 52, 34, 560, 320

    def x(count: float) -> float:
        return left + width * (np.log(count / counts[0]) / max(np.log(counts[-1] / counts[0]), 1e-9))

    def y(value: float) -> float:
        return top + height * (high - value) / (high - low)

    parts = []
    for value in np.linspace(low, high, 6):
        parts.append(
            f'<line x1="{left}" x2="{left + width}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#d9dee3"/>'
        )
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    for count in counts:
        parts.append(f'<text x="{x(count):.1f}" y="{top + height + 18}" text-anchor="middle">{count:.0f}</text>')
    for number, name in enumerate(table.columns[1:]):
        colour = _COLOURS[number % len(_COLOURS)]
        here = [(float(row[0]), row[1 + number]) for row in table.rows]  # pyright: ignore
        line = [(count, cell) for count, cell in here if isinstance(cell, Interval)]
        band = [(x(c), y(v.high)) for c, v in line] + [(x(c), y(v.low)) for c, v in reversed(line)]
        parts.append(f'<polygon points="{_points(band)}" fill="{colour}" fill-opacity=".06"/>')
        middle = _points([(x(c), y(v.mean)) for c, v in line])
        dash = ' stroke-dasharray="7 4"' if number % 2 else ""  # lines that coincide can both be seen
        parts.append(f'<polyline points="{middle}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        at = top + 8 + 20 * number
        parts.append(f'<rect x="{left + width + 16}" y="{at - 4}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + width + 36}" y="{at + 2}">{html.escape(name)}</text>')
    wide, tall, label = left + width + 230, top + height + 44, html.escape(table.title)
    parts.append(f'<text x="{left + width / 2}" y="{tall - 6}" text-anchor="middle">pictures</text>')
    parts.append(f'<text x="{left}" y="18">{label}, {unit}</text>')
    style = "<style>text { font: 12px system-ui, sans-serif; fill: #5d6772; }</style>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" role="img" '
        f'aria-label="{label}">{style}<rect width="{wide}" height="{tall}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _points(line: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in line)


def comparison(
    pipeline: Pipeline,
    pictures: LabelledPictures,
    rows: Sequence[int],
    observations: Observations,
    *,
    calibration: int,
    protocol: Protocol,
    people: int = 6,
    size: int = 192,
) -> Float[Tensor, "3 height width"]:
    """The paper's qualitative figure: picture, baseline, calibrated hand and truth, then the same from the side.

    Of each person the test picture is shown in which the calibrated hand has its median error: nothing is picked.

    Args:
        pipeline: Networks and settings.
        pictures: Labelled pictures.
        rows: The pictures' rows that the observations are of.
        observations: What the networks say of them.
        calibration: How many pictures each person is calibrated from.
        protocol: How they are chosen.
        people: How many people, evenly taken.
        size: Side of each cell [px].
    """
    everybody = list(observations.people())
    cells, captions = [], []
    for subject, seen in [
        everybody[i] for i in np.linspace(0, len(everybody) - 1, min(people, len(everybody))).astype(int)
    ]:
        there = pool(seen, "anywhere")
        person = seen[there]
        known, testing = parted(person, calibration, protocol, subject)
        test, found = person[testing], calibrations(pipeline, person[known], subject)[False]
        true = pipeline.hand.shaped(test.shape).posed(test.pose)
        hands, errors = {}, {}
        for row in ("baseline", "calibrated"):
            shape = row_shapes(pipeline, row, test, found.identity.shape, test.shape[0], None)
            hands[row] = reconstructed(pipeline, row, test, shape, refine=True)
            errors[row] = metrics.mpjpe_mm(hands[row].joints, true.joints)
        hands["truth"] = true
        shown = int(errors["calibrated"].argsort()[len(test) // 2])
        of_person = (observations.subject == subject).nonzero()[:, 0]
        sample = pictures.load([rows[int(of_person[testing[shown]])]])
        larger = Crop.square(
            torch.tensor(sample.camera.size).flip(0) / 2, torch.tensor(float(max(sample.camera.size))), size
        )
        image, camera = larger.image(sample.image[0]), larger.camera(sample.camera[0])
        faces, meshes = pipeline.hand.faces, {name: hand.verts[shown] for name, hand in hands.items()}
        cells += [image, *(draw_mesh(image, verts, faces, camera) for verts in meshes.values())]
        white = torch.ones_like(image)
        cells += [draw_mesh(white, _turned(verts, camera), faces, camera) for verts in meshes.values()]
        numbers = [f"{name} {errors[name][shown]:.0f} mm" for name in ("baseline", "calibrated")]
        captions += [f"person {subject}", *numbers, "truth", "", "", ""]
    return contact_sheet(cells, columns=7, captions=captions)


ATTENDING = ("wrist", "thumb_tip", "index_tip", "middle_tip", "little_tip")
"""Joints whose attention is drawn."""

FULL = 8
"""Attention that is drawn at full strength, in even shares: a network that knows nothing stays faint."""


@torch.no_grad()
def attention_sheet(
    metro: Metro,
    view: Augmentation,
    pictures: LabelledPictures,
    rows: Sequence[int],
    shapes: Float[Tensor, "rows shapes"] | None = None,
    *,
    size: int = 192,
) -> Float[Tensor, "3 height width"]:
    """What joints attend to in METRO's last layer: lines to joints and coarse vertices, where these truly are.

    Args:
        metro: The trained system.
        view: How its pictures are cropped.
        pictures: Labelled pictures.
        rows: Which of them.
        shapes: Of the people, if the system is given them.
        size: Side of each cell [px].
    """
    (sample,) = in_order(pictures.only(()), batch=len(rows), view=view, rows=rows)
    pose, shape = given(sample.pose, "pictures with known poses"), given(sample.shape, "pictures with known shapes")
    true = metro.hand().shaped(shape).posed(pose)
    tokens = torch.cat([true.joints, true.verts[:, metro.coarse]], 1)
    points = sample.camera.project(tokens) * (size / sample.camera.size[1])
    cells = list(F.interpolate(sample.image, size=(size, size), mode="bilinear").clamp(0, 1))
    columns = []
    for name in ATTENDING:
        joint = JOINTS.index(name)
        shares = metro.attention(sample.image, joint, shapes)
        columns.append([_attention(cells[k], points[k], joint, shares[k]) for k in range(len(rows))])
    sheet = [cell for k in range(len(rows)) for cell in (cells[k], *(column[k] for column in columns))]
    titles = ["", *(name.replace("_", " ") for name in ATTENDING)] + [""] * (len(sheet) - len(ATTENDING) - 1)
    return contact_sheet(sheet, columns=1 + len(ATTENDING), captions=titles)


def _attention(
    picture: Float[Tensor, "3 h w"], points: Float[Tensor, "tokens 2"], joint: int, shares: Float[Tensor, "tokens"]
) -> Float[Tensor, "3 h w"]:
    """Lines from one joint to the 30 tokens that it attends to most, full where that is `FULL` times the even share."""
    canvas = to_image(0.45 * picture + 0.1)
    draw = ImageDraw.Draw(canvas, "RGBA")
    start = tuple(points[joint].tolist())
    strength = (shares * len(shares) / FULL).clamp_max(1)
    for token in shares.argsort()[-30:].tolist():
        end, power = tuple(points[token].tolist()), float(strength[token])
        draw.line([start, end], fill=(255, 190, 60, int(20 + 235 * power)), width=1 + round(2 * power))
        r = 1.5 + 2.5 * power
        colour = (120, 200, 255, 255) if token < 21 else (255, 255, 255, 230)
        draw.ellipse([end[0] - r, end[1] - r, end[0] + r, end[1] + r], fill=colour)
    draw.ellipse([start[0] - 4, start[1] - 4, start[0] + 4, start[1] + 4], outline=(255, 60, 60, 255), width=2)
    return to_tensor(canvas)


def _turned(verts: Float[Tensor, "verts 3"], camera: Camera) -> Float[Tensor, "verts 3"]:
    """The mesh seen from its right, in the middle of the picture."""
    middle = verts.mean(0)
    turn = verts.new_tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    centre = camera.crop_frame()[..., 2] * middle.norm()
    return (verts - middle) @ turn.mT + centre
