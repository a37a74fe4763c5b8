"""Random scenes of the real engine: whatever two or three contexts do, reductions end as plain does."""

from __future__ import annotations

import os
from random import Random

import pytest

from kvmlab.explore.search import Judge, Outcome, Search
from kvmlab.explore.units import Scenario
from kvmlab.explore.world import World
from kvmlab.session import Session
from tests.engine.lab import Lab
from tests.explore.test_jobs import Here, shared, values
from tests.explore.test_programs import reports, told

SCENES = int(os.environ.get("KVMLAB_PROGRAMS", "160")) // 10
CAP = 4_000
"""States of the plain search from which on a scene is too large to be compared here."""

V7 = ("vcpus=2", "irqfd trigger gsi=11 level; eoifd unmask key=trigger level")
RESAMPLE = ("vcpus=2 api=resample", "irqfd trigger gsi=11 resample=unmask")
KINDS = (V7, RESAMPLE, ("kernel=linux-6.x vcpus=2", RESAMPLE[1]))

SWITCHES = ("", "", "without=rcu-wait", "without=active-check", "with=flush-under-lock")

CALLS = (
    "write trigger", "write spare", "read unmask", "poll trigger", "dup trigger again",
    "close trigger", "close unmask", "close trigger unmask", "eventfd more", "release",
    "line 11 1", "line 11 0", "line 5 1", "route 11 ioapic:12", "msi addr=0xfee00000 data=0x50",
    "irqfd spare gsi=11", "irqfd spare gsi=5", "irqfd trigger gsi=11 deassign",
    "ioeventfd spare addr=0x1000 len=4",
)  # fmt: skip
GUEST = ("eoi", "eoi vcpu=1", "take vcpu=1", "ioapic 11 vector=0x42 vcpu=1", "tpr 0x50 vcpu=1")
OF_V7 = ("eoifd unmask key=trigger level deassign", "irqfd spare gsi=11 level")


def random_scene(seed: int) -> list[str]:
    """Return the lines of a seed: a level irqfd whose interrupt was taken, and who does what then."""
    random = Random(seed)  # noqa: S311 - seeded, to be the same everywhere
    kind = random.choice(KINDS)
    calls = random.sample([*CALLS, *OF_V7 * (kind is V7)], random.choice((1, 2)))
    return [
        f"machine {kind[0]} {random.choice(SWITCHES)}",
        "eventfd trigger; eventfd unmask; eventfd spare; ioapic 11 vector=0x41 level unmasked",
        f"{kind[1]}; write trigger; take; manual",
        *[f"actor user{number}: {call}" for number, call in enumerate(calls, 5)],
        f"actor guest: {random.choice(GUEST)}",
    ]


def reporting(_session: Session) -> Judge:
    """Judge as the plain search does."""
    return reports


def searched(lines: list[str], reduction: str, cap: int) -> tuple[World, Outcome]:
    """Search what stands ready after some lines."""
    world = World(Lab(*lines).machine)
    search = Search(world, reports, reduction, cap)
    for _progress in search.run():
        pass
    return world, search.outcome


@pytest.mark.parametrize("seed", range(SCENES))
def test_a_scene_ends_alike_under_every_reduction(seed: int) -> None:
    """The same terminal states, the same failures; in units too."""
    lines = random_scene(seed)
    world, plain = searched(lines, "plain", CAP)
    if not plain.exhausted:
        pytest.skip(f"has more than {CAP} states")
    ends = told(world, plain.ends)
    for reduction in ("fused", "reduced"):
        world, other = searched(lines, reduction, 5 * CAP)
        assert other.exhausted
        assert (reduction, told(world, other.ends)) == (reduction, ends)
        assert (reduction, other.failures.keys()) == (reduction, plain.failures.keys())
    units = shared(Scenario(tuple(lines), "reduced", reporting), Here())
    assert units.exhausted
    assert {values(world, schedule) for schedule in units.ends} == ends
    assert units.failures.keys() == plain.failures.keys()


SPLIT = (
    "machine kernel=linux-6.x vcpus=2 with=split-irqchip",
    "eventfd trigger; irqfd trigger gsi=11; route 11 msi:0xfee00000:0x8041; write trigger; take; manual",
)


@pytest.mark.parametrize(
    "actors",
    [
        ("actor vmm: route 11 none", "actor cpu: eoi"),
        ("actor vmm: route 11 msi:0xfee01000:0x8041", "actor cpu: eoi", "actor other: take vcpu=1"),
        ("actor vmm: msi addr=0xfee00000 data=0x8051", "actor cpu: eoi"),
    ],
)
def test_an_eoi_that_leaves_the_kernel_ends_alike_under_every_reduction(actors: tuple[str, ...]) -> None:
    """Whatever becomes of the route meanwhile: who is told is part of the end."""
    world, plain = searched([*SPLIT, *actors], "plain", 10 * CAP)
    assert plain.exhausted
    ends = told(world, plain.ends)
    for reduction in ("fused", "reduced"):
        world, other = searched([*SPLIT, *actors], reduction, 10 * CAP)
        assert (reduction, told(world, other.ends)) == (reduction, ends)
        assert other.failures.keys() == plain.failures.keys()
