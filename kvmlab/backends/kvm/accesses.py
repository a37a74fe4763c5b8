"""What a guest does by command: each verb as accesses of a vCPU to its chips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvmlab.backends.arguments import entry_words
from kvmlab.backends.backend import Args, Refused
from kvmlab.backends.kvm import guest
from kvmlab.backends.kvm import ioctls as kvm
from kvmlab.backends.kvm.chips import Pic
from kvmlab.backends.kvm.host import Host
from kvmlab.engine.chips.ioapic_registers import MASK

APIC_TASKPRI, APIC_EOI = 0xFEE00080, 0xFEE000B0
IOREGSEL = 0xFEC00000
PIC_PORTS = (0x20, 0x21, 0xA0, 0xA1)
_MAPPED = 1 << 32
_REDIR_WRITABLE = 0xFFFFFFFF & ~(1 << 14 | 1 << 12)


def _address(args: Args) -> int:
    addr, length = int(args["addr"]), int(args["len"])
    if addr + length > _MAPPED:
        raise Refused(f"{addr:#x} is beyond the 4 GiB that the guest on a real kernel has mapped")
    if addr + length > guest.BASE:
        raise Refused(f"from {guest.BASE:#x} on is the memory of the guest itself on a real kernel")
    return addr


def _port(args: Args) -> int:
    port, length = int(args["port"]), int(args["len"])
    if port < guest.PORTS.stop and port + length > guest.PORTS.start:
        ports = f"{guest.PORTS.start:#x} to {guest.PORTS.stop - 1:#x}"
        raise Refused(f"the ports {ports} are how the guest on a real kernel is told what to do")
    return port


def _mmio_read(host: Host, args: Args) -> int:
    return host.vcpus[args["vcpu"]].read(f"read{args['len']}", _address(args))


def _mmio_write(host: Host, args: Args) -> int:
    host.vcpus[args["vcpu"]].access(f"write{args['len']}", _address(args), args["value"])
    return 0


def output_may_stand(port: int, value: int, *, write: bool) -> bool:
    """Tell whether an access to an 8259 may leave the INT line as it was, whatever the requests are now.

    The first word of an initialisation does, and a poll that finds the cascade (arch/x86/kvm/i8259.c).
    """
    return (port in (0x20, 0xA0) and bool(value & 0x10)) if write else port in PIC_PORTS and value > 0x7F


def _pio_read(host: Host, args: Args) -> int:
    port = _port(args)
    value = host.vcpus[args["vcpu"]].read(f"in{args['len']}", port)
    if output_may_stand(port, value, write=False):
        host.output_stands = host.profile.in_kernel("pic")
    return value


def _pio_write(host: Host, args: Args) -> int:
    port = _port(args)
    host.vcpus[args["vcpu"]].access(f"out{args['len']}", port, args["value"])
    if output_may_stand(port, args["value"], write=True):
        host.output_stands = host.profile.in_kernel("pic")
    return 0


def _msr_read(host: Host, args: Args) -> int:
    return host.vcpus[args["vcpu"]].read("rdmsr", args["msr"])


def _msr_write(host: Host, args: Args) -> int:
    host.vcpus[args["vcpu"]].access("wrmsr", args["msr"], args["value"])
    return 0


def _register(addr: int, value: str = "") -> Callable[[Host, Args], int]:
    def write(host: Host, args: Args) -> int:
        host.vcpus[args["vcpu"]].access("write4", addr, args[value] if value else 0)
        return 0

    return write


def _entry(host: Host, args: Args) -> int:
    number, pin, low, dest = entry_words(args)
    return _rewrite(host, number, pin, low, dest)


def _mask(bits: int) -> Callable[[Host, Args], int]:
    return lambda host, args: _rewrite(host, args["vcpu"], args["pin"], ((MASK, bits),), None)


def _rewrite(host: Host, number: int, pin: int, low: tuple[tuple[int, int], ...], dest: int | None) -> int:
    """Rewrite a redirection entry as Linux does: the high dword first, only what is named."""
    vcpu = host.vcpus[number]
    if dest is not None:
        vcpu.access("ioapic", IOREGSEL, 0x11 + 2 * pin | dest << 24 + 32)
    if low:
        value = host.vm.ioapic()[5 + pin] & _REDIR_WRITABLE if host.profile.in_kernel("ioapic") else 0
        for mask, bits in low:
            value = value & ~mask | bits
        vcpu.access("ioapic", IOREGSEL, 0x10 + 2 * pin | value << 32)
    return 0


def pic_eoi(host: Host, number: int, last: int) -> int:
    """Write the 8259 EOI of a handler: to the slave too if the vector taken last came from there."""
    if not host.profile.in_kernel("pic"):
        return 0
    base = Pic(*host.vm.pic(kvm.PIC_SLAVE)).irq_base
    if base <= last < base + 8:
        host.vcpus[number].access("out1", 0xA0, 0x20)
    host.vcpus[number].access("out1", 0x20, 0x20)
    return 0


ACCESSES: dict[str, Callable[[Host, dict[str, Any]], int]] = {
    "mmio read": _mmio_read,
    "mmio write": _mmio_write,
    "pio read": _pio_read,
    "pio write": _pio_write,
    "msr read": _msr_read,
    "msr write": _msr_write,
    "ioapic": _entry,
    "mask": _mask(MASK),
    "unmask": _mask(0),
    "tpr": _register(APIC_TASKPRI, "value"),
    "eoi": _register(APIC_EOI),
}
"""Verbs that are accesses of a vCPU."""
