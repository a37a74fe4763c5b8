"""Work queues: one worker each, an item that waits is queued once, and what a flush waits for."""

from __future__ import annotations

import pytest

from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import Machine
from tests.engine.kernel.drill import reports, run, stand

QUEUE = "wq-irqfd-cleanup"
WORKER = "irqfd-cleanup"


@pytest.fixture
def machine() -> Machine:
    """Return a machine in manual, where nobody moves by himself."""
    machine = Machine()
    machine.contexts.set_manual(manual=True)
    return machine


def items(machine: Machine) -> tuple[tuple[str, str], ...]:
    """Return what waits in the cleanup queue."""
    waiting: tuple[tuple[str, str], ...] = machine.memory.objects[QUEUE].load("items")
    return waiting


def queue(machine: Machine, *steps: str, name: str = "user") -> None:
    """Have a thread queue work items, each a drill."""
    stand(machine, name, *[f"queue {WORKER} {step.replace(' ', '~')}" for step in steps])
    machine.contexts.finish(name)


def test_an_item_that_waits_is_queued_once(machine: Machine) -> None:
    """Queueing it again does nothing; another item goes behind it."""
    queue(machine, "sleep", "sleep", "spin s,unspin s", "sleep")
    assert items(machine) == (("drill_work", "sleep"), ("drill_work", "spin~s,unspin~s"))


def test_items_run_oldest_first_and_one_at_a_time(machine: Machine) -> None:
    """The queue has one worker, and an item runs to its end before the next begins."""
    queue(machine, "mutex a,unmutex a", "mutex b,unmutex b")
    machine.contexts.step(WORKER)
    assert machine.memory.objects[QUEUE].load("running") == ("drill_work", "mutex~a,unmutex~a")
    assert items(machine) == (("drill_work", "mutex~b,unmutex~b"),)
    machine.contexts.finish(WORKER)
    assert machine.memory.objects[QUEUE].load("running") is None
    assert len(items(machine)) == 1


def test_an_item_may_be_queued_again_while_it_runs(machine: Machine) -> None:
    """It has left the queue, so a second run follows the first."""
    queue(machine, "sleep")
    machine.contexts.step(WORKER)
    queue(machine, "sleep")
    assert items(machine) == (("drill_work", "sleep"),)
    machine.contexts.finish(WORKER)
    assert machine.contexts.next_op(WORKER) is not None


def test_a_flush_of_an_idle_queue_does_not_wait(machine: Machine) -> None:
    """No barrier is put into an empty queue."""
    stand(machine, "user", f"flush_workqueue {QUEUE}")
    machine.contexts.finish("user")
    assert machine.contexts.get("user").at is None
    assert items(machine) == ()


def test_a_flush_waits_for_what_is_queued_before_it_only(machine: Machine) -> None:
    """An item queued after the barrier does not delay it."""
    queue(machine, "sleep")
    stand(machine, "flusher", f"flush_workqueue {QUEUE}")
    assert machine.contexts.finish("flusher") == 2
    queue(machine, "spin s,unspin s")
    assert items(machine) == (
        ("drill_work", "sleep"),
        ("barrier", "flusher"),
        ("drill_work", "spin~s,unspin~s"),
    )
    assert machine.contexts.blocked("flusher") == (f"{WORKER} has not come to the flush barrier", (WORKER,))
    machine.contexts.finish(WORKER)
    assert machine.contexts.blocked("flusher") is None
    assert len(items(machine)) == 1


def test_a_flush_waits_for_the_item_that_runs(machine: Machine) -> None:
    """A barrier is put behind it although nothing waits in the queue."""
    queue(machine, "sleep")
    machine.contexts.step(WORKER)
    stand(machine, "flusher", f"flush_workqueue {QUEUE}")
    machine.contexts.finish("flusher")
    assert machine.contexts.blocked("flusher") is not None
    machine.contexts.finish(WORKER)
    assert machine.contexts.blocked("flusher") is None


def test_two_flushes_are_met_together(machine: Machine) -> None:
    """Barriers at the head of the queue are met when the item before them is done."""
    queue(machine, "sleep")
    for name in ("one", "two"):
        stand(machine, name, f"flush_workqueue {QUEUE}")
        machine.contexts.finish(name)
    machine.contexts.finish(WORKER)
    assert items(machine) == ()
    assert [machine.contexts.blocked(name) for name in ("one", "two")] == [None, None]


def test_flush_work_waits_while_the_item_waits_or_runs(machine: Machine) -> None:
    """Other items of the queue are no concern of it."""
    queue(machine, "sleep", "spin s,unspin s")
    stand(machine, "waiter", f"wait-work {WORKER} sleep")
    assert not machine.contexts.step("waiter")
    machine.contexts.step(WORKER)
    assert machine.contexts.blocked("waiter") == (f"{WORKER} has not finished drill_work(sleep)", (WORKER,))
    machine.contexts.finish(WORKER)
    assert machine.contexts.step("waiter")
    assert len(items(machine)) == 1


def test_a_worker_that_flushes_its_own_queue_is_a_deadlock(machine: Machine) -> None:
    """The barrier stands behind the item that waits for it."""
    queue(machine, f"flush_workqueue {QUEUE}")
    machine.contexts.finish(WORKER)
    assert reports(machine) == [("deadlock", WORKER)]


def test_workers_drain_in_auto() -> None:
    """What a call queued, and what that queued in turn on another queue, has run when it returns."""
    machine = Machine()
    assert run(machine, "queue events queue~irqfd-cleanup~make", "make") == "done"
    assert machine.memory.alive("eventfd") == ["eventfd#1", "eventfd#2"]
    assert [machine.memory.objects[queue].load("items") for queue in QUEUES.values()] == [()] * 4
