"""Rows as plain text: for pipes, files, mails and screen readers. No colours, no box drawing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from kvmlab.render.cells import Row, layout
from kvmlab.render.fold import fold


def plain_lines(rows: Iterable[Row], width: int | None = None) -> list[str]:
    """Return rows as lines of text without trailing blanks, folded where a ``width`` is given."""
    lines = layout(rows, width)
    folded = lines if width is None else [each for cells in lines for each in fold(cells, width)]
    return ["".join([text for text, _style in cells]).rstrip() for cells in folded]


def width_of(out: TextIO) -> int | None:
    """Return how many columns a terminal has; None for what is no terminal, where nothing is folded."""
    if not out.isatty():
        return None
    from shutil import get_terminal_size  # only a terminal has a width

    return get_terminal_size().columns
