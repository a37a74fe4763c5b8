"""The schedule with the fewest switches, then the fewest ops; and every schedule within a bound."""

from __future__ import annotations

from itertools import permutations

import pytest

from kvmlab.explore.judge import sanitizers
from kvmlab.explore.moves import op_by_op
from kvmlab.explore.search import Move, joined
from kvmlab.explore.shortest import Cheapest, preemptions
from kvmlab.explore.start import Start
from kvmlab.explore.world import World
from tests.explore.stand import FREED, said

RACE = ("machine without=rcu-wait", *FREED[1:])


def world() -> World:
    """Return the world of the race."""
    return Start.of(said(*RACE)).world()


def fails(here: World, moves: tuple[Move, ...]) -> bool:
    """Play a schedule leniently: each context as far as it goes; tell whether anything was reported."""
    here.go(here.start)
    for name, ops in moves:
        for _ in range(ops):
            if here.next_op(name) is None or here.blocked(name):
                break
            here.step(name)
    return bool(here.memory.reports.made)


def test_no_schedule_with_one_switch_fails() -> None:
    """The fewest are three; every schedule of one switch is tried beside."""
    here = world()
    walk = Cheapest(here, sanitizers, op_by_op(here), cap=100_000, most=3)
    for _progress in walk.run():
        pass
    assert {len(moves) - 1 for moves in walk.found.values()} == {3}
    other = world()
    for first, second in permutations(("closer", "vcpu0", "irqfd-cleanup"), 2):
        assert not any(fails(other, ((first, ops), (second, 200))) for ops in range(1, 60))


@pytest.mark.parametrize("bound", [0, 1])
def test_a_bound_counts_switches_away_from_what_could_go_on(bound: int) -> None:
    """Each schedule found has at most so many preemptions, counted by playing it."""
    here = world()
    walk = Cheapest(here, sanitizers, op_by_op(here), preemptions, cap=100_000, most=bound)
    for _progress in walk.run():
        pass
    assert walk.exhausted
    for moves in walk.found.values():
        other, count, last = world(), 0, ""
        for name, ops in moves:
            count += last != "" and last in other.movable()
            for _ in range(ops):
                other.step(name)
            last = name
        assert count <= bound
    assert bool(walk.found) == bool(bound)


def test_neighbours_are_one_run() -> None:
    """Two moves of one context without a switch are one."""
    assert joined([("a", 1), ("a", 2), ("b", 1), ("a", 1)]) == [("a", 3), ("b", 1), ("a", 1)]
