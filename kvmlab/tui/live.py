"""A session that changes by itself: what keeps it fresh, and the pictures of it that were seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kvmlab.render.cells import Cell
    from kvmlab.render.timeline import Sample
    from kvmlab.session import Session
    from kvmlab.tui.seen import Seen

MARKED = 2.0
"""Seconds for which a change is marked."""

MOST = 40
"""As many pictures are kept."""


class Live(Protocol):
    """What keeps a session fresh."""

    async def run(self, tell: Callable[[str], None]) -> None:
        """Do so until cancelled; what a person should know is told in sentences."""

    def status(self) -> Sequence[Cell]:
        """Return what is shown, and how fresh it is, for one row of 80 characters."""


class Pictures:
    """The pictures of a session that were seen lately, each with the second at which it was new."""

    def __init__(self) -> None:
        self._kept: deque[tuple[int, float, Seen]] = deque(maxlen=MOST)

    def add(self, seen: Seen, at: float) -> None:
        """Keep a picture that differs from the one before."""
        self._kept.append((self.newest + 1, at, seen))

    @property
    def newest(self) -> int:
        """The number of the newest picture; the first one was 1."""
        return self._kept[-1][0] if self._kept else 0

    def before(self, now: float) -> Seen | None:
        """Return what was seen MARKED seconds ago, or the oldest that is kept; None where there is none."""
        found = None
        for _number, at, seen in self._kept:
            if found is None or at <= now - MARKED:
                found = seen
        return found

    def of(self, session: Session) -> list[Sample]:
        """Return the pictures as samples for the timeline, oldest first."""
        from kvmlab.render.timeline import Sample  # a model's frame, which waits for this module, needs none

        newest = self._kept[-1][1] if self._kept else 0.0
        return [
            Sample(
                number,
                f"{newest - at:.1f} s before the newest" if at < newest else "the newest",
                seen.snapshot,
            )
            for number, at, seen in self._kept
        ]

    def present(self, seen: Seen) -> int:
        """Return the number of the sample that is the present: the newest."""
        return self.newest
