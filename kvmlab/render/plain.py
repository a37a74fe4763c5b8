"""Rows as plain text: for pipes, files, mails and screen readers. No colours, no box drawing."""

from __future__ import annotations

from collections.abc import Iterable

from kvmlab.render.cells import Row, layout


def plain_lines(rows: Iterable[Row], width: int | None = None) -> list[str]:
    """Return rows as lines of text without trailing blanks."""
    return ["".join([text for text, _style in cells]).rstrip() for cells in layout(rows, width)]
