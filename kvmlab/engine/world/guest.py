"""The guest: its vCPUs, what they do to the chips, and the handlers that run by themselves.

Every access is a path in the context of its vCPU. An access goes where KVM sends it: the vCPU's
own LAPIC page first, then the devices on the bus (vcpu_mmio_write in arch/x86/kvm/x86.c of 3.6);
what nobody claims would exit to userspace, where nobody answers: writes vanish, reads give ones.
"""

from __future__ import annotations

from functools import cache

from kvmlab.engine.abi import EBADF, Errno, Fault
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import vcpu_scan_ioapic
from kvmlab.engine.chips.ioapic_registers import IOAPIC_DEFAULT_BASE_ADDRESS
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.lapic_io import (
    apic_mmio_read,
    apic_mmio_write,
    kvm_x2apic_msr_read,
    kvm_x2apic_msr_write,
)
from kvmlab.engine.chips.lapic_registers import SIPI_RECEIVED
from kvmlab.engine.chips.pic import PIC, Pic, kvm_pic_read_irq
from kvmlab.engine.fds.files import FDS
from kvmlab.engine.fds.io_bus import MMIO_BUS, PIO_BUS
from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path, touches
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracepoint import Trace
from kvmlab.engine.world.bus import kvm_io_bus_read, kvm_io_bus_write
from kvmlab.engine.world.vm import VM, Vm, kvm_put_kvm

IOREGSEL, IOWIN = IOAPIC_DEFAULT_BASE_ADDRESS, IOAPIC_DEFAULT_BASE_ADDRESS + 0x10
APIC_BASE_MSR = 0x1B
X2APIC_MSRS = range(0x800, 0xC00)
NMI_VECTOR = 2
NMI_LIMIT = 2
"""One NMI is taken and one waits behind it; of those that come together, more are lost."""

MMIO_UNSATISFIED, MMIO_READ, MMIO_WRITE = 0, 1, 2

Handler = tuple[int, str, tuple[Call, ...]]
"""A vector, its actions as typed, and the calls they are."""


@cache
def vcpu(number: int) -> str:
    """Return the handle of a vCPU."""
    return f"vcpu{number}"


@cache
def lapic(number: int) -> str:
    """Return the handle of a vCPU's LAPIC."""
    return f"lapic{number}"


class Vcpu(Object):
    """A vCPU: RFLAGS.IF, the NMIs it has seen and those that wait, its handlers by vector."""

    __slots__ = ("handlers", "if_", "lapic", "nmi_pending", "nmis_seen", "vm")
    FIELDS = ("if_", "nmis_seen", "nmi_pending", "handlers")

    def __init__(self, vm: Vm, chip: Lapic | None) -> None:
        super().__init__()
        self.vm, self.lapic = vm, chip
        self.if_ = 0
        self.nmis_seen = self.nmi_pending = 0
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

    @touches(VM, FDS, "lapic*")
    def window(self) -> int | Errno:
        """Enter the guest and look what it may take: NMI_VECTOR, OPEN for interrupts, or SHUT.

        An NMI needs no IF; -EBADF when the VM is gone, otherwise it is held from here on.
        """
        if not self.vm.fget_vcpu():
            return VM_IS_GONE
        chip = self.lapic
        if chip is None:
            return SHUT
        if chip.mp_state == SIPI_RECEIVED:
            self._reset(chip)
        if not chip.enter():
            return SHUT
        self._process_nmi(chip)
        if self.nmi_pending:
            self.changed()
            self.nmi_pending -= 1
            return NMI_VECTOR
        return OPEN if self.if_ else SHUT

    def _reset(self, chip: Lapic) -> None:
        """Drop the NMIs and clear IF, as a SIPI does (kvm_arch_vcpu_reset, vmx_vcpu_reset)."""
        self.changed()
        self.if_ = self.nmi_pending = 0
        self.nmis_seen = chip.nmi

    def _process_nmi(self, chip: Lapic) -> None:
        """Let what was queued wait, up to the limit (process_nmi); no NMI handler runs by now."""
        queued = chip.nmi - self.nmis_seen
        if queued:
            self.changed()
            self.nmis_seen = chip.nmi
            self.nmi_pending = min(self.nmi_pending + queued, NMI_LIMIT)


class Guest(Object):
    """How often each vector was taken, over all vCPUs, and which was taken last."""

    __slots__ = ("last", "taken", "total", "trace", "vm")
    FIELDS = ("counts", "total", "last")

    def __init__(self, vm: Vm, trace: Trace) -> None:
        super().__init__()
        self.vm, self.trace = vm, trace
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

    @touches(VM, FDS)
    def vm_exit(self, *event: int | str) -> bool:
        """Leave the guest for an access, recording its tracepoint; False when the VM is gone.

        Otherwise it is held from here on.
        """
        if not self.vm.fget_vcpu():
            return False
        self.trace.emit(event)
        return True

    def trace_read(self, *event: int | str) -> None:
        """Record the tracepoint of an access once its value is known."""
        self.trace.emit(event)


GUEST = "guest"


@path
def kvm_cpu_get_interrupt(profile: Profile, cpu: int) -> Path[int]:
    """arch/x86/kvm/irq.c: acknowledge at the LAPIC, else at the 8259; a vector or -1.

    6.x asks the 8259 first.
    """
    if not profile.has("irqchip"):
        return -1
    vector = -1
    if profile.rules.pic_first:
        vector = yield from kvm_cpu_get_extint(profile, cpu)
    if vector == -1:
        vector = yield (Lapic.get_interrupt, lapic(cpu))
    if vector == -1 and not profile.rules.pic_first:
        vector = yield from kvm_cpu_get_extint(profile, cpu)
    return vector


