"""The history file: one line a command line, oldest first, shared by every front end and by sessions at once.

A line that begins with a blank is private and not kept, nor is one that repeats the line before.
"""

from __future__ import annotations

from os import SEEK_END
from pathlib import Path

LARGEST = 16 << 20
"""As many bytes of the file are read; the lines before them are forgotten."""


class HistoryFile:
    """The file at a path, of which the newest ``size`` lines count; it need not exist."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._last = ""

    def load(self) -> list[str]:
        """Return the newest lines, oldest first; a file that has grown to twice that is cut down.

        Raises OSError where the file is there and cannot be read. What is no regular file, and may
        never end, has no lines, and only the newest LARGEST bytes of a file are read.
        """
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            beyond = max(0, file.seek(0, SEEK_END) - LARGEST)
            file.seek(beyond)
            lines = file.read(LARGEST).decode("utf-8", "replace").splitlines()[1 if beyond else 0 :]
        newest = lines[len(lines) - min(self.size, len(lines)) :]
        if len(lines) > 2 * self.size or beyond:
            part = self.path.with_suffix(".part")
            part.write_text("".join(f"{line}\n" for line in newest), "utf-8")
            part.replace(self.path)
        self._last = newest[-1] if newest else ""
        return newest

    def add(self, text: str) -> None:
        """Append a line, unless it is private, empty or a repetition; raises OSError.

        Several lines that were pasted at once are added one by one.
        """
        for line in text.splitlines():
            self._add(line)

    def _add(self, text: str) -> None:
        if not text.strip() or text.startswith(" ") or text == self._last or not self.size:
            return
        if self.path.is_fifo():
            return
        self._last = text
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text + "\n")
