"""A machine whose contexts may move in any order: its states as small tuples, and the moves between them.

Every value of an object gets a number the first time it is seen, so that a state is a tuple of numbers:
what no step ever changes costs nothing, and two states are compared and hashed at once. Values that
differ only in the order of what has no order are one value, and so are those that differ only in how
often something was done, as far as nobody asks (canonical.py). What lockdep has learned is part of a
state only as far as it can ever matter: the pairs of locks that lie on a ring. Those are not known
before they are seen; ``outdated`` says that new ones were, and that numbers from before are too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, count
from operator import itemgetter, ne
from typing import Any

from kvmlab.engine.kernel.continuation import Continuation
from kvmlab.engine.kernel.locks import Lockdep
from kvmlab.engine.kernel.memory import QUARANTINE, Change, Slab
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.workqueue import Work
from kvmlab.engine.machine import Machine
from kvmlab.explore.canonical import CANONICAL, READ_BY_PEOPLE, UNCOUNTED
from kvmlab.explore.resources import ACQUIRES

LOCKDEP = "lockdep"

State = tuple[int, ...]
"""A state: the number of the value of each handle that ever changes, in the order they first did.

0 is the value that there was at first.
"""


Pair = tuple[str, str]
"""Two classes of locks: the second was taken under the first."""


def ring(pairs: set[Pair]) -> frozenset[Pair]:
    """Return the pairs that lie on a ring of locks: only these can ever make lockdep report."""
    following: dict[str, set[str]] = {}
    for outer, inner in pairs:
        following.setdefault(outer, set()).add(inner)

    def leads(start: str, goal: str) -> bool:
        seen, todo = {start}, [start]
        while todo:
            new = following.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        return goal in seen

    return frozenset([(outer, inner) for outer, inner in pairs if leads(inner, outer)])


class World:
    """A machine, and where it stands; ``names`` are the contexts that may move.

    Tracepoints are no part of a state, and those of a search are not kept. ``seen`` are patterns of the
    handles that somebody reads: counters are part of a state only where they are read.
    """

    def __init__(self, machine: Machine, seen: Sequence[str] = ()) -> None:
        self.machine, self.memory = machine, machine.memory
        self._canonical = CANONICAL if READ_BY_PEOPLE & set(seen) else {**CANONICAL, **UNCOUNTED}
        self.contexts = machine.contexts
        self.names = self.contexts.names
        self._number: dict[str, int] = {}
        self._handles: list[str] = []
        self._values: list[list[Value | None]] = []
        self._ids: list[dict[Value | None, int]] = []
        self._vector: list[int] = []
        self._pairs: set[Pair] = set()
        self.ring: frozenset[Pair] = frozenset()
        self.outdated = False
        self.overfull = False
        """More was freed on the way than the quarantine holds, whose order is no part of a state."""
        self.change: Change = ()
        self._events = len(machine.trace.ring)
        self.memory.commit()
        self.first = dict(self.memory.freeze())
        """By handle, the value of each object at the start."""
        for handle, value in self.first.items():
            if (key := self.key(value)) != value and handle != LOCKDEP:
                self.memory.assign(handle, key)
                self.first[handle] = key
        self.start = self.state()

    def begin(self) -> None:
        """Be at the start, with all that is known of the rings of locks."""
        self.outdated = False
        self.go(self.start)
        self.memory.assign(LOCKDEP, self.first[LOCKDEP])
        self.note(LOCKDEP, self.first[LOCKDEP])
        self.start = self.state()

    def number(self, index: int) -> int:
        """Return the number of the value that an object has now."""
        return self._vector[index]

    def numbers(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of the values that several objects have now."""
        vector = self._vector
        return tuple([vector[index] for index in indices])

    def number_of(self, index: int, value: Value) -> int:
        """Return the number of a value that an object has had."""
        return self._ids[index][value]

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the state with every object's value, which says the same in any other world."""
        found: dict[str, Value | None] = dict(self.first)
        for handle, values, number in zip(self._handles, self._values, self._vector, strict=True):
            found[handle] = values[number]
        told = [(handle, tuple(map(_told, self.key(value)))) for handle, value in found.items() if value]
        return tuple(sorted(told, key=itemgetter(0)))

    def known(self) -> tuple[list[str], list[list[Value | None]], list[list[Value | None]], set[Pair]]:
        """Return all handles, the values of each by number, what stands for each, and lockdep's pairs."""
        return self._handles, self._values, [list(ids) for ids in self._ids], self._pairs

    def learn(
        self,
        handles: Sequence[str],
        values: Sequence[Sequence[Value | None]],
        keys: Sequence[Sequence[Value | None]],
        pairs: set[Pair],
    ) -> None:
        """Take over what another world of the same start has ``known``; ValueError if it is another's."""
        self._pairs |= pairs
        self.ring = ring(self._pairs)
        for handle, own, standing in zip(handles, values, keys, strict=True):
            index = self.index(handle)
            first, began = self._values[index][0], own[0]
            same = (first and self.key(first)) == (began and self.key(began))
            if not same or len(own) != len(standing):
                raise ValueError(handle)
            self._values[index] = list(own)
            self._ids[index] = {key: number for number, key in enumerate(standing)}
        if self._handles != list(handles):
            raise ValueError(handles)
        self.begin()

    @property
    def handles(self) -> list[str]:
        """Every handle that was seen so far, by its index."""
        return self._handles

    def value(self, index: int) -> Value:
        """Return the value that an object has now."""
        value = self._values[index][self._vector[index]]
        assert value is not None
        return value

    def running(self, queue: str) -> Work:
        """Return the item that a queue's worker has just taken."""
        item: Work | None = self.memory.objects[queue].running
        assert item is not None
        return item

    def index(self, handle: str) -> int:
        """Return the index of a handle in every state."""
        index = self._number.get(handle)
        if index is None:
            index = self._number[handle] = len(self._handles)
            first = self.first.get(handle)
            self._handles.append(handle)
            self._values.append([first])
            self._ids.append({first and self.key(first): 0})
            self._vector.append(0)
        return index

    def note(self, handle: str, value: Value | None) -> None:
        """Take up an object's value into the state."""
        index, key = self.index(handle), value and self.key(value)
        number = self._vector[index] = self._numbered(index, key)
        if key is not value and key:
            if handle == LOCKDEP:
                # What never matters is kept, so that it is not learned again in every state.
                self._values[index][number] = (*key[:2], (*key[2], *sorted(self._pairs - self.ring)))
            elif key != value:
                self.memory.assign(handle, key)

    def numbered(self, handle: str, value: Value | None) -> tuple[int, int]:
        """Return the index of a handle, and the number of a value that its object may have."""
        index = self.index(handle)
        return index, self._numbered(index, value and self.key(value))

    def _numbered(self, index: int, key: Value | None) -> int:
        ids, values = self._ids[index], self._values[index]
        number = ids.get(key)
        if number is None:
            number = ids[key] = len(values)
            values.append(key)
        return number

    def object(self, index: int, number: int) -> tuple[str, Value | None]:
        """Return the handle of an index and the value of a number."""
        return self._handles[index], self._values[index][number]

    def key(self, value: Value) -> Value:
        """Return what stands for a value and all that differ from it in nothing that means anything."""
        if value[0] == Lockdep.NAME:
            if not self._pairs.issuperset(value[2]):
                self._pairs.update(value[2])
                known, self.ring = self.ring, ring(self._pairs)
                self.outdated |= known != self.ring
            return (*value[:2], tuple(sorted(self.ring.intersection(value[2]))))
        if value[0] == Slab.NAME and len(value[3]) >= QUARANTINE:
            self.overfull = True
        canonical = self._canonical.get(value[0])
        return value if canonical is None else canonical(value)

    def state(self) -> State:
        """Return the state that the machine is in."""
        vector = self._vector
        end = len(vector)
        while end and not vector[end - 1]:
            end -= 1
        return tuple(vector[:end])

    def go(self, state: State) -> None:
        """Bring the machine into a state it was in before."""
        vector = self._vector
        there = (*state, *(0,) * (len(vector) - len(state)))
        for index in compress(count(), map(ne, vector, there)):
            number = vector[index] = there[index]
            self.memory.assign(self._handles[index], self._values[index][number])
        self.memory.dirty.clear()

    def movable(self) -> list[str]:
        """Return the contexts whose next op can run now, in the order of their names."""
        return [name for name in self.names if self.next_op(name) is not None and not self.blocked(name)]

    def next_op(self, name: str) -> Op | None:
        """Return a context's next op; None if it has nothing to do or has stopped for good."""
        return self.contexts.next_op(name)

    def blocked(self, name: str) -> bool:
        """Tell whether a context's next op has to wait.

        One that waits for a lock of its own does not: it stops, with a report. Nor does one that
        would wait for what is freed, until it has been reported for touching that.
        """
        op = self.contexts.next_op(name)
        if op is None or not can_block(op):
            return self.contexts.get(name).stopped != ""
        if op[1] not in self.memory.objects:
            return self._waits_for_freed(name, op)
        why = self.contexts.blocked(name)
        return why is not None and not (why[1] == (name,) and op[0] in ACQUIRES)

    def _waits_for_freed(self, name: str, op: Op) -> bool:
        stale = self.memory.quarantine.get(op[1])
        told = f"{name} touches {op[1]}"
        made = self.memory.reports.made
        return (
            stale is not None
            and any(report.context == name and report.text.startswith(told) for report in made)
            and op[0].why(stale, *op[2:]) is not None
        )

    def step(self, name: str) -> bool:
        """Run a context's next op; False where it stops the context instead."""
        moved = self.contexts.step(name)
        self.change = self.memory.commit()
        for handle, _before, after in self.change:
            self.note(handle, after)
        del self.machine.trace.ring[self._events :]
        return moved


def _told(field: Any) -> Any:
    """Return a field of a value without what is of one world only: a place is a call and what it received."""
    return (field.call, tuple(field.received())) if isinstance(field, Continuation) else field
