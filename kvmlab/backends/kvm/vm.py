"""One VM of /dev/kvm with its chips and one slot of memory: the ioctls, each a thin method.

Every method raises OSError with the kernel's errno. Every descriptor is close-on-exec and closed by
:meth:`Vm.close`, which may be called at any time; what a killed process leaves is closed by the kernel,
and nothing else is ever made.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from ctypes import addressof, c_char
from errno import EACCES, EBUSY, EMFILE, ENODEV, ENOENT, ENOMEM, ENOTTY, ENXIO, EPERM

from kvmlab.backends.backend import Refused
from kvmlab.backends.kvm import guest
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.ioctls import ioctl
from kvmlab.engine.abi import KVM_IRQ_ROUTING_IRQCHIP
from kvmlab.engine.chips.route_table import Route
from kvmlab.engine.chips.split import RESERVED_PINS
from kvmlab.engine.switches import KERNEL, NO_IRQCHIP, SPLIT

DEVICE_VARIABLE = "KVMLAB_DEV_KVM"
"""Names another device than /dev/kvm."""

_LOW = (1 << 32) - 1

X2APIC_BIT = 1 << 21
"""CPUID leaf 1, ECX."""

_REMEDIES = {
    EACCES: "join the group that owns it ('usermod -aG kvm USER', then log in again), or run as root",
    EPERM: "the device may not be opened here; a container needs '--device /dev/kvm'",
    ENOENT: "load kvm_intel or kvm_amd, switch virtualization on in the firmware, or give a container"
    " '--device /dev/kvm'",
    ENXIO: "its module is gone: load kvm_intel or kvm_amd",
    ENODEV: "its module is gone: load kvm_intel or kvm_amd",
    ENOTTY: "this is no KVM device",
    EMFILE: "raise the limit of this process ('ulimit -n 4096'), or use fewer descriptors",
    ENOMEM: "end other programs or VMs, or raise the limit of this process ('ulimit -v unlimited')",
    EBUSY: "another hypervisor has the processor's virtualization",
}


def device() -> str:
    """Return the path of the KVM device."""
    return os.environ.get(DEVICE_VARIABLE) or "/dev/kvm"


def refusal(error: OSError, what: str) -> Refused:
    """Return one sentence on a machine that cannot be made: what failed, the errno, the remedy."""
    from errno import errorcode

    number = error.errno or 0
    remedy = _REMEDIES.get(number, "'machine' without backend= runs the model")
    return Refused(f"{what}: {errorcode.get(number, number)}, {error.strerror}; {remedy}")


class Kvm:
    """The system descriptor and what the kernel can do. Raises Refused where there is no usable KVM."""

    def __init__(self) -> None:
        path = device()
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise refusal(error, f"{path} cannot be opened") from None
        try:
            self._check(path)
        except OSError as error:
            self.close()
            raise refusal(error, f"{path} does not answer as KVM") from None
        except BaseException:
            self.close()
            raise

    def _check(self, path: str) -> None:
        version = ioctl(self.fd, kvm.KVM_GET_API_VERSION, 0)
        if version != kvm.API_VERSION:
            raise Refused(f"{path} speaks version {version}, not {kvm.API_VERSION}")
        lacking = [name for name, number in kvm.NEEDED.items() if not self.extension(number)]
        if lacking:
            raise Refused(f"this kernel lacks {', '.join(lacking)}; the model needs none")

    def extension(self, number: int) -> int:
        """KVM_CHECK_EXTENSION."""
        return ioctl(self.fd, kvm.KVM_CHECK_EXTENSION, number)

    def cpuid(self, x2apic: bool) -> bytearray:
        """Return struct kvm_cpuid2 with all that the host supports, x2APIC only if it is asked for."""
        entries = 256
        table = bytearray(8 + 40 * entries)
        table[0:4] = entries.to_bytes(4, "little")
        ioctl(self.fd, kvm.KVM_GET_SUPPORTED_CPUID, table)
        for number in range(int.from_bytes(table[0:4], "little")):
            at = 8 + 40 * number
            if int.from_bytes(table[at : at + 4], "little") == 1:
                ecx = int.from_bytes(table[at + 20 : at + 24], "little")
                ecx = ecx | X2APIC_BIT if x2apic else ecx & ~X2APIC_BIT
                table[at + 20 : at + 24] = ecx.to_bytes(4, "little")
        return table

    def close(self) -> None:
        """Close the descriptor, once."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


_SPLIT = kvm.ENABLE_CAP.pack(kvm.USED["KVM_CAP_SPLIT_IRQCHIP"], 0, RESERVED_PINS, 0, 0, 0)

_MADE_BY: dict[str, tuple[tuple[int, bytearray | int], ...]] = {
    KERNEL: ((kvm.KVM_CREATE_IRQCHIP, 0),),
    SPLIT: ((kvm.KVM_ENABLE_CAP, bytearray(_SPLIT)),),
    NO_IRQCHIP: (),
}
"""The ioctls, before the first vCPU, by which a VM gets its irqchip."""


