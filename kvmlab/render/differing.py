"""Marks on what differs between two machines: a glyph beside it and a style, in the lines of the first.

A pane is drawn of each machine, and the lines are compared cell by cell; so every pane has the marks,
and no cell has to be named for them.
"""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.render.cells import BODY, Cell, Line, Row

GLYPH = "≠"
STYLE = "differs"


def differing(ours: Line, theirs: Line | None) -> Line | None:
    """Return a line with the cells in the style that differ from the other machine's; None if none does.

    All of them do where the other one has no such line, or one of another shape. Blanks that align are
    no difference.
    """
    if theirs is not None and [cell.text.strip() for cell in ours] == [cell.text.strip() for cell in theirs]:
        return None
    if theirs is None or len(ours) != len(theirs):
        return tuple([Cell(cell.text, STYLE) if cell.text.strip() else cell for cell in ours])
    return tuple(
        [
            cell if cell.text.strip() == other.text.strip() else Cell(cell.text, STYLE)
            for cell, other in zip(ours, theirs, strict=True)
        ]
    )


def glyphed(cells: Line) -> Line:
    """Return a line with the glyph behind each cell that differs: in place of a blank, or at the end."""
    parts: list[Cell] = []
    for number, cell in enumerate(cells):
        parts += _glyphed(cell, last=number + 1 == len(cells)) if cell.style == STYLE else [cell]
    return tuple(parts)


def _glyphed(cell: Cell, *, last: bool) -> list[Cell]:
    core = cell.text.strip()
    before, _, behind = cell.text.partition(core) if core else ("", "", cell.text)
    mark = GLYPH if behind or last or not core else ""
    parts = (Cell(before), Cell(core + mark, STYLE), Cell(behind[1:]))
    return [part for part in parts if part.text]


def differing_rows(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Row]:
    """Return a pane's rows with what differs from the other machine's marked, row by row."""
    others = list(theirs) if len(ours) == len(theirs) else [Row(()) for _row in ours]
    return [_row(row, other) for row, other in zip(ours, others, strict=True)]


def _row(row: Row, other: Row) -> Row:
    cells = differing(row.cells, other.cells)
    if cells is None:
        return row
    if row.kind == BODY:
        # The columns are aligned later, with the glyph.
        return row._replace(
            cells=tuple([Cell(c.text + GLYPH, STYLE) if c.style == STYLE else c for c in cells])
        )
    return row._replace(cells=glyphed(cells))
