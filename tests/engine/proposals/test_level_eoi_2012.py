"""LEVEL_EOI of June 2012: what its one ioctl takes and gives back, and when it listens too early."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EBADF, EFAULT, EINVAL
from kvmlab.engine.kernel.path import describe
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.proposals.wiring import told, wired

LEVEL_EOI = 2


@pytest.fixture
def machine() -> Machine:
    """Return a machine of the design."""
    return Machine(Profile(api="level-eoi-2012"))


def used(machine: Machine) -> int:
    """Return the bitmap of source ids."""
    return int(machine.memory.objects["irq-sources"].load("bitmap"))


@pytest.mark.parametrize("fd2", [-1, 3])
def test_a_bad_second_eventfd_gives_the_source_back(machine: Machine, fd2: int) -> None:
    """The id was taken before; nothing listens."""
    assert machine.irqfd(machine.eventfd(), 11, LEVEL_EOI, fd2) == (-EBADF if fd2 < 0 else -EINVAL)
    assert used(machine) == 1
    assert machine.memory.objects["routing"].load("ack_notifiers") == ()


def test_a_bad_first_eventfd_gives_everything_back(machine: Machine) -> None:
    """The notifier and the second eventfd's reference too."""
    second = machine.eventfd()
    assert machine.irqfd(-1, 11, LEVEL_EOI, second) == -EBADF
    assert machine.irqfd(second, 11, LEVEL_EOI, second) == -EINVAL
    assert used(machine) == 1
    assert machine.memory.objects["routing"].load("ack_notifiers") == ()
    machine.close(second)
    assert machine.memory.alive("eventfd") == []


def test_the_source_comes_first(machine: Machine) -> None:
    """At capacity -EFAULT is the answer, whatever the descriptors are."""
    second = machine.eventfd()
    for _ in range(63):
        assert machine.irqfd(machine.eventfd(), 11, LEVEL_EOI, second) == 0
    assert machine.irqfd(-1, 11, LEVEL_EOI, -1) == -EFAULT
    assert machine.irqfd(machine.eventfd(), 11) == 0


def test_it_listens_before_it_is() -> None:
    """An EOI between the notifier and the look at the first eventfd signals for an irqfd that never was."""
    lab = wired("level-eoi-2012")
    lab.say("irqfd trigger gsi=11 eoi=unmask deassign; line 11 1; take; line 11 0; manual")
    lab.say("actor late: ioctl irqfd fd=-1 gsi=11 flags=2 fd2=unmask")
    contexts = lab.machine.contexts
    while (op := contexts.next_op("late")) and "eventfd_fget(-1)" not in describe(op):
        contexts.step("late")
    lab.say("eoi; finish vcpu0; finish late; auto")
    assert told(lab) == 1
    assert lab.fact("sources", "used") == frozenset({0})


def test_a_deassign_lowers_the_line() -> None:
    """Unlike v7's, its end de-asserts before the id is free."""
    lab = wired("level-eoi-2012")
    lab.say("write trigger")
    assert lab.fact("ioapic", 11, "irr") == 1
    lab.say("irqfd trigger gsi=11 eoi=unmask deassign")
    assert lab.fact("ioapic", 11, "irr") == 0