@path
def kvm_cpu_get_extint(profile: Profile, cpu: int) -> Path[int]:
    """Acknowledge at the 8259, if the vCPU takes its interrupts; a vector or -1."""
    vector = -1
    if (yield (Lapic.accept_pic_intr, lapic(cpu))) and (yield (Pic.clear_output, PIC)):
        vector = yield from kvm_pic_read_irq(profile)
    return vector


@path
def vcpu_enter_guest(profile: Profile, cpu: int) -> Path[None]:
    """Serve what a vCPU is asked to do before it runs guest code: 6.x may have it scan the IOAPIC."""
    if profile.rules.handled_vectors_per_vcpu:
        yield from vcpu_scan_ioapic(profile, cpu)


@path
def vcpu_take(profile: Profile, cpu: int) -> Path[int | None]:
    """Take the next deliverable interrupt: its vector, None, or -EBADF. An NMI comes first."""
    yield from vcpu_enter_guest(profile, cpu)
    vector: int = yield (Vcpu.window, vcpu(cpu))
    if isinstance(vector, Errno):
        return vector
    if vector == OPEN:
        vector = yield from kvm_cpu_get_interrupt(profile, cpu)
    taken = None if vector in NOTHING else vector
    if taken is not None:
        yield (Guest.take, GUEST, taken)
    yield from kvm_put_kvm(profile)
    return taken


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
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Guest.vm_exit, GUEST, "kvm_mmio", MMIO_WRITE, length, addr, value)):
        return VM_IS_GONE
    taken = False
    if profile.has("irqchip"):
        taken = yield from apic_mmio_write(profile, lapic(cpu), addr, length, value)
    if not taken:
        yield from kvm_io_bus_write(profile, MMIO_BUS, addr, length, value)
    yield from kvm_put_kvm(profile)
    return 0


@path
def mmio_read(profile: Profile, cpu: int, addr: int, length: int) -> Path[int]:
    """A guest's read of physical memory: the value; all ones where nothing answers."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    value: int | None = None
    if profile.has("irqchip"):
        value = yield from apic_mmio_read(profile, lapic(cpu), addr, length)
    if value is None:
        value = yield from kvm_io_bus_read(profile, MMIO_BUS, addr, length)
    if value is None:
        yield (Guest.trace_read, GUEST, "kvm_mmio", MMIO_UNSATISFIED, length, addr, 0)
        # Userspace has no device there, and its answer is traced when the vCPU comes back.
        value = (1 << 8 * length) - 1
    yield (Guest.trace_read, GUEST, "kvm_mmio", MMIO_READ, length, addr, value)
    yield from kvm_put_kvm(profile)
    return value


@path
def pio_write(profile: Profile, cpu: int, port: int, length: int, value: int) -> Path[int]:
    """A guest's OUT: 0, or -EBADF when the VM is closed."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Guest.vm_exit, GUEST, "kvm_pio", 1, port, length, 1, value)):
        return VM_IS_GONE
    yield from kvm_io_bus_write(profile, PIO_BUS, port, length, value)
    yield from kvm_put_kvm(profile)
    return 0


@path
def pio_read(profile: Profile, cpu: int, port: int, length: int) -> Path[int]:
    """A guest's IN: the value; all ones where nothing answers. 6.x traces it once it has the value."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    if not profile.rules.pio_value_traced:
        yield (Guest.trace_read, GUEST, "kvm_pio", 0, port, length, 1, 0)
    answer: int | None = yield from kvm_io_bus_read(profile, PIO_BUS, port, length)
    value = (1 << 8 * length) - 1 if answer is None else answer
    if profile.rules.pio_value_traced:
        yield (Guest.trace_read, GUEST, "kvm_pio", 0, port, length, 1, value)
    yield from kvm_put_kvm(profile)
    return value


@path
def msr_write(profile: Profile, cpu: int, msr: int, value: int) -> Path[int]:
    """WRMSR of the APIC base or an x2APIC register: 0, or GENERAL_PROTECTION."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    refused = 1
    if profile.has("irqchip") and msr == APIC_BASE_MSR:
        refused = yield (Lapic.set_base, lapic(cpu), value)
    elif profile.has("irqchip") and msr in X2APIC_MSRS:
        refused = yield from kvm_x2apic_msr_write(profile, lapic(cpu), msr, value)
    yield (Guest.trace_read, GUEST, "kvm_msr", 1, msr, value, 1 if refused else 0)
    yield from kvm_put_kvm(profile)
    return GENERAL_PROTECTION if refused else 0


@path
def msr_read(profile: Profile, cpu: int, msr: int) -> Path[int]:
    """RDMSR of the APIC base or an x2APIC register: the value, or GENERAL_PROTECTION."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    value: int | None = None
    if profile.has("irqchip") and msr == APIC_BASE_MSR:
        value = yield (Lapic.load, lapic(cpu), "base")
    elif profile.has("irqchip") and msr in X2APIC_MSRS:
        value = yield from kvm_x2apic_msr_read(profile, lapic(cpu), msr)
    yield (Guest.trace_read, GUEST, "kvm_msr", 0, msr, value or 0, 1 if value is None else 0)
    yield from kvm_put_kvm(profile)
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


OPEN, SHUT = -2, -3
"""What :meth:`Vcpu.window` finds when there is no NMI."""

NOTHING = (SHUT, -1)
"""What stands for no interrupt: the window is shut, or nothing is deliverable."""

VM_IS_GONE = Errno(EBADF, "the VM is released, and its vCPUs with it")
GENERAL_PROTECTION = Fault("the guest gets #GP: no such MSR is there, or it refuses this access")
"""What an access returns that the guest is told of by #GP."""
REDIR_WRITABLE = 0xFFFFFFFF & ~(1 << 14 | 1 << 12)
"""The low dword without remote IRR and delivery status, which Linux does not write back."""
