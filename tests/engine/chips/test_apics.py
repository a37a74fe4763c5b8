"""The bus between the local APICs: lowest priority, messages, IPIs."""

from __future__ import annotations

import pytest

from tests.engine.chips.bench import LOGICAL, LOWEST, Bench

FLAT_ALL = 0xFEE0F004


@pytest.fixture
def four() -> Bench:
    """Return four vCPUs with logical IDs 1, 2, 4 and 8."""
    bench = Bench(vcpus=4)
    for vcpu in range(4):
        bench.apic(0xD0, 1 << 24 + vcpu, vcpu)
    return bench


def test_lowest_priority_goes_round_by_arbitration_count(four: Bench) -> None:
    """The vCPU that was chosen least often is next; the first wins a tie."""
    chosen = []
    for vector in range(0x41, 0x46):
        assert four.machine.signal_msi(FLAT_ALL, vector | LOWEST) == 1
        chosen += [vcpu for vcpu in range(4) if four.lapic(vcpu).irr >> vector & 1]
    assert chosen == [0, 1, 2, 3, 0]


def test_merged_lowest_priority_counts_as_a_turn(four: Bench) -> None:
    """The counter moves although the request was pending already and the result is 0."""
    four.machine.signal_msi(0xFEE01004, 0x41)
    assert four.machine.signal_msi(0xFEE01004, 0x41 | LOWEST) == 0
    assert four.lapic(0).arb_prio == 1


def test_lowest_priority_passes_over_disabled_apics(four: Bench) -> None:
    """A software-disabled APIC is not chosen; if there is no other the result is -1."""
    four.apic(0xF0, 0xFF, 0)
    four.machine.signal_msi(0xFEE03004, 0x41 | LOWEST)
    assert four.lapic(1).irr == 1 << 0x41
    four.apic(0xF0, 0xFF, 1)
    assert four.machine.signal_msi(0xFEE03004, 0x51 | LOWEST) == -1


def test_lowest_priority_broadcast_is_logged(four: Bench) -> None:
    """Physical broadcast with lowest priority makes a line in the kernel's log."""
    four.machine.signal_msi(0xFEEFF000, 0x41 | LOWEST)
    assert four.machine.memory.reports.log == ("kvm: apic: phys broadcast and lowest prio",)


def test_fixed_delivery_counts_every_destination(four: Bench) -> None:
    """The result is how many APICs took the message, merged ones not counted."""
    assert four.machine.signal_msi(FLAT_ALL, 0x41) == 4
    four.take(2)
    assert four.machine.signal_msi(FLAT_ALL, 0x41) == 1


def test_msi_is_traced_as_it_was_sent(four: Bench) -> None:
    """kvm_msi_set_irq prints the vector in hexadecimal and the redirection hint."""
    four.machine.signal_msi(0xFEE0300C, 0x8162)
    assert four.events("kvm_msi_set_irq") == ["kvm_msi_set_irq: dst 3 vec 62 (LowPrio|logical|level|rh)"]


@pytest.mark.parametrize(
    ("shorthand", "reached"), [(0x00000, [2]), (0x40000, [1]), (0x80000, [0, 1, 2, 3]), (0xC0000, [0, 2, 3])]
)
def test_ipi_shorthands(four: Bench, shorthand: int, reached: list[int]) -> None:
    """None: the destination of ICR2. Self, all, all but self: seen from the sender."""
    four.apic(0x310, 4 << 24, vcpu=1)
    four.apic(0x300, shorthand | LOGICAL | 1 << 14 | 0xFD, vcpu=1)
    assert [vcpu for vcpu in range(4) if four.lapic(vcpu).irr] == reached


def test_level_ipi_is_traced_as_edge(four: Bench) -> None:
    """TMR is set, but the tracepoint keeps eight bits of the trigger mode."""
    four.apic(0x300, 0x4C0FD | 1 << 15)
    assert four.lapic(0).tmr == 1 << 0xFD
    assert four.events("kvm_apic_accept_irq") == ["kvm_apic_accept_irq: apicid 0 vec 253 (Fixed|edge)"]
