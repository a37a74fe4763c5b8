"""Marks on what differs between two machines, in the lines of the first."""

from __future__ import annotations

from kvmlab.render.cells import Cell, layout, line, table
from kvmlab.render.differing import STYLE, differing, differing_rows, glyphed


def marked(ours: tuple[str, ...], theirs: tuple[str, ...] | None) -> str:
    """Return the text of a line with the marks on it."""
    other = None if theirs is None else tuple(map(Cell, theirs))
    found = differing(tuple(map(Cell, ours)), other)
    return "" if found is None else "".join(cell.text for cell in glyphed(found))


def test_only_the_cells_that_differ_have_the_glyph_and_the_style() -> None:
    """The glyph takes the place of a blank, so that nothing moves."""
    found = differing((Cell("a "), Cell("1  "), Cell("x")), (Cell("a "), Cell("2  "), Cell("x")))
    assert found is not None
    assert glyphed(found) == (Cell("a "), Cell("1≠", STYLE), Cell(" "), Cell("x"))


def test_blanks_that_align_are_no_difference() -> None:
    """A wider neighbour on the other machine moves cells, and changes none."""
    assert marked(("a ", "1"), ("a   ", "1 ")) == ""


def test_the_glyph_finds_a_place() -> None:
    """In its own blanks, in those of the next cell, for nothing at all, or at the end of the line."""
    assert marked(("t", " ", "."), ("r", " ", ".")) == "t≠."
    assert marked(("a", "b"), ("x", "b")) == "ab"
    assert marked(("a", "   ", "b"), ("a", "M", "b")) == "a≠  b"
    assert marked(("a", "b"), ("a", "x")) == "ab≠"


def test_a_line_that_the_other_has_longer_or_shorter() -> None:
    """What there is beyond the shorter one is marked, and nothing before it."""
    assert marked(("pin 11", " R"), ("pin 11",)) == "pin 11 R≠"
    assert marked(("pin 11",), ("pin 11", " R")) == "pin 11≠"
    assert marked(("a ", "b"), None) == "a≠b≠"


def test_a_table_keeps_its_columns() -> None:
    """The glyph widens the column, in every row."""
    ours = table(("name", "n"), [("a", "1"), ("b", "22")])
    theirs = table(("name", "n"), [("a", "1"), ("b", "3")])
    texts = ["".join(cell.text for cell in row) for row in layout(differing_rows(ours, theirs))]
    assert texts == ["name  n", "a     1", "b     22≠"]


def test_panes_of_another_length_differ_as_far_as_they_go() -> None:
    """Rows of a pane that has more of them are marked; those that the other has beyond are not shown."""
    rows = differing_rows([line("a"), line("b")], [line("a")])
    assert ["".join(cell.text for cell in row.cells) for row in rows] == ["a≠", "b≠"]
