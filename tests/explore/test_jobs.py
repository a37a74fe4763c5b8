"""A search in units: it counts what one process counts, whoever does them and whoever dies of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from multiprocessing import active_children
from typing import Any

import pytest

from kvmlab.explore import units
from kvmlab.explore.carrying import Carrier
from kvmlab.explore.jobs import Processes, Shared, Sharing, Workers
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.units import Scenario
from kvmlab.explore.world import World

PAIR = (
    "machine",
    "eventfd trigger; eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "write trigger",
    "take",
    "manual",
)
CLOSED = (*PAIR, "actor closer: close unmask", "actor cpu: eoi")
DEADLOCK = (
    "machine with=flush-under-lock",
    *PAIR[1:],
    "actor closer: close trigger",
    "actor other: irqfd trigger gsi=11 deassign",
)

SECONDS = 60
"""Longer than this nothing takes to end."""


class AtOnce(Executor):
    """An executor that does everything when it is given it; it loses every ``life``-th unit."""

    def __init__(self, life: int) -> None:
        self._life, self._given = life, 0

    def submit(self, do: Any, /, *given: Any, **_named: Any) -> Future[Any]:
        """Do it."""
        self._given += 1
        done = Future[Any]()
        if self._given % self._life:
            done.set_result(do(*given))
        else:
            done.set_exception(BrokenExecutor())
        return done


class Here(Workers):
    """This process; every ``life``-th unit is lost."""

    def __init__(self, life: int = 1 << 30) -> None:
        self._life = life

    def open(self) -> Executor:
        """Return one that is alive."""
        return AtOnce(self._life)


class Turning(Here):
    """Where a context comes back to where it was, as one that is woken again does."""

    @staticmethod
    def search(unit: units.Unit) -> units.Found:
        """Say so of one of the pivots."""
        found = units.search(unit)
        found.backwards = "closer" if "closer" in unit.pivots else ""
        return found


class Crossing(Here):
    """Where two units take two locks in different orders."""

    @staticmethod
    def search(unit: units.Unit) -> units.Found:
        """Say so in every cell one way or the other."""
        found = units.search(unit)
        found.order += ((("a", "b") if sum(unit.cell) % 2 else ("b", "a")),)
        return found


def alone(scenario: Scenario) -> tuple[World, Outcome]:
    """Search a scenario in one piece."""
    world, judge, _seen = units.rebuilt(scenario)
    search = Search(world, judge, scenario.reduction)
    for _progress in search.run():
        pass
    return world, search.outcome


def shared(scenario: Scenario, workers: Workers, cap: int = 500_000) -> Shared:
    """Search a scenario in units."""
    sharing = Sharing(scenario, workers, cap)
    for _progress in sharing.run():
        pass
    return sharing.outcome


def values(world: World, schedule: units.Schedule) -> object:
    """Step along a schedule; return the values of where it leads."""
    world.go(world.start)
    for name, ops in schedule:
        for _ in range(ops):
            world.step(name)
    return world.values()


def counts(outcome: Shared | Outcome) -> tuple[bool, int, int, int]:
    """Return what two searches have to agree in."""
    return outcome.exhausted, outcome.states, outcome.transitions, len(outcome.ends)


@pytest.mark.parametrize("lines", [CLOSED, DEADLOCK])
@pytest.mark.parametrize("reduction", ["plain", "section"])
def test_units_count_what_a_search_in_one_piece_counts(reduction: str, lines: tuple[str, ...]) -> None:
    """The same states, moves, ends and failures; and each schedule leads where it says."""
    scenario = Scenario(lines, reduction)
    world, whole = alone(scenario)
    outcome = shared(scenario, Here())
    assert counts(outcome) == counts(whole)
    assert outcome.units > 1
    assert outcome.failures.keys() == whole.failures.keys()
    ends = set[object]()
    for state in whole.ends:
        world.go(state)
        ends.add(world.values())
    assert {values(world, schedule) for schedule in outcome.ends} == ends
    for failure, schedule in outcome.failures.items():
        values(world, schedule)
        assert failure in sanitizers(world, world.ended)


@pytest.mark.parametrize("lines", [CLOSED, DEADLOCK])
@pytest.mark.parametrize("reduction", ["fused", "reduced"])
def test_units_that_leave_something_out_find_what_is_found_without(
    reduction: str, lines: tuple[str, ...]
) -> None:
    """The same ends and failures, in rounds until there is nothing to learn, from a tenth of the states."""
    world, plain = alone(Scenario(lines))
    ends = set[object]()
    for state in plain.ends:
        world.go(state)
        ends.add(world.values())
    outcome = shared(Scenario(lines, reduction), Here())
    assert outcome.exhausted
    assert outcome.reduction == reduction
    assert outcome.rounds > 1
    assert outcome.units > 1
    assert {values(world, schedule) for schedule in outcome.ends} == ends
    assert outcome.failures.keys() == plain.failures.keys()
    assert outcome.states * 4 < plain.states


@pytest.mark.parametrize("reduction", ["section", "reduced"])
def test_processes_find_the_same(reduction: str) -> None:
    """Two of them, to the last schedule and the last count."""
    scenario = Scenario(CLOSED, reduction)
    assert shared(scenario, Processes(2)) == shared(scenario, Here())


@pytest.mark.parametrize("reduction", ["plain", "reduced"])
def test_a_killed_process_loses_nothing(reduction: str) -> None:
    """What was lost with it is done again, what it had learned too."""
    scenario = Scenario(CLOSED, reduction)
    sharing = Sharing(scenario, Processes(2))
    killed = False
    for progress in sharing.run():
        if progress.states and not killed:
            os.kill(next(child.pid for child in active_children() if child.pid), signal.SIGKILL)
            killed = True
    assert killed
    assert counts(sharing.outcome) == counts(shared(scenario, Here()))


@pytest.mark.parametrize("reduction", ["section", "reduced"])
def test_workers_that_die_now_and_then_find_the_same(reduction: str) -> None:
    """A unit that came to nothing is given out again."""
    scenario = Scenario(CLOSED, reduction)
    whole, outcome = shared(scenario, Here()), shared(scenario, Here(life=3))
    assert outcome.lost
    assert counts(outcome) == counts(whole)


def test_workers_that_always_die_end_the_search() -> None:
    """It says so, and is not exhausted."""
    outcome = shared(Scenario(CLOSED), Here(life=1))
    assert not outcome.exhausted
    assert outcome.why == "the workers die of what they are given"


class Gone(Here):
    """Where everything is cancelled by others after some units, and nothing more is taken in the end."""

    class Closing(AtOnce):
        """An executor that others end."""

        def submit(self, do: Any, /, *given: Any, **named: Any) -> Future[Any]:
            """Do it, or not."""
            done = Future[Any]()
            if self._given < 3:
                return super().submit(do, *given, **named)
            if self._given > 4:
                raise RuntimeError("closed")
            self._given += 1
            done.cancel()
            return done

    def open(self) -> Executor:
        """Return one that lives for three units."""
        return self.Closing(self._life)


def test_workers_that_are_gone_end_the_search() -> None:
    """As with the scheduler of a cluster: what came back is kept, and the verdict says why it ended."""
    outcome = shared(Scenario(CLOSED), Gone())
    assert not outcome.exhausted
    assert outcome.units == 3
    assert outcome.lost
    assert outcome.why == "nobody takes what is given out: closed"


class Silent(Here):
    """Where nobody answers any more after some units."""

    class Waiting(AtOnce):
        """An executor that takes what it is given, and that is all."""

        def submit(self, do: Any, /, *given: Any, **named: Any) -> Future[Any]:
            """Do the first three."""
            return super().submit(do, *given, **named) if self._given < 3 else Future[Any]()

    def open(self) -> Executor:
        """Return one."""
        return self.Waiting(self._life)

    def gone(self) -> str:
        """Say so at once."""
        return "nobody is there"


def test_a_search_does_not_wait_for_who_is_gone() -> None:
    """The verdict says why it ended, and what was given out is kept for who goes on."""
    sharing = Sharing(Scenario(CLOSED), Silent())
    for _progress in sharing.run():
        pass
    assert sharing.outcome.units == 3
    assert sharing.outcome.why == "nobody is there"
    assert sharing.out


@pytest.mark.parametrize("workers", [Turning(), Crossing()])
def test_units_that_were_not_cut_well_are_cut_anew(workers: Workers) -> None:
    """The search begins again, once, and counts what it should."""
    scenario = Scenario(CLOSED, "section")
    outcome = shared(scenario, workers)
    assert outcome.rounds == 2
    assert counts(outcome) == counts(alone(scenario)[1])


def test_where_locks_are_on_a_ring_nothing_is_left_out() -> None:
    """No unit sees the whole of it."""
    outcome = shared(Scenario(CLOSED, "fused"), Crossing())
    assert outcome.reduction == "plain"
    assert counts(outcome) == counts(alone(Scenario(CLOSED))[1])


def test_a_cap_is_told() -> None:
    """What was not exhausted says why."""
    outcome = shared(Scenario(CLOSED), Here(), cap=100)
    assert not outcome.exhausted
    assert outcome.states >= 100
    assert outcome.why == "there are more than 100 states"


def test_a_search_that_is_left_ends_its_processes() -> None:
    """Whoever has seen enough just stops asking."""
    before = set(active_children())
    progress: Iterator[object] = Sharing(Scenario(CLOSED), Processes(2)).run()
    next(progress)
    next(progress)
    assert set(active_children()) - before
    del progress
    assert set(active_children()) <= before


def test_processes_end_with_the_one_that_is_killed() -> None:
    """Nobody is left to hold what it wrote to."""
    code = f"""
from kvmlab.explore.jobs import Processes, Sharing
from kvmlab.explore.units import Scenario
for progress in Sharing(Scenario({CLOSED!r}), Processes(2)).run():
    print(progress.states, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) == 0:
            pass
        process.kill()
        process.communicate(timeout=SECONDS)


def test_a_state_is_the_same_in_another_world() -> None:
    """Packed here and unpacked there it says the same of every object, and moves as it did."""
    world, outcome = alone(Scenario(CLOSED, "section"))
    other, _judge, _seen = units.rebuilt.__wrapped__(Scenario(CLOSED, "section"))
    packing, unpacking = Carrier(world), Carrier(other)
    for state in outcome.parents:
        carried = packing.pack(state)
        there = unpacking.unpack(carried)
        assert dict(unpacking.pack(there)) == dict(carried)
        world.go(state)
        other.go(there)
        assert other.movable() == world.movable()
