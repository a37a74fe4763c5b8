"""A machine whose contexts may move in any order: its states as small tuples, and the moves between them.

A state is a tuple of numbers (numbering.py), so that two are compared and hashed at once. Where the
world stands is such a tuple too: what an op does where it was run before is known (pending.py), and
the machine follows only when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress, count
from operator import itemgetter, ne
from typing import Any

from kvmlab.engine.kernel.contexts import Contexts
from kvmlab.engine.kernel.continuation import Continuation, handle_of
from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.memory import Memory
from kvmlab.engine.kernel.object import CLASSES, Value
from kvmlab.engine.kernel.path import Op, can_block
from kvmlab.engine.kernel.sanitizers import REPORTS, Report
from kvmlab.engine.kernel.workqueue import QUEUES, Workqueue
from kvmlab.engine.machine import Machine
from kvmlab.explore.numbering import LOCKDEP, Numbering, Pair
from kvmlab.explore.pending import Effect, Pending
from kvmlab.explore.resources import ACQUIRES

State = tuple[int, ...]
"""A state: the number of the value of each handle that ever changes, in the order they first did.

0 is the value that there was at first.
"""


class World(Numbering):
    """A machine, and where it stands; ``names`` are the contexts that may move.

    Tracepoints are no part of a state, and those of a search are not kept. ``seen`` are patterns of the
    handles that somebody reads.
    """

    def __init__(self, machine: Machine, seen: Sequence[str] = ()) -> None:
        memory = machine.memory
        memory.commit()
        super().__init__(memory.freeze(), seen)
        self._machine, self.profile = machine, machine.profile
        self.names = machine.contexts.names
        self._vector: list[int] = []
        """Where the world stands: the number of each handle's value."""
        self._there: list[int] = []
        """The same of the machine, which may stand where the world was before."""
        self._pending: dict[str, dict[int, Pending]] = {name: {} for name in self.names}
        """By context and the number of its value, what it does next."""
        self._places: dict[str, int] = {}
        """By context that has moved, the index of its handle."""
        self._held: dict[tuple[int, str], frozenset[str]] = {}
        self.effect = Effect(moved=False, numbers=(), change=())
        """What the last step did."""
        self._events = len(machine.trace.ring)
        for handle, value in self.first.items():
            if (key := self.key(value)) != value and handle != LOCKDEP:
                memory.assign(handle, key)
                self.first[handle] = key
        self.start = self.state()

    # -- the machine, brought to where the world stands ------------------------------------------

    @property
    def machine(self) -> Machine:
        """The machine, in the state that the world is in."""
        if self._there != self._vector:
            there, assign = self._there, self._machine.memory.assign
            for index in compress(count(), map(ne, there, self._vector)):
                number = there[index] = self._vector[index]
                assign(self.handles[index], self._values[index][number])
            self._machine.memory.dirty.clear()
        return self._machine

    @property
    def memory(self) -> Memory:
        """The machine's memory, in the state that the world is in."""
        return self.machine.memory

    @property
    def contexts(self) -> Contexts:
        """The machine's contexts, in the state that the world is in."""
        return self.machine.contexts

    # -- states ----------------------------------------------------------------------------------

    def begin(self, order: Iterable[Pair] = ()) -> None:
        """Be at the start, with all that is known of the rings of locks, and lockdep told of some order."""
        if self.outdated:
            self._forget()  # Of a state that was told apart too little nothing can be known.
        self.outdated = False
        self.go(self.start)
        name, freed, known = self.first[LOCKDEP]
        value = name, freed, tuple(dict.fromkeys((*known, *order)))
        self.memory.assign(LOCKDEP, value)
        self.note(LOCKDEP, value)
        self.start = self.state()

    def state(self) -> State:
        """Return the state that the world is in."""
        vector = self._vector
        end = len(vector)
        while end and not vector[end - 1]:
            end -= 1
        return tuple(vector[:end])

    def go(self, state: State) -> None:
        """Be in a state, all of whose numbers are known."""
        self._vector[:] = state + (0,) * (len(self._vector) - len(state))

    def note(self, handle: str, value: Value | None) -> None:
        """Take up into the state the value that an object of the machine has now."""
        index, number = self.numbered(handle, value)
        self._vector[index] = self._there[index] = number
        key = self._values[index][number]
        if handle != LOCKDEP and key is not value and key != value:
            self._machine.memory.assign(handle, key)

    def index(self, handle: str) -> int:
        """Return the index of a handle in every state."""
        known = len(self.handles)
        index = super().index(handle)
        if index == known:
            self._vector.append(0)
            self._there.append(0)
            for name, places in self._pending.items():
                if handle == handle_of(name):
                    self._places[name] = index
                for number in [number for number, pending in places.items() if pending.touched(handle)]:
                    del places[number]
        return index

    def acquaint(self, pairs: Iterable[Pair]) -> None:
        """Learn that locks are taken in some order; where that makes a ring, states are told apart anew."""
        known = self.ring
        super().acquaint(pairs)
        if known != self.ring:
            self._forget()

    def _forget(self) -> None:
        for places in self._pending.values():
            places.clear()
        self._held.clear()

    # -- what is read of a state, without the machine --------------------------------------------

    def number(self, index: int) -> int:
        """Return the number of the value that an object has now."""
        return self._vector[index]

    def numbers(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of the values that several objects have now."""
        vector = self._vector
        return tuple([vector[index] for index in indices])

    def value(self, handle: str) -> Value | None:
        """Return the value that an object has now, None where there is none."""
        index = self._number.get(handle)
        return self.first.get(handle) if index is None else self._values[index][self._vector[index]]

    def field(self, handle: str, name: str) -> Any:
        """Return what a field of an object is now; the object is there."""
        value = self.value(handle)
        assert value is not None
        return value[2 + CLASSES[value[0]].FIELDS.index(name)]

    def reports(self) -> list[tuple[str, str]]:
        """Return the reports of the sanitizers, as (kind, sentence)."""
        made: tuple[Report, ...] = self.field(REPORTS, "made")
        return [(report.kind, report.text) for report in made]

    def held(self, name: str) -> frozenset[str]:
        """Return the locks that a context holds."""
        index = self._number.get(LOCKS)
        key = -1 if index is None else self._vector[index], name
        found = self._held.get(key)
        if found is None:
            spin, mutex, *_readers = self.field(LOCKS, "held")
            found = self._held[key] = frozenset([lock for lock, owner in (*spin, *mutex) if owner == name])
        return found

    def values(self) -> tuple[tuple[str, Value], ...]:
        """Return the state with every object's value, which says the same in any other world."""
        found: dict[str, Value | None] = dict(self.first)
        for handle, values, number in zip(self.handles, self._values, self._vector, strict=True):
            found[handle] = values[number]
        told = [(handle, tuple(map(_told, self.key(value)))) for handle, value in found.items() if value]
        return tuple(sorted(told, key=itemgetter(0)))

    # -- moves -----------------------------------------------------------------------------------

    def pending(self, name: str) -> Pending:
        """Return what a context does next where it stands."""
        place = self._places.get(name)
        # Who has not moved yet stands where he did at first.
        number = 0 if place is None else self._vector[place]
        found = self._pending[name].get(number)
        if found is None:
            found = self._pending[name][number] = self._ahead(name)
        return found

    def _ahead(self, name: str) -> Pending:
        value = self.value(handle_of(name))
        assert value is not None
        at, _program, calls, _started, stopped = value[3:8]
        idle = name in QUEUES and not (at or calls or stopped)
        found = Pending(None, None, QUEUES[name]) if idle else Pending(at, self.contexts.next_op(name))
        found.look_at([index for index, handle in enumerate(self.handles) if found.touched(handle)])
        return found

    def movable(self) -> list[str]:
        """Return the contexts whose next op can run now, in the order of their names."""
        return [name for name in self.names if self._is_free(name)]

    @property
    def ended(self) -> bool:
        """Whether nobody can move."""
        return not any(map(self._is_free, self.names))

    def _is_free(self, name: str) -> bool:
        pending = self.pending(name)
        what = pending.look(self._vector)
        free = pending.free.get(what)
        if free is None:
            free = pending.free[what] = self.next_op(name) is not None and not self.blocked(name)
        return free

    def next_op(self, name: str) -> Op | None:
        """Return a context's next op; None if it has nothing to do or has stopped for good."""
        pending = self.pending(name)
        if pending.queue and self.field(pending.queue, "items"):
            return (Workqueue.dequeue, pending.queue)
        return pending.op

    def blocked(self, name: str) -> bool:
        """Tell whether a context's next op has to wait.

        One that waits for a lock of its own does not: it stops, with a report. Nor does one that
        would wait for what is freed, until it has been reported for touching that.
        """
        op = self.next_op(name)
        if op is None or not can_block(op):
            return bool(self.field(handle_of(name), "stopped"))
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
        """Run a context's next op; False where it stops the context, or cannot run."""
        pending, vector = self.pending(name), self._vector
        what = pending.look(vector)
        effect = pending.effects.get(what)
        if effect is None:
            effect = self._run(name)
            # Why nothing could be done may lie with others than those that the op looks at.
            if effect.moved or self.field(handle_of(name), "stopped"):
                pending.effects[what] = effect
        else:
            for index, number in effect.numbers:
                vector[index] = number
        self.effect = effect
        return effect.moved

    def _run(self, name: str) -> Effect:
        machine = self.machine
        moved = machine.contexts.step(name)
        change = machine.memory.commit()
        for handle, _before, after in change:
            self.note(handle, after)
        del machine.trace.ring[self._events :]
        indices = [self.index(handle) for handle, _before, _after in change]
        return Effect(moved, tuple([(index, self._vector[index]) for index in indices]), change)


def _told(field: Any) -> Any:
    """Return a field of a value without what is of one world only: a place is a call and what it received."""
    return (field.call, tuple(field.received())) if isinstance(field, Continuation) else field
