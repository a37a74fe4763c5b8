"""What was learned of a scenario: what each context may still do, and which lock guards what.

It is gathered while a search runs and used by the next one; a search that has learned nothing new
was right about everything that it left out. A context's local state is the number of its value.
"""

from __future__ import annotations

from kvmlab.explore.resources import NONE, Access, Names, meet, share

Local = tuple[int, int]
"""A context, and where it stands: the index of its handle and the number of its value."""

NOTHING = Access(NONE, NONE)


class Knowledge:
    """Moves of contexts by themselves, the locks that were held at every access, counts that ended."""

    def __init__(self) -> None:
        self.moves: dict[Local, dict[Local, Access]] = {}
        self.locks: dict[str, Names] = {}
        self.ended: set[str] = set()
        self.grown = False
        self._future: dict[Local, Access] = {}
        self._next: dict[Local, Access] = {}
        self._guards: dict[str, Names] = {}
        self._clash: dict[tuple[Access, Access], bool] = {}

    def settle(self) -> None:
        """Begin a search: what was learned so far is what it goes by."""
        self.grown = False
        self._future.clear()
        self._next.clear()
        self._guards.clear()

    def learn(self, here: Local, there: Local, access: Access, held: Names) -> None:
        """Take up one op of a context: from where to where, what it did, which locks it held."""
        moves = self.moves.setdefault(here, {})
        known = moves.get(there, NOTHING)
        if there not in moves or not (access.reads <= known.reads and access.writes <= known.writes):
            moves[there] = Access(known.reads | access.reads, known.writes | access.writes)
            self.grown = True
        for resource in access.reads | access.writes:
            locks = self.locks.get(resource)
            if locks is None or not locks <= held:
                self.locks[resource] = held if locks is None else locks & held
                self.grown = True

    def end(self, resource: str) -> None:
        """A count has come to zero: from now on its changes do not commute."""
        if resource not in self.ended:
            self.ended.add(resource)
            self.grown = True

    def future(self, here: Local) -> Access:
        """Return everything that a context may still do from where it stands."""
        known = self._future.get(here)
        if known is None:
            reached, todo = {here}, [here]
            reads, writes = set[str](), set[str]()
            while todo:
                for there, access in self.moves.get(todo.pop(), {}).items():
                    reads |= access.reads
                    writes |= access.writes
                    if there not in reached:
                        reached.add(there)
                        todo.append(there)
            known = self._future[here] = self._relevant(Access(frozenset(reads), frozenset(writes)))
        return known

    def next(self, here: Local) -> Access:
        """Return what the next op of a context may do."""
        known = self._next.get(here)
        if known is None:
            moves = self.moves.get(here, {}).values()
            reads = frozenset[str]().union(*[access.reads for access in moves])
            writes = frozenset[str]().union(*[access.writes for access in moves])
            known = self._next[here] = self._relevant(Access(reads, writes))
        return known

    def _relevant(self, access: Access) -> Access:
        """Leave out counts that never come to zero: they go up and down in any order."""
        ended = self.ended
        writes = frozenset([w for w in access.writes if not w.startswith("count of ") or w in ended])
        return Access(access.reads, writes)

    def guards(self, resource: str) -> Names:
        """Return the locks that were held at every access to a resource, by whatever name."""
        known = self._guards.get(resource)
        if known is None:
            sets = [locks for other, locks in self.locks.items() if share(resource, other)]
            known = self._guards[resource] = frozenset.intersection(*sets) if sets else NONE
        return known

    def clash(self, one: Access, other: Access) -> bool:
        """Tell whether one may write what the other reads or writes."""
        known = self._clash.get((one, other))
        if known is None:
            known = meet(one.writes, other.reads | other.writes) or meet(other.writes, one.reads)
            self._clash[one, other] = known
        return known
