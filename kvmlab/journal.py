"""The journal of a session: every command, on disk before it runs, so that nothing is lost.

A journal is a script: ``source PATH`` brings the session back. The process that writes one holds
a lock on it, so one that is neither closed nor locked belongs to a session that was killed, or left
in the middle of a lab.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

CLOSED = b"\n# closed\n"
"""The last line of the journal of a session that came to its end."""

OFFER = "The last session was cut off, or left in the middle of a lab. This brings it back"
"""What the next session says of a journal that has no such line."""

UNRECORDED = frozenset({"quit"})
"""What a journal leaves out: it would end the session that the journal is brought back in."""

KEPT = 20
"""As many closed journals are kept."""


class Journal:
    """The open journal of this session; ``lost`` are those of sessions that were killed, oldest first.

    ``head`` is the command it begins with, which makes the machine that the session began with.
    Raises OSError where the folder cannot be written; a disk that is full later ends the record.
    """

    def __init__(self, folder: Path, head: str = "machine") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lost = _tidy(folder)
        self.path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.kvm"
        self.head = head
        self._file = self.path.open("ab", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def add(self, text: str) -> None:
        """Append one command; from here on it survives the end of this process."""
        with suppress(OSError):
            if self.head:
                self._file.write(self.head.encode() + b"\n")
                self.head = ""
            self._file.write(text.encode("utf-8", "replace") + b"\n")

    def place(self) -> tuple[str, int]:
        """Return where the journal stands, for :meth:`return_to`."""
        return self.head, os.fstat(self._file.fileno()).st_size

    def return_to(self, place: tuple[str, int]) -> None:
        """Forget what was added since a place: it was interrupted and has been taken back."""
        self.head, size = place
        with suppress(OSError):
            self._file.truncate(size)

    def close(self, *, finished: bool = True) -> None:
        """End the journal; an empty one is removed. Those that were lost are not offered again.

        One of a session that is not ``finished`` is offered as one that was lost.
        """
        with suppress(OSError):
            if self.head:
                self.path.unlink(missing_ok=True)
            elif finished:
                self._file.write(CLOSED)
            self._file.close()
            for path in self.lost:
                with path.open("ab") as file:
                    file.write(CLOSED)


def _tidy(folder: Path) -> list[Path]:
    """Remove the oldest closed journals; return those that are neither closed nor in use."""
    closed, lost = [], []
    for path in sorted(filter(Path.is_file, folder.glob("*.kvm"))):
        with suppress(OSError), path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0, size - len(CLOSED)))
            if file.read() == CLOSED:
                closed.append(path)
            elif size and _free(file.fileno()):
                lost.append(path)
    for path in closed[:-KEPT]:
        with suppress(OSError):
            path.unlink()
    return lost


def _free(fd: int) -> bool:
    """Tell whether no process writes the journal; the lock taken to know goes with the descriptor."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
