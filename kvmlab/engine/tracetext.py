"""The wording of the tracepoints: one formatter an event, its parameters the event's fields.

Formats follow include/trace/events/kvm.h and arch/x86/kvm/trace.h of Linux 3.6 and 6.x. The fields are
those the kernel stores in the ring, as integers; recording them is in tracepoint.py.
"""

from __future__ import annotations

from collections.abc import Callable

from kvmlab.engine.abi import EINTR, KVM_EXIT_IO, KVM_EXIT_IOAPIC_EOI, KVM_EXIT_MMIO
from kvmlab.engine.profile import DEFAULT_KERNEL
from kvmlab.engine.tracepoint import Event

DELIVER_MODES = ("Fixed", "LowPrio", "SMI", "Res3", "NMI", "INIT", "SIPI", "ExtINT")
"""kvm_deliver_mode: bits 10:8 of an ICR, an MSI's data or a redirection entry."""

SHORTHANDS = ("dst", "self", "all", "all-but-self")
IRQCHIPS = ("PIC master", "PIC slave", "IOAPIC")
MMIO_TYPES = ("unsatisfied-read", "read", "write")

APIC_REGISTERS = {
    0x20: "APIC_ID",
    0x30: "APIC_LVR",
    0x80: "APIC_TASKPRI",
    0x90: "APIC_ARBPRI",
    0xA0: "APIC_PROCPRI",
    0xB0: "APIC_EOI",
    0xC0: "APIC_RRR",
    0xD0: "APIC_LDR",
    0xE0: "APIC_DFR",
    0xF0: "APIC_SPIV",
    0x100: "APIC_ISR",
    0x180: "APIC_TMR",
    0x200: "APIC_IRR",
    0x280: "APIC_ESR",
    0x300: "APIC_ICR",
    0x310: "APIC_ICR2",
    0x320: "APIC_LVTT",
    0x330: "APIC_LVTTHMR",
    0x340: "APIC_LVTPC",
    0x350: "APIC_LVT0",
    0x360: "APIC_LVT1",
    0x370: "APIC_LVTERR",
    0x380: "APIC_TMICT",
    0x390: "APIC_TMCCT",
    0x3E0: "APIC_TDCR",
    0x3F0: "APIC_SELF_IPI",
    0x400: "APIC_EFEAT",
    0x410: "APIC_ECTRL",
}
"""kvm_trace_symbol_apic: names by exact offset; any other offset is printed as a number."""


def _coalesced(flag: int) -> str:
    return " (coalesced)" if flag else ""


def _message(mode: int, logical: int, level: int) -> str:
    destination = "logical" if logical else "physical"
    return f"{DELIVER_MODES[mode >> 8 & 7]}|{destination}|{_trigger(level)}"


def _trigger(level: int) -> str:
    return "level" if level else "edge"


def _kvm_set_irq(gsi: int, level: int, irq_source_id: int) -> str:
    return f"gsi {gsi} level {level} source {irq_source_id}"


def _kvm_ioapic_set_irq(e: int, pin: int, coalesced: int) -> str:
    masked = "|masked" if e & 1 << 16 else ""
    message = _message(e, e & 1 << 11, e & 1 << 15)
    return f"pin {pin} dst {e >> 56:x} vec={e & 0xFF} ({message}{masked}){_coalesced(coalesced)}"


def _kvm_pic_set_irq(chip: int, pin: int, elcr: int, imr: int, coalesced: int) -> str:
    masked = "|masked" if imr >> pin & 1 else ""
    return f"chip {chip} pin {pin} ({_trigger(elcr >> pin & 1)}{masked}){_coalesced(coalesced)}"


def _kvm_apic_accept_irq(apicid: int, dm: int, tm: int, vec: int, coalesced: int) -> str:
    mode = DELIVER_MODES[dm >> 8 & 7]
    return f"apicid {apicid:x} vec {vec} ({mode}|{_trigger(tm)}){_coalesced(coalesced)}"


def _kvm_msi_set_irq(address: int, data: int) -> str:
    hint = "|rh" if address & 1 << 3 else ""
    message = _message(data, address & 1 << 2, data & 1 << 15)
    return f"dst {address >> 12 & 0xFF} vec {data & 0xFF:x} ({message}{hint})"


def _kvm_apic_ipi(icr_low: int, dest_id: int) -> str:
    destination = "logical" if icr_low & 1 << 11 else "physical"
    asserted = "assert" if icr_low & 1 << 14 else "de-assert"
    mode, shorthand = DELIVER_MODES[icr_low >> 8 & 7], SHORTHANDS[icr_low >> 18 & 3]
    trigger = _trigger(icr_low & 1 << 15)
    return f"dst {dest_id:x} vec {icr_low & 0xFF} ({mode}|{destination}|{asserted}|{trigger}|{shorthand})"


def _kvm_eoi(apicid: int, vector: int) -> str:
    return f"apicid {apicid:x} vector {vector}"


