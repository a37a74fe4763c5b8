"""Op sequences of assign, deassign, shutdown, POLLHUP and the EOI walk (reference 2.4 to 2.7 and 9.1)."""

from __future__ import annotations

from tests.engine.sequence import (
    EDGE,
    EVENTFDS,
    FLUSH,
    IN_SERVICE,
    LEVEL,
    PAIR,
    TRIGGER,
    UNMASK,
    lines,
    sequence,
)

HOOK = """
    spin_lock(eventfd#1.wqh.lock)
    eventfd#1.add_wait_queue(irqfd_wakeup, irqfd#1)
    spin_unlock(eventfd#1.wqh.lock)
    spin_lock(eventfd#1.wqh.lock)
    eventfd#1.poll_mask()
    spin_unlock(eventfd#1.wqh.lock)
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
    eventfd#1.do_read(True)
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
        irqfds.find_eventfd(eventfd#1, False)
        routing.load(table)
        irqfds.update(irqfd#1, routes#1, False)
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
        irqfd#1.load(gsi)
        mutex_lock(kvm.irq_lock)
        irq-sources.request()
        mutex_unlock(kvm.irq_lock)
        slab.kzalloc(irq_source, 1, 11)
        mutex_lock(irqsources.lock)
        irqsources.list_add_tail(irq_source#1)
        mutex_unlock(irqsources.lock)
        irq_source#1.load(id)
        irqfd#1.set_level(irqfd_inject_level, 1, irq_source#1)
        fds.eventfd_fget(6)
        eventfd#1.kref_get()
        irqfd#1.set_eventfd(eventfd#1)
        spin_lock(irqfds.lock)
        irqfds.find_eventfd(eventfd#1, False)
        routing.load(table)
        irqfds.update(irqfd#1, routes#1, False)
        {HOOK.strip()}
        irqfds.list_add_tail(irqfd#1)
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
        irqfds.matching(eventfd#1, 11, None)
        irqfd#1.set_irq_entry(())
        irqfds.list_del(irqfd#1)
        wq-irqfd-cleanup.queue_work(('irqfd_shutdown', 'irqfd#1'))
        spin_unlock(irqfds.lock)
        eventfd#1.kref_put()
        {FLUSH.strip()}
        > process_one_work
        wq-irqfd-cleanup.dequeue()
        irqfd#1.load(eventfd, inject, level)
        {UNHOOK_IRQFD.strip()}
        wq-events.flush_work(('irqfd_inject', 'irqfd#1'))
        eventfd#1.kref_put()
        slab.kfree(irqfd#1)
        wq-irqfd-cleanup.finish()
    """)


def test_irqfd_shutdown_of_a_level_irqfd() -> None:
    """Section 2.6, then the put of the source: the id is freed, and no line is evaluated again."""
    assert sequence(LEVEL, "user", "irqfd_shutdown", "irqfd#1") == lines(f"""
        irqfd#1.load(eventfd, inject, level)
        {UNHOOK_IRQFD.strip()}
        wq-events.flush_work(('irqfd_inject_level', 'irqfd#1'))
        eventfd#1.kref_put()
        irqfd#1.load(source)
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
        irqfd#1.load(eventfd, inject, level)
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
        slab.kzalloc(eoifd, eventfd#2, irq_source#1, eoifd_event)
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
        eoifd#1.load(source, event)
        irq_source#1.load(gsi)
        mutex_lock(kvm.irq_lock)
        routing.add_ack_notifier(11, eoifd_event, eoifd#1)
        mutex_unlock(kvm.irq_lock)
        file#2.kref_put()
    """)


EOIFD_SHUTDOWN = """
    eoifd#1.load(eventfd, source, event, irqfd)
    mutex_lock(kvm.irq_lock)
    routing.del_ack_notifier(eoifd_event, eoifd#1)
    mutex_unlock(kvm.irq_lock)
    might_sleep(waits for a grace period)
    rcu.start_grace_period()
    rcu.wait_grace_period()
    spin_lock(eventfd#2.wqh.lock)
    eventfd#2.do_read(True)
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
    assert sequence(IN_SERVICE, "vcpu0", "apic_set_eoi", "lapic0", 0) == lines("""
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
