"""KVM_EOIFD as in v4 (13 July 2012): an eoifd is bound by the descriptor of a level irqfd's eventfd.

Structures, flags and numbers are those of the QEMU tree that used it. How the kernel served it is
inferred: like v7, but an eoifd is found again by the eventfd of its irqfd, and goes when that irqfd
goes, which is what "one interface disabling another" in the thread says of holding the irqfd's context.
That neither ioctl flushes the cleanup queue before it assigns is inferred too.
"""

from __future__ import annotations

from kvmlab.engine.abi import EINVAL, ENOENT, KVM_EOIFD_FLAG_DEASSIGN, Errno
from kvmlab.engine.chips.irq_source import IRQSOURCES_LOCK, IrqSource, irq_source_put
from kvmlab.engine.chips.routing import kvm_set_irq
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.fds.irqfd import IRQFDS, IRQFDS_LOCK, Irqfd, Irqfds
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock, spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, flush_workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import DEASSIGN, NAME, Ioctl, Proposal, Word
from kvmlab.engine.proposals.ack_on_unmask import eoifd_signal
from kvmlab.engine.proposals.eoifd import (
    BOUND,
    EOIFDS,
    EOIFDS_LOCK,
    Eoifd,
    Eoifds,
    check_eoifd,
    eoifd_deactivate,
    eoifd_enlist,
    eoifd_listen,
)
from kvmlab.engine.proposals.level_irqfd import LEVEL_IRQFD, TWO_IOCTLS, irqfd_claim_source, irqfd_put_source


@path
def irqfd_claim_source_v4(profile: Profile, irqfd: str, second: int) -> Path[int]:
    """Give an irqfd a source of its own, of which userspace learns nothing: 0 or -EFAULT."""
    key = yield from irqfd_claim_source(profile, irqfd, second)
    return min(key, 0)


