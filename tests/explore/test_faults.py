"""Planted faults are found whole, each as what it is; without them nothing is said."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.sanitizers import KINDS
from kvmlab.explore.judge import LOST, leaks
from kvmlab.explore.world import World
from tests.explore.programs import Program
from tests.explore.scenes import SCENES, kinds, searched
from tests.explore.test_programs import searched as program_searched

FAULTS = {
    "without=rcu-wait": ("", "pair", {"use-after-free"}),
    "without=active-check": ("", "closed and deassigned", {"bug-on", "deadlock"}),
    "with=flush-under-lock": ("", "two irqfds", {"atomic-sleep"}),
    "without=assign-lock": ("", "assigned and deassigned", {"use-after-free"}),
    "without=irqchip": ("", "assigned", {"null-deref"}),
    "with=as-merged": ("api=resample", "two irqfds of a resampler", {"out-of-bounds"}),
}
"""By switch: what else the machine is given, the scene, and the kinds of failures that there are."""


@pytest.mark.parametrize("switch", FAULTS)
def test_a_planted_fault_is_found(switch: str) -> None:
    """By the reduced search as by the plain one, the same sentences; without the switch there are none."""
    api, scene, expected = FAULTS[switch]
    _world, plain = searched("plain", f"machine {api} {switch}", *SCENES[scene])
    _world, reduced = searched("reduced", f"machine {api} {switch}", *SCENES[scene])
    _world, mended = searched("reduced", f"machine {api}", *SCENES[scene])
    assert plain.exhausted and reduced.exhausted and mended.exhausted
    assert kinds(reduced) == expected
    assert reduced.failures.keys() == plain.failures.keys()
    assert mended.failures == {}


def test_an_interrupt_that_is_lost_is_found() -> None:
    """The vector is changed while it is in service, so that its EOI does not reach the pin."""
    machine = "machine kernel=linux-6.x vcpus=2"
    _world, broken = searched("reduced", machine, *SCENES["a vector changed in service"])
    _world, mended = searched("reduced", machine, *SCENES["another pin's vector changed in service"])
    assert kinds(broken) == {LOST}
    assert mended.failures == {}


def calls(**steps: str) -> Program:
    """Write a program of one call a context, its steps with commas between them."""
    return Program({name: [tuple(text.split(", "))] for name, text in steps.items()}, values=(1, 1, 0))


NESTED, TURNED = "lock s1, lock s2, unlock s2, unlock s1", "lock s2, lock s1, unlock s1, unlock s2"

REPORTS: dict[str, tuple[Program, Program]] = {
    "deadlock": (
        calls(a="lock s1, wait cell#3, unlock s1", b="lock s1, store cell#3 1, unlock s1"),
        calls(a="wait cell#3, lock s1, unlock s1", b="lock s1, store cell#3 1, unlock s1"),
    ),
    "self-deadlock": (calls(a="lock s1, lock s1"), calls(a="lock s1, unlock s1, lock s1, unlock s1")),
    "lock-order": (calls(a=NESTED, b=TURNED), calls(a=NESTED, b=NESTED)),
    "atomic-sleep": (calls(a="lock s1, sleep, unlock s1"), calls(a="lock s1, unlock s1, sleep")),
    "use-after-free": (
        calls(a="rcu, load cell#1, unrcu", b="free cell#1"),
        calls(a="get cell#1, load cell#1, put cell#1", b="load cell#1"),
    ),
    "double-free": (
        calls(a="if cell#1, free cell#2", b="free cell#2"),
        calls(a="put cell#2", b="load cell#1"),
    ),
    "bug-on": (
        calls(a="check cell#3", b="store cell#3 1"),
        calls(a="wait cell#3, check cell#3", b="store cell#3 1"),
    ),
    "refcount": (
        calls(a="drop cell#1", b="drop cell#1"),
        calls(a="get cell#1, drop cell#1", b="load cell#1"),
    ),
    "leak": (calls(a="lose"), calls(a="sleep")),
    "expect": (
        calls(a="if cell#3, unmet", b="store cell#3 1"),
        calls(a="if cell#3, load cell#3", b="store cell#3 1"),
    ),
}
"""By kind of report: a program in which it must be made in some schedule, and its mended twin."""


@pytest.mark.parametrize("reduction", ["plain", "fused", "reduced", "section"])
@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_made_where_it_must_be(kind: str, reduction: str) -> None:
    """It is in some schedule of the program, and nothing is in any of its mended twin."""
    broken, mended = REPORTS[kind]
    judge = leaks_too if kind == "leak" else None
    assert kind in {found for found, _text in program_searched(broken, reduction, judge=judge)[1].failures}
    assert program_searched(mended, reduction, judge=judge)[1].failures == {}


def leaks_too(world: World, ended: bool) -> list[tuple[str, str]]:
    """Judge what outlives the VM."""
    return leaks(world) if ended else []


def test_every_kind_is_proved() -> None:
    """Each kind of report has a place above where it must be made."""
    planted = {kind for _api, _scene, expected in FAULTS.values() for kind in expected}
    assert planted | REPORTS.keys() == set(KINDS)
