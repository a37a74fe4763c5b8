"""The verbs that only look: each is answered with rows, from a snapshot or from the language.

The table LOOKING goes into the session's table of handlers.
"""

from __future__ import annotations

from kvmlab.engine.caps import capabilities, check_extension
from kvmlab.language.command import Command
from kvmlab.render.cells import Cell, line, table
from kvmlab.result import Handler, Result
from kvmlab.session import Session


def _info(session: Session, command: Command) -> Result:
    return _pane(session, command, command.args["what"])


def _contexts(session: Session, command: Command) -> Result:
    return _pane(session, command, "contexts")


def _pane(session: Session, command: Command, name: str) -> Result:
    # The panes read snapshots, whose records take 12 ms to define: only who looks pays that.
    from kvmlab.render.panes import PANES

    return Result(command, output=tuple(PANES[name](session.snapshot())))


def _trace(session: Session, command: Command) -> Result:
    events = session.backend.trace(command.args.get("count"))
    rows = [line(Cell(event, "event")) for event in events] or [line(Cell("no tracepoint was hit", "muted"))]
    return Result(command, output=tuple(rows))


def _caps(session: Session, command: Command) -> Result:
    profile = session.backend.profile
    name = command.args.get("name")
    if name is not None:
        known, value = check_extension(profile, name)
        why = "" if known in capabilities(profile) else f"this kernel does not know {known}"
        return Result(command, ret=value, why=why)
    rows = [
        (cap, str(number), str(value))
        for cap, (number, value) in sorted(capabilities(profile).items(), key=lambda item: item[1])
    ]
    return Result(command, output=tuple(table(("capability", "number", "value"), rows)))


def _help(session: Session, command: Command) -> Result:
    from kvmlab.language.help import help_topic

    return Result(command, output=tuple(help_topic(command.args.get("topic", ""))))


LOOKING: dict[str, Handler] = {
    "info": _info,
    "contexts": _contexts,
    "trace": _trace,
    "caps": _caps,
    "help": _help,
}
"""Verb → handler."""
