"""One vCPU's local APIC: what it accepts, what it gives to the vCPU, and how that ends.

Follows arch/x86/kvm/lapic.c of Linux 3.6 and 6.x; the registers are in lapic_registers.py, and what an
access to them sets off in other chips is in lapic_io.py. Left out: PV EOI and kicks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from kvmlab.engine.chips.destination import (
    APIC_DEST_NOSHORT,
    match_3_6,
    match_6_x,
    shorthand_match,
)
from kvmlab.engine.chips.lapic_registers import (
    APIC_LVT_MASKED,
    APIC_MODE_EXTINT,
    APIC_SPIV_APIC_ENABLED,
    APIC_SPIV_DIRECTED_EOI,
    INIT_RECEIVED,
    MSR_IA32_APICBASE_ENABLE,
    RUNNABLE,
    SIPI_RECEIVED,
    LapicRegisters,
)

APIC_DM_FIXED, APIC_DM_LOWEST = 0x000, 0x100
APIC_DM_NMI, APIC_DM_INIT, APIC_DM_STARTUP, APIC_DM_EXTINT = 0x400, 0x500, 0x600, 0x700


def lapic_handle(vcpu_id: int) -> str:
    """Return the handle of a vCPU's local APIC."""
    return f"lapic{vcpu_id}"


