"""irqfd (virt/kvm/eventfd.c): an eventfd whose signal is an interrupt; what it is, does, and how it ends.

Assigning and deassigning is in irqfd_ioctl.py. What the api in force adds to an irqfd with its
flag (a source of its own, a second eventfd) are paths that its Proposal names.
"""

from __future__ import annotations

from typing import Any

from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI, KVM_USERSPACE_IRQ_SOURCE_ID, POLLHUP, POLLIN
from kvmlab.engine.chips.apic_map import MappedApics
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.route_table import Message, RoutingTable
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put, eventfd_ctx_remove_wait_queue
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK, synchronize_irq_srcu
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, SYSTEM_WQ, Workqueue
from kvmlab.engine.profile import Profile

IRQFDS = "irqfds"
IRQFDS_LOCK = "irqfds.lock"
INJECT_EDGE = "irqfd_inject"
"""The inject work of an irqfd to which the api adds nothing."""

Entry = tuple[str, int] | Message | tuple[()]
"""A pointer to an MSI routing entry, (table, index in it), or a copy of one; () for none."""


class Irqfd(Object):
    """struct _irqfd: its GSI, eventfd and inject work, and the MSI message of its route.

    What an api adds: ``irq_source_id`` is the source that a level irqfd asserts, ``source`` the
    handle of what it shares with others (the _irq_source, the resampler), ``second`` the eventfd
    that an EOI signals; "" where there is none.
    """

    __slots__ = ("eventfd", "gsi", "inject", "irq_entry", "irq_source_id", "second", "source")
    FIELDS = ("gsi", "eventfd", "inject", "irq_entry", "irq_source_id", "source", "second")
    KIND = "irqfd"

    def __init__(self, gsi: int) -> None:
        super().__init__()
        self.gsi = gsi
        self.eventfd = self.source = self.second = ""
        self.inject = INJECT_EDGE
        self.irq_entry: Entry = ()
        self.irq_source_id = KVM_USERSPACE_IRQ_SOURCE_ID

    @property
    def level(self) -> bool:
        """Tell whether it only asserts, and something else lowers the line."""
        return self.inject != INJECT_EDGE

    def line(self) -> tuple[int, int]:
        """Return the source id and the GSI that it asserts."""
        return self.irq_source_id, self.gsi

    def set_level(self, inject: str, irq_source_id: int, source: str = "", second: str = "") -> None:
        """Give it an inject work that only asserts, and what the api binds it to."""
        self.changed()
        self.inject, self.irq_source_id, self.source, self.second = inject, irq_source_id, source, second

    def set_eventfd(self, ctx: str) -> None:
        """Bind it to an eventfd."""
        self.changed()
        self.eventfd = ctx

    def set_irq_entry(self, entry: Entry) -> None:
        """Publish the MSI message, or where it stands (rcu_assign_pointer)."""
        if entry != self.irq_entry:
            self.changed()
            self.irq_entry = entry


class Irqfds(List):
    """kvm->irqfds.items."""

    __slots__ = ()

    @touches("irqfd*")
    def find_eventfd(self, ctx: str, second: bool = False) -> bool:
        """Tell whether an eventfd feeds an irqfd on the list already, or (``second``) is told of EOIs."""
        found = map(self.deref, self.items)
        return any(irqfd.eventfd == ctx or (second and irqfd.second == ctx) for irqfd in found)

    @touches("irqfd*")
    def matching(self, ctx: str, gsi: int, second: str | None = None) -> tuple[str, ...]:
        """Return the irqfds of an eventfd and a GSI, and of a second eventfd unless that is None."""
        found = [(handle, self.deref(handle)) for handle in self.items]
        return tuple(
            [
                handle
                for handle, irqfd in found
                if irqfd.eventfd == ctx and irqfd.gsi == gsi and second in (None, irqfd.second)
            ]
        )

    @touches("irqfd*")
    def fed_by(self, ctx: str) -> str:
        """Return the irqfd that an eventfd feeds, or ""."""
        return next((handle for handle in self.items if self.deref(handle).eventfd == ctx), "")

    def update(self, irqfd: str, table: str, copies: bool) -> None:
        """irqfd_update: find the MSI entry of its GSI.

        6.x ``copies`` it, if it is the GSI's only entry. 3.6 points to it, and an empty map leaves
        the pointer as it was.
        """
        if not table:
            raise Oops("irqfd_update reads kvm->irq_routing, which is NULL: no irqchip", "null-deref")
        routes: RoutingTable = self.deref(table)
        subject: Irqfd = self.deref(irqfd)
        if copies:
            subject.set_irq_entry(_only_message(routes, subject.gsi))
            return
        if subject.gsi >= routes.nr_rt_entries:
            subject.set_irq_entry(())
            return
        for index, entry in enumerate(routes.entries):
            if entry.gsi == subject.gsi:
                subject.set_irq_entry((table, index) if entry.type == KVM_IRQ_ROUTING_MSI else ())


def _only_message(routes: RoutingTable, gsi: int) -> Entry:
    entries = routes.map.get(gsi, ())
    if len(entries) != 1 or entries[0].type != KVM_IRQ_ROUTING_MSI:
        return ()
    return entries[0].message


