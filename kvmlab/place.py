"""Ctrl+C comes between commands, or in one that runs long; what it hits leaves nothing behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import is_
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Refused

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.result import Result, Sliced
    from kvmlab.session import Session


class Place:
    """A session's machine, history, names, properties and counts at the moment this is made."""

    def __init__(self, session: Session) -> None:
        history = session.history
        self._session = session
        self._backend, self._history = session.backend, history
        self._units, self._first, self._position = list(history.units), history.first, history.position
        self._marks = dict(history.marks)
        self._names = session.scope.copy()
        self._properties = [replace(each) for each in session.properties]
        self._texts = list(session.texts)
        self._tally, self._last = replace(session.tally), session.last
        self._watcher, self._watched = session.watcher, session.watcher and session.watcher.state

    def restore(self) -> bool:
        """Make the session what it was; to be called where Ctrl+C waits.

        False if more units have passed than a history keeps: then the oldest it has is reached.
        """
        session = self._session
        session.backend, session.history = self._backend, self._history
        try:
            whole = self._go_back()
        except Refused:  # A real kernel does not go back.
            whole = False
        session.scope, session.properties = self._names, self._properties
        session.texts, session.tally = self._texts, self._tally
        session.watcher = self._watcher
        if session.watcher is not None:
            session.watcher.state = self._watched
        if whole:
            session.last = self._last
        return whole

    def _go_back(self) -> bool:
        """Undo what is new, then redo what the command had undone."""
        session, history = self._session, self._history
        if history.first > self._position:
            history.goto(session, history.first)
            return False
        dropped = history.first - self._first
        before = self._units[dropped:]
        shared = next(
            (at for at, same in enumerate(map(is_, before, history.units)) if not same),
            min(len(before), len(history.units)),
        )
        history.goto(session, min(history.position, history.first + shared))
        history.units = before
        history.goto(session, self._position)
        history.marks = self._marks
        return True


LONG = frozenset(
    {"run", "step", "finish", "storm", "source", "compare", "explore"}
    | {"lab start", "lab next", "lab previous", "reset"}
)
"""Commands that may take long: Ctrl+C stops them where they are. It waits for the end of any other."""


def slices(session: Session, command: Command) -> Sliced[Result]:
    """Perform a command in a session; KeyboardInterrupt is raised behind it, unless it is a long one.

    An undo that is cut in two would leave a machine of which neither half is known.
    """
    if command.verb in LONG or any(inner.verb in LONG for inner in command.inner):
        return (yield from session.slices(command))
    with uninterrupted():
        return session.execute(command)


@contextmanager
def between_slices() -> Iterator[Callable[[], None]]:
    """Give what is to be called between slices, where alone Ctrl+C interrupts; the second time at once."""
    noted: list[int] = []

    def note(number: int, _frame: object) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # Not the main thread: Python never interrupts it.
        yield lambda: None
        return

    def pause() -> None:
        if noted:
            raise KeyboardInterrupt

    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Have Ctrl+C wait until the end, where it raises KeyboardInterrupt."""
    noted: list[int] = []
    try:
        before = signal.signal(signal.SIGINT, lambda number, _frame: noted.append(number))
    except ValueError:  # Not the main thread: Python never interrupts it.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if noted:
        raise KeyboardInterrupt
