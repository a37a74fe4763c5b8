"""The I/O APIC's registers: 24 redirection entries, what a read gives, what a write does.

Follows the register half of virt/kvm/ioapic.c of Linux 3.6 and arch/x86/kvm/ioapic.c of 6.x (data
sheet: Intel 82093AA). A redirection entry is one 64-bit int laid out as in hardware. Left out:
moving the base address, and what lies behind the line states for a read that goes past the table
(it reads 0).
"""

from __future__ import annotations

from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernels import Rules
from kvmlab.engine.tracepoint import Trace

IOAPIC_NUM_PINS = 24
IOAPIC_DEFAULT_BASE_ADDRESS = 0xFEC00000
IOAPIC_MEM_LENGTH = 0x100

DEST_MODE, DELIVERY_STATUS, POLARITY = 1 << 11, 1 << 12, 1 << 13
REMOTE_IRR, TRIG_MODE, MASK = 1 << 14, 1 << 15, 1 << 16
"""Bits of a redirection entry: logical destination, -, active low, -, level, masked."""

_READ_ONLY = DELIVERY_STATUS | REMOTE_IRR
_IOREGSEL, _IOWIN = 0x00, 0x10
_REG_ID, _REG_VERSION, _REG_ARB_ID = 0x00, 0x01, 0x02
_VERSION = (IOAPIC_NUM_PINS - 1) << 16 | 0x11
_LOW = 0xFFFFFFFF
_ALL_ONES = (1 << 64) - 1
_WIDTHS = {1: 0xFF, 2: 0xFFFF, 4: _LOW, 8: _LOW}

NO_ENTRY = (-1, -1, 0)
"""What a write returns that is none to an entry."""


class IoapicRegisters(Object):
    """The state of struct kvm_ioapic; every method needs ioapic.lock."""

    FIELDS = ("redirtbl", "irr", "ioregsel", "id", "irq_states", "irr_delivered", "irq_eoi", "storming")
    __slots__ = (
        "_busy",
        "_entries",
        "_pins",
        "_polarity",
        "_states",
        "emit",
        "id",
        "ioregsel",
        "irq_eoi",
        "irr",
        "irr_delivered",
        "rules",
        "storming",
    )

    def __init__(self, rules: Rules, trace: Trace) -> None:
        super().__init__()
        self.rules, self.emit = rules, trace.emit
        self._polarity = POLARITY if rules.polarity else 0
        self._busy = REMOTE_IRR if rules.read_only_bits else 0
        self.irr_delivered = 0
        self.irq_eoi = (0,) * (IOAPIC_NUM_PINS if rules.storm_limit else 0)
        self.storming = False
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

    @property
    def shown_irr(self) -> int:
        """IRR as KVM_GET_IRQCHIP shows it: 6.x leaves out edges that were delivered."""
        return self.irr & ~self.irr_delivered

    def entry(self, pin: int) -> int:
        """Return a pin's redirection entry; 0 for a pin that the chip does not have."""
        return self._entries[pin] if pin < IOAPIC_NUM_PINS else 0

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
        if not self.rules.reads_past_table:
            pin = register - 0x10 >> 1
            content = self._entries[pin] if 0 <= pin < IOAPIC_NUM_PINS else _ALL_ONES
            return content >> 32 if register & 1 else content & _LOW
        # 3.6 does not check the index, so the line states behind the table can be read (CVE-2013-1798).
        behind = self._entries + self._states
        index = register - 0x10 >> 1
        content = behind[index] if 0 <= index < len(behind) else 0
        return content >> 32 if register & 1 else content & _LOW

    def mmio_write(self, addr: int, length: int, value: int) -> tuple[int, int, int]:
        """Write IOREGSEL or IOWIN (ioapic_mmio_write); any other offset is ignored.

        Returns the pin whose entry was written (-1: none), its new mask bit if that has changed
        (else -1), and what the entry was. An access that is not 1, 2, 4 or 8 bytes long is dropped.
        """
        if length not in _WIDTHS:
            self.memory.reports.printk(f"ioapic: Unsupported size {length}")
            return NO_ENTRY
        offset, value = addr & 0xFF, value & _WIDTHS[length]
        if offset == _IOREGSEL:
            self.changed()
            self.ioregsel = value & 0xFF
        return self._write_indirect(value) if offset == _IOWIN else NO_ENTRY

    def _write_indirect(self, value: int) -> tuple[int, int, int]:
        register = self.ioregsel
        pin = register - 0x10 >> 1
        if register == _REG_ID:
            self.changed()
            self.id = value >> 24 & 0xF
        if not 0 <= pin < IOAPIC_NUM_PINS:
            return NO_ENTRY
        before = self._entries[pin]
        if register & 1:
            after = before & _LOW | value << 32
        elif self.rules.read_only_bits:
            after = before & ~_LOW | value & ~_READ_ONLY | before & _READ_ONLY
            if not after & TRIG_MODE:
                # Linux and Xen switch to edge and back where they want to end an interrupt.
                after &= ~REMOTE_IRR
        else:
            # A low write forces remote_irr to 0 and takes every other bit, delivery status included.
            after = before & ~_LOW | value & ~REMOTE_IRR
        self.changed()
        self._entries[pin] = after
        self._update_handled_vectors()
        return pin, -1 if (before ^ after) & MASK == 0 else after >> 16 & 1, before
