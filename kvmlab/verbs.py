"""What every session can do: the handlers of calls, machines, contexts, claims and history.

Rooms below the session add theirs to its table.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from kvmlab.backends.backend import NONE, Answer, Args, Planned, Refused
from kvmlab.history import Unit
from kvmlab.language.command import Command
from kvmlab.language.commands import COMMANDS
from kvmlab.language.errors import LanguageError
from kvmlab.language.ioctls import ioctls_of
from kvmlab.language.parse import parse_line
from kvmlab.result import Handler, Property, Result, Sliced, Underway, sliced

if TYPE_CHECKING:
    from kvmlab.engine.profile import Profile
    from kvmlab.session import Session


def call_of(session: Session, command: Command) -> tuple[str, Args]:
    """Return a command as a backend takes it: its verb, and an ioctl's structure for its words."""
    spec = command.spec
    if not spec.ioctl:
        return command.verb, command.args
    if command.verb.startswith("ioctl "):
        return spec.ioctl, command.args
    return spec.ioctl, ioctls_of(session.backend.profile.api)[spec.ioctl].structure(command.args)


def perform(session: Session, command: Command) -> Result:
    """Handle a call: a syscall, an ioctl or an access of the guest."""
    verb, args = call_of(session, command)
    return session.unit(command, session.backend.perform(verb, args))


def _machine(session: Session, command: Command) -> Result:
    return _renewed(session, command, None)


def _reset(session: Session, command: Command) -> Result:
    return _renewed(session, command, session.backend.profile)


def _renewed(session: Session, command: Command, profile: Profile | None) -> Result:
    """Make a new machine; one that cannot be had here ends a script, as wrong text does."""
    try:
        return session.renew(command, profile)
    except Refused as refused:
        session.scope.rollback()
        raise LanguageError(
            str(refused), command.line, command.column, file=command.file, source=command.text
        ) from None


def _quit(session: Session, command: Command) -> Result:
    return Result(command, ends=True)


def _handler(session: Session, command: Command) -> Result:
    args = command.args
    calls: list[tuple[str, Args]] = [(name, _operands(name, operands)) for name, *operands in args["actions"]]
    text = ", ".join(" ".join(map(str, action)) for action in args["actions"])
    return session.unit(command, session.backend.handler(args["vcpu"], args["vector"], text, calls))


_OPERANDS = {
    "mask": ("pin",),
    "unmask": ("pin",),
    "wake": ("thread",),
    "service": ("name",),
    "lower": ("name",),
}


def _operands(name: str, values: list[Any]) -> dict[str, Any]:
    return dict(zip(_OPERANDS.get(name, ()), values, strict=True))


def _actor(session: Session, command: Command) -> Result:
    session.backend.actor(command.args["name"], [_planned(session, inner) for inner in command.inner])
    return session.unit(command, Answer())


def _planned(session: Session, command: Command) -> Planned:
    """Return one command of an actor as its backend takes it, and what is expected of it."""
    if not command.inner:
        return Planned(*call_of(session, command), command.text)
    (call,), args = command.inner, command.args
    return Planned(*call_of(session, call), call.text, args.get("errno", args.get("value")))


def _mode(manual: bool) -> Handler:
    def handle(session: Session, command: Command) -> Result:
        session.backend.set_manual(manual)
        return session.unit(command, Answer())

    return handle


def _step(session: Session, command: Command) -> Result:
    context, count = command.args["context"], command.args["count"]
    return session.unit(command, session.backend.step(context, count, partial(session.moved, context)))


def _finish(session: Session, command: Command) -> Result:
    context = command.args["context"]
    return session.unit(command, session.backend.finish(context, partial(session.moved, context)))


def _run(session: Session, command: Command) -> Result:
    return session.unit(command, session.backend.run(command.args.get("count")))


