"""KVM_EOI_EVENTFD of 2011: a list without a lock, a notifier for ever, and the line of somebody else."""

from __future__ import annotations

from tests.engine.lab import Lab
from tests.engine.proposals.wiring import serve, told, wired


def test_deassert_lowers_another_devices_line() -> None:
    """It uses source 0, which is everybody's in userspace."""
    lab = wired("eoi-eventfd-2011")
    lab.say("eoifd unmask gsi=11 deassign; eoifd unmask gsi=11 deassert; line 11 1")
    serve(lab)
    assert lab.fact("ioapic", 11, "line") == 0
    assert lab.one("take").ret == "none"


def test_an_eventfd_is_told_once_for_each_time_it_was_assigned() -> None:
    """Nothing is refused as a duplicate."""
    lab = wired("eoi-eventfd-2011")
    lab.say("eoifd unmask gsi=11; eoifd unmask gsi=12; write trigger")
    serve(lab)
    assert told(lab) == 2
    assert [eoifd.gsi for eoifd in lab.snapshot().eoifds or ()] == [11, 11, 12]


def test_a_closed_eventfd_is_signalled_for_ever() -> None:
    """It holds the eventfd, nobody can deassign it, and the end of the VM forgets it."""
    lab = wired("eoi-eventfd-2011")
    lab.say("close unmask; write trigger")
    serve(lab)
    (eoifd,) = lab.snapshot().eoifds or ()
    assert (eoifd.state, eoifd.name) == ("active", "unmask")
    assert lab.fact("reports") == 0
    lab.say("release")
    assert lab.fact("reports", "leak") == 1


def test_two_deassigns_at_once_free_it_twice() -> None:
    """No lock: both find it before either takes it off the list."""
    lab = Lab("machine api=eoi-eventfd-2011", "eventfd e; eoifd e gsi=11", "manual")
    for name in ("one", "two"):
        lab.say(f"actor {name}: eoifd e gsi=11 deassign")
        contexts = lab.machine.contexts
        while True:
            op = contexts.next_op(name)
            contexts.step(name)
            if op is not None and op[0].__name__ == "find":
                break
    lab.say("finish one; finish two")
    assert lab.fact("reports") != 0
