"""A machine whose contexts may move in any order: its states as small tuples, and the moves between them.

Every object's value gets a number the first time it is seen, so that a state is a tuple of numbers:
what a step leaves alone costs nothing, and two states are compared and hashed at once. Values that
differ only in the order of what has no order are one value.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.engine.kernel.lists import Counted
from kvmlab.engine.kernel.locks import Lockdep, Locks
from kvmlab.engine.kernel.memory import Slab
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.kernel.path import Op
from kvmlab.engine.kernel.rcu import Rcu
from kvmlab.engine.kernel.sanitizers import Reports
from kvmlab.engine.kernel.workqueue import Work
from kvmlab.engine.machine import Machine

State = tuple[int, ...]
"""A state: for each handle, in the order they were first seen, the number of its value; 0 for none."""


def _locks(value: Value) -> Value:
    return (*value[:2], tuple([tuple(sorted(table)) for table in value[2]]))


def _slab(value: Value) -> Value:
    cls, freed, made, quarantined = value
    return cls, freed, tuple(sorted(made)), tuple(sorted(quarantined))


def _reports(value: Value) -> Value:
    cls, freed, made, log = value
    return cls, freed, tuple(sorted(made, key=str)), tuple(sorted(log))


def _waiters(value: Value) -> Value:
    return (*value[:2], tuple(sorted([(waiter, tuple(sorted(readers))) for waiter, readers in value[2]])))


CANONICAL: dict[str, Callable[[Value], Value]] = {
    Locks.NAME: _locks,
    Slab.NAME: _slab,
    Reports.NAME: _reports,
    Rcu.NAME: _waiters,
    # What one schedule taught lockdep holds for all of them, so it is learned once and for all.
    Lockdep.NAME: lambda value: (*value[:2], ()),
}
"""By class, what stands for all values that differ in nothing but an order that means nothing."""


class World:
    """A machine, and where it stands; ``names`` are the contexts that may move."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.memory = machine, machine.memory
        self.contexts = machine.contexts
        self.names = self.contexts.names
        self._number: dict[str, int] = {}
        self._handles: list[str] = []
        self._values: list[list[Value | None]] = []
        self._ids: list[dict[Value, int]] = []
        self._vector: list[int] = []
        self.written: list[str] = []
        self.memory.commit()
        for handle, value in self.memory.freeze():
            self.note(handle, value)
        self.start = self.state()

    def number(self, index: int) -> int:
        """Return the number of the value that an object has now."""
        return self._vector[index]

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the state with every object's value, which says the same in any other world."""
        found = [
            (handle, values[number])
            for handle, values, number in zip(self._handles, self._values, self._vector, strict=True)
        ]
        return tuple(
            sorted(
                [(handle, value) for handle, value in found if value is not None], key=lambda pair: pair[0]
            )
        )

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
            self._handles.append(handle)
            self._values.append([None])
            self._ids.append({})
            self._vector.append(0)
        return index

    def note(self, handle: str, value: Value | None) -> None:
        """Take up an object's value into the state."""
        index, number = self.numbered(handle, value)
        self._vector[index] = number

    def numbered(self, handle: str, value: Value | None) -> tuple[int, int]:
        """Return the index of a handle, and the number of a value that its object may have."""
        index = self.index(handle)
        if value is None:
            return index, 0
        canonical = CANONICAL.get(value[0])
        if canonical is not None:
            value = canonical(value)
        ids, values = self._ids[index], self._values[index]
        number = ids.get(value)
        if number is None:
            number = ids[value] = len(values)
            values.append(value)
        return index, number

    def object(self, index: int, number: int) -> tuple[str, Value | None]:
        """Return the handle of an index and the value of a number."""
        return self._handles[index], self._values[index][number]

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
        missing = len(vector) - len(state)
        for index, (here, there) in enumerate(zip(vector, (*state, *(0,) * missing), strict=True)):
            if here != there:
                self.memory.assign(self._handles[index], self._values[index][there])
                vector[index] = there
        self.memory.dirty.clear()

    def movable(self) -> list[str]:
        """Return the contexts whose next op can run now, in the order of their names."""
        return [name for name in self.names if self.next_op(name) is not None and not self.blocked(name)]

    def next_op(self, name: str) -> Op | None:
        """Return a context's next op; None if it has nothing to do or has stopped for good."""
        return self.contexts.next_op(name)

    def blocked(self, name: str) -> bool:
        """Tell whether a context's next op has to wait."""
        return self.contexts.blocked(name) is not None

    def step(self, name: str) -> bool:
        """Run a context's next op; False where it stops the context instead."""
        moved = self.contexts.step(name)
        self.machine.trace.trim()
        change = self.memory.commit()
        self.written = [handle for handle, _before, _after in change]
        for handle, _before, after in change:
            self.note(handle, after)
        return moved

    def dropped_last(self, op: Op) -> bool:
        """Tell whether the op that was just run dropped the last reference to its object."""
        obj = self.memory.objects.get(op[1])
        return obj is not None and not getattr(obj, "refs" if op[0] is Counted.kref_put else "users")
