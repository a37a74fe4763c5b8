"""The kvm:* tracepoints: recorded as tuples in a bounded ring, worded as the kernel words them.

Formats are those of the 3.6 trace headers (include/trace/events/kvm.h, arch/x86/kvm/trace.h).
An event is formatted only when somebody reads it.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any

_NAME = itemgetter(0)

Event = tuple[Any, ...]
"""``(event name, *fields)``; the fields of each event are the parameters of its formatter."""

KEPT = 8192
"""The ring keeps at least so many events."""

FULL = 2 * KEPT
"""From so many events on it lets the oldest go, down to KEPT."""


Lost = Counter[str] | None
"""How many events of each name had left the ring before their command was done; None for none."""


class Trace:
    """The ring. What one command recorded can be taken back and put again, however old it is."""

    def __init__(self) -> None:
        self.ring: list[Event] = []
        self.emit = self.ring.append
        """Record an event: a tuple of its name and its fields."""
        self._start = 0
        # By name, what has left the ring and the first ``_counted`` events that are in it.
        self._counts: Counter[str] = Counter()
        self._counted = 0
        self._lost: Lost = None

    def trim(self) -> None:
        """Let the oldest events go when the ring is full; they stay counted."""
        if len(self.ring) < FULL:
            return
        surplus = len(self.ring) - KEPT
        self._count(surplus)
        if surplus > self._start:
            self._lost = self._lost or Counter()
            self._lost.update(map(_NAME, self.ring[self._start : surplus]))
        del self.ring[:surplus]
        self._counted -= surplus
        self._start = max(0, self._start - surplus)

    def _count(self, end: int) -> None:
        """Count the events before an index, each once."""
        self._counts.update(map(_NAME, self.ring[self._counted : end]))
        self._counted = max(self._counted, end)

    def commit(self) -> tuple[tuple[Event, ...], Lost]:
        """Return the events since the last commit, and those that were lost; begin anew."""
        ring = self.ring
        events, lost = tuple(ring[self._start :]), self._lost
        self._start, self._lost = len(ring), None
        return events, lost

    def revert(self, events: tuple[Event, ...], lost: Lost) -> None:
        """Take the newest command's events back."""
        there = min(len(events), len(self.ring))
        self._start = len(self.ring) - there
        self._counts.subtract(map(_NAME, self.ring[self._start : self._counted]))
        self._counted = min(self._counted, self._start)
        del self.ring[self._start :]
        self._counts.subtract(map(_NAME, events[: len(events) - there]))
        self._counts.subtract(lost or ())

    def reapply(self, events: tuple[Event, ...], lost: Lost) -> None:
        """Put a command's events again."""
        self._counts.update(lost or ())
        self.ring.extend(events)
        self._start = len(self.ring)
        self.trim()

    def clear(self) -> None:
        """Forget everything, as after `echo > trace`; the counts begin anew too."""
        self.ring.clear()
        self._counts.clear()
        self._start, self._counted, self._lost = 0, 0, None

    def last(self, count: int | None = None) -> list[Event]:
        """Return the newest ``count`` events, or all that the ring has, oldest first."""
        return self.ring[-count:] if count else list(self.ring)

    def counts(self) -> Counter[str]:
        """Return how many events of each name there were since the machine was made."""
        self._count(len(self.ring))
        return +self._counts
