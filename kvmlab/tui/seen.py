"""What the panes are drawn from: one moment of a session, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.history import Unit
    from kvmlab.session import Session
    from kvmlab.snapshot import Snapshot

EVENTS = 500
"""As many tracepoints are shown, the newest."""

UNITS = 200
"""As many units of history are shown either side of the present."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, the newest tracepoints, and the units of history round the present.

    ``units`` are (number, text), ``position`` how many units are done of ``total``, ``first`` the
    earliest position that can be reached.
    """

    snapshot: Snapshot
    events: Sequence[str]
    units: tuple[tuple[int, str], ...]
    position: int
    first: int
    total: int
    marks: tuple[tuple[str, int], ...]


def see(session: Session) -> Seen:
    """Return what can be seen of a session at this moment."""
    history = session.history
    low = max(history.first, history.position - UNITS)
    near = history.units[low - history.first : history.position - history.first + UNITS]
    return Seen(
        session.snapshot(),
        session.backend.trace(EVENTS),
        tuple(_numbered(near, low + 1)),
        history.position,
        history.first,
        len(history),
        tuple(history.marks.items()),
    )


def _numbered(units: list[Unit], first: int) -> list[tuple[int, str]]:
    return [(number, unit.text) for number, unit in enumerate(units, first)]
