"""Contexts that are interchangeable: what is searched stands for all, and nobody is taken for another.

KVMLAB_PROGRAMS is how many programs are tried, as in test_programs.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from kvmlab.explore.judge import sanitizers
from kvmlab.explore.search import Judge, Outcome, Search
from kvmlab.explore.symmetry import Symmetry
from kvmlab.explore.verdict import Asked
from kvmlab.explore.world import State, World
from tests.engine.lab import Lab
from tests.explore.programs import Program, random_program
from tests.explore.stand import explored, said
from tests.explore.test_programs import CAP, reports, told
from tests.explore.test_programs import searched as program_searched

PROGRAMS = int(os.environ.get("KVMLAB_PROGRAMS", "200"))
BATCH = 25


def twins(seed: int) -> Program:
    """Return a random program in which some contexts do what the first one does."""
    program, random = random_program(seed), Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    first, *others = program.calls
    for name in others:
        if random.random() < 0.6:
            program.calls[name] = program.calls[first]
    return program


def names_one(program: Program) -> bool:
    """Tell whether a program queues the item that wakes b, which only the table of items names.

    A machine's own work names whom it is for in its arguments, where it can be seen.
    """
    words = [word for calls in program.calls.values() for call in calls for word in call]
    return any(word.startswith("queue ") and word.endswith(" wake") for word in words)


def ends(search: Search) -> set[object]:
    """Return where a search ends, and where it would if others were in the places of those it names."""
    found, world = set[object](), search.world
    for state in search.outcome.ends:
        turned: list[State] = [turn.state(state) for turn in search.symmetry.turns] if search.symmetry else []
        found |= told(world, [state, *turned])
    return found


def leads(search: Search, judge: Judge) -> bool:
    """Tell whether the schedule to each failure, stepped from the start, shows it."""
    world = search.world
    for failure, state in search.outcome.failures.items():
        world.go(world.start)
        for name, ops in search.outcome.schedule(state):
            for _ in range(ops):
                world.step(name)
        if failure not in judge(world, world.ended):
            return False
    return True


def differing(program: Program, world: World, plain: Outcome) -> list[str]:
    """Return the reductions that end or fail otherwise than the plain search when contexts are exchanged."""
    found = []
    sections = Search(World(program.machine()), reports, "section", exchange=False)
    for _progress in sections.run():
        pass
    for reduction, outcome, expected in (
        ("fused", plain, told(world, plain.ends)),
        ("reduced", plain, told(world, plain.ends)),
        ("section", sections.outcome, ends(sections)),
    ):
        search = Search(World(program.machine()), reports, reduction, 20 * CAP)
        for _progress in search.run():
            pass
        assert search.symmetry is not None
        alike = search.symmetry.alike(search.outcome.failures)
        same = search.outcome.exhausted and ends(search) == expected
        if not same or alike != outcome.failures.keys() or not leads(search, reports):
            found.append(f"{reduction}: {program}")
    return found


@pytest.mark.parametrize("start", range(0, PROGRAMS, BATCH))
def test_exchanging_ends_where_the_plain_search_does(start: int) -> None:
    """The same terminal states and failures, but for who is who; each schedule shows what it is to."""
    compared = 0
    for seed in range(start, start + BATCH):
        program = twins(seed)
        if names_one(program) or not Symmetry(World(program.machine())).groups:
            continue
        world, plain = program_searched(program, "plain", CAP)
        if plain.exhausted:
            compared += 1
            assert differing(program, world, plain) == []
    assert compared


BROADCAST = (
    "eventfd trigger; eventfd unmask; eventfd spare",
    "ioapic 11 vector=0x41 level unmasked dest=255",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "write trigger; take vcpu=1; take vcpu=2; manual",
)
EOIS = ("actor one: eoi vcpu=1", "actor two: eoi vcpu=2")
MACHINE, MACHINE_6 = "machine vcpus=3", "machine kernel=linux-6.x vcpus=3"
RESAMPLED = (*BROADCAST[:2], "irqfd trigger gsi=11 resample=unmask", BROADCAST[3])


def groups(*lines: str) -> list[str]:
    """Return who is interchangeable after some lines."""
    return Symmetry(World(Lab(*lines).machine)).names


@pytest.mark.parametrize("reduction", ["reduced", "section"])
@pytest.mark.parametrize(
    "lines",
    [
        (MACHINE, *BROADCAST, *EOIS),
        (MACHINE_6, *RESAMPLED, *EOIS),
        (MACHINE_6, *RESAMPLED, "actor one: eoi vcpu=1; take vcpu=1", "actor two: eoi vcpu=2; take vcpu=2"),
        (MACHINE_6, *RESAMPLED[:3], "line 11 1; manual", "actor one: take vcpu=1; eoi vcpu=1",
         "actor two: take vcpu=2; eoi vcpu=2"),
    ],
)  # fmt: skip
def test_vcpus_that_nothing_tells_apart_are_exchanged(lines: tuple[str, ...], reduction: str) -> None:
    """From two thirds of the states; the ends are those of the plain search, but for who is who."""
    assert groups(*lines) == ["vcpu1, vcpu2"]
    searches = [
        Search(World(Lab(*lines).machine), sanitizers, which, exchange=exchange)
        for which, exchange in ((reduction, True), (reduction, False), ("plain", False))
    ]
    for search in searches:
        for _progress in search.run():
            pass
        assert search.outcome.exhausted
    one, other, plain = searches
    assert one.symmetry is not None
    assert ends(one) == ends(other if reduction == "section" else plain)
    assert one.symmetry.alike(one.outcome.failures) == plain.outcome.failures.keys()
    assert leads(one, sanitizers)
    assert one.outcome.states * 3 < other.outcome.states * 2


@pytest.mark.parametrize(
    "lines",
    [
        (MACHINE, *BROADCAST[:3], "write trigger; take vcpu=1; manual", *EOIS),
        (MACHINE, *BROADCAST, EOIS[0], "actor two: eoi vcpu=2; eoi vcpu=2"),
        (MACHINE, *BROADCAST, *EOIS, "actor zero: ioapic 11 dest=1"),
        (MACHINE, *BROADCAST, *EOIS, "actor router: route 11 ioapic:12"),
        (MACHINE, *BROADCAST, *EOIS, "actor sender: msi addr=0xfee01000 data=0x50"),
        (MACHINE, *BROADCAST, "ioapic 12 vector=0x50 unmasked dest=1", *EOIS),
        (MACHINE, *BROADCAST, "ioapic 12 vector=0x50 unmasked dest=255 mode=lowest", *EOIS),
        (MACHINE, *BROADCAST, "route 12 msi:0xfee02000:0x50", *EOIS),
        (MACHINE, *BROADCAST, "pio write 0x21 0", *EOIS),
        (MACHINE, *BROADCAST, "handler 0x41 eoi vcpu=1", *EOIS),
        (MACHINE_6, *BROADCAST[:2], "ioapic 12 level masked dest=1", "irqfd trigger gsi=11; manual", *EOIS),
        (MACHINE_6, *BROADCAST[:2], "ioapic 8 vector=0x50 edge unmasked dest=255; manual", *EOIS),
        ("machine vcpus=2", *BROADCAST[:3], "write trigger; take; take vcpu=1; manual", "actor a: eoi",
         "actor b: eoi vcpu=1"),
        ("machine", "eventfd a; eventfd b; manual", "actor one: write a", "actor two: write b"),
        ("machine", "eventfd one; eventfd b; manual", "actor one: write b", "actor two: write b"),
    ],
)  # fmt: skip
def test_what_is_told_apart_is_not_exchanged(lines: tuple[str, ...]) -> None:
    """Another chip or program, a destination that reaches one alone, a call that might make one, a name."""
    assert groups(*lines) == []


def test_threads_with_the_same_calls_are_exchanged_and_the_verdict_says_so() -> None:
    """What is found is said of those that its schedule moves."""
    lines = (
        "machine",
        "eventfd x",
        *[f"actor {name}: expect 1: read x; write x" for name in ("p", "q", "r")],
    )
    report = explored(said(*lines))
    assert report.verdict.lines()[-1] == "interchangeable, so that it is all one who is who: p, q, r"
    assert len(report.examples) == 2
    for example in report.examples:
        assert example.text.partition(":")[0] == example.moves[-1][0]
        assert not example.impure
    plain = explored(said(*lines), Asked(reduction="plain"))
    assert len(plain.examples) == 2 * 3
    assert report.verdict.states * 3 < plain.verdict.states


def test_where_a_property_looks_nobody_is_exchanged() -> None:
    """It may name one of them."""
    lines = ("machine", "eventfd x", "actor p: write x", "actor q: write x", "never eventfd.x.count == 9")
    assert not any("interchangeable" in text for text in explored(said(*lines)).verdict.lines())
