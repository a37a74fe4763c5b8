"""What the model kernel reports, as one built for debugging would, and what it does not."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel import contexts
from kvmlab.engine.kernel.memory import QUARANTINE
from kvmlab.engine.kernel.sanitizers import KINDS
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from tests.engine.kernel.drill import Mine, only_report, reports, run, stand
from tests.engine.lab import Lab


@pytest.fixture(params=[0, 10**9], ids=["straight", "op-by-op"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a machine that drains paths in one form or the other."""
    monkeypatch.setattr(contexts, "WARM_UP", request.param)
    return Machine()


# -- locks ----------------------------------------------------------------------------------------


def test_a_lock_order_is_inverted(machine: Machine) -> None:
    """a then b, later b then a: reported at the second, though nobody was in the other's way."""
    assert run(machine, "spin a", "spin b", "unspin b", "unspin a") == "done"
    assert reports(machine) == []
    assert run(machine, "spin b", "spin a", "unspin a", "unspin b", context="vcpu0") == "done"
    report = only_report(machine)
    assert (report.kind, report.context) == ("lock-order", "vcpu0")
    assert report.text == "vcpu0 takes a under b; elsewhere b is taken under a"


def test_a_lock_order_is_inverted_over_three_locks(machine: Machine) -> None:
    """The order is transitive: a, b and b, c forbid c, a."""
    for outer, inner in (("a", "b"), ("b", "c")):
        run(machine, f"mutex {outer}", f"mutex {inner}", f"unmutex {inner}", f"unmutex {outer}")
    assert reports(machine) == []
    run(machine, "mutex c", "mutex a", "unmutex a", "unmutex c")
    assert reports(machine) == [("lock-order", "user")]


def test_locks_of_one_class_count_as_one(machine: Machine) -> None:
    """The number of an object is no part of the class: x#1 under a, then a under x#2, is inverted."""
    run(machine, "spin a", "spin x#1.lock", "unspin x#1.lock", "unspin a")
    run(machine, "spin x#2.lock", "spin a", "unspin a", "unspin x#2.lock")
    assert reports(machine) == [("lock-order", "user")]


def test_a_guarded_nesting_teaches_no_order(machine: Machine) -> None:
    """A nesting that says what makes it safe is left out, as with a lockdep annotation."""
    machine.call("user", "drill", "spin a", "spin b because", "unspin b", "unspin a")
    run(machine, "spin b", "spin a", "unspin a", "unspin b")
    assert reports(machine) == []


def test_the_same_order_again_is_no_report(machine: Machine) -> None:
    """Nor are two locks that are not held together."""
    for _ in range(2):
        run(machine, "mutex m", "spin s", "unspin s", "unmutex m")
    run(machine, "spin s", "unspin s", "mutex m", "unmutex m")
    assert reports(machine) == []


@pytest.mark.parametrize(("take", "what"), [("spin", "a"), ("mutex", "m")])
def test_a_context_waits_for_itself(machine: Machine, take: str, what: str) -> None:
    """Taking a lock twice stops the context for good; the prompt goes on as another thread."""
    assert run(machine, f"{take} {what}", f"{take} {what}", f"un{take} {what}") is None
    report = only_report(machine)
    assert (report.kind, report.context) == ("self-deadlock", "user")
    assert machine.contexts.get("user").stopped
    assert machine.contexts.prompt == "user2"
    assert run(machine, "spin other", "unspin other") == "done"


def test_two_contexts_wait_for_each_other() -> None:
    """a holds 1 and wants 2, b holds 2 and wants 1: neither can ever go on."""
    machine = Machine()
    stand(machine, "a", "mutex 1", "mutex 2", "unmutex 2", "unmutex 1")
    stand(machine, "b", "mutex 2", "mutex 1", "unmutex 1", "unmutex 2")
    for name in ("a", "b"):
        assert machine.contexts.step(name)
    assert reports(machine) == []
    assert not machine.contexts.step("a")
    assert not machine.contexts.step("b")
    assert reports(machine)[:1] == [("deadlock", "a")]
    assert machine.memory.reports.made[0].text == "each waits for the next: a → b → a"
    assert machine.contexts.blocked("a") == ("2 is held by b", ("b",))