def _storm(session: Session, command: Command) -> Sliced[Result]:
    """Run a storm as one unit, a cycle a slice.

    Stopped, the unit says how many cycles there were, so that it can be said again. The tracepoints
    are left to the trace: there are too many to be read.
    """
    underway = Underway(command, "cycles", command.args["count"], command.args.get("rate"))
    stopped = False
    session.busy = True
    # What a storm leaves for undo are no reference cycles, and a search of it stops the screen for 200 ms.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for done in session.backend.storm(underway.count):
            underway.done = done
            stopped = bool((yield underway))
            if stopped:
                break
    finally:
        session.busy = False
        if collecting:
            gc.enable()
    done, why = underway.done, ""
    if stopped:
        command, why = parse_line(f"storm {done}", session.scope)[0], "stopped"
    elif done < underway.count:
        why = "no vCPU took the next interrupt"
    result = session.unit(command, Answer(done, "", why))
    return replace(result, events=(), stopped=(command,) if stopped else ())


def _expect(session: Session, command: Command) -> Sliced[Result]:
    if not command.inner:
        held, why = session.judge(command.args["expression"])
        return Result(command, held=held, why=why)
    handler = session.handlers[command.inner[0].verb]
    inner = yield from sliced(handler(session, command.inner[0]))
    if inner.stopped:
        return inner
    if "errno" in command.args:
        wanted, got = command.args["errno"], inner.errno or str(inner.ret)
        held = inner.errno == wanted
    else:
        wanted, got = command.args["value"], f"{inner.ret} {inner.errno}".strip()
        # A call that only stands has no result yet, which is not the result "none".
        held = inner.ret == wanted and not (wanted == NONE and inner.why)
    why = "" if held else f"it returned {got}, not {wanted}" + (f": {inner.why}" if inner.why else "")
    if held and inner.differs:
        held, why = False, f"the model returned {got}, and {inner.differs}"
    return replace(inner, command=command, held=held and inner.held is not False, why=why or inner.why)


def _property(wanted: bool) -> Handler:
    def handle(session: Session, command: Command) -> Result:
        session.properties.append(Property(command, command.args["expression"], wanted))
        return Result(command, output=("checked after every step from here on, and by explore",))

    return handle


def _undo(session: Session, command: Command) -> Result:
    return _moved(session, command, session.history.undo(session, command.args["count"]), "undone")


def _redo(session: Session, command: Command) -> Result:
    return _moved(session, command, session.history.redo(session, command.args["count"]), "done again")


def _moved(session: Session, command: Command, units: list[Unit], what: str) -> Result:
    if not units:
        return Result(command, why=f"there is nothing to be {what}")
    return Result(command, output=tuple(f"{what}: {unit.text}" for unit in units))


def _mark(session: Session, command: Command) -> Result:
    session.history.marks[command.args["name"]] = session.history.position
    return Result(command)


def _goto(session: Session, command: Command) -> Result:
    place = command.args["place"]
    history = session.history
    position = place if isinstance(place, int) else history.marks.get(place)
    if position is None or not history.first <= position <= len(history):
        return Result(command, why=f"history has the units {history.first} to {len(history)}, not {place}")
    history.goto(session, position)
    return Result(command, output=(f"at unit {position}",))


def _history(session: Session, command: Command) -> Result:
    return Result(command, output=tuple(session.history.lines()))


HANDLERS: dict[str, Handler] = {
    **{verb: perform for verb, spec in COMMANDS.items() if spec.performed},
    "machine": _machine,
    "reset": _reset,
    "quit": _quit,
    "handler": _handler,
    "actor": _actor,
    "auto": _mode(manual=False),
    "manual": _mode(manual=True),
    "step": _step,
    "finish": _finish,
    "run": _run,
    "storm": _storm,
    "expect": _expect,
    "never": _property(wanted=False),
    "always": _property(wanted=True),
    "undo": _undo,
    "redo": _redo,
    "mark": _mark,
    "goto": _goto,
    "history": _history,
}
"""Every verb that needs nothing but the session."""
