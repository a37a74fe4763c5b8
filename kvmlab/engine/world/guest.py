"""What a guest does: take interrupts, access chips and memory, and what its handlers call.

Every access is a path in the context of its vCPU. An access goes where KVM sends it: the vCPU's
own LAPIC page first, then the devices on the bus (vcpu_mmio_write in arch/x86/kvm/x86.c of 3.6);
what nobody claims exits to userspace, which has no chips: writes vanish, reads give ones.
"""

from __future__ import annotations

from kvmlab.engine.abi import KVM_EXIT_IO, KVM_EXIT_IOAPIC_EOI, KVM_EXIT_MMIO, Errno, Fault
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.chips.ioapic_io import vcpu_scan_ioapic
from kvmlab.engine.chips.ioapic_registers import IOAPIC_DEFAULT_BASE_ADDRESS
from kvmlab.engine.chips.ioapic_scan import IOAPIC_SCAN, IoapicScan
from kvmlab.engine.chips.lapic import Lapic
from kvmlab.engine.chips.lapic_io import (
    apic_mmio_read,
    apic_mmio_write,
    kvm_x2apic_msr_read,
    kvm_x2apic_msr_write,
)
from kvmlab.engine.chips.pic import PIC, Pic, kvm_pic_read_irq
from kvmlab.engine.fds.io_bus import MMIO_BUS, PIO_BUS
from kvmlab.engine.kernel.contexts import CONTEXTS, Contexts
from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.path import PATHS, Path, path
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.bus import kvm_io_bus_read, kvm_io_bus_write
from kvmlab.engine.world.vcpu import GUEST, OPEN, SHUT, VM_IS_GONE, Guest, Vcpu, lapic, vcpu
from kvmlab.engine.world.vm import VM, Vm, kvm_put_kvm

IOREGSEL, IOWIN = IOAPIC_DEFAULT_BASE_ADDRESS, IOAPIC_DEFAULT_BASE_ADDRESS + 0x10
APIC_BASE_MSR = 0x1B
X2APIC_MSRS = range(0x800, 0xC00)
MMIO_UNSATISFIED, MMIO_READ, MMIO_WRITE = 0, 1, 2

NOTHING = (SHUT, -1)
"""What stands for no interrupt: the window is shut, or nothing is deliverable."""

GENERAL_PROTECTION = Fault("the guest gets #GP: no such MSR is there, or it refuses this access")
"""What an access returns that the guest is told of by #GP."""

REDIR_WRITABLE = 0xFFFFFFFF & ~(1 << 14 | 1 << 12)
"""The low dword without remote IRR and delivery status, which Linux does not write back."""


@path
def kvm_cpu_get_interrupt(profile: Profile, cpu: int) -> Path[int]:
    """arch/x86/kvm/irq.c: acknowledge at the LAPIC, else at the 8259; a vector or -1.

    6.x asks the 8259 first.
    """
    if not profile.in_kernel("lapic"):
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
    if not profile.in_kernel("pic"):
        return vector
    if (yield (Lapic.accept_pic_intr, lapic(cpu))) and (yield (Pic.clear_output, PIC)):
        vector = yield from kvm_pic_read_irq(profile)
    return vector


@path
def vcpu_enter_guest(profile: Profile, cpu: int) -> Path[None]:
    """Serve what a vCPU is asked to do before it runs guest code: 6.x may have it scan the IOAPIC."""
    if profile.rules.handled_vectors_per_vcpu:
        yield from vcpu_scan_ioapic(profile, cpu)


