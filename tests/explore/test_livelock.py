"""Livelock: what can always go on and never comes to an end is found, and nothing else is called so.

KVMLAB_PROGRAMS is how many programs are tried, as in test_programs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kvmlab.cli import main
from kvmlab.explore import livelock
from kvmlab.explore.bounded import LONGEST, WALKS, Walks
from kvmlab.explore.explorer import UNSOUGHT
from kvmlab.explore.judge import sanitizers
from kvmlab.explore.livelock import LIVELOCK, UNSETTLED, settled
from kvmlab.explore.moves import op_by_op
from kvmlab.explore.search import Outcome, Search
from kvmlab.explore.units import Scenario
from kvmlab.explore.verdict import Asked
from kvmlab.explore.world import State, World
from kvmlab.tui.exploring import Exploration
from tests.engine.lab import Lab
from tests.explore.programs import Program, retrying_program
from tests.explore.stand import explored, explorer, said
from tests.explore.test_jobs import Here, shared, values
from tests.explore.test_programs import CAP, differing, reports, searched, told

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
    for seed in range(14):
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
    """When it is where it was."""
    world = World(RETRYING.machine())
    walks = Walks(world, reports, op_by_op(world))
    assert len(list(walks.run())) == WALKS
    assert walks.transitions < WALKS * LONGEST // 4


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


STORM = (
    "machine",
    "ioapic 11 vector=0x41 level unmasked",
    "handler 0x41 eoi",
    "manual",
    "actor guest: idle",
    "actor device: line 11 1",
)
"""A line that nobody lowers: the guest ends its interrupt, and takes it again."""

LOWERED = (*STORM[:-1], "actor device: line 11 1; line 11 0")
"""The guest may take it again and again as long as the device has not lowered it, which it can."""

ROUND = "vcpu0 goes round for ever: 17 different ops of vcpu_idle"


@pytest.mark.parametrize(
    "asked", [Asked(reduction="plain"), Asked(reduction="fused"), Asked(), Asked("section")]
)
def test_a_guest_that_never_gets_out_of_its_handler_is_found(asked: Asked) -> None:
    """Its schedule leads there and goes round once; of one that can get out nothing is said."""
    (example,) = explored(said(*STORM), asked).examples
    assert (example.kind, example.text) == (LIVELOCK, ROUND)
    assert example.shortest
    assert not example.impure
    assert example.moves[0][0] == "device"
    assert [name for name, _ops in example.moves[1:]] == ["vcpu0"]
    assert example.runs[-1].ops[-20:] == example.runs[-1].ops[-40:-20]
    assert explored(said(*LOWERED), asked).clean


NIC = ("machine vcpus=2", "device virtio nic gsi=11; ioapic 11 vector=0x41 level unmasked")
GUEST = ("raise nic; manual", "actor guest: idle")

GUESTS: dict[str, tuple[str, ...]] = {
    "one that never gets out of its handler": STORM,
    "one that may be let out": LOWERED,
    "one that serves its device": (*NIC, "handler 0x41 service nic,eoi", *GUEST, "actor other: raise nic"),
    "one whose line another device asserts": (
        *NIC, "device emulated usb gsi=11", "handler 0x41 service nic,eoi", *GUEST, "actor other: raise usb",
    ),
    "one that leaves it to a thread": (
        *NIC, "handler 0x41 mask 11,eoi,wake thread", *GUEST,
        "actor thread: service nic vcpu=1; ioapic 11 unmasked vcpu=1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESTS)
def test_a_guest_that_idles_is_the_same_under_every_reduction(name: str) -> None:
    """The same ends and failures, in units too."""
    lines = GUESTS[name]
    plain = Search(world := World(Lab(*lines).machine), sanitizers, "plain")
    for _progress in plain.run():
        pass
    assert plain.outcome.exhausted
    ends, failures = told(world, plain.outcome.ends), plain.outcome.failures.keys()
    for reduction in ("fused", "reduced"):
        search = Search(World(Lab(*lines).machine), sanitizers, reduction)
        for _progress in search.run():
            pass
        assert told(search.world, search.outcome.ends) == ends
        assert search.outcome.failures.keys() == failures
    units = shared(Scenario(lines, "reduced"), Here())
    assert {values(world, schedule) for schedule in units.ends} == ends
    assert units.failures.keys() == failures


def test_a_search_with_a_bound_says_that_it_was_not_looked_for() -> None:
    """Of one that was exhausted it was."""
    assert UNSOUGHT in explored(said(*STORM), Asked(bound=0)).verdict.lines()
    assert UNSOUGHT not in explored(said(*STORM), Asked("section")).verdict.lines()


def test_how_often_something_was_done_is_told_apart_only_where_somebody_asks() -> None:
    """A property that reads a counter has the guest count for ever, which no search exhausts."""
    session = said(*STORM, "never taken.0x41 > 3")
    search = explorer(session, Asked(cap=300)).search
    for _progress in search.run():
        pass
    assert search.outcome.failures.keys() == {("never", "taken.0x41 > 3")}
    assert not search.outcome.exhausted


def test_its_schedule_is_saved_and_shows_it_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a script that holds, in JSON, and on the screen with its round."""
    monkeypatch.setenv("KVMLAB_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "storm.kvm"
    path.write_text("\n".join(STORM))
    assert main(["explore", str(path), "--json", "--save", str(tmp_path)]) == 1
    (told,) = json.loads(capsys.readouterr().out)["failures"]
    assert (told["kind"], told["text"]) == (LIVELOCK, ROUND)
    assert main(["run", str(tmp_path / "storm-1-livelock.kvm")]) == 0
    exploration = Exploration(session := said(*STORM))
    while not exploration.hunt.over:
        exploration.hunt.slice()
    exploration.ended(lambda: None)
    (found,), outcome = session.found, exploration.hunt.search.outcome
    before = outcome.schedule(outcome.failures[LIVELOCK, ROUND])
    assert [name for name, _ops in found] == ["device", "vcpu0"]
    assert sum(ops for _name, ops in found) == sum(ops for _name, ops in before) + 20
