"""ioeventfd: errors in the order of reference 2.10, matching, and what no POLLHUP hook means."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EBADF, EEXIST, EINVAL, ENOENT, ENOSPC, ENOSYS, NR_IOBUS_DEVS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile

DATAMATCH, PIO, DEASSIGN, UNKNOWN = 1, 2, 4, 8
ADDR, PORT = 0xFE000000, 0x70


@pytest.fixture
def machine() -> Machine:
    """Return a machine."""
    return Machine()


@pytest.fixture
def fd(machine: Machine) -> int:
    """Return the descriptor of an eventfd."""
    return machine.eventfd()


def counts(machine: Machine) -> list[int]:
    """Return the counters of all eventfds."""
    return [int(machine.memory.objects[h].load("count")) for h in machine.memory.alive("eventfd")]


@pytest.mark.parametrize("length", [0, 3, 5, 7, 9, 2**32 - 1])
def test_a_length_that_no_access_has_is_refused_first(machine: Machine, length: int) -> None:
    """len is 1, 2, 4 or 8; anything else is -EINVAL before the descriptor is looked at."""
    assert machine.ioeventfd(-1, ADDR, length) == -EINVAL


@pytest.mark.parametrize(("addr", "length"), [(2**64 - 1, 1), (2**64 - 4, 8)])
def test_a_range_that_wraps_is_refused(machine: Machine, fd: int, addr: int, length: int) -> None:
    """addr + len must not pass the end of the address space."""
    assert machine.ioeventfd(fd, addr, length) == -EINVAL


@pytest.mark.parametrize("flags", [UNKNOWN, UNKNOWN | PIO, 1 << 31])
def test_unknown_flags_are_refused(machine: Machine, flags: int) -> None:
    """-EINVAL, before the descriptor."""
    assert machine.ioeventfd(-1, ADDR, 4, flags) == -EINVAL


@pytest.mark.parametrize("flags", [0, DEASSIGN])
@pytest.mark.parametrize(("bad", "errno"), [(-1, EBADF), (50, EBADF), (0, EINVAL), (4, EINVAL)])
def test_a_descriptor_must_be_an_eventfds(machine: Machine, flags: int, bad: int, errno: int) -> None:
    """What is not open is -EBADF, what is no eventfd -EINVAL."""
    assert machine.ioeventfd(bad, ADDR, 4, flags) == -errno


@pytest.mark.parametrize(
    ("flags", "datamatch", "collides"),
    [(0, 0, True), (DATAMATCH, 1, True), (DATAMATCH, 2, False), (PIO | DATAMATCH, 1, True)],
)
def test_two_that_would_match_one_write_collide(
    machine: Machine, fd: int, flags: int, datamatch: int, collides: bool
) -> None:
    """Same address and length, and a wildcard or the same value: -EEXIST. 3.6 ignores the bus."""
    assert machine.ioeventfd(fd, PORT, 4, DATAMATCH, 1) == 0
    assert machine.ioeventfd(fd, PORT, 4, flags, datamatch) == (-EEXIST if collides else 0)
    assert machine.ioeventfd(fd, PORT, 2, flags, datamatch) == 0


def test_a_bus_holds_a_thousand_devices(machine: Machine, fd: int) -> None:
    """The IOAPIC is one on the MMIO bus, so 999 fit; then -ENOSPC. The PIO bus has its own room."""
    for number in range(NR_IOBUS_DEVS - 1):
        assert machine.ioeventfd(fd, ADDR + 8 * number, 4) == 0
    assert machine.ioeventfd(fd, ADDR - 8, 4) == -ENOSPC
    assert machine.ioeventfd(fd, PORT, 4, PIO) == 0
    assert machine.ioeventfd(fd, ADDR, 4, DEASSIGN) == 0
    assert machine.ioeventfd(fd, ADDR - 8, 4) == 0


def test_a_write_signals_the_first_that_matches(machine: Machine, fd: int) -> None:
    """Bus, address, length and, if asked for, the value: only then the eventfd counts."""
    port = machine.eventfd()
    machine.ioeventfd(fd, ADDR, 4, DATAMATCH, 7)
    machine.ioeventfd(port, PORT, 1, PIO)
    for addr, length, value in ((ADDR, 4, 6), (ADDR, 2, 7), (ADDR + 1, 4, 7), (PORT, 1, 7)):
        machine.mmio_write(0, addr, value, length)
    assert counts(machine) == [0, 0]
    machine.mmio_write(0, ADDR, 7, 4)
    machine.pio_write(PORT, 9)
    assert counts(machine) == [1, 1]
    machine.mmio_read(0, ADDR)
    assert counts(machine) == [1, 1]


@pytest.mark.parametrize(
    ("addr", "length", "flags", "datamatch"),
    [(ADDR + 4, 4, 0, 0), (ADDR, 2, 0, 0), (ADDR, 4, DATAMATCH, 6), (ADDR, 4, 0, 0)],
)
def test_deassign_names_exactly_one(
    machine: Machine, fd: int, addr: int, length: int, flags: int, datamatch: int
) -> None:
    """Anything else than eventfd, address, length, wildcard and value as assigned is -ENOENT."""
    machine.ioeventfd(fd, ADDR, 4, DATAMATCH, 7)
    assert machine.ioeventfd(fd, addr, length, flags | DEASSIGN, datamatch) == -ENOENT
    assert machine.ioeventfd(machine.eventfd(), ADDR, 4, DATAMATCH | DEASSIGN, 7) == -ENOENT
    assert machine.ioeventfd(fd, ADDR, 4, DATAMATCH | DEASSIGN, 7) == 0
    assert machine.memory.alive("ioeventfd") == []
    assert machine.memory.objects["eventfd#1"].load("refs") == 1


def test_a_close_leaves_the_ioeventfd_on_its_bus(machine: Machine, fd: int) -> None:
    """Without a POLLHUP hook it stays, holds the eventfd, and a new eventfd can't take it off."""
    machine.ioeventfd(fd, ADDR, 4)
    machine.close(fd)
    assert machine.memory.alive("ioeventfd") == ["ioeventfd#1"]
    assert machine.memory.alive("eventfd") == ["eventfd#1"]
    new = machine.eventfd()
    assert new == fd
    assert machine.ioeventfd(new, ADDR, 4, DEASSIGN) == -ENOENT
    assert machine.ioeventfd(new, ADDR, 4) == -EEXIST
    machine.mmio_write(0, ADDR, 1)
    assert counts(machine) == [1, 0]


def test_the_vms_release_takes_it_off_at_last(machine: Machine, fd: int) -> None:
    """The destructors of what is left on the buses run when the VM is destroyed."""
    machine.ioeventfd(fd, ADDR, 4)
    machine.close(fd)
    assert machine.release() == 0
    assert machine.memory.alive("ioeventfd") == machine.memory.alive("eventfd") == []
    assert machine.memory.reports.made == ()


def test_without_config_eventfd_the_stub_answers() -> None:
    """kvm_ioeventfd's stub is -ENOSYS."""
    machine = Machine(Profile(without=frozenset({"config-eventfd"})))
    assert machine.ioeventfd(machine.eventfd(), ADDR, 4) == -ENOSYS
