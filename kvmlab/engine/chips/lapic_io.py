"""What a guest's access to its local APIC sets off: an EOI (eoi.py), IPIs, and the way in.

Follows arch/x86/kvm/lapic.c of Linux 3.6 and 6.x: apic_reg_write and its callers, by MMIO or by MSR.
A vCPU reaches only its own local APIC this way, so one access to its registers is one op.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.engine.chips.apics import APICS, Apics
from kvmlab.engine.chips.eoi import apic_set_eoi
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.lapic_registers import APIC_DEST_SELF, APIC_EOI, APIC_ICR, APIC_ICR2, APIC_SELF_IPI
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.profile import Profile

APIC_BASE_MSR = 0x800
_MSR_ICR = APIC_BASE_MSR + (APIC_ICR >> 4)


@path
def apic_send_ipi(profile: Profile, lapic: str, _value: int) -> Path[int]:
    """Send the message that ICR holds: see :meth:`Apics.send_ipi`."""
    ret: int = yield (Apics.send_ipi, APICS, lapic)
    return ret


@path
def apic_send_self_ipi(profile: Profile, lapic: str, value: int) -> Path[int]:
    """Send a vCPU a fixed interrupt of its own; 6.x leaves ICR alone for it."""
    ret: int = yield (Apics.send_message, APICS, lapic, APIC_DEST_SELF | value & 0xFF, 0)
    return ret


_EFFECTS: dict[int, Callable[[Profile, str, int], Path[int]]] = {
    APIC_EOI: apic_set_eoi,
    APIC_ICR: apic_send_ipi,
    APIC_SELF_IPI: apic_send_self_ipi,
}
"""What a register does outside its own chip."""


@path
def apic_reg_write(profile: Profile, lapic: str, reg: int, value: int) -> Path[int]:
    """Write a register of the page: 0, or 1 for a refused one."""
    result: int = yield (Lapic.reg_write, lapic, reg, value)
    effect = _EFFECTS.get(result)
    if effect is None:
        return result
    yield from effect(profile, lapic, value)
    return 0


@path
def apic_mmio_write(profile: Profile, lapic: str, addr: int, length: int, value: int) -> Path[bool]:
    """Write the APIC page; False if the address is not this APIC's (or it is disabled)."""
    result = yield (Lapic.mmio_write, lapic, addr, length, value)
    effect = _EFFECTS.get(result)
    if effect:
        yield from effect(profile, lapic, value)
    return result is not None


@path
def apic_mmio_read(profile: Profile, lapic: str, addr: int, length: int) -> Path[int | None]:
    """Read the APIC page; None if the address is not this APIC's (or it is disabled)."""
    value: int | None = yield (Lapic.mmio_read, lapic, addr, length)
    return value


@path
def kvm_x2apic_msr_write(profile: Profile, lapic: str, msr: int, value: int) -> Path[int]:
    """Write MSR 0x800-0xbff: 0, or 1 for #GP (not in x2APIC mode, or a refused register)."""
    if not profile.in_kernel("lapic") or not (yield (Lapic.x2apic_mode, lapic)):
        return 1
    if profile.rules.x2apic_icr_whole:
        if msr == _MSR_ICR:
            return (yield from kvm_x2apic_icr_write(profile, lapic, value))
        if value >> 32:
            return 1
    elif msr == _MSR_ICR:
        # The destination goes in before the command that uses it.
        yield from apic_reg_write(profile, lapic, APIC_ICR2, value >> 32)
    return (yield from apic_reg_write(profile, lapic, msr - APIC_BASE_MSR << 4, value & 0xFFFFFFFF))


@path
def kvm_x2apic_icr_write(profile: Profile, lapic: str, value: int) -> Path[int]:
    """Write the 64-bit ICR of 6.x: 0, or 1 for reserved bits. The tracepoint comes after the IPI."""
    if (yield (Lapic.write_x2apic_icr, lapic, value)):
        return 1
    yield (Apics.send_ipi, APICS, lapic)
    yield (Lapic.trace_icr, lapic, value)
    return 0


@path
def kvm_x2apic_msr_read(profile: Profile, lapic: str, msr: int) -> Path[int | None]:
    """Read MSR 0x800-0xbff; None for #GP (not in x2APIC mode, or a refused register)."""
    if not profile.in_kernel("lapic") or not (yield (Lapic.x2apic_mode, lapic)):
        return None
    if profile.rules.x2apic_icr_whole and msr == _MSR_ICR:
        icr: int = yield (Lapic.read_x2apic_icr, lapic)
        return icr
    low: int | None = yield (Lapic.reg_read, lapic, msr - APIC_BASE_MSR << 4)
    if msr != _MSR_ICR or low is None:
        return low
    high: int = yield (Lapic.reg_read, lapic, APIC_ICR2)
    return high << 32 | low
