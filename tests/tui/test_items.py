"""Items and marks: what a pane lists, and what the last command changed in it."""

from __future__ import annotations

import re

from kvmlab.render.cells import Cell, line, table
from kvmlab.tui.items import CHANGED, NEW, Item, items_of, marked, marked_tail


def listed(*rows: tuple[str, str]) -> list[Item]:
    """Return a table of two columns as items."""
    return items_of(table(("name", "count"), rows))


def test_a_row_of_a_table_is_about_its_first_cell() -> None:
    """The header is about nothing, every row about what it begins with."""
    assert [(item.key, item.head) for item in listed(("a", "1"), ("b", "2"))] == [
        ("", True),
        ("a", False),
        ("b", False),
    ]


def test_a_line_is_about_what_its_pattern_finds() -> None:
    """Lines have a key only where the pane says how to read it."""
    rows = [line(Cell(" 11 fixed"))]
    assert [item.key for item in items_of(rows)] == [""]
    assert [item.key for item in items_of(rows, re.compile(r"\W*(\d+)"))] == ["11"]


def test_only_the_cell_that_differs_is_marked() -> None:
    """The row has the glyph; of its cells the changed one alone has the style, without its blanks."""
    _head, row = marked(listed(("a", "1")), listed(("a", "22")))
    assert row.mark == CHANGED
    assert [cell for cell in row.cells if cell.style == "changed"] == [Cell("22", "changed")]


def test_what_is_new_has_a_mark_of_its_own() -> None:
    """A row that was not there before is new, though it pushes others down."""
    now = marked(listed(("b", "1")), listed(("a", "1"), ("b", "1")))
    assert [(item.key, item.mark) for item in now] == [("", ""), ("a", NEW), ("b", "")]


def test_a_wider_neighbour_is_no_change() -> None:
    """Columns that become wider move the others, which are marked no more than before."""
    now = marked(listed(("a", "1")), listed(("a", "1"), ("much-longer", "1")))
    assert [item.mark for item in now if item.key == "a"] == [""]


def test_nothing_is_marked_without_a_past() -> None:
    """The first look at a machine has no marks."""
    assert not any(item.mark for item in marked(None, listed(("a", "1"))))


def test_of_a_tail_only_what_came_last_is_new() -> None:
    """Lines that moved up because others were dropped at the front are the same lines."""
    before = [Item("", (Cell(text),)) for text in ("1", "2", "3")]
    now = [Item("", (Cell(text),)) for text in ("2", "3", "4")]
    assert [item.mark for item in marked_tail(before, now)] == ["", "", NEW]
