"""An eoifd as v4, v5 and v7 have it: an eventfd that is told of the EOIs of a level irqfd's GSI.

Shutdown, deactivate, wake-up, release and the beginning of the event are quoted in the thread;
the rest is inferred (reference 9.2 and 17). What tells the versions apart, how an eoifd is bound,
is in the file of each.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    EBUSY,
    EINVAL,
    ENOSYS,
    KVM_EOIFD_FLAG_DEASSIGN,
    KVM_EOIFD_FLAG_LEVEL_IRQFD,
    POLLHUP,
    Errno,
)
from kvmlab.engine.chips.irq_source import IrqSource, irq_source_put
from kvmlab.engine.chips.routing import (
    kvm_register_irq_ack_notifier,
    kvm_register_irq_mask_notifier,
    kvm_unregister_irq_ack_notifier,
    kvm_unregister_irq_mask_notifier,
)
from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_ctx_remove_wait_queue, eventfd_poll
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.memory import kfree
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.kernel.workqueue import IRQFD_CLEANUP_WQ, Workqueue, flush_workqueue
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import Word

EOIFDS = "eoifds"
EOIFDS_LOCK = "eoifds.lock"

BOUND = Word("level", "flag", "what it is bound to is a level irqfd", bit=KVM_EOIFD_FLAG_LEVEL_IRQFD)
"""The word that is KVM_EOIFD_FLAG_LEVEL_IRQFD."""


class Eoifd(Object):
    """struct _eoifd: the eventfd that is signalled, the source that is de-asserted, its ack notifier.

    ``irqfd`` is the eventfd of the irqfd it was bound to, where it is found again by that; ``waits``
    tells that its event waits for the unmask of its pin.
    """

    __slots__ = ("event", "eventfd", "irqfd", "source", "waits")
    FIELDS = ("eventfd", "source", "event", "irqfd", "waits")
    KIND = "eoifd"

    def __init__(self, eventfd: str, source: str, event: str, irqfd: str = "") -> None:
        super().__init__()
        self.eventfd, self.source, self.event, self.irqfd = eventfd, source, event, irqfd
        self.waits = False

    @touches("irq_source*")
    def target(self) -> tuple[int, int, str]:
        """Return the source id and the GSI to de-assert, and the eventfd to signal."""
        source: IrqSource = self.deref(self.source)
        return source.id, source.gsi, self.eventfd

    def set_waits(self, waits: bool) -> None:
        """Have the event wait for the unmask, or not."""
        if waits != self.waits:
            self.changed()
            self.waits = waits


class Eoifds(List):
    """kvm->eoifds.items."""

    __slots__ = ()

    @touches("eoifd*")
    def find_source(self, source: str) -> bool:
        """Tell whether an eoifd on the list uses a source: a level irqfd has one eoifd."""
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

    @touches("eoifd*")
    def bound_to(self, irqfd: str, eventfd: str = "") -> tuple[str, ...]:
        """Return the eoifds that were bound by an irqfd's eventfd, and signal ``eventfd`` if given."""
        found = [(handle, self.deref(handle)) for handle in self.items]
        return tuple(
            [handle for handle, eoifd in found if eoifd.irqfd == irqfd and eventfd in ("", eoifd.eventfd)]
        )


def check_eoifd(profile: Profile, flags: int, what: str) -> Errno | None:
    """Return what KVM_EOIFD refuses before it looks at a descriptor; ``what`` needs LEVEL_IRQFD.

    That the flags are looked at first, unknown ones before a missing one, is inferred (17).
    """
    if not profile.has("config-eventfd"):
        return Errno(ENOSYS, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    if flags & ~(KVM_EOIFD_FLAG_DEASSIGN | KVM_EOIFD_FLAG_LEVEL_IRQFD):
        return Errno(EINVAL, f"KVM_EOIFD knows the flags 1 (DEASSIGN) and 2 (LEVEL_IRQFD), not {flags:#x}")
    if not flags & KVM_EOIFD_FLAG_LEVEL_IRQFD:
        return Errno(EINVAL, f"LEVEL_IRQFD is missing: without it the {what} means nothing")
    return None


@path
def eoifd_shutdown(profile: Profile, eoifd: str) -> Path[None]:
    """Shutdown work: stop events, unhook (an event not yet read is lost), release, free."""
    eventfd, source, event, irqfd = yield (Eoifd.load, eoifd, "eventfd", "source", "event", "irqfd")
    yield from kvm_unregister_irq_ack_notifier(profile, event, eoifd)
    if profile.adds("ack-on-unmask"):
        yield from kvm_unregister_irq_mask_notifier(profile, "eoifd_mask_notifier", eoifd)
    yield from eventfd_ctx_remove_wait_queue(profile, eventfd, "eoifd_wakeup", eoifd)
    yield from eventfd_ctx_put(profile, eventfd)
    if irqfd:
        yield from eventfd_ctx_put(profile, irqfd)
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
        active = yield (Eoifds.contains, EOIFDS, eoifd)
        if active or not profile.has("active-check"):
            yield from eoifd_deactivate(profile, eoifd)
        yield spin_unlock(EOIFDS_LOCK)


@path
def eoifd_enlist(profile: Profile, eoifd: str, eventfd: str, source: str) -> Path[int]:
    """Under eoifds.lock: refuse a source that has an eoifd (-EBUSY), else hook and list this one: 0."""
    yield spin_lock(EOIFDS_LOCK)
    if (yield (Eoifds.find_source, EOIFDS, source)):
        yield spin_unlock(EOIFDS_LOCK)
        return Errno(EBUSY, "the level irqfd has an eoifd already, and may have one only")
    yield from eventfd_poll(profile, eventfd, "eoifd_wakeup", eoifd)
    yield (Eoifds.list_add_tail, EOIFDS, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    return 0


@path
def eoifd_listen(profile: Profile, eoifd: str) -> Path[None]:
    """Register the ack notifier; the caller has dropped eoifds.lock, as this takes a mutex."""
    source, event = yield (Eoifd.load, eoifd, "source", "event")
    gsi = yield (IrqSource.load, source, "gsi")
    yield from kvm_register_irq_ack_notifier(profile, gsi, event, eoifd)
    if profile.adds("ack-on-unmask"):
        yield from kvm_register_irq_mask_notifier(profile, gsi, "eoifd_mask_notifier", eoifd)


@path
def kvm_eoifd_release(profile: Profile) -> Path[None]:
    """The VM fd is closed: shut all eoifds down and wait for it."""
    yield spin_lock(EOIFDS_LOCK)
    for eoifd in (yield (Eoifds.all, EOIFDS)):
        yield from eoifd_deactivate(profile, eoifd)
    yield spin_unlock(EOIFDS_LOCK)
    yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)
