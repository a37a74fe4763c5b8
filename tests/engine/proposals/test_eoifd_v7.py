"""KVM_EOIFD of v7: errnos in the order of reference 17, its life, and the event at each EOI."""

from __future__ import annotations

import pytest

from kvmlab.engine.abi import EBADF, EBUSY, EINVAL, ENOENT, ENOSYS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.lab import Lab

DEASSIGN, LEVEL = 1, 2
IRQFD_DEASSIGN, IRQFD_LEVEL = 1, 2
NO_KEY = 99
BOTH = pytest.mark.parametrize("extra", [0, DEASSIGN], ids=["assign", "deassign"])


class Pair:
    """A machine with a level irqfd on GSI 11, whose pin delivers 0x41, and an eventfd for its EOIs."""

    def __init__(self, *without: str) -> None:
        self.machine = Machine(Profile(without=frozenset(without)))
        self.machine.mmio_write(0, 0xFEC00000, 0x10 + 2 * 11)
        self.machine.mmio_write(0, 0xFEC00010, 0x41 | 1 << 15)
        self.trigger, self.unmask = self.machine.eventfd(), self.machine.eventfd()
        self.key = self.machine.irqfd(self.trigger, 11, IRQFD_LEVEL)

    def assign(self, fd: int | None = None, key: int | None = None) -> int:
        """Assign an eoifd, by default of ``unmask`` to the irqfd's key."""
        fd, key = self.unmask if fd is None else fd, self.key if key is None else key
        return self.machine.eoifd(fd, LEVEL, key)

    def serve(self) -> None:
        """Take the interrupt and end it."""
        assert self.machine.take() == 0x41
        self.machine.eoi()

    def count(self, number: int = 2) -> int:
        """Return the counter of the n-th eventfd; the second is ``unmask``."""
        return int(self.machine.memory.objects[f"eventfd#{number}"].load("count"))

    def refs(self) -> int:
        """Return how many hold the irqfd's source."""
        return int(self.machine.memory.objects["irq_source#1"].load("refs"))

    def listed(self) -> tuple[str, ...]:
        """Return the eoifds that are active."""
        items: tuple[str, ...] = self.machine.memory.objects["eoifds"].load("items")
        return items

    def notifiers(self) -> int:
        """Return how many ack notifiers there are."""
        return len(self.machine.memory.objects["routing"].load("ack_notifiers"))


@pytest.fixture
def pair() -> Pair:
    """Return a pair without its eoifd."""
    return Pair()


# -- errnos, in order -----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("flags", [4, 4 | LEVEL, 1 << 31])
def test_unknown_flags_come_first(pair: Pair, extra: int, flags: int) -> None:
    """-EINVAL whatever else is wrong; the sentence names the flags."""
    got = pair.machine.eoifd(-1, flags | extra, NO_KEY)
    assert got == -EINVAL
    assert "LEVEL_IRQFD" in got.why and "missing" not in got.why  # type: ignore[attr-defined]


@BOTH
def test_the_level_flag_is_never_implied(pair: Pair, extra: int) -> None:
    """Without LEVEL_IRQFD both are -EINVAL, before the descriptor is looked at."""
    got = pair.machine.eoifd(-1, extra, pair.key)
    assert got == -EINVAL
    assert "missing" in got.why  # type: ignore[attr-defined]


@BOTH
@pytest.mark.parametrize(("fd", "errno"), [(-1, EBADF), (77, EBADF), (1, EINVAL), (4, EINVAL)])
def test_the_descriptor_comes_before_the_key(pair: Pair, extra: int, fd: int, errno: int) -> None:
    """A bad descriptor is -EBADF or -EINVAL also with an unknown key."""
    assert pair.machine.eoifd(fd, LEVEL | extra, NO_KEY) == -errno


@BOTH
@pytest.mark.parametrize("key", [0, NO_KEY, 2**32 - 1])
def test_an_unknown_key_is_no_entry(pair: Pair, extra: int, key: int) -> None:
    """No level irqfd has the key 0, which is userspace's id; nothing stays held."""
    assert pair.machine.eoifd(pair.unmask, LEVEL | extra, key) == -ENOENT
    assert pair.refs() == 1
    assert pair.machine.memory.alive("eoifd") == []
    assert pair.machine.memory.objects["file#2"].load("refs") == 1
    assert pair.machine.memory.objects["eventfd#2"].load("refs") == 1


