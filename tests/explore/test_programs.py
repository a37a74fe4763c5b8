"""The explorer's own correctness: over random programs, what a reduction leaves out changes nothing.

KVMLAB_PROGRAMS is how many programs are tried; a change to the explorer is worth some thousands.
"""

from __future__ import annotations

import os

import pytest

from kvmlab.explore.judge import deadlocks
from kvmlab.explore.search import Judge, Outcome, Search
from kvmlab.explore.world import State, World
from tests.explore.programs import Program, random_program

PROGRAMS = int(os.environ.get("KVMLAB_PROGRAMS", "160"))
BATCH = 20
CAP = 600
"""States of the plain search from which on a program is too large to be compared here."""


def reports(world: World, ended: bool) -> list[tuple[str, str]]:
    """Judge a world by its reports, and by who can never go on."""
    found = world.reports()
    return found + deadlocks(world) if ended else found


def searched(
    program: Program, reduction: str, cap: int = 20 * CAP, judge: Judge | None = None
) -> tuple[World, Outcome]:
    """Search a program, with nobody exchanged; return its world and what was found."""
    world = World(program.machine())
    search = Search(world, judge or reports, reduction, cap, exchange=False)
    for _progress in search.run():
        pass
    return world, search.outcome


def told(world: World, states: list[State]) -> set[object]:
    """Return states as values, which two worlds can be compared by."""
    found = set[object]()
    for state in states:
        world.go(state)
        found.add(world.values())
    return found


def differing(program: Program) -> list[str]:
    """Return the reductions that do not end, or do not fail, as the plain search of a program does."""
    world, plain = searched(program, "plain", CAP)
    if not plain.exhausted:
        return []
    ends, found = told(world, plain.ends), []
    for reduction in ("fused", "reduced"):
        world, other = searched(program, reduction)
        same = other.exhausted and told(world, other.ends) == ends
        if not same or other.failures.keys() != plain.failures.keys():
            found.append(f"{reduction}: {program}")
    return found


@pytest.mark.parametrize("start", range(0, PROGRAMS, BATCH))
def test_a_reduction_ends_where_the_plain_search_does(start: int) -> None:
    """The same terminal states with what every context read in them, and the same failures."""
    assert [each for seed in range(start, start + BATCH) for each in differing(random_program(seed))] == []


HARD = {
    "a reference taken too late": Program(
        {"a": [("get cell#1",)], "b": [("put cell#1", "put cell#1")]}, refs=(2, 1, 1)
    ),
    "a reference taken on the way": Program(
        {"a": [("take 0", "drop cell#1")], "b": [("put cell#1",)]}, listed=("cell#1",)
    ),
    "locks in a ring": Program(
        {
            "a": [("lock s1", "lock s2", "unlock s2", "unlock s1")],
            "b": [("lock s2", "lock s1", "unlock s1", "unlock s2")],
        }
    ),
    "a lock that nobody drops any more": Program(
        {"a": [("lock s1", "check cell#1")], "b": [("load cell#2", "lock s1", "store cell#2 1")]}
    ),
    "a lock of one's own": Program({"a": [("lock s1", "lock s1")], "b": [("lock s1", "unlock s1")]}),
    "an actor that is woken": Program(
        {"a": [("load cell#1",)], "b": [("wake a", "store cell#1 1")], "c": [("store cell#1 2",)]}
    ),
    "a wait for what is freed": Program({"a": [("wait cell#1", "load cell#2")], "b": [("free cell#1",)]}),
    "a flush of what waits behind": Program(
        {
            "a": [("queue events load", "flush_workqueue wq-events", "load cell#2")],
            "b": [("queue events store", "store cell#2 1")],
        }
    ),
    "an item queued twice": Program(
        {"a": [("queue events store",)], "b": [("queue events store", "load cell#1")]}
    ),
    "contexts that are put off by others in a circle": Program(
        {
            "a": [("sleep", "wake b")],
            "b": [("sleep", "wake a")],
            "c": [("swap cell#1 0", "check cell#1")],
            "d": [("swap cell#1 1", "store cell#2 2")],
        },
        values=(1, 1, 1),
    ),
    "leaks looked for while others free": Program(
        {"a": [("leaks",)], "b": [("free cell#1",)], "c": [("make",)]}
    ),
}


@pytest.mark.parametrize("name", HARD)
def test_what_a_reduction_may_get_wrong(name: str) -> None:
    """The same, of programs that are small and mean."""
    assert differing(HARD[name]) == []


def test_the_programs_are_worth_searching() -> None:
    """Most are small enough to be compared, and what can go wrong does in some of them."""
    kinds, exhausted = set[str](), 0
    for seed in range(60):
        _world, outcome = searched(random_program(seed), "reduced", CAP)
        exhausted += outcome.exhausted
        kinds |= {kind for kind, _text in outcome.failures}
    assert exhausted > 45
    assert kinds >= {"deadlock", "use-after-free", "double-free", "bug-on", "refcount"}
