"""The eventfd of reference section 8: counter, limits, wake-ups, names and the last close."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import (
    EAGAIN,
    EBADF,
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    EINTR,
    EINVAL,
    EMFILE,
    POLLERR,
    POLLIN,
    POLLOUT,
    RLIMIT_NOFILE,
    U64_MAX,
)
from kvmlab.engine.fds.eventfd import Eventfd
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Path, path
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

MOST = U64_MAX - 1
"""The largest count that write(2) can reach."""


class Bell(Object):
    """A waiter of the tests: notes the flags it was woken with and whether wqh.lock was held."""

    __slots__ = ("rings",)
    FIELDS = ("rings",)

    def __init__(self) -> None:
        super().__init__()
        self.rings: tuple[tuple[int, bool], ...] = ()

    def ring(self, flags: int) -> None:
        """Note one wake-up."""
        self.changed()
        held = self.memory.objects["locks"].load("spin")
        self.rings = (*self.rings, (flags, "eventfd#1.wqh.lock" in held))


@path
def ring_bell(profile: Profile, bell: str, flags: int) -> Path[None]:
    """A wake function: rings the bell."""
    yield (Bell.ring, bell, flags)


@pytest.fixture
def machine() -> Machine:
    """Return a machine without any eventfd."""
    return Machine()


def count(machine: Machine, number: int = 1) -> int:
    """Return the counter of the n-th eventfd that was made."""
    return int(machine.memory.objects[f"eventfd#{number}"].load("count"))


def rings(machine: Machine) -> tuple[int, ...]:
    """Return the flags of every wake-up of the bell; each came with wqh.lock held."""
    noted = machine.memory.objects["bell"].load("rings")
    assert all(locked for _flags, locked in noted)
    return tuple(flags for flags, _locked in noted)


@pytest.fixture
def belled(machine: Machine) -> int:
    """Return the descriptor of an eventfd whose wait queue has a bell on it."""
    fd = machine.eventfd()
    machine.memory.place("bell", Bell())
    machine.call("user", "eventfd_poll", "eventfd#1", "ring_bell", "bell")
    return fd


def test_a_write_adds_and_a_read_takes_all(machine: Machine) -> None:
    """write(2) adds to the counter; read(2) returns it and leaves 0."""
    fd = machine.eventfd(3)
    assert machine.write(fd, 4) == 0
    assert machine.read(fd) == 7
    assert machine.read(fd) == -EAGAIN


def test_a_semaphore_is_read_one_by_one(machine: Machine) -> None:
    """With EFD_SEMAPHORE a read returns 1 and takes 1."""
    fd = machine.eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE)
    assert [machine.read(fd), machine.read(fd), machine.read(fd)] == [1, 1, -EAGAIN]


def test_the_counter_stops_before_its_largest_value(machine: Machine) -> None:
    """A write that would pass 2^64 - 2 is -EAGAIN and changes nothing; one that reaches it fits."""
    fd = machine.eventfd(2)
    assert machine.write(fd, MOST - 1) == -EAGAIN
    assert count(machine) == 2
    assert machine.write(fd, MOST - 2) == 0
    assert machine.write(fd, 1) == -EAGAIN
    assert machine.write(fd, 0) == 0
    assert machine.read(fd) == MOST


def test_the_largest_value_cannot_be_written(machine: Machine) -> None:
    """2^64 - 1 is -EINVAL whatever the counter is."""
    fd = machine.eventfd()
    assert machine.write(fd, U64_MAX) == -EINVAL
    assert count(machine) == 0


def test_a_signal_of_the_kernel_saturates(machine: Machine, belled: int) -> None:
    """eventfd_signal stops at 2^64 - 1, wakes all the same, and the eventfd then polls POLLERR."""
    machine.write(belled, MOST)
    machine.call("user", "eventfd_signal", "eventfd#1", 5)
    assert count(machine) == U64_MAX
    machine.call("user", "eventfd_signal", "eventfd#1", 1)
    assert count(machine) == U64_MAX
    assert rings(machine) == (POLLIN, POLLIN, POLLIN)
    assert machine.poll(belled) == POLLIN | POLLERR
    assert machine.read(belled) == U64_MAX


@pytest.mark.parametrize(
    ("value", "mask"),
    [
        (0, POLLOUT),
        (1, POLLIN | POLLOUT),
        (MOST - 1, POLLIN | POLLOUT),
        (MOST, POLLIN),
        (U64_MAX, POLLIN | POLLERR),
    ],
)
def test_poll_tells_what_would_not_wait(value: int, mask: int) -> None:
    """POLLIN for a count, POLLOUT while a 1 fits, POLLERR at 2^64 - 1."""
    eventfd = Eventfd(value, semaphore=False)
    assert eventfd.poll_mask() == mask


def test_writing_nothing_wakes_too(machine: Machine, belled: int) -> None:
    """A write of 0 wakes the waiters with POLLIN although the count stays 0."""
    assert machine.write(belled, 0) == 0
    assert rings(machine) == (POLLIN,)
    assert count(machine) == 0


def test_a_read_wakes_writers(machine: Machine, belled: int) -> None:
    """A read wakes with POLLOUT; one that finds nothing wakes nobody."""
    machine.write(belled, 2)
    machine.read(belled)
    machine.read(belled)
    assert rings(machine) == (POLLIN, POLLOUT)


def test_a_refused_write_wakes_nobody(machine: Machine, belled: int) -> None:
    """Neither -EAGAIN nor -EINVAL rings."""
    machine.write(belled, MOST)
    machine.write(belled, 1)
    machine.write(belled, U64_MAX)
    assert rings(machine) == (POLLIN,)


def test_waiters_are_woken_newest_first(machine: Machine) -> None:
    """add_wait_queue puts a waiter at the head of the queue."""
    machine.eventfd()
    for number in (1, 2):
        machine.memory.place(f"bell{number}", Bell())
        machine.call("user", "eventfd_poll", "eventfd#1", "ring_bell", f"bell{number}")
    assert machine.memory.objects["eventfd#1"].load("waiters") == (
        ("ring_bell", "bell2"),
        ("ring_bell", "bell1"),
    )


def test_only_the_last_close_hangs_up(machine: Machine, belled: int) -> None:
    """A duplicate keeps the file open: POLLHUP comes with the last close, and with the lock held."""
    again = machine.dup(belled)
    assert machine.close(belled) == 0
    assert rings(machine) == ()
    assert machine.write(again, 1) == 0
    assert machine.close(again) == 0
    assert rings(machine) == (POLLIN, 0x10)
    assert machine.memory.alive("eventfd") == machine.memory.alive("file") == []


def test_the_lowest_free_descriptor_is_used(machine: Machine) -> None:
    """0-2 are the standard files, 3 /dev/kvm, 4 the VM, 5 its vCPU; a closed number is used again."""
    assert [machine.eventfd() for _ in range(3)] == [6, 7, 8]
    machine.close(7)
    assert machine.dup(8) == 7
    assert machine.eventfd() == 9


@pytest.mark.parametrize("call", ["sys_read", "sys_poll", "sys_close"])
@pytest.mark.parametrize("fd", [-1, 6, 70_000])
def test_a_number_that_is_not_open_is_a_bad_descriptor(machine: Machine, call: str, fd: int) -> None:
    """read, poll and close of it are -EBADF."""
    assert machine.call("user", call, fd) == -EBADF


def test_dup_and_write_of_a_closed_number_are_bad_descriptors(machine: Machine) -> None:
    """So are a write and a dup."""
    fd = machine.eventfd()
    machine.close(fd)
    assert machine.write(fd, 1) == -EBADF
    assert machine.dup(fd) == -EBADF
    assert machine.close(fd) == -EBADF


@pytest.mark.parametrize("flags", [2, 4, 1 << 30])
def test_eventfd2_knows_three_flags(machine: Machine, flags: int) -> None:
    """EFD_SEMAPHORE, EFD_NONBLOCK and EFD_CLOEXEC; any other bit is -EINVAL and makes nothing."""
    assert machine.eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC) == 6
    assert machine.eventfd(0, flags) == -EINVAL
    assert machine.memory.alive("eventfd") == ["eventfd#1"]


def test_descriptors_run_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With RLIMIT_NOFILE descriptors open, eventfd2 and dup are -EMFILE."""
    assert RLIMIT_NOFILE >= 1024
    monkeypatch.setattr("kvmlab.engine.fds.files.RLIMIT_NOFILE", 8)
    first = machine.eventfd()
    assert machine.eventfd() == 7
    assert machine.eventfd() == -EMFILE
    assert machine.dup(first) == -EMFILE