def test_a_key_has_one_eoifd(pair: Pair) -> None:
    """A second is -EBUSY, of the same eventfd or of another, and nothing stays held."""
    other = pair.machine.eventfd()
    assert pair.assign() == 0
    assert pair.assign() == -EBUSY
    assert pair.assign(other) == -EBUSY
    assert pair.machine.memory.alive("eoifd") == ["eoifd#1"]
    assert pair.refs() == 2
    assert pair.machine.memory.objects["eventfd#3"].load("refs") == 1
    assert pair.notifiers() == 1


def test_a_closed_irqfds_key_still_refuses_a_second(pair: Pair) -> None:
    """While the eoifd holds the source the key stays known, and stays busy."""
    pair.assign()
    pair.machine.close(pair.trigger)
    assert pair.assign(pair.machine.eventfd()) == -EBUSY
    assert pair.refs() == 1


def test_an_edge_irqfd_has_no_key(pair: Pair) -> None:
    """An irqfd without LEVEL returns 0 and makes no source."""
    fd = pair.machine.eventfd()
    assert pair.machine.irqfd(fd, 12) == 0
    assert pair.assign(key=0) == -ENOENT


def test_one_eventfd_may_serve_several_keys(pair: Pair) -> None:
    """Each EOI of either GSI then counts on it."""
    second = pair.machine.irqfd(pair.machine.eventfd(), 12, IRQFD_LEVEL)
    assert pair.assign() == 0
    assert pair.assign(key=second) == 0
    assert len(pair.listed()) == 2
    assert pair.machine.eoifd(pair.unmask, LEVEL | DEASSIGN, pair.key) == 0
    assert pair.listed() == ("eoifd#2",)


def test_deassign_needs_this_eventfd_and_this_key(pair: Pair) -> None:
    """Another eventfd, or another irqfd's key, is -ENOENT and removes nothing."""
    other = pair.machine.eventfd()
    second = pair.machine.irqfd(other, 12, IRQFD_LEVEL)
    pair.assign()
    assert pair.machine.eoifd(other, LEVEL | DEASSIGN, pair.key) == -ENOENT
    assert pair.machine.eoifd(pair.unmask, LEVEL | DEASSIGN, second) == -ENOENT
    assert pair.listed() == ("eoifd#1",)
    assert pair.machine.eoifd(pair.machine.dup(pair.unmask), LEVEL | DEASSIGN, pair.key) == 0
    assert pair.machine.eoifd(pair.unmask, LEVEL | DEASSIGN, pair.key) == -ENOENT


def test_without_config_eventfd_the_stub_answers() -> None:
    """kvm_eoifd's stub is -ENOSYS where kvm_irqfd's is -EINVAL."""
    machine = Machine(Profile(without=frozenset({"config-eventfd"})))
    assert machine.eoifd(-1, 8, 0) == -ENOSYS


# -- the event ----------------------------------------------------------------------------------


def test_an_eoi_lowers_the_source_and_signals(pair: Pair) -> None:
    """The kernel de-asserts before userspace is told; nothing is injected again."""
    pair.assign()
    pair.machine.write(pair.trigger)
    pair.serve()
    assert pair.machine.ioapic.irq_states[11] == 0
    assert pair.count() == 1
    assert pair.machine.take() is None


def test_an_eoi_that_is_somebody_elses_signals_too(pair: Pair) -> None:
    """v7 does not filter: an interrupt of userspace's source on the GSI is an event (scenario 9)."""
    pair.assign()
    pair.machine.irq_line(11, 1)
    pair.machine.irq_line(11, 0)
    pair.serve()
    assert pair.count() == 1


def test_a_line_that_another_source_holds_is_injected_again(pair: Pair) -> None:
    """The notifier lowers its own source only (scenario 15)."""
    pair.assign()
    pair.machine.write(pair.trigger)
    pair.machine.irq_line(11, 1)
    pair.serve()
    assert pair.machine.ioapic.irq_states[11] == 1
    assert pair.count() == 1
    assert pair.machine.take() == 0x41


def test_an_orphan_still_hears_the_gsi(pair: Pair) -> None:
    """With its irqfd closed, the eoifd keeps source and notifier (scenario 6)."""
    pair.assign()
    pair.machine.close(pair.trigger)
    pair.machine.irq_line(11, 1)
    pair.machine.irq_line(11, 0)
    pair.serve()
    assert (pair.count(), pair.refs()) == (1, 1)


def test_an_8259_eoi_is_an_event_as_well(pair: Pair) -> None:
    """The notifier belongs to the GSI, whichever chip is acknowledged; a specific EOI is enough."""
    pair.assign()
    pair.machine.pio_write(0xA0, 0x63)
    assert pair.count() == 1
    pair.machine.pio_write(0xA0, 0x62)
    assert pair.count() == 1


