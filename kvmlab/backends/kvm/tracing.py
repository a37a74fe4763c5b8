"""What a trace of a real VM shows: the kernel's own tracepoints, or what a model says they would be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Protocol, overload

from kvmlab.backends.backend import Args, Refused
from kvmlab.backends.kvm.perf import Tracepoints, Untraceable
from kvmlab.backends.kvm.twin import Twin
from kvmlab.backends.model import Worded
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import KEPT, Event

UNITS = 1_000
"""So many units keep what they have hit."""

LONGEST = 20_000
"""Calls that a model makes again at most, for a trace that nobody has asked for until now."""


class Tracing(Protocol):
    """A trace that grows with each call. ``source`` says where it comes from, ``word`` as a status has it."""

    source: str
    word: str

    def begin(self) -> None:
        """A call is made next."""

    def note(self, verb: str, args: Args) -> None:
        """A call was made."""

    def commit(self) -> Sequence[str]:
        """Return what was hit since the last commit, worded when it is read."""

    def last(self, count: int | None) -> Sequence[str]:
        """Return the newest events, or all that are kept."""


@cache
def tracepoints() -> Tracepoints:
    """Return the process's rings, opened once: that takes 0.1 s. Raises Untraceable."""
    return Tracepoints()


class Own:
    """The kernel's own tracepoints."""

    def __init__(self, rings: Tracepoints) -> None:
        self._rings = rings
        self._ring: list[Event] = []
        self._start = 0
        self.source, self.word = "the kernel's own tracepoints", "trace of the kernel"
        rings.events()  # what making the VM has hit

    def begin(self) -> None:
        """See :meth:`Tracing.begin`: what all others have hit makes room."""
        self._ring += self._rings.events()

    def note(self, verb: str, args: Args) -> None:
        """See :meth:`Tracing.note`."""
        self._ring += self._rings.events()

    def commit(self) -> Sequence[str]:
        """See :meth:`Tracing.commit`."""
        found = self._ring[self._start :]
        del self._ring[:-KEPT]
        self._start = len(self._ring)
        return Worded(found, "linux-6.x")

    def last(self, count: int | None) -> Sequence[str]:
        """See :meth:`Tracing.last`."""
        return Worded(self._ring[-count:] if count else list(self._ring), "linux-6.x")


class Rebuilt:
    """What a model hits with the same calls, which it makes when somebody looks. ``why`` it has to."""

    def __init__(self, profile: Profile, auto_eoi: bool, why: str) -> None:
        self._twin: Twin | None = Twin(replace(profile, backend="model"), auto_eoi)
        self._waiting: list[tuple[int, str, Args]] = []
        self._unit = 0
        self._hit: dict[int, list[Event]] = {}
        self.source, self.word = f"rebuilt by a model, as {why}", "trace rebuilt"

    def begin(self) -> None:
        """See :meth:`Tracing.begin`."""

    def note(self, verb: str, args: Args) -> None:
        """See :meth:`Tracing.note`."""
        if self._twin is None:
            return
        self._waiting.append((self._unit, verb, args))
        if len(self._waiting) > LONGEST:
            # Nobody has looked for long: the rest of this machine's trace is given up.
            self._twin = None
            self._waiting.clear()
            self.source = "not rebuilt any more: too much has happened since somebody looked"
            self.word = "no trace"

    def commit(self) -> Sequence[str]:
        """See :meth:`Tracing.commit`."""
        self._unit += 1
        return Later(self, self._unit - 1)

    def last(self, count: int | None) -> Sequence[str]:
        """See :meth:`Tracing.last`."""
        self._catch_up()
        if self._twin is None:
            return ()
        return self._twin.trace(count)

    def hit(self, unit: int) -> list[Event]:
        """Return what a unit has hit."""
        self._catch_up()
        return self._hit.get(unit, [])

    def _catch_up(self) -> None:
        twin = self._twin
        for unit, verb, args in self._waiting:
            assert twin is not None
            with suppress(Refused):
                twin.perform(verb, args)
            events, _lost = twin.machine.trace.commit()
            self._hit.setdefault(unit, []).extend(events)
        self._waiting.clear()
        if twin is not None:
            twin.machine.memory.commit()
        for unit in list(self._hit)[:-UNITS]:
            del self._hit[unit]


class Later(Sequence[str]):
    """What a unit has hit, found out when it is read."""

    __slots__ = ("_rebuilt", "_unit")

    def __init__(self, rebuilt: Rebuilt, unit: int) -> None:
        self._rebuilt, self._unit = rebuilt, unit

    def __len__(self) -> int:
        return len(self._rebuilt.hit(self._unit))

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return Worded(self._rebuilt.hit(self._unit), "linux-6.x")[index]


def tracing(profile: Profile, auto_eoi: bool) -> Tracing:
    """Return the best trace that can be had here."""
    try:
        return Own(tracepoints())
    except Untraceable as error:
        return Rebuilt(profile, auto_eoi, str(error))
