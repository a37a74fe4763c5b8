"""Why a kernel says no, in one sentence: by verb and errno, as the sources and recordings have it."""

from __future__ import annotations

import os
from errno import EAGAIN, EBADF, EBUSY, EEXIST, EINVAL, EMFILE, ENOENT, ENOSPC, ENXIO

_OF_VERB = {
    ("read", EAGAIN): "the counter is 0, and the fd does not block",
    ("write", EAGAIN): "the counter would pass its limit, and the fd does not block",
    ("write", EINVAL): "the value is the one that no counter reaches",
    ("irqfd", EBUSY): "this eventfd feeds an irqfd already, perhaps of another VM",
    (
        "irqfd",
        EINVAL,
    ): "an unknown flag, a descriptor that is no eventfd, or a chip that is not in the kernel:"
    " a LAPIC, or to resample an IOAPIC",
    ("ioeventfd", EEXIST): "an ioeventfd, or a chip, matches the same writes already",
    ("ioeventfd", EINVAL): "an unknown flag, a length that is none of 0, 1, 2, 4 and 8, or no eventfd",
    ("ioeventfd", ENOENT): "no ioeventfd of this eventfd matches these writes",
    ("ioeventfd", ENOSPC): "the bus is full",
    ("irq-line", ENXIO): "the VM has no in-kernel irqchip",
    ("route", EINVAL): "an entry that the kernel does not take: a chip that is not in it, pin, GSI, flags, or"
    " two of a kind",
    ("routes default", EINVAL): "no IOAPIC and no 8259 is in the kernel",
    ("pit", EEXIST): "there is a PIT already",
    ("pit", ENOENT): "no 8259 is in the kernel",
}

_OF_ERRNO = {
    EBADF: "the descriptor is not open",
    EEXIST: "the name is open; close it before it is used again",
    EMFILE: "the process has as many descriptors as it may",
}


def reason(verb: str, number: int) -> str:
    """Return why, or what the C library says of the errno."""
    return _OF_VERB.get((verb, number)) or _OF_ERRNO.get(number) or os.strerror(number)
