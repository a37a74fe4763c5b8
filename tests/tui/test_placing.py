"""Placing: items on the lines of a pane."""

from __future__ import annotations

import pytest

from kvmlab.render.cells import Cell
from kvmlab.tui.items import Item
from kvmlab.tui.placing import crop, fit, place

PINS = [Item("", (Cell("pin"),), head=True), *[Item(str(n), (Cell(f"{n:>3} fixed"),)) for n in range(24)]]


def test_what_fits_stands_in_one_column() -> None:
    """Every item has a line where the pane is high enough."""
    assert [len(spans) for spans in place(PINS, 80, 25, flows=True)] == [1] * 25


def test_what_does_not_fit_flows_into_two_columns() -> None:
    """The second half stands beside the first, below the header of both."""
    lines = place(PINS, 80, 13, flows=True)
    assert len(lines) == 13
    assert [span.item for span in lines[0]] == [0, 0]
    assert [span.item for span in lines[1]] == [1, 13]
    assert {span.item for spans in lines for span in spans} == set(range(25))


def test_a_pane_that_is_too_narrow_keeps_one_column() -> None:
    """Two columns that would cut everything are no columns."""
    assert {len(spans) for spans in place(PINS, 10, 13, flows=True)} == {1}


def test_a_long_item_is_folded_and_stays_one_item() -> None:
    """All lines of a folded item are its own, and only the first one has its gutter."""
    item = Item("a", (Cell("words " * 20),))
    lines = place([item], 40, 10, flows=False)
    assert len(lines) > 2
    assert [spans[0].first for spans in lines] == [True] + [False] * (len(lines) - 1)
    assert all(sum(len(cell.text) for cell in spans[0].cells) <= 38 for spans in lines)


@pytest.mark.parametrize("width", range(2, 9))
def test_what_is_cropped_says_so(width: int) -> None:
    """A cropped line is as wide as asked for, and ends with a sign."""
    cells = crop((Cell("abcd"), Cell("efgh"), Cell("ij")), width)
    assert "".join([cell.text for cell in cells]) == "abcdefghij"[: width - 1] + "…"


def test_a_word_that_is_too_wide_is_broken_and_loses_nothing() -> None:
    """A path that is wider than the pane goes on in the next line."""
    lines = fit((Cell("source ", "word-verb"), Cell("/" + "long" * 20)), 30)
    texts = ["".join([cell.text for cell in line]) for line in lines]
    assert all(len(text) <= 30 for text in texts)
    assert "".join([text.strip() for text in texts]).count("long") == 20
