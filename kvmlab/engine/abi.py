"""The kernel's binary interface: errnos, ioctl numbers, flags, capabilities, limits.

Numbers are those of the 3.6 headers (include/linux/kvm.h, arch/x86/include/asm/kvm.h) and, for
KVM_EOIFD, of the v7 patch as quoted in the thread.
"""

from __future__ import annotations

import errno as _errno
from typing import Self


class Errno(int):
    """A negative errno as a kernel function returns it, with one sentence on why."""

    why: str

    def __new__(cls, number: int, why: str) -> Self:
        """Make -number; ``why`` is for people and takes no part in comparison."""
        self = super().__new__(cls, -number)
        self.why = why
        return self

    def __reduce__(self) -> tuple[type[Errno], tuple[int, str]]:
        """Return what makes it again: it is sent to other processes."""
        return Errno, (-int(self), self.why)

    @property
    def name(self) -> str:
        """The name, "EBUSY"."""
        return _errno.errorcode[-int(self)]

    def __repr__(self) -> str:
        return f"-{self.name}"


class Fault(int):
    """-1, for an access that the guest is told of by an exception; ``why`` is for people."""

    why: str

    def __new__(cls, why: str) -> Self:
        """Make a fault with its sentence."""
        self = super().__new__(cls, -1)
        self.why = why
        return self

    def __reduce__(self) -> tuple[type[Fault], tuple[str]]:
        """Return what makes it again: it is sent to other processes."""
        return Fault, (self.why,)


EPERM, ENOENT, EINTR, EAGAIN = _errno.EPERM, _errno.ENOENT, _errno.EINTR, _errno.EAGAIN
EBADF, ENOMEM, EFAULT, EBUSY = _errno.EBADF, _errno.ENOMEM, _errno.EFAULT, _errno.EBUSY
EEXIST, EINVAL, EMFILE, ENOSPC = _errno.EEXIST, _errno.EINVAL, _errno.EMFILE, _errno.ENOSPC
ENXIO, ENOSYS, ENOTTY, ENODEV = _errno.ENXIO, _errno.ENOSYS, _errno.ENOTTY, _errno.ENODEV

U64_MAX = 2**64 - 1

# eventfd2 and poll
EFD_SEMAPHORE = 0x1
EFD_NONBLOCK = 0x800
EFD_CLOEXEC = 0x80000
POLLIN, POLLOUT, POLLERR, POLLHUP = 0x1, 0x4, 0x8, 0x10

# KVM_IRQFD, KVM_EOIFD, KVM_IOEVENTFD
KVM_IRQFD_FLAG_DEASSIGN = 1 << 0
KVM_IRQFD_FLAG_LEVEL = 1 << 1  # its value is the v4 consumer's in QEMU, as the thread gives only its name
KVM_IRQFD_FLAG_LEVEL_EOI = 1 << 1  # June 2012
KVM_IRQFD_FLAG_RESAMPLE = 1 << 1  # 3.7 and later
KVM_EOI_EVENTFD_FLAG_DEASSERT = 1 << 1  # April 2011
KVM_EOIFD_FLAG_DEASSIGN = 1 << 0
KVM_EOIFD_FLAG_LEVEL_IRQFD = 1 << 1
KVM_IOEVENTFD_FLAG_DATAMATCH = 1 << 0
KVM_IOEVENTFD_FLAG_PIO = 1 << 1
KVM_IOEVENTFD_FLAG_DEASSIGN = 1 << 2
KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY = 1 << 3  # 3.9 and later
NR_IOBUS_DEVS = 1000

IOCTLS = {
    "KVM_CHECK_EXTENSION": 0xAE03,
    "KVM_CREATE_IRQCHIP": 0xAE60,
    "KVM_IRQ_LINE": 0x4008AE61,
    "KVM_IRQ_LINE_STATUS": 0xC008AE67,
    "KVM_SET_GSI_ROUTING": 0x4008AE6A,
    "KVM_IRQFD": 0x4020AE76,
    "KVM_CREATE_PIT2": 0x4040AE77,
    "KVM_IOEVENTFD": 0x4040AE79,
    "KVM_SIGNAL_MSI": 0x4020AEA5,
    "KVM_EOIFD": 0x4020AEA8,
    "KVM_ENABLE_CAP": 0x4068AEA3,
}
"""ioctl numbers by name."""

# GSI routing
KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC = 0, 1, 2
KVM_IRQ_ROUTING_IRQCHIP, KVM_IRQ_ROUTING_MSI = 1, 2

# What KVM_RUN returns to userspace for
KVM_EXIT_IO, KVM_EXIT_MMIO, KVM_EXIT_IOAPIC_EOI = 2, 6, 26

# IRQ source ids
KVM_USERSPACE_IRQ_SOURCE_ID = 0
KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID = 1
BITS_PER_LONG = 64

RLIMIT_NOFILE = 65536
"""How many descriptors the process may have."""
