"""A split irqchip: which EOIs a vCPU leaves the kernel with, and what of the other chips there is."""

from __future__ import annotations

import pytest

from kvmlab.engine.chips.ioapic import IOAPIC
from kvmlab.engine.chips.pic import PIC
from kvmlab.engine.chips.route_table import Route
from kvmlab.engine.chips.split import RESERVED_PINS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.switches import IRQCHIP_MODES
from kvmlab.engine.world.userspace import USERSPACE, Userspace

MSI, LEVEL, TO_VCPU_1 = 2, 0x8000, 1 << 12
ADDRESS = 0xFEE00000


def split(vcpus: int = 1, *, x2apic: bool = False) -> Machine:
    """Return a machine whose IOAPIC is in userspace."""
    with_ = frozenset({"split-irqchip"})
    return Machine(Profile("linux-6.x", "resample", vcpus=vcpus, with_=with_, x2apic=x2apic))


def message(gsi: int, data: int, address: int = ADDRESS) -> Route:
    """Return a GSI's route to a message."""
    return Route(gsi, MSI, address_lo=address, data=data)


def exits(machine: Machine) -> dict[int, int]:
    """Return how often vCPUs left with the EOI of each vector."""
    user = machine.memory.objects[USERSPACE]
    assert isinstance(user, Userspace)
    return dict(user.eoi_exits)


@pytest.mark.parametrize(
    ("without", "with_", "chips", "ioapic"),
    [
        (set(), set(), {"lapic", "ioapic", "pic"}, True),
        (set(), {"split-irqchip"}, {"lapic"}, False),
        ({"irqchip"}, set(), set(), False),
        ({"rcu-wait"}, {"split-irqchip", "flush-under-lock"}, {"lapic"}, False),
    ],
)
def test_a_switch_says_which_chips_are_in_the_kernel(
    without: set[str], with_: set[str], chips: set[str], ioapic: bool
) -> None:
    """Each has the table's chips, and no object of another."""
    profile = Profile("linux-6.x", "resample", without=frozenset(without), with_=frozenset(with_))
    assert {chip for chip in ("lapic", "ioapic", "pic") if profile.in_kernel(chip)} == chips
    assert IRQCHIP_MODES[profile.irqchip] == chips
    objects = Machine(profile).memory.objects
    assert (IOAPIC in objects, PIC in objects, "lapic0" in objects) == (ioapic, ioapic, bool(chips))


@pytest.mark.parametrize(
    ("gsi", "data", "told"),
    [
        (0, 0x41 | LEVEL, {0x41: 1}),
        (RESERVED_PINS - 1, 0x41 | LEVEL, {0x41: 1}),
        (RESERVED_PINS, 0x41 | LEVEL, {}),
        (11, 0x41, {}),
    ],
)
def test_level_messages_of_the_reserved_gsis_are_told(gsi: int, data: int, told: dict[int, int]) -> None:
    """kvm_scan_ioapic_routes looks at no other, and an edge ends without anybody's knowing."""
    machine = split()
    machine.set_gsi_routing((message(gsi, data),))
    assert machine.irq_line(gsi, 1) == 1
    assert machine.take() == 0x41
    assert machine.eoi() == 0
    assert exits(machine) == told


def test_only_the_vcpu_that_a_message_is_for_tells_of_its_vector() -> None:
    """The same vector on another vCPU is somebody else's."""
    machine = split(2)
    machine.set_gsi_routing((message(11, 0x41 | LEVEL, ADDRESS | TO_VCPU_1),))
    machine.signal_msi(ADDRESS, 0x41 | LEVEL)
    assert machine.take(0) == 0x41
    machine.eoi(0)
    assert exits(machine) == {}
    machine.irq_line(11, 1)
    assert machine.take(1) == 0x41
    machine.eoi(1)
    assert exits(machine) == {0x41: 1}


def test_what_an_old_route_has_sent_is_told_once() -> None:
    """A vCPU that holds the vector still tells of it (highest_stale_pending_ioapic_eoi), and then no more."""
    machine = split(2)
    machine.set_gsi_routing((message(5, 0x41 | LEVEL),))
    machine.irq_line(5, 1)
    assert machine.take() == 0x41
    machine.set_gsi_routing((message(5, 0x41 | LEVEL, ADDRESS | TO_VCPU_1),))
    for _time in range(2):
        machine.eoi()
        assert exits(machine) == {0x41: 1}
        machine.signal_msi(ADDRESS, 0x41 | LEVEL)
        assert machine.take() == 0x41


def test_an_eoi_by_msr_leaves_too() -> None:
    """x2APIC's EOI register is another way to the same."""
    machine = split(x2apic=True)
    machine.call("vcpu0", "msr_write", 0, 0x1B, 0xFEE00D00)
    machine.set_gsi_routing((message(11, 0x41 | LEVEL),))
    machine.irq_line(11, 1)
    assert machine.take() == 0x41
    machine.call("vcpu0", "msr_write", 0, 0x80B, 0)
    assert exits(machine) == {0x41: 1}


def test_a_scan_takes_each_message_apart_and_traces_it() -> None:
    """kvm_set_msi_irq has the tracepoint, whoever calls it: nothing is sent."""
    machine = split()
    first = len(machine.trace.ring)
    machine.set_gsi_routing((message(11, 0x41 | LEVEL), message(30, 0x51 | LEVEL), message(12, 0x61)))
    assert machine.trace.last()[first:] == [
        ("kvm_msi_set_irq", ADDRESS, 0x41 | LEVEL),
        ("kvm_msi_set_irq", ADDRESS, 0x61),
    ]
    assert machine.lapics[0].irr == 0


def test_the_routes_begin_empty_and_no_pin_may_be_named() -> None:
    """kvm_setup_empty_irq_routing; an entry of type IRQCHIP is -EINVAL, with nothing changed."""
    machine = split()
    assert machine.irq_line(11, 1) == -1
    machine.set_gsi_routing((message(11, 0x41),))
    refusal = machine.set_gsi_routing((message(12, 0x51), Route(11, irqchip=2, pin=11)))
    assert repr(refusal) == "-EINVAL"
    assert machine.irq_line(11, 1) == 1


def test_vms_without_any_chip_scan_nothing() -> None:
    """A request to scan is taken from a vCPU that has no LAPIC, and there is no table to be read."""
    machine = Machine(Profile("linux-6.x", "resample", without=frozenset({"irqchip"})))
    machine.call("user", "kvm_register_irq_ack_notifier", 11, "device_acked", "nobody")
    assert machine.memory.reports.made == ()
    assert machine.scan.requests == 0