def test_waiting_for_a_context_that_has_stopped_is_a_deadlock(machine: Machine) -> None:
    """It keeps its locks, so that nobody who needs them can ever go on."""
    machine.memory.place("mine", Mine())
    assert run(machine, "spin a", "step-on mine bug-on") is None
    assert run(machine, "spin a", "unspin a", context="vcpu0") is None
    assert reports(machine) == [("bug-on", "user"), ("deadlock", "vcpu0")]
    assert "user" in machine.memory.reports.made[1].text


# -- sleeping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["mutex m", "sleep", "synchronize_rcu", "flush_workqueue wq-events"])
@pytest.mark.parametrize(
    ("enter", "leave", "held"), [("spin a", "unspin a", "a"), ("rcu", "unrcu", "rcu_read_lock")]
)
def test_sleeping_while_atomic(machine: Machine, enter: str, leave: str, held: str, what: str) -> None:
    """What may sleep, under a spinlock or as an RCU reader, is reported whether it has to wait or not."""
    undo = ["unmutex m"] if what == "mutex m" else []
    run(machine, enter, what, *undo, leave)
    report = machine.memory.reports.made[0]
    assert (report.kind, report.context) == ("atomic-sleep", "user")
    assert report.text.endswith(f"while it holds {held}")


def test_sleeping_under_a_mutex_is_allowed(machine: Machine) -> None:
    """So is a spinlock under a mutex."""
    assert run(machine, "mutex m", "sleep", "synchronize_rcu", "spin a", "unspin a", "unmutex m") == "done"
    assert reports(machine) == []


def test_another_contexts_spinlock_does_not_matter() -> None:
    """Only what the sleeper itself holds makes it atomic."""
    machine = Machine()
    stand(machine, "a", "spin s", "unspin s")
    stand(machine, "b", "sleep", "mutex m", "unmutex m")
    machine.contexts.step("a")
    machine.contexts.finish("b")
    assert reports(machine) == []


# -- memory ---------------------------------------------------------------------------------------


def test_a_second_free_is_reported_and_changes_nothing(machine: Machine) -> None:
    """The context goes on."""
    assert run(machine, "make", "free eventfd#1", "free eventfd#1") == "done"
    report = only_report(machine)
    assert (report.kind, report.text) == ("double-free", "frees eventfd#1 again")


def test_a_late_access_names_who_freed_it(machine: Machine) -> None:
    """It works on what is left there, as on a real kernel, and is reported once."""
    run(machine, "make", "free eventfd#1", context="vcpu0")
    assert run(machine, "signal eventfd#1", "signal eventfd#1") == "done"
    report = only_report(machine)
    assert (report.kind, report.context) == ("use-after-free", "user")
    assert report.text == "user touches eventfd#1, freed by vcpu0"
    assert machine.memory.quarantine["eventfd#1"].load("count") == 2


def test_an_access_after_the_quarantine_stops_the_context(machine: Machine) -> None:
    """Once the memory has been used for something else, nobody can say what would happen."""
    run(machine, "make", "free eventfd#1")
    for number in range(2, QUARANTINE + 2):
        run(machine, "make", f"free eventfd#{number}")
    assert "eventfd#1" not in machine.memory.quarantine
    assert run(machine, "signal eventfd#2") == "done"
    assert run(machine, "signal eventfd#1") is None
    assert [report.text for report in machine.memory.reports.made] == [
        "user touches eventfd#2, freed by user",
        "user touches eventfd#1, freed long ago",
    ]
    assert machine.contexts.get("user").stopped


