"""What a pane lists: rows as items, and what the last command changed in them. Pure.

An item is one line of a pane. One with a ``key`` is about something that can be chosen (a pin, an
eventfd, a unit of history); its key names it in commands and tells it from its neighbours in time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

from kvmlab.render.cells import BODY, HEAD, Cell, Line, Row, layout
from kvmlab.render.differing import GLYPH, STYLE, differing, glyphed

CHANGED, NEW, NAMED = "*", "+", "~"
"""The glyph of an item that the last command changed, of one that it made, of one that is pointed at."""

DIFFERS = GLYPH
"""The glyph of an item in which a machine beside this one differs, which comes before the others."""


class Item(NamedTuple):
    """One line of a pane: what it is about ("" for text), its cells, its mark, whether it is a header."""

    key: str
    cells: Line
    mark: str = ""
    head: bool = False

    @property
    def text(self) -> str:
        """The line as plain text."""
        return "".join([cell.text for cell in self.cells])


def items_of(rows: Iterable[Row], subject: re.Pattern[str] | None = None) -> list[Item]:
    """Return rows as items. A table's row is about its first cell, a line about group 1 of ``subject``."""
    rows = list(rows)
    items: list[Item] = []
    for row, cells in zip(rows, layout(rows), strict=True):
        head = row.kind == HEAD or (bool(cells) and all(cell.style == "header" for cell in cells))
        key = ""
        if row.kind == BODY:
            key = row.cells[0].text.strip()
        elif subject is not None and not head:
            found = subject.match("".join([cell.text for cell in cells]))
            key = found[1] if found else ""
        items.append(Item(key, cells, head=head))
    return items


def marked(
    before: Sequence[Item] | None, now: Sequence[Item], beside: Sequence[Item] | None = None
) -> list[Item]:
    """Return items with what differs from ``before`` marked, and what differs from a machine ``beside`` it.

    Nothing is where these are None.
    """
    items, names = list(now), _names(now)
    if before is not None:
        old = dict(zip(_names(before), before, strict=True))
        items = [_compare(old.get(name), item) for name, item in zip(names, items, strict=True)]
    if beside is not None:
        other = dict(zip(_names(beside), beside, strict=True))
        items = [_differ(item, other.get(name)) for name, item in zip(names, items, strict=True)]
    return [item._replace(cells=_parted(item.cells)) if item.mark else item for item in items]


def marked_tail(before: Sequence[Item] | None, now: Sequence[Item]) -> list[Item]:
    """Return lines of which only the newest are kept, with those marked that came since ``before``."""
    if before is None:
        return list(now)
    old, new = [item.text for item in before], [item.text for item in now]
    gone = next((k for k in range(len(old)) if old[k:] == new[: len(old) - k]), len(old))
    kept = len(old) - gone
    return [item if i < kept else item._replace(mark=NEW) for i, item in enumerate(now)]


def pointed(items: Sequence[Item], keys: Container[str]) -> list[Item]:
    """Return items with those of some keys pointed at, by a glyph and by the style of a cue."""
    return [
        item._replace(mark=NAMED, cells=tuple([_cued(cell) for cell in item.cells]))
        if item.key and item.key in keys
        else item
        for item in items
    ]


def _cued(cell: Cell) -> Cell:
    return cell if cell.style == STYLE else Cell(cell.text, "cue")


def _names(items: Sequence[Item]) -> list[tuple[str, int]]:
    """Name every item by its key and how many with the same key stand above it."""
    seen: Counter[str] = Counter()
    names: list[tuple[str, int]] = []
    for item in items:
        names.append((item.key, seen[item.key]))
        seen[item.key] += 1
    return names


def _compare(old: Item | None, item: Item) -> Item:
    if item.head or (old is not None and _stripped(old.cells) == _stripped(item.cells)):
        return item
    if old is None:
        return item._replace(mark=NEW)
    same = len(old.cells) == len(item.cells)
    cells = [
        cell if same and was.text.strip() == cell.text.strip() else _changed(cell)
        for cell, was in zip(item.cells, old.cells if same else item.cells, strict=True)
    ]
    return item._replace(cells=tuple(cells), mark=CHANGED)


def _differ(item: Item, other: Item | None) -> Item:
    cells = None if item.head else differing(item.cells, None if other is None else other.cells)
    return item if cells is None else item._replace(cells=cells, mark=DIFFERS)


def _changed(cell: Cell) -> Cell:
    return Cell(cell.text, "changed") if cell.text.strip() else cell


def _parted(cells: Line) -> Line:
    """Return cells with the blanks round a marked text parted from it."""
    return glyphed(tuple([part for cell in cells for part in _split(cell)]))


def _split(cell: Cell) -> list[Cell]:
    """Leave the blanks round a changed text unchanged: reversed, they would run into their neighbours."""
    text = cell.text
    if cell.style != "changed" or text == text.strip():
        return [cell]
    core = text.strip()
    at = text.index(core)
    return [
        part for part in (Cell(text[:at]), Cell(core, "changed"), Cell(text[at + len(core) :])) if part.text
    ]


def _stripped(cells: Line) -> list[str]:
    """The texts without the blanks that align them: a wider neighbour is no change."""
    return [cell.text.strip() for cell in cells]
