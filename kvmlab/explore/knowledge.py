"""What was learned of a scenario: what each context may still do, and which lock guards what.

It is gathered while a search runs and used by the next one; a search that has learned nothing new
was right about everything that it left out. A context's local state is the number of its value.
Sets of accesses are kept once and go by their numbers, so that a question asked twice costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from kvmlab.explore.resources import NONE, Access, Names, Queued, meet, share

Local = tuple[int, int]
"""A context, and where it stands: the index of its handle and the number of its value."""

NOTHING = Access(NONE, NONE, frozenset())


class Knowledge:
    """Ops of contexts by themselves, the locks that were held at every access, counts that ended.

    ``stands`` is what is known of the next op in each local state before it has run, ``idle`` the
    local states in which a worker waits for its next item.
    """

    def __init__(self) -> None:
        self.ops: dict[Local, dict[Local, Access]] = {}
        self.steps: dict[Local, Access] = {}
        self.stands: dict[Local, Access] = {}
        self.items: dict[Queued, set[Local]] = {}
        self.idle: set[Local] = set()
        self.held: dict[Local, Names] = {}
        self.locks: dict[str, Names] = {}
        self.ended: set[str] = set()
        self.grown = self.fresh = False
        self._accesses: list[Access] = []
        self._numbers: dict[Access, int] = {}
        self._clashes: dict[tuple[int, int], bool] = {}
        self._beyond: dict[Local, int] = {}
        self._open: dict[Local, int] = {}
        self._future: dict[Local, int] = {}
        self._steps: dict[Local, int] = {}
        self._works: dict[tuple[str, frozenset[Queued]], int] = {}
        self._guards: dict[str, Names] = {}

    def settle(self) -> None:
        """Begin a search: what was learned so far is what it goes by."""
        self.grown = False
        for cache in (self._open, self._beyond, self._future, self._steps, self._works, self._guards):
            cache.clear()

    # -- learning -----------------------------------------------------------------------------

    def stand(self, here: Local, access: Access, held: Names, idle: bool) -> None:
        """Take up what is known of the op that is next in a local state."""
        self.stands[here] = access
        if idle:
            self.idle.add(here)
        self._hold(here, access, held)

    def learn(self, here: Local, there: Local, access: Access, held: Names) -> None:
        """Take up one op of a context: from where to where, what it did, which locks it held."""
        known = self.ops.setdefault(here, {}).get(there)
        merged = access if known is None else union((known, access))
        if merged != known:
            self.ops[here][there] = merged
            self.grown = self.fresh = True
        self._hold(here, access, held)

    def _hold(self, here: Local, access: Access, held: Names) -> None:
        """Take up which locks are held where something is read or written."""
        self.held[here] = held = self.held.get(here, held) & held
        for resource in access.reads | access.writes:
            self.guard(resource, held)

    def guard(self, resource: str, held: Names) -> None:
        """Take up which locks were held where something was read or written."""
        locks = self.locks.get(resource)
        if locks is None or not locks <= held:
            self.locks[resource] = held if locks is None else locks & held
            self.grown = self.fresh = True

    def learn_jump(self, here: Local, there: Local) -> None:
        """Take up that a context was put elsewhere by another one."""
        if there not in self.ops.setdefault(here, {}):
            self.ops[here][there] = NOTHING
            self.grown = self.fresh = True

    def learn_step(self, here: Local, access: Access) -> None:
        """Take up what a whole move from a local state did."""
        known = self.steps.get(here)
        merged = access if known is None else union((known, access))
        if merged != known:
            self.steps[here] = merged
            self.grown = self.fresh = True

    def learn_item(self, item: Queued, here: Local, there: Local) -> None:
        """A worker that was idle has taken an item off its queue."""
        self.idle.add(here)
        self.learn_begun(item, there)

    def learn_begun(self, item: Queued, there: Local) -> None:
        """Take up where a worker stands that has taken an item."""
        begun = self.items.setdefault(item, set())
        if there not in begun:
            begun.add(there)
            self.grown = self.fresh = True

    def end(self, resources: Iterable[str]) -> None:
        """Counts have come to zero: from now on their changes do not commute."""
        if not self.ended.issuperset(resources):
            self.ended.update(resources)
            self.grown = self.fresh = True

    # -- what is known --------------------------------------------------------------------------

    def number(self, access: Access) -> int:
        """Return the number of a set of accesses, leaving out counts that go up and down in any order."""
        writes = [w for w in access.writes if not w.startswith("count of ") or w in self.ended]
        relevant = access._replace(writes=frozenset(writes))
        number = self._numbers.get(relevant)
        if number is None:
            number = self._numbers[relevant] = len(self._accesses)
            self._accesses.append(relevant)
        return number

    def next(self, here: Local) -> Access:
        """Return what the next op of a context may do."""
        return union((self.stands.get(here, NOTHING), *self.ops.get(here, {}).values()))

    def open(self, here: Local) -> int:
        """Return what the next op of a context may do that no lock it holds keeps from the others."""
        known = self._open.get(here)
        if known is None:
            access, held = self.next(here), self.held.get(here, NONE)
            reads = frozenset([r for r in access.reads if not self._guarded(r, held)])
            writes = frozenset([w for w in access.writes if not self._guarded(w, held)])
            known = self._open[here] = self.number(Access(reads, writes, access.queues))
        return known

    def beyond(self, here: Local) -> int:
        """Return what the next op of a context may do beside taking or dropping a lock."""
        known = self._beyond.get(here)
        if known is None:
            access = self._accesses[self.open(here)]
            writes = frozenset([w for w in access.writes if not w.startswith("lock ")])
            known = self._beyond[here] = self.number(access._replace(writes=writes))
        return known

    def step(self, here: Local) -> int:
        """Return what the next move of a context may do, or its next op where it has not moved yet."""
        known = self._steps.get(here)
        if known is None:
            access = union((self.next(here), self.steps.get(here, NOTHING)))
            known = self._steps[here] = self.number(access)
        return known

    def future(self, here: Local) -> int:
        """Return everything that a context may still do, a worker to the end of its item."""
        known = self._future.get(here)
        if known is None:
            known = self._future[here] = self.number(self._reach(here))
        return known

    def _reach(self, here: Local) -> Access:
        reached, todo, found = {here}, [here], list[Access]()
        while todo:
            place = todo.pop()
            if place in self.idle:
                continue
            found.append(self.stands.get(place, NOTHING))
            for there, access in self.ops.get(place, {}).items():
                found.append(access)
                if there not in reached:
                    reached.add(there)
                    todo.append(there)
        return union(found)

    def works(self, queue: str, items: frozenset[Queued]) -> int:
        """Return everything that a queue's items may do, given all that wait or may be queued anywhere."""
        known = self._works.get((queue, items))
        if known is None:
            todo, done, found = list(items), set(items), list[Access]()
            while todo:
                item = todo.pop()
                if item[0] == queue:
                    found.append(Access(frozenset({queue}), frozenset({queue})))
                for begun in self.items.get(item, ()):
                    access = self._reach(begun)
                    if item[0] == queue:
                        found.append(access)
                    todo += access.queues - done
                    done |= access.queues
            known = self._works[queue, items] = self.number(union(found))
        return known

    def access(self, number: int) -> Access:
        """Return the set of accesses that has a number."""
        return self._accesses[number]

    def clash(self, one: int, other: int) -> bool:
        """Tell whether one may write what the other reads or writes."""
        known = self._clashes.get((one, other))
        if known is None:
            a, b = self._accesses[one], self._accesses[other]
            known = meet(a.writes, b.reads | b.writes) or meet(b.writes, a.reads)
            self._clashes[one, other] = known
        return known

    def _guarded(self, resource: str, held: Names) -> bool:
        """Tell whether one of the locks held was held at every access to a resource."""
        if not held:
            return False
        guards = self._guards.get(resource)
        if guards is None:
            sets = [locks for other, locks in self.locks.items() if share(resource, other)]
            guards = self._guards[resource] = frozenset.intersection(*sets) if sets else NONE
        return not guards.isdisjoint(held)


def union(accesses: Iterable[Access]) -> Access:
    """Return all of several sets of accesses."""
    reads, writes, queues = set[str](), set[str](), set[Queued]()
    for access in accesses:
        reads |= access.reads
        writes |= access.writes
        queues |= access.queues
    return Access(frozenset(reads), frozenset(writes), frozenset(queues))
