"""KVM_EOI_EVENTFD of April 2011 (the author's tree, virt/kvm/eventfd.c at 7a04b73b7219).

An eventfd is told of every EOI of a GSI; with DEASSERT the EOI also lowers the line of source 0,
whoever of userspace had raised it. Nothing locks the list, nothing refuses a second one, and neither
the last close of the eventfd nor the end of the VM removes one: it leaks. Unknown flags are ignored.
That the irqfd beside it is the kernel's own is inferred.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    ENOENT,
    ENOSYS,
    KVM_EOI_EVENTFD_FLAG_DEASSERT,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_USERSPACE_IRQ_SOURCE_ID,
    Errno,
)
from kvmlab.engine.chips.routing import (
    kvm_register_irq_ack_notifier,
    kvm_set_irq,
    kvm_unregister_irq_ack_notifier,
)
from kvmlab.engine.consumer import DEVICE_GSI, UNMASK, Consumer, Step, set_irqs
from kvmlab.engine.fds.eventfd import eventfd_ctx_put, eventfd_signal
from kvmlab.engine.fds.files import eventfd_ctx_fdget
from kvmlab.engine.kernel.lists import List
from kvmlab.engine.kernel.memory import kfree, kzalloc
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import DEASSIGN, GSI, IRQFD_FIELDS, NAME, Ioctl, Proposal, Word

EOI_EVENTFDS = "eoi_eventfds"


class EoiEventfd(Object):
    """struct _eoi_eventfd: the eventfd to signal, the GSI, and whether an EOI lowers source 0's line."""

    __slots__ = ("deassert", "eventfd", "gsi")
    FIELDS = ("eventfd", "gsi", "deassert")
    KIND = "eoi_eventfd"
    source = ""

    def __init__(self, eventfd: str, gsi: int, deassert: bool) -> None:
        super().__init__()
        self.eventfd, self.gsi, self.deassert = eventfd, gsi, deassert


class EoiEventfds(List):
    """kvm->eoi_eventfds, which no lock guards."""

    __slots__ = ()

    @touches("eoi_eventfd*")
    def find(self, eventfd: str, gsi: int) -> str:
        """Return the oldest one of an eventfd and a GSI, or ""."""
        for handle in self.items:
            item = self.deref(handle)
            if (item.eventfd, item.gsi) == (eventfd, gsi):
                return handle
        return ""


@path
def kvm_eoi_eventfd_acked(profile: Profile, eoi_eventfd: str) -> Path[None]:
    """The ack notifier: with DEASSERT lower the line of source 0, then signal."""
    eventfd, gsi, deassert = yield (EoiEventfd.load, eoi_eventfd, "eventfd", "gsi", "deassert")
    if deassert:
        yield from kvm_set_irq(profile, KVM_USERSPACE_IRQ_SOURCE_ID, gsi, 0)
    yield from eventfd_signal(profile, eventfd, 1)


@path
def kvm_eoi_eventfd(profile: Profile, fd: int, gsi: int, flags: int) -> Path[int]:
    """KVM_EOI_EVENTFD: 0, or what assign or deassign says. That the stub says -ENOSYS is inferred."""
    if not profile.has("config-eventfd"):
        return Errno(ENOSYS, "this kernel has no CONFIG_HAVE_KVM_EVENTFD: the stub answers")
    if flags & KVM_IRQFD_FLAG_DEASSIGN:
        return (yield from kvm_deassign_eoi_eventfd(profile, fd, gsi))
    return (yield from kvm_assign_eoi_eventfd(profile, fd, gsi, flags))


@path
def kvm_assign_eoi_eventfd(profile: Profile, fd: int, gsi: int, flags: int) -> Path[int]:
    """Have the EOIs of a GSI signal an eventfd: 0; -EBADF, -EINVAL."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    deassert = bool(flags & KVM_EOI_EVENTFD_FLAG_DEASSERT)
    eoi_eventfd: str = yield kzalloc("eoi_eventfd", eventfd, gsi, deassert)
    yield (EoiEventfds.list_add_tail, EOI_EVENTFDS, eoi_eventfd)
    yield from kvm_register_irq_ack_notifier(profile, gsi, "kvm_eoi_eventfd_acked", eoi_eventfd)
    return 0


@path
def kvm_deassign_eoi_eventfd(profile: Profile, fd: int, gsi: int) -> Path[int]:
    """Remove the oldest one of an eventfd and a GSI: 0; -EBADF, -EINVAL, -ENOENT."""
    eventfd = yield from eventfd_ctx_fdget(profile, fd)
    if isinstance(eventfd, Errno):
        return eventfd
    ret = 0
    found: str = yield (EoiEventfds.find, EOI_EVENTFDS, eventfd, gsi)
    if found:
        yield from kvm_unregister_irq_ack_notifier(profile, "kvm_eoi_eventfd_acked", found)
        yield from eventfd_ctx_put(profile, eventfd)
        yield (EoiEventfds.list_del, EOI_EVENTFDS, found)
        yield kfree(found)
    else:
        ret = Errno(ENOENT, f"this eventfd is not told of the EOIs of GSI {gsi}")
    yield from eventfd_ctx_put(profile, eventfd)
    return ret


EOI_ONLY = Consumer(
    steps=(
        Step(
            "eoifd",
            ("user_eoifd", (UNMASK, DEVICE_GSI, KVM_EOI_EVENTFD_FLAG_DEASSERT)),
            ("user_eoifd", (UNMASK, DEVICE_GSI, KVM_IRQFD_FLAG_DEASSIGN)),
        ),
        set_irqs("eoifd"),
    ),
    teardown=("set-irqs", "eoifd"),
    injects=False,
)
"""The VMM raises the line of source 0, and the kernel lowers it and unmasks the device (inferred)."""

PROPOSAL = Proposal(
    summary="April 2011: an eventfd for the EOIs of a GSI, apart from any irqfd",
    ioctls={
        "irqfd": Ioctl("kvm_irqfd", IRQFD_FIELDS, (NAME, GSI, DEASSIGN)),
        "eoifd": Ioctl(
            "kvm_eoi_eventfd",
            IRQFD_FIELDS,
            (
                NAME,
                GSI,
                Word(
                    "deassert",
                    "flag",
                    "an EOI also lowers the line of source 0",
                    bit=KVM_EOI_EVENTFD_FLAG_DEASSERT,
                ),
                DEASSIGN,
            ),
        ),
    },
    caps={"KVM_CAP_EOI_EVENTFD": (60, 1)},
    consumer=EOI_ONLY,
    objects={EOI_EVENTFDS: EoiEventfds},
    kinds=("eoi_eventfd",),
    eoifds="eoi_eventfd",
)
"""The precursor."""
