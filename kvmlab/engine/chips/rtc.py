"""The RTC's pin: whether its last interrupt was ended (struct rtc_status, arch/x86/kvm/ioapic.c, 6.x).

The RTC is edge-triggered, but its userspace wants to know of ticks that were merged: so the vCPUs
that took one are noted, and until all have ended it another one by KVM_IRQ_LINE_STATUS is merged.
"""

from __future__ import annotations

from kvmlab.engine.kernel.object import Object

RTC_STATUS = "rtc-status"
RTC_GSI = 8
"""The pin (and GSI) of the RTC."""


class RtcStatus(Object):
    """How many ends are awaited, and of which vCPUs: ``dest_map`` holds (vcpu, vector)."""

    __slots__ = ("dest_map", "pending_eoi")
    FIELDS = ("pending_eoi", "dest_map")

    def __init__(self) -> None:
        super().__init__()
        self.pending_eoi = 0
        self.dest_map: tuple[tuple[int, int], ...] = ()

    def awaited(self, vcpu: int) -> int | None:
        """Return the vector whose end is awaited of a vCPU, or None."""
        return dict(self.dest_map).get(vcpu)

    def delivered(self, vector: int, vcpus: list[int], injected: int) -> None:
        """Note who took the interrupt, and how many did (-1: nobody was meant)."""
        self.changed()
        self.dest_map = tuple(sorted({**dict(self.dest_map), **dict.fromkeys(vcpus, vector)}.items()))
        self.pending_eoi = max(0, injected)

    def end(self, vcpu: int, vector: int) -> None:
        """A vCPU has ended a vector (rtc_irq_eoi)."""
        if self.awaited(vcpu) == vector:
            self.restore(vcpu, vector, False)

    def restore(self, vcpu: int, vector: int, pending: bool) -> None:
        """Bring the books in line with a vCPU's LAPIC (__rtc_irq_eoi_tracking_restore_one)."""
        if pending == (self.awaited(vcpu) is not None):
            return
        self.changed()
        others = [entry for entry in self.dest_map if entry[0] != vcpu]
        self.dest_map = tuple(sorted([*others, (vcpu, vector)])) if pending else tuple(others)
        self.pending_eoi = max(0, self.pending_eoi + (1 if pending else -1))
