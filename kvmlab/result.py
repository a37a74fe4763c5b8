"""What one command did, how far it is while it does it, and how the expectations of a session went."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from kvmlab.language.command import Command
from kvmlab.language.truth import Expression

if TYPE_CHECKING:
    from kvmlab.session import Session


@dataclass(slots=True)
class Result:
    """What one command did.

    ``ret`` is the return value, "none", or None for a command that returns nothing; ``errno`` the
    name of the errno or ""; ``why`` a sentence on a no, on where a call stands, or on a failure.
    ``output`` is what it prints (strings, or rows of the rooms that draw), ``events`` the
    tracepoints it hit. ``held`` is None, or what became of an expectation: True, False, "not
    visible". ``ends`` is True for the command that ends the session. ``stopped`` is what was run in
    place of a command that was stopped before its end, () otherwise. ``told`` is what a watcher of the
    session has to say of it, as rows or strings. ``differs`` is what the kernel beside a model answered
    where that is something else.
    ``of`` is the verb of the call that a `step` or a `finish` brought to its end.
    """

    command: Command
    ret: int | str | None = None
    errno: str = ""
    why: str = ""
    output: tuple[Any, ...] = ()
    events: Sequence[str] = ()
    held: bool | str | None = None
    ends: bool = False
    stopped: tuple[Command, ...] = ()
    told: tuple[Any, ...] = ()
    differs: str = ""
    of: str = ""


@dataclass(slots=True)
class Underway:
    """A command between two slices: ``done`` of ``count`` things, ``rate`` a second at most (None: any).

    ``doing`` is the part that it is at ("" if it has but one), ``waiting`` how many things wait, ``found``
    how many it was looking for.
    """

    command: Command
    things: str
    count: int
    rate: int | None = None
    done: int = 0
    doing: str = ""
    waiting: int = 0
    found: int = 0


Ended = TypeVar("Ended")

Sliced = Generator[Underway, bool | None, Ended]
"""What runs in slices: it yields where it can be looked at, and ends there if it is sent True."""


def drained(slices: Generator[Any, Any, Ended]) -> Ended:
    """Run every slice, and return what comes of them."""
    try:
        while True:
            next(slices)
    except StopIteration as end:
        ended: Ended = end.value
        return ended


@dataclass(slots=True)
class Tally:
    """How many expectations held, failed, and could not be seen."""

    held: int = 0
    failed: int = 0
    unseen: int = 0

    def count(self, held: bool | str | None) -> None:
        """Count one result."""
        if held is True:
            self.held += 1
        elif held is False:
            self.failed += 1
        elif held is not None:
            self.unseen += 1


@dataclass(slots=True)
class Property:
    """A ``never`` or ``always``: what it says, and whether it holds so far."""

    command: Command
    expression: Expression
    wanted: bool
    broken: bool = False


class Watcher(Protocol):
    """Who looks on while a session goes its way, as a lab does. It never moves the machine.

    ``state`` is all that it remembers beside the history, immutable, so that it can be taken back.
    """

    state: Any

    @property
    def unfinished(self) -> bool:
        """Whether something was begun that is not at its end."""

    def moved(self, context: str) -> None:
        """Look at the machine after an op of a context that was moved by hand."""

    def noted(self, command: Command) -> Any:
        """Look at the machine at the end of a unit; return what to keep with it."""

    def said(self, result: Result) -> tuple[Any, ...]:
        """Return what there is to say, as rows or strings, of a command that has been performed."""


Handler = Callable[["Session", Command], Result | Sliced[Result]]
"""Performs one verb in a session: at once, or in slices where it may take long."""


def sliced(handled: Result | Sliced[Result]) -> Sliced[Result]:
    """Return what a handler gives as slices, whichever it is."""
    return handled if isinstance(handled, Result) else (yield from handled)
