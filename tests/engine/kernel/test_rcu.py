"""RCU: a grace period waits for the readers that were there before it, and for nobody else."""

from __future__ import annotations

from kvmlab.engine.machine import Machine
from tests.engine.kernel.drill import reports, run, stand


def crew(*names: str) -> Machine:
    """Return a machine with readers, each a step inside its section, and a thread that waits for RCU."""
    machine = Machine()
    for name in names:
        stand(machine, name, "rcu", "unrcu")
        machine.contexts.step(name)
    stand(machine, "updater", "synchronize_rcu")
    return machine


def begin(machine: Machine) -> None:
    """Have the updater begin its grace period."""
    assert machine.contexts.step("updater") and machine.contexts.step("updater")


def test_a_grace_period_without_readers_ends_at_once() -> None:
    """Nobody reads, nobody is waited for."""
    machine = Machine()
    assert run(machine, "synchronize_rcu") == "done"
    assert machine.memory.objects["rcu"].load("waiting") == {}


def test_a_grace_period_waits_for_the_readers_before_it() -> None:
    """Each of them is named until it has left its section."""
    machine = crew("one", "two")
    begin(machine)
    assert machine.contexts.blocked("updater") == ("one, two still reads under RCU", ("one", "two"))
    assert not machine.contexts.step("updater")
    machine.contexts.step("one")
    assert machine.contexts.blocked("updater") == ("two still reads under RCU", ("two",))
    machine.contexts.step("two")
    assert machine.contexts.step("updater")
    assert machine.contexts.get("updater").at is None


def test_a_reader_that_came_later_is_not_waited_for() -> None:
    """It can't see what was unlinked before."""
    machine = crew()
    begin(machine)
    stand(machine, "late", "rcu", "unrcu")
    machine.contexts.step("late")
    assert machine.contexts.step("updater")
    assert machine.memory.objects["locks"].load("readers") == {"late": 1}


def test_a_reader_that_left_and_came_back_is_not_waited_for() -> None:
    """Leaving once is a quiescent state, even if it reads again."""
    machine = Machine()
    stand(machine, "reader", "rcu", "unrcu", "rcu", "unrcu")
    machine.contexts.step("reader")
    stand(machine, "updater", "synchronize_rcu")
    begin(machine)
    machine.contexts.step("reader")
    machine.contexts.step("reader")
    assert machine.memory.objects["locks"].load("readers") == {"reader": 1}
    assert machine.contexts.blocked("updater") is None


def test_only_the_outermost_section_counts() -> None:
    """Sections nest: leaving an inner one ends nothing."""
    machine = Machine()
    stand(machine, "reader", "rcu", "rcu", "unrcu", "unrcu")
    for _ in range(2):
        machine.contexts.step("reader")
    stand(machine, "updater", "synchronize_rcu")
    begin(machine)
    machine.contexts.step("reader")
    assert machine.contexts.blocked("updater") is not None
    machine.contexts.step("reader")
    assert machine.contexts.blocked("updater") is None


def test_two_grace_periods_end_on_their_own() -> None:
    """The second, begun after the reader left, does not wait for it."""
    machine = crew("reader")
    begin(machine)
    machine.contexts.step("reader")
    stand(machine, "other", "synchronize_rcu")
    machine.contexts.finish("other")
    assert machine.contexts.get("other").at is None
    machine.contexts.finish("updater")
    assert machine.contexts.get("updater").at is None


def test_waiting_for_a_grace_period_as_a_reader_never_ends() -> None:
    """It waits for itself: reported when it begins, and as a deadlock."""
    machine = Machine()
    assert run(machine, "rcu", "synchronize_rcu", "unrcu") is None
    assert reports(machine) == [("atomic-sleep", "user"), ("deadlock", "user")]
