"""Interleavings are counted, and circles found, as trying every way does."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from kvmlab.explore.graph import interleavings, trapped, turning, unleft

Graph = dict[int, tuple[int, ...]]


def random_graph(seed: int, back: float) -> Graph:
    """Return a graph of a few nodes; ``back`` is how likely a move leads back."""
    random = Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    count = random.randint(1, 7)

    def move(node: int) -> int:
        return random.randint(0, node) if random.random() < back else random.randint(node + 1, count)

    return {node: tuple([move(node) for _ in range(random.randint(0, 3))]) for node in range(count)}


def ways(graph: Graph, node: int) -> int:
    """Follow every way to its end."""
    return sum([ways(graph, after) for after in graph.get(node, ())]) or 1


def turns(graph: Graph, among: set[int]) -> bool:
    """Tell whether a circle stays among some nodes."""

    def leads(start: int) -> bool:
        seen, todo = set[int](), [start]
        while todo:
            new = [after for after in graph.get(todo.pop(), ()) if after in among and after not in seen]
            seen.update(new)
            todo += new
        return start in seen

    return any(leads(node) for node in among)


def test_every_way_is_counted() -> None:
    """Of what has no circle."""
    for seed in range(60):
        graph = random_graph(seed, back=0)
        reached = {0}
        for node in sorted(graph):
            if node in reached:
                reached.update(graph[node])
        graph = {node: after for node, after in graph.items() if node in reached}
        assert interleavings(graph, 0) == ways(graph, 0)


def test_a_long_chain_of_forks_is_counted_at_once() -> None:
    """2 to the thousandth, exactly."""
    assert interleavings({node: (node + 1, node + 1) for node in range(1000)}, 0) == 2**1000


@pytest.mark.parametrize("graph", [{0: (0,)}, {0: (1,), 1: (0,)}, {0: (1, 2), 1: (2,), 2: (1,)}])
def test_ways_in_a_circle_have_no_number(graph: Graph) -> None:
    """However small it is."""
    assert interleavings(graph, 0) is None


def test_no_circle_is_without_a_turn() -> None:
    """Without those that are found there is none among the others; where there is none, none is found."""
    for seed in range(120):
        graph = random_graph(seed, back=0.3)
        among = set(Random(seed).sample(range(8), 6))  # noqa: S311 - as above
        found = turning(graph, among)
        assert not turns(graph, among - set(found))
        assert turns(graph, among) or not found
        assert [one for one, other in pairwise(sorted(found)) if one == other] == []


def reached(graph: Graph, start: int) -> set[int]:
    """Return what a node leads to, and itself."""
    seen, todo = {start}, [start]
    while todo:
        new = set(graph.get(todo.pop(), ())) - seen
        seen |= new
        todo += new
    return seen


def test_what_never_ends_is_found() -> None:
    """The nodes that lead to no end, and among them the circles that nothing leads out of."""
    for seed in range(200):
        graph = random_graph(seed, back=0.5)
        ahead = {node: reached(graph, node) for node in graph}
        never = {node for node in graph if all(graph.get(after) for after in ahead[node])}
        found = trapped(graph)
        assert sorted(found) == sorted(never)
        circles = {frozenset(circle) for circle in unleft(graph, found)}
        assert circles == {
            frozenset(ahead[node])
            for node in never
            if all(ahead[after] == ahead[node] for after in ahead[node])
        }


def test_a_long_way_into_a_circle_is_gone() -> None:
    """Longer than Python's own stack, in either order."""
    graph = {node: (node + 1,) for node in range(5_000)} | {5_000: (4_999,)}
    for order in (graph, dict(reversed(graph.items()))):
        found = trapped(order)
        assert len(found) == 5_001
        assert [sorted(circle) for circle in unleft(order, found)] == [[4_999, 5_000]]