class Vm:
    """A VM, with a whole irqchip in the kernel unless IRQCHIP_MODES has it otherwise; no vCPUs yet."""

    def __init__(self, system: Kvm, *, irqchip: str = KERNEL, memory: bool = True) -> None:
        self.fd = -1
        self.memory: mmap.mmap | None = None
        try:
            self.fd = ioctl(system.fd, kvm.KVM_CREATE_VM, 0)
            for request, argument in _MADE_BY[irqchip]:
                ioctl(self.fd, request, argument)
            if memory:
                self._add_memory()
        except BaseException:
            self.close()
            raise

    def _add_memory(self) -> None:
        self.memory = mmap.mmap(-1, guest.SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        guest.fill(self.memory)
        start = c_char.from_buffer(self.memory)
        region = bytearray(kvm.MEMORY_REGION.pack(0, 0, guest.BASE, guest.SIZE, addressof(start)))
        del start
        ioctl(self.fd, kvm.KVM_SET_USER_MEMORY_REGION, region)

    def close(self) -> None:
        """Close the VM's descriptor and unmap its memory; its vCPUs are closed before."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.memory is not None:
            self.memory.close()
            self.memory = None

    # -- interrupts -------------------------------------------------------------------------------

    def irqfd(self, fd: int, gsi: int, flags: int, resamplefd: int) -> int:
        """KVM_IRQFD."""
        structure = bytearray(kvm.IRQFD.pack(fd & _LOW, gsi, flags, resamplefd & _LOW))
        return ioctl(self.fd, kvm.KVM_IRQFD, structure)

    def ioeventfd(self, datamatch: int, addr: int, length: int, fd: int, flags: int) -> int:
        """KVM_IOEVENTFD."""
        structure = bytearray(kvm.IOEVENTFD.pack(datamatch, addr, length, fd & _LOW, flags))
        return ioctl(self.fd, kvm.KVM_IOEVENTFD, structure)

    def irq_line(self, gsi: int, level: int) -> int:
        """KVM_IRQ_LINE_STATUS: the status, which may be -1."""
        structure = bytearray(kvm.IRQ_LEVEL.pack(gsi, level))
        ioctl(self.fd, kvm.KVM_IRQ_LINE_STATUS, structure)
        return int.from_bytes(structure[:4], "little", signed=True)

    def signal_msi(self, address_lo: int, address_hi: int, data: int, flags: int) -> int:
        """KVM_SIGNAL_MSI: the status."""
        structure = bytearray(kvm.MSI.pack(address_lo, address_hi, data, flags))
        return ioctl(self.fd, kvm.KVM_SIGNAL_MSI, structure)

    def set_gsi_routing(self, routes: Iterable[Route], flags: int = 0) -> int:
        """KVM_SET_GSI_ROUTING."""
        entries = []
        for route in routes:
            chip, message = (route.irqchip, route.pin, 0), (route.address_lo, route.address_hi, route.data)
            union = chip if route.type == KVM_IRQ_ROUTING_IRQCHIP else message
            entries.append(kvm.ROUTING_ENTRY.pack(route.gsi, route.type, route.flags, 0, *union, *[0] * 5))
        table = bytearray(kvm.ROUTING_HEAD.pack(len(entries), flags) + b"".join(entries))
        return ioctl(self.fd, kvm.KVM_SET_GSI_ROUTING, table)

    def create_pit(self) -> int:
        """KVM_CREATE_PIT2."""
        return ioctl(self.fd, kvm.KVM_CREATE_PIT2, bytearray(64))

    # -- chips ------------------------------------------------------------------------------------

    def irqchip(self, number: int) -> bytearray:
        """KVM_GET_IRQCHIP: struct kvm_irqchip of a chip."""
        state = bytearray(kvm.IRQCHIP_SIZE)
        state[0] = number
        ioctl(self.fd, kvm.KVM_GET_IRQCHIP, state)
        return state

    def set_irqchip(self, state: bytearray) -> None:
        """KVM_SET_IRQCHIP with what :meth:`irqchip` returned."""
        ioctl(self.fd, kvm.KVM_SET_IRQCHIP, state)

    def ioapic(self) -> tuple[int, ...]:
        """Return the IOAPIC as (base_address, ioregsel, id, irr, a pad, 24 entries)."""
        return kvm.IOAPIC_STATE.unpack_from(self.irqchip(kvm.IOAPIC), kvm.IRQCHIP_HEAD)

    def pic(self, number: int) -> tuple[int, ...]:
        """Return one 8259 as the fields of struct kvm_pic_state."""
        return kvm.PIC_STATE.unpack_from(self.irqchip(number), kvm.IRQCHIP_HEAD)
