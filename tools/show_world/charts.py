"""Small charts as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import Float, Int

Array = np.ndarray

BLUE, PALE, INK, FAINT = "#3a6ea5", "#9db8d2", "#28282c", "#6e6e74"
TYPE, TITLE = 10, 12  # px


class Page:
    """Charts on white paper; places are left, top, width and height of a chart's plain [px]."""

    def __init__(self, width: int, height: int) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="{TYPE}" fill="{INK}">'
        )
        self._parts = [f'<rect width="{width}" height="{height}" fill="white"/>']

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "middle", size: int = TYPE, fill: str = INK
    ) -> None:
        """A line of text on the baseline y."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._parts.append(f'<text {place} font-size="{size}" fill="{fill}">{escape(words)}</text>')

    def bars(
        self, place: Sequence[float], title: str, counts: Int[Array, "n"], ticks: Sequence[tuple[float, str]]
    ) -> None:
        """Upright bars side by side.

        Args:
            place: Of the chart.
            title: Above it.
            counts: One per bar.
            ticks: Places below, as shares of the width, and what they say.
        """
        x, y, width, height = place
        step, top = width / len(counts), max(int(counts.max()), 1)
        self.text(x, y - 7, title, anchor="start", size=TITLE)
        for k, count in enumerate(counts.tolist()):
            tall = height * count / top
            self._box(x + k * step, y + height - tall, step - min(1, step / 4), tall, BLUE)
        self._axis(x, y + height, width)
        for share, words in ticks:
            self.text(x + share * width, y + height + TYPE + 3, words, fill=FAINT)

    def rows(self, place: Sequence[float], title: str, names: Sequence[str], counts: Sequence[int]) -> None:
        """Bars below each other, each with its name and its share of all."""
        x, y, width, height = place
        step, top, total = height / len(names), max(counts), sum(counts)
        self.text(x, y - 7, title, anchor="start", size=TITLE)
        for k, (name, count) in enumerate(zip(names, counts, strict=True)):
            middle = y + (k + 0.5) * step
            self.text(x + 88, middle + 3.5, name, anchor="end")
            long = (width - 126) * count / top
            self._box(x + 93, middle - 0.38 * step, long, 0.76 * step, BLUE)
            self.text(x + 97 + long, middle + 3.5, f"{100 * count / total:.1f} %", anchor="start", fill=FAINT)

    def disc(self, place: Sequence[float], title: str, points: Float[Array, "n 2"], around: Sequence[str]) -> None:
        """Points of the unit disc, y up, with words at its top, right, bottom and left."""
        x, y, width, _ = place
        radius, middle = width / 2, (x + width / 2, y + width / 2)
        self.text(middle[0], y - 20, title, size=TITLE)
        self._parts.append(f'<circle cx="{middle[0]}" cy="{middle[1]}" r="{radius}" fill="none" stroke="{PALE}"/>')
        dots = "".join(f"M{middle[0] + radius * a:.1f} {middle[1] - radius * b:.1f}h0" for a, b in points.tolist())
        self._parts.append(
            f'<path d="{dots}" stroke="{BLUE}" stroke-opacity="0.55" stroke-width="2.6" stroke-linecap="round"/>'
        )
        top, right, bottom, left = around
        self.text(middle[0], y - 5, top, fill=FAINT)
        self.text(middle[0], y + width + TYPE + 3, bottom, fill=FAINT)
        self.text(x + width + 4, middle[1] + 3, right, anchor="start", fill=FAINT)
        self.text(x - 4, middle[1] + 3, left, anchor="end", fill=FAINT)

    def __str__(self) -> str:
        return "\n".join([self._head, *self._parts, "</svg>\n"])

    def _box(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>')

    def _axis(self, x: float, y: float, width: float) -> None:
        self._parts.append(f'<path d="M{x:.1f} {y:.1f}h{width:.1f}" stroke="{FAINT}" stroke-width="0.7"/>')
