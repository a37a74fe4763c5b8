"""The history file: one line a command line, oldest first, shared by sessions that run at once.

A line that begins with a blank is private and not kept, nor is one that repeats the line before.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import History


class HistoryFile:
    """The file at a path, of which the newest ``size`` lines count; it need not exist."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._last = ""

    def load(self) -> list[str]:
        """Return the newest lines, oldest first; a file that has grown to twice that is cut down.

        Raises OSError where the file is there and cannot be read.
        """
        try:
            lines = self.path.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        newest = lines[len(lines) - min(self.size, len(lines)) :]
        if len(lines) > 2 * self.size:
            part = self.path.with_suffix(".part")
            part.write_text("".join(f"{line}\n" for line in newest), "utf-8")
            part.replace(self.path)
        self._last = newest[-1] if newest else ""
        return newest

    def add(self, text: str) -> None:
        """Append a line, unless it is private, empty or a repetition; raises OSError."""
        if not text.strip() or text.startswith(" ") or text == self._last or not self.size:
            return
        self._last = text
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(" ".join(text.splitlines()) + "\n")


class SavedHistory(History):
    """The file as prompt_toolkit reads it; one that cannot be used costs only the history."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """Return the lines of earlier sessions, newest first."""
        with suppress(OSError):
            return reversed(self._file.load())
        return ()

    def store_string(self, string: str) -> None:
        """Keep a line for later sessions."""
        with suppress(OSError):
            self._file.add(string)
