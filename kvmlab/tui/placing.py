"""Where the items of a pane stand on its lines: folded to the width, or in two columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kvmlab.render.cells import Cell, Line
from kvmlab.render.fold import fold
from kvmlab.tui.items import Item

GUTTER = 2
"""Cells in front of every item: one for the cursor, one for the mark."""

CROPPED = 6
"""As many cells may be cut from the widest item to have two columns."""


class Span(NamedTuple):
    """A part of a line: of which item it shows the cells, whether as its first line, and how wide it is."""

    item: int
    cells: Line
    first: bool
    width: int


def place(items: Sequence[Item], width: int, height: int, flows: bool) -> list[tuple[Span, ...]]:
    """Return the lines of a pane; those that ``flows`` and do not fit go into two columns if they can."""
    half = (width - 1) // 2
    widest = max((len(item.text) for item in items), default=0)
    if flows and len(items) > height and half - GUTTER >= widest - CROPPED:
        return _two_columns(items, half)
    lines: list[tuple[Span, ...]] = []
    for index, item in enumerate(items):
        folded = fit(item.cells, width - GUTTER)
        lines += [(Span(index, cells, i == 0, width),) for i, cells in enumerate(folded)]
    return lines


def _two_columns(items: Sequence[Item], half: int) -> list[tuple[Span, ...]]:
    heads = sum(1 for item in items if item.head)
    spans = [Span(i, crop(item.cells, half - GUTTER), True, half) for i, item in enumerate(items)]
    body = spans[heads:]
    rows = (len(body) + 1) // 2
    lines: list[tuple[Span, ...]] = [(span, span) for span in spans[:heads]]
    return lines + [tuple(body[row::rows]) for row in range(rows)]


def fit(cells: Line, width: int) -> list[Line]:
    """Return cells as lines of at most ``width``: broken at blanks, and within what has none."""
    lines: list[Line] = []
    for part in fold(cells, width):
        rest = part
        while width > 0 and sum(len(cell.text) for cell in rest) > width:
            lines.append(_cut(rest, 0, width))
            rest = _cut(rest, width, None)
        lines.append(rest)
    return lines


def _cut(cells: Line, start: int, end: int | None) -> Line:
    """Return what of cells lies between two offsets of their text."""
    kept: list[Cell] = []
    at = 0
    for text, style in cells:
        part = text[max(0, start - at) : None if end is None else max(0, end - at)]
        if part:
            kept.append(Cell(part, style))
        at += len(text)
    return tuple(kept)


def crop(cells: Line, width: int) -> Line:
    """Return cells cut to a width, with a sign that something is missing."""
    if sum(len(cell.text) for cell in cells) <= width:
        return cells
    return (*_cut(cells, 0, width - 1), Cell("…", "muted"))
