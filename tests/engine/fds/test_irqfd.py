"""irqfd: the errno table of reference 2.3, its life, and what a wake-up does."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.engine.abi import (
    BITS_PER_LONG,
    EBADF,
    EBUSY,
    EFAULT,
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    EINVAL,
    KVM_IRQ_ROUTING_MSI,
    POLLERR,
)
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

DEASSIGN, LEVEL = 1, 2
VM_FD = 4


@pytest.fixture
def machine() -> Machine:
    """Return a machine whose pin 11 delivers vector 0x41, level-triggered, to vCPU 0."""
    machine = Machine()
    pin(machine, 11, 0x41 | 1 << 15)
    return machine


def pin(machine: Machine, number: int, low: int) -> None:
    """Write the low dword of a redirection entry."""
    machine.mmio_write(0, 0xFEC00000, 0x10 + 2 * number)
    machine.mmio_write(0, 0xFEC00010, low)


def irqfd(machine: Machine, number: int = 1) -> Any:
    """Return the n-th irqfd that was made."""
    return machine.memory.objects[f"irqfd#{number}"]


def msi(gsi: int, vector: int) -> Route:
    """Return a route that sends a vector to vCPU 0."""
    return Route(gsi, KVM_IRQ_ROUTING_MSI, address_lo=0xFEE00000, data=vector)


# -- assign: what is refused ------------------------------------------------------------------


@pytest.mark.parametrize("flags", [4, 8, 1 << 31, 4 | DEASSIGN, 4 | LEVEL])
def test_unknown_flags_are_refused_first(machine: Machine, flags: int) -> None:
    """A flag but DEASSIGN and LEVEL is -EINVAL, before the descriptor is looked at."""
    assert machine.irqfd(-1, 11, flags) == -EINVAL
    assert machine.memory.alive("irqfd") == []


@pytest.mark.parametrize("flags", [0, LEVEL, DEASSIGN, DEASSIGN | LEVEL])
@pytest.mark.parametrize(("fd", "errno"), [(-1, EBADF), (99, EBADF), (0, EINVAL), (VM_FD, EINVAL)])
def test_a_descriptor_must_be_an_eventfds(machine: Machine, flags: int, fd: int, errno: int) -> None:
    """What is not open is -EBADF, what is no eventfd -EINVAL, and nothing stays behind."""
    assert machine.irqfd(fd, 11, flags) == -errno
    assert machine.memory.alive("irqfd") == machine.memory.alive("irq_source") == []
    assert machine.memory.objects["irq-sources"].load("bitmap") == 1


@pytest.mark.parametrize("gsi", [11, 12])
def test_an_eventfd_feeds_one_irqfd_of_a_vm(machine: Machine, gsi: int) -> None:
    """A second irqfd of an eventfd is -EBUSY, on any GSI and through any of its descriptors."""
    fd = machine.eventfd()
    assert machine.irqfd(fd, 11) == 0
    assert machine.irqfd(fd, gsi) == -EBUSY
    assert machine.irqfd(machine.dup(fd), gsi, LEVEL) == -EBUSY
    assert machine.memory.alive("irqfd") == ["irqfd#1"]
    assert machine.memory.alive("irq_source") == []
    assert machine.memory.objects["eventfd#1"].load("refs") == 2
    assert machine.memory.objects["file#1"].load("refs") == 2


def test_the_source_is_requested_before_the_descriptor_is_looked_at(machine: Machine) -> None:
    """With no id left, even a bad descriptor is -EFAULT (the order of the June predecessor)."""
    while machine.kvm_request_irq_source_id() >= 0:
        pass
    assert machine.irqfd(-1, 11, LEVEL) == -EFAULT
    assert machine.irqfd(-1, 11) == -EBADF


@pytest.mark.parametrize("gsi", [24, 1023, 1024, 2**32 - 1])
def test_a_gsi_need_not_have_a_route(machine: Machine, gsi: int) -> None:
    """The GSI is not checked at assign; an injection into it is ignored."""
    fd = machine.eventfd()
    assert machine.irqfd(fd, gsi) == 0
    assert machine.write(fd) == 0
    assert machine.kvm_set_irq(0, gsi, 1) == -1


def test_several_eventfds_may_feed_one_gsi(machine: Machine) -> None:
    """Each gets an irqfd of its own, and a level one a source of its own."""
    fds = [machine.eventfd() for _ in range(3)]
    assert [machine.irqfd(fd, 11, LEVEL) for fd in fds] == [1, 2, 3]
    for fd in fds:
        machine.write(fd)
    assert machine.ioapic.irq_states[11] == 0b1110


# -- source ids -------------------------------------------------------------------------------


@pytest.mark.parametrize(("pit", "room"), [(False, BITS_PER_LONG - 1), (True, BITS_PER_LONG - 2)])
def test_level_irqfds_run_out_of_source_ids(pit: bool, room: int) -> None:
    """63 level irqfds fit, 62 beside a PIT; the next is -EFAULT, with the kernel's log line."""
    machine = Machine(Profile(pit=pit))
    first = 2 if pit else 1
    keys = [machine.irqfd(machine.eventfd(), 11, LEVEL) for _ in range(room)]
    assert keys == list(range(first, first + room))
    assert not machine.memory.reports.log
    assert machine.irqfd(machine.eventfd(), 11, LEVEL) == -EFAULT
    assert machine.memory.reports.log == ("kvm: exhaust allocatable IRQ sources!",)
    assert machine.irqfd(machine.eventfd(), 11) == 0
    assert len(machine.memory.alive("irqfd")) == room + 1


