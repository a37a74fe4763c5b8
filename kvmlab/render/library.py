"""How the course and the scenarios are listed: chapters, and one line for each lab and scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kvmlab.render.cells import Cell, Line, Row
from kvmlab.render.course import MARKS

WIDEST = 24
"""Columns of the names, as far as they need them."""


class Entry(NamedTuple):
    """One lab or scenario: its name, one line on it, the command that opens it.

    ``state`` is that of a lab, "" for a scenario, ``note`` what else there is to say; ``text`` returns
    what can be read of it before it is opened, None where opening it shows that.
    """

    name: str
    title: str
    command: str
    state: str = ""
    note: str = ""
    text: Callable[[], list[Row]] | None = None

    def has(self, words: Sequence[str], chapter: str) -> bool:
        """Tell whether every word, in small letters, stands in what is shown of it, or in its chapter."""
        told = f"{self.name} {self.title} {self.state} {chapter}".lower()
        return all(word in told for word in words)


class Chapter(NamedTuple):
    """Entries under a title, with what is to be said beside it."""

    title: str
    note: str
    entries: Sequence[Entry]


def head_line(chapter: Chapter) -> Line:
    """Return the line above a chapter."""
    return Cell(chapter.title, "header"), Cell(f"  {chapter.note}" if chapter.note else "", "muted")


def entry_line(entry: Entry) -> Line:
    """Return the line of a lab or a scenario."""
    mark, style = MARKS.get(entry.state, ("", ""))
    return (
        Cell(f"{mark} " if mark else "", style),
        Cell(entry.name.ljust(WIDEST), "word-key"),
        Cell(f" {entry.note:>6}  " if entry.note else "  ", "muted"),
        Cell(entry.title),
    )
