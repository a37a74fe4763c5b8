"""Going on until something holds: which command goes on from a moment, and where that has an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmlab.language.parse import parse_line
from kvmlab.render.cells import Cell, Row, line
from kvmlab.result import Sliced, Underway

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvmlab.language.truth import Expression
    from kvmlab.session import Session
    from kvmlab.shell import Shell
    from kvmlab.snapshot import ContextSnapshot, Snapshot
    from kvmlab.tui.seen import Seen

MOST = 1_000
"""As many commands are run before it is given up."""

READY = frozenset({"standing", "not started"})
"""States of a context that has something to do."""

MOVES = ("step", "finish")
"""Commands whose first word is the context that they move."""


def onward(seen: Seen, chosen: str = "") -> str:
    """Return the command that goes on from a moment, "" where nothing can.

    In manual it is the step of a context: of the only one that can move; of several the ``chosen`` one,
    else the one that was moved last, else the first. It begins anew where something was undone, as a
    typed step does. In auto what was undone is done again, and behind that the next interrupt is taken.
    """
    snapshot = seen.snapshot
    if snapshot.mode != "manual":
        return "redo" if seen.position < seen.total else "run 1"
    ready = {each.name: each for each in snapshot.contexts or () if each.state in READY and not each.blocked}
    names = {alias: each.name for each in ready.values() for alias in (each.alias, each.name) if alias}
    found = next(
        (names[name] for name in (chosen, _moved_last(seen)) if name in names), next(iter(ready), "")
    )
    return f"step {found}" if found else ""


def _moved_last(seen: Seen) -> str:
    """Return the context that the last step moved, "" where there was none."""
    for number, text in reversed(seen.units):
        verb, _blank, rest = text.partition(" ")
        if number <= seen.position and verb in MOVES:
            return rest.partition(" ")[0]
    return ""


def repeated(
    shell: Shell,
    command: str,
    expression: Expression,
    text: str,
    *,
    hear: Callable[[str], None],
    say: Callable[[list[Row]], None],
) -> Sliced[bool]:
    """Run a command again and again, a slice each, until an expression holds or it can't go on.

    ``hear`` is told the command each time, ``say`` what came of it all. The value is False where a
    command ends the session.
    """
    session = shell.session
    underway = Underway(parse_line(command, session.scope)[0], "commands", MOST)
    held, goes_on, why = session.judge(expression)[0], True, ""
    while held is False and goes_on and not why:
        was = session.snapshot()
        hear(command)
        goes_on = yield from shell.slices(command)
        underway.done += 1
        held = session.judge(expression)[0]
        why = _why_over(session, underway, was)
        if held is False and goes_on and not why and (yield underway):
            why = "stopped"
    say([_verdict(f"{text}: ", held, f"{underway.done:,} × {command}" if underway.done else "", why)])
    return goes_on


def _why_over(session: Session, underway: Underway, was: Snapshot) -> str:
    """Say why a command can't go on behind the last time it was run, "" if it can."""
    now, history, verb = session.snapshot(), session.history, underway.command.verb
    if verb == "step":
        name = underway.command.args["context"]
        here = next((each for each in now.contexts or () if each.name == name), None)
        if here is not None and (here.state not in READY or here.blocked):
            return _at_rest(here)
    elif verb == "redo" and history.position == len(history):
        return "there is nothing to be done again"
    elif verb == "run" and now == was:
        return "nothing changes any more"
    return f"{MOST:,} are enough; the key goes on" if underway.done == MOST else ""


def _at_rest(context: ContextSnapshot) -> str:
    """Say why a context can't move."""
    if context.blocked:
        return f"{context.name} is blocked: {context.blocked}"
    return f"{context.name} has " + ("stopped" if context.state == "stopped" else "nothing to do")


def _verdict(text: str, held: bool | str, times: str, why: str) -> Row:
    after = f" after {times}" if times else " already" if held is True else ""
    if held is False:
        return line(Cell(f"{text}does not hold{after}: {why}", "warning"))
    return line(
        Cell(f"{text}{'holds' if held is True else held}{after}", "ok" if held is True else "warning")
    )
