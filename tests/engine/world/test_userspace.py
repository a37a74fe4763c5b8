"""The process: names for descriptors, what they last stood for, and its copy of the routing table."""

from __future__ import annotations

import pytest

from tests.engine.lab import Lab


@pytest.fixture
def lab() -> Lab:
    """Return a lab with two eventfds."""
    return Lab("machine", "eventfd a; eventfd b")


def test_a_name_that_is_open_is_not_given_again(lab: Lab) -> None:
    """-EEXIST, for an eventfd and for a duplicate; a closed name is free."""
    assert [lab.one("eventfd a").errno, lab.one("dup a b").errno] == ["EEXIST", "EEXIST"]
    lab.say("close a")
    assert [lab.one("eventfd a").errno, lab.one("eventfd a").errno] == ["", "EEXIST"]
    assert lab.fact("fd", "a") == 6


@pytest.mark.parametrize(
    "line",
    [
        "write a",
        "read a",
        "poll a",
        "close a",
        "dup a new",
        "irqfd a gsi=1",
        "irqfd a gsi=1 deassign",
        "eoifd a key=1 level",
        "ioeventfd a addr=0 len=4",
        "ioctl irqfd fd=a gsi=1",
    ],
)
def test_a_closed_name_is_a_bad_descriptor(lab: Lab, line: str) -> None:
    """The kernel says so; its old number may be somebody else's by now."""
    lab.say("close a; eventfd c")
    assert lab.fact("fd", "c") == 6
    assert lab.one(line).errno == "EBADF"


def test_closing_several_names_goes_on_after_a_bad_one(lab: Lab) -> None:
    """The last errno is the result, and every name that was open is closed."""
    lab.say("close a")
    assert lab.one("close a b").errno == "EBADF"
    assert lab.machine.memory.alive("eventfd") == []


def test_a_raw_number_is_passed_as_it_is(lab: Lab) -> None:
    """`ioctl` takes any number, and what it binds is known by the names that stand for it."""
    assert lab.one("ioctl irqfd fd=6 gsi=11 flags=2").ret == 1
    assert (lab.fact("irqfd", "a"), lab.fact("key", "a")) == ("active", 1)
    assert lab.one("ioctl eoifd fd=7 flags=2 key=1").ret == 0
    assert lab.fact("eoifd", "b") == "active"


def test_a_key_is_the_one_that_was_got_last(lab: Lab) -> None:
    """It stays after the irqfd is gone; an edge irqfd gives none."""
    lab.say("irqfd a gsi=11 level; irqfd b gsi=12 level")
    assert (lab.fact("key", "a"), lab.fact("key", "b")) == (1, 2)
    lab.say("irqfd a gsi=11 deassign; irqfd b gsi=12 deassign; irqfd b gsi=12 level")
    assert (lab.fact("key", "a"), lab.fact("key", "b")) == (1, 1)
    lab.say("irqfd b gsi=12 deassign; irqfd b gsi=12")
    assert lab.fact("key", "b") == 1


def test_the_key_of_a_name_that_never_got_one_is_no_entry(lab: Lab) -> None:
    """The name is known, so this is the kernel's no."""
    assert lab.one("eoifd a key=b level").errno == "ENOENT"


def test_a_state_is_that_of_the_latest_assignment(lab: Lab) -> None:
    """none, active, shutting-down, none; whatever became of the descriptor."""
    assert lab.fact("irqfd", "a") == "none"
    lab.say("irqfd a gsi=11 level; eoifd b key=a level")
    assert (lab.fact("irqfd", "a"), lab.fact("eoifd", "b")) == ("active", "active")
    lab.say("manual; close a; finish user; close b; finish user")
    assert (lab.fact("irqfd", "a"), lab.fact("eoifd", "b")) == ("shutting-down", "shutting-down")
    lab.say("finish irqfd-cleanup")
    assert (lab.fact("irqfd", "a"), lab.fact("eoifd", "b")) == ("none", "none")


def test_an_ioeventfd_stays_active_after_its_close(lab: Lab) -> None:
    """Nothing removes it, and its name still tells of it."""
    lab.say("ioeventfd a addr=0xfe000000 len=4; close a")
    assert lab.fact("ioeventfd", "a") == "active"
    lab.say("release")
    assert lab.fact("ioeventfd", "a") == "none"


def test_a_route_is_edited_in_its_place(lab: Lab) -> None:
    """The whole table goes to the kernel, one GSI changed; a refused edit is not remembered."""
    lab.say("route 3 msi:0xfee00000:0x51")
    assert lab.one("route 5 ioapic:99").errno == "EINVAL"
    lab.say("route 30 ioapic:3")
    routes = lab.snapshot().routes
    assert routes is not None
    assert [r.kind for r in routes if r.gsi == 3] == ["msi"]
    assert [r.pin for r in routes if r.gsi == 5 and r.kind == "ioapic"] == [5]
    assert [r.gsi for r in routes][-1] == 30
    assert sorted({r.gsi for r in routes[:8]}) == [0, 1, 2, 3, 4]
    assert lab.one("routes default").ret == 0
    assert {r.kind for r in lab.snapshot().routes or ()} == {"ioapic", "pic"}
