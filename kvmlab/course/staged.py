"""Where the search of a proof begins: in which state, and with whose calls standing ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kvmlab.backends.model import VERBS, Model
from kvmlab.engine.kernel.continuation import EXPECTING, Call
from kvmlab.language.ioctls import ioctls_of
from kvmlab.verbs import call_of

if TYPE_CHECKING:
    from kvmlab.course.lab import Goal
    from kvmlab.course.memory import Starts
    from kvmlab.engine.machine import Machine
    from kvmlab.language.command import Command
    from kvmlab.language.truth import Lookup
    from kvmlab.session import Session


def elsewhere(goal: Goal, session: Session, read: Lookup) -> str:
    """Return in what a search from here begins elsewhere than where a goal asks for, "" for nothing."""
    unmet = _unmet(goal, read)
    if unmet:
        return f"the search began elsewhere: {unmet}"
    absent = _not_ready(goal, session)
    return f"no actor stood ready, not yet started, with this to do: {absent}" if absent else ""


def begins(goal: Goal, session: Session, read: Lookup, *, ready: bool) -> bool:
    """Tell whether a search from here begins as a goal asks.

    Without ``ready`` who has to stand ready may still be to come, but nobody has begun.
    """
    if _unmet(goal, read):
        return False
    if ready or not goal.ready:
        return not _not_ready(goal, session)
    return not any(each.path for each in session.snapshot().contexts or ())


def starts(goals: Sequence[Goal], session: Session, read: Lookup, before: Starts, position: int) -> Starts:
    """Return from where searches would begin as goals ask, now that a position is reached."""
    placed = [goal for goal in goals if goal.given is not None or goal.ready]
    here = {
        (goal.id, ready): position
        for goal in placed
        for ready in (False, True)
        if begins(goal, session, read, ready=ready)
    }
    return tuple({**dict(before), **here}.items())


def back(goal: Goal, session: Session, read: Lookup, known: Starts) -> str:
    """Return the command that leads back to where a goal's search begins, "" for no need of one."""
    if begins(goal, session, read, ready=True):
        return ""
    position = dict(known).get((goal.id, True))
    if position is None and not begins(goal, session, read, ready=False):
        position = dict(known).get((goal.id, False))
    return "" if position is None else f"goto {position}"


def _unmet(goal: Goal, read: Lookup) -> str:
    """Return the facts to blame where what a goal takes as given is not so, "" where it is."""
    if goal.given is None:
        return ""
    verdict = goal.given.evaluate(read)
    return "" if verdict.held is True else goal.given.describe_failure(verdict)


def _not_ready(goal: Goal, session: Session) -> str:
    """Return the first calls of a goal that stand ready in no context that has not begun, "" for none."""
    waiting = _waiting(session.backend.machine) if isinstance(session.backend, Model) else []
    for wanted in goal.ready:
        calls = _calls(wanted, session)
        context = next((each for each in waiting if calls and _in_order(calls, each)), None)
        if context is None:
            return "; ".join(command.text for command in wanted)
        waiting.remove(context)
    return ""


def _waiting(machine: Machine) -> list[list[Call]]:
    """Return the calls of each context that stands ready and has not begun, whatever they expect."""
    contexts = [machine.contexts.get(name) for name in machine.contexts.names]
    return [
        [args[:2] if name == EXPECTING else (name, args) for name, args in context.calls]
        for context in contexts
        if context.calls and context.at is None and not context.started
    ]


def _calls(wanted: Sequence[Command], session: Session) -> list[Call]:
    """Return calls as contexts hold them, [] where this machine's api does not know one of them."""
    known = ioctls_of(session.backend.profile.api)
    if any(command.spec.ioctl not in ("", *known) for command in wanted):
        return []
    made = [call_of(session, command) for command in wanted]
    return [VERBS[verb].call(args)[1] for verb, args in made]


def _in_order(wanted: Sequence[Call], calls: Sequence[Call]) -> bool:
    """Tell whether calls are made in this order, whatever is made between them."""
    rest = iter(calls)
    return all(call in rest for call in wanted)
