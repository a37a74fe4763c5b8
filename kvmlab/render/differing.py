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

    All of them do where the other one has no such line. Blanks that align are no difference; what the
    other one has beyond the line's end is marked there.
    """
    others = [cell.text.strip() for cell in theirs or ()]
    texts = [cell.text.strip() for cell in ours]
    if theirs is not None and texts == others:
        return None
    cells = [
        Cell(cell.text, STYLE) if others[at : at + 1] != [texts[at]] and (texts[at] or others[at:]) else cell
        for at, cell in enumerate(ours)
    ]
    return (*cells, Cell("", STYLE)) if len(others) > len(ours) else tuple(cells)


def glyphed(cells: Line) -> Line:
    """Return a line with the glyph behind each cell that differs: in place of a blank, or at the end.

    Where no blank follows the cell has the style alone.
    """
    parts: list[Cell] = []
    rest = list(cells)
    while rest:
        cell = rest.pop(0)
        if cell.style != STYLE:
            parts.append(cell)
            continue
        core = cell.text.strip()
        before, _, behind = cell.text.partition(core) if core else ("", "", cell.text)
        parts.append(Cell(before))
        if not behind and rest and core and rest[0].text.startswith(" "):
            rest[0] = rest[0]._replace(text=rest[0].text[1:])
            behind = " "
        mark = GLYPH if behind or not rest or not core else ""
        parts += [Cell(core + mark, STYLE), Cell(behind[1:])]
    return tuple([part for part in parts if part.text])


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
