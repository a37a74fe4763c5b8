"""Text cells: what every pane, result and message is made of before anybody draws it.

A :class:`Cell` is text with the name of a style; a :class:`Row` is cells, either one line of text
or a row of a table. :func:`layout` turns rows into lines, for the screen, the prompt and files
alike. Nothing here knows colours (theme.py) or a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

LINE, HEAD, BODY = "line", "head", "body"
"""Kinds of rows: text, a table's header, a table's row."""

GAP = "  "
"""What stands between two columns of a table."""

NARROWEST = 16
"""A last column is not wrapped to fewer characters than this: it would be unreadable."""


class Cell(NamedTuple):
    """Text and the name of a style (of theme.STYLES; "" is plain text)."""

    text: str
    style: str = ""


Line = tuple[Cell, ...]
"""One line as it is drawn: the texts of its cells, one after the other."""

Part = Cell | str
"""A cell, or text without a style."""


class Row(NamedTuple):
    """Cells of one kind of row: a LINE reads as one text, HEAD and BODY align in columns."""

    cells: tuple[Cell, ...]
    kind: str = LINE


def cell(part: Part) -> Cell:
    """Return a part as a cell."""
    return part if isinstance(part, Cell) else Cell(part)


def line(*parts: Part) -> Row:
    """Return one line of text."""
    return Row(tuple([cell(part) for part in parts]))


def table(header: Sequence[str], rows: Iterable[Sequence[Part]]) -> list[Row]:
    """Return a header and its rows; the last column is the one that a narrow screen wraps."""
    head = Row(tuple([Cell(text, "header") for text in header]), HEAD)
    return [head, *(Row(tuple([cell(part) for part in parts]), BODY) for parts in rows)]


def hidden(part: str) -> list[Row]:
    """Return what stands in place of a part that the backend cannot see."""
    return [line(Cell(f"{part}: there is none that can be seen", "muted"))]


_ABSENT = {
    "split": ("not in the kernel (split)", "accesses to it exit to userspace"),
    "none": ("not in the kernel (no irqchip)",),
}
"""What stands in place of a chip that the kernel does not emulate, by Snapshot.irqchip."""


def absent(chip: str, irqchip: str) -> list[Row]:
    """Return what stands in place of an IOAPIC or 8259: it is not in the kernel, or cannot be seen."""
    said = _ABSENT.get(irqchip)
    if said is None:
        return hidden(chip)
    first, *rest = said
    return [line(Cell(text, "muted")) for text in (f"{chip}: {first}", *rest)]


def visible(text: str) -> str:
    """Return text with every control character spelled out, so that none reaches a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def layout(rows: Iterable[Row], width: int | None = None) -> list[Line]:
    """Return rows as lines: tables aligned, their last column wrapped where ``width`` asks for it.

    Lines of text are never cut: what is too wide for a screen is for the screen to wrap or crop.
    """
    lines: list[Line] = []
    for group in _groups(rows):
        if group[0].kind == LINE:
            lines += [_clean(row) for row in group]
        else:
            lines += _align([_clean(row) for row in group], width)
    return lines


def _clean(row: Row) -> Line:
    if "".join([text for text, _style in row.cells]).isprintable():
        return row.cells
    return tuple([Cell(visible(text), style) for text, style in row.cells])


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield runs of text rows, and tables, each beginning with its header."""
    group: list[Row] = []
    for row in rows:
        if group and (row.kind == HEAD or (row.kind == LINE) != (group[-1].kind == LINE)):
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _align(lines: list[Line], width: int | None) -> list[Line]:
    columns = max(map(len, lines))
    widths = [max(len(cells[i].text) if i < len(cells) else 0 for cells in lines) for i in range(columns)]
    left = sum(widths[:-1]) + len(GAP) * (columns - 1)
    room = width - left if width is not None and width - left >= NARROWEST else None
    aligned: list[Line] = []
    for cells in lines:
        padded = [
            Cell(text.ljust(size) + GAP, style)
            for (text, style), size in zip(cells[:-1], widths, strict=False)
        ]
        first, *rest = _wrap(cells[-1].text, room)
        aligned.append((*padded, Cell(first, cells[-1].style)))
        aligned += [(Cell(" " * left), Cell(more, cells[-1].style)) for more in rest]
    return aligned


def _wrap(text: str, room: int | None) -> list[str]:
    """Break text at spaces; a word that is too long stays whole."""
    if room is None or len(text) <= room:
        return [text]
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