@path
def irqfd_put_source_v4(profile: Profile, irqfd: str, assigned: bool) -> Path[None]:
    """Disable the eoifd that is bound to the irqfd, then let go of the source."""
    eventfd = yield (Irqfd.load, irqfd, "eventfd")
    yield spin_lock(EOIFDS_LOCK)
    bound = (yield (Eoifds.bound_to, EOIFDS, eventfd)) if assigned else ()
    for eoifd in bound:
        yield from eoifd_deactivate(profile, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    yield from irqfd_put_source(profile, irqfd, assigned)


@path
def eoifd_event_v4(profile: Profile, eoifd: str) -> Path[None]:
    """The ack notifier: de-assert the source, then signal, whoever had asserted."""
    irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    yield from eoifd_signal(profile, eoifd, eventfd, gsi)


@path
def kvm_eoifd_v4(profile: Profile, fd: int, flags: int, irqfd: int) -> Path[int]:
    """KVM_EOIFD: 0; -ENOSYS from the stub, -EINVAL for flags, then what assign or deassign says."""
    return (yield from eoifd_by_irqfd(profile, fd, flags, irqfd, "eoifd_event_v4"))


@path
def eoifd_by_irqfd(profile: Profile, fd: int, flags: int, irqfd: int, event: str) -> Path[int]:
    """KVM_EOIFD of v4 and v5, with the ack notifier of each."""
    refusal = check_eoifd(profile, flags, "irqfd")
    if refusal is not None:
        return refusal
    if flags & KVM_EOIFD_FLAG_DEASSIGN:
        return (yield from deassign_eoifd_by_irqfd(profile, fd, irqfd))
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, eventfd, _nonblock = file
    trigger = yield from eventfd_ctx_fdget(profile, irqfd)
    if isinstance(trigger, Errno):
        ret: int = trigger
    else:
        ret = yield from assign_eoifd_by_irqfd(profile, eventfd, trigger, event)
        if ret < 0:
            yield from eventfd_ctx_put(profile, trigger)
    yield from fput(profile, name)
    return ret


@path
def assign_eoifd_by_irqfd(profile: Profile, eventfd: str, trigger: str, event: str) -> Path[int]:
    """Bind to the level irqfd that ``trigger`` feeds: 0; -ENOENT, -EINVAL for an edge one, -EBUSY."""
    source = yield from irq_source_get_from_irqfd(profile, trigger)
    if isinstance(source, Errno):
        return source
    yield (Eventfd.kref_get, eventfd)
    eoifd: str = yield kzalloc("eoifd", eventfd, source, event, trigger)
    ret = yield from eoifd_enlist(profile, eoifd, eventfd, source)
    if ret < 0:
        yield from eventfd_ctx_put(profile, eventfd)
        yield from irq_source_put(profile, source)
        yield kfree(eoifd)
        return ret
    yield from eoifd_listen(profile, eoifd)
    return 0


@path
def irq_source_get_from_irqfd(profile: Profile, trigger: str) -> Path[str | Errno]:
    """Find the source of the level irqfd that an eventfd feeds and take a reference."""
    yield mutex_lock(IRQSOURCES_LOCK)
    yield spin_lock(IRQFDS_LOCK)
    found = yield (Irqfds.fed_by, IRQFDS, trigger)
    source = (yield (Irqfd.load, found, "source")) if found else ""
    if source:
        yield (IrqSource.kref_get, source)
    yield spin_unlock(IRQFDS_LOCK)
    yield mutex_unlock(IRQSOURCES_LOCK)
    if not found:
        return Errno(ENOENT, "the eventfd that irqfd names feeds no irqfd of this VM")
    if not source:
        return Errno(EINVAL, "the irqfd that irqfd names is no level irqfd")
    return str(source)


@path
def deassign_eoifd_by_irqfd(profile: Profile, fd: int, irqfd: int) -> Path[int]:
    """Remove the eoifd of two eventfds and wait for it: 0; -EBADF, -EINVAL, -ENOENT."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    trigger = yield from eventfd_ctx_fdget(profile, irqfd)
    if isinstance(trigger, Errno):
        yield from eventfd_ctx_put(profile, eventfd)
        return trigger
    yield spin_lock(EOIFDS_LOCK)
    found = yield (Eoifds.bound_to, EOIFDS, trigger, eventfd)
    for eoifd in found:
        yield from eoifd_deactivate(profile, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    yield from eventfd_ctx_put(profile, trigger)
    yield from eventfd_ctx_put(profile, eventfd)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    if not found:
        return Errno(ENOENT, "this eventfd is no eoifd of that irqfd")
    return 0


def by_irqfd(handler: str) -> Ioctl:
    """Return KVM_EOIFD of v4 and v5, served by a path."""
    text = "the level irqfd whose EOIs it tells"
    bound = Word("irqfd", "eventfd", text, "irqfd", label="NAME", required=True)
    fields = (("fd", "fd"), ("flags", "u32"), ("irqfd", "fd"))
    return Ioctl(handler, fields, (NAME, bound, BOUND, DEASSIGN))


CAPS = {
    "KVM_CAP_IRQFD_LEVEL": (81, 1),
    "KVM_CAP_EOIFD": (82, 1),
    "KVM_CAP_EOIFD_LEVEL_IRQFD": (83, 1),
}
"""Capabilities of v4, which the later postings kept."""

PROPOSAL = Proposal(
    summary="a level irqfd, and an eoifd bound by that irqfd's descriptor",
    ioctls={"irqfd": LEVEL_IRQFD, "eoifd": by_irqfd("kvm_eoifd_v4")},
    caps=CAPS,
    consumer=TWO_IOCTLS,
    switches=frozenset({"pollhup", "ack-on-unmask"}),
    flag="LEVEL",
    claim="irqfd_claim_source_v4",
    unclaim="irqfd_put_source_v4",
    release="kvm_eoifd_release",
    objects={EOIFDS: Eoifds},
    kinds=("eoifd", "irq_source"),
    eoifds="eoifd",
)
"""v4, as QEMU used it."""