def test_a_freed_id_is_the_next_key(machine: Machine) -> None:
    """The lowest free id is taken, so that a key comes back once its source is gone."""
    fds = [machine.eventfd() for _ in range(3)]
    assert [machine.irqfd(fd, 11, LEVEL) for fd in fds] == [1, 2, 3]
    machine.irqfd(fds[1], 11, DEASSIGN)
    assert machine.irqfd(fds[1], 12, LEVEL) == 2


def test_freeing_an_id_drops_its_bit_and_evaluates_nothing(machine: Machine) -> None:
    """After the deassign of an asserting irqfd the pin has no source, and its IRR bit stays."""
    fd = machine.eventfd()
    machine.irqfd(fd, 11, LEVEL)
    machine.write(fd)
    assert machine.ioapic.irq_states[11] == 0b10
    machine.irqfd(fd, 11, DEASSIGN)
    assert (machine.ioapic.irq_states[11], machine.pic.irq_states[11]) == (0, 0)
    assert machine.ioapic.irr == 1 << 11


# -- deassign -----------------------------------------------------------------------------------


def test_deassign_without_a_match_is_no_error(machine: Machine) -> None:
    """It returns 0 for another GSI and for an eventfd that feeds nothing, and removes nothing."""
    fd, other = machine.eventfd(), machine.eventfd()
    machine.irqfd(fd, 11)
    assert machine.irqfd(fd, 12, DEASSIGN) == 0
    assert machine.irqfd(other, 11, DEASSIGN) == 0
    assert machine.memory.alive("irqfd") == ["irqfd#1"]
    assert machine.irqfd(fd, 11, DEASSIGN) == 0
    assert machine.memory.alive("irqfd") == []


def test_deassign_finds_the_eventfd_by_any_descriptor(machine: Machine) -> None:
    """Eventfd and GSI are compared, not the number."""
    fd = machine.eventfd()
    machine.irqfd(fd, 11, LEVEL)
    again = machine.dup(fd)
    machine.close(fd)
    assert machine.irqfd(again, 11, DEASSIGN) == 0
    assert machine.memory.alive("irqfd") == []


def test_deassign_takes_the_counter(machine: Machine) -> None:
    """Signals pile up in the counter while bound (3.6 never reads it); deassign clears it."""
    fd = machine.eventfd()
    machine.irqfd(fd, 11)
    for _ in range(3):
        machine.write(fd, 2)
    assert machine.memory.objects["eventfd#1"].load("count") == 6
    machine.irqfd(fd, 11, DEASSIGN)
    assert machine.memory.objects["eventfd#1"].load("count") == 0


def test_deassign_of_an_idle_semaphore_wraps_its_counter(machine: Machine) -> None:
    """The underflow of 3.6: an idle semaphore ends at 2^64 - 1 and polls POLLERR."""
    fd = machine.eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE)
    machine.irqfd(fd, 11)
    machine.irqfd(fd, 11, DEASSIGN)
    assert machine.memory.objects["eventfd#1"].load("count") == 2**64 - 1
    assert machine.poll(fd) & POLLERR


