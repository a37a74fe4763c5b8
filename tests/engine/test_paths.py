"""The op sequences of the paths that the thread argues about, in the order of reference 2.4 to 2.8 and 9.1.

A lock op is written without its object (there is one, ``locks``), every other op as
``object.method(arguments)``. A line that begins with ``>`` names a path of another context.
"""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.locks import LOCKS
from kvmlab.engine.kernel.path import Op, can_block, describe
from kvmlab.engine.kernel.workqueue import Workqueue
from tests.engine.stage import POLICIES, Scenario, Stage, record

TRIGGER, UNMASK = 6, 7
"""Descriptors of the two eventfds on a machine with one vCPU."""

EVENTFDS = ("machine", "eventfd trigger; eventfd unmask")
EDGE = (*EVENTFDS, "irqfd trigger gsi=11")
LEVEL = (*EVENTFDS, "irqfd trigger gsi=11 level")
PAIR = (*LEVEL, "eoifd unmask key=trigger level")
IN_SERVICE = (
    *EVENTFDS, "ioapic 11 vector=0x41 level unmasked", *PAIR[2:], "write trigger", "take",
)  # fmt: skip


def worded(op: Op) -> str:
    """Return an op as the sequences below write it."""
    if op[1] == LOCKS:
        return f"{op[0].__name__}({op[2]})"
    return describe(op)


def sequence(before: tuple[str, ...], context: str, path: str, *args: object) -> list[str]:
    """Make a call after what was said, workers after it; return what was done, as text."""
    lines: list[str] = []
    for made in record(Stage(Scenario(before, ((context, (path, args)),))), POLICIES["first"]):
        ops = made.ops
        if ops[0][0] is Workqueue.dequeue:
            lines.append(f"> {made.call[0]}")
        lines += map(worded, ops)
    return lines


def lines(text: str) -> list[str]:
    """Return the lines of a literal sequence."""
    return [line.strip() for line in text.strip().splitlines()]


HOOK = """
    spin_lock(eventfd#1.wqh.lock)
    eventfd#1.add_wait_queue(irqfd_wakeup, irqfd#1)
    spin_unlock(eventfd#1.wqh.lock)
    spin_lock(eventfd#1.wqh.lock)
    eventfd#1.poll_mask()
    spin_unlock(eventfd#1.wqh.lock)
"""
FLUSH = """
    might_sleep(flushes wq-irqfd-cleanup)
    wq-irqfd-cleanup.insert_barrier()
    wq-irqfd-cleanup.wait_barrier()
"""
LAST_SOURCE_PUT = """
    mutex_lock(irqsources.lock)
    irq_source#1.kref_put()
    irqsources.list_del(irq_source#1)
    irq_source#1.load(id)
    mutex_lock(kvm.irq_lock)
    irq-sources.free(1)
    spin_lock(ioapic.lock)
    ioapic.clear_all(1)
    spin_unlock(ioapic.lock)
    spin_lock(pic.lock)
    pic.clear_all(1)
    spin_unlock(pic.lock)
    mutex_unlock(kvm.irq_lock)
    slab.kfree(irq_source#1)
    mutex_unlock(irqsources.lock)
"""
UNHOOK_IRQFD = """
    spin_lock(eventfd#1.wqh.lock)
    eventfd#1.do_read()
    eventfd#1.remove_wait_queue(irqfd_wakeup, irqfd#1)
    spin_unlock(eventfd#1.wqh.lock)
"""


def test_assign_of_an_edge_irqfd() -> None:
    """Section 2.4, with v7's flush: hook and list_add under irqfds.lock, the file dropped last."""
    assert sequence(EVENTFDS, "user", "kvm_irqfd_assign", TRIGGER, 11, 0) == lines(f"""
        slab.kzalloc(irqfd, 11)
        {FLUSH.strip()}
        fds.eventfd_fget(6)
        eventfd#1.kref_get()
        irqfd#1.set_eventfd(eventfd#1)
        spin_lock(irqfds.lock)
        irqfds.find_eventfd(eventfd#1)
        routing.load(table)
        irqfds.update(irqfd#1, routes#1)
        {HOOK.strip()}
        irqfds.list_add_tail(irqfd#1)
        spin_unlock(irqfds.lock)
        file#1.kref_put()
    """)


