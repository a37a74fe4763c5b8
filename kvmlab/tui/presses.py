"""The keys and clicks of a person, in their order: who asks for a thing once more does so at once."""

from __future__ import annotations

from collections import deque

from textual.events import Event, Key, MouseDown

KEPT = 100
"""As many presses are kept as may wait for their answers."""


class Presses:
    """What was pressed, oldest first, and which of it is being answered.

    A key comes by twice, when it is pressed and when no widget has used it up; others may be pressed
    in between.
    """

    def __init__(self) -> None:
        self._order: deque[Event] = deque(maxlen=KEPT)
        self._now: Event | None = None
        self._warned: tuple[str, Event | None] = ("", None)

    def see(self, event: Event) -> None:
        """Take notice of what is about to be answered."""
        if isinstance(event, Key | MouseDown):
            if not any(event is each for each in self._order):
                self._order.append(event)
            self._now = event

    def once_more(self, why: str) -> bool:
        """Tell whether the press just before this one was warned of the same; else this one is."""
        at = next((n for n, each in enumerate(self._order) if each is self._now), 0)
        before = self._order[at - 1] if at else None
        if before is not None and self._warned == (why, before):
            self._warned = ("", None)
            return True
        self._warned = (why, self._now)
        return False
