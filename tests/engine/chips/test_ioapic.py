"""The IOAPIC: what a line does, what an EOI does, and what a write to an entry does."""

from __future__ import annotations

import pytest

from kvmlab.engine.chips.ioapic_registers import NO_ENTRY
from tests.engine.chips.bench import INIT, LEVEL, LOW_ACTIVE, MASKED, NMI, REMOTE_IRR, Bench

VECTOR = 0x41


@pytest.fixture
def edge() -> Bench:
    """Return a bench with pin 11 unmasked, edge-triggered."""
    bench = Bench()
    bench.low(11, VECTOR)
    return bench


@pytest.fixture
def level() -> Bench:
    """Return a bench with pin 11 unmasked, level-triggered."""
    bench = Bench()
    bench.low(11, VECTOR | LEVEL)
    return bench


def test_edge_line_that_stays_high_interrupts_once(edge: Bench) -> None:
    """A second raise without a fall in between is merged, before and after the EOI."""
    assert edge.line(1) == 1
    assert edge.line(1) == 0
    assert edge.take() == VECTOR
    edge.eoi()
    assert edge.line(1) == 0
    assert edge.take() == -1


def test_each_pulse_of_an_edge_line_interrupts(edge: Bench) -> None:
    """An edge after a fall is a new interrupt, also while the first is in service."""
    edge.line(1)
    assert edge.take() == VECTOR
    assert edge.line(0) == 1
    assert edge.line(1) == 1
    assert edge.lapic().irr == 1 << VECTOR


def test_edge_raised_while_masked_is_lost() -> None:
    """Unmasking serves no edge that came before it, though IRR has kept the line."""
    bench = Bench()
    bench.low(11, VECTOR | MASKED)
    assert bench.line(1) == -1
    assert bench.ioapic.irr == 1 << 11
    bench.low(11, VECTOR)
    assert bench.take() == -1
    bench.line(0)
    assert bench.line(1) == 1


def test_level_line_is_coalesced_until_its_eoi(level: Bench) -> None:
    """While remote_irr is set, a fall and a new raise deliver nothing."""
    assert level.line(1) == 1
    assert level.remote_irr()
    assert level.take() == VECTOR
    level.line(0)
    assert level.line(1) == 0
    assert level.lapic().irr == 0


def test_eoi_reinjects_a_level_line_that_is_still_high(level: Bench) -> None:
    """The EOI itself delivers again, and remote_irr is set again."""
    level.line(1)
    level.take()
    level.eoi()
    assert level.take() == VECTOR
    assert level.remote_irr()


def test_eoi_after_the_line_fell_clears_remote_irr(level: Bench) -> None:
    """A low line is not served again, and the next raise is a new interrupt."""
    level.line(1)
    level.take()
    level.line(0)
    level.eoi()
    assert not level.remote_irr()
    assert level.take() == -1
    assert level.line(1) == 1


def test_line_is_high_while_any_source_asserts(level: Bench) -> None:
    """The line is the OR of its sources: it falls with the last of them."""
    level.line(1, source=3)
    assert level.line(1, source=5) == 0
    assert level.line(0, source=3) == 0
    assert level.ioapic.irr == 1 << 11
    assert level.line(0, source=5) == 1
    assert level.ioapic.irr == 0


def test_masked_level_line_is_served_by_the_unmask() -> None:
    """A level raised while masked is delivered by the write that unmasks the pin."""
    bench = Bench()
    bench.low(11, VECTOR | LEVEL | MASKED)
    assert bench.line(1) == -1
    bench.low(11, VECTOR | LEVEL)
    assert bench.take() == VECTOR


def test_eoi_of_a_masked_pin_waits_for_the_unmask(level: Bench) -> None:
    """Masked in service: the EOI clears remote_irr and delivers nothing; the unmask does."""
    level.line(1)
    level.take()
    level.low(11, VECTOR | LEVEL | MASKED)
    level.eoi()
    assert not level.remote_irr()
    assert level.take() == -1
    level.low(11, VECTOR | LEVEL)
    assert level.take() == VECTOR


