"""KVM_EOIFD as posted in v7 (24 July 2012): an eventfd for EOIs, bound by an irqfd's key.

Shutdown, deactivate, wake-up, release and the beginning of the event are quoted in the thread.
The rest of the event, the ioctl's dispatch, assign and deassign are cut off there; what stands
here is inferred and decided in sections 9.2 and 17 of the reference. The notifier is registered
after eoifds.lock is dropped, because registering takes a mutex (inferred). So a deassign that
comes in between leaves a notifier of freed memory behind: a flaw of this reading, not known of v7.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    EBUSY,
    EINVAL,
    ENOENT,
    ENOSYS,
    KVM_EOIFD_FLAG_DEASSIGN,
    KVM_EOIFD_FLAG_LEVEL_IRQFD,
    POLLHUP,
    Errno,
)
from kvmlab.engine.chips.irq_source import IrqSource, irq_source_get_from_key, irq_source_put
from kvmlab.engine.chips.routing import (
    kvm_register_irq_ack_notifier,
    kvm_set_irq,
    kvm_unregister_irq_ack_notifier,
)
from kvmlab.engine.fds.eventfd import (
    Eventfd,
    eventfd_ctx_put,
    eventfd_ctx_remove_wait_queue,
    eventfd_poll,
    eventfd_signal,
)
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, Workqueue, flush_workqueue
from kvmlab.engine.profile import Profile

EOIFDS = "eoifds"
EOIFDS_LOCK = "eoifds.lock"


class Eoifd(Object):
    """struct _eoifd: the eventfd that is signalled and the source that is de-asserted."""

    __slots__ = ("eventfd", "source")
    FIELDS = ("eventfd", "source")
    KIND = "eoifd"

    def __init__(self, eventfd: str, source: str) -> None:
        super().__init__()
        self.eventfd, self.source = eventfd, source

    @touches("irq_source*")
    def target(self) -> tuple[int, int, str]:
        """Return the source id and the GSI to de-assert, and the eventfd to signal."""
        source: IrqSource = self.deref(self.source)
        return source.id, source.gsi, self.eventfd


class Eoifds(List):
    """kvm->eoifds.items."""

    __slots__ = ()

    @touches("eoifd*")
    def find_source(self, source: str) -> bool:
        """Tell whether an eoifd on the list uses a source: a key has one eoifd (inferred: 17)."""
        return any(self.deref(handle).source == source for handle in self.items)

    @touches("eoifd*", "irq_source*")
    def matching(self, eventfd: str, key: int) -> tuple[str, ...]:
        """Return the eoifds of an eventfd and a key."""
        found = [(handle, self.deref(handle)) for handle in self.items]
        return tuple(
            [
                handle
                for handle, eoifd in found
                if eoifd.eventfd == eventfd and self.deref(eoifd.source).id == key
            ]
        )


@path
def eoifd_shutdown(profile: Profile, eoifd: str) -> Path[None]:
    """Shutdown work: stop events, unhook (an event not yet read is lost), release, free."""
    eventfd, source = yield (Eoifd.load, eoifd, "eventfd", "source")
    yield from kvm_unregister_irq_ack_notifier(profile, "eoifd_event", eoifd)
    yield from eventfd_ctx_remove_wait_queue(profile, eventfd, "eoifd_wakeup", eoifd)
    yield from eventfd_ctx_put(profile, eventfd)
    yield from irq_source_put(profile, source)
    yield kfree(eoifd)


@path
def eoifd_deactivate(profile: Profile, eoifd: str) -> Path[None]:
    """Take an eoifd off the list and queue its shutdown; eoifds.lock is held."""
    yield (Eoifds.list_del, EOIFDS, eoifd)
    yield (Workqueue.queue_work, IRQFD_CLEANUP_WQ, ("eoifd_shutdown", eoifd))


@path
def eoifd_wakeup(profile: Profile, eoifd: str, flags: int) -> Path[None]:
    """Called with wqh.lock held: only POLLHUP matters, and detaches the eoifd."""
    if flags & POLLHUP and profile.has("pollhup"):
        yield spin_lock(EOIFDS_LOCK)
        if (yield (Eoifds.contains, EOIFDS, eoifd)):
            yield from eoifd_deactivate(profile, eoifd)
        yield spin_unlock(EOIFDS_LOCK)


@path
def eoifd_event(profile: Profile, eoifd: str) -> Path[None]:
    """The ack notifier: de-assert the source, then signal. Every EOI of the GSI comes here.

    The quoted check for a NULL source is left out: an eoifd has its source before its notifier.
    """
    irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    yield from eventfd_signal(profile, eventfd, 1)


@path
def kvm_eoifd(profile: Profile, fd: int, flags: int, key: int) -> Path[int]:
    """KVM_EOIFD: 0; -ENOSYS from the stub, -EINVAL for flags, then what assign or deassign says.

    That the flags are looked at first, unknown ones before a missing one, is inferred (17).
    """
    if not profile.has("config-eventfd"):
        return Errno(ENOSYS, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    if flags & ~(KVM_EOIFD_FLAG_DEASSIGN | KVM_EOIFD_FLAG_LEVEL_IRQFD):
        return Errno(EINVAL, f"KVM_EOIFD knows the flags 1 (DEASSIGN) and 2 (LEVEL_IRQFD), not {flags:#x}")
    if not flags & KVM_EOIFD_FLAG_LEVEL_IRQFD:
        return Errno(EINVAL, "LEVEL_IRQFD is missing: without it the key means nothing")
    if flags & KVM_EOIFD_FLAG_DEASSIGN:
        return (yield from kvm_deassign_eoifd(profile, fd, key))
    return (yield from kvm_assign_eoifd(profile, fd, key))


@path
def kvm_assign_eoifd(profile: Profile, fd: int, key: int) -> Path[int]:
    """Bind an eventfd to the EOIs of a key's GSI: 0; -EBADF, -EINVAL, -ENOENT, -EBUSY."""
    file = yield (Fds.eventfd_fget, FDS, fd)
    if isinstance(file, Errno):
        return file
    name, eventfd, _nonblock = file
    source = yield from irq_source_get_from_key(profile, key)
    if isinstance(source, Errno):
        yield from fput(profile, name)
        return source
    yield (Eventfd.kref_get, eventfd)
    eoifd: str = yield kzalloc("eoifd", eventfd, source)
    if profile.has("assign-flush"):
        yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)

    yield spin_lock(EOIFDS_LOCK)
    if (yield (Eoifds.find_source, EOIFDS, source)):
        yield spin_unlock(EOIFDS_LOCK)
        yield from eventfd_ctx_put(profile, eventfd)
        yield from irq_source_put(profile, source)
        yield kfree(eoifd)
        yield from fput(profile, name)
        return Errno(EBUSY, f"the key {key} has an eoifd already, and may have one only")
    yield from eventfd_poll(profile, eventfd, "eoifd_wakeup", eoifd)
    yield (Eoifds.list_add_tail, EOIFDS, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    gsi = yield (IrqSource.load, source, "gsi")
    yield from kvm_register_irq_ack_notifier(profile, gsi, "eoifd_event", eoifd)
    yield from fput(profile, name)
    return 0


@path
def kvm_deassign_eoifd(profile: Profile, fd: int, key: int) -> Path[int]:
    """Remove the eoifd of an eventfd and a key and wait for it: 0; -EBADF, -EINVAL, -ENOENT.

    -ENOENT, for an unknown key as for one of another eventfd, is inferred (17).
    """
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    yield spin_lock(EOIFDS_LOCK)
    found = yield (Eoifds.matching, EOIFDS, eventfd, key)
    for eoifd in found:
        yield from eoifd_deactivate(profile, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    yield from eventfd_ctx_put(profile, eventfd)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
    if not found:
        return Errno(ENOENT, f"this eventfd is no eoifd of the key {key}")
    return 0


@path
def kvm_eoifd_release(profile: Profile) -> Path[None]:
    """The VM fd is closed: shut all eoifds down and wait for it."""
    yield spin_lock(EOIFDS_LOCK)
    for eoifd in (yield (Eoifds.all, EOIFDS)):
        yield from eoifd_deactivate(profile, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
