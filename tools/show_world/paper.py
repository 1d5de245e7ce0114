"""Pictures in rows, with small type under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Array = np.ndarray

GAP, MARGIN, TYPE, LINE = 3, 8, 11, 15  # px
INK, FAINT, WHITE = (40, 40, 44), (110, 110, 116), (255, 255, 255)


@dataclass(frozen=True)
class Cell:
    """A picture and what is written under it."""

    image: UInt8[Array, "h w 3"]
    label: str = ""


def sheet(rows: Sequence[Sequence[Cell]], *, left: Sequence[str] = (), width: int = 0) -> Image.Image:
    """Rows of pictures of one size per row, each row with a label at its left if there are any.

    Args:
        rows: Top to bottom.
        left: One label per row; lines are parted by newlines.
        width: Of the column of these labels [px].
    """
    heights = [row[0].image.shape[0] + (LINE if any(cell.label for cell in row) else 0) for row in rows]
    across = max(sum(cell.image.shape[1] + GAP for cell in row) for row in rows) - GAP
    page = Image.new("RGB", (2 * MARGIN + width + across, 2 * MARGIN + sum(heights) + GAP * (len(rows) - 1)), WHITE)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(TYPE)
    y = MARGIN
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        x = MARGIN + width
        if left:
            middle = y + row[0].image.shape[0] / 2
            draw.multiline_text((MARGIN, middle), left[number], INK, font, anchor="lm", spacing=3)
        for cell in row:
            page.paste(Image.fromarray(cell.image), (x, y))
            if cell.label:
                under = x + cell.image.shape[1] / 2, y + cell.image.shape[0] + LINE / 2
                draw.text(under, cell.label, FAINT, font, anchor="mm")
            x += cell.image.shape[1] + GAP
        y += height + GAP
    return page


def in_rows(cells: Sequence[Cell], columns: int) -> list[Sequence[Cell]]:
    """Cells, so many to a row."""
    return [cells[k : k + columns] for k in range(0, len(cells), columns)]


def pixels(image: Float[Tensor, "3 h w"]) -> UInt8[Array, "h w 3"]:
    """A sample's picture."""
    return (image.numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)


def beside(*images: UInt8[Array, "h w 3"]) -> UInt8[Array, "h w 3"]:
    """Pictures side by side as one."""
    return np.concatenate(images, axis=1)
