"""The level irqfd of v4 to v7 (patch 1/2 of the v7 series): an irqfd with an _irq_source of its own.

That patch is not in the thread: that the source is requested before the fd is looked at, and that
the key is the return value, is inferred from its June predecessor and from the missing key field
(reference 9.2). So is that it leaves the wake-up alone: on an MSI route it sends messages.
"""

from __future__ import annotations

from kvmlab.engine.abi import (
    KVM_EOIFD_FLAG_DEASSIGN,
    KVM_EOIFD_FLAG_LEVEL_IRQFD,
    KVM_IRQFD_FLAG_DEASSIGN,
    KVM_IRQFD_FLAG_LEVEL,
    Errno,
)
from kvmlab.engine.chips.irq_source import IrqSource, irq_source_alloc, irq_source_put
from kvmlab.engine.consumer import DEVICE_GSI, TRIGGER, UNMASK, Consumer, Step, set_irqs
from kvmlab.engine.fds.irqfd import Irqfd
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.proposal import DEASSIGN, GSI, IRQFD_FIELDS, NAME, Ioctl, Word
from kvmlab.engine.proposals.source_filter import inject_work

LEVEL_IRQFD = Ioctl(
    "kvm_irqfd",
    IRQFD_FIELDS,
    (
        NAME,
        GSI,
        Word(
            "level",
            "flag",
            "a level-triggered irqfd: it asserts a source of its own",
            bit=KVM_IRQFD_FLAG_LEVEL,
        ),
        DEASSIGN,
    ),
)
"""KVM_IRQFD with KVM_IRQFD_FLAG_LEVEL, whose value is the v4 consumer's in QEMU."""


TWO_IOCTLS = Consumer(
    steps=(
        Step(
            "irqfd",
            ("user_irqfd", (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_LEVEL)),
            ("user_irqfd", (TRIGGER, DEVICE_GSI, KVM_IRQFD_FLAG_LEVEL | KVM_IRQFD_FLAG_DEASSIGN)),
        ),
        Step(
            "eoifd",
            ("user_eoifd", (UNMASK, KVM_EOIFD_FLAG_LEVEL_IRQFD, TRIGGER)),
            ("user_eoifd", (UNMASK, KVM_EOIFD_FLAG_LEVEL_IRQFD | KVM_EOIFD_FLAG_DEASSIGN, TRIGGER)),
            unwind=("irqfd",),
        ),
        set_irqs("irqfd", "eoifd"),
    ),
    teardown=("set-irqs", "eoifd", "irqfd"),
)
"""The consumer of a level irqfd and an eoifd (hw/vfio_pci.c of 13 July 2012, for v4).

Where VFIO refuses, the irqfd goes first and the eoifd after it: the reverse of the tear-down. That
later postings were to be used so, with a key where the irqfd's descriptor was, is inferred.
"""


@path
def irqfd_claim_source(profile: Profile, irqfd: str, second: int) -> Path[int]:
    """Give an irqfd a source of its own: its id, which is the key, or -EFAULT."""
    gsi = yield (Irqfd.load, irqfd, "gsi")
    source = yield from irq_source_alloc(profile, gsi)
    if isinstance(source, Errno):
        return source
    key: int = yield (IrqSource.load, source, "id")
    yield (Irqfd.set_level, irqfd, inject_work(profile), key, source)
    return key


@path
def irqfd_put_source(profile: Profile, irqfd: str, assigned: bool) -> Path[None]:
    """Let go of the source; an eoifd may hold it on."""
    source = yield (Irqfd.load, irqfd, "source")
    yield from irq_source_put(profile, source)
