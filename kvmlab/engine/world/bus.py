"""Who answers a guest's access on the I/O buses (kvm_io_bus_write and _read of virt/kvm/kvm_main.c, 3.6).

The devices whose range holds the whole access are asked in the order of the bus until one takes
it. A vCPU is in kvm->srcu for as long as it handles an exit; here it is only while it uses a bus,
which is what matters to those who wait for it.
"""

from __future__ import annotations

from kvmlab.engine.chips.ioapic import IOAPIC
from kvmlab.engine.chips.ioapic_io import ioapic_mmio_read, ioapic_mmio_write
from kvmlab.engine.chips.ioapic_registers import IOAPIC_DEFAULT_BASE_ADDRESS, IOAPIC_MEM_LENGTH
from kvmlab.engine.chips.pic import PIC, Pic, pic_ioport_read, pic_ioport_write
from kvmlab.engine.fds.io_bus import MMIO_BUS, PIO_BUS, IoBus
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.kernel.rcu import SRCU_READ_LOCK, SRCU_READ_UNLOCK
from kvmlab.engine.profile import Profile

PIT = "pit"
PIT_RANGE = (0x40, 4)
"""First port and length of the PIT, whose speaker port KVM_CREATE_PIT2 leaves alone."""

CHIP_RANGES = (
    (MMIO_BUS, IOAPIC_DEFAULT_BASE_ADDRESS, IOAPIC_MEM_LENGTH, IOAPIC),
    (PIO_BUS, 0x20, 2, PIC),
    (PIO_BUS, 0xA0, 2, PIC),
    (PIO_BUS, 0x4D0, 2, PIC),
)
"""What KVM_CREATE_IRQCHIP registers: bus, address, length, chip. The 8259 pair is three devices."""

WRITES = {IOAPIC: "ioapic_dev_write", PIC: "picdev_write", PIT: "pit_dev_write"}
"""By chip, the path that takes a write; every other device is an ioeventfd."""

READS = {IOAPIC: "ioapic_dev_read", PIC: "picdev_read", PIT: "pit_dev_read"}
"""By chip, the path that answers a read; an ioeventfd answers none."""


@path
def kvm_io_bus_write(profile: Profile, bus: str, addr: int, length: int, value: int) -> Path[bool]:
    """Offer a write to the devices of a bus; False if none takes it."""
    taken = False
    yield SRCU_READ_LOCK
    for device in (yield (IoBus.covering, bus, addr, length)):
        taken = yield from PATHS[WRITES.get(device, "ioeventfd_write")](profile, device, addr, length, value)
        if taken:
            break
    yield SRCU_READ_UNLOCK
    return taken


@path
def kvm_io_bus_read(profile: Profile, bus: str, addr: int, length: int) -> Path[int | None]:
    """Offer a read to the devices of a bus: the value, or None if none answers."""
    value: int | None = None
    yield SRCU_READ_LOCK
    for device in (yield (IoBus.covering, bus, addr, length)):
        if device in READS:
            value = yield from PATHS[READS[device]](profile, addr, length)
            break
    yield SRCU_READ_UNLOCK
    return value


@path
def ioapic_dev_write(profile: Profile, device: str, addr: int, length: int, value: int) -> Path[bool]:
    """The IOAPIC takes every write to its page."""
    yield from ioapic_mmio_write(profile, addr, length, value)
    return True


@path
def ioapic_dev_read(profile: Profile, addr: int, length: int) -> Path[int]:
    """The IOAPIC answers every read of its page."""
    return (yield from ioapic_mmio_read(profile, addr, length))


@path
def picdev_write(profile: Profile, device: str, addr: int, length: int, value: int) -> Path[bool]:
    """arch/x86/kvm/i8259.c: picdev_write: whatever is not one byte long is taken, logged and dropped."""
    if length == 1:
        yield from pic_ioport_write(profile, addr, value)
    else:
        yield (Pic.unimplemented, PIC, "non byte write")
    return True


@path
def picdev_read(profile: Profile, addr: int, length: int) -> Path[int]:
    """arch/x86/kvm/i8259.c: picdev_read: whatever is not one byte long is logged and reads 0."""
    if length == 1:
        return (yield from pic_ioport_read(profile, addr))
    yield (Pic.unimplemented, PIC, "non byte read")
    return 0


@path
def pit_dev_write(profile: Profile, device: str, addr: int, length: int, value: int) -> Path[bool]:
    """The PIT takes every write; its counters are left out, as the machine has no clock."""
    return True
    yield


@path
def pit_dev_read(profile: Profile, addr: int, length: int) -> Path[int]:
    """The PIT answers every read, and as it does not count, with 0."""
    return 0
    yield