def _kvm_ack_irq(irqchip: int, pin: int) -> str:
    return f"irqchip {IRQCHIPS[irqchip]} pin {pin}"


def _kvm_inj_virq(irq: int) -> str:
    return f"irq {irq}"


def _kvm_apic(rw: int, reg: int, val: int) -> str:
    return f"apic_{_access(rw)} {APIC_REGISTERS.get(reg, hex(reg))} = {val:#x}"


def _access(write: int) -> str:
    return "write" if write else "read"


def _kvm_mmio(kind: int, length: int, gpa: int, val: int) -> str:
    return f"mmio {MMIO_TYPES[kind]} len {length} gpa {gpa:#x} val {val:#x}"


def _kvm_pio(rw: int, port: int, size: int, count: int, _val: int) -> str:
    return f"pio_{_access(rw)} at {port:#x} size {size} count {count}"


def _kvm_msr(write: int, ecx: int, data: int, exception: int) -> str:
    return f"msr_{_access(write)} {ecx:x} = {data:#x}{' (#GP)' if exception else ''}"


_EXIT_REASONS = {
    KVM_EXIT_IO: "KVM_EXIT_IO",
    KVM_EXIT_MMIO: "KVM_EXIT_MMIO",
    KVM_EXIT_IOAPIC_EOI: "KVM_EXIT_IOAPIC_EOI",
}
"""kvm_trace_exit_reason, as far as it is met; any other is printed as a number."""


def _kvm_userspace_exit(reason: int, errno: int) -> str:
    if errno < 0:
        return f"reason {'restart' if errno == -EINTR else 'error'} ({-errno})"
    return f"reason {_EXIT_REASONS.get(reason, f'{reason:#x}')} ({reason})"


FORMATS_3_6: dict[str, Callable[..., str]] = {
    "kvm_set_irq": _kvm_set_irq,
    "kvm_ioapic_set_irq": _kvm_ioapic_set_irq,
    "kvm_pic_set_irq": _kvm_pic_set_irq,
    "kvm_apic_accept_irq": _kvm_apic_accept_irq,
    "kvm_msi_set_irq": _kvm_msi_set_irq,
    "kvm_apic_ipi": _kvm_apic_ipi,
    "kvm_eoi": _kvm_eoi,
    "kvm_ack_irq": _kvm_ack_irq,
    "kvm_inj_virq": _kvm_inj_virq,
    "kvm_apic": _kvm_apic,
    "kvm_mmio": _kvm_mmio,
    "kvm_pio": _kvm_pio,
    "kvm_msr": _kvm_msr,
    "kvm_userspace_exit": _kvm_userspace_exit,
}
"""By event name: a function of the event's fields, in the order the tracepoint stores them."""


def _kvm_ioapic_set_irq_6_x(e: int, pin: int, coalesced: int) -> str:
    return f"pin {pin} {_entry(e)}{_coalesced(coalesced)}"


def _entry(e: int) -> str:
    masked = "|masked" if e & 1 << 16 else ""
    return f"dst {e >> 56:x} vec {e & 0xFF} ({_message(e, e & 1 << 11, e & 1 << 15)}{masked})"


def _kvm_apic_accept_irq_6_x(apicid: int, dm: int, tm: int, vec: int, _coalesced: int) -> str:
    return f"apicid {apicid:x} vec {vec} ({DELIVER_MODES[dm >> 8 & 7]}|{_trigger(tm)})"


def _kvm_msi_set_irq_6_x(address: int, data: int) -> str:
    hint = "|rh" if address & 1 << 3 else ""
    message = _message(data, address & 1 << 2, data & 1 << 15)
    return f"dst {address >> 12 & 0xFF:x} vec {data & 0xFF} ({message}{hint})"


def _kvm_inj_virq_6_x(vector: int) -> str:
    return f"IRQ {vector:#x}"


def _kvm_pio_6_x(rw: int, port: int, size: int, count: int, val: int) -> str:
    # The format ends with a blank and "(...)" for what a string instruction repeats.
    return f"{_kvm_pio(rw, port, size, count, val)} val {val:#x} "


FORMATS: dict[str, dict[str, Callable[..., str]]] = {
    "linux-3.6": FORMATS_3_6,
    "linux-6.x": {
        **FORMATS_3_6,
        "kvm_ioapic_set_irq": _kvm_ioapic_set_irq_6_x,
        "kvm_ioapic_delayed_eoi_inj": _entry,
        "kvm_apic_accept_irq": _kvm_apic_accept_irq_6_x,
        "kvm_msi_set_irq": _kvm_msi_set_irq_6_x,
        "kvm_inj_virq": _kvm_inj_virq_6_x,
        "kvm_pio": _kvm_pio_6_x,
    },
}
"""The formats of each kernel."""


def format_event(event: Event, kernel: str = DEFAULT_KERNEL) -> str:
    """Return an event as a kernel words it, ``name: text``; KeyError for one that it does not have."""
    return f"{event[0]}: {FORMATS[kernel][event[0]](*event[1:])}"
