"""What the web page shows of a session, as HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import torch

from ownhand.about import ONE_PERSON
from ownhand.app.given import PICTURES, Given, Refused
from ownhand.app.session import FoundHand, InPicture
from ownhand.commands import size_is_open
from ownhand.hand.skeleton import FINGERS
from ownhand.page import picture, strip_chart, table
from ownhand.render.colour import heat, srgb_from_linear

COMPARED = 4
"""Pictures that are shown before and after identity."""

FINGER = FINGERS.index("middle")
"""The finger whose guessed lengths are shown."""

WITHIN_95 = 1.96
"""Standard deviations around the value within which 95 of 100 lie."""

NAMES = {"length": "hand length", "width": "width at the knuckles", "thumb": "thumb, from the wrist"} | {
    finger: f"{finger} finger" for finger in FINGERS[1:]
}


def given(pictures: Sequence[Given], refused: Sequence[Refused]) -> str:
    """Pictures that are there, and what was not taken."""
    if not pictures and not refused:
        return ""
    thumbs = "".join(picture(one.small, one.name, quality=80) for one in pictures)
    count = f'<p class="dim">{_counted(len(pictures), "picture")} of at most {PICTURES}</p>'
    return f'{count}<div class="thumbs">{thumbs}</div>{_refusals(refused)}'


def headline(found: FoundHand) -> str:
    """What was found, in a sentence or two."""
    side = "right" if found.is_right else "left"
    text = f"Your {side} hand, from {_counted(len(found.used), 'picture')}" if found.used else "The hand in your file"
    if found.std_mm is None:
        more = "The file does not say how sure it is."
    elif size_is_open(found.lengths):
        more = "Pictures hardly show how large a hand is. Measure its length, and find it again: that settles it."
    else:
        more = ""
    warning = alert(f"{ONE_PERSON} {', '.join(found.strangers)}") if found.strangers else ""
    return f"<h2>{text}</h2>" + (f'<p class="dim">{more}</p>' if more else "") + warning


def measurements(found: FoundHand) -> str:
    """Lengths, and within which bounds they lie."""
    rows = []
    for name, (value, std) in found.lengths.items():
        row = [html.escape(NAMES[name]), f"<b>{value:.1f}</b>"]
        if std is not None:
            row += [f"± {std:.1f}", f"{value - WITHIN_95 * std:.1f} to {value + WITHIN_95 * std:.1f}"]
        rows.append(row)
    heads = ["", "mm"] + ([] if found.std_mm is None else ["sd", "95 % interval"])
    return table(heads, rows)


def heat_scale(found: FoundHand) -> str:
    """What the colours of the shown hand mean."""
    if found.std_mm is None:
        return ""
    top, steps = float(found.std_mm.max()), np.linspace(0, 1, 9)
    colours = ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*(255 * c)) for c in srgb_from_linear(heat(steps)))
    ticks = "".join(f"<span>{share * top:.1f}</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    middle = float(found.std_mm.median())
    return f"""<div class="scale" role="img" aria-label="From dark, 0 mm, to bright, {top:.1f} mm">
<div style="background: linear-gradient(to right, {colours})"></div><p>{ticks}</p></div>
<p class="dim">How uncertain the surface is, in mm (one standard deviation, seen from the wrist): half of it
within {middle:.1f} mm, all within {top:.1f} mm. Drag to turn, scroll or pinch to come nearer.</p>"""


def in_pictures(found: FoundHand) -> str:
    """The found hand in all pictures, and pictures that were of no use."""
    if not found.used:
        return ""
    marked = {name: "disagrees with the others" for name in found.disagreeing}
    marked |= {name: "somebody else's hand?" for name in found.strangers}
    shown = "".join(_figure(one.known, one.name, marked.get(one.name, "")) for one in found.used)
    return f'<h3>In your pictures</h3><div class="thumbs large">{shown}</div>{_refusals(found.refused)}'


def before_and_after(found: FoundHand) -> str:
    """What it is good for to know whose hand it is."""
    if found.fingers_mm is None:
        return ""
    lengths, own = found.fingers_mm[:, FINGER], found.lengths[FINGERS[FINGER]][0]
    farthest = (lengths - own).abs().argsort(descending=True)[:COMPARED].tolist()
    spread = float(lengths.std()) if len(lengths) > 1 else 0.0
    chart = strip_chart(
        [
            (f"guessed in each picture: ± {spread:.1f} mm", "base", lengths.tolist()),
            ("your hand: the same in all", "ours", [own]),
        ],
        "mm", "Length of the middle finger, one dot per picture", width=300,
    )  # fmt: skip
    return f"""<h3>Before and after identity</h3>
<p>A system that does not know whose hand it sees guesses its shape in every picture anew.</p>{chart}
{compared([found.used[k] for k in farthest])}"""


def compared(shown: Sequence[InPicture]) -> str:
    """Each picture, with the shape guessed and with the shape known."""
    heads = '<div>picture</div><div class="base">guessed shape</div><div class="ours">your hand</div>'
    rows = [f'<div class="three heads">{heads}</div>']
    for one in shown:
        cells = (one.picture, one.name), (one.guessed, f"{one.name}, guessed shape"), (one.known, f"{one.name}, yours")
        rows.append(f'<div class="three">{"".join(picture(image, alt) for image, alt in cells)}</div>')
    return "".join(rows)


def further(shown: Sequence[InPicture], refused: Sequence[Refused]) -> str:
    """Pictures that were reconstructed with the hand."""
    return (compared(shown) if shown else "") + _refusals(refused)


def alert(text: str) -> str:
    """Something that went wrong."""
    return f'<p class="alert" role="alert">{html.escape(text)}</p>'


def _refusals(refused: Sequence[Refused]) -> str:
    if not refused:
        return ""
    rows = "".join(
        f"<li>{'' if one.picture is None else picture(one.picture, one.name, quality=80)}"
        f"<span><b>{html.escape(one.name)}</b>: {html.escape(one.reason)}</span></li>"
        for one in refused
    )
    return f'<h4>Not used</h4><ul class="refused">{rows}</ul>'


def _figure(image: torch.Tensor, name: str, note: str) -> str:
    text = f'{html.escape(name)}<br><span class="base">{note}</span>' if note else html.escape(name)
    return picture(image, name, text, quality=82)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
