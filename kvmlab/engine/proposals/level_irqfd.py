"""The level irqfd of v4 to v7 (patch 1/2 of the v7 series): an irqfd with an _irq_source of its own.

That patch is not in the thread: that the source is requested before the fd is looked at, and that
the key is the return value, is inferred from its June predecessor and from the missing key field
(reference 9.2). So is that it leaves the wake-up alone: on an MSI route it sends messages.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQFD_FLAG_LEVEL, Errno
from kvmlab.engine.chips.irq_source import IrqSource, irq_source_alloc, irq_source_put
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
