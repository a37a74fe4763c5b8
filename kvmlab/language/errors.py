"""Wrong text: the one exception of the language, and the words nearest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_WORD = 48
"""Longer words are shown clipped and have no nearest word."""

_WINDOW = 37
"""As many characters of the line as are shown either side of the column: 80 columns never wrap them."""


class LanguageError(Exception):
    """Text that is no command. Nothing of it runs.

    ``line`` and ``column`` count from 1 and the column may stand one behind the end of the line;
    ``expected`` says what could have stood there, ``nearest`` is the closest valid word or "";
    ``file`` is "" for text that came from no file; ``source`` is the whole line.
    """

    def __init__(
        self,
        message: str,
        line: int = 1,
        column: int = 1,
        *,
        expected: str = "",
        nearest: str = "",
        file: str = "",
        source: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.expected = expected
        self.nearest = nearest
        self.file = file
        self.source = source

    def __str__(self) -> str:
        """Return ``file:line:column: message`` with the nearest word or what was expected."""
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else f"{self.line}:{self.column}: "
        return place + self.sentence()

    def sentence(self) -> str:
        """Return the message with the nearest word or what was expected, without the place."""
        if self.nearest:
            return f"{self.message}; did you mean '{self.nearest}'?"
        if self.expected:
            return f"{self.message}; expected {self.expected}"
        return self.message

    def caret(self) -> str:
        """Return two lines: the text round the column, and a caret with what was expected there.

        What ``sentence`` says already is not repeated.
        """
        at = self.column - 1
        start, end = max(0, at - _WINDOW), at + _WINDOW
        before = "…" if start else ""
        after = "…" if end < len(self.source) else ""
        shown = before + printable(self.source[start:end]) + after
        expected = f" expected {self.expected}" if self.nearest and self.expected else ""
        return f"{shown}\n{' ' * (len(before) + at - start)}^{expected}"


class Lacking(LanguageError):
    """Text that another api would understand: the one in force has no such command or word."""


def printable(text: str) -> str:
    """Return text with tabs as spaces and everything else that a terminal does not show as "?"."""
    shown = text.replace("\t", " ")
    return shown if shown.isprintable() else "".join(c if c.isprintable() else "?" for c in shown)


def clip(word: str) -> str:
    """Return a word as a message can show it: printable and short."""
    shown = printable(word[: LONGEST_WORD + 1])
    return shown if len(word) <= LONGEST_WORD else shown[:-1] + "…"


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the valid word closest to a mistyped one, or "" when none is close."""
    if len(word) > LONGEST_WORD:
        return ""
    from difflib import get_close_matches  # 1 ms that text without an error does not need

    found = get_close_matches(word, list(words), 1, 0.6)
    return found[0] if found else ""


def in_words(error: Exception) -> str:
    """Return why a file cannot be used: what the system says, else the error's own words."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
