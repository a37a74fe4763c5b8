"""The history file of past.py as prompt_toolkit reads it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from prompt_toolkit.history import History

from kvmlab.past import HistoryFile


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