def test_assign_of_a_level_irqfd() -> None:
    """Section 9.2: the source is requested and linked before the descriptor is looked at."""
    assert sequence(EVENTFDS, "user", "kvm_irqfd_assign", TRIGGER, 11, 2) == lines(f"""
        slab.kzalloc(irqfd, 11)
        {FLUSH.strip()}
        mutex_lock(kvm.irq_lock)
        irq-sources.request()
        mutex_unlock(kvm.irq_lock)
        slab.kzalloc(irq_source, 1, 11)
        mutex_lock(irqsources.lock)
        irqsources.list_add_tail(irq_source#1)
        mutex_unlock(irqsources.lock)
        irqfd#1.set_level(irq_source#1)
        fds.eventfd_fget(6)
        eventfd#1.kref_get()
        irqfd#1.set_eventfd(eventfd#1)
        spin_lock(irqfds.lock)
        irqfds.find_eventfd(eventfd#1)
        routing.load(table)
        irqfds.update(irqfd#1, routes#1)
        {HOOK.strip()}
        irqfds.list_add_tail(irqfd#1)
        irq_source#1.load(id)
        spin_unlock(irqfds.lock)
        file#1.kref_put()
    """)


def test_assign_of_a_signalled_eventfd_queues_the_inject_work_under_the_lock() -> None:
    """Section 2.4, fix 6bbfb2653177: the work is scheduled before irqfds.lock is dropped."""
    ops = sequence((*EVENTFDS, "write trigger"), "user", "kvm_irqfd_assign", TRIGGER, 11, 0)
    at = ops.index("irqfds.list_add_tail(irqfd#1)")
    assert ops[at : at + 4] == [
        "irqfds.list_add_tail(irqfd#1)",
        "irqfd#1.load(inject)",
        "wq-events.queue_work(('irqfd_inject', 'irqfd#1'))",
        "spin_unlock(irqfds.lock)",
    ]


def test_deassign_of_an_edge_irqfd() -> None:
    """Section 2.7, then 2.6 in the cleanup worker; deassign returns after it."""
    assert sequence(EDGE, "user", "kvm_irqfd_deassign", TRIGGER, 11) == lines(f"""
        fds.eventfd_fget(6)
        eventfd#1.kref_get()
        file#1.kref_put()
        spin_lock(irqfds.lock)
        irqfds.matching(eventfd#1, 11)
        irqfd#1.set_irq_entry(())
        irqfds.list_del(irqfd#1)
        wq-irqfd-cleanup.queue_work(('irqfd_shutdown', 'irqfd#1'))
        spin_unlock(irqfds.lock)
        eventfd#1.kref_put()
        {FLUSH.strip()}
        > process_one_work
        wq-irqfd-cleanup.dequeue()
        irqfd#1.load(eventfd, source, inject)
        {UNHOOK_IRQFD.strip()}
        wq-events.flush_work(('irqfd_inject', 'irqfd#1'))
        eventfd#1.kref_put()
        slab.kfree(irqfd#1)
        wq-irqfd-cleanup.finish()
    """)


def test_irqfd_shutdown_of_a_level_irqfd() -> None:
    """Section 2.6, then the put of the source: the id is freed, and no line is evaluated again."""
    assert sequence(LEVEL, "user", "irqfd_shutdown", "irqfd#1") == lines(f"""
        irqfd#1.load(eventfd, source, inject)
        {UNHOOK_IRQFD.strip()}
        wq-events.flush_work(('irqfd_inject_level', 'irqfd#1'))
        eventfd#1.kref_put()
        {LAST_SOURCE_PUT.strip()}
        slab.kfree(irqfd#1)
    """)


