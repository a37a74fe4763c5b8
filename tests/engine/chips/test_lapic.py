"""The local APIC: priorities, acceptance, destinations, EOI."""

from __future__ import annotations

import pytest

from tests.engine.chips.bench import Bench


def send(bench: Bench, vector: int, data: int = 0, addr: int = 0xFEE00000) -> int:
    """Send an MSI."""
    return bench.machine.signal_msi(addr, data | vector)


def test_higher_class_nests_and_the_same_class_waits() -> None:
    """A vector interrupts what is in service only from a higher class."""
    bench = Bench()
    send(bench, 0x41)
    assert bench.take() == 0x41
    send(bench, 0x4F)
    assert bench.take() == -1
    send(bench, 0x51)
    assert bench.take() == 0x51
    bench.eoi()
    assert bench.take() == -1
    bench.eoi()
    assert bench.take() == 0x4F


def test_highest_vector_is_taken_first() -> None:
    """Of all requests the one with the highest vector goes first."""
    bench = Bench()
    for vector in (0x31, 0x81, 0x61):
        send(bench, vector)
    assert [bench.take(), bench.take()] == [0x81, -1]


@pytest.mark.parametrize(("tpr", "taken"), [(0x30, 0x41), (0x3F, 0x41), (0x40, -1), (0x41, -1), (0xFF, -1)])
def test_tpr_holds_its_own_class_and_those_below(tpr: int, taken: int) -> None:
    """A vector is deliverable if its class is above that of TPR."""
    bench = Bench()
    bench.apic(0x80, tpr)
    send(bench, 0x41)
    assert bench.take() == taken


@pytest.mark.parametrize(("tpr", "ppr"), [(0x00, 0x50), (0x4F, 0x50), (0x52, 0x52), (0x61, 0x61)])
def test_ppr_is_the_higher_class_of_tpr_and_isr(tpr: int, ppr: int) -> None:
    """PPR is TPR as written where its class is not below the one in service, else that class."""
    bench = Bench()
    send(bench, 0x55)
    bench.take()
    bench.apic(0x80, tpr)
    assert bench.lapic().ppr == ppr


def test_eoi_ends_the_highest_in_service_and_no_more() -> None:
    """An EOI retires one vector, the highest."""
    bench = Bench()
    for vector in (0x41, 0x51):
        send(bench, vector)
        bench.take()
    bench.eoi()
    assert bench.lapic().isr == 1 << 0x41


def test_eoi_with_nothing_in_service_is_harmless() -> None:
    """It is traced with vector -1 and changes nothing."""
    bench = Bench()
    before = bench.lapic().freeze()
    bench.eoi()
    assert bench.lapic().freeze() == before
    assert bench.events("kvm_eoi") == ["kvm_eoi: apicid 0 vector -1"]


def test_request_that_is_pending_already_is_merged() -> None:
    """The second message returns 0, and its trigger mode is the one that TMR keeps."""
    bench = Bench()
    assert send(bench, 0x41, data=1 << 15) == 1
    assert bench.lapic().tmr == 1 << 0x41
    assert send(bench, 0x41) == 0
    assert bench.lapic().tmr == 0


def test_software_disabled_apic_drops_fixed_messages() -> None:
    """Without SPIV bit 8 a fixed message is for this APIC, is not taken, and returns 0."""
    bench = Bench()
    bench.apic(0xF0, 0xFF)
    assert send(bench, 0x41) == 0
    assert bench.lapic().irr == 0


def test_software_disabling_keeps_requests_and_masks_the_lvt() -> None:
    """IRR survives the disable and is taken after the enable; every LVT entry is masked."""
    bench = Bench()
    send(bench, 0x41)
    bench.apic(0xF0, 0xFF)
    assert bench.take() == -1
    assert all(entry & 1 << 16 for entry in bench.lapic().lvt)
    bench.apic(0xF0, 0x1FF)
    assert bench.take() == 0x41