@path
def irqfd_inject(profile: Profile, irqfd: str) -> Path[None]:
    """Inject work of an edge irqfd: a pulse from the userspace source."""
    gsi = yield (Irqfd.load, irqfd, "gsi")
    yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, 1)
    yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, 0)


@path
def irqfd_inject_level(profile: Profile, irqfd: str) -> Path[None]:
    """Inject work of a level irqfd: assert from its source; only an acknowledgement lowers it."""
    irq_source_id, gsi = yield (Irqfd.line, irqfd)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 1)


@path
def irqfd_wakeup(profile: Profile, irqfd: str, flags: int) -> Path[bool]:
    """Called with wqh.lock held: POLLIN injects, POLLHUP detaches the irqfd.

    True when it took the event, as 6.x does: then nobody behind it is woken.
    """
    took = False
    if flags & POLLIN:
        took = profile.rules.irqfd_drains
        if took:
            eventfd = yield (Irqfd.load, irqfd, "eventfd")
            yield (Eventfd.do_read, eventfd, profile.rules.semaphore_underflow)
        yield RCU_READ_LOCK
        entry, inject = yield (Irqfd.load, irqfd, "irq_entry", "inject")
        if entry:
            entry = yield from irqfd_message(profile, entry)
        if entry:
            address_lo, address_hi, data = entry
            yield (Apics.set_msi, APICS, address_lo, address_hi, data)
        else:
            yield (Workqueue.queue_work, SYSTEM_WQ, (inject, irqfd))
        yield RCU_READ_UNLOCK
    if flags & POLLHUP:
        yield spin_lock(IRQFDS_LOCK)
        active = yield (Irqfds.contains, IRQFDS, irqfd)
        if active or not profile.has("active-check"):
            yield from irqfd_deactivate(profile, irqfd)
        yield spin_unlock(IRQFDS_LOCK)
    return took


@path
def irqfd_message(profile: Profile, entry: tuple[Any, ...]) -> Path[Message | tuple[()]]:
    """Return the message that a wake-up can send at once; () if the inject work has to.

    6.x leaves one to the work whose receivers are not to be had from the map of APICs
    (kvm_arch_set_irq_inatomic); 3.6 sends any.
    """
    message: Message
    if not profile.rules.irqfd_copies_route:
        table, index = entry
        message = yield (RoutingTable.msi, table, index)
        return message
    address_lo, address_hi, data = entry
    if not (yield (MappedApics.resolves, APICS, address_lo)):
        return ()
    message = (address_lo, address_hi, data)
    return message


@path
def irqfd_deactivate(profile: Profile, irqfd: str) -> Path[None]:
    """Take an irqfd off the list and queue its shutdown; irqfds.lock is held."""
    yield (Irqfds.list_del, IRQFDS, irqfd)
    yield (Workqueue.queue_work, IRQFD_CLEANUP_WQ, ("irqfd_shutdown", irqfd))


@path
def irqfd_shutdown(profile: Profile, irqfd: str) -> Path[None]:
    """Shutdown work: unhook, wait for the inject work, let go of what it holds, free.

    6.x waits first until the assign that made it has come to its end.
    """
    if profile.rules.irqfd_srcu:
        yield from synchronize_irq_srcu(profile)
    eventfd, inject, level = yield (Irqfd.load, irqfd, "eventfd", "inject", "level")
    yield from eventfd_ctx_remove_wait_queue(profile, eventfd, "irqfd_wakeup", irqfd)
    yield (Workqueue.flush_work, SYSTEM_WQ, (inject, irqfd))
    added = profile.proposal
    if level and added.unbind:
        yield from PATHS[added.unbind](profile, irqfd)
    yield from eventfd_ctx_put(profile, eventfd)
    if level and added.unclaim:
        yield from PATHS[added.unclaim](profile, irqfd, True)
    yield kfree(irqfd)


@path
def kvm_irq_routing_update(profile: Profile, table: str) -> Path[None]:
    """Publish a routing table and tell every irqfd of it; the caller waits for RCU."""
    yield spin_lock(IRQFDS_LOCK)
    yield (Routing.publish, ROUTING, table)
    for irqfd in (yield (Irqfds.all, IRQFDS)):
        yield (Irqfds.update, IRQFDS, irqfd, table, profile.rules.irqfd_copies_route)
    yield spin_unlock(IRQFDS_LOCK)


@path
def kvm_notify_irqfd_resampler(profile: Profile, irqchip: int, pin: int) -> Path[bool]:
    """Ask the devices behind a pin again instead of serving it; False where there is none to ask.

    virt/kvm/eventfd.c: kvm_notify_irqfd_resampler; the IOAPIC of 6.x calls it under its lock.
    """
    resample = profile.proposal.resample
    if not resample:
        return False
    gsi: int = yield (Routing.map_chip_pin, ROUTING, irqchip, pin)
    if gsi < 0:
        return False
    asked: bool = yield from PATHS[resample](profile, gsi)
    return asked
