"""One running lab: a backend, its history, its marks and properties; what every front end holds.

The way of a command is text → language.parse → Command → :meth:`Session.execute` → Result. A verb
is performed by a handler of the table ``handlers``; rooms below this one add their own verbs to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kvmlab.backends.backend import NONE, Answer, Args, Backend, Refused
from kvmlab.backends.model import Model
from kvmlab.engine.profile import DEFAULT_APIS, KERNELS, READY_APIS, READY_KERNELS, SWITCHES, Profile
from kvmlab.facts import lookup
from kvmlab.history import History, Last, Unit
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError
from kvmlab.language.ioctls import IOCTLS
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Expression

if TYPE_CHECKING:
    from kvmlab.snapshot import Snapshot

UNSAID = frozenset({"source", "save", "quit"})
"""Verbs that are no part of a saved session: what `source` ran has been said by itself."""

NO_RESULT: Last = (NONE, "", NONE)
READY_BACKENDS = ("model",)


@dataclass(slots=True)
class Result:
    """What one command did.

    ``ret`` is the return value, "none", or None for a command that returns nothing; ``errno`` the
    name of the errno or ""; ``why`` a sentence on a no, on where a call stands, or on a failure.
    ``output`` is what it prints (strings, or rows of the rooms that draw), ``events`` the
    tracepoints it hit. ``held`` is None, or what became of an expectation: True, False, "not
    visible". ``ends`` is True for the command that ends the session.
    """

    command: Command
    ret: int | str | None = None
    errno: str = ""
    why: str = ""
    output: tuple[Any, ...] = ()
    events: Sequence[str] = ()
    held: bool | str | None = None
    ends: bool = False


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


Handler = Callable[["Session", Command], Result]


@dataclass(frozen=True, slots=True)
class Options:
    """What a program's options fill in where ``machine`` says nothing."""

    kernel: str = ""
    api: str = ""


class Session:
    """A machine with its past. ``version`` grows with every command that may have changed it."""

    def __init__(self, options: Options = Options(), handlers: Mapping[str, Handler] | None = None) -> None:
        self.handlers: dict[str, Handler] = {**HANDLERS, **(handlers or {})}
        self.options = options
        self.scope = Scope(options.kernel, options.api)
        self.tally = Tally()
        self.version = 0
        self.last: Last = NO_RESULT
        self.texts: list[str] = []
        """Everything said since the machine was made, as it was typed."""
        self._begin(self._profile({}))

    # -- execution ----------------------------------------------------------------------------

    def execute(self, command: Command) -> Result:
        """Perform a command. Raises LanguageError for what is not here yet; nothing has run then."""
        handler = self.handlers.get(command.verb, perform)
        if handler is not perform or not command.spec.ready:
            check_ready(command, self.handlers)
        self.version += 1
        try:
            result = handler(self, command)
        except Refused as refused:
            result = Result(command, why=str(refused))
        except BaseException:
            self.backend.rewind(self.backend.commit())
            raise
        if command.verb not in UNSAID:
            self.texts.append(command.text)
        if result.held is not None:
            self.tally.count(result.held)
        return result

    def unit(self, command: Command, act: Callable[[], Answer]) -> Result:
        """Perform one unit of history: act, commit, remember, and check the properties."""
        backend, before = self.backend, self.last
        answer = act()
        change = backend.commit()
        self.last = (answer.ret, answer.errno, backend.taken(change))
        self.history.add(Unit(command.text, change, before, self.last))
        result = Result(command, answer.ret, answer.errno, answer.why, (), backend.events(change))
        return self._check_properties(result) if self.properties else result

    def snapshot(self) -> Snapshot:
        """Return everything that can be seen now."""
        from kvmlab.snapshot import LastSnapshot

        return self.backend.snapshot(LastSnapshot(*self.last))

    def judge(self, expression: Expression, wanted: bool = True) -> tuple[bool | str, str]:
        """Return whether an expression is as wanted ("not visible" if nobody can tell), and why not."""
        verdict = expression.evaluate(lookup(self.snapshot()))
        if verdict.held is None:
            return "not visible", expression.describe_failure(verdict, wanted)
        if verdict.held == wanted:
            return True, ""
        return False, expression.describe_failure(verdict, wanted)

    def _check_properties(self, result: Result) -> Result:
        for prop in self.properties:
            held, why = self.judge(prop.expression, prop.wanted)
            newly, prop.broken = held is False and not prop.broken, held is False
            if newly:
                result = replace(result, held=False, why=f"{prop.command.text}: {why}")
        return result

    # -- machines -----------------------------------------------------------------------------

    def _begin(self, profile: Profile) -> None:
        self.backend: Backend = Model(profile)
        self.backend.commit()
        self.history = History()
        self.properties: list[Property] = []
        self.last = NO_RESULT

    def _profile(self, args: Args) -> Profile:
        kernel = args.get("kernel") or self.options.kernel or KERNELS[0]
        return Profile(
            kernel=kernel,
            api=args.get("api") or self.options.api or DEFAULT_APIS[kernel],
            vcpus=args.get("vcpus", 1),
            pit=bool(args.get("pit")),
            x2apic=bool(args.get("x2apic")),
            bare=bool(args.get("bare")),
            without=frozenset(args.get("without", ())),
            with_=frozenset(args.get("with", ())),
        )

    def renew(self, command: Command, profile: Profile | None = None) -> Result:
        """Make a new machine: history, marks, properties and what was said begin anew."""
        self._begin(profile or self._profile(command.args))
        self.texts.clear()
        return Result(command)


