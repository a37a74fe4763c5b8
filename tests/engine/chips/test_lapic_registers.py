"""The APIC page: which registers answer, what a write keeps, and x2APIC mode."""

from __future__ import annotations

import pytest

from tests.engine.chips.bench import Bench

X2APIC = 0xFEE00D00


def written(bench: Bench, offset: int, value: int) -> int:
    """Write a register and read it back."""
    bench.apic(offset, value)
    return bench.machine.mmio_read(0, 0xFEE00000 + offset)


@pytest.mark.parametrize(
    ("offset", "kept"),
    [
        (0x20, 0xFF000000),
        (0x30, 0x00050014),
        (0x80, 0x000000FF),
        (0x90, 0x00000000),
        (0xD0, 0xFF000000),
        (0xE0, 0xFFFFFFFF),
        (0xF0, 0x000003FF),
        (0x280, 0x00000000),
        (0x310, 0xFF000000),
        (0x320, 0x000310FF),
        (0x330, 0x000117FF),
        (0x350, 0x0001F7FF),
        (0x370, 0x000110FF),
        (0x380, 0xFFFFFFFF),
        (0x390, 0x00000000),
        (0x3E0, 0xFFFFFFFF),
    ],
)
def test_register_keeps_its_writable_bits(offset: int, kept: int) -> None:
    """All ones written, each register reads back what it has."""
    assert written(Bench(), offset, 0xFFFFFFFF) == kept


def test_dfr_has_ones_below_its_model() -> None:
    """Only bits 31:28 of DFR can be cleared."""
    assert written(Bench(), 0xE0, 0) == 0x0FFFFFFF


def test_busy_bit_of_the_icr_reads_clear() -> None:
    """An IPI is sent at once, so the ICR is never busy."""
    assert written(Bench(), 0x300, 0x4C1041) == 0x4C0041


def test_lvt_written_while_disabled_stays_masked() -> None:
    """A software-disabled APIC masks whatever is written to its LVT."""
    bench = Bench()
    bench.apic(0xF0, 0xFF)
    assert written(bench, 0x350, 0x700) == 0x10700


@pytest.mark.parametrize(("x2apic", "kept"), [(False, 0), (True, 1 << 12)])
def test_directed_eoi_bit_needs_its_capability(x2apic: bool, kept: int) -> None:
    """SPIV bit 12 sticks only where LVR bit 24 says so."""
    bench = Bench(x2apic=x2apic)
    assert bench.lapic().lvr >> 24 & 1 == x2apic
    assert written(bench, 0xF0, 0x11FF) & 1 << 12 == kept


def test_directed_eoi_keeps_the_eoi_from_the_ioapic() -> None:
    """With SPIV bit 12 nothing is broadcast: no notifier runs and remote_irr stays."""
    bench = Bench(x2apic=True)
    bench.apic(0xF0, 0x11FF)
    bench.low(11, 0x8041)
    bench.line(1)
    bench.take()
    bench.eoi()
    assert bench.remote_irr()
    assert bench.events("kvm_ack_irq") == []


def test_bitmap_words_lie_sixteen_bytes_apart() -> None:
    """Vector v is bit v & 31 of word v >> 5."""
    bench = Bench()
    bench.machine.signal_msi(0xFEE00000, 0x8085)
    assert bench.machine.mmio_read(0, 0xFEE00240) == 1 << 5
    assert bench.machine.mmio_read(0, 0xFEE001C0) == 1 << 5
    bench.take()
    assert bench.machine.mmio_read(0, 0xFEE00140) == 1 << 5
    assert bench.machine.mmio_read(0, 0xFEE00240) == 0


@pytest.mark.parametrize("offset", [0xB0, 0xC0, 0x00, 0x2F0, 0x3F0, 0x400])
def test_refused_register_reads_zero_and_is_not_traced(offset: int) -> None:
    """A reserved or write-only register gives 0."""
    bench = Bench()
    before = bench.events("kvm_apic")
    assert bench.machine.mmio_read(0, 0xFEE00000 + offset) == 0
    assert bench.events("kvm_apic") == before


@pytest.mark.parametrize(
    ("address", "length", "value"), [(0xFEE00031, 1, 0x00), (0xFEE00032, 2, 0x05), (0xFEE00032, 4, 0)]
)
def test_short_read_takes_the_bytes_it_names(address: int, length: int, value: int) -> None:
    """A read inside a register gives its bytes; one that leaves it gives 0."""
    assert Bench().machine.mmio_read(0, address, length) == value


@pytest.mark.parametrize(("address", "length"), [(0xFEE00084, 4), (0xFEE00080, 1), (0xFEE00080, 8)])
def test_write_that_is_not_four_aligned_bytes_is_ignored(address: int, length: int) -> None:
    """Only aligned 32-bit writes reach a register."""
    bench = Bench()
    bench.machine.mmio_write(0, address, 0x33, length)
    assert bench.lapic().tpr == 0