def test_last_close_of_an_irqfds_eventfd() -> None:
    """Section 2.5: POLLHUP with wqh.lock held takes irqfds.lock inside and only queues the shutdown."""
    assert sequence(EDGE, "user", "sys_close", TRIGGER) == lines(f"""
        fds.close(6)
        file#1.kref_put()
        file#1.load(ctx)
        spin_lock(eventfd#1.wqh.lock)
        eventfd#1.load(waiters)
        spin_lock(irqfds.lock)
        irqfds.contains(irqfd#1)
        irqfds.list_del(irqfd#1)
        wq-irqfd-cleanup.queue_work(('irqfd_shutdown', 'irqfd#1'))
        spin_unlock(irqfds.lock)
        spin_unlock(eventfd#1.wqh.lock)
        eventfd#1.kref_put()
        slab.kfree(file#1)
        > process_one_work
        wq-irqfd-cleanup.dequeue()
        irqfd#1.load(eventfd, source, inject)
        {UNHOOK_IRQFD.strip()}
        wq-events.flush_work(('irqfd_inject', 'irqfd#1'))
        eventfd#1.kref_put()
        slab.kfree(eventfd#1)
        slab.kfree(irqfd#1)
        wq-irqfd-cleanup.finish()
    """)


def test_assign_of_an_eoifd() -> None:
    """Section 17: fd, source from key, allocation, flush, then eoifds.lock: busy, hook, list; notifier."""
    assert sequence(LEVEL, "user", "kvm_assign_eoifd", UNMASK, 1) == lines(f"""
        fds.eventfd_fget(7)
        mutex_lock(irqsources.lock)
        irqsources.get_from_key(1)
        mutex_unlock(irqsources.lock)
        eventfd#2.kref_get()
        slab.kzalloc(eoifd, eventfd#2, irq_source#1)
        {FLUSH.strip()}
        spin_lock(eoifds.lock)
        eoifds.find_source(irq_source#1)
        spin_lock(eventfd#2.wqh.lock)
        eventfd#2.add_wait_queue(eoifd_wakeup, eoifd#1)
        spin_unlock(eventfd#2.wqh.lock)
        spin_lock(eventfd#2.wqh.lock)
        eventfd#2.poll_mask()
        spin_unlock(eventfd#2.wqh.lock)
        eoifds.list_add_tail(eoifd#1)
        spin_unlock(eoifds.lock)
        irq_source#1.load(gsi)
        mutex_lock(kvm.irq_lock)
        routing.add_ack_notifier(11, eoifd_event, eoifd#1)
        mutex_unlock(kvm.irq_lock)
        file#2.kref_put()
    """)


EOIFD_SHUTDOWN = """
    eoifd#1.load(eventfd, source)
    mutex_lock(kvm.irq_lock)
    routing.del_ack_notifier(eoifd_event, eoifd#1)
    mutex_unlock(kvm.irq_lock)
    might_sleep(waits for a grace period)
    rcu.start_grace_period()
    rcu.wait_grace_period()
    spin_lock(eventfd#2.wqh.lock)
    eventfd#2.do_read()
    eventfd#2.remove_wait_queue(eoifd_wakeup, eoifd#1)
    spin_unlock(eventfd#2.wqh.lock)
    eventfd#2.kref_put()
"""


def test_eoifd_shutdown() -> None:
    """Section 9.1: notifier and RCU first, then the counter, the eventfd, the source, the memory."""
    assert sequence(PAIR, "user", "eoifd_shutdown", "eoifd#1") == lines(f"""
        {EOIFD_SHUTDOWN.strip()}
        mutex_lock(irqsources.lock)
        irq_source#1.kref_put()
        mutex_unlock(irqsources.lock)
        slab.kfree(eoifd#1)
    """)


def test_eoifd_shutdown_after_its_irqfd() -> None:
    """The last holder of a source frees its id, whoever it is."""
    assert sequence((*PAIR, "close trigger"), "user", "eoifd_shutdown", "eoifd#1") == lines(f"""
        {EOIFD_SHUTDOWN.strip()}
        {LAST_SOURCE_PUT.strip()}
        slab.kfree(eoifd#1)
    """)


