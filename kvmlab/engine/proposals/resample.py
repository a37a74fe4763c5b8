"""Resampling irqfds as merged (7a84428af7ca, September 2012; virt/kvm/eventfd.c).

All irqfds of a GSI share one resampler, and all resamplers the source id 1. An acknowledgement of
the GSI, whoever asserted it, de-asserts once and then signals the resamplefd of every irqfd. The
switch as-merged brings back how the first commit looked a resampler up.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_RESAMPLE,
    KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID,
    Errno,
)
from kvmlab.engine.chips.routing import (
    kvm_register_irq_ack_notifier,
    kvm_set_irq,
    kvm_unregister_irq_ack_notifier,
)
from kvmlab.engine.consumer import DEVICE_GSI, TRIGGER, UNMASK, Consumer, Step, set_irqs
from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_signal
from kvmlab.engine.fds.files import eventfd_ctx_fdget
from kvmlab.engine.fds.irqfd import Irqfd
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.locks import mutex_lock, mutex_unlock
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.kernel.rcu import synchronize_rcu
from kvmlab.engine.kernel.sanitizers import Oops
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import DEASSIGN, GSI, IRQFD_FIELDS, NAME, Ioctl, Proposal, Word

RESAMPLERS = "resamplers"
RESAMPLER_LOCK = "irqfds.resampler_lock"

WILD = "the middle of a resampler"
"""What the walk of the first commit finds for GSI 0: a pointer 48 bytes into another GSI's resampler."""


class Resampler(Object):
    """struct _irqfd_resampler: a GSI, and the irqfds that share it, newest first."""

    __slots__ = ("gsi", "irqfds")
    FIELDS = ("gsi", "irqfds")
    KIND = "resampler"

    def __init__(self, gsi: int) -> None:
        super().__init__()
        self.gsi = gsi
        self.irqfds: tuple[str, ...] = ()

    def list_add(self, irqfd: str) -> None:
        """Put an irqfd at the head (list_add_rcu)."""
        self.changed()
        self.irqfds = (irqfd, *self.irqfds)

    def list_del(self, irqfd: str) -> None:
        """Take an irqfd off (list_del_rcu)."""
        self.changed()
        self.irqfds = tuple([item for item in self.irqfds if item != irqfd])

    @touches("irqfd*")
    def resamplefds(self) -> tuple[str, ...]:
        """Return the eventfds to signal, in the order of the list."""
        return tuple([self.deref(irqfd).second for irqfd in self.irqfds])


class Resamplers(List):
    """kvm->irqfds.resampler_list, newest first."""

    __slots__ = ()

    @touches("resampler*")
    def find(self, gsi: int) -> str:
        """Return the resampler of a GSI, or ""."""
        return next((handle for handle in self.items if self.deref(handle).gsi == gsi), "")

    @touches("resampler*", "reports")
    def find_as_merged(self, gsi: int) -> str:
        """Walk the list as the first commit did: by the member ``list``, while ``link`` is on it.

        With the layout of x86-64 the walk takes each ``link`` for a ``list`` and ends all right, but
        compares what stands 16 bytes behind the resampler, where the allocator has left zeros. So
        no GSI but 0 is ever found, and GSI 0 finds whatever is first (computed from the structures
        in 7a84428af7ca, not seen running).
        """
        for handle in self.items:
            me = self.memory.current
            text = f"{me} compares a gsi 16 bytes behind {handle}: the walk takes link for list"
            self.memory.reports.add(me, "out-of-bounds", text)
            if gsi == 0:
                return WILD
        return ""

    def follow_wild(self, irqfd: str) -> None:
        """Use the pointer that :meth:`find_as_merged` gave: its ``kvm`` is the other's callback, an Oops."""
        raise Oops(f"{irqfd}: resampler->kvm is the address of irqfd_resampler_ack", "out-of-bounds")

    def list_add(self, handle: str) -> None:
        """Put a resampler at the head."""
        self.changed()
        self.items = (handle, *self.items)


@path
def irqfd_bind_resampler(profile: Profile, irqfd: str, second: int) -> Path[int]:
    """Hold the resamplefd, and share the GSI's resampler or make it: 0, -EBADF or -EINVAL."""
    resamplefd = yield from eventfd_ctx_fdget(profile, second)
    if isinstance(resamplefd, Errno):
        return resamplefd
    gsi = yield (Irqfd.load, irqfd, "gsi")
    yield mutex_lock(RESAMPLER_LOCK)
    resampler: str = yield from irqfd_find_resampler(profile, gsi)
    if not resampler:
        resampler = yield kzalloc("resampler", gsi)
        yield (Resamplers.list_add, RESAMPLERS, resampler)
        yield from kvm_register_irq_ack_notifier(profile, gsi, "irqfd_resampler_ack", resampler)
    source = KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID
    yield (Irqfd.set_level, irqfd, "irqfd_inject_level", source, resampler, resamplefd)
    if resampler != WILD:
        yield (Resampler.list_add, resampler, irqfd)
    yield from synchronize_rcu(profile)
    yield mutex_unlock(RESAMPLER_LOCK)
    return 0


