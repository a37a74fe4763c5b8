"""Lines on a screen that is too narrow for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.render.cells import Cell, Line
from kvmlab.render.fold import columns, fold
from kvmlab.render.plain import plain_lines


def texts(lines: list[Line]) -> list[str]:
    """Return lines as they are read."""
    return ["".join(part.text for part in cells) for cells in lines]


def test_a_line_that_fits_is_left_alone() -> None:
    """To the last column."""
    assert fold((Cell("held", "ok"),), 4) == [(Cell("held", "ok"),)]


def test_the_rest_of_a_line_hangs_under_its_beginning() -> None:
    """It is broken at blanks, and indented further than the line began."""
    cells = (Cell("  pin 1 level", "key"), Cell(" masked fixed physical"))
    assert texts(fold(cells, 24)) == ["  pin 1 level masked", "    fixed physical"]
    assert fold(cells, 24)[0] == (Cell("  pin 1 level", "key"), Cell(" masked"))


def test_a_word_wider_than_the_screen_stays_whole() -> None:
    """A path can be copied from the screen."""
    path = "/" + "x" * 40
    assert texts(fold((Cell(f'  source "{path}" again'),), 30)) == [f'  source "{path}"', "    again"]


def test_a_line_indented_too_far_is_left_to_the_terminal() -> None:
    """A caret far to the right has no room under it."""
    caret = " " * 30 + "^ expected one of many words"
    assert texts(fold((Cell(caret),), 40)) == [caret]


words = st.text("ab", min_size=1, max_size=12)


@given(st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), min_size=1), st.integers(16, 60))
def test_folding_loses_no_word_and_keeps_to_the_width(parts: list[str], width: int) -> None:
    """Whatever the cells; no word here is wider than the narrowest screen."""
    cells = tuple([Cell(f"{part} ") for part in parts])
    folded = texts(fold(cells, width))
    assert " ".join(folded).split() == "".join(part.text for part in cells).split()
    if width >= 20:
        assert max(len(text.rstrip()) for text in folded) <= width


def test_words_are_set_in_as_many_columns_as_fit() -> None:
    """Each as wide as the longest; one column where nothing else fits."""
    assert plain_lines(columns(["eventfd", "eoi", "take"], "", 18)) == ["eventfd  eoi", "take"]
    assert plain_lines(columns(["eventfd", "eoi"], "", 3)) == ["eventfd", "eoi"]
    assert columns([], "", 80) == []