def test_hardware_disabled_apic_is_no_destination() -> None:
    """Without the enable bit of the base MSR a message finds nobody."""
    bench = Bench()
    bench.lapic().set_base(0xFEE00000)
    assert send(bench, 0x41) == -1


@pytest.mark.parametrize(
    ("ldr", "dfr", "dest", "matches"),
    [
        (0x02, 0xFFFFFFFF, 0x03, True),
        (0x02, 0xFFFFFFFF, 0x05, False),
        (0x21, 0x0FFFFFFF, 0x23, True),
        (0x21, 0x0FFFFFFF, 0x13, False),
        (0x21, 0x0FFFFFFF, 0x22, False),
        (0xFF, 0x7FFFFFFF, 0xFF, False),
    ],
)
def test_logical_destination_by_flat_and_cluster_model(ldr: int, dfr: int, dest: int, matches: bool) -> None:
    """Flat: any bit in common. Cluster: the same cluster and a bit in common. Else: nobody."""
    bench = Bench()
    bench.apic(0xD0, ldr << 24)
    bench.apic(0xE0, dfr)
    assert send(bench, 0x41, addr=0xFEE00004 | dest << 12) == (1 if matches else -1)


def test_physical_destination_by_id_and_broadcast() -> None:
    """A physical message is for the APIC with its ID, and 0xff is for all of them."""
    bench = Bench(vcpus=2)
    assert send(bench, 0x41, addr=0xFEE01000) == 1
    assert (bench.lapic(0).irr, bench.lapic(1).irr) == (0, 1 << 0x41)
    assert send(bench, 0x51, addr=0xFEEFF000) == 2
    assert send(bench, 0x61, addr=0xFEE07000) == -1


def test_startup_is_taken_only_after_init() -> None:
    """A SIPI before INIT is dropped; after it the vector is kept."""
    bench = Bench(vcpus=2)
    bench.apic(0x310, 1 << 24)
    bench.apic(0x300, 0x4608)
    assert bench.lapic(1).mp_state == 1
    bench.apic(0x300, 0x4500)
    bench.apic(0x300, 0x4608)
    assert (bench.lapic(1).mp_state, bench.lapic(1).sipi_vector) == (4, 8)
    bench.apic(0x300, 0x4609)
    assert bench.lapic(1).sipi_vector == 8


def test_deasserted_init_is_ignored() -> None:
    """A level INIT with the assert bit clear changes nothing."""
    bench = Bench(vcpus=2)
    bench.apic(0x310, 1 << 24)
    bench.apic(0x300, 0x8500)
    assert bench.lapic(1).mp_state == 1


def test_pic_interrupts_are_accepted_by_lvt0_or_without_an_apic() -> None:
    """LVT0 unmasked in ExtINT mode accepts; masked or fixed does not; a disabled APIC does."""
    lapic = Bench().lapic()
    assert lapic.accept_pic_intr()
    lapic.reg_write(0x350, 0x10700)
    assert not lapic.accept_pic_intr()
    lapic.reg_write(0x350, 0x41)
    assert not lapic.accept_pic_intr()
    lapic.set_base(0xFEE00000)
    assert lapic.accept_pic_intr()


def test_reset_brings_back_everything_but_what_counts() -> None:
    """A reset APIC is software-disabled and empty."""
    bench = Bench(vcpus=2)
    fresh = Bench(vcpus=2).lapic(1)
    lapic = bench.lapic(1)
    fresh.reset()
    for reg, value in ((0x20, 0x5 << 24), (0x80, 0x33), (0xD0, 1 << 24), (0x350, 0x41), (0x300, 0x4444)):
        lapic.reg_write(reg, value)
    lapic.accept_irq(0x100, 0x41, 1, 1)
    lapic.get_interrupt()
    lapic.reset()
    assert lapic.freeze() == fresh.freeze()