@path
def irqfd_find_resampler(profile: Profile, gsi: int) -> Path[str]:
    """Look a GSI's resampler up, "" for none; the first commit walked the wrong member of the list."""
    found: str
    if profile.adds("as-merged"):
        found = yield (Resamplers.find_as_merged, RESAMPLERS, gsi)
    else:
        found = yield (Resamplers.find, RESAMPLERS, gsi)
    return found


@path
def irqfd_unbind_resampler(profile: Profile, irqfd: str) -> Path[None]:
    """irqfd_resampler_shutdown, then let go of the resamplefd.

    The last irqfd of a GSI takes the resampler with it, and lowers the line.
    """
    resampler, resamplefd = yield (Irqfd.load, irqfd, "source", "second")
    if resampler == WILD:
        yield (Resamplers.follow_wild, RESAMPLERS, irqfd)
    yield mutex_lock(RESAMPLER_LOCK)
    yield (Resampler.list_del, resampler, irqfd)
    yield from synchronize_rcu(profile)
    if not (yield (Resampler.load, resampler, "irqfds")):
        yield (Resamplers.list_del, RESAMPLERS, resampler)
        gsi = yield (Resampler.load, resampler, "gsi")
        yield from kvm_unregister_irq_ack_notifier(profile, "irqfd_resampler_ack", resampler)
        yield from kvm_set_irq(profile, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, gsi, 0)
        yield kfree(resampler)
    yield mutex_unlock(RESAMPLER_LOCK)
    yield from eventfd_ctx_put(profile, resamplefd)


@path
def irqfd_resampler_ack(profile: Profile, resampler: str) -> Path[None]:
    """The ack notifier: de-assert once, then tell every irqfd of the GSI."""
    gsi = yield (Resampler.load, resampler, "gsi")
    yield from kvm_set_irq(profile, KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID, gsi, 0)
    yield from irqfd_resampler_notify(profile, resampler)


@path
def irqfd_resampler_notify(profile: Profile, resampler: str) -> Path[None]:
    """Signal every resamplefd of a resampler; the caller is an RCU reader."""
    for resamplefd in (yield (Resampler.resamplefds, resampler)):
        yield from eventfd_signal(profile, resamplefd, 1)


@path
def irqfd_resample_gsi(profile: Profile, gsi: int) -> Path[bool]:
    """Signal the resamplefds of a GSI that has some, without a look at who asserts it (fef8f2b90edb)."""
    resampler: str = yield (Resamplers.find, RESAMPLERS, gsi)
    if resampler:
        yield from irqfd_resampler_notify(profile, resampler)
    return bool(resampler)


ONE_IOCTL = Consumer(
    steps=(
        Step(
            "irqfd",
            ("user_irqfd", (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_RESAMPLE, UNMASK)),
            ("user_irqfd", (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_DEASSIGN, 0)),
        ),
        set_irqs("irqfd"),
    ),
    teardown=("irqfd",),
    closes_on_failure=True,
)
"""The consumer as merged into QEMU (hw/vfio_pci.c of November 2012).

Deassign passes no other flag, and VFIO is left to see the unmask eventfd's close.
"""

PROPOSAL = Proposal(
    summary="as merged: one KVM_IRQFD with a resamplefd, and one source id for all of them",
    ioctls={
        "irqfd": Ioctl(
            "kvm_irqfd",
            (*IRQFD_FIELDS, ("resamplefd", "fd")),
            (
                NAME,
                GSI,
                Word(
                    "resample",
                    "eventfd",
                    "the eventfd that an EOI signals",
                    "resamplefd",
                    KVM_IRQFD_FLAG_RESAMPLE,
                    "NAME2",
                ),
                DEASSIGN,
            ),
        )
    },
    caps={"KVM_CAP_READONLY_MEM": (81, 1), "KVM_CAP_IRQFD_RESAMPLE": (82, 1)},
    consumer=ONE_IOCTL,
    switches=frozenset({"as-merged"}),
    flag="RESAMPLE",
    bind="irqfd_bind_resampler",
    unbind="irqfd_unbind_resampler",
    resample="irqfd_resample_gsi",
    objects={RESAMPLERS: Resamplers},
    kinds=("resampler",),
    reserved_sources=1 << KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID,
)
"""The resampler as in 3.7 and later kernels."""
