"""Families of random programs: which operations, and how often, for each part of the machine.

What no host can be asked safely is left out. An SMI takes a vCPU to code that the guest has not, where it
shuts down, or is dropped by a host that has no such mode. An INIT takes it from its prompt, and whoever
waits for a SIPI makes none of the accesses that a program is of.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from kvmlab.judge import operations as op
from kvmlab.judge import rarities as rare
from kvmlab.judge.operations import Call

Maker = Callable[[Random, int], Call]
"""Draws a call for a machine with so many vCPUs."""

Family = list[tuple[int, Maker]]
"""Makers by weight."""

_CORE: Family = [(6, op.write), (5, op.take), (5, op.eoi), (4, op.line), (3, op.entry)]

FAMILIES: dict[str, Family] = {
    "pins": [
        *[*_CORE, (3, op.mask), (3, op.trigger), (3, op.vector), (1, op.destination)],
        *[(2, op.index), (3, op.window), (2, op.look), (3, op.resample_irqfd)],
    ],
    "sources": [
        *[*_CORE, (6, op.line), (3, op.edge_irqfd), (4, op.resample_irqfd)],
        *[(2, op.deassign), (2, op.read), (1, op.mask)],
    ],
    "irqfds": [
        *[*_CORE, (4, op.edge_irqfd), (6, op.resample_irqfd), (4, op.deassign)],
        *[(3, op.close), (3, op.eventfd), (2, op.dup), (2, op.read), (1, op.poll), (1, op.mask)],
    ],
    "pic": [
        *[*_CORE, (4, op.pic_mask), (5, op.pic_command), (1, op.pic_initialise), (2, op.pic_trigger)],
        *[(3, op.pic_look), (2, op.lint0), (3, op.resample_irqfd), (1, op.edge_irqfd)],
        *[(4, op.line), (1, op.flag)],
    ],
    "routing": [
        *[*_CORE, (4, op.route), (1, op.default_routes), (3, op.edge_irqfd)],
        *[(4, op.resample_irqfd), (2, op.deassign), (2, op.mask)],
    ],
    "msi": [
        *[*_CORE, (6, op.msi), (2, op.route), (3, op.edge_irqfd), (3, op.resample_irqfd)],
        *[(2, op.mask), (2, op.logical)],
    ],
    "destinations": [
        *[*_CORE, (4, op.destination), (3, op.logical), (2, op.enable)],
        *[(3, op.msi), (2, op.ipi), (3, op.resample_irqfd)],
    ],
    "priorities": [
        *[*_CORE, (3, op.tpr), (5, op.take), (3, op.eoi), (4, op.msi)],
        *[(2, op.ipi), (2, op.flag), (3, op.look)],
    ],
    "ioeventfds": [
        *[*_CORE, (6, op.ioeventfd), (8, op.kick), (3, op.edge_irqfd), (4, op.resample_irqfd)],
        *[(2, op.deassign), (2, op.read), (1, op.mask), (1, op.close), (1, op.eventfd)],
    ],
    "rtc": [
        *[*_CORE, (8, rare.rtc_line), (3, rare.rtc_entry), (4, rare.rtc_change), (2, rare.rtc_irqfd)],
        *[(3, op.take), (3, op.eoi), (2, op.msi), (1, op.logical), (1, op.deassign), (1, op.default_routes)],
        # What has a host put a LAPIC's interrupts aside, which makes the RTC's books anew.
        *[(1, op.pic_look), (2, op.pic_mask), (1, op.window)],
    ],
    "nmi": [
        *[*_CORE, (5, op.take), (4, rare.nmi_entry), (3, rare.nmi_msi), (4, rare.nmi_ipi), (1, op.ipi)],
        *[(2, op.destination), (1, op.logical), (1, op.enable), (2, op.flag), (2, op.resample_irqfd)],
        *[(2, op.edge_irqfd), (1, op.trigger), (1, op.msi)],
    ],
    "split": [
        *[*_CORE, (5, op.message), (2, op.route), (3, op.msi), (3, op.edge_irqfd), (1, op.resample_irqfd)],
        *[(1, op.deassign), (2, op.tpr), (1, op.logical), (1, op.ipi), (1, op.look), (1, op.index)],
    ],
}
"""By name, and by what it is about."""

WITH: dict[str, frozenset[str]] = {"split": frozenset({"split-irqchip"})}
"""By family, what its machines have ``with=``; the others have nothing."""

FAMILIES["all"] = [item for name, family in FAMILIES.items() if name not in WITH for item in family]


def program(rng: Random, family: str, vcpus: int, length: int) -> list[Call]:
    """Return a program: its eventfds, entries for its pins, then random operations of a family."""
    weights, makers = zip(*FAMILIES[family], strict=True)
    made: list[Call] = [
        ("eventfd", {"name": name, "count": 0, "semaphore": False, "blocking": False}) for name in op.NAMES
    ]
    made += [op.entry(rng, vcpus) for _pin in op.PINS]
    return made + [maker(rng, vcpus) for maker in rng.choices(makers, weights, k=length)]
