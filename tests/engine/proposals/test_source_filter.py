"""The source filter of v7's with=source-filter: what it filters, and what its lock is for."""

from __future__ import annotations

import pytest

from tests.engine.lab import Lab
from tests.engine.proposals.wiring import serve, told, wired


def test_only_the_own_source_counts() -> None:
    """An EOI is told of once for each time that the irqfd asserted, whoever else does."""
    lab = wired("eoifd-v7", "with=source-filter")
    for _ in range(1000):
        lab.say("line 11 1; take; line 11 0; eoi")
    assert told(lab) == 0
    lab.say("write trigger; line 11 1")
    serve(lab)
    lab.say("line 11 0")
    serve(lab)
    assert told(lab) == 1


def test_two_irqfds_of_a_gsi_are_told_apart() -> None:
    """Each has its source: an EOI tells only of those that asserted."""
    lab = wired("eoifd-v7", "with=source-filter")
    lab.say("eventfd t; eventfd u; irqfd t gsi=11 level; eoifd u key=t level; write t")
    serve(lab)
    assert (told(lab), lab.fact("eventfd", "u", "count")) == (0, 1)


def lost(lab: Lab, before: int) -> bool:
    """Have the device interrupt after so many ops of an EOI; tell whether its interrupt is nowhere then.

    An interrupt is somewhere if it is pending on the line, in the LAPIC, or told of.
    """
    lab.say("line 11 1; take; line 11 0; manual; eoi")
    for _ in range(before):
        lab.machine.contexts.step("vcpu0")
    lab.say("write trigger; finish user; finish events; finish vcpu0; finish events; auto")
    assert lab.fact("reports") == 0
    return not told(lab) and lab.fact("ioapic", 11, "line") == 0 and lab.one("take").ret == "none"


OPS = 45
"""More ops than the EOI has."""


@pytest.mark.parametrize(("without", "loses"), [("", False), ("without=filter-lock", True)])
def test_the_lock_keeps_an_interrupt_from_being_lost(without: str, loses: bool) -> None:
    """Wherever the inject comes in the EOI, the locked filter keeps it; the unlocked one does not."""
    found = [n for n in range(OPS) if lost(wired("eoifd-v7", f"with=source-filter {without}"), n)]
    assert bool(found) is loses


@pytest.mark.parametrize("api", ["eoifd-v5", "eoifd-v7"])
def test_no_filter_and_the_chips_own_test_lose_nothing(api: str) -> None:
    """v5 tests under the chip's lock, v7 does not test: neither has a window."""
    assert not any(lost(wired(api), n) for n in range(OPS))
