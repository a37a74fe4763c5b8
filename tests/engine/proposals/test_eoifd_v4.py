"""KVM_EOIFD of v4 and v5: bound by the irqfd's descriptor, and what comes of that."""

from __future__ import annotations

import pytest

from tests.engine.lab import Lab
from tests.engine.proposals.wiring import WIRING, serve, told, wired

both = pytest.mark.parametrize("api", ["eoifd-v4", "eoifd-v5"])


@both
def test_the_unwinding_of_the_consumer(api: str) -> None:
    """QEMU's failure path deassigns the irqfd first; its eoifd is gone by then, which is only reported."""
    lab = wired(api)
    assert lab.one("irqfd trigger gsi=11 deassign").ret == 0
    assert lab.one("eoifd unmask irqfd=trigger level deassign").errno == "ENOENT"
    assert lab.fact("sources", "used") == frozenset({0})
    assert lab.say(WIRING[api])[1].ret == 0


@both
def test_the_teardown_of_the_consumer(api: str) -> None:
    """The eoifd first, then the irqfd: both answer 0."""
    lab = wired(api)
    assert lab.one("eoifd unmask irqfd=trigger level deassign").ret == 0
    assert lab.one("irqfd trigger gsi=11 deassign").ret == 0
    assert lab.fact("reports") == 0


@both
def test_an_eoifd_outlives_its_own_close_only_without_the_hook(api: str) -> None:
    """The hook is that of v7."""
    for option, state in (("", "none"), ("without=pollhup", "active")):
        lab = wired(api, option)
        lab.say("close unmask")
        assert lab.fact("eoifd", "unmask") == state


@both
def test_a_level_irqfd_returns_no_key(api: str) -> None:
    """0, and the snapshot has a source but no key."""
    lab = Lab(f"machine api={api}", "eventfd t")
    assert lab.one("irqfd t gsi=11 level").ret == 0
    (irqfd,) = lab.snapshot().irqfds or ()
    assert (irqfd.source, irqfd.key) == (1, None)


@both
def test_neither_ioctl_waits_for_the_cleanup(api: str) -> None:
    """At capacity a closed pair is in the way of the next irqfd until the worker has run."""
    lab = Lab(f"machine api={api}")
    for number in range(63):
        lab.say(f"eventfd t{number}; irqfd t{number} gsi=11 level")
    lab.say("eventfd next; manual; close t5; finish user; irqfd next gsi=11 level; finish user")
    assert lab.fact("last", "errno") == "EFAULT"
    lab.say("auto; irqfd next gsi=11 level")
    assert lab.fact("last", "ret") == 0


def test_v5_tests_each_chip() -> None:
    """A GSI on both chips: the first EOI finds the line held, the second does not."""
    lab = wired("eoifd-v5")
    lab.say("pio write 0x21 0xfb; pio write 0xa1 0xf7; write trigger")
    serve(lab)
    assert told(lab) == 1
    assert lab.one("take").ret == 0x2B
    lab.say("pio write 0xa0 0x63")
    assert told(lab) == 1


def test_v5_on_a_message_holds_no_line() -> None:
    """An MSI route has nothing to clear."""
    lab = wired("eoifd-v5")
    lab.say("route 11 ioapic:11 pic:11; write trigger; take; route 11 msi:0xfee00000:0x51; eoi")
    assert told(lab) == 0
