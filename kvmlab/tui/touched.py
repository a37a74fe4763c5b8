"""What a tracepoint's line is about: the items of other panes that it names, and its vector. Pure.

The wording is the kernel's (arch/x86/kvm/trace.h); a line names only what its event carries.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kvmlab.snapshot import Snapshot

GSI = re.compile(r"^kvm_set_irq: gsi (\d+)")
PIN = re.compile(r"^(?:kvm_ioapic_set_irq: |kvm_ack_irq: irqchip IOAPIC )pin (\d+)")
SOURCE = re.compile(r"^kvm_set_irq: .* source (\d+)")
VECTOR = re.compile(
    r"^kvm_(?:apic_accept_irq: .* vec |eoi: .* vector |inj_virq: irq |ioapic_set_irq: .* vec=)(\d+)"
)


class Touched(NamedTuple):
    """Items as (pane, key), and the vector that is named, None where none is."""

    items: frozenset[tuple[str, str]] = frozenset()
    vector: int | None = None


def touched(event: str, snapshot: Snapshot) -> Touched:
    """Return what a tracepoint's line names, of what the snapshot has."""
    items: set[tuple[str, str]] = set()
    if found := GSI.match(event):
        gsi = int(found[1])
        items |= {
            ("ioapic", str(r.pin)) for r in snapshot.routes or () if r.gsi == gsi and r.kind == "ioapic"
        }
        items |= {("routes", found[1])}
        items |= {("fds", irqfd.name) for irqfd in snapshot.irqfds or () if irqfd.gsi == gsi}
    if found := PIN.match(event):
        items.add(("ioapic", found[1]))
    if found := SOURCE.match(event):
        items.add(("sources", found[1]))
    vector = VECTOR.match(event)
    return Touched(frozenset(items), int(vector[1]) if vector else None)
