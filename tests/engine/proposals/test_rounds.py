"""Descriptors that are opened, bound and closed without deassign, again and again; and full capacity."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EFAULT, ENOMEM, ENOSPC
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

LEVEL = 2


def rounds_of_ioeventfds(machine: Machine, count: int) -> list[int]:
    """Bind an eventfd to an address of its own and close it, so many times; return the results."""
    results = []
    for number in range(count):
        fd = machine.eventfd()
        results.append(machine.ioeventfd(fd, 0x100000 + 8 * number, 4))
        machine.close(fd)
    return results


def test_1000_ioeventfds_fill_the_bus() -> None:
    """The IOAPIC is one of the bus's 1000 devices: the 1000th ioeventfd is refused."""
    machine = Machine()
    assert rounds_of_ioeventfds(machine, 1000) == [0] * 999 + [-ENOSPC]
    assert len(machine.memory.alive("ioeventfd")) == 999


@pytest.mark.parametrize(
    "profile", [Profile(with_=frozenset({"ioeventfd-pollhup"})), Profile(kernel="linux-6.x")]
)
def test_1000_ioeventfds_with_a_hook_or_on_6_x(profile: Profile) -> None:
    """A hook removes each; 6.x keeps them all and does not count them."""
    machine = Machine(profile)
    assert rounds_of_ioeventfds(machine, 1000) == [0] * 1000
    assert len(machine.memory.alive("ioeventfd")) == (0 if profile.with_ else 1000)
    machine.release()
    assert machine.memory.reports.made == ()
    assert machine.memory.alive("ioeventfd") == []


def rounds_of_pairs(machine: Machine, count: int) -> list[int]:
    """Wire a level irqfd and its eoifd and close both, so many times; return the keys or errnos."""
    results = []
    for _ in range(count):
        trigger, unmask = machine.eventfd(), machine.eventfd()
        key = machine.irqfd(trigger, 11, LEVEL)
        results.append(key)
        if key >= 0:
            assert machine.eoifd(unmask, LEVEL, key) == 0
        machine.close(trigger)
        machine.close(unmask)
    return results


def test_64_pairs_with_the_hook_use_one_id() -> None:
    """Every round gets the first id, and gives it back."""
    machine = Machine()
    assert rounds_of_pairs(machine, 64) == [1] * 64
    assert machine.create_pit2() == 0


def test_64_pairs_without_the_hook_exhaust_the_ids() -> None:
    """Each eoifd holds on to its id: 63 rounds, then -EFAULT, and no PIT either."""
    machine = Machine(Profile(without=frozenset({"pollhup"})))
    assert rounds_of_pairs(machine, 64) == [*range(1, 64), -EFAULT]
    assert machine.create_pit2() == -ENOMEM
    assert machine.memory.reports.log[-1] == "kvm: exhaust allocatable IRQ sources!"


@pytest.mark.parametrize("kernel", ["linux-3.6", "linux-6.x"])
@pytest.mark.parametrize(("pit", "capacity"), [("", 63), ("pit", 62)])
@pytest.mark.parametrize("flush", [True, False], ids=["flush", "no-flush"])
def test_a_closed_irqfd_is_in_the_way_of_the_next_without_the_flush(
    kernel: str, pit: str, capacity: int, flush: bool
) -> None:
    """At capacity a pair is closed and the next irqfd assigned before the worker has run."""
    without = "" if flush else "without=assign-flush"
    lab = Lab(f"machine kernel={kernel} api=eoifd-v7 {pit} {without}")
    for number in range(capacity):
        assert lab.say(f"eventfd t{number}; irqfd t{number} gsi=11 level")[1].errno == ""
    assert lab.say("eventfd next; irqfd next gsi=11 level")[1].errno == "EFAULT"
    lab.say("manual; close t5; finish user; irqfd next gsi=11 level; finish user")
    if flush:
        # It waits for the worker, and then finds the id that was given back.
        lab.say("finish irqfd-cleanup; finish user")
        assert lab.fact("key", "next") == 6 + len(pit) // 3
    else:
        assert lab.fact("last", "errno") == "EFAULT"
    lab.say("auto")
    assert lab.fact("irqfd", "t5") == "none"
    assert lab.fact("reports") == 0
