"""How comparisons look: a table with a column for each design, as cells and as Markdown.

What the designs agree on is counted, not shown. Many designs are headed by letters, with a legend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase
from textwrap import wrap
from typing import TYPE_CHECKING

from kvmlab.judge.compare import NOT_APPLICABLE
from kvmlab.render.cells import Cell, Part, Row, line, table

if TYPE_CHECKING:
    from kvmlab.judge.compare import Comparison, Said

WIDE = 3
"""As many designs are headed by their names."""

LONGEST = 46
"""Characters of a command in a table."""

ABOUT = 100
"""Characters of a line that says what a table is about."""

Table = list[tuple[str, tuple[Part, ...]]]
"""Rows by what they are about, a part for each design."""


def comparison_rows(comparison: Comparison) -> list[Row]:
    """Return the commands that differ and every figure, with a column for each design."""
    heads, legend = _heads(comparison.labels)
    return [*legend, *_matrix(heads, _table(comparison)), line(Cell(_agreed(comparison), "muted"))]


def comparison_markdown(comparison: Comparison) -> list[str]:
    """Return the same as a table in Markdown."""
    return [*markdown("", comparison.labels, _table(comparison)), "", _agreed(comparison)]


def matrices(labels: Sequence[str], groups: Iterable[tuple[str, Table]]) -> list[Row]:
    """Return a table for each group, under what the group is about; one legend stands above all."""
    heads, rows = _heads(labels)
    for about, body in groups:
        rows += [line(), *[line(Cell(text, "header")) for text in wrap(about, ABOUT)], *_matrix(heads, body)]
    return rows


def _heads(labels: Sequence[str]) -> tuple[Sequence[str], list[Row]]:
    """Return what heads the columns, and a legend: many columns are headed by letters."""
    if len(labels) <= WIDE:
        return labels, []
    letters = (*ascii_lowercase, *(first + second for first in ascii_lowercase for second in ascii_lowercase))
    heads = letters[: len(labels)]
    return heads, [line(Cell(f"{head}  {name}", "muted")) for head, name in zip(heads, labels, strict=True)]


def _matrix(heads: Sequence[str], body: Table) -> list[Row]:
    return table(("", *heads), [(Cell(_short(what)), *parts) for what, parts in body])


def markdown(corner: str, labels: Sequence[str], body: Table) -> list[str]:
    """Return a table in Markdown."""
    rows = [(corner, *labels), *[(what, *map(_text, parts)) for what, parts in body]]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * (len(labels) + 1), *lines[1:]]


def _table(comparison: Comparison) -> Table:
    rows: Table = [
        (f"{row.line}: {row.text}", tuple(_cell(cell) for cell in row.cells)) for row in comparison.differing
    ]
    return rows + [
        (name, tuple(str(value) if value is not None else Cell(NOT_APPLICABLE, "muted") for value in values))
        for name, values in comparison.figures
    ]


def _cell(said: Said | None) -> Cell:
    if said is None:
        return Cell(NOT_APPLICABLE, "muted")
    return Cell(said.text or "-", "error" if said.held is False else "")


def _agreed(comparison: Comparison) -> str:
    count, same = len(comparison.rows), len(comparison.rows) - len(comparison.differing)
    return f"{same} of {count} commands came to the same under all {len(comparison.labels)} designs"


def _text(part: Part) -> str:
    return part.text if isinstance(part, Cell) else part


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
