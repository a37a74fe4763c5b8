"""The I/O APIC: 24 pins, their redirection entries, and the EOI walk that drops its lock.

Follows virt/kvm/ioapic.c of Linux 3.6 (data sheet: Intel 82093AA). A redirection entry is one
64-bit int laid out as in hardware. Left out: moving the base address, and what lies behind the
line states for a read that goes past the table (it reads 0).
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.apics import Apics
from kvmlab.engine.chips.lapic import APIC_DEST_NOSHORT
from kvmlab.engine.kernel.locks import spin_lock, spin_unlock
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import PATHS, Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Trace

IOAPIC = "ioapic"
IOAPIC_LOCK = "ioapic.lock"
IOAPIC_NUM_PINS = 24
IOAPIC_DEFAULT_BASE_ADDRESS = 0xFEC00000
IOAPIC_MEM_LENGTH = 0x100
IOAPIC_EDGE_TRIG, IOAPIC_LEVEL_TRIG = 0, 1

DEST_MODE, POLARITY, REMOTE_IRR, TRIG_MODE, MASK = 1 << 11, 1 << 13, 1 << 14, 1 << 15, 1 << 16
"""Bits of a redirection entry: logical destination, active low, -, level, masked."""

_IOREGSEL, _IOWIN = 0x00, 0x10
_REG_ID, _REG_VERSION, _REG_ARB_ID = 0x00, 0x01, 0x02
_VERSION = (IOAPIC_NUM_PINS - 1) << 16 | 0x11
_LOW = 0xFFFFFFFF
_WIDTHS = {1: 0xFF, 2: 0xFFFF, 4: _LOW, 8: _LOW}
_BSP_VCPU_ID = 0

_LOCK, _UNLOCK = spin_lock(IOAPIC_LOCK), spin_unlock(IOAPIC_LOCK)


class Ioapic(Object):
    """struct kvm_ioapic; handle ``ioapic``. Every method but handles_vector needs ioapic.lock."""

    __slots__ = ("_entries", "_pins", "_states", "apics", "emit", "id", "ioregsel", "irr")
    FIELDS = ("redirtbl", "irr", "ioregsel", "id", "irq_states")

    def __init__(self, apics: Apics, trace: Trace) -> None:
        super().__init__()
        self.apics, self.emit = apics, trace.emit
        self.irq_states = (0,) * IOAPIC_NUM_PINS
        self.redirtbl = (MASK,) * IOAPIC_NUM_PINS
        self.irr = self.ioregsel = self.id = 0

    @property
    def irq_states(self) -> tuple[int, ...]:
        """By pin, the sources that assert it, one bit each."""
        return tuple(self._states)

    @irq_states.setter
    def irq_states(self, states: tuple[int, ...]) -> None:
        self._states = list(states)

    @property
    def redirtbl(self) -> tuple[int, ...]:
        """By pin, its redirection entry."""
        return tuple(self._entries)

    @redirtbl.setter
    def redirtbl(self, entries: tuple[int, ...]) -> None:
        self._entries = list(entries)
        self._update_handled_vectors()

    def _update_handled_vectors(self) -> None:
        pins: dict[int, tuple[int, ...]] = {}
        for pin, entry in enumerate(self._entries):
            pins[entry & 0xFF] = (*pins.get(entry & 0xFF, ()), pin)
        self._pins = pins

    @touches("lapic*", "reports")
    def set_irq(self, pin: int, irq_source_id: int, level: int) -> int:
        """Set or clear a source's bit on a pin and act on the line (kvm_ioapic_set_irq).

        The line is the OR of the sources, inverted by the polarity bit. Returns 1 for a low
        line, -1 for masked or not delivered, 0 for merged, else how many APICs took it.
        """
        self.changed()
        state = self._states[pin]
        state = state | 1 << irq_source_id if level else state & ~(1 << irq_source_id)
        self._states[pin] = state
        entry = self._entries[pin]
        bit = 1 << pin
        if (state != 0) == (entry & POLARITY != 0):
            self.irr &= ~bit
            ret = 1
        else:
            blocked = entry & REMOTE_IRR if entry & TRIG_MODE else self.irr & bit
            self.irr |= bit
            ret = 0 if blocked else self.service(pin)
        # The entry as it was before the delivery, which may have set remote_irr.
        self.emit(("kvm_ioapic_set_irq", entry, pin, 1 if ret == 0 else 0))
        return ret

    @touches("lapic*", "reports")
    def service(self, pin: int) -> int:
        """Deliver a pin's interrupt unless it is masked (ioapic_service): as a delivery, or -1.

        Whatever is not 0 latches remote_irr of a level pin, -1 for nobody there included.
        """
        entry = self._entries[pin]
        if entry & MASK:
            return -1
        trig_mode = entry >> 15 & 1
        dest, dest_mode = entry >> 56, entry & DEST_MODE
        if pin == 0:
            # The timer's pin always goes to the boot CPU, whatever the entry says.
            dest, dest_mode = _BSP_VCPU_ID, 0
        injected = self.apics.kvm_irq_delivery_to_apic(
            None, dest, dest_mode, APIC_DEST_NOSHORT, entry & 0x700, entry & 0xFF, 1, trig_mode
        )
        if injected and trig_mode:
            self.changed()
            self._entries[pin] = entry | REMOTE_IRR
        return injected

    def entry(self, pin: int) -> int:
        """Return a pin's redirection entry; 0 for a pin that the chip does not have."""
        return self._entries[pin] if pin < IOAPIC_NUM_PINS else 0

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

    @touches("lapic*", "reports")
    def end_pin(self, pin: int, vector: int, trigger_mode: int) -> int:
        """Go on with the EOI walk after a pin's notifiers ran; return the next pin, or -1.

        A level EOI clears remote_irr and serves the pin again if its line is still high. The
        mode is the LAPIC's (TMR), not the entry's.
        """
        if trigger_mode == IOAPIC_LEVEL_TRIG:
            self.changed()
            self._entries[pin] &= ~REMOTE_IRR
            if self.irr >> pin & 1:
                self.service(pin)
        return self.next_pin(vector, pin + 1)

    def clear_all(self, irq_source_id: int) -> None:
        """Clear a source's bit on every pin; no line is evaluated (kvm_ioapic_clear_all)."""
        self.changed()
        keep = ~(1 << irq_source_id)
        self._states = [state & keep for state in self._states]

    # -- registers ------------------------------------------------------------------------

    def mmio_read(self, addr: int, length: int) -> int:
        """Read IOREGSEL or IOWIN; any other offset reads 0 (ioapic_mmio_read)."""
        offset = addr & 0xFF
        if offset == _IOREGSEL:
            return self.ioregsel & _WIDTHS.get(length, 0)
        return self._read_indirect() & _WIDTHS.get(length, 0) if offset == _IOWIN else 0

    def _read_indirect(self) -> int:
        register = self.ioregsel
        if register == _REG_VERSION:
            return _VERSION
        if register in (_REG_ID, _REG_ARB_ID):
            return self.id << 24
        # 3.6 does not check the index, so the line states behind the table can be read (CVE-2013-1798).
        behind = self._entries + self._states
        index = register - 0x10 >> 1
        content = behind[index] if 0 <= index < len(behind) else 0
        return content >> 32 if register & 1 else content & _LOW

    def mmio_write(self, addr: int, length: int, value: int) -> tuple[int, int]:
        """Write IOREGSEL or IOWIN (ioapic_mmio_write); any other offset is ignored.

        Returns the pin whose entry was written (-1: none) and its new mask bit if that has
        changed (else -1). An access that is not 1, 2, 4 or 8 bytes long is dropped.
        """
        if length not in _WIDTHS:
            self.memory.reports.printk(f"ioapic: Unsupported size {length}")
            return -1, -1
        offset, value = addr & 0xFF, value & _WIDTHS[length]
        if offset == _IOREGSEL:
            self.changed()
            self.ioregsel = value & 0xFF
        return self._write_indirect(value) if offset == _IOWIN else (-1, -1)

    def _write_indirect(self, value: int) -> tuple[int, int]:
        register = self.ioregsel
        pin = register - 0x10 >> 1
        if register == _REG_ID:
            self.changed()
            self.id = value >> 24 & 0xF
        if not 0 <= pin < IOAPIC_NUM_PINS:
            return -1, -1
        before = self._entries[pin]
        # A low write forces remote_irr to 0 and takes every other bit, delivery status included.
        after = before & _LOW | value << 32 if register & 1 else before & ~_LOW | value & ~REMOTE_IRR
        self.changed()
        self._entries[pin] = after
        self._update_handled_vectors()
        return pin, -1 if (before ^ after) & MASK == 0 else after >> 16 & 1

    @touches("lapic*", "reports")
    def service_pending(self, pin: int) -> None:
        """Serve a level pin whose line is high: what every write to its entry ends with."""
        if self._entries[pin] & TRIG_MODE and self.irr >> pin & 1:
            self.service(pin)


