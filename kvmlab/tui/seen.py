"""What the panes are drawn from: one moment of a session, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.course.lab import Lab
    from kvmlab.course.standing import Position, Standing
    from kvmlab.history import Unit
    from kvmlab.result import Watcher
    from kvmlab.session import Session
    from kvmlab.snapshot import Snapshot

EVENTS = 500
"""As many tracepoints are shown, the newest."""

UNITS = 200
"""As many units of history are shown either side of the present."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """The lab that is open: how many of its goals are reached, and the first that is not, "" for none.

    ``choices`` are the commands that a goal which asks has for its answers, or the one that leads back
    to where it can be answered. ``solution`` is "" until it was asked for,
    ``standing`` None where nobody looks at it.
    """

    lab: Lab
    position: Position
    reached: int
    of: int
    goal: str
    solved: bool
    solution: str
    choices: Mapping[str, Sequence[str]]
    standing: Standing | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot, the newest tracepoints, and the units of history round the present.

    ``units`` are (number, text), ``position`` how many units are done of ``total``, ``first`` the
    earliest position that can be reached.
    """

    snapshot: Snapshot
    events: Sequence[str]
    units: tuple[tuple[int, str], ...]
    position: int
    first: int
    total: int
    marks: tuple[tuple[str, int], ...]
    status: str = ""
    """What it runs on, if that is worth a word."""
    beside: Snapshot | None = None
    """The snapshot with what a machine beside this one shows in its place, if there is one."""
    lab: Lesson | None = None


def see(session: Session, studied: bool = False) -> Seen:
    """Return what can be seen of a session at this moment; all of its lab only where it is ``studied``."""
    history = session.history
    low = max(history.first, history.position - UNITS)
    near = history.units[low - history.first : history.position - history.first + UNITS]
    snapshot = session.snapshot()
    beside = session.backend.beside(snapshot)
    return Seen(
        snapshot,
        session.backend.trace(EVENTS),
        tuple(_numbered(near, low + 1)),
        history.position,
        history.first,
        len(history),
        tuple(history.marks.items()),
        session.backend.status,
        beside,
        None if session.watcher is None else _lesson(session.watcher, studied),
    )


def _lesson(watcher: Watcher, studied: bool) -> Lesson | None:
    from kvmlab.course.player import Player  # who is in a lab has loaded it

    if not isinstance(watcher, Player):
        return None
    done, goals, state = watcher.done(), watcher.lab.goals, watcher.state
    return Lesson(
        watcher.lab,
        watcher.position,
        len(done),
        len(goals),
        next((goal.say for goal in goals if goal.id not in done), ""),
        state.solved,
        watcher.lab.ending if state.shown else "",
        {
            goal.id: ["reset"]
            if watcher.late(goal)
            else [f"lab answer {goal.id} {word}" for word in goal.answers]
            for goal in goals
            if goal.answers and goal.id not in done
        },
        watcher.standing() if studied else None,
    )


def _numbered(units: list[Unit], first: int) -> list[tuple[int, str]]:
    return [(number, unit.text) for number, unit in enumerate(units, first)]