def check_ready(command: Command, handlers: Mapping[str, Handler]) -> None:
    """Raise LanguageError for a command, or a word of it, that parses but cannot be run yet."""
    if not command.spec.ready and command.verb not in handlers:
        raise _not_yet(command, f"'{command.verb}'")
    if command.verb == "machine":
        _check_machine(command)
    if command.verb == "handler":
        for name, *_operands in command.args["actions"]:
            if name in ("lower", "service"):
                raise _not_yet(command, f"the action '{name}'")
    for inner in command.inner:
        check_ready(inner, handlers)


def _check_machine(command: Command) -> None:
    args = command.args
    words = [("kernel", READY_KERNELS), ("api", READY_APIS), ("backend", READY_BACKENDS)]
    for word, ready in words:
        if args.get(word) and args[word] not in ready:
            raise _not_yet(command, f"{word}={args[word]}")
    for option in ("without", "with"):
        for name in args.get(option, ()):
            if not SWITCHES[name].ready:
                raise _not_yet(command, f"{option}={name}")


def _not_yet(command: Command, what: str) -> LanguageError:
    return LanguageError(
        f"{what} is not yet here", command.line, command.column, file=command.file, source=command.text
    )


def call_of(session: Session, command: Command) -> tuple[str, Args]:
    """Return a command as a backend takes it: its verb, and an ioctl's structure for its words."""
    spec = command.spec
    if not spec.ioctl:
        return command.verb, command.args
    if command.verb.startswith("ioctl "):
        return spec.ioctl, command.args
    return spec.ioctl, IOCTLS[session.backend.profile.api][spec.ioctl].structure(command.args)


def perform(session: Session, command: Command) -> Result:
    """Handle a call: a syscall, an ioctl or an access of the guest."""
    verb, args = call_of(session, command)
    return session.unit(command, lambda: session.backend.perform(verb, args))


def _machine(session: Session, command: Command) -> Result:
    return session.renew(command)


def _reset(session: Session, command: Command) -> Result:
    return session.renew(command, session.backend.profile)


def _quit(session: Session, command: Command) -> Result:
    return Result(command, ends=True)


def _handler(session: Session, command: Command) -> Result:
    args = command.args
    calls: list[tuple[str, Args]] = [(name, _operands(name, operands)) for name, *operands in args["actions"]]
    text = command.text.split(None, 2)[2] if calls else ""
    return session.unit(command, lambda: session.backend.handler(args["vcpu"], args["vector"], text, calls))


_OPERANDS = {"mask": ("pin",), "unmask": ("pin",), "wake": ("thread",)}


def _operands(name: str, values: list[Any]) -> dict[str, Any]:
    return dict(zip(_OPERANDS.get(name, ()), values, strict=True))


def _actor(session: Session, command: Command) -> Result:
    def act() -> Answer:
        calls = [call_of(session, inner) for inner in command.inner]
        session.backend.actor(command.args["name"], calls)
        return Answer()

    return session.unit(command, act)


def _mode(manual: bool) -> Handler:
    def handle(session: Session, command: Command) -> Result:
        def act() -> Answer:
            session.backend.set_manual(manual)
            return Answer()

        return session.unit(command, act)

    return handle


def _step(session: Session, command: Command) -> Result:
    args = command.args
    return session.unit(command, lambda: session.backend.step(args["context"], args["count"]))


def _finish(session: Session, command: Command) -> Result:
    return session.unit(command, lambda: session.backend.finish(command.args["context"]))


def _run(session: Session, command: Command) -> Result:
    return session.unit(command, lambda: session.backend.run(command.args.get("count")))


def _expect(session: Session, command: Command) -> Result:
    if not command.inner:
        held, why = session.judge(command.args["expression"])
        return Result(command, held=held, why=why)
    inner = session.handlers.get(command.inner[0].verb, perform)(session, command.inner[0])
    if "errno" in command.args:
        wanted, got = command.args["errno"], inner.errno or str(inner.ret)
        held = inner.errno == wanted
    else:
        wanted, got = command.args["value"], f"{inner.ret} {inner.errno}".strip()
        held = inner.ret == wanted
    why = "" if held else f"it returned {got}, not {wanted}" + (f": {inner.why}" if inner.why else "")
    return replace(inner, command=command, held=held and inner.held is not False, why=why or inner.why)


def _property(wanted: bool) -> Handler:
    def handle(session: Session, command: Command) -> Result:
        prop = Property(command, command.args["expression"], wanted)
        session.properties.append(prop)
        held, why = session.judge(prop.expression, wanted)
        prop.broken = held is False
        return Result(command, held=False if prop.broken else None, why=why if prop.broken else "")

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
    "expect": _expect,
    "never": _property(wanted=False),
    "always": _property(wanted=True),
    "undo": _undo,
    "redo": _redo,
    "mark": _mark,
    "goto": _goto,
    "history": _history,
}
"""Every verb that is not a plain call and needs nothing but the session."""
