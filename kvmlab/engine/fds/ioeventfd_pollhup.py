"""A POLLHUP hook for ioeventfds, which no kernel has: "so fix ioeventfd first" (with=ioeventfd-pollhup).

The last close of its eventfd takes an ioeventfd off its bus. How that would have been done is
inferred: the wake-up can't take slots_lock, so it marks the ioeventfd and leaves it to a work item;
a deassign that unhooks it first has it to itself.
"""

from __future__ import annotations

from kvmlab.engine.abi import POLLHUP, Errno
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_poll, wqh_lock
from kvmlab.engine.fds.files import FDS, Fds, fput
from kvmlab.engine.fds.io_bus import BUSES, kvm_io_bus_unregister_dev
from kvmlab.engine.fds.ioeventfd import SLOTS_LOCK, Ioeventfd, ioeventfd_release
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock, spin_lock, spin_unlock
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, Workqueue
from kvmlab.engine.profile import Profile


@path
def ioeventfd_hook(profile: Profile, fd: int, ioeventfd: str, eventfd: str) -> Path[None]:
    """Listen for the last close; a descriptor that another thread has closed meanwhile is that close."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        yield from ioeventfd_closed(profile, ioeventfd)
        return
    name, ctx, _nonblock = file
    if ctx == eventfd:
        yield from eventfd_poll(profile, eventfd, "ioeventfd_wakeup", ioeventfd)
    else:
        yield from ioeventfd_closed(profile, ioeventfd)
    yield from fput(profile, name)


@path
def ioeventfd_wakeup(profile: Profile, ioeventfd: str, flags: int) -> Path[None]:
    """Called with wqh.lock held: POLLHUP queues the removal."""
    if flags & POLLHUP:
        yield from ioeventfd_closed(profile, ioeventfd)


@path
def ioeventfd_closed(profile: Profile, ioeventfd: str) -> Path[None]:
    """Mark an ioeventfd and queue its removal."""
    yield (Ioeventfd.close, ioeventfd)
    yield (Workqueue.queue_work, IRQFD_CLEANUP_WQ, ("ioeventfd_shutdown", ioeventfd))


@path
def ioeventfd_unhook(profile: Profile, ioeventfd: str, eventfd: str) -> Path[str]:
    """Stop listening; the ioeventfd, or "" if its removal is queued already."""
    lock = wqh_lock(eventfd)
    yield spin_lock(lock)
    yield (Eventfd.remove_wait_queue, eventfd, "ioeventfd_wakeup", ioeventfd)
    closing = yield (Ioeventfd.load, ioeventfd, "closing")
    yield spin_unlock(lock)
    return "" if closing else ioeventfd


@path
def ioeventfd_shutdown(profile: Profile, ioeventfd: str) -> Path[None]:
    """Shutdown work: off the bus, unhook, release."""
    yield mutex_lock(SLOTS_LOCK)
    pio, eventfd = yield (Ioeventfd.load, ioeventfd, "pio", "eventfd")
    yield from kvm_io_bus_unregister_dev(profile, BUSES[pio], ioeventfd)
    yield from ioeventfd_unhook(profile, ioeventfd, eventfd)
    yield from ioeventfd_release(profile, ioeventfd)
    yield mutex_unlock(SLOTS_LOCK)
