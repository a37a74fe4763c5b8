"""Contexts: who stands where, what blocks it, and that stepping and draining come to the same."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.contexts import Contexts
from kvmlab.engine.kernel.continuation import Place
from kvmlab.engine.kernel.path import BLOCKED, describe
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.kernel.drill import reports, run, stand
from tests.engine.lab import Lab, fresh


@pytest.fixture
def machine() -> Machine:
    """Return a machine with two vCPUs."""
    return Machine(Profile(vcpus=2))


def op(contexts: Contexts, name: str) -> str:
    """Return a context's next op as text; "" if it has none."""
    following = contexts.next_op(name)
    return describe(following) if following else ""


def test_every_machine_has_its_contexts(machine: Machine) -> None:
    """The prompt's thread, a context a vCPU, and the two workers; all idle."""
    assert machine.contexts.names == ("user", "vcpu0", "vcpu1", "events", "irqfd-cleanup")
    assert [op(machine.contexts, name) for name in machine.contexts.names] == [""] * 5


def test_in_manual_a_call_stands_at_its_first_op(machine: Machine) -> None:
    """Nothing of it has run, and it says what comes next."""
    fd = machine.eventfd()
    machine.contexts.set_manual(manual=True)
    before = fresh(machine)
    assert machine.write(fd) is None
    assert op(machine.contexts, "user") == "fds.eventfd_fget(7)"
    assert {h for h, value in fresh(machine).items() if value != before[h]} == {"context-user"}
    assert machine.contexts.step("user")
    assert op(machine.contexts, "user") == "locks.spin_lock(eventfd#1.wqh.lock)"


def test_a_call_without_ops_is_over_at_once(machine: Machine) -> None:
    """It has no first op to stand at."""
    machine.contexts.set_manual(manual=True)
    assert machine.submit("user", ("kvm_ioeventfd", (0, 0, 3, 0, 0))) == -22
    assert machine.contexts.get("user").at is None


def test_stepping_to_the_end_is_draining(machine: Machine) -> None:
    """The same call by steps and at once: the same state, result and trace."""
    other = Machine(Profile(vcpus=2))
    for each in (machine, other):
        assert each.irqfd(each.eventfd(), 11, 2) == 1
        each.trace.commit()
    other.contexts.set_manual(manual=True)
    machine.write(7, 3)
    other.write(7, 3)
    for name in ("user", "events"):
        assert other.contexts.finish(name) > 5
    other.contexts.set_manual(manual=False)
    assert other.contexts.get("user").result == 0
    assert other.trace.last() == machine.trace.last()
    states = fresh(machine), fresh(other)
    different = {handle for handle, value in states[0].items() if states[1][handle] != value}
    assert different <= {"context-user", "context-events"}


def test_a_step_of_an_idle_context_does_nothing(machine: Machine) -> None:
    """So does one of a context that has stopped or is blocked."""
    before = fresh(machine)
    assert [machine.contexts.step(name) for name in machine.contexts.names] == [False] * 5
    assert fresh(machine) == before


def test_a_blocked_op_changes_nothing_and_is_tried_again(machine: Machine) -> None:
    """BLOCKED is no result: the context stays where it is until the lock is free."""
    stand(machine, "a", "spin s", "unspin s")
    stand(machine, "b", "spin s", "unspin s")
    machine.contexts.step("a")
    machine.contexts.next_op("b")
    machine.contexts.step("b")
    before = fresh(machine)
    assert not machine.contexts.step("b")
    assert fresh(machine) == before
    assert machine.contexts.blocked("b") == ("s is held by a", ("a",))
    assert "BLOCKED" in repr(BLOCKED)
    machine.contexts.step("a")
    assert machine.contexts.blocked("b") is None
    assert machine.contexts.finish("b") == 2


@pytest.mark.parametrize(
    ("holds", "waits", "reason"),
    [
        ("spin x", "spin x", "x is held by a"),
        ("mutex x", "mutex x", "x is held by a"),
        ("rcu", "synchronize_rcu", "a still reads under RCU"),
        ("queue events sleep", "flush_workqueue wq-events", "events has not come to the flush barrier"),
        ("queue events sleep", "wait-work events sleep", "events has not finished drill_work(sleep)"),
    ],
)
def test_a_blocked_context_says_why(machine: Machine, holds: str, waits: str, reason: str) -> None:
    """Every way to wait has its sentence, and names who is waited for."""
    stand(machine, "a", holds, "sleep")
    stand(machine, "b", waits)
    machine.contexts.step("a")
    machine.contexts.finish("b")
    why = machine.contexts.blocked("b")
    assert why is not None
    assert why[0] == reason
    assert why[1] in (("a",), ("events",))


