"""A GSI routing table as a value: its entries, the checks of KVM_SET_GSI_ROUTING, the two maps.

Follows setup_routing_entry and kvm_set_irq_routing in virt/kvm/irq_comm.c, and the ioctl in
virt/kvm/kvm_main.c, of Linux 3.6; where 6.x differs, virt/kvm/irqchip.c.
"""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.engine.abi import (
    EINVAL,
    ENOMEM,
    KVM_IRQ_ROUTING_IRQCHIP,
    KVM_IRQ_ROUTING_MSI,
    KVM_IRQCHIP_IOAPIC,
    KVM_IRQCHIP_PIC_MASTER,
    KVM_IRQCHIP_PIC_SLAVE,
    Errno,
)
from kvmlab.engine.chips.ioapic_registers import IOAPIC_NUM_PINS
from kvmlab.engine.chips.pic import PIC_NUM_PINS
from kvmlab.engine.kernel.object import Object, Value
from kvmlab.engine.kernels import Rules


class Route(NamedTuple):
    """struct kvm_irq_routing_entry: irqchip and its pin count for type 1, the rest for type 2 (MSI)."""

    gsi: int
    type: int = KVM_IRQ_ROUTING_IRQCHIP
    flags: int = 0
    irqchip: int = 0
    pin: int = 0
    address_lo: int = 0
    address_hi: int = 0
    data: int = 0


Message = tuple[int, int, int]
"""An MSI entry's address_lo, address_hi and data."""


class KernelRoute(NamedTuple):
    """struct kvm_kernel_irq_routing_entry: a pin is 8 and up for the slave; ``message`` is for type 2."""

    type: int
    irqchip: int
    pin: int
    message: Message


_CHIPS = {
    KVM_IRQCHIP_PIC_MASTER: (0, PIC_NUM_PINS),
    KVM_IRQCHIP_PIC_SLAVE: (8, PIC_NUM_PINS),
    KVM_IRQCHIP_IOAPIC: (0, IOAPIC_NUM_PINS),
}
"""By chip: what is added to an entry's pin, and the limit that the sum must stay below.

Both 8259s have the limit 16, so that 3.6 accepts pins 8 to 15 on the master; 6.x does not.
"""


def _default() -> tuple[Route, ...]:
    entries: list[Route] = []
    for gsi in range(IOAPIC_NUM_PINS):
        entries.append(Route(gsi, irqchip=KVM_IRQCHIP_IOAPIC, pin=gsi))
        if gsi < PIC_NUM_PINS:
            entries.append(Route(gsi, irqchip=gsi >> 3, pin=gsi & 7))
    return tuple(entries)


DEFAULT_ROUTING = _default()
"""GSI 0-15 to IOAPIC pin n, then to 8259 input n; GSI 16-23 to IOAPIC pin n only."""


def _kernel_pin(entry: Route) -> int:
    # The sum is a u32, so that a pin close to the top wraps round to a valid one.
    return entry.pin + _CHIPS[entry.irqchip][0] & 0xFFFFFFFF


class RoutingTable(Object):
    """struct kvm_irq_routing_table, made of entries that have been checked; it never changes.

    ``map`` is GSI -> its routes as the kernel keeps them, in the order of the table; ``chip`` is
    (irqchip, pin) -> GSI, the last entry winning where several GSIs drive one pin.
    """

    __slots__ = ("chip", "entries", "map", "nr_rt_entries")
    FIELDS = ("entries",)
    KIND = "routes"

    def __init__(self, entries: tuple[Route, ...]) -> None:
        super().__init__()
        self.entries = entries
        self._compile()

    def thaw(self, value: Value) -> None:
        """Assign the entries from a frozen value and derive both maps again."""
        super().thaw(value)
        self._compile()

    def _compile(self) -> None:
        self.nr_rt_entries = max((entry.gsi for entry in self.entries), default=0) + 1
        self.map: dict[int, tuple[KernelRoute, ...]] = {}
        self.chip: dict[tuple[int, int], int] = {}
        for entry in self.entries:
            pin = entry.pin
            if entry.type == KVM_IRQ_ROUTING_IRQCHIP:
                pin = _kernel_pin(entry)
                self.chip[entry.irqchip, pin] = entry.gsi
            message = (entry.address_lo, entry.address_hi, entry.data)
            route = KernelRoute(entry.type, entry.irqchip, pin, message)
            self.map[entry.gsi] = (*self.map.get(entry.gsi, ()), route)

    def msi(self, index: int) -> Message:
        """Return the message of the entry at an index of the table."""
        entry = self.entries[index]
        return entry.address_lo, entry.address_hi, entry.data


def check_routing(
    entries: tuple[Route, ...], flags: int, rules: Rules, *, split: bool = False
) -> Errno | None:
    """Return why KVM_SET_GSI_ROUTING refuses a table, in the kernel's order; None if it does not.

    ``split``: the chips that an entry may name are not in the kernel.
    """
    if len(entries) > rules.most_routes:
        return Errno(EINVAL, f"a table has at most {rules.most_routes} entries, not {len(entries)}")
    if flags:
        return Errno(EINVAL, f"the table's flags must be 0, not {flags:#x}")
    if not entries and not rules.empty_table:
        return Errno(ENOMEM, "the table is empty, and vmalloc(0) returns NULL")
    for entry in entries:
        if entry.gsi >= rules.gsi_limit:
            return Errno(EINVAL, f"GSI {entry.gsi} is not below {rules.gsi_limit}")
    accepted: dict[int, list[Route]] = {}
    for entry in entries:
        others = accepted.setdefault(entry.gsi, [])
        refusal = _check_entry(entry, others, rules, split)
        if refusal:
            return Errno(EINVAL, f"GSI {entry.gsi}: {refusal}")
        others.append(entry)
    return None


def _check_entry(entry: Route, others: list[Route], rules: Rules, split: bool) -> str:
    if entry.flags & ~(rules.msi_flags if entry.type == KVM_IRQ_ROUTING_MSI else 0):
        return f"an entry's flags must be 0, not {entry.flags:#x}"
    types = {entry.type, *[other.type for other in others]}
    if others and KVM_IRQ_ROUTING_MSI in types:
        return "an MSI does not share its GSI"
    if any(other.irqchip == entry.irqchip for other in others):
        return f"it is mapped to irqchip {entry.irqchip} twice"
    if entry.type == KVM_IRQ_ROUTING_MSI:
        return ""
    if entry.type != KVM_IRQ_ROUTING_IRQCHIP:
        return f"the entry type {entry.type} is neither 1 (irqchip) nor 2 (MSI)"
    if split:
        return "the irqchip is split: no IOAPIC and no 8259 is in the kernel"
    if entry.irqchip not in _CHIPS:
        return f"irqchip {entry.irqchip} is neither 0 nor 1 (8259) nor 2 (IOAPIC)"
    too_high = entry.irqchip != KVM_IRQCHIP_IOAPIC and entry.pin >= rules.pic_route_pins
    if too_high or _kernel_pin(entry) >= _CHIPS[entry.irqchip][1]:
        return f"irqchip {entry.irqchip} has no pin {entry.pin}"
    return ""
