"""The I/O APIC: its lines, how a pin is delivered, and what an EOI does to it.

Follows virt/kvm/ioapic.c of Linux 3.6 and arch/x86/kvm/ioapic.c of 6.x (data sheet: Intel
82093AA). The registers are in ioapic_registers.py, the paths that take the lock in ioapic_io.py.
"""

from __future__ import annotations

from functools import lru_cache

from kvmlab.engine.chips.apics import Apics
from kvmlab.engine.chips.destination import APIC_DEST_NOSHORT, LapicIrq
from kvmlab.engine.chips.ioapic_registers import DEST_MODE, MASK, REMOTE_IRR, TRIG_MODE, IoapicRegisters
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN
from kvmlab.engine.chips.rtc import RTC_GSI, RTC_STATUS
from kvmlab.engine.kernel.path import touches
from kvmlab.engine.kernels import Rules
from kvmlab.engine.tracepoint import Trace

IOAPIC = "ioapic"
IOAPIC_EDGE_TRIG, IOAPIC_LEVEL_TRIG = 0, 1
_BSP_VCPU_ID = 0


@lru_cache(maxsize=1024)
def message(entry: int) -> LapicIrq:
    """Return the message that a redirection entry stands for."""
    return LapicIrq(entry >> 56, entry & DEST_MODE, entry & 0x700, entry & 0xFF, entry >> 15 & 1)


