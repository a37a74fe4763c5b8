"""The kvm:* tracepoints: recorded as tuples in a bounded ring, worded as the kernel words them.

Formats are those of the 3.6 trace headers (include/trace/events/kvm.h, arch/x86/kvm/trace.h).
An event is formatted only when somebody reads it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

Event = tuple[Any, ...]
"""``(event name, *fields)``; the fields of each event are the parameters of its formatter."""

CHUNK = 8192
"""The ring keeps between one and two chunks of events."""

Mark = tuple["_Chunk", "_Chunk", int]
"""A place in the trace: the chunk before, the chunk itself, and how much of it."""


class _Chunk:
    """Events in the order they happened, and how many of each name came before this chunk."""

    __slots__ = ("before", "events")

    def __init__(self, before: Counter[str]) -> None:
        self.events: list[Event] = []
        self.before = before


class Trace:
    """The ring. A mark is a place in it that can be gone back to, however much came since."""

    def __init__(self) -> None:
        self._older = self._chunk = _Chunk(Counter())
        self._events = self._chunk.events

    def emit(self, *event: Any) -> None:
        """Record an event: its name, then its fields."""
        events = self._events
        events.append(event)
        if len(events) == CHUNK:
            self._roll()

    def _roll(self) -> None:
        full = self._chunk
        before = full.before + Counter(event[0] for event in full.events)
        self._older, self._chunk = full, _Chunk(before)
        self._events = self._chunk.events

    def clear(self) -> None:
        """Forget everything, as after `echo > trace`; the counts begin anew too."""
        self._older = self._chunk = _Chunk(Counter())
        self._events = self._chunk.events

    def mark(self) -> Mark:
        """Return the present place."""
        return self._older, self._chunk, len(self._events)

    def rewind(self, mark: Mark) -> None:
        """Go to a place: events after it are no longer seen, but other marks stay good."""
        self._older, chunk, length = mark
        if length != len(chunk.events):
            copy = _Chunk(chunk.before)
            copy.events = chunk.events[:length]
            chunk = copy
        self._chunk, self._events = chunk, chunk.events

    def since(self, mark: Mark) -> list[Event]:
        """Return the events after an earlier place, as far as the ring still has them."""
        _older, chunk, length = mark
        if chunk is self._chunk:
            return self._events[length:]
        if chunk is self._older:
            return chunk.events[length:] + self._events
        return self.last()

    def last(self, count: int | None = None) -> list[Event]:
        """Return the newest ``count`` events, or all that the ring has, oldest first."""
        events = self._events
        if self._older is not self._chunk:
            events = self._older.events + events
        return list(events) if count is None else events[max(0, len(events) - count) :]

    def counts(self) -> Counter[str]:
        """Return how many events of each name there were since the machine was made."""
        return self._chunk.before + Counter(event[0] for event in self._events)
