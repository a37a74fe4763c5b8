"""Lines made to fit a screen: folded between words, or words set in columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kvmlab.render.cells import GAP, NARROWEST, Cell, Line, Row, line

HANGING = 2
"""The rest of a folded line stands so many blanks further right than its beginning."""


def fold(cells: Line, width: int) -> list[Line]:
    """Return a line as lines of at most ``width`` characters, broken at blanks.

    A word that is wider than that stays whole and where it is. Where less than NARROWEST would be
    left beside the indent nothing is broken: the terminal's own wrapping is better then.
    """
    text = "".join([part.text for part in cells])
    indent = len(text) - len(text.lstrip()) + HANGING
    if len(text) <= width or width - indent < NARROWEST:
        return [cells]
    first, *rest = _spans(text, width, indent)
    pad = Cell(" " * indent)
    return [tuple(_cut(cells, *first)), *((pad, *_cut(cells, *span)) for span in rest)]


def columns(words: Sequence[str], style: str, width: int) -> list[Row]:
    """Return words in as many columns as fit, to be read line by line."""
    size = max(map(len, words), default=0) + len(GAP)
    count = max(1, (width + len(GAP)) // size)
    return [
        line(*(Cell(word.ljust(size), style) for word in words[start : start + count]))
        for start in range(0, len(words), count)
    ]


def _spans(text: str, width: int, indent: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each line of a folded text."""
    start, room, first_word = 0, width, indent - HANGING
    while len(text) - start > room:
        end = text.rfind(" ", start + first_word, start + room + 1)
        word = text[end + 1 :].partition(" ")[0]
        if end <= start + first_word or len(word) > width - indent:
            end = text.find(" ", start + room)
        if end < 0:
            break
        yield start, end
        start, room, first_word = end + 1, width - indent, 0
    yield start, len(text)


def _cut(cells: Line, start: int, end: int) -> Iterator[Cell]:
    """Yield what of a line's cells lies between two offsets of its text."""
    at = 0
    for text, style in cells:
        part = text[max(0, start - at) : max(0, end - at)]
        if part:
            yield Cell(part, style)
        at += len(text)
