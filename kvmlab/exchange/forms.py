"""Kinds of lines of a text that another program wrote, and what is told of a line that is of none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from kvmlab.language.errors import clip

Found = re.Match[str]

Reader = TypeVar("Reader")


class Problem(NamedTuple):
    """What could not be read: where (counted from 1), and a sentence."""

    line: int
    column: int
    text: str

    def __str__(self) -> str:
        """Return ``line:column: sentence``."""
        return f"{self.line}:{self.column}: {self.text}"


class Form(Generic[Reader]):
    """One kind of line: what it is, its pieces as patterns, and what reads it.

    The first piece tells that a line is of this kind. ``read`` returns a sentence where the line
    makes no sense where it stands, "" otherwise.
    """

    def __init__(self, what: str, read: Callable[[Reader, Found], str], *pieces: str) -> None:
        self.what = what
        self.read = read
        self._whole = re.compile("".join(pieces))
        self._pieces = [re.compile(piece) for piece in pieces]

    def begins(self, text: str) -> bool:
        """Tell whether a line is of this kind."""
        return self._pieces[0].match(text) is not None

    def match(self, text: str) -> Found | None:
        """Return the match of a whole line."""
        return self._whole.match(text)

    def stops_at(self, text: str) -> int:
        """Return the column, from 1, of the first piece that is not there."""
        at = 0
        for piece in self._pieces:
            part = piece.match(text, at)
            if part is None:
                break
            at = part.end()
        return at + 1


def read_line(forms: Sequence[Form[Reader]], reader: Reader, number: int, text: str) -> Problem | None:
    """Have a line read by the first form that it begins as; return what is wrong with it, if anything is."""
    indent = len(text) - len(text.lstrip()) + 1
    form = next((form for form in forms if form.begins(text)), None)
    if form is None:
        return Problem(number, indent, f"no line that is known: {clip(text.strip())}")
    found = form.match(text)
    if found is None:
        return Problem(number, form.stops_at(text), f"{form.what} is not written so: {clip(text.strip())}")
    why = form.read(reader, found)
    return Problem(number, indent, why) if why else None