# -- wake-ups -------------------------------------------------------------------------------------


def test_a_signalled_eventfd_injects_once_at_assign(machine: Machine) -> None:
    """Whatever it counts, one injection follows, and the count stays."""
    pin(machine, 5, 0x35)
    fd = machine.eventfd(7)
    machine.irqfd(fd, 5)
    assert [event[1:3] for event in machine.trace.last() if event[0] == "kvm_set_irq"] == [(5, 1), (5, 0)]
    assert machine.memory.objects["eventfd#1"].load("count") == 7


def test_an_edge_irqfd_pulses_and_a_level_irqfd_asserts(machine: Machine) -> None:
    """An edge irqfd raises and lowers as source 0; a level one only raises, as its own."""
    edge, level = machine.eventfd(), machine.eventfd()
    machine.irqfd(edge, 11)
    key = machine.irqfd(level, 12, LEVEL)
    machine.write(edge)
    machine.write(level)
    events = [event[1:] for event in machine.trace.last() if event[0] == "kvm_set_irq"]
    assert events == [(11, 1, 0), (11, 0, 0), (12, 1, key)]


def test_writes_before_the_worker_runs_are_one_injection() -> None:
    """A work item that waits is not queued again."""
    lab = Lab("machine", "eventfd trigger", "irqfd trigger gsi=11", "manual")
    for _ in range(3):
        lab.say("write trigger; finish user")
    assert lab.machine.memory.objects["wq-events"].load("items") == (("irqfd_inject", "irqfd#1"),)
    lab.say("finish events")
    assert lab.fact("trace", "kvm_set_irq") == 2
    assert lab.fact("eventfd", "trigger", "count") == 3


@pytest.mark.parametrize("value", [0, 1, 5])
def test_each_write_is_one_injection(machine: Machine, value: int) -> None:
    """Whatever is written, 0 too."""
    pin(machine, 5, 0x35)
    fd = machine.eventfd()
    machine.irqfd(fd, 5)
    machine.write(fd, value)
    machine.write(fd, value)
    assert sum(1 for event in machine.trace.last() if event[0] == "kvm_ioapic_set_irq") == 4


def test_a_read_does_not_inject(machine: Machine) -> None:
    """POLLOUT is no concern of an irqfd."""
    fd = machine.eventfd(1)
    machine.irqfd(fd, 11)
    machine.trace.clear()
    assert machine.read(fd) == 1
    assert machine.trace.last() == []


# -- the last close ---------------------------------------------------------------------------------


def test_the_last_close_removes_the_irqfd_and_its_source(machine: Machine) -> None:
    """POLLHUP detaches it, the cleanup worker frees it; a duplicate puts that off."""
    fd = machine.eventfd()
    machine.irqfd(fd, 11, LEVEL)
    again = machine.dup(fd)
    machine.close(fd)
    assert machine.memory.alive("irqfd") == ["irqfd#1"]
    machine.close(again)
    for kind in ("irqfd", "irq_source", "eventfd", "file"):
        assert machine.memory.alive(kind) == []
    assert machine.memory.reports.made == ()


def test_a_hang_up_after_a_deassign_does_nothing() -> None:
    """An irqfd that is off the list is not deactivated twice, though its waiter is still hooked."""
    lab = Lab("machine", "eventfd trigger", "irqfd trigger gsi=11 level", "manual")
    lab.say("irqfd trigger gsi=11 deassign; step user 13")
    assert lab.machine.memory.objects["irqfds"].load("items") == ()
    lab.say("actor closer: close trigger")
    lab.say("finish closer; finish irqfd-cleanup; finish user; finish irqfd-cleanup")
    assert lab.machine.memory.alive("irqfd") == []
    assert lab.machine.memory.reports.made == ()


def full_and_closing(machine: str) -> Lab:
    """Return a lab with every source id taken, where a pair has just been closed and its id is wanted."""
    lab = Lab(machine, *[f"eventfd t{n}; irqfd t{n} gsi=11 level" for n in range(63)])
    lab.say("eventfd unmask; eoifd unmask key=t0 level; eventfd next; manual")
    lab.say("close t0; finish user; close unmask; finish user; irqfd next gsi=11 level")
    return lab


