"""Cells, rows and their layout as lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.render.cells import Cell, layout, line, table, visible
from kvmlab.render.plain import plain_lines

texts = st.text(max_size=12)
tables = st.lists(st.lists(texts, min_size=3, max_size=3), max_size=4)


def test_columns_begin_under_their_header() -> None:
    """Every column is as wide as its widest cell."""
    rows = table(("id", "owner", "pins"), [("0", "userspace", "-"), ("12", "pit", "11")])
    assert plain_lines(rows) == ["id  owner      pins", "0   userspace  -", "12  pit        11"]


def test_only_the_last_column_is_wrapped_and_its_rest_stands_under_it() -> None:
    """A narrow screen loses no word."""
    rows = table(("context", "next"), [("user", "the mutex irqfds.lock is held by events")])
    assert plain_lines(rows, 30) == [
        "context  next",
        "user     the mutex irqfds.lock",
        "         is held by events",
    ]


def test_a_screen_narrower_than_the_columns_wraps_nothing() -> None:
    """A last column of three characters would be worse than a line that is too long."""
    rows = table(("context", "next"), [("user", "a b c d e f g h")])
    assert plain_lines(rows, 12) == ["context  next", "user     a b c d e f g h"]


def test_a_line_of_text_between_two_tables_does_not_align_with_them() -> None:
    """Tables are aligned each by itself."""
    rows = [*table(("a", "b"), [("1", "2")]), line("a long line"), *table(("a", "b"), [("wide", "2")])]
    assert plain_lines(rows) == ["a  b", "1  2", "a long line", "a     b", "wide  2"]


def test_two_tables_in_a_row_are_two_tables() -> None:
    """A header begins a table of its own."""
    rows = [*table(("a", "b"), [("1", "2")]), *table(("a", "b"), [("wide", "2")])]
    assert plain_lines(rows) == ["a  b", "1  2", "a     b", "wide  2"]


@given(tables, st.one_of(st.none(), st.integers(0, 100)))
def test_no_control_character_reaches_a_terminal(rows: list[list[str]], width: int | None) -> None:
    """Whatever a name or a message holds, a terminal is sent text only."""
    for text in plain_lines([line(*row) for row in rows] + table(("a", "b", "c"), rows), width):
        assert text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"), [("\x1b[2J", "\\x1b[2J"), ("a\nb", "a\\nb"), ("→ 0", "→ 0"), ("\u2028", "\\u2028")]
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    """A reader sees what was there."""
    assert visible(text) == shown


def test_styles_stay_with_their_cells() -> None:
    """Alignment moves text, not styles."""
    assert layout(table(("a", "b"), [(Cell("x", "error"), Cell("y", "ok"))]))[1] == (
        Cell("x  ", "error"),
        Cell("y", "ok"),
    )


def test_a_short_row_is_a_row() -> None:
    """A row may leave its last cells out."""
    assert plain_lines(table(("a", "b"), [("1",)])) == ["a  b", "1"]
