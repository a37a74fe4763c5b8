"""The I/O buses: who answers to an address, who waits for whom, and what a wrong bus leaves behind."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import ENOENT, ENOMEM, ENOSPC, NR_IOBUS_DEVS
from kvmlab.engine.fds.io_bus import MMIO_BUS, PIO_BUS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

DATAMATCH, PIO, DEASSIGN = 1, 2, 4
IOREGSEL, IOWIN = 0xFEC00000, 0xFEC00010


@pytest.fixture
def machine() -> Machine:
    """Return a machine."""
    return Machine()


def kinds(machine: Machine) -> list[str]:
    """Return the kinds of all reports."""
    return [report.kind for report in machine.memory.reports.made]


def test_a_create_irqchip_puts_four_devices_on_the_buses(machine: Machine) -> None:
    """The IOAPIC, and the 8259 pair as three; without an irqchip both buses are empty."""
    assert machine.buses[MMIO_BUS].devices() == ("ioapic",)
    assert machine.buses[PIO_BUS].devices() == ("pic", "pic", "pic")
    bare = Machine(Profile(without=frozenset({"irqchip"})))
    assert [bus.devices() for bus in bare.buses.values()] == [(), ()]


@pytest.mark.parametrize(
    ("port", "length", "read", "line"),
    [
        (0x20, 2, 0, "kvm: pic: non byte read"),
        (0x4D0, 2, 0, "kvm: pic: non byte read"),
        (0x21, 2, 0xFFFF, None),
        (0x20, 4, 0xFFFFFFFF, None),
        (0x1F, 2, 0xFFFF, None),
    ],
)
def test_an_access_must_lie_within_one_device(
    machine: Machine, port: int, length: int, read: int, line: str | None
) -> None:
    """What leaves the 8259's two ports is nobody's; what stays and is no byte is logged and reads 0."""
    assert machine.pio_read(port, length=length) == read
    assert machine.memory.reports.log == ((line,) if line else ())


def test_a_write_to_the_8259_that_is_no_byte_is_logged_and_dropped(machine: Machine) -> None:
    """Both masks stay as they were."""
    machine.pio_write(0x20, 0xFFFF, length=2)
    assert machine.memory.reports.log == ("kvm: pic: non byte write",)
    assert [chip.imr for chip in machine.pic.chips] == [0xFF, 0xFF]


def test_icw1_logs_what_the_8259_model_lacks(machine: Machine) -> None:
    """Single mode and level mode are logged, in this order; a plain ICW1 is not."""
    machine.pio_write(0x20, 0x11)
    machine.pio_write(0x20, 0x1B)
    assert machine.memory.reports.log == (
        "kvm: pic: single mode not supported",
        "kvm: pic: level sensitive irq not supported",
    )


def test_an_ioeventfd_at_the_ioapics_first_register_hides_it(machine: Machine) -> None:
    """It begins where the IOAPIC begins and ends before it, so it is asked first; at IOWIN it is not."""
    fd = machine.eventfd()
    assert machine.ioeventfd(fd, IOREGSEL, 4) == machine.ioeventfd(fd, IOWIN, 4) == 0
    machine.mmio_write(0, IOREGSEL, 1)
    assert machine.read(fd) == 1
    assert machine.ioapic.ioregsel == 0
    machine.mmio_write(0, IOWIN, 0x5000000)
    assert machine.ioapic.id == 5
    assert machine.read(fd) < 0


def test_a_write_that_an_ioeventfd_does_not_want_goes_on_to_the_chip(machine: Machine) -> None:
    """Another value than its datamatch is the IOAPIC's."""
    fd = machine.eventfd()
    machine.ioeventfd(fd, IOREGSEL, 4, DATAMATCH, 7)
    machine.mmio_write(0, IOREGSEL, 1)
    assert machine.ioapic.ioregsel == 1


def test_a_pit_is_a_device_on_the_pio_bus(machine: Machine) -> None:
    """It answers at its ports and takes one of the 1000 places."""
    assert machine.pio_read(0x40) == 0xFF
    machine.create_pit2()
    machine.pio_write(0x43, 0x34)
    assert machine.pio_read(0x40) == 0
    fd = machine.eventfd()
    statuses = [machine.ioeventfd(fd, 0x1000 + n, 1, PIO) for n in range(NR_IOBUS_DEVS - 3)]
    assert statuses == [0] * (NR_IOBUS_DEVS - 4) + [-ENOSPC]


def test_a_pit_without_a_place_on_its_bus_gives_its_source_id_back(machine: Machine) -> None:
    """KVM_CREATE_PIT2 is -ENOMEM, and the id is free again."""
    fd = machine.eventfd()
    for n in range(NR_IOBUS_DEVS - 3):
        machine.ioeventfd(fd, 0x1000 + n, 1, PIO)
    assert machine.create_pit2() == -ENOMEM
    assert machine.memory.objects["irq-sources"].load("bitmap") == 1


def test_a_refused_ioeventfd_leaves_nothing(machine: Machine) -> None:
    """A full bus frees what was allocated, and the eventfd is held by its file alone."""
    fd = machine.eventfd()
    for n in range(NR_IOBUS_DEVS - 3):
        machine.ioeventfd(fd, 0x1000 + n, 1, PIO)
    other = machine.eventfd()
    assert machine.ioeventfd(other, 0x9000, 1, PIO) == -ENOSPC
    assert machine.memory.objects["eventfd#2"].load("refs") == 1
    assert len(machine.memory.alive("ioeventfd")) == NR_IOBUS_DEVS - 3


def test_a_deassign_with_the_wrong_bus_frees_what_stays_on_the_other(machine: Machine) -> None:
    """3.6 finds the ioeventfd whatever its bus, and the next write to it uses freed memory."""
    fd = machine.eventfd()
    machine.ioeventfd(fd, 0xFE000000, 4)
    assert machine.ioeventfd(fd, 0xFE000000, 4, PIO | DEASSIGN) == 0
    assert machine.ioeventfd(fd, 0xFE000000, 4, DEASSIGN) == -ENOENT
    assert kinds(machine) == []
    machine.mmio_write(0, 0xFE000000, 0)
    assert "use-after-free" in kinds(machine)


def test_a_deassign_waits_for_the_vcpu_that_signals() -> None:
    """A vCPU found the ioeventfd before: its memory and its eventfd are there until it has signalled."""
    lab = Lab("machine", "eventfd kick; ioeventfd kick addr=0xfe000000 len=4", "manual")
    lab.say("mmio write 0xfe000000 0; step vcpu0 5")
    lab.say("ioeventfd kick addr=0xfe000000 len=4 deassign; finish user")
    assert lab.machine.contexts.blocked("user") == ("vcpu0 still reads under SRCU", ("vcpu0",))
    assert lab.machine.memory.alive("ioeventfd") == ["ioeventfd#1"]
    lab.say("finish vcpu0; finish user")
    assert lab.machine.memory.alive("ioeventfd") == []
    assert lab.machine.memory.objects["eventfd#1"].load("count") == 1
    assert kinds(lab.machine) == []


def test_a_pit_goes_before_the_routing_and_the_buses(machine: Machine) -> None:
    """Releasing the VM takes it off a bus that is still there and gives its id back."""
    machine.create_pit2()
    machine.release()
    assert machine.buses[PIO_BUS].devices() == ("pic", "pic", "pic")
    assert machine.memory.objects["irq-sources"].load("bitmap") == 1
    assert kinds(machine) == []
