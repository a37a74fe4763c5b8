"""Op sequences of a write to an irqfd and of a VM's release (reference 2.5, 2.8); which ops can block."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.path import can_block
from tests.engine.scenarios import Scenario
from tests.engine.sequence import EDGE, EVENTFDS, FLUSH, LEVEL, PAIR, TRIGGER, lines, sequence
from tests.engine.stage import POLICIES, Stage, record


def test_a_write_to_a_level_irqfd() -> None:
    """Section 2.5: the wake-up runs with wqh.lock held; the work only asserts, from its own source."""
    ops = sequence(("machine", *LEVEL[1:]), "user", "sys_write", TRIGGER, 1)
    assert ops == lines("""
        fds.eventfd_fget(6)
        spin_lock(eventfd#1.wqh.lock)
        eventfd#1.write(1)
        rcu.read_lock()
        irqfd#1.load(irq_entry, inject)
        wq-events.queue_work(('irqfd_inject_level', 'irqfd#1'))
        rcu.read_unlock()
        spin_unlock(eventfd#1.wqh.lock)
        file#1.kref_put()
        > process_one_work
        wq-events.dequeue()
        irqfd#1.line()
        routing.copy_routes(1, 11, 1)
        spin_lock(ioapic.lock)
        ioapic.set_irq(11, 1, 1)
        spin_unlock(ioapic.lock)
        spin_lock(pic.lock)
        pic.set_irq(11, 1, 1)
        spin_unlock(pic.lock)
        wq-events.finish()
    """)


def test_a_write_to_an_edge_irqfd_pulses_from_userspaces_source() -> None:
    """Section 2.5: the work of an edge irqfd raises and lowers the GSI as source 0."""
    ops = sequence(EDGE, "user", "sys_write", TRIGGER, 1)
    assert [op for op in ops if op.startswith(("routing.", "ioapic."))] == [
        "routing.copy_routes(0, 11, 1)",
        "ioapic.set_irq(11, 0, 1)",
        "routing.copy_routes(0, 11, 0)",
        "ioapic.set_irq(11, 0, 0)",
    ]


def test_a_write_to_an_irqfd_of_an_msi_injects_at_once() -> None:
    """Section 2.5: with an MSI entry the wake-up injects itself, and no work is queued."""
    before = ("machine", "eventfd trigger", "route 24 msi:0xfee00000:0x51", "irqfd trigger gsi=24")
    assert sequence(before, "user", "sys_write", TRIGGER, 1) == lines("""
        fds.eventfd_fget(6)
        spin_lock(eventfd#1.wqh.lock)
        eventfd#1.write(1)
        rcu.read_lock()
        irqfd#1.load(irq_entry, inject)
        routes#2.msi(40)
        apics.set_msi(4276092928, 0, 81)
        rcu.read_unlock()
        spin_unlock(eventfd#1.wqh.lock)
        file#1.kref_put()
    """)


def test_release_of_the_vm() -> None:
    """Section 2.8: irqfds, then eoifds, each with a flush; destroyed by the last user: routing, buses."""
    ops = sequence(("machine", *PAIR[1:]), "user", "kvm_vm_release")
    assert ops[: ops.index("> process_one_work")] == lines(f"""
        spin_lock(irqfds.lock)
        irqfds.all()
        irqfds.list_del(irqfd#1)
        wq-irqfd-cleanup.queue_work(('irqfd_shutdown', 'irqfd#1'))
        spin_unlock(irqfds.lock)
        {FLUSH.strip()}
        spin_lock(eoifds.lock)
        eoifds.all()
        eoifds.list_del(eoifd#1)
        wq-irqfd-cleanup.queue_work(('eoifd_shutdown', 'eoifd#1'))
        spin_unlock(eoifds.lock)
        {FLUSH.strip()}
        vm.put_user()
        vm.load(pit_source)
        routing.load(table)
        routing.publish()
        slab.kfree(routes#1)
        bus-mmio.devices()
        bus-pio.devices()
        vm.check_leaks(irqfd#*, ioeventfd#*, routes#*, eoifd#*, irq_source#*)
    """)


@pytest.mark.parametrize(
    ("before", "call"),
    [
        (EVENTFDS, ("kvm_irqfd_assign", (TRIGGER, 11, 2))),
        (PAIR, ("kvm_irqfd_deassign", (TRIGGER, 11))),
        (PAIR, ("eoifd_shutdown", ("eoifd#1",))),
        (PAIR, ("kvm_vm_release", ())),
    ],
)
def test_every_lock_op_and_wait_can_block(before: tuple[str, ...], call: tuple[str, tuple[int, ...]]) -> None:
    """An op says before it runs whether it can block: taking a lock and waiting can, nothing else."""
    waits = ("spin_lock", "mutex_lock", "wait_barrier", "flush_work", "wait_grace_period")
    for made in record(Stage(Scenario(before, (("user", call),))), POLICIES["first"]):
        for op in made.ops:
            assert can_block(op) == (op[0].__name__ in waits)
