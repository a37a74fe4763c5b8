"""The journal that `kvmlab explore` keeps while it searches, in the folder of the user's state."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from kvmlab.explore import journal
from kvmlab.explore.explorer import Explorer
from kvmlab.settings import state_dir

OFTEN = 30.0
"""Seconds between two times that the journal of a long search is written."""


SHARE = 20
"""As many times longer than writing it took is waited at least: a large journal slows no search much."""


class Keeper:
    """Keeps the journal of one exploration: of the ``resumed`` one where there is one, which it goes on with.

    ``words`` are what the program was told: the script's file, then options.
    Raises OSError or ValueError where that is no journal of this very search.
    """

    def __init__(
        self, explorer: Explorer, scenario: Sequence[str], words: Sequence[str], resumed: str = ""
    ) -> None:
        self._explorer, self._words = explorer, words
        self._of = journal.digest(scenario, explorer)
        self._path = state_dir() / "explore" / f"{Path(words[0]).stem}-{self._of[:12]}.json"
        if resumed:
            self._path = Path(resumed)
            journal.resume(self._path, explorer, self._of)
        self._due = time.monotonic() + OFTEN
        self._why = ""
        self._kept = bool(resumed)

    def keep(self) -> None:
        """Write the journal when it is time again."""
        if time.monotonic() >= self._due:
            begun = time.monotonic()
            self._write()
            ended = time.monotonic()
            self._due = ended + max(OFTEN, SHARE * (ended - begun))

    def left(self) -> str:
        """Write the journal of a search that has not seen everything; return how to go on with it."""
        self._write()
        on = f"'kvmlab explore {shlex.join([*self._words, '--resume', str(self._path)])}' goes on"
        if not self._why:
            return on
        why = f"{self._path} cannot be written: {self._why}"
        return f"{why}; {on} where it was written last" if self._kept else why

    def drop(self) -> None:
        """Remove the journal of a search that has come to its end."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._why = str(error)

    def _write(self) -> None:
        try:
            journal.write(self._path, self._explorer, self._of)
            self._why, self._kept = "", True
        except OSError as error:
            self._why = error.strerror or str(error)