def test_references_below_zero_and_from_zero(machine: Machine) -> None:
    """A put without a reference, and a get from none, are reported as refcount_t would."""
    assert run(machine, "make", "put eventfd#1", "put eventfd#1", "get eventfd#1") == "done"
    assert [report.text for report in machine.memory.reports.made] == [
        "user drops a reference to eventfd#1, which has none left",
        "user takes a reference to eventfd#1, which has none left",
    ]
    assert {kind for kind, _context in reports(machine)} == {"refcount"}


def test_what_outlives_its_vm_is_a_leak(machine: Machine) -> None:
    """An irqfd that nobody lists is found at the VM's release, with what it holds."""
    machine.irqfd(machine.eventfd(), 11, 2)
    machine.call("user", "drill", "spin irqfds.lock", "unspin irqfds.lock")
    lost = machine.memory.objects["irqfds"]
    lost.changed()
    lost.items = ()
    machine.release()
    assert [report.text for report in machine.memory.reports.made] == [
        "irqfd#1 outlives its VM",
        "irq_source#1 outlives its VM",
    ]
    assert {kind for kind, _context in reports(machine)} == {"leak"}


def test_what_is_let_go_is_no_leak(machine: Machine) -> None:
    """A release with everything assigned reports nothing."""
    fds = [machine.eventfd() for _ in range(3)]
    key = machine.irqfd(fds[0], 11, 2)
    machine.eoifd(fds[1], 2, key)
    machine.ioeventfd(fds[2], 0xFE000000, 4)
    assert machine.release() == 0
    assert reports(machine) == []


# -- reports themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bug-on", "null-deref"])
def test_an_oops_stops_the_context_where_it_is(machine: Machine, kind: str) -> None:
    """Its locks stay held and its next call is not made; the machine goes on."""
    machine.memory.place("mine", Mine())
    assert run(machine, "spin a", f"step-on mine {kind}", "unspin a") is None
    assert reports(machine) == [(kind, "user")]
    assert machine.memory.objects["locks"].load("spin") == {"a": "user"}
    assert machine.contexts.blocked("user") == ("stopped: the tests asked for it", ())
    assert not machine.contexts.step("user")
    assert machine.eventfd() == 6


def test_an_oops_stops_a_stepped_context_too() -> None:
    """In manual as in auto; the prompt of a manual session stays where it is."""
    lab = Lab("machine without=irqchip", "eventfd trigger", "manual", "irqfd trigger gsi=11")
    result = lab.one("finish user")
    assert "user has stopped: irqfd_update reads kvm->irq_routing, which is NULL" in result.why
    assert lab.fact("reports", "null-deref") == 1
    assert "has stopped" in lab.one("write trigger").why
    lab.say("undo")
    assert lab.fact("reports") == 0


def test_one_sentence_about_one_context_is_made_once(machine: Machine) -> None:
    """The same thing again is no second report; from another context it is."""
    for context in ("user", "user", "vcpu0"):
        run(machine, "spin a", "sleep", "unspin a", context=context)
    assert reports(machine) == [("atomic-sleep", "user"), ("atomic-sleep", "vcpu0")]


def test_every_kind_of_report_is_a_fact() -> None:
    """Each of KINDS can be asked for, and is 0 on a new machine."""
    lab = Lab("machine")
    for kind in KINDS:
        assert lab.one(f"expect reports.{kind} == 0").held is True


def test_a_broken_machine_still_answers() -> None:
    """With irqfds.lock held for ever, what needs it is a deadlock each time, and the rest works."""
    machine = Machine(Profile(without=frozenset({"irqchip"})))
    fd, other = machine.eventfd(), machine.eventfd()
    assert machine.irqfd(fd, 11) is None
    assert machine.irqfd(other, 11) is None
    assert machine.write(other, 3) == 0
    assert machine.read(other) == 3
    assert machine.close(fd) == 0
    assert machine.release() == 0
    assert machine.memory.objects["vm"].load("refs") == 2, "the ioctls that stopped hold the VM"
    assert reports(machine) == [("null-deref", "user"), ("deadlock", "user2")]
