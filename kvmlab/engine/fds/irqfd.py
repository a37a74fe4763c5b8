"""irqfd (virt/kvm/eventfd.c of 3.6, with the level irqfd of the v7 series, patch 1/2).

Patch 1/2 is not in the thread: that the source is requested before the fd is looked at, that
assign flushes the cleanup queue first, and that the key is the return value, is inferred from
its June predecessor, from "both flush on assign" and from the missing key field (reference 9.2).
So is that it leaves the wake-up alone: a level irqfd on an MSI route sends messages.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    EBUSY,
    EINVAL,
    KVM_IRQ_ROUTING_MSI,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_LEVEL,
    KVM_USERSPACE_IRQ_SOURCE_ID,
    POLLHUP,
    POLLIN,
    Errno,
)
from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.irq_source import IrqSource, irq_source_alloc, irq_source_put
from kvmlab.engine.chips.route_table import RoutingTable
from kvmlab.engine.chips.routing import ROUTING, Routing, kvm_set_irq
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put, eventfd_ctx_remove_wait_queue, eventfd_poll
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.kernel.rcu import RCU_READ_LOCK, RCU_READ_UNLOCK
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, SYSTEM_WQ, Workqueue, flush_workqueue
from kvmlab.engine.profile import Profile

IRQFDS = "irqfds"
IRQFDS_LOCK = "irqfds.lock"

Entry = tuple[str, int] | tuple[()]
"""A pointer to an MSI routing entry: (table, index in it), or () for NULL."""


class Irqfd(Object):
    """struct _irqfd: its GSI, eventfd, source ("" for an edge one), inject work, MSI entry."""

    __slots__ = ("eventfd", "gsi", "inject", "irq_entry", "source")
    FIELDS = ("gsi", "eventfd", "source", "inject", "irq_entry")
    KIND = "irqfd"

    def __init__(self, gsi: int) -> None:
        super().__init__()
        self.gsi = gsi
        self.eventfd = self.source = ""
        self.inject = "irqfd_inject"
        self.irq_entry: Entry = ()

    @touches("irq_source*")
    def line(self) -> tuple[int, int]:
        """Return the source id and the GSI that a level irqfd asserts."""
        return self.deref(self.source).id, self.gsi

    def set_level(self, source: str) -> None:
        """Give it a source of its own, and the inject work that only asserts."""
        self.changed()
        self.source, self.inject = source, "irqfd_inject_level"

    def set_eventfd(self, ctx: str) -> None:
        """Bind it to an eventfd."""
        self.changed()
        self.eventfd = ctx

    def set_irq_entry(self, entry: Entry) -> None:
        """Publish the pointer to an MSI entry (rcu_assign_pointer)."""
        if entry != self.irq_entry:
            self.changed()
            self.irq_entry = entry


class Irqfds(List):
    """kvm->irqfds.items."""

    __slots__ = ()

    @touches("irqfd*")
    def find_eventfd(self, ctx: str) -> bool:
        """Tell whether an eventfd feeds an irqfd on the list already."""
        return any(self.deref(handle).eventfd == ctx for handle in self.items)

    @touches("irqfd*")
    def matching(self, ctx: str, gsi: int) -> tuple[str, ...]:
        """Return the irqfds of an eventfd and a GSI."""
        found = [(handle, self.deref(handle)) for handle in self.items]
        return tuple([handle for handle, irqfd in found if irqfd.eventfd == ctx and irqfd.gsi == gsi])

    def update(self, irqfd: str, table: str) -> None:
        """irqfd_update: point to the MSI entry of its GSI. An empty map leaves it as it was."""
        if not table:
            raise Oops("irqfd_update reads kvm->irq_routing, which is NULL: no irqchip", "null-deref")
        routes: RoutingTable = self.deref(table)
        subject: Irqfd = self.deref(irqfd)
        if subject.gsi >= routes.nr_rt_entries:
            subject.set_irq_entry(())
            return
        for index, entry in enumerate(routes.entries):
            if entry.gsi == subject.gsi:
                subject.set_irq_entry((table, index) if entry.type == KVM_IRQ_ROUTING_MSI else ())


@path
def irqfd_inject(profile: Profile, irqfd: str) -> Path[None]:
    """Inject work of an edge irqfd: a pulse from the userspace source."""
    gsi = yield (Irqfd.load, irqfd, "gsi")
    yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, 1)
    yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, 0)


@path
def irqfd_inject_level(profile: Profile, irqfd: str) -> Path[None]:
    """Inject work of a level irqfd: assert from its own source; only an eoifd lowers it."""
    irq_source_id, gsi = yield (Irqfd.line, irqfd)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 1)


@path
def irqfd_wakeup(profile: Profile, irqfd: str, flags: int) -> Path[None]:
    """Called with wqh.lock held: POLLIN injects, POLLHUP detaches the irqfd."""
    if flags & POLLIN:
        yield RCU_READ_LOCK
        entry, inject = yield (Irqfd.load, irqfd, "irq_entry", "inject")
        if entry:
            table, index = entry
            address_lo, address_hi, data = yield (RoutingTable.msi, table, index)
            yield (Apics.set_msi, APICS, address_lo, address_hi, data)
        else:
            yield (Workqueue.queue_work, SYSTEM_WQ, (inject, irqfd))
        yield RCU_READ_UNLOCK
    if flags & POLLHUP:
        yield spin_lock(IRQFDS_LOCK)
        if (yield (Irqfds.contains, IRQFDS, irqfd)):
            yield from irqfd_deactivate(profile, irqfd)
        yield spin_unlock(IRQFDS_LOCK)


@path
def irqfd_deactivate(profile: Profile, irqfd: str) -> Path[None]:
    """Take an irqfd off the list and queue its shutdown; irqfds.lock is held."""
    yield (Irqfds.list_del, IRQFDS, irqfd)
    yield (Workqueue.queue_work, IRQFD_CLEANUP_WQ, ("irqfd_shutdown", irqfd))


@path
def irqfd_shutdown(profile: Profile, irqfd: str) -> Path[None]:
    """Shutdown work: unhook, wait for the inject work, let go of eventfd and source, free."""
    eventfd, source, inject = yield (Irqfd.load, irqfd, "eventfd", "source", "inject")
    yield from eventfd_ctx_remove_wait_queue(profile, eventfd, "irqfd_wakeup", irqfd)
    yield (Workqueue.flush_work, SYSTEM_WQ, (inject, irqfd))
    yield from eventfd_ctx_put(profile, eventfd)
    if source:
        yield from irq_source_put(profile, source)
    yield kfree(irqfd)


@path
def kvm_irqfd(profile: Profile, fd: int, gsi: int, flags: int) -> Path[int]:
    """KVM_IRQFD: 0 or, for a level irqfd, the key; -EINVAL for unknown flags."""
    if not profile.has("config-eventfd"):
        return Errno(EINVAL, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    if flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_LEVEL):
        return Errno(EINVAL, f"KVM_IRQFD knows the flags 1 (DEASSIGN) and 2 (LEVEL), not {flags:#x}")
    if flags & KVM_IRQFD_FLAG_DEASSIGN:
        return (yield from kvm_irqfd_deassign(profile, fd, gsi))
    return (yield from kvm_irqfd_assign(profile, fd, gsi, flags))


@path
def kvm_irqfd_assign(profile: Profile, fd: int, gsi: int, flags: int) -> Path[int]:
    """Bind an eventfd to a GSI: 0 or the key; -EFAULT, -EBADF, -EINVAL, -EBUSY."""
    irqfd: str = yield kzalloc("irqfd", gsi)
    if profile.has("assign-flush"):
        yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    source = ""
    if flags & KVM_IRQFD_FLAG_LEVEL:
        allocated = yield from irq_source_alloc(profile, gsi)
        if isinstance(allocated, Errno):
            yield kfree(irqfd)
            return allocated
        source = allocated
        yield (Irqfd.set_level, irqfd, source)
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        yield from irqfd_assign_fail(profile, irqfd, source)
        return file
    name, eventfd, _nonblock = file
    yield (Eventfd.kref_get, eventfd)
    yield (Irqfd.set_eventfd, irqfd, eventfd)

    yield spin_lock(IRQFDS_LOCK)
    if (yield (Irqfds.find_eventfd, IRQFDS, eventfd)):
        yield spin_unlock(IRQFDS_LOCK)
        yield from eventfd_ctx_put(profile, eventfd)
        yield from fput(profile, name)
        yield from irqfd_assign_fail(profile, irqfd, source)
        return Errno(EBUSY, "this eventfd feeds an irqfd of this VM already")
    table = yield (Routing.load, ROUTING, "table")
    yield (Irqfds.update, IRQFDS, irqfd, table)
    events = yield from eventfd_poll(profile, eventfd, "irqfd_wakeup", irqfd)
    yield (Irqfds.list_add_tail, IRQFDS, irqfd)
    if events & POLLIN:
        inject = yield (Irqfd.load, irqfd, "inject")
        yield (Workqueue.queue_work, SYSTEM_WQ, (inject, irqfd))
    key: int = (yield (IrqSource.load, source, "id")) if source else 0
    yield spin_unlock(IRQFDS_LOCK)
    yield from fput(profile, name)
    return key


@path
def irqfd_assign_fail(profile: Profile, irqfd: str, source: str) -> Path[None]:
    """The fail label of assign: let go of the source, free the irqfd."""
    if source:
        yield from irq_source_put(profile, source)
    yield kfree(irqfd)


@path
def kvm_irqfd_deassign(profile: Profile, fd: int, gsi: int) -> Path[int]:
    """Remove what matches eventfd and GSI, and wait for the cleanup queue; 0 also for no match."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    yield spin_lock(IRQFDS_LOCK)
    for irqfd in (yield (Irqfds.matching, IRQFDS, eventfd, gsi)):
        yield (Irqfd.set_irq_entry, irqfd, ())
        yield from irqfd_deactivate(profile, irqfd)
    yield spin_unlock(IRQFDS_LOCK)
    yield from eventfd_ctx_put(profile, eventfd)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    return 0


@path
def kvm_irqfd_release(profile: Profile) -> Path[None]:
    """The VM fd is closed: shut all irqfds down and wait for it."""
    yield spin_lock(IRQFDS_LOCK)
    for irqfd in (yield (Irqfds.all, IRQFDS)):
        yield from irqfd_deactivate(profile, irqfd)
    yield spin_unlock(IRQFDS_LOCK)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)


@path
def kvm_irq_routing_update(profile: Profile, table: str) -> Path[None]:
    """Publish a routing table and point every irqfd at it; the caller waits for RCU."""
    yield spin_lock(IRQFDS_LOCK)
    yield (Routing.publish, ROUTING, table)
    for irqfd in (yield (Irqfds.all, IRQFDS)):
        yield (Irqfds.update, IRQFDS, irqfd, table)
    yield spin_unlock(IRQFDS_LOCK)


@path
def kvm_notify_irqfd_resampler(profile: Profile, irqchip: int, pin: int) -> Path[bool]:
    """Stand-in."""
    return False
    yield
