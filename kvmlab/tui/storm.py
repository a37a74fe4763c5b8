"""A storm on the screen: one unit run in slices, so that the screen keeps its rate and keys are echoed.

Between two slices the machine stands between two cycles, and can be looked at; but its unit is not
ended, so no other command runs until the storm is over or stopped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kvmlab.verbs import storm

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.result import Result
    from kvmlab.session import Session

SLICE = 0.004
"""Seconds for which a slice runs at most: what the event loop can wait without being noticed."""


class Storm:
    """A storm that is under way: ``paused`` or not, ``done`` cycles of ``count``."""

    def __init__(self, session: Session, command: Command) -> None:
        self.command = command
        self.count: int = command.args["count"]
        self.rate: int | None = command.args.get("rate")
        self.paused = False
        self.done = 0
        self._session = session
        self._cycles = storm(session, command)
        self._ran = 0.0
        self._last = time.perf_counter()

    def slice(self) -> Result | None:
        """Run cycles for a slice, no more than the rate allows; the result when it is over.

        Raises Refused, as the first cycle does, where no storm can run.
        """
        now = time.perf_counter()
        if not self.paused:
            self._ran += now - self._last
        self._last = now
        allowed = self.count if self.rate is None else int(self._ran * self.rate) + 1
        try:
            while not self.paused and self.done < allowed and time.perf_counter() - now < SLICE:
                self.done = next(self._cycles)
            if self.done == self.count:
                next(self._cycles)
        except StopIteration as end:
            result: Result = end.value
            return result
        self._session.version += 1
        return None

    def stop(self) -> Result:
        """End the storm where it is: what was done is the unit."""
        try:
            self._cycles.send(True)
        except StopIteration as end:
            result: Result = end.value
            return result
        raise AssertionError("a storm that is told to stop ends")

    def status(self) -> str:
        """Return how far it is and how fast, for the state bar."""
        rate = self.done / self._ran if self._ran else 0
        word = "paused" if self.paused else f"{rate:,.0f} cycles/s"
        return f"storm {self.done:,} of {self.count:,}, {word}"
