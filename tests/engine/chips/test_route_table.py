"""Routing tables: the default one, and what KVM_SET_GSI_ROUTING refuses."""

from __future__ import annotations

import pytest

from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route, RoutingTable, check_routing
from kvmlab.engine.kernels import KERNELS

EINVAL, ENOMEM = -22, -12
IOAPIC, MSI = 2, 2
PIN = Route(5, irqchip=IOAPIC, pin=5)
MESSAGE = Route(5, MSI, address_lo=0xFEE00000, data=0x41)


def test_default_table_has_forty_entries() -> None:
    """GSI 0-15 go to both chips, IOAPIC first; 16-23 to the IOAPIC only."""
    table = RoutingTable(DEFAULT_ROUTING)
    assert len(table.entries) == 40
    assert [(route.irqchip, route.pin) for route in table.map[11]] == [(2, 11), (1, 11)]
    assert [(route.irqchip, route.pin) for route in table.map[20]] == [(2, 20)]
    assert (table.nr_rt_entries, table.chip[1, 11], table.chip[2, 20]) == (24, 11, 20)


@pytest.mark.parametrize(
    ("entries", "flags", "errno"),
    [
        ((), 0, ENOMEM),
        ((), 1, EINVAL),
        ((PIN,), 1, EINVAL),
        (tuple(Route(gsi, irqchip=IOAPIC, pin=0) for gsi in range(1023)), 0, None),
        (tuple(Route(gsi, irqchip=IOAPIC, pin=0) for gsi in range(1024)), 0, EINVAL),
        ((Route(1024, irqchip=IOAPIC, pin=0),), 0, EINVAL),
        ((PIN._replace(flags=1),), 0, EINVAL),
        ((PIN._replace(type=0),), 0, EINVAL),
        ((PIN._replace(irqchip=3),), 0, EINVAL),
        ((PIN._replace(pin=23),), 0, None),
        ((PIN._replace(pin=24),), 0, EINVAL),
        ((Route(5, irqchip=0, pin=15),), 0, None),
        ((Route(5, irqchip=0, pin=16),), 0, EINVAL),
        ((Route(5, irqchip=1, pin=7),), 0, None),
        ((Route(5, irqchip=1, pin=8),), 0, EINVAL),
        ((PIN, PIN), 0, EINVAL),
        ((PIN, PIN._replace(gsi=6)), 0, None),
        ((MESSAGE, PIN), 0, EINVAL),
        ((PIN, MESSAGE), 0, EINVAL),
        ((MESSAGE, MESSAGE), 0, EINVAL),
        ((Route(5, irqchip=0, pin=5), Route(5, irqchip=1, pin=5), PIN), 0, None),
    ],
)
def test_table_is_refused_as_by_the_kernel(entries: tuple[Route, ...], flags: int, errno: int | None) -> None:
    """Each rule of the ioctl and of setup_routing_entry, at its limit."""
    refusal = check_routing(entries, flags, KERNELS["linux-3.6"])
    assert refusal == errno
    assert refusal is None or refusal.why


def test_pin_of_the_slave_wraps_round_as_a_u32() -> None:
    """A pin just below 2^32 becomes a small one when 8 is added to it, and is accepted."""
    entry = Route(5, irqchip=1, pin=0xFFFFFFFB)
    assert check_routing((entry,), 0, KERNELS["linux-3.6"]) is None
    assert RoutingTable((entry,)).map[5][0].pin == 3


def test_table_brought_back_from_its_value_routes_as_before() -> None:
    """Both maps are derived from the entries, also for an object that is made anew."""
    table = RoutingTable(DEFAULT_ROUTING)
    again = RoutingTable.__new__(RoutingTable)
    again.thaw(table.freeze())
    assert (again.map, again.chip, again.nr_rt_entries) == (table.map, table.chip, table.nr_rt_entries)


def test_msi_entry_by_its_index() -> None:
    """An irqfd keeps (table, index) and reads the message through it."""
    assert RoutingTable((PIN, MESSAGE)).msi(1) == (0xFEE00000, 0, 0x41)
