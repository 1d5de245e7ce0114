"""A person's hand from above, life-sized, with its lengths and their intervals: an SVG drawing."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import torch
from jaxtyping import Float
from torch import Tensor

from ownhand.geometry.meshes import vertex_normals
from ownhand.hand.identity import Identity, measurements_mm
from ownhand.hand.model import HandModel
from ownhand.hand.skeleton import FINGERS, INDEX_MCP, LITTLE_MCP, MIDDLE_TIP, TIPS_21

Point = tuple[float, float]

SURE = 1.96
"""Standard deviations on either side of an interval that holds 95 of 100 hands."""

MARGIN_MM = (36.0, 30.0, 20.0, 24.0)
"""White around the hand: left, top, right, bottom."""

_STYLE = (
    "text{font:4.2px system-ui,sans-serif;fill:#222;paint-order:stroke;"
    "stroke:#fff;stroke-width:1.6;stroke-opacity:.9;stroke-linejoin:round}"
    ".dim{fill:#666}.big{font-size:5.6px;font-weight:600}"
    ".line{stroke:#1d5fa8;stroke-width:.5;fill:none}.value{fill:#1d5fa8}.bone{stroke:#fff;stroke-width:.5;opacity:.7}"
)


def draw_hand(identity: Identity, model: HandModel, *, title: str = "") -> str:
    """The rest hand of one person as an SVG of its size: seen on the back of a right hand, fingers up.

    Lengths are those of `measurements_mm`: wrist to middle fingertip, index to little knuckle, and each finger's bones,
    with the interval that holds the truth in 95 of 100 cases where error bars are known.

    Args:
        identity: Of one person.
        model: Its hand model.
        title: A line above.

    Raises:
        ValueError: The identity belongs to another model.
    """
    identity.check_model(model)
    hand = model.shaped(identity.shape.to(model.template))
    joints, place = _from_above(hand.joints, hand.joints), _from_above(hand.verts, hand.joints)
    low, high = place[:, :2].amin(0), place[:, :2].amax(0)
    left, top, right, bottom = MARGIN_MM
    corner = torch.stack([low[0] - left, -high[1] - top])

    def at(p: Float[Tensor, "3"]) -> Point:
        return float(p[0] - corner[0]), float(-p[1] - corner[1])

    wide, tall = float(high[0] - low[0]) + left + right, float(high[1] - low[1]) + top + bottom
    known = measurements_mm(identity, model)
    drawing = [*_skin(place, model, at)]
    for finger, tip in zip(FINGERS, TIPS_21, strict=True):
        chain = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(joints[j]) for j in range(tip - 3, tip + 1)))
        drawing.append(f'<polyline class="bone" fill="none" points="{chain}"/>')
        (x, _), (along_x, along_y) = at(joints[tip]), at(joints[tip] + _unit(joints[tip] - joints[tip - 1]) * 5)
        anchor = "end" if along_x < x - 3 else "middle"
        drawing.append(_label((along_x, along_y - 4), (finger, *_words(*known[finger])), anchor))
    wrist, tip = at(joints[0]), at(joints[MIDDLE_TIP])
    side, middle = float(low[0] - corner[0]) - 22, (wrist[1] + tip[1]) / 2
    drawing[:0] = _dimension((side, wrist[1]), (side, tip[1]), (wrist, tip))
    words, turned = " ".join(_words(*known["length"])), f"translate({side - 2.5:.1f} {middle:.1f}) rotate(-90)"
    drawing.append(
        f'<text text-anchor="middle" transform="{turned}"><tspan class="dim">'
        f'length</tspan> <tspan class="value">{words}</tspan></text>'
    )
    index, little = at(joints[INDEX_MCP]), at(joints[LITTLE_MCP])
    drawing += _dimension(index, little, ())
    drawing.append(
        _label(
            ((index[0] + little[0]) / 2, max(index[1], little[1]) + 9), ("width", *_words(*known["width"])), "middle"
        )
    )
    foot = tall - 8
    drawing.append(f'<path class="line" d="M8 {foot - 1:.1f}v2m0 -1h50m0 -1v2"/>')
    brackets = "" if identity.covariance is None else "; in brackets, where it lies in 95 of 100 cases"
    drawing.append(f'<text class="dim" x="61" y="{foot + 1.4:.1f}">50 mm{brackets}</text>')
    if title:
        drawing.append(f'<text class="big" x="8" y="10">{escape(title)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.1f} {tall:.1f}" width="{wide:.1f}mm" '
        f'height="{tall:.1f}mm" role="img" aria-label="a hand with its lengths"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(drawing)}</svg>\n'
    )


def _from_above(points: Float[Tensor, "n 3"], joints: Float[Tensor, "21 3"]) -> Float[Tensor, "n 3"]:
    """Millimetres to the right, upwards (wrist to middle knuckle) and out of the back of a right hand."""
    up = _unit(joints[MIDDLE_TIP - 3] - joints[0])
    to_thumb = joints[INDEX_MCP] - joints[LITTLE_MCP]
    right = -_unit(to_thumb - (to_thumb @ up) * up)
    return (points - joints[0]) @ torch.stack([right, up, torch.linalg.cross(right, up)], -1) * 1000


def _skin(place: Float[Tensor, "verts 3"], model: HandModel, at: Callable[[Tensor], Point]) -> list[str]:
    """The side of the skin that one sees, back to front, lit from the upper left."""
    normals = vertex_normals(place, model.faces)[model.faces].mean(1)
    light = _unit(place.new_tensor([-0.4, 0.5, 0.8]))
    seen = (normals[:, 2] > 0).nonzero().flatten()
    seen = seen[place[model.faces[seen], 2].mean(-1).argsort()]
    parts = []
    for face in seen.tolist():
        bright = 0.62 + 0.38 * max(0.0, float(_unit(normals[face]) @ light))
        colour = "".join(f"{round(channel * bright):02x}" for channel in (232, 190, 166))
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(place[vertex]) for vertex in model.faces[face].tolist()))
        parts.append(f'<polygon points="{corners}" fill="#{colour}" stroke="#{colour}" stroke-width=".3"/>')
    return parts


def _dimension(start: Point, end: Point, ends: tuple[Point, ...]) -> list[str]:
    """A line with dots at its ends, and thin lines from there to what it measures."""
    parts = [f'<path class="line" d="M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"/>']
    for (x, y), to in zip((start, end), ends or (start, end), strict=True):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r=".9" fill="#1d5fa8"/>')
        parts.append(f'<path class="line" style="opacity:.4" d="M{x:.1f} {y:.1f}L{to[0]:.1f} {to[1]:.1f}"/>')
    return parts


def _words(value: float, error: float | None) -> tuple[str, ...]:
    if error is None:
        return (f"{value:.0f} mm",)
    return f"{value:.0f} mm", f"({value - SURE * error:.0f} to {value + SURE * error:.0f})"


def _label(at: Point, lines: tuple[str, ...], anchor: str) -> str:
    """Lines of text of which the last is at a place: what, how long, and how sure."""
    first = at[1] - 5 * (len(lines) - 1)
    kinds = ("dim", "value", "dim")
    return "".join(
        f'<text class="{kind}" x="{at[0]:.1f}" y="{first + 5 * i:.1f}" text-anchor="{anchor}">{escape(line)}</text>'
        for i, (kind, line) in enumerate(zip(kinds, lines, strict=False))
    )


def _unit(v: Tensor) -> Tensor:
    return v / v.norm(dim=-1, keepdim=True)
