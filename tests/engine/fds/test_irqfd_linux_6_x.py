"""irqfds as 6.x has them: drained counters, copied routes, an assign that polls with no lock held."""

from __future__ import annotations

import pytest

from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.kernel.path import describe
from tests.engine.lab import Lab
from tests.engine.sequence import TRIGGER, lines, sequence

SIX = "machine kernel=linux-6.x vcpus=2"
MSI = 2


def until(lab: Lab, context: str, text: str) -> None:
    """Step a context until its next op has a text in it."""
    contexts = lab.machine.contexts
    while (op := contexts.next_op(context)) is not None and text not in describe(op):
        assert contexts.step(context)


def entry(lab: Lab) -> object:
    """Return what the first irqfd knows of its route."""
    return lab.machine.memory.objects["irqfd#1"].load("irq_entry")


def test_assign_polls_with_no_lock_held_inside_srcu() -> None:
    """Section 2.4, 6.3: listed and published under irqfds.lock, polled after it, all in an SRCU section."""
    before = ("machine kernel=linux-6.x", "eventfd trigger count=1")
    ops = sequence(before, "user", "kvm_irqfd_assign", TRIGGER, 11, 0)
    assert ops[: ops.index("> process_one_work")] == lines("""
        slab.kzalloc(irqfd, 11)
        fds.eventfd_fget(6)
        eventfd#1.kref_get()
        irqfd#1.set_eventfd(eventfd#1)
        spin_lock(irqfds.lock)
        irqfds.find_eventfd(eventfd#1, False)
        irq_srcu.read_lock()
        routing.load(table)
        irqfds.update(irqfd#1, routes#1, True)
        irqfds.list_add_tail(irqfd#1)
        spin_unlock(irqfds.lock)
        spin_lock(eventfd#1.wqh.lock)
        eventfd#1.add_wait_queue(irqfd_wakeup, irqfd#1)
        spin_unlock(eventfd#1.wqh.lock)
        spin_lock(eventfd#1.wqh.lock)
        eventfd#1.poll_mask()
        spin_unlock(eventfd#1.wqh.lock)
        irqfd#1.load(inject)
        wq-events.queue_work(('irqfd_inject', 'irqfd#1'))
        irq_srcu.read_unlock()
        file#1.kref_put()
    """)


@pytest.mark.parametrize(("switch", "reports"), [("", False), ("without=assign-lock", True)])
def test_the_srcu_section_is_what_keeps_the_irqfd(switch: str, reports: bool) -> None:
    """A deassign in the middle waits for the assign; without the section the eventfd wakes freed memory."""
    lab = Lab(f"{SIX} {switch}", "eventfd trigger count=1", "manual", "irqfd trigger gsi=5")
    until(lab, "user", "eventfd#1.wqh.lock")
    lab.say("actor other: irqfd trigger gsi=5 deassign")
    lab.say("finish other; finish irqfd-cleanup; finish user; finish events; finish irqfd-cleanup")
    lab.say("finish other; auto; write trigger")
    assert bool(lab.fact("reports", "use-after-free")) is reports
    assert lab.fact("irqfd", "trigger") == "none"


def test_only_a_gsis_single_message_is_copied() -> None:
    """A line has none, two messages on one GSI are none, and a route that goes leaves nothing."""
    lab = Lab(SIX, "eventfd trigger; irqfd trigger gsi=24")
    assert entry(lab) == ()
    lab.say("route 24 msi:0xfee00000:0x51")
    assert entry(lab) == (0xFEE00000, 0, 0x51)
    lab.say("route 24 ioapic:4")
    assert entry(lab) == ()
    lab.say("route 24 msi:0xfee00000:0x52")
    assert entry(lab) == (0xFEE00000, 0, 0x52)
    lab.machine.set_gsi_routing((*DEFAULT_ROUTING, Route(30, MSI, address_lo=0xFEE00000, data=0x53)))
    assert entry(lab) == ()


def test_a_message_to_everybody_goes_by_the_work() -> None:
    """The map of APICs has no place for the broadcast, so the wake-up leaves it to kvm_set_irq."""
    lab = Lab(SIX, "eventfd trigger; irqfd trigger gsi=24; route 24 msi:0xfee01000:0x51", "write trigger")
    assert lab.fact("trace", "kvm_set_irq") == 0
    lab.say("route 24 msi:0xfeeff000:0x52; write trigger")
    assert lab.fact("trace", "kvm_set_irq") == 2
    assert lab.fact("lapic", 0, "irr") == frozenset({0x52})
    assert lab.fact("lapic", 1, "irr") == frozenset({0x51, 0x52})


def test_a_sleeping_reader_stands_behind_the_irqfd() -> None:
    """Even one that came later is not before it; it is woken when the irqfd is gone."""
    lab = Lab(SIX, "eventfd trigger blocking; irqfd trigger gsi=5", "actor reader: read trigger", "manual")
    lab.say("finish reader; write trigger; finish user")
    waiters = lab.machine.memory.objects["eventfd#1"].load("waiters")
    assert [function for function, _subject in waiters] == ["irqfd_wakeup", "default_wake_function"]
    lab.say("irqfd trigger gsi=5 deassign; finish user; finish events; finish irqfd-cleanup; finish user")
    lab.say("write trigger 7; finish user; finish reader; auto")
    assert lab.fact("eventfd", "trigger", "count") == 0


@pytest.mark.parametrize("api", ["eoifd-v7", "resample"])
def test_the_kernels_rules_hold_under_any_api(api: str) -> None:
    """Who owns what: the drain is the kernel's, the second flag the api's."""
    lab = Lab(f"{SIX} api={api}", "eventfd trigger; irqfd trigger gsi=5; write trigger 9")
    assert lab.fact("eventfd", "trigger", "count") == 0
    assert lab.one("ioctl irqfd fd=-1 gsi=5 flags=4").errno == "EINVAL"
