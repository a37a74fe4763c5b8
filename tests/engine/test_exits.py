"""What a vCPU finds when it comes back: NMIs, a SIPI, the APIC's MSRs, answers from userspace."""

from __future__ import annotations

import pytest

from kvmlab.engine.caps import check_extension
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.tracetext import format_event
from kvmlab.engine.world.vcpu import NMI_LIMIT, NMI_VECTOR

MSI, NMI, INIT, SIPI = 0xFEE00000, 0x400, 0x500, 0x600
TO_VCPU_1 = 1 << 12
X2APIC_BASE = 0xFEE00D00


def texts(machine: Machine, first: int = 0) -> list[str]:
    """Return the tracepoints from one on."""
    return [format_event(event) for event in machine.trace.last()[first:]]


@pytest.mark.parametrize(("sent", "taken"), [(1, 1), (2, 2), (5, NMI_LIMIT)])
def test_of_nmis_that_come_together_two_are_taken(sent: int, taken: int) -> None:
    """One runs and one waits behind it; the others are lost (process_nmi)."""
    machine = Machine()
    for _ in range(sent):
        machine.signal_msi(MSI, NMI)
    assert [machine.take() for _ in range(taken + 1)] == [NMI_VECTOR] * taken + [None]


def test_nmis_one_after_the_other_are_all_taken() -> None:
    """Each is over before the next is sent."""
    machine = Machine()
    for _ in range(5):
        machine.signal_msi(MSI, NMI)
        assert machine.take() == NMI_VECTOR


def test_a_sipi_drops_the_nmis_and_clears_if() -> None:
    """The vCPU begins as after a reset: no NMI waits, and interrupts are off until it says STI."""
    machine = Machine(Profile(vcpus=2))
    machine.signal_msi(MSI | TO_VCPU_1, NMI)
    for mode in (INIT, SIPI):
        machine.signal_msi(MSI | TO_VCPU_1, mode)
    assert machine.take(1) is None
    machine.mmio_write(1, 0xFEE000F0, 0x1FF)
    machine.signal_msi(MSI | TO_VCPU_1, 0x41)
    assert machine.take(1) is None
    machine.call("vcpu1", "vcpu_set_if", 1, 1)
    assert machine.take(1) == 0x41


@pytest.mark.parametrize("msr", [0x840, 0xBFF])
def test_an_x2apic_msr_behind_the_page_is_written_and_refused(msr: int) -> None:
    """All of 0x800-0xbff is the APIC's: the write reaches it, is traced there, and is #GP."""
    machine = Machine(Profile(x2apic=True))
    machine.call("vcpu0", "msr_write", 0, 0x1B, X2APIC_BASE)
    first = len(machine.trace.ring)
    assert machine.call("vcpu0", "msr_write", 0, msr, 5) == -1
    reg = (msr - 0x800) << 4
    known = {0x400: "APIC_EFEAT"}.get(reg, hex(reg))
    assert texts(machine, first) == [
        f"kvm_apic: apic_write {known} = 0x5",
        f"kvm_msr: msr_write {msr:x} = 0x5 (#GP)",
    ]


def test_the_whole_base_address_counts() -> None:
    """3.6 keeps every bit above the page offset, also those that no processor has."""
    machine = Machine()
    machine.call("vcpu0", "msr_write", 0, 0x1B, 1 << 40 | 0xFEE00900)
    assert machine.mmio_read(0, 1 << 40 | 0xFEE00030) == 0x50014
    assert machine.mmio_read(0, 0xFEE00030) == 0xFFFFFFFF


def test_an_answer_of_userspace_is_traced_too() -> None:
    """A read that nobody in the kernel answers is traced when it leaves and when it comes back."""
    machine = Machine()
    machine.mmio_read(0, 0xFE000000)
    assert texts(machine) == [
        "kvm_mmio: mmio unsatisfied-read len 4 gpa 0xfe000000 val 0x0",
        "kvm_userspace_exit: reason KVM_EXIT_MMIO (6)",
        "kvm_mmio: mmio read len 4 gpa 0xfe000000 val 0xffffffff",
    ]


@pytest.mark.parametrize(("level", "printed"), [(0, 0), (1, 1), (7, 7), (0xFFFFFFFF, -1)])
def test_the_level_of_an_irq_line_is_printed_as_it_was_given(level: int, printed: int) -> None:
    """kvm_set_irq gets an int: any bit asserts, and the tracepoint shows all of them."""
    machine = Machine()
    machine.irq_line(11, level)
    assert texts(machine)[0] == f"kvm_set_irq: gsi 11 level {printed} source 0"
    assert machine.ioapic.irq_states[11] == (1 if level else 0)


def test_the_routing_capability_is_the_size_of_a_table() -> None:
    """KVM_CHECK_EXTENSION answers it with KVM_MAX_IRQ_ROUTES."""
    assert check_extension(Profile(), "irq_routing") == ("KVM_CAP_IRQ_ROUTING", 1024)