def test_a_call_that_stands_in_anothers_way_is_parked_in_auto() -> None:
    """A lock held by an actor in the middle of its call: the vCPU's call stands, and goes on later."""
    lab = Lab("machine", "actor a: line 11 1")
    while lab.machine.memory.objects["locks"].load("spin") != {"ioapic.lock": "a"}:
        lab.say("step a")
    result = lab.one("mmio read 0xfec00010")
    assert (result.ret, result.errno) == ("none", "")
    assert result.why == "vcpu0 stands at locks.spin_lock(ioapic.lock): ioapic.lock is held by a"
    assert "stands in" in lab.one("mmio read 0xfec00010").why
    assert lab.one("finish a").ret == -1
    assert lab.one("finish vcpu0").ret == 0
    assert reports(lab.machine) == []


def test_an_actor_makes_its_calls_one_after_the_other(machine: Machine) -> None:
    """`finish` goes to the end of one; nothing of the next has run then."""
    machine.contexts.add("actor", (("drill", ("make",)), ("drill", ("make", "make"))))
    assert machine.contexts.finish("actor") == 1
    assert machine.memory.alive("eventfd") == ["eventfd#1"]
    assert machine.contexts.finish("actor") == 2
    assert machine.contexts.finish("actor") == 0


def test_a_woken_actor_makes_its_calls_again(machine: Machine) -> None:
    """One that has made them all begins anew; one that stands in a call goes on in it."""
    machine.contexts.add("actor", (("drill", ("make",)),))
    for number in (1, 2):
        machine.contexts.wake("actor")
        assert machine.contexts.run_started()
        assert len(machine.memory.alive("eventfd")) == number
    assert not machine.contexts.run_started()


def test_waking_nobody_is_said_in_the_log(machine: Machine) -> None:
    """A handler may name a thread that was never made."""
    machine.contexts.wake("ghost")
    assert machine.memory.reports.log == ("kvmlab: nobody is called ghost, so nobody is woken",)


def test_a_place_is_its_call_and_what_it_received(machine: Machine) -> None:
    """Two contexts that received the same values in the same call stand at the same place."""
    for name in ("a", "b"):
        stand(machine, name, "sleep", "sleep", "sleep")
        machine.contexts.step(name)
        machine.contexts.step(name)
    places = [machine.contexts.get(name).at for name in ("a", "b")]
    assert places[0] is not None
    assert places[0] is places[1]
    assert places[0].received() == [None, None]
    machine.contexts.step("a")
    assert machine.contexts.get("a").at is None


def test_true_and_one_are_different_places(machine: Machine) -> None:
    """Equal values of different types are told apart, as the path that received them may."""
    stand(machine, "a", "sleep", "sleep")
    machine.contexts.step("a")
    place = machine.contexts.get("a").at
    assert place is not None
    assert place.advance(1) is place.advance(1)
    assert place.advance(1) is not place.advance(True)


def test_a_place_is_what_was_received(machine: Machine) -> None:
    """What it knows of its op is found again from the values, and the context goes on alike."""
    stand(machine, "a", "make", "signal eventfd#1", "signal eventfd#1")
    machine.contexts.step("a")
    machine.contexts.step("a")
    place = machine.contexts.get("a").at
    assert place is not None
    place._known = False
    assert op(machine.contexts, "a") == "eventfd#1.signal(1)"
    machine.contexts.finish("a")
    assert machine.memory.objects["eventfd#1"].load("count") == 2


def test_a_stopped_prompt_is_replaced(machine: Machine) -> None:
    """Each thread that stops is left where it is; the next has the next number."""
    for number in (2, 3):
        assert run(machine, f"spin s{number}", f"spin s{number}") is None
        assert machine.contexts.prompt == f"user{number}"
    assert machine.contexts.names[-2:] == ("user2", "user3")
    assert machine.submit("user", ("drill", ("spin a", "spin a"))) is Place.STOPPED


def test_an_actor_may_not_be_changed_in_the_middle_of_a_call() -> None:
    """It is refused with the remedy; one that stands in no call is made anew."""
    lab = Lab("machine", "eventfd a", "actor x: write a; write a", "actor x: write a 2", "step x")
    assert lab.one("actor x: read a").why == "x stands in user_write; 'finish x' first"
    lab.say("finish x; actor x: read a")
    assert lab.one("finish x").ret == 2


def test_an_actor_with_guest_commands_is_that_vcpu() -> None:
    """Its calls are made by the vCPU's own context, under either name."""
    lab = Lab(
        "machine vcpus=2",
        "ioapic 11 vector=0x41 unmasked dest=1",
        "line 11 1",
        "actor cpu: take vcpu=1; eoi vcpu=1",
    )
    lab.say("step cpu")
    assert lab.one("take vcpu=1").why == "vcpu1 stands in vcpu_take; 'finish vcpu1' first"
    assert lab.one("finish cpu").ret == 0
    assert lab.fact("taken", 0x41) == 1
    assert lab.one("take vcpu=1").ret == "none"
