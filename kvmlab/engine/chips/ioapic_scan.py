"""Which EOIs a vCPU tells the IOAPIC of, in 6.x: vectors found by a scan when it enters the guest.

Follows vcpu_scan_ioapic in arch/x86/kvm/x86.c, kvm_ioapic_scan_entry in ioapic.c and
kvm_scan_ioapic_irq in irq_comm.c. A scan is asked for by whatever may change its result, and done
when the vCPU next enters the guest; an EOI before that goes by the old one. Of a split irqchip it is
userspace that is told.
"""

from __future__ import annotations

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import touches

IOAPIC_SCAN = "ioapic-scan"


class IoapicScan(Object):
    """KVM_REQ_SCAN_IOAPIC and what the last scans found.

    ``requests`` has a bit for each vCPU that is to scan; ``handled`` is, by vCPU, a bitmap of the
    vectors whose EOI is told; ``stale`` the highest of these that only an old routing sent, or -1;
    ``pending_eoi`` the vector that the vCPU is to leave for userspace with (KVM_REQ_IOAPIC_EOI_EXIT), or -1.
    """

    __slots__ = ("handled", "pending_eoi", "requests", "stale")
    FIELDS = ("requests", "handled", "stale", "pending_eoi")

    def __init__(self, vcpus: int) -> None:
        super().__init__()
        self.requests = 0
        self.handled = (0,) * vcpus
        self.stale = self.pending_eoi = (-1,) * vcpus

    def request(self, vcpus: int) -> None:
        """Have the vCPUs of a bitmap scan when they enter the guest."""
        self.changed()
        self.requests |= vcpus

    def request_all(self) -> None:
        """Have every vCPU scan (kvm_make_scan_ioapic_request)."""
        self.request((1 << len(self.handled)) - 1)

    def begin(self, vcpu: int) -> bool:
        """Take a vCPU's request; False if there is none."""
        if not self.requests >> vcpu & 1:
            return False
        self.changed()
        self.requests &= ~(1 << vcpu)
        return True

    def store(self, vcpu: int, handled: int, stale: int) -> None:
        """Keep what a vCPU's scan has found."""
        self.changed()
        self.handled = (*self.handled[:vcpu], handled, *self.handled[vcpu + 1 :])
        self.stale = (*self.stale[:vcpu], stale, *self.stale[vcpu + 1 :])

    @touches("lapic*")
    def intercepts(self, lapic: str, vector: int) -> bool:
        """Tell whether a vCPU tells the IOAPIC of a vector's EOI (kvm_ioapic_send_eoi).

        The end of the highest one that an old routing sent asks for another scan.
        """
        vcpu: int = self.deref(lapic).vcpu_id
        if vector < 0 or not self.handled[vcpu] >> vector & 1:
            return False
        if self.stale[vcpu] == vector:
            self.request(1 << vcpu)
        return True

    @touches("lapic*")
    def request_exit(self, lapic: str, vector: int) -> None:
        """Have a vCPU leave for userspace with the vector that it has ended."""
        self._pend(self.deref(lapic).vcpu_id, vector)

    def take_exit(self, vcpu: int) -> int:
        """Take the vector that a vCPU is to leave with, -1 for none."""
        vector = self.pending_eoi[vcpu]
        if vector >= 0:
            self._pend(vcpu, -1)
        return vector

    def _pend(self, vcpu: int, vector: int) -> None:
        self.changed()
        self.pending_eoi = (*self.pending_eoi[:vcpu], vector, *self.pending_eoi[vcpu + 1 :])