@path
def kvm_ioapic_update_eoi(profile: Profile, vector: int, trigger_mode: int) -> Path[None]:
    """Tell every pin with a vector that it was ended, in pin order.

    The lock is dropped around the notifiers, as they call back into the IOAPIC; remote_irr is
    still set then, so that an assertion in between waits in IRR.
    """
    yield _LOCK
    pin = yield (Ioapic.next_pin, IOAPIC, vector, 0)
    while pin >= 0:
        yield _UNLOCK
        yield from PATHS["kvm_notify_acked_irq"](profile, KVM_IRQCHIP_IOAPIC, pin)
        yield _LOCK
        pin = yield (Ioapic.end_pin, IOAPIC, pin, vector, trigger_mode)
    yield _UNLOCK


@path
def kvm_ioapic_clear_all(profile: Profile, irq_source_id: int) -> Path[None]:
    """Forget a source on every pin: see :meth:`Ioapic.clear_all`."""
    yield _LOCK
    yield (Ioapic.clear_all, IOAPIC, irq_source_id)
    yield _UNLOCK


@path
def ioapic_mmio_read(profile: Profile, addr: int, length: int) -> Path[int]:
    """Read ``length`` bytes of the IOAPIC's 256: see :meth:`Ioapic.mmio_read`."""
    yield _LOCK
    value: int = yield (Ioapic.mmio_read, IOAPIC, addr, length)
    yield _UNLOCK
    return value


@path
def ioapic_mmio_write(profile: Profile, addr: int, length: int, value: int) -> Path[None]:
    """Write the IOAPIC; mask notifiers run under ioapic.lock, before a pending pin is served."""
    yield _LOCK
    pin, mask = yield (Ioapic.mmio_write, IOAPIC, addr, length, value)
    if pin >= 0:
        if mask >= 0:
            yield from PATHS["kvm_fire_mask_notifiers"](profile, KVM_IRQCHIP_IOAPIC, pin, mask)
        yield (Ioapic.service_pending, IOAPIC, pin)
    yield _UNLOCK
