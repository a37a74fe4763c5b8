"""Contexts that change places: a state, and all that was learned of it, with others in their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.kernel.contexts import CONTEXTS
from kvmlab.engine.kernel.continuation import Continuation
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.kernel.sanitizers import Report
from kvmlab.explore.knowledge import Local
from kvmlab.explore.numbering import LOCKDEP
from kvmlab.explore.resources import Access
from kvmlab.explore.world import State, World

_WHERE = r"(?:^|(?<=by )|(?<=: )|(?<=, )|(?<=; )|(?<=\())"
"""Where sentences name a context."""

_OF_READERS = ("rcu reader ", "rcu waiter ")

OF_A_VCPU = frozenset({"mmio_write", "vcpu_take", "vcpu_set_if"})
"""Calls of a vCPU whose first argument is its number, and that change no destination."""

_OWN = ("id", "ldr")
"""Registers of a LAPIC that say whose it is."""


class Seat(NamedTuple):
    """A context, what is called after it (the same for all seats, in one order), and a vCPU's number."""

    context: str
    names: tuple[str, ...]
    number: int = -1


Orders = tuple[tuple[int, ...], ...]
"""For each group which seat goes to the first place, to the second, and so on."""


class Turn:
    """Who goes where: each seat on another's. ``names`` are what is called after one, and what it is then."""

    def __init__(self, world: World, goes: Sequence[tuple[Seat, Seat]], orders: Orders = ()) -> None:
        self._world, self.orders = world, orders
        self.names = {
            old: new for one, other in goes for old, new in zip(one.names, other.names, strict=True)
        }
        self._numbers = {one.number: other.number for one, other in goes if one.number >= 0}
        self._sentences = _naming(self.names)
        self._moved: dict[tuple[int, int], tuple[int, int]] = {}

    def name(self, name: str) -> str:
        """Return what a context, or an object of one, is called then."""
        return self.names.get(name, name)

    def text(self, text: str) -> str:
        """Return a sentence about contexts."""
        return self._sentences.sub(lambda found: self.names[found[1]], text)

    def value(self, value: Any) -> Any:
        """Return a value, or a field of one."""
        if value.__class__ is str:
            return self.text(value) if " " in value else self.name(value)
        if isinstance(value, Continuation):
            return self._world.contexts.place(self.value(value.call), self._received(value))
        if isinstance(value, Report):
            return Report(value.kind, self.name(value.context), self.text(value.text))
        if not isinstance(value, tuple):
            return value
        if len(value) == 2 and value[0] in OF_A_VCPU and value[1].__class__ is tuple:
            name, (number, *rest) = value
            return name, (self._numbers.get(number, number), *rest)
        moved = [self.value(each) for each in value]
        return tuple(moved) if value.__class__ is tuple else value.__class__(*moved)

    def _received(self, place: Continuation) -> list[Any]:
        """Return what a call has received; the op that read it tells the number of a vCPU from others."""
        received = []
        while place.parent is not None:
            op = place.parent.op(self._world.profile)
            assert op is not None
            is_number = op[0] is Lapic.load and op[2:] == ("vcpu_id",)
            value = place.value
            received.append(self._numbers.get(value, value) if is_number else self.value(value))
            place = place.parent
        return received[::-1]

    def _scanned(self, value: Value) -> Value:
        """Return the books on whose EOIs are told: who is to scan, and by vCPU what the last scan found."""
        cls, freed, requests, *found = value
        goes = {number: self._numbers.get(number, number) for number in range(len(found[0]))}
        moved = sum([1 << there for number, there in goes.items() if requests >> number & 1])
        came = {there: number for number, there in goes.items()}
        return cls, freed, moved, *[tuple([each[came[number]] for number in goes]) for each in found]

    def object(self, handle: str, value: Any) -> tuple[str, Any]:
        """Return an object's handle and value."""
        there = self.name(handle)
        if value is None or handle in {LOCKDEP, CONTEXTS}:
            return there, value
        if handle == IOAPIC_SCAN:
            return there, self._scanned(value)
        moved = self.value(value)
        if there != handle and there.startswith("lapic"):
            chip = self._world.memory.objects[there]
            at = {name: 2 + chip.FIELDS.index(name) for name in _OWN}
            own = {place: getattr(chip, name) for name, place in at.items()}
            moved = tuple([own.get(place, field) for place, field in enumerate(moved)])
        return there, moved

    def place(self, index: int, number: int) -> tuple[int, int]:
        """Return where in a state a number goes, and the number there."""
        known = self._moved.get((index, number))
        if known is None:
            handle, value = self._world.object(index, number)
            there = (handle, value) if handle in {LOCKDEP, CONTEXTS} else self.object(handle, value)
            same = there[0] == handle and there[1] == value
            known = (index, number) if same else self._world.numbered(*there)
            self._moved[index, number] = known
        return known

    def state(self, state: State) -> State:
        """Return a state."""
        vector = [0] * len(state)
        for index, number in enumerate(state):
            if number:
                there, other = self.place(index, number)
                vector += [0] * (there + 1 - len(vector))
                vector[there] = other
        while vector and not vector[-1]:
            vector.pop()
        return tuple(vector)

    def local(self, here: Local) -> Local:
        """Return where a context stands, for the one in its place."""
        return self.place(*here)

    def access(self, access: Access) -> Access:
        """Return what is read and written."""
        reads, writes = (frozenset(map(self._resource, each)) for each in (access.reads, access.writes))
        return Access(reads, writes, access.queues)

    def _resource(self, resource: str) -> str:
        for of in _OF_READERS:
            if resource.startswith(of):
                return of + self.name(resource.removeprefix(of))
        return self.name(resource)


def _naming(names: Iterable[str]) -> re.Pattern[str]:
    """Return where sentences name one of some contexts."""
    words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"{_WHERE}({words})(?![\w#-])")


def told(text: str, who: Mapping[str, str]) -> str:
    """Return a sentence with the names of those who are meant."""
    return _naming(who).sub(lambda found: who[found[1]], text) if who else text
