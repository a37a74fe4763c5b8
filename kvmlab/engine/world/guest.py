"""The guest: its vCPUs, what they do to the chips, and the handlers that run by themselves.

Every access is a path in the context of its vCPU. An access goes where KVM sends it: the vCPU's
own LAPIC page first, then the devices on the bus (vcpu_mmio_write in arch/x86/kvm/x86.c of 3.6);
what nobody claims would exit to userspace, where nobody answers: writes vanish, reads give ones.
"""

from __future__ import annotations

from kvmlab.engine.abi import EBADF, Errno
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic, ioapic_mmio_read, ioapic_mmio_write
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.lapic_io import (
    apic_mmio_read,
    apic_mmio_write,
    kvm_x2apic_msr_read,
    kvm_x2apic_msr_write,
)
from kvmlab.engine.chips.pic import PIC, PIC_PORTS, Pic, kvm_pic_read_irq, pic_ioport_read, pic_ioport_write
from kvmlab.engine.fds.eventfd import eventfd_signal
from kvmlab.engine.fds.files import FDS, VM_FD, Fds
from kvmlab.engine.fds.ioeventfd import IOEVENTFDS, Ioeventfds
from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Trace

IOAPIC_BASE, IOAPIC_LENGTH = 0xFEC00000, 0x100
IOREGSEL, IOWIN = IOAPIC_BASE, IOAPIC_BASE + 0x10
APIC_BASE_MSR = 0x1B
X2APIC_MSRS = range(0x800, 0x840)
NMI_VECTOR = 2
MMIO_UNSATISFIED, MMIO_READ, MMIO_WRITE = 0, 1, 2

Handler = tuple[int, str, tuple[Call, ...]]
"""A vector, its actions as typed, and the calls they are."""


def vcpu(number: int) -> str:
    """Return the handle of a vCPU."""
    return f"vcpu{number}"


def lapic(number: int) -> str:
    """Return the handle of a vCPU's LAPIC."""
    return f"lapic{number}"


class Vcpu(Object):
    """A vCPU: RFLAGS.IF, how many NMIs it has taken, its handlers by vector."""

    __slots__ = ("fds", "handlers", "if_", "lapic", "nmis_taken")
    FIELDS = ("if_", "nmis_taken", "handlers")

    def __init__(self, fds: Fds, chip: Lapic | None) -> None:
        super().__init__()
        self.fds, self.lapic = fds, chip
        self.if_ = 1
        self.nmis_taken = 0
        self.handlers: tuple[Handler, ...] = ()

    def set_if(self, value: int) -> None:
        """Set or clear RFLAGS.IF."""
        self.changed()
        self.if_ = value

    def set_handler(self, vector: int, text: str, calls: tuple[Call, ...]) -> None:
        """Replace a vector's handler; no text removes it."""
        self.changed()
        rest = [handler for handler in self.handlers if handler[0] != vector]
        self.handlers = tuple(sorted([*rest, (vector, text, calls)] if text else rest))

    def handler(self, vector: int) -> tuple[Call, ...] | None:
        """Return the calls of a vector's handler, or None if it has none."""
        return next((calls for number, _text, calls in self.handlers if number == vector), None)

    @touches("fds", "lapic*")
    def window(self) -> int | Errno:
        """Enter the guest and look what it may take: NMI_VECTOR, OPEN for interrupts, or SHUT.

        An NMI needs no IF; -EBADF when the VM is gone.
        """
        if not self.fds.is_open(VM_FD):
            return VM_IS_GONE
        if self.lapic is None or not self.lapic.enter():
            return SHUT
        if self.nmis_taken < self.lapic.nmi:
            self.changed()
            self.nmis_taken += 1
            return NMI_VECTOR
        return OPEN if self.if_ else SHUT


class Guest(Object):
    """How often each vector was taken, over all vCPUs, and which was taken last."""

    __slots__ = ("fds", "last", "taken", "total", "trace")
    FIELDS = ("counts", "total", "last")

    def __init__(self, fds: Fds, trace: Trace) -> None:
        super().__init__()
        self.fds, self.trace = fds, trace
        self.taken: dict[int, int] = {}
        self.total = 0
        self.last = -1

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """The state: (vector, times taken), by vector."""
        return tuple(sorted(self.taken.items()))

    @counts.setter
    def counts(self, value: tuple[tuple[int, int], ...]) -> None:
        self.taken = dict(value)

    def take(self, vector: int) -> None:
        """Count an interrupt at its handler's first instruction."""
        self.changed()
        self.taken[vector] = self.taken.get(vector, 0) + 1
        self.total += 1
        self.last = vector
        if vector != NMI_VECTOR:
            self.trace.emit(("kvm_inj_virq", vector))

    @touches(FDS)
    def vm_exit(self, *event: int | str) -> bool:
        """Leave the guest for an access, recording its tracepoint; False when the VM is gone."""
        if not self.fds.is_open(VM_FD):
            return False
        self.trace.emit(event)
        return True

    def trace_read(self, *event: int | str) -> None:
        """Record the tracepoint of an access once its value is known."""
        self.trace.emit(event)