def test_low_write_clears_remote_irr_and_delivers_again(level: Bench) -> None:
    """3.6 forces remote_irr to 0 on any low write, so a high line is delivered twice."""
    level.line(1)
    level.take()
    level.low(11, VECTOR | LEVEL | REMOTE_IRR)
    assert level.lapic().irr == 1 << VECTOR
    assert level.remote_irr()


def test_high_write_keeps_remote_irr_and_moves_the_pin() -> None:
    """A new destination serves a high line at once, at the new place, remote_irr or not."""
    bench = Bench(vcpus=2)
    bench.low(11, VECTOR | LEVEL)
    bench.line(1)
    bench.high(11, 1)
    assert bench.lapic(1).irr == 1 << VECTOR
    assert bench.remote_irr()


def test_delivery_status_is_writable_by_the_guest(level: Bench) -> None:
    """3.6 takes bit 12 of a low write as it comes."""
    level.low(11, VECTOR | LEVEL | 1 << 12)
    assert level.ioapic.redirtbl[11] & 1 << 12


def test_level_to_edge_while_in_service_lets_the_next_edge_in(level: Bench) -> None:
    """Reconfigured to edge in service, a pin does not stay stuck on its old remote_irr."""
    level.line(1)
    level.take()
    level.line(0)
    level.low(11, VECTOR)
    level.eoi()
    assert level.line(1) == 1


def test_edge_to_level_with_a_high_line_delivers_at_once(edge: Bench) -> None:
    """A line that is high becomes an interrupt when its pin becomes level-triggered."""
    edge.line(1)
    edge.take()
    edge.eoi()
    edge.low(11, VECTOR | LEVEL)
    assert edge.take() == VECTOR


def test_polarity_bit_inverts_the_line() -> None:
    """An active-low pin is asserted by level 0 and not by level 1."""
    bench = Bench()
    bench.low(11, VECTOR | LEVEL | LOW_ACTIVE)
    assert bench.line(1) == 1
    assert bench.ioapic.irr == 0
    assert bench.line(0) == 1
    assert bench.take() == VECTOR


def test_trigger_mode_of_an_eoi_is_the_lapics() -> None:
    """An edge MSI on the vector in service clears TMR, and the EOI leaves remote_irr set."""
    bench = Bench()
    bench.low(11, VECTOR | LEVEL)
    bench.line(1)
    bench.take()
    bench.machine.signal_msi(0xFEE00000, VECTOR)
    bench.eoi()
    assert bench.remote_irr()


def test_eoi_ends_every_pin_with_the_vector() -> None:
    """Two pins with one vector are both acknowledged by its EOI, in pin order."""
    bench = Bench()
    for pin in (9, 11):
        bench.low(pin, VECTOR | LEVEL)
    bench.line(1, gsi=11)
    bench.take()
    bench.eoi()
    assert bench.events("kvm_ack_irq") == [
        "kvm_ack_irq: irqchip IOAPIC pin 9",
        "kvm_ack_irq: irqchip IOAPIC pin 11",
    ]


def test_eoi_of_a_vector_no_entry_has_leaves_the_ioapic_alone() -> None:
    """The lock is not even taken for a vector outside handled_vectors."""
    bench = Bench()
    bench.low(11, VECTOR)
    bench.machine.signal_msi(0xFEE00000, 0x51)
    bench.take()
    bench.eoi()
    assert bench.events("kvm_ack_irq") == []
    assert bench.ioapic.handles_vector(VECTOR)
    assert not bench.ioapic.handles_vector(0x51)


def test_pin_0_goes_to_the_boot_cpu() -> None:
    """The timer's pin ignores its destination."""
    bench = Bench(vcpus=2)
    bench.high(0, 1)
    bench.low(0, VECTOR)
    assert bench.line(1, gsi=0) == 1
    assert bench.lapic(0).irr == 1 << VECTOR