def test_a_sleep_that_nobody_ends_is_interrupted_in_auto() -> None:
    """A blocking read of 0 and a blocking write that does not fit return -EINTR and change nothing."""
    lab = Lab("machine", f"eventfd empty blocking; eventfd full blocking count={MOST}")
    assert (lab.one("read empty").errno, lab.one("write full 1").errno) == ("EINTR", "EINTR")
    assert lab.fact("eventfd", "full", "count") == MOST
    assert lab.machine.memory.objects["eventfd#1"].load("waiters") == ()
    assert lab.machine.memory.objects["locks"].load("spin") == {}
    assert EINTR == 4


def test_a_sleep_lasts_until_somebody_writes_in_manual() -> None:
    """In manual a blocking read sleeps, without the lock, and goes on after a write."""
    lab = Lab("machine", "eventfd tick blocking", "actor writer: write tick 3", "manual", "read tick")
    why = lab.one("finish user").why
    assert why == "user stands at eventfd#1.sleep(None): eventfd#1 counts 0"
    assert lab.machine.contexts.blocked("user") == ("eventfd#1 counts 0", ())
    lab.say("finish writer")
    assert lab.machine.contexts.blocked("user") is None
    assert lab.one("finish user").ret == 3


def test_of_two_sleepers_one_gets_the_event() -> None:
    """Both are woken; who comes second finds nothing and sleeps again."""
    lab = Lab("machine", "eventfd tick blocking", "actor one: read tick", "actor two: read tick", "manual")
    lab.say("finish one; finish two; write tick; finish user")
    assert lab.one("finish two").ret == 1
    assert lab.one("finish one").ret == "none"
    assert lab.machine.contexts.get("one").at is not None


