"""KVM_IRQFD (virt/kvm/eventfd.c): assigning and deassigning irqfds, and the end of all of them.

3.6 hooks and lists an irqfd under one lock; 6.x polls with no lock held, inside an SRCU section
that the shutdown waits for. What the api in force adds is run where its Proposal says.
"""

from __future__ import annotations

from kvmlab.engine.abi import EBUSY, EINVAL, KVM_IRQFD_FLAG_DEASSIGN, POLLIN, Errno
from kvmlab.engine.chips.routing import ROUTING, Routing
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put, eventfd_poll
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.fds.irqfd import IRQFDS, IRQFDS_LOCK, Irqfd, Irqfds, irqfd_deactivate
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.kernel.rcu import IRQ_SRCU_READ_LOCK, IRQ_SRCU_READ_UNLOCK
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, SYSTEM_WQ, Workqueue, flush_workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import IRQFD_FLAG_OF_API, Proposal


def check_flags(proposal: Proposal, flags: int) -> Errno | None:
    """Return -EINVAL for flags that KVM_IRQFD does not know under a proposal."""
    known = KVM_IRQFD_FLAG_DEASSIGN | (IRQFD_FLAG_OF_API if proposal.flag else 0)
    if not proposal.checks_flags or not flags & ~known:
        return None
    names = (
        "the flags 1 (DEASSIGN) and 2 (" + proposal.flag + ")" if proposal.flag else "the flag 1 (DEASSIGN)"
    )
    return Errno(EINVAL, f"KVM_IRQFD knows {names}, not {flags:#x}")


