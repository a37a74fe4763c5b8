"""The bus between the local APICs: who receives a message (virt/kvm/irq_comm.c of Linux 3.6).

IOAPIC, MSI and IPI all come through :meth:`Apics.kvm_irq_delivery_to_apic`; how 6.x finds the
receivers is in apic_map.py.
"""

from __future__ import annotations

from kvmlab.engine.chips.destination import APIC_DEST_NOSHORT
from kvmlab.engine.chips.lapic import APIC_DM_LOWEST, Lapic
from kvmlab.engine.chips.lapic_registers import MSR_IA32_APICBASE_ENABLE
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.tracepoint import Trace

APICS = "apics"

MSI_ADDR_DEST_MODE_LOGICAL = 1 << 2
MSI_ADDR_REDIRECTION_HINT = 1 << 3
MSI_DATA_TRIGGER_LEVEL = 1 << 15


class Apics(Object):
    """The local APICs of a machine, in the order their vCPUs were created; handle ``apics``."""

    __slots__ = ("emit", "lapics")
    FIELDS = ()

    def __init__(self, lapics: list[Lapic], trace: Trace) -> None:
        super().__init__()
        self.lapics, self.emit = lapics, trace.emit

    @touches("lapic*", "reports")
    def kvm_irq_delivery_to_apic(
        self,
        source: Lapic | None,
        dest: int,
        dest_mode: int,
        shorthand: int,
        delivery_mode: int,
        vector: int,
        level: int,
        trig_mode: int,
        _hint: int = 0,
        _reached: list[int] | None = None,
    ) -> int:
        """Give a message to every APIC it is for, or to one of them for lowest priority.

        Returns -1 if it is for none, else how many took it (0: all merged or dropped it). What
        the redirection hint of an MSI asks for is ignored, as in 3.6, which asks for no list of
        whom the message reached either.
        """
        if delivery_mode == APIC_DM_LOWEST:
            return self._deliver_lowest(source, dest, dest_mode, shorthand, vector, level, trig_mode)
        ret = -1
        for lapic in self.lapics:
            if lapic.base & MSR_IA32_APICBASE_ENABLE and lapic.match_dest(source, shorthand, dest, dest_mode):
                accepted = lapic.accept_irq(delivery_mode, vector, level, trig_mode)
                ret = accepted if ret < 0 else ret + accepted
        return ret

    def _deliver_lowest(
        self,
        source: Lapic | None,
        dest: int,
        dest_mode: int,
        shorthand: int,
        vector: int,
        level: int,
        trig_mode: int,
    ) -> int:
        if dest_mode == 0 and dest == 0xFF:
            self.memory.reports.printk("kvm: apic: phys broadcast and lowest prio")
        eligible = [
            lapic
            for lapic in self.lapics
            if lapic.hw_enabled()
            and lapic.match_dest(source, shorthand, dest, dest_mode)
            and lapic.sw_enabled()
        ]
        if not eligible:
            return -1
        # The first of equals wins, as in the kernel's strict comparison: min() keeps it too.
        lowest = min(eligible, key=lambda lapic: lapic.arb_prio)
        return lowest.accept_irq(APIC_DM_LOWEST, vector, level, trig_mode)

    @touches("lapic*", "reports")
    def set_msi(self, address_lo: int, _address_hi: int, data: int) -> int:
        """Send a message-signalled interrupt (kvm_set_msi): as for a delivery.

        The upper half of the address is ignored, as without KVM_CAP_X2APIC_API in 6.x.
        """
        self.emit(("kvm_msi_set_irq", address_lo, data))
        return self.kvm_irq_delivery_to_apic(
            None,
            address_lo >> 12 & 0xFF,
            address_lo & MSI_ADDR_DEST_MODE_LOGICAL,
            APIC_DEST_NOSHORT,
            data & 0x700,
            data & 0xFF,
            1,
            data & MSI_DATA_TRIGGER_LEVEL,
            address_lo & MSI_ADDR_REDIRECTION_HINT,
        )

    @touches("lapic*", "reports")
    def send_ipi(self, handle: str) -> int:
        """Send what a local APIC's ICR and ICR2 hold (apic_send_ipi): as for a delivery."""
        source: Lapic = self.deref(handle)
        dest = source.icr2 if source.x2apic_mode() else source.icr2 >> 24
        return self.send_message(handle, source.icr, dest)

    @touches("lapic*", "reports")
    def send_message(self, handle: str, icr: int, dest: int) -> int:
        """Send a message from a local APIC, worded as ICR is (kvm_apic_send_ipi): as for a delivery."""
        source: Lapic = self.deref(handle)
        self.emit(("kvm_apic_ipi", icr, dest))
        return self.kvm_irq_delivery_to_apic(
            source,
            dest,
            icr & 0x800,
            icr & 0xC0000,
            icr & 0x700,
            icr & 0xFF,
            icr & 0x4000,
            icr & 0x8000,
        )

    def destinations(self, dest: int, dest_mode: int) -> int:
        """Return the vCPUs of a device's destination as bits (kvm_bitmap_or_dest_vcpus)."""
        return sum(
            1 << lapic.vcpu_id
            for lapic in self.lapics
            if lapic.hw_enabled() and lapic.match_dest(None, APIC_DEST_NOSHORT, dest, dest_mode)
        )