class Ioapic(IoapicRegisters):
    """struct kvm_ioapic; handle ``ioapic``. Every method but handles_vector needs ioapic.lock."""

    __slots__ = ("apics",)

    def __init__(self, apics: Apics, rules: Rules, trace: Trace) -> None:
        super().__init__(rules, trace)
        self.apics = apics

    @touches("lapic*", "reports", RTC_STATUS)
    def set_irq(self, pin: int, irq_source_id: int, level: int, line_status: bool = False) -> int:
        """Set or clear a source's bit on a pin and act on the line (kvm_ioapic_set_irq).

        The line is the OR of the sources (__kvm_irq_line_state), in 3.6 inverted by the polarity bit.
        Returns 1 for a low line, -1 for masked or not delivered, 0 for merged, else how many APICs
        took it.
        ``line_status`` tells of KVM_IRQ_LINE_STATUS, which the RTC's pin answers otherwise.
        """
        self.changed()
        state = self._states[pin]
        state = state | 1 << irq_source_id if level else state & ~(1 << irq_source_id)
        self._states[pin] = state
        entry = self._entries[pin]
        bit = 1 << pin
        if (state != 0) == (entry & self._polarity != 0):
            self.irr &= ~bit
            ret = 1
        elif line_status and pin == RTC_GSI and self.rtc_pending():
            ret = 0
        elif entry & TRIG_MODE:
            self.irr |= bit
            ret = self.rules.pending_level if entry & REMOTE_IRR else self.service(pin, line_status)
        else:
            raised = self.irr & bit
            self.irr |= bit
            self.irr_delivered &= ~bit
            ret = 0 if raised else self.service(pin, line_status)
        # The entry as it was before the delivery, which may have set remote_irr.
        self.emit(("kvm_ioapic_set_irq", entry, pin, 1 if ret == 0 else 0))
        return ret

    def rtc_state(self, vcpu: int) -> tuple[int, bool]:
        """Return the RTC's vector, -1 if its entry means another vCPU, and whether its end is awaited."""
        entry, lapic = self._entries[RTC_GSI], self.apics.lapics[vcpu]
        meant = lapic.match_dest(None, APIC_DEST_NOSHORT, entry >> 56, entry & DEST_MODE)
        return entry & 0xFF if meant else -1, lapic.pending_eoi(entry & 0xFF)

    def rtc_pending(self) -> bool:
        """Tell whether the RTC's last interrupt was not ended yet (rtc_irq_check_coalesced)."""
        return bool(self.rules.rtc_eoi_tracking and self.deref(RTC_STATUS).pending_eoi)

    @touches("lapic*", "reports", RTC_STATUS)
    def service(self, pin: int, line_status: bool = False) -> int:
        """Deliver a pin's interrupt unless it is masked (ioapic_service): as a delivery, or -1.

        Whatever is not 0 latches remote_irr of a level pin, -1 for nobody there included. In 6.x
        a level pin whose remote_irr is set is not delivered either.
        """
        entry = self._entries[pin]
        trig_mode = entry >> 15 & 1
        if entry & MASK or (trig_mode and entry & self._busy):
            return -1
        irq = message(entry)
        if pin == 0 and self.rules.pin0_to_bsp:
            # The timer's pin always goes to the boot CPU, whatever the entry says.
            irq = irq._replace(dest=_BSP_VCPU_ID, dest_mode=0)
        if not trig_mode and self.rules.hides_delivered_edges:
            self.changed()
            self.irr_delivered |= 1 << pin
        reached: list[int] | None = [] if line_status and pin == RTC_GSI else None
        injected = self.apics.kvm_irq_delivery_to_apic(None, irq, reached)
        if reached is not None and self.rules.rtc_eoi_tracking:
            self.deref(RTC_STATUS).delivered(entry & 0xFF, reached, injected)
        if injected and trig_mode:
            self.changed()
            self._entries[pin] = entry | REMOTE_IRR
        return injected

    # -- EOI ----------------------------------------------------------------------------

    def handles_vector(self, vector: int) -> bool:
        """Tell whether any entry, masked ones included, has a vector (kvm_ioapic_handles_vector)."""
        return vector in self._pins

    def next_pin(self, vector: int, start: int) -> int:
        """Return the first pin from ``start`` on whose entry has a vector, or -1."""
        for pin in self._pins.get(vector, ()):
            if pin >= start:
                return pin
        return -1

    @touches("lapic*", "reports", RTC_STATUS)
    def end_pin(self, pin: int, vector: int, trigger_mode: int) -> int:
        """Go on with the EOI walk after a pin's notifiers ran; return the next pin, or -1.

        A level EOI clears remote_irr and serves the pin again if its line is still high, unless
        that has gone on for too long. The mode is the LAPIC's (TMR), not the entry's.
        """
        if trigger_mode == IOAPIC_LEVEL_TRIG:
            self.changed()
            self._entries[pin] &= ~REMOTE_IRR
            if self.rules.storm_limit and self._storms(pin):
                return self.next_pin(vector, pin + 1)
            if self.irr >> pin & 1:
                self.service(pin)
        return self.next_pin(vector, pin + 1)

    def _storms(self, pin: int) -> bool:
        """Count a re-injection by EOI; True for the one that has to wait (irq_eoi)."""
        again = self.irr >> pin & 1 and not self._entries[pin] & MASK
        count = self.irq_eoi[pin] + 1 if again else 0
        storms = count == self.rules.storm_limit
        if storms:
            self.emit(("kvm_ioapic_delayed_eoi_inj", self._entries[pin]))
            self.storming = True
            count = 0
        if count != self.irq_eoi[pin]:
            self.irq_eoi = (*self.irq_eoi[:pin], count, *self.irq_eoi[pin + 1 :])
        return storms

    def take_storm(self) -> bool:
        """Tell, once, whether the pin that was ended last has to wait."""
        if not self.storming:
            return False
        self.changed()
        self.storming = False
        return True

    @touches("lapic*", "reports", RTC_STATUS)
    def inject_pending(self) -> None:
        """Serve every level pin that waits: a storm's delayed work (kvm_ioapic_eoi_inject_work)."""
        for pin, entry in enumerate(self._entries):
            if entry & TRIG_MODE and self.irr >> pin & 1:
                self.service(pin)

    @touches("lapic*", RTC_STATUS)
    def scan_entry(self, vcpu: int, notified: tuple[int, ...]) -> tuple[int, int]:
        """Find the vectors whose EOI a vCPU has to tell (kvm_ioapic_scan_entry): see IoapicScan.

        ``notified`` are the pins that have ack notifiers.
        """
        lapic = self.apics.lapics[vcpu]
        awaited = self.deref(RTC_STATUS).awaited(vcpu)
        handled, stale = 0 if awaited is None else 1 << awaited, -1
        for pin, entry in enumerate(self._entries):
            if not (entry & TRIG_MODE or pin in notified or pin == RTC_GSI):
                continue
            bit, old = lapic.scan_irq(entry >> 56, entry & DEST_MODE, entry & 0xFF)
            handled |= bit
            stale = max(stale, old)
        return handled, stale

    def clear_all(self, irq_source_id: int) -> None:
        """Clear a source's bit on every pin; no line is evaluated (kvm_ioapic_clear_all)."""
        self.changed()
        keep = ~(1 << irq_source_id)
        self._states = [state & keep for state in self._states]

    # -- what a write to an entry ends with -----------------------------------------------------

    def waits(self, pin: int) -> bool:
        """Tell whether a level pin's line is high and nothing keeps it from being delivered."""
        entry = self._entries[pin]
        return bool(entry & TRIG_MODE and self.irr >> pin & 1 and not entry & (MASK | REMOTE_IRR))

    def drop_request(self, pin: int) -> None:
        """Forget that a pin's line is high, as its resampler will tell whether it still is."""
        self.changed()
        self.irr &= ~(1 << pin)

    @touches("lapic*", IOAPIC_SCAN)
    def request_scan(self, pin: int, before: int) -> None:
        """Have the vCPUs scan that an entry is for now, or was for before it was written.

        The old destination is read in the new mode, as 6.x does (ioapic_write_indirect).
        """
        entry, scan = self._entries[pin], self.deref(IOAPIC_SCAN)
        if entry & 0x700:
            scan.request_all()
            return
        vcpus = self.apics.destinations(entry >> 56, entry & DEST_MODE)
        if (entry ^ before) >> 56 or (entry ^ before) & DEST_MODE:
            vcpus |= self.apics.destinations(before >> 56, entry & DEST_MODE)
        scan.request(vcpus)

    @touches("lapic*", "reports", RTC_STATUS)
    def service_pending(self, pin: int) -> None:
        """Serve a level pin whose line is high: what every write to its entry ends with."""
        if self._entries[pin] & TRIG_MODE and self.irr >> pin & 1:
            self.service(pin)