@path
def kvm_irqfd(profile: Profile, fd: int, gsi: int, flags: int, second: int = 0) -> Path[int]:
    """KVM_IRQFD: 0 or the key; -EINVAL for unknown flags, before anything is looked at."""
    if not profile.has("config-eventfd"):
        return Errno(EINVAL, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    refusal = check_flags(profile.proposal, flags)
    if refusal is not None:
        return refusal
    if flags & KVM_IRQFD_FLAG_DEASSIGN:
        return (yield from kvm_irqfd_deassign(profile, fd, gsi, flags, second))
    return (yield from kvm_irqfd_assign(profile, fd, gsi, flags, second))


@path
def kvm_irqfd_assign(profile: Profile, fd: int, gsi: int, flags: int, second: int = 0) -> Path[int]:
    """Bind an eventfd to a GSI: 0 or the key; -EBADF, -EINVAL, -EBUSY, or what the api refuses."""
    if profile.rules.irqfd_needs_irqchip and not profile.in_kernel("lapic"):
        return Errno(EINVAL, "the VM has no in-kernel irqchip")
    if profile.rules.irqfd_needs_irqchip and flags & IRQFD_FLAG_OF_API and profile.irqchip_split():
        return Errno(EINVAL, "the irqchip is split: the kernel has no IOAPIC to hear an EOI from")
    irqfd: str = yield kzalloc("irqfd", gsi)
    added = profile.proposal
    level = flags & IRQFD_FLAG_OF_API
    if added.flushes_on_assign and profile.has("assign-flush"):
        yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    result: int = 0
    if level and added.claim:
        result = yield from PATHS[added.claim](profile, irqfd, second)
        if result < 0:
            yield kfree(irqfd)
            return result
    refusal: int = yield from irqfd_attach(profile, irqfd, fd, added.bind if level else "", second)
    if refusal < 0:
        if level and added.unclaim:
            yield from PATHS[added.unclaim](profile, irqfd, False)
        yield kfree(irqfd)
        return refusal
    return result


@path
def irqfd_attach(profile: Profile, irqfd: str, fd: int, bind: str, second: int) -> Path[int]:
    """Hold the eventfd, have the api bind what it adds, and list the irqfd: 0 or an errno.

    The file is held to the end, or POLLHUP could come before the irqfd is whole.
    """
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, eventfd, _nonblock = file
    yield (Eventfd.kref_get, eventfd)
    yield (Irqfd.set_eventfd, irqfd, eventfd)
    ret = 0
    if bind:
        ret = yield from PATHS[bind](profile, irqfd, second)
    if ret == 0:
        ret = yield from irqfd_enlist(profile, irqfd, eventfd)
        if ret < 0 and bind and profile.proposal.unbind:
            yield from PATHS[profile.proposal.unbind](profile, irqfd)
    if ret < 0:
        yield from eventfd_ctx_put(profile, eventfd)
    yield from fput(profile, name)
    return ret


@path
def irqfd_enlist(profile: Profile, irqfd: str, eventfd: str) -> Path[int]:
    """Refuse an eventfd that is taken (-EBUSY), else hook and list the irqfd: 0.

    An eventfd that counts already is injected as if it had been signalled now.
    """
    yield spin_lock(IRQFDS_LOCK)
    busy = yield (Irqfds.find_eventfd, IRQFDS, eventfd, profile.proposal.second_identifies)
    if busy and profile.has("busy-check"):
        yield spin_unlock(IRQFDS_LOCK)
        return Errno(EBUSY, "this eventfd feeds an irqfd of this VM already")
    if profile.rules.irqfd_srcu:
        yield from irqfd_hook_srcu(profile, irqfd, eventfd)
        return 0
    table = yield (Routing.load, ROUTING, "table")
    yield (Irqfds.update, IRQFDS, irqfd, table, profile.rules.irqfd_copies_route)
    events = yield from eventfd_poll(profile, eventfd, "irqfd_wakeup", irqfd)
    yield (Irqfds.list_add_tail, IRQFDS, irqfd)
    # Before 6bbfb2653177 the lock was dropped first, and a deassign in between freed the irqfd.
    locked = profile.has("assign-lock")
    if not locked:
        yield spin_unlock(IRQFDS_LOCK)
    if events & POLLIN:
        inject = yield (Irqfd.load, irqfd, "inject")
        yield (Workqueue.queue_work, SYSTEM_WQ, (inject, irqfd))
    if locked:
        yield spin_unlock(IRQFDS_LOCK)
    return 0


@path
def irqfd_hook_srcu(profile: Profile, irqfd: str, eventfd: str) -> Path[None]:
    """The same as 6.x does it: irqfds.lock is held at the start, and dropped before the poll."""
    guarded = profile.has("assign-lock")
    if guarded:
        yield IRQ_SRCU_READ_LOCK
    table = yield (Routing.load, ROUTING, "table")
    yield (Irqfds.update, IRQFDS, irqfd, table, profile.rules.irqfd_copies_route)
    yield (Irqfds.list_add_tail, IRQFDS, irqfd)
    yield spin_unlock(IRQFDS_LOCK)
    events = yield from eventfd_poll(profile, eventfd, "irqfd_wakeup", irqfd)
    if events & POLLIN:
        inject = yield (Irqfd.load, irqfd, "inject")
        yield (Workqueue.queue_work, SYSTEM_WQ, (inject, irqfd))
    if guarded:
        yield IRQ_SRCU_READ_UNLOCK


@path
def kvm_irqfd_deassign(profile: Profile, fd: int, gsi: int, flags: int = 0, second: int = 0) -> Path[int]:
    """Remove what matches eventfd and GSI, and wait for the cleanup queue; 0 also for no match."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    other: str | Errno = ""
    named = profile.proposal.second_identifies
    if named and flags & IRQFD_FLAG_OF_API:
        other = yield from eventfd_ctx_fdget(profile, second)
        if isinstance(other, Errno):
            yield from eventfd_ctx_put(profile, eventfd)
            return other
    yield spin_lock(IRQFDS_LOCK)
    for irqfd in (yield (Irqfds.matching, IRQFDS, eventfd, gsi, other if named else None)):
        yield (Irqfd.set_irq_entry, irqfd, ())
        yield from irqfd_deactivate(profile, irqfd)
    early = profile.adds("flush-under-lock")
    if early:
        yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    yield spin_unlock(IRQFDS_LOCK)
    yield from eventfd_ctx_put(profile, eventfd)
    if other and not isinstance(other, Errno):
        yield from eventfd_ctx_put(profile, other)
    if not early:
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
