"""RCU and SRCU: a grace period waits for the readers that were there before it, and for nobody else."""

from __future__ import annotations

import pytest

from kvmlab.engine.machine import Machine
from tests.engine.kernel.drill import reports, run, stand


@pytest.fixture(params=["rcu", "srcu"])
def rcu(request: pytest.FixtureRequest) -> str:
    """Return a domain: the word that enters it, whose "un" leaves it."""
    return str(request.param)


class Crew:
    """A machine with readers, each a step inside its section, and a thread that waits for them."""

    def __init__(self, rcu: str, *names: str) -> None:
        self.rcu = rcu
        self.machine = Machine()
        self.contexts = self.machine.contexts
        for name in names:
            self.read(name)
        stand(self.machine, "updater", f"synchronize_{rcu}")

    def read(self, name: str, *steps: str) -> None:
        """Have a new thread enter its section."""
        stand(self.machine, name, self.rcu, *(steps or (f"un{self.rcu}",)))
        self.contexts.step(name)

    def begin(self) -> None:
        """Have the updater begin its grace period."""
        assert self.contexts.step("updater")
        assert self.contexts.step("updater")


def test_a_grace_period_without_readers_ends_at_once(rcu: str) -> None:
    """Nobody reads, nobody is waited for, and nothing of it stays."""
    machine = Machine()
    before = machine.freeze()
    assert run(machine, f"synchronize_{rcu}") == "done"
    assert machine.freeze() == before


def test_a_grace_period_waits_for_the_readers_before_it(rcu: str) -> None:
    """Each of them is named until it has left its section."""
    crew = Crew(rcu, "one", "two")
    crew.begin()
    why = crew.contexts.blocked("updater")
    assert why == (f"one, two still reads under {rcu.upper()}", ("one", "two"))
    assert not crew.contexts.step("updater")
    crew.contexts.step("one")
    assert crew.contexts.blocked("updater") == (f"two still reads under {rcu.upper()}", ("two",))
    crew.contexts.step("two")
    assert crew.contexts.step("updater")
    assert crew.contexts.get("updater").at is None


def test_a_reader_that_came_later_is_not_waited_for(rcu: str) -> None:
    """It can't see what was unlinked before."""
    crew = Crew(rcu)
    crew.begin()
    crew.read("late")
    assert crew.contexts.step("updater")
    assert crew.contexts.get("late").at is not None


def test_a_reader_that_left_and_came_back_is_not_waited_for(rcu: str) -> None:
    """Leaving once is enough, even if it reads again."""
    crew = Crew(rcu)
    crew.read("reader", f"un{rcu}", rcu, f"un{rcu}")
    crew.begin()
    assert crew.contexts.blocked("updater") is not None
    crew.contexts.step("reader")
    crew.contexts.step("reader")
    assert crew.contexts.blocked("updater") is None


def test_only_the_outermost_section_counts(rcu: str) -> None:
    """Sections nest: leaving an inner one ends nothing."""
    crew = Crew(rcu)
    crew.read("reader", rcu, f"un{rcu}", f"un{rcu}")
    crew.contexts.step("reader")
    crew.begin()
    crew.contexts.step("reader")
    assert crew.contexts.blocked("updater") is not None
    crew.contexts.step("reader")
    assert crew.contexts.blocked("updater") is None


def test_two_grace_periods_end_on_their_own(rcu: str) -> None:
    """The second, begun after the reader left, does not wait for it."""
    crew = Crew(rcu, "reader")
    crew.begin()
    crew.contexts.step("reader")
    stand(crew.machine, "other", f"synchronize_{rcu}")
    crew.contexts.finish("other")
    assert crew.contexts.get("other").at is None
    crew.contexts.finish("updater")
    assert crew.contexts.get("updater").at is None


def test_the_domains_do_not_wait_for_each_other(rcu: str) -> None:
    """A reader of the one is nobody to the other's grace period."""
    crew = Crew({"rcu": "srcu", "srcu": "rcu"}[rcu], "reader")
    stand(crew.machine, "other", f"synchronize_{rcu}")
    crew.contexts.finish("other")
    assert crew.contexts.get("other").at is None


def test_waiting_for_oneself_never_ends() -> None:
    """It is a deadlock; as an RCU reader it may not even begin to wait, as an SRCU reader it may."""
    for rcu, kinds in (("rcu", ["atomic-sleep", "deadlock"]), ("srcu", ["deadlock"])):
        machine = Machine()
        assert run(machine, rcu, f"synchronize_{rcu}", f"un{rcu}") is None
        assert reports(machine) == [(kind, "user") for kind in kinds]


def test_a_reader_may_sleep_under_srcu_only() -> None:
    """That is what it is for."""
    machine = Machine()
    run(machine, "srcu", "sleep", "mutex m", "unmutex m", "unsrcu")
    assert reports(machine) == []
    run(machine, "rcu", "sleep", "unrcu")
    assert reports(machine) == [("atomic-sleep", "user")]
