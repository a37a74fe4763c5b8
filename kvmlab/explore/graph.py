"""The graph of a search: how many interleavings it stands for, where it goes in circles, and for ever."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

N = TypeVar("N")

Edges = Mapping[N, Sequence[N]]
"""By state that was gone through, where its moves lead; two that lead to the same state count twice."""


def interleavings(edges: Edges[N], start: N) -> int | None:
    """Return how many ways lead from the start to an end; None where one can go in circles for ever.

    A state that was not gone through counts as an end, so that of a part it is a lower bound.
    """
    before = _entered(edges)
    order, todo = list[N](), [start] if not before.get(start) else []
    while todo:
        state = todo.pop()
        order.append(state)
        for after in edges.get(state, ()):
            before[after] -= 1
            if not before[after]:
                todo.append(after)
    if any(before.values()):
        return None
    ways = dict[N, int]()
    for state in reversed(order):
        ways[state] = sum([ways[after] for after in edges.get(state, ())]) or 1
    return ways[start]


def _entered(edges: Edges[N]) -> dict[N, int]:
    """Return by how many moves each state is entered."""
    entered = dict.fromkeys(edges, 0)
    for following in edges.values():
        for after in following:
            entered[after] = entered.get(after, 0) + 1
    return entered


def turning(edges: Edges[N], among: Collection[N]) -> list[N]:
    """Return some of the states among which every circle goes that stays among them."""
    core, found = _Core(edges, among), list[N]()
    for state in tuple(core.following):
        if state in core.following:
            found.append(state)
            core.strip([state])
    return found


class _Core(Generic[N]):
    """What remains of a graph without the states that are entered from nowhere, or lead nowhere."""

    def __init__(self, edges: Edges[N], among: Collection[N]) -> None:
        self.following = {
            state: {after for after in edges.get(state, ()) if after in among} for state in among
        }
        self._before: dict[N, set[N]] = {state: set() for state in self.following}
        for state, those in self.following.items():
            for after in those:
                self._before[after].add(state)
        self.strip([state for state, those in self.following.items() if not (those and self._before[state])])

    def strip(self, bare: list[N]) -> None:
        """Take states out, and whatever then lies on no circle."""
        while bare:
            state = bare.pop()
            if state in self.following:
                bare += self._out(state, self.following, self._before)
                bare += self._out(state, self._before, self.following)
                del self.following[state], self._before[state]

    @staticmethod
    def _out(state: N, ways: dict[N, set[N]], back: dict[N, set[N]]) -> list[N]:
        """Cut the ways of a state to others; return those that no way is left to."""
        others = ways[state] - {state}
        for other in others:
            back[other].discard(state)
        return [other for other in others if not back[other]]


def trapped(edges: Edges[N]) -> list[N]:
    """Return the states that were gone through and from which no way leads to an end.

    An end is a state without a move; one that was not gone through counts as an end, too.
    """
    good, left = set[N](), list[N]()
    # Backwards, as what a state leads to was mostly found behind it: few are left then.
    for state in reversed(list(edges)):
        following = edges[state]
        if following and good.isdisjoint(following):
            left.append(state)
        else:
            good.add(state)
    before: dict[N, list[N]] = {state: [] for state in left}
    todo = list[N]()
    for state in left:
        for after in edges[state]:
            if after in before:
                before[after].append(state)
            else:
                todo.append(state)
    while todo:
        state = todo.pop()
        if state not in good:
            good.add(state)
            todo += before[state]
    return [state for state in left if state not in good]


def unleft(edges: Edges[N], among: Iterable[N]) -> Iterator[list[N]]:
    """Yield each strongly connected component that no move leads out of (Tarjan).

    Whatever ``among`` leads to has to have been gone through.
    """
    met, low, done = dict[N, int](), dict[N, int](), set[N]()
    path: list[N] = []
    for root in among:
        way = [] if root in met else [(root, iter(edges[root]))]
        while way:
            state, following = way[-1]
            if state not in met:
                met[state] = low[state] = len(met)
                path.append(state)
            new = next((after for after in following if after not in met), None)
            if new is not None:
                way.append((new, iter(edges[new])))
                continue
            way.pop()
            low[state] = min([low[state], *[low[after] for after in edges[state] if after not in done]])
            if low[state] == met[state]:
                component = [path.pop()]
                while component[-1] != state:
                    component.append(path.pop())
                done.update(component)
                yield from _closed(edges, component)


def _closed(edges: Edges[N], component: list[N]) -> Iterator[list[N]]:
    """Yield a component if no move leads out of it."""
    inside = set(component)
    if all(inside.issuperset(edges[state]) for state in component):
        yield component
