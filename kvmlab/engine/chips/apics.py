"""The bus between the local APICs: who receives a message (virt/kvm/irq_comm.c of Linux 3.6).

IOAPIC, MSI and IPI all come through :meth:`Apics.kvm_irq_delivery_to_apic`; how 6.x finds the
receivers is in apic_map.py.
"""

from __future__ import annotations

from typing import ClassVar

from kvmlab.engine.chips.destination import APIC_BROADCAST, APIC_DEST_NOSHORT, LapicIrq
from kvmlab.engine.chips.lapic import APIC_DM_LOWEST, Lapic
from kvmlab.engine.chips.lapic_registers import MSR_IA32_APICBASE_ENABLE
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.tracepoint import Trace

APICS = "apics"

MSI_ADDR_DEST_MODE_LOGICAL = 1 << 2
MSI_ADDR_REDIRECTION_HINT = 1 << 3
MSI_DATA_TRIGGER_LEVEL = 1 << 15
PHYS_BROADCAST = "kvm: apic: phys broadcast and lowest prio"
"""What the log says of a physical broadcast that is for one APIC."""


class Apics(Object):
    """The local APICs of a machine, in the order their vCPUs were created; handle ``apics``."""

    __slots__ = ("emit", "lapics")
    FIELDS = ()

    HINTS: ClassVar[bool] = False
    """An MSI's redirection hint is honoured: it is for one APIC of its destination."""

    def __init__(self, lapics: list[Lapic], trace: Trace) -> None:
        super().__init__()
        self.lapics, self.emit = lapics, trace.emit

    @touches("lapic*", "reports")
    def kvm_irq_delivery_to_apic(
        self, source: Lapic | None, irq: LapicIrq, reached: list[int] | None = None
    ) -> int:
        """Give a message to every APIC it is for, or to one of them for lowest priority.

        Returns -1 if it is for none, else how many took it (0: all merged or dropped it).
        ``reached`` gets the numbers of the vCPUs that did.
        """
        return self.hand_over(self.receivers(source, irq), irq, reached)

    def hand_over(self, receivers: list[Lapic], irq: LapicIrq, reached: list[int] | None) -> int:
        """Have APICs accept a message: -1 for none, else how many took it."""
        _dest, _dest_mode, delivery_mode, vector, trig_mode, level, _shorthand, _hint = irq
        ret = -1
        for lapic in receivers:
            accepted = lapic.accept_irq(delivery_mode, vector, level, trig_mode)
            if accepted and reached is not None:
                reached.append(lapic.vcpu_id)
            ret = accepted if ret < 0 else ret + accepted
        return ret

    def receivers(self, source: Lapic | None, irq: LapicIrq) -> list[Lapic]:
        """Ask every APIC whether a message is for it; of those, choose one where only one is wanted."""
        dest, dest_mode, delivery_mode, _vector, _trig_mode, _level, shorthand, hint = irq
        matching = [
            lapic
            for lapic in self.lapics
            if lapic.base & MSR_IA32_APICBASE_ENABLE and lapic.match_dest(source, shorthand, dest, dest_mode)
        ]
        wants_one = delivery_mode == APIC_DM_LOWEST or (hint and self.HINTS)
        return self.one_of(matching, irq) if wants_one else matching

    def one_of(self, matching: list[Lapic], irq: LapicIrq) -> list[Lapic]:
        """Choose the software-enabled APIC that was chosen least often; the first of equals."""
        if not irq.dest_mode and irq.dest == APIC_BROADCAST:
            self.memory.reports.printk(PHYS_BROADCAST)
        eligible = [lapic for lapic in matching if lapic.sw_enabled()]
        return [min(eligible, key=lambda lapic: lapic.arb_prio)] if eligible else []

    @touches("lapic*", "reports")
    def set_msi(self, address_lo: int, _address_hi: int, data: int) -> int:
        """Send a message-signalled interrupt (kvm_set_msi): as for a delivery.

        The upper half of the address is ignored, as without KVM_CAP_X2APIC_API in 6.x.
        """
        return self.kvm_irq_delivery_to_apic(None, self._msi_irq(address_lo, data))

    def _msi_irq(self, address_lo: int, data: int) -> LapicIrq:
        """Take a message apart (kvm_set_msi_irq), which is traced whether it is sent then or not."""
        self.emit(("kvm_msi_set_irq", address_lo, data))
        return LapicIrq(
            dest=address_lo >> 12 & 0xFF,
            dest_mode=address_lo & MSI_ADDR_DEST_MODE_LOGICAL,
            delivery_mode=data & 0x700,
            vector=data & 0xFF,
            trig_mode=data & MSI_DATA_TRIGGER_LEVEL,
            redirection_hint=address_lo & MSI_ADDR_REDIRECTION_HINT,
        )

    @touches("lapic*")
    def scan_messages(self, vcpu: int, messages: tuple[tuple[int, int, int], ...]) -> tuple[int, int]:
        """Find the vectors of level messages whose EOI a vCPU has to tell: see IoapicScan."""
        handled, stale = 0, -1
        for address_lo, _address_hi, data in messages:
            irq = self._msi_irq(address_lo, data)
            if irq.trig_mode:
                bit, old = self.lapics[vcpu].scan_irq(irq.dest, irq.dest_mode, irq.vector)
                handled |= bit
                stale = max(stale, old)
        return handled, stale

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
        irq = LapicIrq(
            dest=dest,
            dest_mode=icr & 0x800,
            delivery_mode=icr & 0x700,
            vector=icr & 0xFF,
            trig_mode=icr & 0x8000,
            level=icr & 0x4000,
            shorthand=icr & 0xC0000,
        )
        return self.kvm_irq_delivery_to_apic(source, irq)

    def destinations(self, dest: int, dest_mode: int) -> int:
        """Return the vCPUs of a device's destination as bits (kvm_bitmap_or_dest_vcpus)."""
        return sum(
            1 << lapic.vcpu_id
            for lapic in self.lapics
            if lapic.hw_enabled() and lapic.match_dest(None, APIC_DEST_NOSHORT, dest, dest_mode)
        )