def test_last_close_of_an_eoifds_eventfd() -> None:
    """Section 9.1: wqh.lock, then eoifds.lock; the shutdown goes to the queue that irqfds use."""
    ops = sequence(PAIR, "user", "sys_close", UNMASK)
    assert ops[: ops.index("> process_one_work")] == lines("""
        fds.close(7)
        file#2.kref_put()
        file#2.load(ctx)
        spin_lock(eventfd#2.wqh.lock)
        eventfd#2.load(waiters)
        spin_lock(eoifds.lock)
        eoifds.contains(eoifd#1)
        eoifds.list_del(eoifd#1)
        wq-irqfd-cleanup.queue_work(('eoifd_shutdown', 'eoifd#1'))
        spin_unlock(eoifds.lock)
        spin_unlock(eventfd#2.wqh.lock)
        eventfd#2.kref_put()
        slab.kfree(file#2)
    """)


def test_last_close_without_the_pollhup_hook() -> None:
    """With the switch, the wake-up is called and does nothing: the eoifd stays."""
    ops = sequence(("machine without=pollhup", *PAIR[1:]), "user", "sys_close", UNMASK)
    assert ops == lines("""
        fds.close(7)
        file#2.kref_put()
        file#2.load(ctx)
        spin_lock(eventfd#2.wqh.lock)
        eventfd#2.load(waiters)
        spin_unlock(eventfd#2.wqh.lock)
        eventfd#2.kref_put()
        slab.kfree(file#2)
    """)


def test_deassign_of_an_eoifd() -> None:
    """Section 9.2: found by eventfd and key, deactivated, then the cleanup queue is flushed."""
    ops = sequence(PAIR, "user", "kvm_deassign_eoifd", UNMASK, 1)
    assert ops[: ops.index("> process_one_work")] == lines(f"""
        fds.eventfd_fget(7)
        eventfd#2.kref_get()
        file#2.kref_put()
        spin_lock(eoifds.lock)
        eoifds.matching(eventfd#2, 1)
        eoifds.list_del(eoifd#1)
        wq-irqfd-cleanup.queue_work(('eoifd_shutdown', 'eoifd#1'))
        spin_unlock(eoifds.lock)
        eventfd#2.kref_put()
        {FLUSH.strip()}
    """)


def test_the_walk_of_an_eoi_with_an_eoifd() -> None:
    """Sections 4.5 and 9.1: ioapic.lock is dropped for the notifier, which de-asserts, then signals."""
    assert sequence(IN_SERVICE, "vcpu0", "apic_set_eoi", "lapic0") == lines("""
        lapic0.end_interrupt()
        ioapic.handles_vector(65)
        spin_lock(ioapic.lock)
        ioapic.next_pin(65, 0)
        spin_unlock(ioapic.lock)
        rcu.read_lock()
        routing.acked_irq(2, 11)
        eoifd#1.target()
        routing.copy_routes(1, 11, 0)
        spin_lock(ioapic.lock)
        ioapic.set_irq(11, 1, 0)
        spin_unlock(ioapic.lock)
        spin_lock(pic.lock)
        pic.set_irq(11, 1, 0)
        spin_unlock(pic.lock)
        spin_lock(eventfd#2.wqh.lock)
        eventfd#2.signal(1)
        spin_unlock(eventfd#2.wqh.lock)
        rcu.read_unlock()
        spin_lock(ioapic.lock)
        ioapic.end_pin(11, 65, 1)
        spin_unlock(ioapic.lock)
    """)


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
    """Section 2.8: irqfds, then eoifds, each with a flush; then routing, buses and the leak check."""
    ops = sequence(("machine", *PAIR[1:]), "user", "kvm_vm_release")
    own = [op for op in ops[: ops.index("> process_one_work")]]
    assert own == lines(f"""
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
        routing.load(table)
        routing.publish()
        slab.kfree(routes#1)
        ioeventfds.all()
        vm.load(pit_source)
        vm.check_leaks()
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
