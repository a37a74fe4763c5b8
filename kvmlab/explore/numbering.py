"""The values that the objects of a world have had, by number: a state is a tuple of these.

What no step ever changes has no place in it. Values that differ only in the order of what has no order
are one value, and so are those that differ only in how often something was done, as far as nobody asks
(canonical.py). What lockdep has learned is part of a state only as far as it can ever matter: the
pairs of locks that lie on a ring. Those are not known before they are seen; ``outdated`` says that
new ones were, and that numbers from before are too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kvmlab.engine.kernel.locks import Lockdep
from kvmlab.engine.kernel.memory import QUARANTINE, Slab
from kvmlab.engine.kernel.memory import State as Values
from kvmlab.engine.kernel.object import Value
from kvmlab.explore.canonical import CANONICAL, READ_BY_PEOPLE, UNCOUNTED

LOCKDEP = "lockdep"

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


class Numbering:
    """The handles of a world by index, and the values of each by number; 0 is the value at first.

    ``first`` are the values at the start; ``seen`` are patterns of the handles that somebody reads:
    counters are part of a state only where they are read.
    """

    def __init__(self, first: Values, seen: Sequence[str] = ()) -> None:
        self._canonical = CANONICAL if READ_BY_PEOPLE & set(seen) else {**CANONICAL, **UNCOUNTED}
        self._number: dict[str, int] = {}
        self.handles: list[str] = []
        """Every handle that was seen so far, by its index."""
        self._values: list[list[Value | None]] = []
        self._ids: list[dict[Value | None, int]] = []
        self.pairs = set[Pair]()
        """Every pair of classes of locks that was seen."""
        self.ring: frozenset[Pair] = frozenset()
        self.outdated = False
        self.overfull = False
        """More was freed on the way than the quarantine holds, whose order is no part of a state."""
        self.first = dict(first)
        """By handle, the value of each object at the start."""

    def index(self, handle: str) -> int:
        """Return the index of a handle in every state."""
        index = self._number.get(handle)
        if index is None:
            index = self._number[handle] = len(self.handles)
            first = self.first.get(handle)
            self.handles.append(handle)
            self._values.append([first])
            self._ids.append({first and self.key(first): 0})
        return index

    def object(self, index: int, number: int) -> tuple[str, Value | None]:
        """Return the handle of an index and the value of a number."""
        return self.handles[index], self._values[index][number]

    def number_of(self, index: int, value: Value) -> int:
        """Return the number of a value that an object has had."""
        return self._ids[index][value]

    def numbered(self, handle: str, value: Value | None) -> tuple[int, int]:
        """Return the index of a handle, and the number of a value that its object may have."""
        index, key = self.index(handle), value and self.key(value)
        ids, values = self._ids[index], self._values[index]
        number = ids.get(key)
        if number is None:
            number = ids[key] = len(values)
            values.append(key)
        if handle == LOCKDEP and key:
            # What never matters is kept, so that it is not learned again in every state.
            values[number] = (*key[:2], (*key[2], *sorted(self.pairs - self.ring)))
        return index, number

    def key(self, value: Value) -> Value:
        """Return what stands for a value and all that differ from it in nothing that means anything."""
        if value[0] == Lockdep.NAME:
            self.acquaint(value[2])
            return (*value[:2], tuple(sorted(self.ring.intersection(value[2]))))
        if value[0] == Slab.NAME and len(value[3]) >= QUARANTINE:
            self.overfull = True
        canonical = self._canonical.get(value[0])
        return value if canonical is None else canonical(value)

    def acquaint(self, pairs: Iterable[Pair]) -> None:
        """Learn that locks are taken in some order."""
        if not self.pairs.issuperset(pairs):
            self.pairs.update(pairs)
            known, self.ring = self.ring, ring(self.pairs)
            self.outdated |= known != self.ring

    def known(self) -> tuple[list[str], list[list[Value | None]], list[list[Value | None]], set[Pair]]:
        """Return all handles, the values of each by number, what stands for each, and lockdep's pairs."""
        return self.handles, self._values, [list(ids) for ids in self._ids], self.pairs

    def learn(
        self,
        handles: Sequence[str],
        values: Sequence[Sequence[Value | None]],
        keys: Sequence[Sequence[Value | None]],
        pairs: set[Pair],
    ) -> None:
        """Take over what another world of the same start has ``known``; ValueError if it is another's.

        The world is to begin anew after that: where it stands was told by other numbers.
        """
        self.acquaint(pairs)
        self.outdated = True
        for handle, own, standing in zip(handles, values, keys, strict=True):
            index = self.index(handle)
            first, began = self._values[index][0], own[0]
            same = handle == LOCKDEP or (first and self.key(first)) == (began and self.key(began))
            if not same or len(own) != len(standing):
                raise ValueError(handle)
            self._values[index] = list(own)
            self._ids[index] = {key: number for number, key in enumerate(standing)}
        if self.handles != list(handles):
            raise ValueError(handles)
