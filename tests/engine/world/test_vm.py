"""The VM's descriptor: its ioctls that are not about eventfds, and its release."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import (
    BITS_PER_LONG,
    EBADF,
    EEXIST,
    EINVAL,
    ENOMEM,
    ENXIO,
    KVM_IRQ_ROUTING_MSI,
)
from kvmlab.engine.chips.route_table import DEFAULT_ROUTING, Route
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.engine.world.vm import OF_A_VM
from tests.engine.lab import Lab, fresh

PAIR = (
    "machine",
    "eventfd trigger; eventfd unmask",
    "ioapic 11 vector=0x41 level unmasked",
    "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
    "write trigger; take",
)


@pytest.fixture
def machine() -> Machine:
    """Return a machine."""
    return Machine()


def without(feature: str) -> Machine:
    """Return a machine that lacks a feature."""
    return Machine(Profile(without=frozenset({feature})))


def left(machine: Machine) -> list[str]:
    """Return what is alive of a VM."""
    return [handle for kind in OF_A_VM for handle in machine.memory.alive(kind)]


# -- lines and messages -------------------------------------------------------------------------


def test_the_line_status_is_that_of_source_zero(machine: Machine) -> None:
    """KVM_IRQ_LINE_STATUS: -1 for masked everywhere, 1 for a chip that took it or fell; 7 is high too."""
    assert machine.irq_line(11, 1) == -1
    assert machine.ioapic.irq_states[11] == 1
    machine.mmio_write(0, 0xFEC00000, 0x10 + 2 * 12)
    machine.mmio_write(0, 0xFEC00010, 0x51)
    assert [machine.irq_line(12, 7), machine.irq_line(12, 1), machine.irq_line(12, 0)] == [1, 0, 1]


def test_a_gsi_without_a_route_is_ignored(machine: Machine) -> None:
    """Its status is -1 and no error."""
    assert machine.irq_line(1000, 1) == -1
    assert machine.memory.reports.made == ()


def test_lines_and_messages_need_an_irqchip() -> None:
    """KVM_IRQ_LINE is -ENXIO, KVM_SIGNAL_MSI -EINVAL."""
    machine = without("irqchip")
    assert machine.irq_line(11, 1) == -ENXIO
    assert machine.signal_msi(0xFEE00000, 0x41) == -EINVAL


def test_a_message_has_no_flags(machine: Machine) -> None:
    """KVM_SIGNAL_MSI with any flag is -EINVAL; without, it is kvm_set_msi's status."""
    assert machine.signal_msi(0xFEE00000, 0x41, flags=1) == -EINVAL
    assert [machine.signal_msi(0xFEE00000, 0x41) for _ in range(2)] == [1, 0]
    assert machine.signal_msi(0xFEE05000, 0x41) == -1


# -- routing through the ioctl --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "flags", "errno"),
    [
        (DEFAULT_ROUTING, 1, EINVAL),
        ((), 0, ENOMEM),
        (tuple(Route(n, irqchip=2, pin=0) for n in range(1024)), 0, EINVAL),
        ((Route(1024, irqchip=2, pin=1),), 0, EINVAL),
        ((Route(3, irqchip=2, pin=24),), 0, EINVAL),
        ((Route(3, irqchip=3, pin=0),), 0, EINVAL),
        ((Route(3, type=3),), 0, EINVAL),
        ((Route(3, flags=1, irqchip=2),), 0, EINVAL),
        ((Route(3, irqchip=2, pin=3), Route(3, irqchip=2, pin=4)), 0, EINVAL),
        ((Route(3, irqchip=2, pin=3), Route(3, KVM_IRQ_ROUTING_MSI)), 0, EINVAL),
    ],
)
def test_a_refused_table_changes_nothing(
    machine: Machine, entries: tuple[Route, ...], flags: int, errno: int
) -> None:
    """KVM_SET_GSI_ROUTING keeps the old table, and frees what it had begun."""
    before = fresh(machine)
    assert machine.set_gsi_routing(entries, flags) == -errno
    assert fresh(machine) == before


def test_a_table_of_as_many_entries_as_fit_is_taken(machine: Machine) -> None:
    """1023 entries are less than 1024; the old table is gone."""
    entries = tuple(Route(n, irqchip=2, pin=n % 24) for n in range(1024 - 1))
    assert machine.set_gsi_routing(entries) == 0
    assert machine.memory.alive("routes") == ["routes#2"]
    assert machine.irq_line(1022, 1) == -1
    assert machine.ioapic.irq_states[1022 % 24] == 1


def test_a_table_is_taken_without_an_irqchip_and_its_pins_lead_nowhere() -> None:
    """3.6 does not check: the table is published, and driving a pin follows a NULL chip."""
    machine = without("irqchip")
    assert machine.set_gsi_routing(DEFAULT_ROUTING) == 0
    assert machine.kvm_set_irq(0, 11, 1) is None
    assert [report.kind for report in machine.memory.reports.made] == ["null-deref"]


def test_a_new_table_waits_for_those_that_read_the_old_one() -> None:
    """The old table is freed after a grace period: an EOI under way still finds it."""
    lab = Lab(*PAIR, "manual", "eoi; step vcpu0 8", "routes default", "finish user")
    assert lab.machine.memory.alive("routes") == ["routes#1", "routes#2"]
    assert lab.machine.contexts.blocked("user") == ("vcpu0 still reads under RCU", ("vcpu0",))
    lab.say("finish vcpu0; finish user")
    assert lab.machine.memory.alive("routes") == ["routes#2"]
    assert lab.machine.memory.reports.made == ()


