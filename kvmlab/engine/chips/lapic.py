"""One vCPU's local APIC: what it accepts, what it gives to the vCPU, and how that ends.

Follows arch/x86/kvm/lapic.c of Linux 3.6; the registers are in lapic_registers.py, and what an
access to them sets off in other chips is in lapic_io.py. Left out: PV EOI and kicks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from kvmlab.engine.chips.lapic_registers import (
    APIC_DEST_SELF,
    APIC_DFR_FLAT,
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

APIC_DM_LOWEST, APIC_DM_NMI, APIC_DM_INIT, APIC_DM_STARTUP = 0x100, 0x400, 0x500, 0x600
APIC_DEST_NOSHORT, APIC_DEST_ALLINC = 0x00000, 0x80000
APIC_DFR_CLUSTER = 0x0FFFFFFF


def lapic_handle(vcpu_id: int) -> str:
    """Return the handle of a vCPU's local APIC."""
    return f"lapic{vcpu_id}"


class Lapic(LapicRegisters):
    """struct kvm_lapic of one vCPU; its handle is :func:`lapic_handle`."""

    __slots__ = ()

    def match_dest(self, source: Lapic | None, shorthand: int, dest: int, dest_mode: int) -> bool:
        """Tell whether a message is for this APIC (kvm_apic_match_dest).

        ``dest_mode`` 0 is physical. A physical destination is cut to 16 bits, a logical one to 8.
        """
        if shorthand == APIC_DEST_NOSHORT:
            if dest_mode:
                return self._match_logical(dest & 0xFF)
            dest &= 0xFFFF
            return dest in (0xFF, self.id >> 24)
        if shorthand == APIC_DEST_SELF:
            return self is source
        return shorthand == APIC_DEST_ALLINC or self is not source

    def _match_logical(self, mda: int) -> bool:
        if self.x2apic_mode():
            return bool(self.ldr & mda)
        logical_id = self.ldr >> 24
        if self.dfr == APIC_DFR_FLAT:
            return bool(logical_id & mda)
        if self.dfr == APIC_DFR_CLUSTER:
            return logical_id >> 4 == mda >> 4 and bool(logical_id & mda & 0xF)
        return False

    def accept_irq(self, delivery_mode: int, vector: int, level: int, trig_mode: int) -> int:
        """Take a message (__apic_accept_irq): 1, or 0 for one that was merged or dropped.

        ``delivery_mode`` is bits 10:8 in place; ``trig_mode`` is non-zero for level.
        """
        if delivery_mode > APIC_DM_LOWEST:
            other = self._OTHER_MODES.get(delivery_mode)
            return other(self, vector, level, trig_mode) if other else 0
        self.changed()
        if delivery_mode:
            self.arb_prio += 1
        if not (self.spiv & APIC_SPIV_APIC_ENABLED and self.base & MSR_IA32_APICBASE_ENABLE):
            return 0
        bit = 1 << vector
        if trig_mode:
            self.tmr |= bit
        else:
            self.tmr &= ~bit
        coalesced = 1 if self.irr & bit else 0
        self.irr |= bit
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
        self.mp_state = INIT_RECEIVED
        return 1

    def _accept_startup(self, vector: int, _level: int, _trig_mode: int) -> int:
        if self.mp_state != INIT_RECEIVED:
            return 0
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
        if not (self.spiv & APIC_SPIV_APIC_ENABLED and self.base & MSR_IA32_APICBASE_ENABLE):
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
    """Delivery modes other than fixed and lowest priority; the rest (SMI, Res3, ExtINT) do nothing."""
