"""What a vCPU would take next, and what holds a vector back: read from a snapshot.

Follows kvm_cpu_has_interrupt and apic_has_interrupt (arch/x86/kvm/irq.c, lapic.c) and the
priority classes of the SDM (volume 3, 10.8.3). NMI, SMI and INIT are no vectors and are left out.
"""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.snapshot import LapicSnapshot, Snapshot

SOFTWARE_ENABLED = 1 << 8
"""SPIV bit 8: without it a LAPIC delivers nothing."""


class Next(NamedTuple):
    """The vector that a vCPU takes next (None: nothing), and a sentence on why or why not."""

    vector: int | None
    why: str


def priority(lapic: LapicSnapshot) -> int:
    """Return the PPR that follows from TPR and ISR (SDM volume 3, 10.8.3.1)."""
    in_service = max(lapic.isr, default=0)
    return lapic.tpr if lapic.tpr >> 4 >= in_service >> 4 else in_service & 0xF0


def held_back(snapshot: Snapshot, lapic: LapicSnapshot, vector: int) -> str:
    """Return what keeps a pending vector from being taken now; "" if nothing does."""
    ppr, first = priority(lapic), max(lapic.irr, default=vector)
    if not lapic.spiv & SOFTWARE_ENABLED:
        return "the LAPIC is software-disabled (SPIV bit 8)"
    if vector >> 4 <= ppr >> 4:
        holder = f"0x{max(lapic.isr):02x} in service" if ppr != lapic.tpr else f"TPR 0x{lapic.tpr:02x}"
        return f"class {vector >> 4} does not exceed PPR 0x{ppr:02x} ({holder})"
    if not _interrupt_flag(snapshot, lapic.vcpu):
        return "IF is clear"
    return f"0x{first:02x} comes first" if first > vector else ""


def next_taken(snapshot: Snapshot, lapic: LapicSnapshot) -> Next:
    """Return what the LAPIC's vCPU takes next; an 8259's INT comes after what the LAPIC holds."""
    if not lapic.irr:
        return _from_pic(snapshot, lapic)
    vector = max(lapic.irr)
    why = held_back(snapshot, lapic, vector)
    if why:
        return Next(None, f"0x{vector:02x} waits: {why}")
    return Next(vector, f"the highest pending, class {vector >> 4} above PPR 0x{priority(lapic):02x}")


def _from_pic(snapshot: Snapshot, lapic: LapicSnapshot) -> Next:
    """Say what the PIC pair offers to vCPU 0; its vector is known only once it is acknowledged."""
    if lapic.vcpu or snapshot.pic is None or not snapshot.pic.output:
        return Next(None, "the IRR is empty")
    if not _interrupt_flag(snapshot, lapic.vcpu):
        return Next(None, "the 8259's INT waits: IF is clear")
    return Next(None, "the IRR is empty; the 8259's INT is asserted")


def _interrupt_flag(snapshot: Snapshot, vcpu: int) -> bool:
    """Return a vCPU's IF; one that cannot be seen is taken to be set."""
    return next((bool(v.if_) for v in snapshot.vcpus or () if v.vcpu == vcpu), True)
