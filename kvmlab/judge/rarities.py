"""Operations of what a machine has once, or gives seldom: the RTC's pin, and NMIs."""

from __future__ import annotations

from random import Random

from kvmlab.engine.chips.rtc import RTC_GSI
from kvmlab.judge import operations as op
from kvmlab.judge.operations import APIC, PINS, VECTORS, Call

_NMI = 0x400
"""The delivery mode, in an entry, a message and an ICR alike."""

_CHANGES = (op.entry, op.mask, op.mask, op.trigger, op.vector, op.destination)


def rtc_line(rng: Random, _vcpus: int) -> Call:
    """Raise or lower the RTC's line: one that is not ended merges the next."""
    return "irq-line", {"irq": RTC_GSI, "level": rng.choice((0, 1, 1))}


def rtc_entry(rng: Random, vcpus: int) -> Call:
    """Make the RTC's entry one that delivers on an edge, as an operating system does."""
    verb, args = op.entry(rng, vcpus)
    return verb, args | {"pin": RTC_GSI, "trigger": "edge"}


def rtc_change(rng: Random, vcpus: int) -> Call:
    """Change the RTC's entry: also while an end is awaited."""
    verb, args = rng.choice(_CHANGES)(rng, vcpus)
    return verb, args | {"pin": RTC_GSI}


def rtc_irqfd(rng: Random, vcpus: int) -> Call:
    """Assign an irqfd to the RTC's line, which merges nothing."""
    verb, args = rng.choice((op.edge_irqfd, op.resample_irqfd))(rng, vcpus)
    return verb, args | {"gsi": RTC_GSI}


def nmi_entry(rng: Random, vcpus: int) -> Call:
    """Make an entry deliver NMIs, or fixed interrupts again."""
    mode, mask = rng.choice(("nmi", "nmi", "fixed")), rng.choice(("unmasked", "unmasked", "masked"))
    return "ioapic", {"vcpu": rng.randrange(vcpus), "pin": rng.choice(PINS), "mode": mode, "mask": mask}


def nmi_msi(rng: Random, vcpus: int) -> Call:
    """Send an NMI as a message: to one, to all or to nobody."""
    dest = rng.choice((0, rng.randrange(vcpus), 9, 0xFF))
    data = rng.choice(VECTORS) | _NMI | rng.choice((0, 0, 0xC000))
    return "msi", {"address_lo": APIC | dest << 12, "address_hi": 0, "data": data, "flags": 0}


def nmi_ipi(rng: Random, vcpus: int) -> Call:
    """Send an NMI as an IPI: to itself, to all, to the others, or to whom the last one was for."""
    icr = rng.choice((0, 1, 2, 3)) << 18 | _NMI | 1 << 14 | rng.choice(VECTORS)
    return "mmio write", {"vcpu": rng.randrange(vcpus), "addr": APIC + 0x300, "len": 4, "value": icr}