def test_close_then_assign_finds_room_with_the_flush_on_assign() -> None:
    """Scenario 4: the assign waits for the cleanup worker, and gets the id that it freed."""
    lab = full_and_closing("machine")
    assert "has not come to the flush barrier" in lab.one("finish user").why
    lab.say("finish irqfd-cleanup")
    assert lab.one("finish user").ret == 1
    assert lab.machine.memory.reports.log == ()


def test_close_then_assign_can_fail_without_the_flush_on_assign() -> None:
    """Scenario 4 without the flush: nobody has freed the id yet, and the assign is -EFAULT."""
    lab = full_and_closing("machine without=assign-flush")
    assert lab.one("finish user").errno == "EFAULT"
    assert lab.machine.memory.reports.log == ("kvm: exhaust allocatable IRQ sources!",)
    lab.say("finish irqfd-cleanup; irqfd next gsi=11 level")
    assert lab.one("finish user").ret == 1


# -- routing ------------------------------------------------------------------------------------


def test_a_route_change_reaches_a_bound_irqfd(machine: Machine) -> None:
    """MSI to MSI to irqchip: each table published says where the next write goes."""
    fd = machine.eventfd()
    machine.irqfd(fd, 24)
    assert irqfd(machine).irq_entry == ()
    machine.set_gsi_routing((*DEFAULT_ROUTING, msi(24, 0x51)))
    machine.write(fd)
    machine.set_gsi_routing((*DEFAULT_ROUTING, msi(24, 0x61)))
    machine.write(fd)
    assert machine.lapics[0].irr == 1 << 0x51 | 1 << 0x61
    machine.set_gsi_routing((*DEFAULT_ROUTING, Route(24, irqchip=2, pin=11)))
    assert irqfd(machine).irq_entry == ()
    machine.write(fd)
    assert machine.lapics[0].irr == 1 << 0x41 | 1 << 0x51 | 1 << 0x61


def test_an_emptied_route_leaves_a_stale_pointer(machine: Machine) -> None:
    """Section 2.9: a GSI below the table's end that lost its entry keeps its pointer into the freed table."""
    fd = machine.eventfd()
    machine.set_gsi_routing((*DEFAULT_ROUTING, msi(24, 0x51), msi(25, 0x52)))
    machine.irqfd(fd, 24)
    assert machine.set_gsi_routing((*DEFAULT_ROUTING, msi(25, 0x52))) == 0
    assert not machine.memory.reports.made
    assert machine.write(fd) == 0
    (report,) = machine.memory.reports.made
    assert (report.kind, report.context) == ("use-after-free", "user")
    assert "routes#2" in report.text
    assert machine.lapics[0].irr == 1 << 0x51


def test_a_gsi_beyond_the_new_table_loses_its_pointer(machine: Machine) -> None:
    """Past nr_rt_entries irqfd_update sets NULL: no stale pointer, and no delivery."""
    fd = machine.eventfd()
    machine.set_gsi_routing((*DEFAULT_ROUTING, msi(24, 0x51)))
    machine.irqfd(fd, 24)
    machine.set_gsi_routing(DEFAULT_ROUTING)
    assert irqfd(machine).irq_entry == ()
    machine.write(fd)
    assert machine.lapics[0].irr == 0
    assert machine.memory.reports.made == ()


def test_without_an_irqchip_assign_follows_a_null_pointer() -> None:
    """3.6 does not check: irqfd_update reads the NULL table, the caller stops and keeps its lock."""
    machine = Machine(Profile(without=frozenset({"irqchip"})))
    fd = machine.eventfd()
    assert machine.irqfd(fd, 11) is None
    (report,) = machine.memory.reports.made
    assert (report.kind, report.context) == ("null-deref", "user")
    assert machine.memory.objects["locks"].load("spin") == {"irqfds.lock": "user"}


def test_without_config_eventfd_the_stub_answers() -> None:
    """kvm_irqfd's stub is -EINVAL, whatever it is given."""
    machine = Machine(Profile(without=frozenset({"config-eventfd"})))
    assert machine.irqfd(machine.eventfd(), 11) == -EINVAL
    assert machine.irqfd(-1, 11, 8) == -EINVAL