# -- the PIT --------------------------------------------------------------------------------------


def test_a_pit_takes_the_lowest_free_source_id(machine: Machine) -> None:
    """A second one is -EEXIST and takes none."""
    assert machine.irqfd(machine.eventfd(), 11, 2) == 1
    assert machine.create_pit2() == 0
    assert machine.create_pit2() == -EEXIST
    assert machine.memory.objects["vm"].load("pit_source") == 2
    assert machine.memory.objects["irq-sources"].load("bitmap") == 0b111


def test_a_pit_without_a_source_id_is_no_memory(machine: Machine) -> None:
    """kvm_create_pit returns NULL, so that the ioctl says -ENOMEM; with an id free again it works."""
    fds = [machine.eventfd() for _ in range(BITS_PER_LONG - 1)]
    assert all(machine.irqfd(fd, 11, 2) > 0 for fd in fds)
    assert machine.create_pit2() == -ENOMEM
    machine.close(fds[0])
    assert machine.create_pit2() == 0


def test_a_machine_with_a_pit_has_it_from_the_start() -> None:
    """It has source id 1, so that the first key is 2."""
    machine = Machine(Profile(pit=True))
    assert machine.create_pit2() == -EEXIST
    assert machine.irqfd(machine.eventfd(), 11, 2) == 2


# -- release ------------------------------------------------------------------------------------


def test_a_release_lets_go_of_everything(machine: Machine) -> None:
    """irqfds, eoifds, ioeventfds, sources and routes are gone; the eventfds stay, without waiters."""
    fds = [machine.eventfd() for _ in range(4)]
    key = machine.irqfd(fds[0], 11, 2)
    machine.irqfd(fds[1], 12)
    machine.eoifd(fds[2], 2, key)
    machine.ioeventfd(fds[3], 0xFE000000, 4)
    machine.create_pit2()
    machine.write(fds[0])
    assert machine.release() == 0
    assert left(machine) == []
    assert machine.memory.objects["irq-sources"].load("bitmap") == 1
    for number in range(1, 5):
        assert machine.memory.objects[f"eventfd#{number}"].load("refs", "waiters") == (1, ())
    assert machine.memory.reports.made == ()


def test_after_the_release_every_ioctl_is_a_bad_descriptor(machine: Machine) -> None:
    """So is a guest's access, as its vCPU's descriptor is closed too; eventfds work on."""
    fd = machine.eventfd(1)
    machine.release()
    assert machine.irqfd(fd, 11) == machine.eoifd(fd, 2, 1) == machine.create_pit2() == -EBADF
    assert machine.set_gsi_routing(DEFAULT_ROUTING) == machine.ioeventfd(fd, 0, 4) == -EBADF
    assert machine.irq_line(1, 1) == machine.signal_msi(0, 0) == machine.release() == -EBADF
    assert machine.mmio_write(0, 0xFEE000B0, 0) == machine.mmio_read(0, 0xFEE00030) == -EBADF
    assert machine.pio_write(0x20, 0x20) == machine.pio_read(0x20) == machine.take() == -EBADF
    assert machine.read(fd) == 1
    assert machine.eventfd() == 4


def test_a_release_waits_for_work_that_is_queued() -> None:
    """Nothing is injected after it, and no work touches what it freed."""
    lab = Lab(
        "machine",
        "eventfd trigger; irqfd trigger gsi=11 level",
        "manual",
        "write trigger; finish user",
        "release",
    )
    lab.say("finish user; finish irqfd-cleanup")
    assert lab.machine.contexts.blocked("irqfd-cleanup") is not None
    lab.say("finish events; finish irqfd-cleanup")
    assert lab.one("finish user").ret == 0
    assert left(lab.machine) == []
    assert lab.machine.memory.reports.made == ()


def ends(lab: Lab, *names: str) -> None:
    """Let contexts go on one after the other until none of them can."""
    while sum(lab.machine.contexts.finish(name) for name in names):
        pass


@pytest.mark.parametrize("steps", range(1, 34))
def test_an_ioctl_under_way_keeps_the_vm(steps: int) -> None:
    """The descriptor's file is held from its lookup on: a release meanwhile waits for the ioctl's end."""
    lab = Lab(
        "machine", "eventfd trigger", "manual", "actor a: irqfd trigger gsi=11 level", f"step a {steps}"
    )
    lab.say("release")
    ends(lab, "user", "irqfd-cleanup")
    ends(lab, "a", "irqfd-cleanup", "user")
    assert lab.machine.memory.reports.made == ()
    assert left(lab.machine) == []


def test_of_two_releases_one_finds_the_descriptor_closed() -> None:
    """close(2) takes the number away at one stroke: whoever comes second gets -EBADF."""
    lab = Lab("machine", "manual", "actor a: release", "actor b: release", "step a; step b")
    ends(lab, "a", "b", "irqfd-cleanup")
    results = sorted(int(lab.machine.contexts.get(name).result) for name in "ab")
    assert results == [-EBADF, 0]
    assert lab.machine.memory.reports.made == ()


@pytest.mark.parametrize("steps", range(1, 24))
def test_a_vcpu_under_way_keeps_the_vm(steps: int) -> None:
    """KVM_RUN holds the vCPU's file, and that the VM: an EOI begun before the release comes to its end."""
    lab = Lab(*PAIR, "manual", "eoi", f"step vcpu0 {steps}", "release")
    ends(lab, "user", "irqfd-cleanup")
    ends(lab, "vcpu0", "user", "irqfd-cleanup")
    assert lab.machine.memory.reports.made == ()
    assert left(lab.machine) == []
