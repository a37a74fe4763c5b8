"""The machine as it was after each unit of a session's history, for the timeline.

A session keeps no snapshots; they are taken by walking its history and coming back. What was
sampled once is kept as long as its unit is the same one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmlab.render.timeline import Sample

if TYPE_CHECKING:
    from kvmlab.history import History, Unit
    from kvmlab.session import Session
    from kvmlab.snapshot import Snapshot
    from kvmlab.tui.seen import Seen


UNKNOWN = "(no longer known)"
"""What led to a state whose unit the history has dropped."""


class Samples:
    """Samples of one session's past, at most ``most`` of them round the present."""

    def __init__(self, most: int = 40) -> None:
        self.most = most
        self._history: History | None = None
        self._kept: dict[int, tuple[Unit | None, Snapshot]] = {}

    def of(self, session: Session) -> list[Sample]:
        """Return the samples up to the present and, after an undo, of what could be redone, oldest first."""
        history = session.history
        if history is not self._history:
            self._history, self._kept = history, {}
        last = min(len(history), history.position + self.most // 2)
        numbers = range(max(history.first, last - self.most + 1), last + 1)
        units = {number: self._unit(session, number) for number in numbers}
        self._kept = {n: kept for n, kept in self._kept.items() if n in units and kept[0] is units[n]}
        # A unit that runs in slices is not ended: nobody may walk away from it.
        missing = [] if session.busy else [number for number in numbers if number not in self._kept]
        if missing:
            self._walk(session, missing, units)
        return [
            Sample(number, unit.text if unit else UNKNOWN if number else "machine", self._kept[number][1])
            for number, unit in units.items()
            if number in self._kept
        ]

    @staticmethod
    def present(seen: Seen) -> int:
        """Return the number of the sample that is what is seen now."""
        return seen.position

    def _walk(self, session: Session, missing: list[int], units: dict[int, Unit | None]) -> None:
        history, present = session.history, session.history.position
        try:
            for number in missing:
                history.goto(session, number)
                self._kept[number] = units[number], session.snapshot()
        finally:
            history.goto(session, present)

    @staticmethod
    def _unit(session: Session, number: int) -> Unit | None:
        """Return the unit of a number; the earliest state that can be reached has none."""
        at = number - session.history.first
        return session.history.units[at - 1] if at else None
