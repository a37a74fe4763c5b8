"""Livelock: what can always go on and never comes to an end is found, and nothing else is called so.

KVMLAB_PROGRAMS is how many programs are tried, as in test_programs.
"""

from __future__ import annotations

import os

import pytest

from kvmlab.explore import livelock
from kvmlab.explore.bounded import LONGEST, WALKS, Walks
from kvmlab.explore.livelock import LIVELOCK, UNSETTLED, settled
from kvmlab.explore.moves import op_by_op
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.world import State, World
from tests.explore.programs import Program, retrying_program
from tests.explore.test_programs import CAP, differing, reports, searched

PROGRAMS = int(os.environ.get("KVMLAB_PROGRAMS", "120"))
BATCH = 20


def livelocks(outcome: Outcome) -> set[str]:
    """Return what is said of livelocks."""
    return {text for kind, text in outcome.failures if kind == LIVELOCK}


@pytest.mark.parametrize("start", range(0, PROGRAMS, BATCH))
def test_a_reduction_finds_the_livelocks_of_the_plain_search(start: int) -> None:
    """As its ends and its other failures, of programs that retry."""
    assert [each for seed in range(start, start + BATCH) for each in differing(retrying_program(seed))] == []


def ahead(outcome: Outcome, start: State) -> set[State]:
    """Return what a state leads to, and itself."""
    seen, todo = {start}, [start]
    while todo:
        new = set(outcome.edges[todo.pop()]) - seen
        seen |= new
        todo += new
    return seen


def test_a_livelock_is_where_no_end_is_ahead() -> None:
    """By a search from each state of a plain graph; the circle that is told has all that is ahead of it."""
    found = 0
    for seed in range(60):
        world, plain = searched(retrying_program(seed), "plain", CAP // 2)
        if not plain.exhausted:
            continue
        never = {state for state in plain.edges if all(plain.edges[each] for each in ahead(plain, state))}
        assert bool(never) == bool(livelocks(plain))
        for state in (state for states in plain.circles.values() for state in states):
            found += 1
            world.go(state)
            circle = settled(world)
            assert circle is not None
            assert circle.steps.keys() == ahead(plain, state) <= never
    assert found > 4


def test_a_circle_goes_back_to_where_it_began() -> None:
    """Stepped from the start, with everybody in it who goes round."""
    for seed in range(40):
        world, outcome = searched(retrying_program(seed), "reduced", CAP)
        for failure, again in outcome.again.items():
            world.go(outcome.failures[failure])
            for name, ops in again:
                for _ in range(ops):
                    assert world.step(name)
            assert world.state() == outcome.failures[failure]
            assert {name for name, _ops in again} == {
                part.split()[0] for part in failure[1].split("; ") if "goes round" in part
            }


RETRYING = Program({"a": [("queue events retry",)]}, values=(1, 0, 0))
LET_OUT = Program({**RETRYING.calls, "b": [("store cell#1 0",)]}, values=(1, 0, 0))
WOKEN = Program({"a": [("sleep", "wake b")], "b": [("sleep", "wake a")]})
FLUSHED = Program({"a": [("queue events for-ever", "flush-work irqfd-cleanup for-ever")]})

SAID: dict[str, tuple[Program, set[str]]] = {
    "an item that nobody keeps from being queued again": (
        RETRYING,
        {"events goes round for ever: 4 different ops of play_item(retry)"},
    ),
    "one that somebody may let out, who is only put off": (LET_OUT, set()),
    "two that wake each other": (
        WOKEN,
        {"a goes round for ever: 2 different ops of play; b goes round for ever: 2 different ops of play"},
    ),
    "who waits for what never ends": (
        FLUSHED,
        {"a waits for ever; irqfd-cleanup goes round for ever: 6 different ops of play_item(for-ever)"},
    ),
}


@pytest.mark.parametrize("reduction", ["plain", "fused", "reduced", "section"])
@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_a_livelock(name: str, reduction: str) -> None:
    """Who goes round and what is made again and again; of what can be left, nothing."""
    program, said = SAID[name]
    _world, outcome = searched(program, reduction)
    assert outcome.exhausted
    assert livelocks(outcome) >= said
    assert bool(livelocks(outcome)) == bool(said)


def test_a_search_that_was_cut_short_says_nothing() -> None:
    """Who seems to go round for ever may be let out in a state that was not seen."""
    _world, outcome = searched(LET_OUT, "plain", cap=4)
    assert not outcome.exhausted
    assert not livelocks(outcome)


def test_one_that_is_too_large_is_not_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told all the same, without a round."""
    monkeypatch.setattr(livelock, "AHEAD", 2)
    _world, outcome = searched(RETRYING, "reduced")
    assert livelocks(outcome) == {UNSETTLED}
    assert outcome.shown((LIVELOCK, UNSETTLED)) == outcome.schedule(outcome.failures[LIVELOCK, UNSETTLED])


def test_luck_comes_to_an_end_in_a_circle() -> None:
    """As many moves are enough."""
    world = World(RETRYING.machine())
    walks = Walks(world, reports, op_by_op(world))
    next(walks.run())
    assert LONGEST <= walks.transitions < LONGEST + WALKS


def test_who_is_exchanged_waits_for_it_under_either_name() -> None:
    """One of them is told, and what is alike is what the plain search tells."""
    waits: list[tuple[str, ...]] = [("if cell#2", "store cell#2 0", "flush-work irqfd-cleanup for-ever")]
    program = Program({"a": [("queue events for-ever",)], "c": waits, "d": waits}, values=(0, 1, 0))
    _world, plain = searched(program, "plain")
    search = Search(World(program.machine()), reports)
    for _progress in search.run():
        pass
    assert search.symmetry is not None
    told = {(LIVELOCK, text) for text in livelocks(search.outcome)}
    assert search.symmetry.alike(told) == {(LIVELOCK, text) for text in livelocks(plain)}
    assert len(told) < len(livelocks(plain))
