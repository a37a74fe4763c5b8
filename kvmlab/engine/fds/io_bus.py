"""The I/O buses of a VM: which devices answer to an address (kvm_io_bus_* in virt/kvm/kvm_main.c of 3.6).

A bus is an array of ranges that is replaced as a whole under slots_lock; a vCPU reads it under
kvm->srcu. It is sorted by address, then by end. Left out: what the kernel's sort makes of a range
that begins inside another one, which its comparison calls equal; here the outer one comes first.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

from kvmlab.engine.abi import ENOENT, ENOSPC, KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY, NR_IOBUS_DEVS, Errno
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.kernel.rcu import synchronize_srcu
from kvmlab.engine.kernels import Rules
from kvmlab.engine.profile import Profile

MMIO_BUS, PIO_BUS, CCW_BUS = "bus-mmio", "bus-pio", "bus-virtio-ccw"
BUSES = (MMIO_BUS, PIO_BUS, CCW_BUS)
"""kvm->buses, in the order of enum kvm_bus. No x86 guest reaches the third, which later kernels have."""


def buses_of(rules: Rules) -> tuple[str, ...]:
    """Return the buses of a kernel."""
    return BUSES if rules.ioeventfd_flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY else BUSES[:2]


Range = tuple[int, int, str]
"""struct kvm_io_range: first address, first address behind it, device."""


class IoBus(Object):
    """struct kvm_io_bus: its ranges, sorted. A device is a handle, or a chip's name."""

    __slots__ = ("ranges",)
    FIELDS = ("ranges",)

    def __init__(self) -> None:
        super().__init__()
        self.ranges: tuple[Range, ...] = ()

    def insert_dev(self, addr: int, length: int, device: str, counted: bool = True) -> int:
        """Put a device on the bus: 0, or -ENOSPC when it holds 1000 already.

        Ioeventfds are among the thousand where they are ``counted``.
        """
        before = self.ranges
        devices = before if counted else [each for each in before if not each[2].startswith("ioeventfd#")]
        if len(devices) > NR_IOBUS_DEVS - 1:
            return Errno(ENOSPC, f"the bus holds {NR_IOBUS_DEVS} devices")
        self.changed()
        at = bisect_right(before, (addr, addr + length), key=itemgetter(0, 1))
        self.ranges = (*before[:at], (addr, addr + length, device), *before[at:])
        return 0

    def remove_dev(self, device: str) -> int:
        """Take a device off the bus: 0, or -ENOENT when it is not on this one."""
        rest = tuple([found for found in self.ranges if found[2] != device])
        if len(rest) == len(self.ranges):
            return Errno(ENOENT, "the device is not on this bus")
        self.changed()
        self.ranges = rest
        return 0

    def devices(self) -> tuple[str, ...]:
        """Return every device, in the order of the bus."""
        return tuple([device for _first, _end, device in self.ranges])

    def covering(self, addr: int, length: int) -> tuple[str, ...]:
        """Return the devices whose range holds the whole access, in the order they are asked.

        A range without a length holds every access to its address (kvm_io_bus_cmp of 6.x).
        """
        end = addr + length
        return tuple(
            [
                device
                for first, last, device in self.ranges
                if first == last == addr or (first <= addr and end <= last)
            ]
        )


@path
def kvm_io_bus_register_dev(profile: Profile, bus: str, addr: int, length: int, device: str) -> Path[int]:
    """Put a device on a bus and wait for the vCPUs that read the old one: 0 or -ENOSPC."""
    counted = profile.rules.ioeventfds_counted
    ret: int = yield (IoBus.insert_dev, bus, addr, length, device, counted)
    if ret == 0:
        yield from synchronize_srcu(profile)
    return ret


@path
def kvm_io_bus_unregister_dev(profile: Profile, bus: str, device: str) -> Path[int]:
    """Take a device off a bus and wait for the vCPUs that read the old one: 0 or -ENOENT."""
    ret: int = yield (IoBus.remove_dev, bus, device)
    if ret == 0:
        yield from synchronize_srcu(profile)
    return ret
