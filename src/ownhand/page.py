"""Small pieces of a self-contained HTML page: pictures inside, charts as SVG, no script, readable in light and dark."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from ownhand.data.photos import to_image

PIECES = """
.dim { color: var(--dim); }
.ours { color: var(--ours); } .base { color: var(--base); } .truth { color: var(--truth); }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--dim); margin-top: 4px; }
img { display: block; width: 100%; height: auto; border-radius: 6px; }
.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(88px, 1fr)); gap: 8px; }
.thumbs .bar { height: 4px; margin-top: 4px; border-radius: 2px; background: var(--line); }
.thumbs .bar i { display: block; height: 4px; border-radius: 2px; background: var(--ours); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin: 1.2em 0; }
.card { background: var(--soft); border-radius: 10px; padding: 14px 16px; }
.card b { font-size: 1.6rem; display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 14px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { color: var(--dim); font-weight: 600; }
code { background: var(--soft); padding: 1px 5px; border-radius: 4px; font-size: .9em; }
svg text { font: 12px system-ui, sans-serif; fill: var(--dim); }
"""
"""What the pieces below look like, in the colours --ink, --dim, --line, --paper, --soft, --ours, --base and --truth."""

STYLE = (
    """
:root { color-scheme: light dark; --ink: #1c2126; --dim: #5d6772; --line: #d9dee3; --paper: #ffffff; --soft: #f4f6f8;
  --ours: #1f7a5a; --base: #b8561b; --truth: #3b5fae; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebee; --dim: #9aa6b1; --line: #333b43; --paper: #14181c;
  --soft: #1c2227; --ours: #58c79b; --base: #ee9557; --truth: #8fb0f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1080px; padding: 40px 20px 80px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .4em; } h2 { font-size: 1.3rem; margin: 2.4em 0 .4em; }
p { max-width: 72ch; } .lead { font-size: 1.12rem; }
.row { display: grid; grid-template-columns: repeat(5, 1fr); gap: 10px; margin: 0 0 14px; }
.row b { font-variant-numeric: tabular-nums; } .heads { font-weight: 600; margin-bottom: 6px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 24px; align-items: center; }
@media (max-width: 640px) { .row { grid-template-columns: 1fr 1fr; } .heads { display: none; }
  .pair { grid-template-columns: 1fr; } }
"""
    + PIECES
)

BASE, OURS = (0.93, 0.62, 0.38), (0.40, 0.78, 0.62)
"""Linear RGB of meshes that go with the classes `base` and `ours`."""


def page(title: str, *sections: str) -> str:
    """A whole page."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def picture(image: Float[Tensor, "3 h w"], alt: str, caption: str = "", quality: int = 88) -> str:
    """A picture stored inside the page; `caption` may hold markup."""
    buffer = io.BytesIO()
    to_image(image).save(buffer, "JPEG", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode()
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    source = f'src="data:image/jpeg;base64,{data}" width="{image.shape[-1]}" height="{image.shape[-2]}"'
    return f'<figure><img {source} alt="{html.escape(alt)}">{below}</figure>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose cells may hold markup; the first column is text, the others are numbers."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def strip_chart(
    series: Sequence[tuple[str, str, Sequence[float]]],
    unit: str,
    title: str,
    *,
    truth: float | None = None,
    digits: int = 0,
    width: int = 560,
) -> str:
    """One line of dots per series over a common axis, with the true value as a vertical line if it is known.

    Args:
        series: Name, colour class (`base`, `ours`) and values of each.
        unit: Unit of the axis.
        title: What the chart shows, for those who do not see it.
        truth: The true value.
        digits: Decimals on the axis.
        width: Of the axis [px].
    """
    known = [] if truth is None else [truth]
    values = [v for _, _, vs in series for v in vs] + known
    low, high = min(values), max(values)
    pad = max((high - low) * 0.08, 1e-6)
    low, high = low - pad, high + pad
    left, step = 8, 48
    height = step * len(series) + 36

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * width

    parts, below = [], height - 10
    for true in (f"{x(value):.1f}" for value in known):
        parts += [
            f'<line x1="{true}" x2="{true}" y1="6" y2="{height - 26}" stroke="var(--truth)" stroke-width="2"/>',
            f'<text x="{true}" y="{below}" text-anchor="middle">true {truth:.{digits}f} {unit}</text>',
        ]
    for place, (name, colour, vs) in enumerate(series):
        y = 34 + place * step
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y}" y2="{y}" stroke="var(--line)"/>')
        parts.append(f'<text x="{left}" y="{y - 14}">{html.escape(name)}</text>')
        for value in vs:
            dot = f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="var(--{colour})" fill-opacity=".55">'
            parts.append(f"{dot}<title>{value:.1f} {unit}</title></circle>")
    for value in (low + pad, high - pad):
        if all(abs(x(value) - x(other)) > 60 for other in known):
            unit_too = "" if known else f" {unit}"
            text = f"{value:.{digits}f}{unit_too}"
            parts.append(f'<text x="{x(value):.1f}" y="{below}" text-anchor="middle">{text}</text>')
    label, wide = html.escape(title), left + width + 20
    svg = f'<svg viewBox="0 0 {wide} {height}" width="{wide}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return f'<figure class="scroll">{svg}<figcaption>{label}</figcaption></figure>'