@path
def vcpu_exit_ioapic_eoi(profile: Profile, cpu: int) -> Path[None]:
    """Before it runs guest code again, a vCPU leaves with an EOI that userspace's IOAPIC is to be told of.

    A running 6.18 was seen to leave at that entry or at the next one.
    """
    vector = yield (IoapicScan.take_exit, IOAPIC_SCAN, cpu)
    if vector >= 0:
        yield (Guest.userspace_exit, GUEST, KVM_EXIT_IOAPIC_EOI)
        yield from PATHS["ioapic_eoi_broadcast"](profile, vector)


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
def vcpu_idle(profile: Profile, cpu: int) -> Path[int | None]:
    """Halt until there is an interrupt with a handler, take it and do what the handler does: its vector.

    An actor that makes this call makes it again and again (kernel/continuation.py: IDLE).
    """
    if not (yield (Vcpu.halt, vcpu(cpu))):
        return None
    vector = yield from vcpu_take(profile, cpu)
    if vector is not None and not isinstance(vector, Errno):
        for name, args in (yield (Vcpu.handler, vcpu(cpu), vector)) or ():
            yield from PATHS[name](profile, *args)
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
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Guest.vm_exit, GUEST, "kvm_mmio", MMIO_WRITE, length, addr, value)):
        return VM_IS_GONE
    taken = False
    if profile.in_kernel("lapic"):
        taken = yield from apic_mmio_write(profile, lapic(cpu), addr, length, value)
    if not taken:
        taken = yield from kvm_io_bus_write(profile, MMIO_BUS, addr, length, value)
    if not taken:
        yield (Guest.userspace_exit, GUEST, KVM_EXIT_MMIO)
    if profile.irqchip_split():
        yield from vcpu_exit_ioapic_eoi(profile, cpu)
    yield from kvm_put_kvm(profile)
    return 0


@path
def mmio_read(profile: Profile, cpu: int, addr: int, length: int) -> Path[int]:
    """A guest's read of physical memory: the value; all ones where nothing answers."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    value: int | None = None
    if profile.in_kernel("lapic"):
        value = yield from apic_mmio_read(profile, lapic(cpu), addr, length)
    if value is None:
        value = yield from kvm_io_bus_read(profile, MMIO_BUS, addr, length)
    if value is None:
        yield (Guest.trace_read, GUEST, "kvm_mmio", MMIO_UNSATISFIED, length, addr, 0)
        yield (Guest.userspace_exit, GUEST, KVM_EXIT_MMIO)
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
    if not (yield from kvm_io_bus_write(profile, PIO_BUS, port, length, value)):
        yield (Guest.userspace_exit, GUEST, KVM_EXIT_IO)
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
    if answer is None:
        yield (Guest.userspace_exit, GUEST, KVM_EXIT_IO)
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
    if profile.in_kernel("lapic") and msr == APIC_BASE_MSR:
        refused = yield (Lapic.set_base, lapic(cpu), value)
    elif profile.in_kernel("lapic") and msr in X2APIC_MSRS:
        refused = yield from kvm_x2apic_msr_write(profile, lapic(cpu), msr, value)
    yield (Guest.trace_read, GUEST, "kvm_msr", 1, msr, value, 1 if refused else 0)
    if profile.irqchip_split():
        yield from vcpu_exit_ioapic_eoi(profile, cpu)
    yield from kvm_put_kvm(profile)
    return GENERAL_PROTECTION if refused else 0


@path
def msr_read(profile: Profile, cpu: int, msr: int) -> Path[int]:
    """RDMSR of the APIC base or an x2APIC register: the value, or GENERAL_PROTECTION."""
    yield from vcpu_enter_guest(profile, cpu)
    if not (yield (Vm.fget_vcpu, VM)):
        return VM_IS_GONE
    value: int | None = None
    if profile.in_kernel("lapic") and msr == APIC_BASE_MSR:
        value = yield (Lapic.load, lapic(cpu), "base")
    elif profile.in_kernel("lapic") and msr in X2APIC_MSRS:
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
    if low:
        value = 0
        if profile.in_kernel("ioapic"):
            value = (yield (Ioapic.entry, IOAPIC, pin)) & REDIR_WRITABLE
        for mask, bits in low:
            value = value & ~mask | bits
        yield from mmio_write(profile, cpu, IOREGSEL, 4, 0x10 + 2 * pin)
        return (yield from mmio_write(profile, cpu, IOWIN, 4, value))
    return 0


@path
def guest_pic_eoi(profile: Profile, cpu: int) -> Path[int]:
    """The 8259 EOI a handler writes: to the slave too if the vector taken last came from there."""
    if not profile.in_kernel("pic"):
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