GUEST = "guest"


@path
def kvm_cpu_get_interrupt(profile: Profile, cpu: int) -> Path[int]:
    """arch/x86/kvm/irq.c of 3.6: acknowledge at the LAPIC, else at the 8259; a vector or -1."""
    if not profile.has("irqchip"):
        return -1
    vector: int = yield (Lapic.get_interrupt, lapic(cpu))
    if vector == -1 and (yield (Lapic.accept_pic_intr, lapic(cpu))):
        if (yield (Pic.clear_output, PIC)):
            vector = yield from kvm_pic_read_irq(profile)
    return vector


@path
def vcpu_take(profile: Profile, cpu: int) -> Path[int | None]:
    """Take the next deliverable interrupt: its vector, None, or -EBADF. An NMI comes first."""
    vector: int = yield (Vcpu.window, vcpu(cpu))
    if vector == OPEN:
        vector = yield from kvm_cpu_get_interrupt(profile, cpu)
        if vector == -1:
            return None
    elif vector != NMI_VECTOR:
        return None if vector == SHUT else vector
    yield (Guest.take, GUEST, vector)
    return vector


@path
def vcpu_set_if(profile: Profile, cpu: int, value: int) -> Path[int]:
    """STI or CLI."""
    yield (Vcpu.set_if, vcpu(cpu), value)
    return 0


@path
def vcpu_set_handler(
    profile: Profile, cpu: int, vector: int, text: str, calls: tuple[Call, ...]
) -> Path[int]:
    """Change the guest's program: what it does when it takes a vector."""
    yield (Vcpu.set_handler, vcpu(cpu), vector, text, calls)
    return 0


@path
def mmio_write(profile: Profile, cpu: int, addr: int, length: int, value: int) -> Path[int]:
    """A guest's write to physical memory: 0, or -EBADF when the VM is closed."""
    if not (yield (Guest.vm_exit, GUEST, "kvm_mmio", MMIO_WRITE, length, addr, value)):
        return VM_IS_GONE
    if profile.has("irqchip"):
        if (yield from apic_mmio_write(profile, lapic(cpu), addr, length, value)):
            return 0
        if IOAPIC_BASE <= addr < IOAPIC_BASE + IOAPIC_LENGTH:
            yield from ioapic_mmio_write(profile, addr, length, value)
            return 0
    yield from ioeventfd_write(profile, 0, addr, length, value)
    return 0


@path
def mmio_read(profile: Profile, cpu: int, addr: int, length: int) -> Path[int]:
    """A guest's read of physical memory: the value; all ones where nothing answers."""
    if not (yield (Fds.is_open, FDS, VM_FD)):
        return VM_IS_GONE
    value: int | None = None
    if profile.has("irqchip"):
        value = yield from apic_mmio_read(profile, lapic(cpu), addr, length)
        if value is None and IOAPIC_BASE <= addr < IOAPIC_BASE + IOAPIC_LENGTH:
            value = yield from ioapic_mmio_read(profile, addr, length)
    if value is None:
        yield (Guest.trace_read, GUEST, "kvm_mmio", MMIO_UNSATISFIED, length, addr, 0)
        return int((1 << 8 * length) - 1)
    yield (Guest.trace_read, GUEST, "kvm_mmio", MMIO_READ, length, addr, value)
    return value


@path
def pio_write(profile: Profile, cpu: int, port: int, length: int, value: int) -> Path[int]:
    """A guest's OUT: 0, or -EBADF when the VM is closed."""
    if not (yield (Guest.vm_exit, GUEST, "kvm_pio", 1, port, length, 1)):
        return VM_IS_GONE
    if profile.has("irqchip") and port in PIC_PORTS:
        if length == 1:  # the 8259 ignores anything but a byte
            yield from pic_ioport_write(profile, port, value)
        return 0
    yield from ioeventfd_write(profile, 1, port, length, value)
    return 0


