"""The bus between the local APICs: who receives a message (virt/kvm/irq_comm.c of Linux 3.6).

IOAPIC, MSI and IPI all come through :meth:`Apics.kvm_irq_delivery_to_apic`. Left out: what the
redirection hint of an MSI asks for, which 3.6 ignores too.
"""

from __future__ import annotations

from kvmlab.engine.chips.lapic import APIC_DEST_NOSHORT, APIC_DM_LOWEST, Lapic
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.tracepoint import Trace

APICS = "apics"

MSI_ADDR_DEST_MODE_LOGICAL = 1 << 2
MSI_DATA_TRIGGER_LEVEL = 1 << 15


class Apics(Object):
    """The local APICs of a machine, in the order their vCPUs were created; handle ``apics``."""

    __slots__ = ("emit", "lapics")
    FIELDS = ()

    def __init__(self, lapics: list[Lapic], trace: Trace) -> None:
        super().__init__()
        self.lapics, self.emit = lapics, trace.emit

    @touches("lapic*", "reports")
    def kvm_irq_delivery_to_apic(  # noqa: PLR0917 - these are the fields of struct kvm_lapic_irq
        self,
        source: Lapic | None,
        dest: int,
        dest_mode: int,
        shorthand: int,
        delivery_mode: int,
        vector: int,
        level: int,
        trig_mode: int,
    ) -> int:
        """Give a message to every APIC it is for, or to one of them for lowest priority.

        Returns -1 if it is for none, else how many took it (0: all merged or dropped it).
        """
        targets = [
            lapic
            for lapic in self.lapics
            if lapic.hw_enabled() and lapic.match_dest(source, shorthand, dest, dest_mode)
        ]
        if delivery_mode == APIC_DM_LOWEST:
            if dest_mode == 0 and dest == 0xFF:
                self.memory.reports.printk("kvm: apic: phys broadcast and lowest prio")
            targets = _lowest(targets)
        if not targets:
            return -1
        ret = 0
        for lapic in targets:
            ret += lapic.accept_irq(delivery_mode, vector, level, trig_mode)
        return ret

    @touches("lapic*", "reports")
    def set_msi(self, address_lo: int, _address_hi: int, data: int) -> int:
        """Send a message-signalled interrupt (kvm_set_msi): as for a delivery.

        3.6 ignores the upper half of the address.
        """
        self.emit("kvm_msi_set_irq", address_lo, data)
        return self.kvm_irq_delivery_to_apic(
            None,
            address_lo >> 12 & 0xFF,
            address_lo & MSI_ADDR_DEST_MODE_LOGICAL,
            APIC_DEST_NOSHORT,
            data & 0x700,
            data & 0xFF,
            1,
            data & MSI_DATA_TRIGGER_LEVEL,
        )

    @touches("lapic*", "reports")
    def send_ipi(self, handle: str) -> int:
        """Send what a local APIC's ICR and ICR2 hold (apic_send_ipi): as for a delivery."""
        source: Lapic = self.deref(handle)
        icr = source.icr
        dest = source.icr2 if source.x2apic_mode() else source.icr2 >> 24
        self.emit("kvm_apic_ipi", icr, dest)
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


def _lowest(lapics: list[Lapic]) -> list[Lapic]:
    enabled = [lapic for lapic in lapics if lapic.sw_enabled()]
    # The first of equals wins, as in the kernel's strict comparison: min() keeps it too.
    return [min(enabled, key=lambda lapic: lapic.arb_prio)] if enabled else []