def test_level_pin_aimed_at_nobody_latches_remote_irr() -> None:
    """The result -1 of a delivery is not 0, and that is all 3.6 looks at."""
    bench = Bench()
    bench.high(11, 9)
    bench.low(11, VECTOR | LEVEL)
    assert bench.line(1) == -1
    assert bench.remote_irr()


@pytest.mark.parametrize(("mode", "latched"), [(NMI, True), (INIT, True), (0x200, False), (0x700, False)])
def test_only_modes_that_are_accepted_latch_remote_irr(mode: int, latched: bool) -> None:
    """NMI and INIT count as delivered and latch a level pin; SMI and ExtINT do nothing."""
    bench = Bench()
    bench.low(11, VECTOR | LEVEL | mode)
    assert bench.line(1) == int(latched)
    assert bench.remote_irr() is latched


def test_tracepoint_shows_the_entry_before_the_delivery(level: Bench) -> None:
    """kvm_ioapic_set_irq carries the entry without the remote_irr that its delivery sets."""
    level.line(1)
    event = next(event for event in level.machine.trace.last() if event[0] == "kvm_ioapic_set_irq")
    assert event[1:] == (VECTOR | LEVEL, 11, 0)


def test_registers_read_back() -> None:
    """IOREGSEL keeps 8 bits, the ID 4; version and arbitration ID cannot be written."""
    bench = Bench()
    write, read = bench.machine.mmio_write, bench.machine.mmio_read
    write(0, 0xFEC00000, 0x1FF)
    assert read(0, 0xFEC00000) == 0xFF
    for register in (0, 1, 2):
        write(0, 0xFEC00000, register)
        write(0, 0xFEC00010, 0xFF000000 if register == 0 else 0)
    values = []
    for register in (0, 1, 2):
        write(0, 0xFEC00000, register)
        values.append(read(0, 0xFEC00010))
    assert values == [0x0F000000, 0x00170011, 0x0F000000]


def test_read_past_the_table_shows_the_line_states() -> None:
    """3.6 does not check the index: behind the last entry lie the sources of each pin."""
    bench = Bench()
    bench.line(1, gsi=1, source=7)
    bench.machine.mmio_write(0, 0xFEC00000, 0x42)
    assert bench.machine.mmio_read(0, 0xFEC00010) == 1 << 7


@pytest.mark.parametrize(("length", "entry"), [(1, 0x78), (2, 0x5678), (4, 0x12345678 & ~REMOTE_IRR)])
def test_short_write_is_widened_with_zeros(length: int, entry: int) -> None:
    """An access of 1 or 2 bytes writes the whole register."""
    bench = Bench()
    bench.machine.mmio_write(0, 0xFEC00000, 0x26)
    bench.machine.mmio_write(0, 0xFEC00010, 0x12345678, length)
    assert bench.ioapic.redirtbl[11] == entry & ~REMOTE_IRR


def test_write_of_an_odd_length_is_dropped() -> None:
    """A length that is not 1, 2, 4 or 8 changes nothing and leaves a line in the log."""
    bench = Bench()
    assert bench.ioapic.mmio_write(0xFEC00000, 3, 0x26) == NO_ENTRY
    assert bench.ioapic.ioregsel == 0
    assert bench.machine.memory.reports.log[-1] == "ioapic: Unsupported size 3"


def test_freed_source_leaves_the_line_as_it_was(level: Bench) -> None:
    """Freeing a source clears its bit and evaluates nothing: IRR stays until the next call."""
    source = level.machine.kvm_request_irq_source_id()
    level.line(1, source=source)
    level.machine.kvm_free_irq_source_id(source)
    assert level.ioapic.irq_states[11] == 0
    assert level.ioapic.irr == 1 << 11
    assert level.line(0) == 1
    assert level.ioapic.irr == 0


def test_state_survives_freeze_and_thaw(level: Bench) -> None:
    """A thawed IOAPIC continues where it was frozen, handled vectors included."""
    level.line(1)
    state = level.machine.freeze()
    level.take()
    level.low(11, 0x55)
    level.machine.thaw(state)
    assert level.ioapic.handles_vector(VECTOR)
    assert level.remote_irr()
    assert level.take() == VECTOR