def test_page_moves_with_the_base_and_goes_with_the_enable_bit() -> None:
    """The page answers at the base MSR's address while the APIC is enabled."""
    lapic = Bench().lapic()
    lapic.set_base(0xFED00800)
    assert lapic.mmio_in_range(0xFED00FFF)
    assert not lapic.mmio_in_range(0xFED01000)
    assert lapic.mmio_read(0xFEE00030, 4) is None
    assert lapic.mmio_write(0xFEE00080, 4, 0x30) is None
    lapic.set_base(0xFED00000)
    assert not lapic.mmio_in_range(0xFED00000)


def test_registers_are_named_in_the_trace_at_their_exact_offset() -> None:
    """Word 1 of a bitmap has no name and prints as a number."""
    bench = Bench()
    bench.machine.mmio_read(0, 0xFEE00100)
    bench.machine.mmio_read(0, 0xFEE00110)
    bench.eoi()
    assert bench.events("kvm_apic")[-3:] == [
        "kvm_apic: apic_read APIC_ISR = 0x0",
        "kvm_apic: apic_read 0x110 = 0x0",
        "kvm_apic: apic_write APIC_EOI = 0x0",
    ]


# -- x2APIC ---------------------------------------------------------------------------------------


def msr_write(bench: Bench, msr: int, value: int, vcpu: int = 0) -> int:
    """Write an x2APIC MSR: 0, or 1 for #GP."""
    return int(bench.machine.call("user", "kvm_x2apic_msr_write", f"lapic{vcpu}", msr, value))


def msr_read(bench: Bench, msr: int) -> int | None:
    """Read an x2APIC MSR; None for #GP."""
    value = bench.machine.call("user", "kvm_x2apic_msr_read", "lapic0", msr)
    return None if value is None else int(value)


def test_x2apic_msrs_fault_outside_x2apic_mode() -> None:
    """In xAPIC mode MSR 0x800 and up are #GP."""
    bench = Bench(x2apic=True)
    assert msr_write(bench, 0x808, 0x30) == 1
    assert msr_read(bench, 0x808) is None


def test_x2apic_mode_derives_the_logical_id() -> None:
    """LDR of APIC n is (n & ~15) << 16 | 1 << (n & 15), and ID reads as a plain number."""
    bench = Bench(vcpus=2, x2apic=True)
    bench.lapic(1).set_base(X2APIC)
    assert bench.lapic(1).ldr == 2
    assert bench.lapic(1).reg_read(0x20) == 1
    assert not bench.lapic(1).base & 1 << 8
    bench.apic(0x20, 0x13 << 24)
    bench.lapic(0).set_base(X2APIC)
    assert bench.lapic(0).ldr == 1 << 20 | 1 << 3


def test_x2apic_identity_registers_are_read_only() -> None:
    """ID, LDR and DFR are #GP on write, and so is an ESR that is not 0."""
    bench = Bench(x2apic=True)
    bench.lapic().set_base(X2APIC)
    assert [msr_write(bench, msr, 0) for msr in (0x802, 0x80D, 0x80E)] == [1, 1, 1]
    assert [msr_write(bench, 0x828, value) for value in (0, 1)] == [0, 1]
    assert Bench().lapic().reg_write(0x280, 1) == 0


def test_x2apic_destination_is_cut_to_sixteen_bits() -> None:
    """3.6 compares 16 bits with the ID, so all ones in 32 bits are no broadcast."""
    lapic = Bench(vcpus=2, x2apic=True).lapic(1)
    lapic.set_base(X2APIC)
    assert lapic.match_dest(None, 0, 0x10001, 0)
    assert not lapic.match_dest(None, 0, 0xFFFFFFFF, 0)


def test_x2apic_icr_is_one_register_of_64_bits() -> None:
    """The upper half is the destination, written before the command is sent."""
    bench = Bench(vcpus=2, x2apic=True)
    bench.lapic().set_base(X2APIC)
    assert msr_write(bench, 0x830, 1 << 32 | 0x4041) == 0
    assert bench.lapic(1).irr == 1 << 0x41
    assert msr_read(bench, 0x830) == 1 << 32 | 0x4041
    assert bench.events("kvm_apic_ipi") == ["kvm_apic_ipi: dst 1 vec 65 (Fixed|physical|assert|edge|dst)"]


def test_self_ipi_exists_in_x2apic_mode_only() -> None:
    """MSR 0x83f sends its vector to the sender; by MMIO in xAPIC mode it is refused."""
    bench = Bench(x2apic=True)
    bench.apic(0x3F0, 0x41)
    assert bench.lapic().irr == 0
    bench.lapic().set_base(X2APIC)
    assert msr_write(bench, 0x83F, 0x41) == 0
    assert bench.lapic().irr == 1 << 0x41


def test_x2apic_eoi_msr_ends_the_interrupt_in_the_ioapic() -> None:
    """MSR 0x80b does what the EOI register does."""
    bench = Bench(x2apic=True)
    bench.lapic().set_base(X2APIC)
    bench.low(11, 0x8041)
    bench.line(1)
    bench.take()
    bench.line(0)
    assert msr_write(bench, 0x80B, 0) == 0
    assert not bench.remote_irr()
