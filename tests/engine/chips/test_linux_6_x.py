"""What the chips of 6.x do otherwise than those of 3.6, where no recording shows it."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EINVAL
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.chips.bench import EOI, INIT, LEVEL, LOGICAL, LOWEST, MASTER, MASTER_BASE, Bench

KERNEL = "linux-6.x"
VECTOR = 0x41
ICR, SELF_IPI = 0x830, 0x83F
STARTUP = 0x600


def msr(bench: Bench, number: int, value: int, vcpu: int = 0) -> int:
    """Have a vCPU write an MSR; -1 for #GP."""
    ret: int = bench.machine.call(f"vcpu{vcpu}", "msr_write", vcpu, number, value)
    return ret


def x2apics(vcpus: int) -> Bench:
    """Return a bench whose vCPUs have all switched to x2APIC mode."""
    bench = Bench(vcpus, x2apic=True, kernel=KERNEL)
    for vcpu in range(vcpus):
        assert msr(bench, 0x1B, 0xFEE00C00 | (0x100 if vcpu == 0 else 0), vcpu) == 0
    return bench


def storm(bench: Bench, times: int) -> None:
    """Have the vCPU take the interrupt and end it, over and over."""
    for _ in range(times):
        assert bench.take() == VECTOR
        bench.eoi()


def test_the_ten_thousandth_reinjection_in_a_row_waits_for_the_clock() -> None:
    """It is not delivered by the EOI; 10 ms later it is, and the count begins anew."""
    bench = Bench(kernel=KERNEL)
    bench.low(11, VECTOR | LEVEL)
    bench.line(1)
    storm(bench, 10_000)
    assert bench.take() == -1
    assert (bench.ioapic.irr, bench.remote_irr()) == (1 << 11, False)
    assert bench.events("kvm_ioapic_delayed_eoi_inj") == [
        "kvm_ioapic_delayed_eoi_inj: dst 0 vec 65 (Fixed|physical|level)"
    ]
    assert bench.machine.clock.now == 0
    bench.machine.run()
    assert bench.machine.clock.now == 10
    storm(bench, 9_999)
    assert bench.take() == VECTOR


def test_a_line_that_falls_between_ends_the_storm() -> None:
    """An EOI that finds the line low sets the count back."""
    bench = Bench(kernel=KERNEL)
    bench.low(11, VECTOR | LEVEL)
    for _ in range(2):
        bench.line(1)
        storm(bench, 9_999)
        bench.line(0)
        storm(bench, 1)
    assert bench.events("kvm_ioapic_delayed_eoi_inj") == []


def test_a_tick_of_the_rtc_is_merged_until_every_vcpu_has_ended_the_last() -> None:
    """KVM_IRQ_LINE_STATUS tells of it; the pin takes other calls as any edge pin does."""
    bench = Bench(2, kernel=KERNEL)
    bench.high(8, 0xFF)
    bench.low(8, VECTOR)
    line = bench.machine.irq_line
    assert (line(8, 1), line(8, 0), line(8, 1)) == (2, 1, 0)
    for vcpu, merged in ((0, 0), (1, 2)):
        assert bench.take(vcpu) == VECTOR
        bench.eoi(vcpu)
        line(8, 0)
        assert line(8, 1) == merged


def test_a_tick_is_merged_on_a_level_entry_of_the_rtc_too() -> None:
    """Its delivery is noted whatever its trigger mode; without that it would wait for its EOI, -1."""
    bench = Bench(kernel=KERNEL)
    bench.low(8, VECTOR | LEVEL)
    line = bench.machine.irq_line
    assert (line(8, 1), line(8, 1)) == (1, 0)
    bench.take()
    line(8, 0)
    bench.eoi()
    assert line(8, 1) == 1


def test_an_eoi_before_the_vcpu_enters_again_goes_by_the_old_scan() -> None:
    """An entry that was edge when the vCPU looked last: its EOI is not told, and the pin is stuck."""
    bench = Bench(kernel=KERNEL)
    bench.low(11, VECTOR | LEVEL)
    bench.machine.scan.store(0, 0, -1)
    bench.line(1)
    bench.take()
    bench.line(0)
    bench.eoi()
    assert bench.remote_irr()


def test_the_8259_is_asked_before_the_lapic() -> None:
    """Both have something: 3.6 takes the LAPIC's first."""
    for kernel, first in ((KERNEL, MASTER_BASE + 3), ("linux-3.6", VECTOR)):
        bench = Bench(kernel=kernel)
        bench.init_pic()
        bench.machine.signal_msi(0xFEE00000, VECTOR)
        bench.line(1, gsi=3)
        assert bench.machine.next_vector(0) == first
        assert bench.take() == first
        bench.out(MASTER, EOI)


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        (0xFEE00900, False),
        (0xFEE00901, True),
        (0xFEE00D00, True),
        (0xFEE00500, True),
        (0xFEE00100, False),
    ],
)
def test_the_apic_base_refuses_what_it_cannot_be(value: int, refused: bool) -> None:
    """Reserved bits, x2APIC without its CPUID bit, and x2APIC with the APIC off are #GP."""
    assert (msr(Bench(kernel=KERNEL), 0x1B, value) == -1) is refused