class Lapic(LapicRegisters):
    """struct kvm_lapic of one vCPU; its handle is :func:`lapic_handle`."""

    __slots__ = ()

    def match_dest(self, source: Lapic | None, shorthand: int, dest: int, dest_mode: int) -> bool:
        """Tell whether a message is for this APIC (kvm_apic_match_dest); ``dest_mode`` 0 is physical."""
        if shorthand == APIC_DEST_NOSHORT:
            match = match_6_x if self.rules.apic_map else match_3_6
            return match(self, source is not None, dest, dest_mode)
        return shorthand_match(self, source, shorthand)

    def scan_irq(self, dest: int, dest_mode: int, vector: int) -> tuple[int, int]:
        """Look whether this vCPU tells of a vector's EOI (kvm_scan_ioapic_irq).

        Returns the vector as a bit, 0 if it does not; and the vector if only an old routing sent it, else -1.
        """
        if self.match_dest(None, APIC_DEST_NOSHORT, dest, dest_mode):
            return 1 << vector, -1
        return (1 << vector, vector) if self.pending_eoi(vector) else (0, -1)

    def accept_irq(self, delivery_mode: int, vector: int, level: int, trig_mode: int) -> int:
        """Take a message (__apic_accept_irq): 1, or 0 for one that was merged or dropped.

        ``delivery_mode`` is bits 10:8 in place; ``trig_mode`` is non-zero for level.
        """
        merges = not self.rules.counts_merged
        if not merges:
            self.emit(("kvm_apic_accept_irq", self.vcpu_id, delivery_mode, trig_mode, vector, 0))
        if delivery_mode > APIC_DM_LOWEST:
            other = self._OTHER_MODES.get(delivery_mode)
            if other is None:
                return 0 if merges or delivery_mode == APIC_DM_EXTINT else 1
            return other(self, vector, level, trig_mode)
        self.changed()
        if delivery_mode:
            self.arb_prio += 1
        if not merges and trig_mode and not level:
            return 0
        if not (self.spiv & APIC_SPIV_APIC_ENABLED and self.base & MSR_IA32_APICBASE_ENABLE):
            return 0
        bit = 1 << vector
        if trig_mode:
            self.tmr |= bit
        else:
            self.tmr &= ~bit
        coalesced = 1 if self.irr & bit else 0
        self.irr |= bit
        if not merges:
            return 1
        # The tracepoint's field has eight bits, so the 0x8000 of an MSI or IPI is lost in it.
        self.emit(("kvm_apic_accept_irq", self.vcpu_id, delivery_mode, trig_mode & 0xFF, vector, coalesced))
        return 1 - coalesced

    def _accept_nmi(self, _vector: int, _level: int, _trig_mode: int) -> int:
        self.changed()
        self.nmi += 1
        return 1

    def _accept_init(self, _vector: int, level: int, trig_mode: int) -> int:
        if trig_mode and not level:
            return 0
        self.changed()
        # The boot CPU of 6.x needs no SIPI: it is reset, and goes on (kvm_apic_accept_events).
        goes_on = self.rules.init_restarts_bsp and self.vcpu_id == 0
        self.mp_state = SIPI_RECEIVED if goes_on else INIT_RECEIVED
        return 1

    def _accept_startup(self, vector: int, _level: int, _trig_mode: int) -> int:
        if self.mp_state != INIT_RECEIVED:
            return 1 if self.rules.counts_merged else 0
        self.changed()
        self.sipi_vector, self.mp_state = vector, SIPI_RECEIVED
        return 1

    def enter(self) -> bool:
        """Tell whether the vCPU can run; one that got its SIPI is reset and runs (__vcpu_run)."""
        if self.mp_state == SIPI_RECEIVED:
            self.changed()
            self.reset()
            self.mp_state = RUNNABLE
        return self.mp_state == RUNNABLE

    def has_interrupt(self) -> int:
        """Return the vector that is deliverable, or -1 (kvm_apic_has_interrupt)."""
        delivers = self.spiv & APIC_SPIV_APIC_ENABLED or self.rules.disabled_apic_delivers
        if not (delivers and self.base & MSR_IA32_APICBASE_ENABLE):
            return -1
        vector = self.irr.bit_length() - 1
        return vector if vector >= 0 and vector & 0xF0 > self.ppr else -1

    def get_interrupt(self) -> int:
        """Move the deliverable vector from IRR to ISR; -1 if none (kvm_get_apic_interrupt)."""
        vector = self.has_interrupt()
        if vector < 0:
            return -1
        self.changed()
        bit = 1 << vector
        self.isr |= bit
        self.highest_isr_cache = vector
        # What is deliverable is above TPR, so that its class is the new PPR.
        self.ppr = vector & 0xF0
        self.irr &= ~bit
        return vector

    def pending_eoi(self, vector: int) -> bool:
        """Tell whether a vector waits or is in service (kvm_apic_pending_eoi)."""
        return bool((self.irr | self.isr) >> vector & 1)

    def accept_pic_intr(self) -> bool:
        """Tell whether this vCPU takes the 8259's interrupts (kvm_apic_accept_pic_intr)."""
        unmasked_extint = self.lvt[3] & (APIC_LVT_MASKED | APIC_MODE_EXTINT) == APIC_MODE_EXTINT
        return unmasked_extint or not self.hw_enabled()

    def end_interrupt(self) -> tuple[int, bool, int]:
        """End the highest vector in service: what apic_set_eoi does inside the chip.

        Returns the vector (-1: none was in service), whether the EOI is broadcast to the IOAPIC,
        and the trigger mode in TMR (1 for level).
        """
        vector = self.find_highest_isr()
        self.emit(("kvm_eoi", self.vcpu_id, vector))
        if vector < 0:
            return -1, False, 0
        self.changed()
        self.isr &= ~(1 << vector)
        self.highest_isr_cache = -1
        self._update_ppr()
        return vector, not self.spiv & APIC_SPIV_DIRECTED_EOI, self.tmr >> vector & 1

    _OTHER_MODES: ClassVar[dict[int, Callable[[Lapic, int, int, int], int]]] = {
        APIC_DM_NMI: _accept_nmi,
        APIC_DM_INIT: _accept_init,
        APIC_DM_STARTUP: _accept_startup,
    }
    """Delivery modes other than fixed and lowest priority.

The rest do nothing here; SMI and Res3 (a kick for paravirtual locks) count as delivered in 6.x.
"""
