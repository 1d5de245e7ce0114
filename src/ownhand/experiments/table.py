"""A table, and the same numbers of it as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ownhand.files import write_text
from ownhand.metrics import Interval

Cell = str | int | float | Interval | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers with names.

    Attributes:
        name: What its files are called.
        title: Heading.
        columns: Names of the columns, with units.
        rows: Cells; None is empty, a bool is yes or no.
        note: What the numbers are: sentences in Markdown.
        digits: After the decimal point.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    digits: int = field(default=2)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"expected {len(self.columns)} cells in each row of {self.name}, got {len(row)}")

    def cells(self) -> list[list[str]]:
        """The rows as they are written."""
        return [[self._text(cell) for cell in row] for row in self.rows]

    def markdown(self) -> str:
        lines = [self.columns, ["---"] * len(self.columns), *self.cells()]
        table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
        return f"## {self.title}\n\n" + (f"{self.note}\n\n" if self.note else "") + table + "\n"

    def csv(self) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.columns, *self.cells()])
        return out.getvalue()

    def latex(self) -> str:
        """For the package booktabs."""
        lines = [" & ".join(map(_escaped, line)) + r" \\" for line in (self.columns, *self.cells())]
        columns = "l" + "r" * (len(self.columns) - 1)
        return "\n".join(
            [
                f"% {self.title}",
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
                *lines[1:],
                r"\bottomrule",
                r"\end{tabular}",
                "",
            ]
        )

    @classmethod
    def read(cls, path: Path) -> Table:
        """A table from the CSV that `write` wrote, its cells as text.

        Args:
            path: Without the ending.
        """
        columns, *rows = csv.reader(io.StringIO(path.with_suffix(".csv").read_text()))
        return cls(name=path.name, title=path.name, columns=columns, rows=rows)

    def write(self, folder: Path) -> None:
        """NAME.md, NAME.csv and NAME.tex, each written beside and then renamed."""
        for suffix, text in (("md", self.markdown()), ("csv", self.csv()), ("tex", self.latex())):
            write_text(folder / f"{self.name}.{suffix}", text)

    def _text(self, cell: Cell) -> str:
        if cell is None:
            return ""
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        if isinstance(cell, Interval):
            mean, low, high = (f"{value:.{self.digits}f}" for value in cell)
            return f"{mean} ({low} to {high})"
        return f"{cell:.{self.digits}f}" if isinstance(cell, float) else str(cell)


def _escaped(text: str) -> str:
    for character in ("&", "%", "_", "#"):
        text = text.replace(character, f"\\{character}")
    return text