def test_a_count_beyond_the_syscalls_is_written_after_creation() -> None:
    """eventfd2 takes 32 bits; the language's larger count is written then."""
    lab = Lab("machine", f"eventfd big count={2**40 + 5}", f"eventfd biggest count={U64_MAX - 1}")
    assert lab.fact("eventfd", "big", "count") == 2**40 + 5
    assert lab.fact("eventfd", "biggest", "count") == MOST


def test_unhooking_a_waiter_takes_the_counter(machine: Machine, belled: int) -> None:
    """eventfd_ctx_remove_wait_queue reads the counter and unhooks at one stroke."""
    machine.write(belled, 6)
    machine.call("user", "eventfd_ctx_remove_wait_queue", "eventfd#1", "ring_bell", "bell")
    assert count(machine) == 0
    machine.write(belled, 1)
    assert rings(machine) == (POLLIN,)


@pytest.mark.parametrize(("start", "left"), [(0, U64_MAX), (1, 0), (5, 4)])
def test_unhooking_from_a_semaphore_takes_one_without_a_look(machine: Machine, start: int, left: int) -> None:
    """3.6 subtracts 1 of a semaphore whatever it counts: an idle one wraps to 2^64 - 1."""
    fd = machine.eventfd(start, EFD_NONBLOCK | EFD_SEMAPHORE)
    machine.call("user", "eventfd_ctx_remove_wait_queue", "eventfd#1", "ring_bell", "bell")
    assert count(machine) == left
    assert bool(machine.poll(fd) & POLLERR) == (start == 0)
