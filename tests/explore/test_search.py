"""The search: every reduction ends where the plain search ends, and what goes wrong is found."""

from __future__ import annotations

import pytest

from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.world import World
from tests.engine.lab import Lab

PAIR = (
    "eventfd trigger; eventfd unmask; eventfd spare",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "write trigger",
    "take",
    "manual",
)
CLOSED = ("machine", *PAIR, "actor closer: close trigger unmask", "actor cpu: eoi")


def searched(reduction: str, *lines: str) -> tuple[World, Outcome]:
    """Search what stands ready after some lines; return the world and what was found."""
    world = World(Lab(*lines).machine)
    search = Search(world, sanitizers, reduction)
    for _progress in search.run():
        pass
    return world, search.outcome


def values(world: World, outcome: Outcome) -> set[object]:
    """Return the ends as values, which two searches can be compared by."""
    found = set[object]()
    for state in outcome.ends:
        world.go(state)
        found.add(world.values())
    return found


@pytest.mark.parametrize("reduction", ["fused", "reduced"])
def test_a_reduced_search_ends_where_the_plain_one_does(reduction: str) -> None:
    """The same terminal states, from a tenth of the states."""
    world, plain = searched("plain", *CLOSED)
    other, outcome = searched(reduction, *CLOSED)
    assert plain.exhausted
    assert outcome.exhausted
    assert values(other, outcome) == values(world, plain)
    assert plain.failures == {}
    assert outcome.failures == {}
    assert outcome.states * 5 < plain.states


def test_a_schedule_leads_to_its_state() -> None:
    """Stepped from the start, it ends in the state that it was found for."""
    world, outcome = searched("reduced", *CLOSED)
    for state in outcome.ends:
        world.go(world.start)
        for name, ops in outcome.schedule(state):
            for _ in range(ops):
                assert world.step(name)
        assert world.state() == state


def test_the_world_comes_back_exactly() -> None:
    """A state that is gone to is the machine that it was taken of."""
    world, outcome = searched("section", *CLOSED)
    for state in outcome.parents:
        world.go(state)
        assert world.state() == state


def test_a_cap_is_told() -> None:
    """What was not exhausted says so."""
    world = World(Lab(*CLOSED).machine)
    search = Search(world, sanitizers, "plain", cap=100)
    assert list(search.run()) == []
    assert not search.outcome.exhausted
    assert search.outcome.states >= 100


def test_a_search_leaves_no_tracepoints_behind() -> None:
    """The ring is as it was, however many ops were run."""
    machine = Lab(*CLOSED).machine
    before = machine.trace.last()
    for _progress in Search(World(machine), sanitizers, "section").run():
        pass
    assert machine.trace.last() == before
