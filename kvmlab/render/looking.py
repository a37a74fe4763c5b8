"""The verbs that only look: each is answered with rows, from a snapshot or from the language.

The table LOOKING goes into the session's table of handlers.
"""

from __future__ import annotations

from kvmlab.backends.backend import Refused
from kvmlab.engine.caps import capabilities, check_extension, every_capability
from kvmlab.language.command import Command
from kvmlab.language.errors import nearest
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

    seen = session.snapshot()
    rows, beside = PANES[name](seen), session.backend.beside(seen)
    if beside is not None:
        from kvmlab.render.differing import differing_rows

        rows = differing_rows(rows, PANES[name](beside))
    return Result(command, output=tuple(rows))


def _differences(session: Session, command: Command) -> Result:
    seen = session.snapshot()
    beside = session.backend.beside(seen)
    if beside is None:
        raise Refused("there is one machine to look at: 'machine backend=both' has a kernel beside a model")
    from kvmlab.beside import cells, verdict

    rows = [(Cell(cell.name, "differs"), *cell.values) for cell in cells(seen, beside)]
    agree = line(Cell(verdict(0), "ok"))
    return Result(command, output=tuple(table(("cell", "model", "kernel"), rows)) if rows else (agree,))


def _trace(session: Session, command: Command) -> Result:
    events = session.backend.trace(command.args.get("count"))
    rows = [line(Cell(event, "event")) for event in events] or [line(Cell("no tracepoint was hit", "muted"))]
    source = session.backend.trace_source
    said = [line(Cell(f"# {source}", "muted"))] if source else []
    return Result(command, output=(*said, *rows))


def _caps(session: Session, command: Command) -> Result:
    profile = session.backend.profile
    name = command.args.get("name")
    if name is not None:
        known, value = check_extension(profile, name)
        caps = capabilities(profile)
        if known in caps:
            return Result(command, ret=_asked(session, caps[known][0], value))
        is_number = name[:1].isdigit()
        real = _asked(session, int(name, 0) if is_number else -1, value)
        better = "" if is_number or known in every_capability() else nearest(known, caps)
        near = f"; did you mean '{better}'?" if better else ""
        return Result(command, ret=real, why="" if real else f"this kernel does not know {known}{near}")
    rows = [
        (cap, str(number), str(_asked(session, number, value)))
        for cap, (number, value) in sorted(capabilities(profile).items(), key=lambda item: item[1])
    ]
    return Result(command, output=tuple(table(("capability", "number", "value"), rows)))


def _asked(session: Session, number: int, value: int) -> int:
    """Return a capability as a real kernel answers, else the value of the profile's table.

    What an api adds is userspace's on a real kernel, where its numbers mean something else.
    """
    added = {at for at, _value in session.backend.profile.proposal.caps.values()}
    real = None if number < 0 or number in added else session.backend.extension(number)
    return value if real is None else real


def _help(session: Session, command: Command) -> Result:
    from kvmlab.language.help import help_topic

    return Result(command, output=tuple(help_topic(command.args.get("topic", ""))))


LOOKING: dict[str, Handler] = {
    "info": _info,
    "contexts": _contexts,
    "differences": _differences,
    "trace": _trace,
    "caps": _caps,
    "help": _help,
}
"""Verb → handler."""
