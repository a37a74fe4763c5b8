"""KVM_EOIFD as posted in v7 (24 July 2012): an eventfd for EOIs, bound by a level irqfd's key.

Shutdown, wake-up and the beginning of the event are quoted in the thread. The rest of the event,
the ioctl's dispatch, assign and deassign are cut off there; what stands here is inferred and
decided in sections 9.2 and 17 of the reference. The notifier is registered after eoifds.lock is
dropped, because registering takes a mutex (inferred). So a deassign that comes in between leaves
a notifier of freed memory behind: a flaw of this reading, not known of v7.
"""

from __future__ import annotations

from kvmlab.engine.abi import ENOENT, KVM_EOIFD_FLAG_DEASSIGN, Errno
from kvmlab.engine.chips.irq_source import irq_source_get_from_key, irq_source_put
from kvmlab.engine.chips.routing import kvm_set_irq
from kvmlab.engine.fds.eventfd import Eventfd, eventfd_ctx_put, eventfd_signal
from kvmlab.engine.fds.files import FDS, Fds, eventfd_ctx_fdget, fput
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
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
from kvmlab.engine.proposals.level_irqfd import LEVEL_IRQFD, TWO_IOCTLS
from kvmlab.engine.proposals.source_filter import clear_if_asserted


@path
def eoifd_event(profile: Profile, eoifd: str) -> Path[None]:
    """The ack notifier: de-assert the source, then signal. Every EOI of the GSI comes here.

    The quoted check for a NULL source is left out: an eoifd has its source before its notifier.
    """
    irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    yield from eventfd_signal(profile, eventfd, 1)


@path
def eoifd_event_switched(profile: Profile, eoifd: str) -> Path[None]:
    """The ack notifier with source-filter or ack-on-unmask, or both."""
    irq_source_id, gsi, eventfd = yield (Eoifd.target, eoifd)
    own = True
    if profile.adds("source-filter"):
        source = yield (Eoifd.load, eoifd, "source")
        own = yield from clear_if_asserted(profile, source, irq_source_id, gsi)
    else:
        yield from kvm_set_irq(profile, irq_source_id, gsi, 0)
    if own:
        yield from eoifd_signal(profile, eoifd, eventfd, gsi)


def ack_notifier(profile: Profile) -> str:
    """Return the path that an EOI runs."""
    switched = profile.with_ & {"source-filter", "ack-on-unmask"}
    return "eoifd_event_switched" if switched else "eoifd_event"


@path
def kvm_eoifd(profile: Profile, fd: int, flags: int, key: int) -> Path[int]:
    """KVM_EOIFD: 0; -ENOSYS from the stub, -EINVAL for flags, then what assign or deassign says."""
    refusal = check_eoifd(profile, flags, "key")
    if refusal is not None:
        return refusal
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
    eoifd: str = yield kzalloc("eoifd", eventfd, source, ack_notifier(profile))
    if profile.has("assign-flush"):
        yield from flush_workqueue(profile, IRQFD_CLEANUP_WQ)

    ret = yield from eoifd_enlist(profile, eoifd, eventfd, source)
    if ret < 0:
        yield from eventfd_ctx_put(profile, eventfd)
        yield from irq_source_put(profile, source)
        yield kfree(eoifd)
        yield from fput(profile, name)
        return ret
    yield from eoifd_listen(profile, eoifd)
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


PROPOSAL = Proposal(
    summary="a level irqfd returns a key, and an eoifd is bound by it",
    ioctls={
        "irqfd": LEVEL_IRQFD,
        "eoifd": Ioctl(
            "kvm_eoifd",
            (("fd", "fd"), ("flags", "u32"), ("key", "key")),
            (
                NAME,
                Word(
                    "key",
                    "key",
                    "the key that a level irqfd returned, or its name",
                    "key",
                    label="N|NAME",
                    required=True,
                ),
                BOUND,
                DEASSIGN,
            ),
        ),
    },
    caps={
        "KVM_CAP_IRQFD_LEVEL": (81, 1),
        "KVM_CAP_EOIFD": (82, 1),
        "KVM_CAP_EOIFD_LEVEL_IRQFD": (83, 1),
    },
    consumer=TWO_IOCTLS,
    switches=frozenset({"pollhup", "assign-flush", "source-filter", "filter-lock", "ack-on-unmask"}),
    flag="LEVEL",
    flushes_on_assign=True,
    keys=True,
    claim="irqfd_claim_source",
    unclaim="irqfd_put_source",
    release="kvm_eoifd_release",
    objects={EOIFDS: Eoifds},
    kinds=("eoifd", "irq_source"),
    eoifds="eoifd",
    over_resampler=True,
)
"""v7, the patch of the thread."""
