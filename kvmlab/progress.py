"""How far a program has come, on a terminal, when it takes long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from kvmlab.result import Underway

PATIENCE = 1.0
"""Seconds after which a terminal is shown how far the work has come."""

_BAR: list[bool] = []
"""Not empty while a bar is shown, beside which nothing else is told."""


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Give a function to call after each of ``total`` parts; slow work gets a bar on stderr.

    There is none where stderr is no terminal, or where the output scrolls on the same one.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda: None
        return
    begun = time.monotonic()
    done = 0
    bar = None

    def tick() -> None:
        nonlocal done, bar
        done += 1
        if bar is None and time.monotonic() - begun > PATIENCE:
            # rich costs 40 ms to import, and only slow work needs it.
            from rich.progress import Progress

            bar = Progress(transient=True)
            bar.add_task("running", total=total)
            bar.start()
            _BAR.append(True)
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done)

    try:
        yield tick
    finally:
        _BAR.clear()
        if bar is not None:
            bar.stop()


class Teller:
    """Says on stderr how far slow work is, on a line that is written over; only where that is a terminal."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._due = time.monotonic() + PATIENCE
        self._told = False

    def tell(self, say: Callable[[], str]) -> None:
        """Show what ``say`` returns, if it is time to say something."""
        if self._shows and time.monotonic() >= self._due and not _BAR:
            sys.stderr.write(f"\r{say()}\x1b[K")
            sys.stderr.flush()
            self._due, self._told = time.monotonic() + PATIENCE / 4, True

    def clear(self) -> None:
        """Leave the line empty, for what is shown next; the next work has its own patience."""
        self._due = time.monotonic() + PATIENCE
        if self._told:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._told = False


class Pace:
    """How fast a command is between its slices: a rate and how long it takes at most, part by part."""

    def __init__(self) -> None:
        self._part: tuple[str, str] | None = None
        self._begun, self._before = 0.0, 0

    def text(self, underway: Underway, now: float) -> str:
        """Return how far a command is at a moment in seconds."""
        self.look(underway, now)
        seconds = now - self._begun
        rate = (underway.done - self._before) / seconds if seconds > 0 else 0
        text = f"{self._doing(underway)}: {underway.done:,} {underway.things}, {rate:,.0f}/s"
        text += f", {underway.waiting:,} wait" if underway.waiting else ""
        if rate > 0:
            text += f", at most {max(0, underway.count - underway.done) / rate:,.0f} s more"
        return f"{text}; {underway.found} found" if underway.found else text

    def look(self, underway: Underway, now: float) -> None:
        """Begin to count anew where another part has begun."""
        part = self._doing(underway), underway.things
        if part != self._part:
            self._part, self._begun, self._before = part, now, underway.done

    @staticmethod
    def _doing(underway: Underway) -> str:
        return underway.doing or underway.command.verb


T = TypeVar("T")


def watched(slices: Generator[Underway, Any, T], teller: Teller | None = None) -> T:
    """Run every slice, telling on a terminal how far it is; return what comes of them."""
    teller = teller or Teller()
    pace = Pace()
    try:
        while True:
            underway = next(slices)
            pace.look(underway, time.monotonic())
            teller.tell(partial(pace.text, underway, time.monotonic()))
    except StopIteration as end:
        ended: T = end.value
        return ended
    finally:
        teller.clear()