def test_x2apic_cannot_be_left_but_for_off() -> None:
    """Nor can it be entered from there."""
    bench = x2apics(1)
    assert msr(bench, 0x1B, 0xFEE00900) == -1
    assert msr(bench, 0x1B, 0xFEE00100) == 0
    assert msr(bench, 0x1B, 0xFEE00D00) == -1


def test_the_x2apic_icr_is_one_register() -> None:
    """The tracepoint has all of it and comes after the IPI; reserved bits and wide values are #GP."""
    bench = x2apics(2)
    bench.machine.trace.clear()
    assert msr(bench, ICR, 1 << 32 | VECTOR) == 0
    assert bench.lapic(1).irr == 1 << VECTOR
    assert bench.events("kvm_apic_ipi", "kvm_apic") == [
        "kvm_apic_ipi: dst 1 vec 65 (Fixed|physical|de-assert|edge|dst)",
        "kvm_apic: apic_write APIC_ICR = 0x100000041",
    ]
    assert msr(bench, ICR, 1 << 20) == -1
    assert msr(bench, 0x808, 1 << 32) == -1


def test_a_self_ipi_leaves_icr_alone() -> None:
    """3.6 sends it by way of ICR; more than a vector is #GP in 6.x."""
    bench = x2apics(1)
    assert msr(bench, SELF_IPI, VECTOR) == 0
    assert (bench.lapic().irr, bench.lapic().icr) == (1 << VECTOR, 0)
    assert msr(bench, SELF_IPI, 0x100) == -1


def test_a_broadcast_in_logical_mode_reaches_every_apic() -> None:
    """Also one whose logical id is 0."""
    bench = Bench(3, kernel=KERNEL)
    bench.high(11, 0xFF)
    bench.low(11, VECTOR | LOGICAL)
    assert bench.line(1) == 3


def test_ids_that_are_not_unique_have_every_apic_asked() -> None:
    """With the map 0 took it; without, nobody was meant: -1, which latches remote IRR."""
    bench = Bench(2, kernel=KERNEL)
    bench.high(11, 7)
    bench.low(11, VECTOR | LEVEL)
    assert (bench.line(1), bench.remote_irr()) == (0, False)
    bench.line(0)
    bench.apic(0x20, 0, vcpu=1)
    assert (bench.line(1), bench.remote_irr()) == (-1, True)
    bench.line(0)
    assert bench.machine.signal_msi(0xFEE00000, VECTOR) == 2


def test_lowest_priority_falls_on_a_bit_that_nobody_has() -> None:
    """Of two bits one is an APIC's: vectors that fall on the other are lost."""
    bench = Bench(kernel=KERNEL)
    bench.apic(0xD0, 1 << 24)
    bench.high(11, 3)
    bench.low(11, 0x40 | LOGICAL | LOWEST)
    assert bench.line(1) == 1
    bench.low(12, 0x41 | LOGICAL | LOWEST)
    bench.high(12, 3)
    assert bench.line(1, gsi=12) == 0


def test_mixed_logical_modes_have_every_apic_asked() -> None:
    """Flat and cluster side by side: each APIC goes by its own mode."""
    bench = Bench(2, kernel=KERNEL)
    for vcpu, dfr in ((0, 0xFFFFFFFF), (1, 0)):
        bench.apic(0xE0, dfr, vcpu)
        bench.apic(0xD0, 1 << 24, vcpu)
    assert bench.machine.signal_msi(0xFEE01004, VECTOR) == 2


def test_an_init_restarts_the_boot_cpu_and_a_sipi_always_counts() -> None:
    """The others wait for their SIPI, as in 3.6."""
    bench = Bench(2, kernel=KERNEL)
    assert bench.machine.signal_msi(0xFEE00000, INIT | 1 << 14) == 1
    assert bench.lapic(0).enter()
    assert bench.lapic(0).spiv == 0xFF
    assert bench.machine.signal_msi(0xFEE01000, STARTUP) == 1
    assert not bench.lapic(1).enter()
    assert bench.machine.signal_msi(0xFEE01000, INIT | 1 << 14) == 1
    assert bench.machine.signal_msi(0xFEE01000, STARTUP) == 1
    assert bench.lapic(1).enter()


def test_a_level_message_that_de_asserts_is_dropped() -> None:
    """Only an IPI can be one; it is traced all the same."""
    bench = Bench(kernel=KERNEL)
    bench.apic(0x300, 0x40000 | 0x8000 | VECTOR)
    assert bench.lapic().irr == 0
    assert bench.events("kvm_apic_accept_irq") == ["kvm_apic_accept_irq: apicid 0 vec 65 (Fixed|level)"]


def test_without_an_irqchip_routing_is_refused() -> None:
    """3.6 does not look."""
    machine = Machine(Profile(kernel=KERNEL, without=frozenset({"irqchip"})))
    assert machine.set_gsi_routing(()) == -EINVAL
    assert machine.signal_msi(0xFEE00000, VECTOR) == -EINVAL
