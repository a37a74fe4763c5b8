"""The register page of one local APIC: what is kept, what a read gives, what a write does.

Follows the register half of arch/x86/kvm/lapic.c of Linux 3.6 and 6.x. A 256-bit bitmap (IRR, ISR, TMR)
is one int, bit n for vector n. Left out: the timer, as the machine has no clock (its registers
are there, and the current count reads 0), TPR access reporting and the virtual-APIC page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.kernels import Rules
from kvmlab.engine.tracepoint import Trace

APIC_DEFAULT_PHYS_BASE = 0xFEE00000
LAPIC_MMIO_LENGTH = 0x1000
MSR_IA32_APICBASE_BSP = 1 << 8
X2APIC_ENABLE = 1 << 10
MSR_IA32_APICBASE_ENABLE = 1 << 11
APIC_LVR_DIRECTED_EOI = 1 << 24
APIC_SPIV_APIC_ENABLED = 1 << 8
APIC_SPIV_DIRECTED_EOI = 1 << 12
APIC_LVT_MASKED = 1 << 16
APIC_MODE_EXTINT = 0x700
APIC_DEST_SELF = 0x40000
APIC_DFR_FLAT = 0xFFFFFFFF

APIC_ID, APIC_TASKPRI, APIC_EOI, APIC_LDR, APIC_DFR, APIC_SPIV = 0x20, 0x80, 0xB0, 0xD0, 0xE0, 0xF0
APIC_ESR, APIC_ICR, APIC_ICR2, APIC_LVTT, APIC_LVTERR = 0x280, 0x300, 0x310, 0x320, 0x370
APIC_TMICT, APIC_TDCR, APIC_SELF_IPI = 0x380, 0x3E0, 0x3F0
"""Offsets in the page (arch/x86/include/asm/apicdef.h)."""

RUNNABLE, UNINITIALIZED, INIT_RECEIVED, SIPI_RECEIVED = 0, 1, 2, 4
"""Values of mp_state (KVM_MP_STATE_*)."""

_VERSION = 0x14 | 5 << 16
_ICR_BUSY = 1 << 12
_X2APIC_ICR_RESERVED = 0xFFF << 20 | 0x3 << 16 | 1 << 13

_READABLE = 0x43FF_01FF_FFFF_E70C
"""One bit for each sixteen bytes of the page: clear where a read is refused (rmask)."""

_FIELDS = {
    0x30: "lvr",
    APIC_TASKPRI: "tpr",
    0xA0: "ppr",
    APIC_LDR: "ldr",
    APIC_DFR: "dfr",
    APIC_SPIV: "spiv",
    APIC_ESR: "esr",
    APIC_ICR: "icr",
    APIC_ICR2: "icr2",
    APIC_TMICT: "tmict",
    APIC_TDCR: "tdcr",
}
_BITMAPS = {0x100: "isr", 0x180: "tmr", 0x200: "irr"}

_LVT_WRITABLE = (0x310FF, 0x117FF, 0x117FF, 0x1F7FF, 0x1F7FF, 0x110FF)
"""Bits that a write keeps in LVTT, LVTTHMR, LVTPC, LVT0, LVT1, LVTERR (apic_lvt_mask)."""


class _Stored(NamedTuple):
    """How a register without effects is written: which bits are kept, which are always set."""

    field: str
    keep: int = 0xFFFFFFFF
    ones: int = 0
    xapic_only: bool = True


_STORED = {
    APIC_ID: _Stored("id"),
    APIC_LDR: _Stored("ldr", keep=0xFF000000),
    APIC_DFR: _Stored("dfr", ones=0x0FFFFFFF),
    APIC_TMICT: _Stored("tmict", xapic_only=False),
    APIC_TDCR: _Stored("tdcr", xapic_only=False),
}


class LapicRegisters(Object):
    """The registers of vCPU ``vcpu_id``'s APIC, and the vCPU fields that belong to them.

    ``x2apic_cpuid``: the guest's CPUID offers x2APIC; ``directed_eoi``: LVR has the directed-EOI bit.
    PPR is current at all times: every method that moves TPR or ISR updates it.
    """

    FIELDS = (
        "irr",
        "isr",
        "tmr",
        "tpr",
        "ppr",
        "spiv",
        "ldr",
        "dfr",
        "id",
        "lvr",
        "icr",
        "icr2",
        "lvt",
        "tmict",
        "tdcr",
        "esr",
        "base",
        "arb_prio",
        "nmi",
        "mp_state",
        "sipi_vector",
        "highest_isr_cache",
    )
    __slots__ = (*FIELDS, "directed_eoi", "emit", "rules", "scan", "vcpu_id", "x2apic_cpuid")

    def __init__(
        self,
        vcpu_id: int,
        x2apic_cpuid: bool,
        directed_eoi: bool,
        rules: Rules,
        scan: IoapicScan,
        trace: Trace,
    ) -> None:
        super().__init__()
        self.vcpu_id, self.x2apic_cpuid, self.emit = vcpu_id, x2apic_cpuid, trace.emit
        self.directed_eoi = directed_eoi
        self.rules, self.scan = rules, scan
        self.mp_state = UNINITIALIZED if vcpu_id else RUNNABLE
        self.nmi = self.sipi_vector = 0
        self.reset()

    def reset(self) -> None:
        """Bring every register to its reset value (kvm_lapic_reset; the base: vmx_vcpu_reset)."""
        self.changed()
        self.id = self.vcpu_id << 24
        self.lvr = _VERSION | (APIC_LVR_DIRECTED_EOI if self.directed_eoi else 0)
        masked = APIC_LVT_MASKED
        lvt0 = APIC_MODE_EXTINT if self.vcpu_id == 0 or self.rules.extint_on_every_vcpu else masked
        self.lvt: tuple[int, ...] = (masked, masked, masked, lvt0, masked, masked)
        self.dfr, self.spiv = APIC_DFR_FLAT, 0xFF
        self.tpr = self.ppr = self.ldr = self.esr = self.icr = self.icr2 = self.tdcr = self.tmict = 0
        self.irr = self.isr = self.tmr = 0
        self.highest_isr_cache = -1
        self.base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE
        if self.vcpu_id == 0:
            self.base |= MSR_IA32_APICBASE_BSP
        self.arb_prio = 0

    def hw_enabled(self) -> bool:
        """Tell whether the APIC base MSR has the enable bit (apic_hw_enabled)."""
        return bool(self.base & MSR_IA32_APICBASE_ENABLE)

    def sw_enabled(self) -> bool:
        """Tell whether SPIV has the enable bit (apic_sw_enabled)."""
        return bool(self.spiv & APIC_SPIV_APIC_ENABLED)

    def x2apic_mode(self) -> bool:
        """Tell whether the guest has switched to x2APIC (apic_x2apic_mode)."""
        return bool(self.base & X2APIC_ENABLE)

    def runnable(self) -> bool:
        """Tell whether the vCPU runs: it is neither uninitialised nor waiting for its SIPI."""
        return self.mp_state == RUNNABLE

    @touches(IOAPIC_SCAN)
    def set_base(self, value: int) -> int:
        """Write MSR 0x1b (kvm_lapic_set_base): 0, or 1 for what 6.x refuses.

        x2APIC mode derives LDR from the ID, which 6.x makes the vCPU's again.
        """
        if self.rules.checks_apic_base and self._refuses_base(value):
            return 1
        self.changed()
        if (self.base ^ value) & (MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE):
            self.map_changed()
            if self.rules.checks_apic_base:
                self.id = self.vcpu_id << 24
        self.base = value & ~MSR_IA32_APICBASE_BSP if self.vcpu_id else value
        if self.x2apic_mode():
            apic_id = self.id >> 24
            self.ldr = (apic_id & ~0xF) << 16 | 1 << (apic_id & 0xF)
        return 0

    def _refuses_base(self, value: int) -> bool:
        """Tell whether 6.x refuses a base: reserved bits, or a mode that cannot be entered from here."""
        reserved = 0x2FF | (0 if self.x2apic_cpuid else X2APIC_ENABLE)
        enabled, x2apic = value & MSR_IA32_APICBASE_ENABLE, value & X2APIC_ENABLE
        if value & reserved or (x2apic and not enabled):
            return True
        if self.x2apic_mode():
            return bool(enabled and not x2apic)
        return bool(x2apic and not self.hw_enabled())

    def find_highest_isr(self) -> int:
        """Return the highest vector in service, or -1 (apic_find_highest_isr)."""
        if self.isr and self.highest_isr_cache >= 0:
            return self.highest_isr_cache
        return self.isr.bit_length() - 1

    def _update_ppr(self) -> None:
        in_service = self.find_highest_isr() & 0xF0 if self.isr else 0
        self.ppr = self.tpr if self.tpr & 0xF0 >= in_service else in_service

    # -- the page, as MMIO ---------------------------------------------------------------

    def mmio_read(self, address: int, length: int) -> int | None:
        """Read the page (apic_mmio_read): a refused read gives 0, an address not its own None."""
        if not self.mmio_in_range(address):
            return None
        return self.reg_read(address & LAPIC_MMIO_LENGTH - 1, length) or 0

    @touches(IOAPIC_SCAN)
    def mmio_write(self, address: int, length: int, value: int) -> int | None:
        """Write the page (apic_mmio_write): as :meth:`reg_write`, or None if not its own.

        Whatever is not four bytes long and aligned to sixteen is ignored: 0.
        """
        if not self.mmio_in_range(address):
            return None
        offset = address & LAPIC_MMIO_LENGTH - 1
        return self.reg_write(offset, value) if length == 4 and not offset & 0xF else 0

    def mmio_in_range(self, address: int) -> bool:
        """Tell whether the page answers at an address: it is enabled and there (apic_mmio_in_range)."""
        return address >> 12 == self.base >> 12 and self.hw_enabled()

    # -- one register ----------------------------------------------------------------------

    def reg_read(self, offset: int, length: int = 4) -> int | None:
        """Read ``length`` bytes at an offset of the page; None where it is refused (apic_reg_read)."""
        alignment = offset & 0xF
        if alignment + length > 4 or offset > APIC_SELF_IPI or not _READABLE >> (offset >> 4) & 1:
            return None
        result = self._register(offset & ~0xF)
        self.emit(("kvm_apic", 0, offset, result))
        return result >> 8 * alignment & (1 << 8 * length) - 1

    def _register(self, offset: int) -> int:
        name = _FIELDS.get(offset)
        if name:
            return int(getattr(self, name))
        name = _BITMAPS.get(offset & ~0x7F)
        if name:
            return int(getattr(self, name)) >> 2 * (offset & 0x70) & 0xFFFFFFFF
        if offset == APIC_ID:
            return self.id >> 24 if self.x2apic_mode() else self.id & 0xFF000000
        # What is left reads 0: ARBPRI, which is for the P6, and TMCCT, as no time passes.
        return self.lvt[offset - APIC_LVTT >> 4] if APIC_LVTT <= offset <= APIC_LVTERR else 0

    @touches(IOAPIC_SCAN)
    def reg_write(self, reg: int, value: int) -> int:
        """Write a register (apic_reg_write): 0, or 1 for a refused one.

        A write that acts outside this chip returns the register that does so: APIC_EOI, or
        APIC_ICR when an IPI is to be sent.
        """
        self.emit(("kvm_apic", 1, reg, value))
        if reg == APIC_EOI:
            return APIC_EOI
        stored = _STORED.get(reg)
        if stored:
            return self._store(stored, value)
        if APIC_LVTT <= reg <= APIC_LVTERR:
            return self._write_lvt(reg - APIC_LVTT >> 4, value)
        write = self._WRITERS.get(reg)
        return write(self, value) if write else 1

    def _store(self, register: _Stored, value: int) -> int:
        if register.xapic_only and self.x2apic_mode():
            return 1
        self.changed()
        setattr(self, register.field, value & register.keep | register.ones)
        if register.xapic_only:
            self.map_changed()
        return 0

    def map_changed(self) -> None:
        """The map of APIC ids is another one now: 6.x has every vCPU scan the IOAPIC again."""
        if self.rules.apic_map:
            self.scan.request_all()

    def _write_lvt(self, index: int, value: int) -> int:
        self.changed()
        if not self.sw_enabled():
            value |= APIC_LVT_MASKED
        self.lvt = (*self.lvt[:index], value & _LVT_WRITABLE[index], *self.lvt[index + 1 :])
        return 0

    def _write_tpr(self, value: int) -> int:
        self.changed()
        self.tpr = value & 0xFF
        self._update_ppr()
        return 0

    def _write_spiv(self, value: int) -> int:
        self.changed()
        directed = APIC_SPIV_DIRECTED_EOI if self.lvr & APIC_LVR_DIRECTED_EOI else 0
        if (self.spiv ^ value) & APIC_SPIV_APIC_ENABLED:
            self.map_changed()
        self.spiv = value & (0x3FF | directed)
        if not value & APIC_SPIV_APIC_ENABLED:
            self.lvt = tuple([entry | APIC_LVT_MASKED for entry in self.lvt])
        return 0

    def _write_icr(self, value: int) -> int:
        self.changed()
        self.icr = value & ~_ICR_BUSY
        return APIC_ICR

    def _write_icr2(self, value: int) -> int:
        self.changed()
        self.icr2 = value if self.x2apic_mode() else value & 0xFF000000
        return 0

    def _write_esr(self, value: int) -> int:
        return 1 if self.x2apic_mode() and value else 0

    def _write_self_ipi(self, value: int) -> int:
        if not self.x2apic_mode() or (self.rules.x2apic_icr_whole and value > 0xFF):
            return 1
        if self.rules.x2apic_icr_whole:
            return APIC_SELF_IPI
        return self.reg_write(APIC_ICR, APIC_DEST_SELF | value & 0xFF)

    def write_x2apic_icr(self, value: int) -> int:
        """Write the 64-bit ICR (kvm_x2apic_icr_write): 0, or 1 for reserved bits; the IPI goes first."""
        if value & _X2APIC_ICR_RESERVED:
            return 1
        self.changed()
        self.icr, self.icr2 = value & 0xFFFFFFFF & ~_ICR_BUSY, value >> 32
        return 0

    def read_x2apic_icr(self) -> int:
        """Read the 64-bit ICR."""
        value = self.icr2 << 32 | self.icr
        self.emit(("kvm_apic", 0, APIC_ICR, value))
        return value

    def trace_icr(self, value: int) -> None:
        """Record the tracepoint of a 64-bit ICR write, once its IPI has gone."""
        self.emit(("kvm_apic", 1, APIC_ICR, value & ~_ICR_BUSY))

    _WRITERS: ClassVar[dict[int, Callable[[LapicRegisters, int], int]]] = {
        APIC_TASKPRI: _write_tpr,
        APIC_SPIV: _write_spiv,
        APIC_ICR: _write_icr,
        APIC_ICR2: _write_icr2,
        APIC_ESR: _write_esr,
        APIC_SELF_IPI: _write_self_ipi,
    }
