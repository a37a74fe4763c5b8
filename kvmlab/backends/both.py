"""A model and a running kernel in lock-step: every call is made on both, and what differs is told.

The model answers, and is what is seen; the kernel stands beside it. A kernel's worker may be late for
once, and so a difference is looked at again when everything has settled, and then repeated: all that
was done is done again on a new VM. Only what comes again is a difference. Once there is one, what follows
from it is no longer repeated.

What a kernel cannot do (go back, be stepped) is refused by it, and the model is then as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kvmlab.backends.backend import Answer, Args, Backend, Planned, Refused, Watch
from kvmlab.backends.kvm.backend import Kvm
from kvmlab.backends.kvm.twin import Twin
from kvmlab.backends.model import Model, Worded
from kvmlab.backends.model import Unit as ModelUnit
from kvmlab.engine.profile import Profile

if TYPE_CHECKING:
    from kvmlab.beside import Cell
    from kvmlab.snapshot import LastSnapshot, Snapshot

CONFIRMATIONS = 2
"""A difference is one if it comes again in so many repetitions."""

REPEATED = 10_000
"""After as many calls nothing is repeated any more: it would take longer than a person waits."""

NOWHERE = 2**31 - 1
"""A descriptor that no process has."""


class Second(Backend, Protocol):
    """What stands beside the model."""

    def settle(self) -> None:
        """Wait until nothing is under way any more."""


Step = Callable[[Backend], Answer]
"""Something that is done to a machine, and can be done to another one."""


class Unit(NamedTuple):
    """One unit of both, and what there is to tell of it."""

    model: ModelUnit
    kernel: Any
    taken: int | str
    news: tuple[str, ...]


def machines(profile: Profile) -> tuple[Model, Second]:
    """Return a kernel, and a model that takes interrupts as its host does. Raises Refused."""
    kernel = Kvm(profile)
    return Twin(profile, kernel.host.quirks.auto_eoi), kernel


class Both:
    """Model and kernel behind the Backend protocol. ``differing`` are the cells that differed last."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.model, self.kernel = machines(profile)
        self.differing: tuple[Cell, ...] = ()
        self._steps: list[Step] = []
        self._agreed = True
        """Nothing has differed so far: a difference now is worth a repetition."""
        self._answered: Answer | None = None
        self._last: LastSnapshot | None = None

    @property
    def status(self) -> str:
        """Whether they agree, then what is particular to the host."""
        from kvmlab.beside import verdict

        return " · ".join(filter(None, (verdict(len(self.differing)), self.kernel.status)))

    @property
    def trace_source(self) -> str:
        """See :attr:`Backend.trace_source`."""
        return "the model's"

    def extension(self, number: int) -> int | None:
        """See :meth:`Backend.extension`: the kernel's."""
        return self.kernel.extension(number)

    # -- calls --------------------------------------------------------------------------------

    def perform(self, verb: str, args: Args) -> Answer:
        """See :meth:`Backend.perform`."""
        theirs = self._translated(args)
        return self._do(lambda: self.model.perform(verb, args), lambda kernel: kernel.perform(verb, theirs))

    def _translated(self, args: Args) -> Args:
        """Return arguments with descriptors by name: their numbers are the model's, not this process's."""
        numbers = {key: args[key] for key in ("fd", "resamplefd") if isinstance(args.get(key), int)}
        if not any(number > 0 for number in numbers.values()):
            return args
        open_ = self.model.snapshot(None).eventfds or ()
        names: dict[int, str] = {fd: name for each in open_ for name, fd in each.fds}
        named = {key: names.get(number, NOWHERE) for key, number in numbers.items() if number > 0}
        return {**args, **named}

    def actor(self, name: str, calls: Sequence[Planned]) -> None:
        """See :meth:`Backend.actor`."""
        self.kernel.actor(name, calls)
        self.model.actor(name, calls)

    def handler(self, vcpu: int, vector: int, text: str, calls: list[tuple[str, Args]]) -> Answer:
        """See :meth:`Backend.handler`."""
        return self._do(
            lambda: self.model.handler(vcpu, vector, text, calls),
            lambda kernel: kernel.handler(vcpu, vector, text, calls),
        )

    def run(self, limit: int | None) -> Answer:
        """See :meth:`Backend.run`."""
        return self._do(lambda: self.model.run(limit), lambda kernel: kernel.run(limit))

    def _do(self, ours: Callable[[], Answer], theirs: Step) -> Answer:
        """Do something on both; the model's answer, which tells where the kernel's is another."""
        try:
            answer, other = ours(), theirs(self.kernel)
        except BaseException as stopped:
            self._take_back(again=not isinstance(stopped, Refused))
            raise
        self._keep(theirs)
        if _differ(answer, other):
            other = self._confirmed(answer, other)
        self._answered = other
        if not _differ(answer, other):
            return answer
        why = f": {other.why}" if other.why else ""
        told = f"the kernel returned {other.ret} {other.errno}".rstrip() + why
        return replace(answer, why=f"{answer.why}; {told}" if answer.why else told, differs=told)

    def _take_back(self, *, again: bool) -> None:
        """Make the model what it was, and (``again``) the kernel by repeating what was done before."""
        self.model.rewind(self.model.commit())
        if again and self._repeatable:
            self.kernel = self._repeated()[0]

    def _keep(self, step: Step) -> None:
        """Keep what was done, so that it can be repeated."""
        if self._repeatable:
            self._steps.append(step)

    @property
    def _repeatable(self) -> bool:
        return len(self._steps) <= REPEATED

    def _repeated(self) -> tuple[Second, Answer]:
        """Return a new kernel on which everything was done again, and its last answer."""
        kernel, answer = machines(self.profile)[1], Answer()
        for step in self._steps:
            answer = step(kernel)
        kernel.settle()
        kernel.commit()
        return kernel, answer

    def _repetitions(self) -> Iterator[tuple[Second, Answer]]:
        """Yield repetitions of everything, as many as a difference has to withstand."""
        if self._agreed and self._repeatable:
            for _time in range(CONFIRMATIONS):
                yield self._repeated()

    def _confirmed(self, ours: Answer, theirs: Answer) -> Answer:
        """Return the kernel's answer: one that is the model's where a repetition gives that."""
        for kernel, again in self._repetitions():
            if not _differ(ours, again):
                self.kernel = kernel
                return again
        self._agreed = False
        return theirs

    # -- time ---------------------------------------------------------------------------------

    def set_manual(self, manual: bool) -> None:
        """See :meth:`Backend.set_manual`."""
        self.kernel.set_manual(manual)
        self.model.set_manual(manual)

    def step(self, context: str, count: int, watch: Watch) -> Answer:
        """See :meth:`Backend.step`."""
        self.kernel.step(context, count, watch)
        return self.model.step(context, count, watch)

    def finish(self, context: str, watch: Watch) -> Answer:
        """See :meth:`Backend.finish`."""
        self.kernel.finish(context, watch)
        return self.model.finish(context, watch)

    def storm(self, count: int) -> Iterator[int]:
        """See :meth:`Backend.storm`; they are compared at its end. One that is broken off is taken back."""
        ours, theirs = self.model.storm(count), self.kernel.storm(count)
        done = 0
        try:
            while next(ours, None) is not None and next(theirs, None) is not None:
                done += 1
                yield done
        except KeyboardInterrupt:
            self._take_back(again=True)
            raise
        except GeneratorExit:
            self._keep(_cycles(done))  # It was stopped between two cycles, which is an end.
            raise
        self._keep(_cycles(done))

    # -- looking ------------------------------------------------------------------------------

    def snapshot(self, last: LastSnapshot | None) -> Snapshot:
        """See :meth:`Backend.snapshot`: the model's."""
        return self.model.snapshot(last)

    def beside(self, seen: Snapshot) -> Snapshot:
        """See :meth:`Backend.beside`: what is seen of the model, with what the kernel shows."""
        from kvmlab.beside import cells, laid_over

        over = laid_over(seen, self.kernel.snapshot(self._last))
        self.differing = cells(seen, over)
        return over

    def events(self, unit: Unit) -> Worded:
        """See :meth:`Backend.events`: the model's."""
        return self.model.events(unit.model)

    def trace(self, count: int | None) -> Sequence[str]:
        """See :meth:`Backend.trace`: the model's."""
        return self.model.trace(count)

    # -- history ------------------------------------------------------------------------------

    def commit(self) -> Unit:
        """See :meth:`Backend.commit`; what differs since the unit before is told."""
        before = {cell.name for cell in self.differing}
        self._compare()
        ours, theirs = self.model.commit(), self.kernel.commit()
        self._remember(theirs.taken)
        return Unit(ours, theirs, ours.taken, (*ours.news, *_news(before, self.differing)))

    def _compare(self) -> None:
        """Compare; what differs is looked at again when it has settled, and when it was repeated."""
        seen = self.model.snapshot(None)
        self.beside(seen)
        if not self.differing:
            return
        self.kernel.settle()
        self.beside(seen)
        if not self.differing:
            return
        for kernel, _answer in self._repetitions():
            self.kernel = kernel
            self.beside(seen)
            if not self.differing:
                return
        self._agreed = False

    def _remember(self, taken: int | str) -> None:
        """Remember what the kernel answered last, for facts; None where nothing was asked."""
        from kvmlab.snapshot import LastSnapshot

        answer, self._answered = self._answered, None
        self._last = None if answer is None else LastSnapshot(answer.ret, answer.errno, taken)

    def rewind(self, unit: Unit) -> None:
        """See :meth:`Backend.rewind`."""
        self.kernel.rewind(unit.kernel)
        self.model.rewind(unit.model)

    def replay(self, unit: Unit) -> None:
        """See :meth:`Backend.replay`."""
        self.kernel.replay(unit.kernel)
        self.model.replay(unit.model)


def _cycles(count: int) -> Step:
    return lambda kernel: Answer(sum(1 for _cycle in kernel.storm(count)))


def _differ(ours: Answer, theirs: Answer) -> bool:
    return (ours.ret, ours.errno) != (theirs.ret, theirs.errno)


def _news(before: set[str], now: Sequence[Cell]) -> tuple[str, ...]:
    """Say which cells differ that did not, with both values; or that none does any more."""
    new = [cell for cell in now if cell.name not in before]
    from kvmlab.beside import verdict

    if before and not now:
        return (f"{verdict(0)} again",)
    if not new:
        return ()
    first, *rest = new
    ours, theirs = first.values
    more = f", and {len(rest)} more: 'differences' shows them" if rest else ""
    text = f"{first.name} is {ours} in the model, {theirs} in the kernel{more}"
    return (f"{verdict(len(now))}: {text}",)
