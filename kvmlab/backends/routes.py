"""A routing table as it is seen, whoever keeps it."""

from __future__ import annotations

from collections.abc import Iterable

from kvmlab.engine.abi import KVM_IRQ_ROUTING_MSI, KVM_IRQCHIP_IOAPIC
from kvmlab.engine.chips.route_table import Route
from kvmlab.snapshot import RouteSnapshot


def route_snapshots(table: Iterable[Route]) -> tuple[RouteSnapshot, ...]:
    """Return the entries of a table as userspace gave it; the slave's pins are 8 and up."""
    return tuple(
        RouteSnapshot(e.gsi, "msi", None, e.address_hi << 32 | e.address_lo, e.data)
        if e.type == KVM_IRQ_ROUTING_MSI
        else RouteSnapshot(e.gsi, "ioapic", e.pin)
        if e.irqchip == KVM_IRQCHIP_IOAPIC
        else RouteSnapshot(e.gsi, "pic", e.pin + 8 * e.irqchip)
        for e in table
    )
