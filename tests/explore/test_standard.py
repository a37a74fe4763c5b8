"""The standard set of scenarios: what the explorer finds in each, and what it does not."""

from __future__ import annotations

from functools import cache

import pytest

from kvmlab.explore.search import Outcome
from tests.explore.scenes import FOLDER, kinds, script, searched

FOUND: dict[str, set[str]] = {
    "assign-deassign-broken": {"use-after-free"},
    "assign-deassign-mended": set(),
    "close-close-assign": set(),
    "close-close-assign-broken": {"expect"},
    "eoifd-closed-broken": {"livelock"},
    "eoifd-closed-mended": set(),
    "filter-broken": {"lost-interrupt"},
    "filter-mended": set(),
    "flush-under-lock-broken": {"atomic-sleep"},
    "flush-under-lock-mended": set(),
    "release-pollhup": set(),
    "shared-gsi-rerouted": set(),
    "teardown": set(),
    "teardown-ack-on-unmask": set(),
    "teardown-active-check": {"bug-on", "deadlock"},
    "teardown-assign-flush": set(),
    "teardown-flush-under-lock": set(),
    "teardown-pollhup": set(),
    "teardown-rcu-wait": {"use-after-free"},
    "teardown-source-filter": set(),
}
"""By script: the kinds of failures that there are."""


def test_every_script_is_here() -> None:
    """Each ends with the command that explores it, and begins with its claim."""
    files = sorted(FOLDER.glob("*.kvm"))
    assert {file.stem for file in files} == FOUND.keys()
    for file in files:
        lines = file.read_text().splitlines()
        assert lines[0].startswith("# Claim: ")
        assert lines[-1].startswith("explore atomicity=")


@cache
def explored(name: str) -> Outcome:
    """Return what is found in a script, searched once, as its last line asks."""
    file = FOLDER / f"{name}.kvm"
    section = file.read_text().endswith("atomicity=section\n")
    _world, outcome = searched("section" if section else "reduced", *script(file))
    return outcome


@pytest.mark.parametrize("name", FOUND)
def test_what_a_script_shows(name: str) -> None:
    """Every schedule is tried, and what goes wrong is what the script says."""
    outcome = explored(name)
    assert outcome.exhausted
    assert kinds(outcome) == FOUND[name]


MATRIX = {
    "no flush": ("close-close-assign-broken", "close-close-assign"),
    "no RCU wait": ("teardown-rcu-wait", "teardown"),
    "no active check": ("teardown-active-check", "teardown"),
    "flush under the lock": ("flush-under-lock-broken", "flush-under-lock-mended"),
    "unlocked filter": ("filter-broken", "filter-mended"),
    "nobody who lowers the line": ("eoifd-closed-broken", "eoifd-closed-mended"),
}
"""The planted faults, each with its script and the one without it."""


@pytest.mark.parametrize("fault", MATRIX)
def test_a_planted_fault_is_in_a_script(fault: str) -> None:
    """And what is found in it is not found without it: the tests above search both."""
    broken, mended = MATRIX[fault]
    assert FOUND[broken]
    assert not FOUND[mended]


def test_what_an_actor_expects_in_vain_is_told() -> None:
    """In words, with what it was told."""
    (failure,) = explored("close-close-assign-broken").failures
    assert failure == ("expect", "vmm: irqfd spare gsi=16 level returned -1 EFAULT, not 63")


def test_an_interrupt_that_the_filter_loses_is_told() -> None:
    """Of the source that has asserted."""
    (failure,) = explored("filter-broken").failures
    assert failure[1] == "source 1 has asserted pin 11, which is low again, and nobody is told of an EOI"