@path
def pio_read(profile: Profile, cpu: int, port: int, length: int) -> Path[int]:
    """A guest's IN: the value; all ones where nothing answers."""
    if not (yield (Guest.vm_exit, GUEST, "kvm_pio", 0, port, length, 1)):
        return VM_IS_GONE
    if profile.has("irqchip") and port in PIC_PORTS:
        return (yield from pic_ioport_read(profile, port)) if length == 1 else 0
    return int((1 << 8 * length) - 1)


@path
def ioeventfd_write(profile: Profile, pio: int, addr: int, length: int, value: int) -> Path[None]:
    """virt/kvm/eventfd.c: ioeventfd_write, for the first ioeventfd that matches."""
    eventfd = yield (Ioeventfds.in_range, IOEVENTFDS, pio, addr, length, value)
    if eventfd:
        yield from eventfd_signal(profile, eventfd, 1)


@path
def msr_write(profile: Profile, cpu: int, msr: int, value: int) -> Path[int]:
    """WRMSR of the APIC base or an x2APIC register: 0, or GENERAL_PROTECTION."""
    if not (yield (Fds.is_open, FDS, VM_FD)):
        return VM_IS_GONE
    refused = 1
    if profile.has("irqchip") and msr == APIC_BASE_MSR:
        refused = yield (Lapic.set_base, lapic(cpu), value)
    elif profile.has("irqchip") and msr in X2APIC_MSRS:
        refused = yield from kvm_x2apic_msr_write(profile, lapic(cpu), msr, value)
    yield (Guest.trace_read, GUEST, "kvm_msr", 1, msr, value, 1 if refused else 0)
    return GENERAL_PROTECTION if refused else 0


@path
def msr_read(profile: Profile, cpu: int, msr: int) -> Path[int]:
    """RDMSR of the APIC base or an x2APIC register: the value, or GENERAL_PROTECTION."""
    if not (yield (Fds.is_open, FDS, VM_FD)):
        return VM_IS_GONE
    value: int | None = None
    if profile.has("irqchip") and msr == APIC_BASE_MSR:
        value = yield (Lapic.load, lapic(cpu), "base")
    elif profile.has("irqchip") and msr in X2APIC_MSRS:
        value = yield from kvm_x2apic_msr_read(profile, lapic(cpu), msr)
    yield (Guest.trace_read, GUEST, "kvm_msr", 0, msr, value or 0, 1 if value is None else 0)
    return GENERAL_PROTECTION if value is None else value


@path
def guest_ioapic(
    profile: Profile, cpu: int, pin: int, low: tuple[tuple[int, int], ...], dest: int | None
) -> Path[int]:
    """Rewrite a redirection entry as Linux does: the high dword first, only what is named.

    ``low`` is (mask, bits) for each named field of the low dword; the rest keeps its value.
    """
    if dest is not None:
        yield from mmio_write(profile, cpu, IOREGSEL, 4, 0x11 + 2 * pin)
        yield from mmio_write(profile, cpu, IOWIN, 4, dest << 24)
    if low or dest is None:
        value = (yield (Ioapic.entry, IOAPIC, pin)) & REDIR_WRITABLE if profile.has("irqchip") else 0
        for mask, bits in low:
            value = value & ~mask | bits
        yield from mmio_write(profile, cpu, IOREGSEL, 4, 0x10 + 2 * pin)
        return (yield from mmio_write(profile, cpu, IOWIN, 4, value))
    return 0


@path
def guest_pic_eoi(profile: Profile, cpu: int) -> Path[int]:
    """The 8259 EOI a handler writes: to the slave too if the vector taken last came from there."""
    if not profile.has("irqchip"):
        return 0
    last = yield (Guest.load, GUEST, "last")
    if (yield (Pic.is_slave_vector, PIC, last)):
        yield from pio_write(profile, cpu, 0xA0, 1, 0x20)
    return (yield from pio_write(profile, cpu, 0x20, 1, 0x20))


@path
def guest_wake(profile: Profile, cpu: int, thread: str) -> Path[int]:
    """Wake a thread of the guest: an actor that makes its calls (again)."""
    yield (Contexts.wake, CONTEXTS, thread)
    return 0


OPEN, SHUT = 0, 1
"""What :meth:`Vcpu.window` finds when there is no NMI."""

VM_IS_GONE = Errno(EBADF, "the VM is released, and its vCPUs with it")
GENERAL_PROTECTION = -1
"""What an access returns that the guest is told of by #GP."""
REDIR_WRITABLE = 0xFFFFFFFF & ~(1 << 14 | 1 << 12)
"""The low dword without remote IRR and delivery status, which Linux does not write back."""
