"""The LAPICs in QEMU's wording (target/i386/cpu-apic.c: ``info lapic``).

Below QEMU's lines stands one with what only KVM knows: its lowest-priority counter, the NMIs it
queued and the vCPU's KVM_MP_STATE.
"""

from __future__ import annotations

from kvmlab.render.cells import Cell, Row, hidden, line
from kvmlab.snapshot import LapicSnapshot, Snapshot

DELIVERY = ("Fixed", "...", "SMI", "...", "NMI", "INIT", "...", "ExtINT")
SHORTHANDS = ("no-shorthand", "self", "all-self", "all")
NMI = 4

LVT_LINES = (("LVT0", 3), ("LVT1", 4), ("LVTPC", 2), ("LVTERR", 5), ("LVTTHMR", 1), ("LVTT", 0))
"""QEMU's order of the local vector table: (name, index into LapicSnapshot.lvt)."""

TIMER = 0
"""The index of the timer in LapicSnapshot.lvt."""


def lapic_rows(snapshot: Snapshot) -> list[Row]:
    """Return ``info lapic`` for every vCPU."""
    if snapshot.lapics is None:
        return hidden("lapic")
    return [row for lapic in snapshot.lapics for row in one_lapic(lapic)]


def one_lapic(lapic: LapicSnapshot) -> list[Row]:
    """Return ``info lapic`` for one vCPU."""
    divide = (lapic.tdcr & 8) >> 1 | lapic.tdcr & 3
    divisor = 1 if divide == 7 else 2 << divide
    spiv = lapic.spiv
    return [
        line(Cell(f"dumping local APIC state for CPU {lapic.vcpu}", "header")),
        line(""),
        *[_lvt(name, lapic.lvt[i], i == TIMER) for name, i in LVT_LINES],
        _register(
            "Timer",
            f"DCR=0x{lapic.tdcr & 0xB:x} (divide by {divisor}) initial_count = {lapic.tmict}"
            + ("" if lapic.tmcct is None else f" current_count = {lapic.tmcct}"),
        ),
        _register(
            "SPIV",
            f"0x{spiv:08x} APIC {'enabled' if spiv & 0x100 else 'disabled'}, "
            f"focus={'on' if spiv & 0x200 else 'off'}, spurious vec {spiv & 0xFF}",
        ),
        _register("ICR", _icr(lapic.icr)),
        _register("ICR2", f"0x{lapic.icr2:08x}{_destination(lapic)}"),
        _register("ESR", f"0x{lapic.esr:08x}"),
        _vectors("ISR", lapic.isr, lapic.tmr, "irq-in-service"),
        _vectors("IRR", lapic.irr, lapic.tmr, "irq-pending"),
        line(""),
        _priorities(lapic),
        *_kvm(lapic),
    ]


def _register(name: str, text: str) -> Row:
    return line(f"{name:<8} {text}")


def _lvt(name: str, lvt: int, timer: bool) -> Row:
    mode = lvt >> 8 & 7
    timing = ("one-shot", "periodic", "tsc-deadline", "tsc-deadline")[lvt >> 17 & 3] if timer else ""
    return line(
        f"{name:<8} 0x{lvt:08x} {'active-lo' if lvt & 1 << 13 else 'active-hi'} "
        f"{'level' if lvt & 1 << 15 else 'edge':<5} ",
        Cell("masked", "irq-masked") if lvt & 1 << 16 else Cell("      "),
        f" {'pending' if lvt & 1 << 12 else '':<7} {timing:<12} {DELIVERY[mode]:<6}",
        "" if mode == NMI else f" (vec {lvt & 0xFF})",
    )


def _icr(icr: int) -> str:
    mode = "logical" if icr & 1 << 11 else "physical"
    trigger = "level" if icr & 1 << 15 else "edge"
    level = "assert" if icr & 1 << 14 else "de-assert"
    return f"0x{icr:08x} {mode} {trigger} {level} {SHORTHANDS[icr >> 18 & 3]}"


def _destination(lapic: LapicSnapshot) -> str:
    """Say whom the ICR aims at; a shorthand leaves ICR2 without meaning."""
    if lapic.icr >> 18 & 3:
        return ""
    kind = "X2APIC" if lapic.x2apic else "APIC"
    dest = lapic.icr2 if lapic.x2apic else lapic.icr2 >> 24
    if not lapic.icr & 1 << 11:
        return f" cpu {dest} ({kind} ID)"
    if lapic.x2apic:
        return f" cluster {dest >> 16} mask {dest & 0xFFFF:016b} ({kind} ID)"
    if lapic.dfr >> 28 == 0xF:
        return f" mask {dest:08b} ({kind} ID)"
    return f" cluster {dest >> 4} mask {dest & 0xF:04b} ({kind} ID)"


def _vectors(name: str, vectors: tuple[int, ...], tmr: tuple[int, ...], style: str) -> Row:
    if not vectors:
        return line(f"{name:<8} ", Cell("(none)", "muted"))
    text = " ".join([f"{vector}{'(level)' if vector in tmr else ''}" for vector in vectors])
    return line(f"{name:<8} ", Cell(text, style))


def _priorities(lapic: LapicSnapshot) -> Row:
    logical = lapic.ldr >> 24
    cluster = f"(cluster {logical >> 4}: id {logical & 0xF})" if lapic.dfr >> 28 == 0 else ""
    return line(
        f"APR 0x{lapic.apr:02x} TPR 0x{lapic.tpr:02x} DFR 0x{lapic.dfr >> 28:02x} "
        f"LDR 0x{logical:02x}{cluster} PPR 0x{lapic.ppr:02x}"
    )


def _kvm(lapic: LapicSnapshot) -> list[Row]:
    values = (("arb_prio", lapic.arb), ("nmi_queued", lapic.nmi), ("mp_state", lapic.mp))
    text = " ".join([f"{name}={value}" for name, value in values if value is not None])
    return [_register("KVM", text)] if text else []