def test_the_counter_piles_up_until_it_is_read(pair: Pair) -> None:
    """One count an EOI."""
    pair.assign()
    for _ in range(3):
        pair.machine.write(pair.trigger)
        pair.serve()
    assert pair.machine.read(pair.unmask) == 3


def test_writing_to_an_eoifds_eventfd_does_nothing_else(pair: Pair) -> None:
    """POLLIN is ignored by its wake-up; a count from before the assign stays."""
    pair.machine.write(pair.unmask, 4)
    pair.assign()
    pair.machine.trace.clear()
    pair.machine.write(pair.unmask)
    assert pair.count() == 5
    assert pair.machine.trace.last() == []


# -- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("trigger", "unmask"), ("unmask", "trigger")])
def test_the_order_of_the_closes_does_not_matter(pair: Pair, order: tuple[str, str]) -> None:
    """The last holder of the source frees its id (scenario 5)."""
    pair.assign()
    pair.machine.close(getattr(pair, order[0]))
    assert pair.machine.memory.alive("irq_source") == ["irq_source#1"]
    pair.machine.close(getattr(pair, order[1]))
    for kind in ("irqfd", "eoifd", "irq_source", "eventfd", "file"):
        assert pair.machine.memory.alive(kind) == []
    assert pair.notifiers() == 0
    assert pair.machine.memory.objects["irq-sources"].load("bitmap") == 1


def test_closing_one_of_two_descriptors_keeps_it(pair: Pair) -> None:
    """POLLHUP comes with the last close."""
    pair.assign()
    again = pair.machine.dup(pair.unmask)
    pair.machine.close(pair.unmask)
    assert pair.listed() == ("eoifd#1",)
    pair.machine.close(again)
    assert pair.listed() == ()


def test_deassign_loses_the_event_that_was_not_read(pair: Pair) -> None:
    """remove_wait_queue takes the counter (scenario 17)."""
    pair.assign()
    pair.machine.write(pair.trigger)
    pair.serve()
    assert pair.count() == 1
    pair.machine.eoifd(pair.unmask, LEVEL | DEASSIGN, pair.key)
    assert pair.count() == 0
    assert pair.notifiers() == 0


def test_without_the_pollhup_hook_each_close_leaks_a_source() -> None:
    """Scenario 8: nothing removes the eoifd, so the ids run out after 63 pairs, for a PIT too."""
    pair = Pair("pollhup")
    machine = pair.machine
    key, cycles = pair.key, 0
    trigger, unmask = pair.trigger, pair.unmask
    while key > 0:
        assert machine.eoifd(unmask, LEVEL, key) == 0
        machine.close(trigger)
        machine.close(unmask)
        cycles += 1
        trigger, unmask = machine.eventfd(), machine.eventfd()
        key = machine.irqfd(trigger, 11, IRQFD_LEVEL)
    assert cycles == 63
    assert key.name == "EFAULT"  # type: ignore[attr-defined]
    assert machine.create_pit2().name == "ENOMEM"  # type: ignore[attr-defined]
    assert len(machine.memory.alive("eoifd")) == 63


def test_with_the_pollhup_hook_closing_pairs_goes_on_for_ever(pair: Pair) -> None:
    """The same hundred times over uses one id."""
    machine, keys = pair.machine, set()
    for _ in range(100):
        trigger, unmask = machine.eventfd(), machine.eventfd()
        keys.add(machine.irqfd(trigger, 12, IRQFD_LEVEL))
        assert machine.eoifd(unmask, LEVEL, max(keys)) == 0
        machine.close(trigger)
        machine.close(unmask)
    assert keys == {2}


def test_an_event_in_flight_ends_before_the_eoifd_is_freed() -> None:
    """The shutdown waits for the notifier that runs under RCU; nobody touches freed memory."""
    lab = Lab(
        "machine",
        "eventfd trigger; eventfd unmask",
        "ioapic 11 vector=0x41 level unmasked",
        "irqfd trigger gsi=11 level; eoifd unmask key=trigger level",
        "write trigger; take",
        "manual",
        "eoi; step vcpu0 9",
        "close unmask; finish user",
    )
    assert "vcpu0 still reads under RCU" in lab.one("finish irqfd-cleanup").why
    assert lab.fact("eoifd", "unmask") == "shutting-down"
    lab.say("finish vcpu0; finish irqfd-cleanup")
    assert lab.fact("eoifd", "unmask") == "none"
    assert lab.machine.memory.reports.made == ()
