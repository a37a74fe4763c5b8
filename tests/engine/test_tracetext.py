"""Tracepoint texts: word for word as Linux 3.6 prints them."""

from __future__ import annotations

import pytest

from kvmlab.engine.tracetext import format_event


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (("kvm_set_irq", 11, 1, 1), "kvm_set_irq: gsi 11 level 1 source 1"),
        (("kvm_apic_accept_irq", 0, 0, 1, 177, 0), "kvm_apic_accept_irq: apicid 0 vec 177 (Fixed|level)"),
        (
            ("kvm_ioapic_set_irq", 1 << 56 | 0x88B1, 11, 1),
            "kvm_ioapic_set_irq: pin 11 dst 1 vec=177 (Fixed|logical|level) (coalesced)",
        ),
        (
            ("kvm_ioapic_set_irq", 0x10000, 4, 0),
            "kvm_ioapic_set_irq: pin 4 dst 0 vec=0 (Fixed|physical|edge|masked)",
        ),
        (("kvm_pic_set_irq", 1, 3, 0, 0xFF, 0), "kvm_pic_set_irq: chip 1 pin 3 (edge|masked)"),
        (("kvm_inj_virq", 177), "kvm_inj_virq: irq 177"),
        (("kvm_mmio", 2, 4, 0xFEE000B0, 0), "kvm_mmio: mmio write len 4 gpa 0xfee000b0 val 0x0"),
        (("kvm_mmio", 0, 4, 0xFEB00000, 0), "kvm_mmio: mmio unsatisfied-read len 4 gpa 0xfeb00000 val 0x0"),
        (("kvm_apic", 1, 0xB0, 0), "kvm_apic: apic_write APIC_EOI = 0x0"),
        (("kvm_apic", 0, 0x110, 0), "kvm_apic: apic_read 0x110 = 0x0"),
        (("kvm_eoi", 10, 177), "kvm_eoi: apicid a vector 177"),
        (("kvm_ack_irq", 1, 11), "kvm_ack_irq: irqchip PIC slave pin 11"),
        (("kvm_msi_set_irq", 0xFEE0A008, 0x51), "kvm_msi_set_irq: dst 10 vec 51 (Fixed|physical|edge|rh)"),
        (("kvm_apic_ipi", 0x40FD, 1), "kvm_apic_ipi: dst 1 vec 253 (Fixed|physical|assert|edge|dst)"),
        (
            ("kvm_apic_ipi", 0xC8D00, 1),
            "kvm_apic_ipi: dst 1 vec 0 (INIT|logical|de-assert|level|all-but-self)",
        ),
        (("kvm_pio", 1, 0x20, 1, 1, 0x11), "kvm_pio: pio_write at 0x20 size 1 count 1"),
        (("kvm_msr", 1, 0x80B, 0, 0), "kvm_msr: msr_write 80b = 0x0"),
        (("kvm_msr", 0, 0x802, 0, 1), "kvm_msr: msr_read 802 = 0x0 (#GP)"),
    ],
)
def test_event_is_worded_as_by_the_kernel(event: tuple[str | int, ...], text: str) -> None:
    """One line for each format and each of its optional parts."""
    assert format_event(event) == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (("kvm_set_irq", 11, 1, 1), "kvm_set_irq: gsi 11 level 1 source 1"),
        (
            ("kvm_apic_accept_irq", 0, 0, 0x8000, 177, 0),
            "kvm_apic_accept_irq: apicid 0 vec 177 (Fixed|level)",
        ),
        (
            ("kvm_ioapic_set_irq", 1 << 56 | 0x88B1, 11, 1),
            "kvm_ioapic_set_irq: pin 11 dst 1 vec 177 (Fixed|logical|level) (coalesced)",
        ),
        (
            ("kvm_ioapic_delayed_eoi_inj", 0x8031),
            "kvm_ioapic_delayed_eoi_inj: dst 0 vec 49 (Fixed|physical|level)",
        ),
        (("kvm_inj_virq", 177), "kvm_inj_virq: IRQ 0xb1"),
        (("kvm_msi_set_irq", 0xFEE0A008, 0x51), "kvm_msi_set_irq: dst a vec 81 (Fixed|physical|edge|rh)"),
        (("kvm_pio", 1, 0x20, 1, 1, 0x11), "kvm_pio: pio_write at 0x20 size 1 count 1 val 0x11 "),
    ],
)
def test_event_is_worded_as_by_6_x(event: tuple[str | int, ...], text: str) -> None:
    """What 6.x words otherwise than 3.6, and what it has besides."""
    assert format_event(event, "linux-6.x") == text


def test_unknown_event_has_no_wording() -> None:
    """An event that the kernel does not have is an error of the caller."""
    with pytest.raises(KeyError):
        format_event(("kvm_unheard_of", 1))
