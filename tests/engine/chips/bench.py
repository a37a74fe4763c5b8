"""A machine on the bench: reset state, LAPICs enabled, and short words for what a guest does."""

from __future__ import annotations

from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracetext import format_event

LEVEL, MASKED, LOGICAL, LOW_ACTIVE, REMOTE_IRR = 1 << 15, 1 << 16, 1 << 11, 1 << 13, 1 << 14
LOWEST, NMI, INIT = 0x100, 0x400, 0x500
MASTER, SLAVE = 0x20, 0xA0
MASTER_BASE, SLAVE_BASE = 0x30, 0x38
EOI = 0x20


class Bench:
    """A machine whose 8259s are masked and whose LAPICs take interrupts."""

    def __init__(self, vcpus: int = 1, *, x2apic: bool = False, kernel: str = "linux-3.6") -> None:
        self.machine = Machine(Profile(kernel=kernel, vcpus=vcpus, x2apic=x2apic, bare=True))
        self.ioapic, self.pic = self.machine.ioapic, self.machine.pic
        for vcpu in range(vcpus):
            self.apic(0xF0, 0x1FF, vcpu)
        self.out(MASTER + 1, 0xFF)
        self.out(SLAVE + 1, 0xFF)

    def lapic(self, vcpu: int = 0) -> Lapic:
        """Return a vCPU's local APIC."""
        return self.machine.lapics[vcpu]

    def apic(self, offset: int, value: int, vcpu: int = 0) -> None:
        """Write a register of a vCPU's own APIC."""
        self.machine.mmio_write(vcpu, 0xFEE00000 + offset, value)

    def low(self, pin: int, value: int) -> None:
        """Write the low dword of a redirection entry."""
        self.machine.mmio_write(0, 0xFEC00000, 0x10 + 2 * pin)
        self.machine.mmio_write(0, 0xFEC00010, value)

    def high(self, pin: int, dest: int) -> None:
        """Write the high dword of a redirection entry."""
        self.machine.mmio_write(0, 0xFEC00000, 0x11 + 2 * pin)
        self.machine.mmio_write(0, 0xFEC00010, dest << 24)

    def line(self, level: int, gsi: int = 11, source: int = 0) -> int:
        """Drive a GSI; return kvm_set_irq's status."""
        return self.machine.kvm_set_irq(source, gsi, level)

    def remote_irr(self, pin: int = 11) -> bool:
        """Tell whether a pin waits for its EOI."""
        return bool(self.ioapic.redirtbl[pin] & REMOTE_IRR)

    def take(self, vcpu: int = 0) -> int:
        """Acknowledge what a vCPU would take; -1 for nothing."""
        return self.machine.get_interrupt(vcpu)

    def eoi(self, vcpu: int = 0) -> None:
        """Write a vCPU's EOI register."""
        self.machine.eoi(vcpu)

    def out(self, port: int, value: int) -> None:
        """Write a byte to an I/O port."""
        self.machine.pio_write(port, value)

    def init_pic(self, icw4: int = 1, mask: int = 0) -> None:
        """Initialise both 8259s at MASTER_BASE and SLAVE_BASE and set their masks."""
        for port, base, icw3 in ((MASTER, MASTER_BASE, 4), (SLAVE, SLAVE_BASE, 2)):
            self.out(port, 0x11)
            for value in (base, icw3, icw4, mask):
                self.out(port + 1, value)

    def events(self, *names: str) -> list[str]:
        """Return the texts of all events so far, or of those with some names."""
        events = self.machine.trace.last()
        kernel = self.machine.profile.kernel
        return [format_event(event, kernel) for event in events if not names or event[0] in names]
