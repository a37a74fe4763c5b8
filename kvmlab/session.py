"""One running lab: a backend, its history, its marks and properties; what every front end holds.

The way of a command is text → language.parse → Command → :meth:`Session.slices` → Result. A verb
is performed by a handler of the table ``handlers``; rooms below this one add their own verbs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmlab.backends.backend import NONE, Answer, Args, Backend, Refused
from kvmlab.backends.making import make
from kvmlab.engine.kernel.sanitizers import UNMET
from kvmlab.engine.profile import DEFAULT_APIS, KERNEL_OF_BACKEND, Profile
from kvmlab.facts import lookup
from kvmlab.history import History, Last, Unit
from kvmlab.language.command import Command
from kvmlab.language.ready import check_ready
from kvmlab.language.scope import Scope
from kvmlab.language.truth import Expression
from kvmlab.result import Handler, Property, Result, Sliced, Tally, Watcher, drained, sliced
from kvmlab.verbs import HANDLERS, perform

if TYPE_CHECKING:
    from kvmlab.snapshot import Snapshot

UNSAID = frozenset({"source", "save", "quit"})
"""Verbs that are no part of a saved session: what `source` ran has been said by itself."""

BY_HAND = frozenset({"step", "replay"})
"""Verbs that stage a schedule: what an actor expects in vain then is reported, and fails no script."""

NO_RESULT: Last = (NONE, "", NONE)


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
        self.busy = False
        """True while a unit runs in slices: the machine can be looked at, and not moved."""
        self.last: Last = NO_RESULT
        self._broken: list[str] = []
        self._still: list[Snapshot] | None = None
        """The snapshot, once it was taken, while nothing moves; None where something may."""
        self.texts: list[str] = []
        """Everything said since the machine was made, as it was typed."""
        self.watcher: Watcher | None = None
        """The lab that is open, if one is."""
        self.found: tuple[Sequence[tuple[str, int]], ...] = ()
        """The schedules that the last `explore` found, as runs of (context, ops)."""
        self._begin(self._profile({}))

    # -- execution ----------------------------------------------------------------------------

    def execute(self, command: Command) -> Result:
        """Perform a command to its end; as :meth:`slices`."""
        try:
            handled = self._handle(command)
            result = handled if isinstance(handled, Result) else drained(handled)
        except Refused as refused:
            result = _refused(command, refused)
        except BaseException:
            self._leave()
            raise
        return self._told(result)

    def slices(self, command: Command) -> Sliced[Result]:
        """Perform a command in slices, between which the machine can be looked at and not moved.

        Raises LanguageError for what is not here yet; nothing has run then.
        """
        try:
            result = yield from sliced(self._handle(command))
        except Refused as refused:
            result = _refused(command, refused)
        except BaseException:
            self._leave()
            raise
        return self._told(result)

    def _handle(self, command: Command) -> Result | Sliced[Result]:
        if self.handlers.get(command.verb) is not perform:
            check_ready(command, self.handlers)
        self.version += 1
        return self.handlers[command.verb](self, command)

    def _leave(self) -> None:
        """Leave the machine as it was before the command that has failed."""
        with suppress(Refused):  # A real kernel does not go back.
            self.backend.rewind(self.backend.commit())
        self._broken.clear()

    def _told(self, result: Result) -> Result:
        """Remember what was said, and whether it held."""
        if result.command.verb not in UNSAID:
            self.texts.append(result.command.text)
        if result.held is not None:
            self.tally.count(result.held)
        if self.watcher is not None:
            result.told = self.watcher.said(result)
        return result

    def unit(self, command: Command, answer: Answer) -> Result:
        """End one unit of history, which came to an answer: commit, remember, and check the properties.

        What moves op by op has called :meth:`moved` after each, so that nothing slips through between.
        """
        backend, before = self.backend, self.last
        change = backend.commit()
        self.last = last = (answer.ret, answer.errno, change.taken)
        noted = None if self.watcher is None else self.watcher.noted(command)
        self.history.add(Unit(command.text, change, before, last, noted))
        result = Result(command, answer.ret, answer.errno, answer.why, change.news, backend.events(change))
        result.differs, result.of = answer.differs, answer.of
        if command.verb not in BY_HAND:
            self._broken += [text.removeprefix(UNMET) for text in change.news if text.startswith(UNMET)]
        if self.properties:
            self._check()
        if self._broken:
            result = replace(result, held=False, why="; ".join(self._broken))
            self._broken.clear()
        return result

    def answered(self, command: Command, answer: Answer) -> Result:
        """End a command that came to an answer and left the machine as it was: it is no unit of history."""
        self.last = (answer.ret, answer.errno, self.last[2])
        return Result(command, answer.ret, answer.errno, answer.why)

    @property
    def unfinished(self) -> bool:
        """Whether who looks on is in the middle of something, as a learner in a lab."""
        return self.watcher is not None and self.watcher.unfinished

    def moved(self, context: str) -> None:
        """Look at the machine after an op of a context that was moved by hand."""
        self._still = []
        try:
            self._check()
            if self.watcher is not None:
                self.watcher.moved(context)
        finally:
            self._still = None

    def _check(self) -> None:
        """Check every `never` and `always` now, and remember the ones that are newly broken."""
        for prop in self.properties:
            held, why = self.judge(prop.expression, prop.wanted)
            if held is False and not prop.broken:
                self._broken.append(f"{prop.command.text}: {why}")
            prop.broken = held is False

    def snapshot(self) -> Snapshot:
        """Return everything that can be seen now."""
        if self._still:
            return self._still[0]
        from kvmlab.snapshot import LastSnapshot

        seen = self.backend.snapshot(LastSnapshot(*self.last))
        if self._still is not None:
            self._still.append(seen)
        return seen

    def judge(self, expression: Expression, wanted: bool = True) -> tuple[bool | str, str]:
        """Return whether an expression is as wanted ("not visible" if nobody can tell), and why not.

        Of a model with a kernel beside it both have to be so; what a kernel hides is the model's alone.
        """
        seen = self.snapshot()
        held, why = _judged(expression, seen, wanted)
        beside = self.backend.beside(seen)
        if beside is None:
            return held, why
        also, reason = _judged(expression, beside, wanted)
        if (also, reason) == (held, why):
            return held, why
        sides = (("model", held, why), ("kernel", also, reason))
        return False, "; ".join([f"in the {side}: {text}" for side, good, text in sides if good is not True])

    # -- machines -----------------------------------------------------------------------------

    def _begin(self, profile: Profile) -> None:
        # Made first: what is refused leaves the machine there is.
        backend = make(profile)
        self.backend: Backend = backend
        self.backend.commit()
        self.history = History()
        self.properties: list[Property] = []
        self.last = NO_RESULT
        self.found = ()

    def _profile(self, args: Args) -> Profile:
        backend = args.get("backend", "model")
        kernel = args.get("kernel") or self.options.kernel or KERNEL_OF_BACKEND[backend]
        return Profile(
            backend=backend,
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
        """Make a new machine: history, marks, properties and what was said begin anew. Raises Refused."""
        self._begin(profile or self._profile(command.args))
        self.texts.clear()
        return Result(command)


def _judged(expression: Expression, seen: Snapshot, wanted: bool) -> tuple[bool | str, str]:
    verdict = expression.evaluate(lookup(seen))
    if verdict.held is None:
        return "not visible", expression.describe_failure(verdict, wanted)
    if verdict.held == wanted:
        return True, ""
    return False, expression.describe_failure(verdict, wanted)


def _refused(command: Command, refused: Refused) -> Result:
    """Return what it comes to that a backend does not do a command."""
    return Result(command, why=str(refused), held=False if command.verb == "expect" else None)
