"""A line of commands run in slices, so that the screen keeps its rate and keys are echoed.

Between two slices the machine can be looked at; but a unit may not be ended, so no other command
runs until the line is over or stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.result import Sliced, Underway

SLICE = 0.004
"""Seconds for which a slice runs at most: what the event loop can wait without being noticed."""


class Running:
    """A line that is under way, ``paused`` or not; ``at`` is how far its command is."""

    def __init__(self, slices: Sliced[bool], clock: Callable[[], float] = time.perf_counter) -> None:
        self.paused = False
        self.at: Underway | None = None
        self.goes_on = True
        """False when the line ended the session."""
        self._slices = slices
        self._clock = clock
        self._ran = 0.0
        self._last = clock()

    def slice(self) -> bool:
        """Run for a slice, no faster than the command's rate; tell whether the line is over."""
        now = self._clock()
        if not self.paused:
            self._ran += now - self._last
        self._last = now
        while not (self.paused or self._ahead()):
            if self._over(None):
                return True
            if self._clock() - now >= SLICE:
                break
        return False

    def stop(self) -> None:
        """End the line where it is."""
        over = self._over(True)
        assert over, "what is told to stop ends"

    def status(self) -> str:
        """Return how far it is and how fast, for the state bar."""
        if self.at is None:
            return ""
        rate = self.at.done / self._ran if self._ran else 0
        word = "paused" if self.paused else f"{rate:,.0f} {self.at.things}/s"
        return f"{self.at.command.verb} {self.at.done:,} of {self.at.count:,}, {word}"

    def _ahead(self) -> bool:
        at = self.at
        return at is not None and at.rate is not None and at.done > self._ran * at.rate

    def _over(self, stopped: bool | None) -> bool:
        """Go one step on, or stop; tell whether that was the end."""
        try:
            at = self._slices.send(stopped)
        except StopIteration as end:
            self.at, self.goes_on = None, end.value
            return True
        if at is not self.at:
            self.at, self._ran = at, 0.0
        return False
