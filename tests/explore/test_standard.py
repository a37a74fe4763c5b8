"""The standard set of scenarios: what the explorer finds in each, and what it does not."""

from __future__ import annotations

import os

import pytest

from tests.explore.scenes import FOLDER, kinds, script, searched

FOUND: dict[str, set[str]] = {
    "assign-deassign-broken": {"use-after-free"},
    "assign-deassign-mended": set(),
    "close-close-assign": set(),
    "close-close-assign-broken": set(),
    "filter-broken": set(),
    "filter-mended": set(),
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

LARGE = {name for name in FOUND if name.startswith("teardown-")}
"""Scripts that take seconds each; they are searched where KVMLAB_PROGRAMS asks for a thorough run."""

THOROUGH = int(os.environ.get("KVMLAB_PROGRAMS", "0")) >= 1_000


def test_every_script_is_here() -> None:
    """Each ends with the command that explores it, and begins with its claim."""
    files = sorted(FOLDER.glob("*.kvm"))
    assert {file.stem for file in files} == FOUND.keys()
    for file in files:
        lines = file.read_text().splitlines()
        assert lines[0].startswith("# Claim: ")
        assert lines[-1].startswith("explore atomicity=")


@pytest.mark.parametrize("name", FOUND)
def test_what_a_script_shows(name: str) -> None:
    """Every schedule is tried, and what goes wrong is what the script says."""
    if name in LARGE and not THOROUGH:
        pytest.skip("takes seconds: set KVMLAB_PROGRAMS=1000 or more")
    lines = script(FOLDER / f"{name}.kvm")
    section = (FOLDER / f"{name}.kvm").read_text().endswith("atomicity=section\n")
    _world, outcome = searched("section" if section else "reduced", *lines)
    assert outcome.exhausted
    assert kinds(outcome) == FOUND[name]


def answers(name: str) -> set[object]:
    """Return what the actor's last call may return in a script."""
    world, outcome = searched("reduced", *script(FOLDER / f"{name}.kvm"))
    found = set[object]()
    for state in outcome.ends:
        world.go(state)
        found.add(world.contexts.get("vmm").result)
    return found


def test_an_assign_at_capacity_has_its_id_where_it_flushes() -> None:
    """With the flush the ID that both closes gave back is there in every schedule; without it in some."""
    assert answers("close-close-assign") == {63}
    assert answers("close-close-assign-broken") == {63, -14}


def lost(name: str) -> bool:
    """Tell whether a device in a script may wait for an EOI while nothing is asserted or pending."""
    world, outcome = searched("reduced", *script(FOLDER / f"{name}.kvm"))
    found = False
    for state in outcome.ends:
        world.go(state)
        told = world.memory.objects["eventfd#2"].load("count")
        pending = world.machine.ioapic.irr or any(lapic.irr for lapic in world.machine.lapics)
        found |= not told and not pending
    return found


def test_a_filter_without_a_lock_loses_an_interrupt() -> None:
    """The device has interrupted, nothing of it is left, and nobody was told of an EOI; not with the lock."""
    assert lost("filter-broken")
    assert not lost("filter-mended")
