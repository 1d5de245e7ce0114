"""One table, three formats."""

import csv
import io
import re

import pytest

from ownhand.experiments.table import Table
from ownhand.metrics import Interval

TABLE = Table(
    name="errors",
    title="Errors",
    columns=["row", "anchored", "MPJPE mm", "baseline - row (95 %)", "people_n"],
    rows=[["baseline", True, 17.614, None, 3], ["a | b & c", False, 1.0, Interval(0.5, -0.125, 1.0), 12]],
    note="What it is.",
)


def numbers(text: str) -> list[str]:
    return re.findall(r"-?\d+\.?\d*", text)


def test_markdown_csv_and_latex_hold_the_same_numbers():
    expected = ["17.61", "3", "1.00", "0.50", "-0.12", "1.00", "12"]
    body = {
        "markdown": TABLE.markdown().split("--- |\n")[-1],
        "csv": TABLE.csv().split("\n", 1)[1],
        "latex": TABLE.latex().split(r"\midrule")[1],
    }
    assert {name: numbers(text) for name, text in body.items()} == dict.fromkeys(body, expected)


def test_what_means_something_in_a_format_is_escaped():
    assert r"a \| b & c" in TABLE.markdown()
    assert r"a | b \& c" in TABLE.latex()
    assert r"(95 \%)" in TABLE.latex()
    assert r"people\_n" in TABLE.latex()
    rows = list(csv.reader(io.StringIO(TABLE.csv())))
    assert rows[2] == ["a | b & c", "no", "1.00", "0.50 (-0.12 to 1.00)", "12"]


def test_files_are_written_whole(tmp_path):
    TABLE.write(tmp_path / "tables")
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"errors.md", "errors.csv", "errors.tex"}
    assert (tmp_path / "tables" / "errors.csv").read_text() == TABLE.csv()


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="expected 5 cells in each row of errors, got 1"):
        Table(name="errors", title="", columns=TABLE.columns, rows=[["baseline"]])


def test_a_table_is_read_back_from_its_csv(tmp_path):
    TABLE.write(tmp_path)
    found = Table.read(tmp_path / "errors")
    assert found.columns == TABLE.columns
    assert found.cells() == TABLE.cells()
