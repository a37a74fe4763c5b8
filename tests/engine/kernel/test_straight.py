"""The straight-line form of every path does what its ops do, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.engine.kernel import contexts
from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.path import PATHS
from kvmlab.engine.kernel.straight import straight_paths
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import DEFAULT_APIS, Profile
from tests.engine.lab import Lab, fresh
from tests.engine.scenarios import SCENARIOS, Notebook, Scenario
from tests.engine.stage import Stage

ONE_BY_ONE, STRAIGHT_ON = 10**9, 0
"""After how many calls the straight-line form is taken."""


def calls(scenario: Scenario) -> list[tuple[str, Call]]:
    """Return every call of a scenario with the thread or vCPU that makes it, in order."""
    machine = Stage(scenario).machine
    found = []
    for context in machine.contexts.all():
        if context.name not in QUEUES:
            made = ([context.at.call] if context.at else []) + list(context.calls)
            found += [(context.name if context.name.startswith("vcpu") else "user", call) for call in made]
    return found


def drained(scenario: Scenario) -> tuple[Machine, list[Any]]:
    """Make the calls of a scenario in auto, after what was said before; return their results."""
    lab = Lab()
    for line in scenario.before:
        if line != "manual":
            lab.say(line)
    lab.machine.memory.place("notebook", Notebook())
    return lab.machine, [lab.machine.submit(context, call) for context, call in calls(scenario)]


def both(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Machine, list[Any]]]:
    """Return what both forms did."""
    found = []
    for after in (ONE_BY_ONE, STRAIGHT_ON):
        monkeypatch.setattr(contexts, "WARM_UP", after)
        found.append(drained(scenario))
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_forms_do_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drained in either form, the calls of a scenario leave equal states, results and traces."""
    (slow, slow_results), (fast, fast_results) = both(SCENARIOS[name], monkeypatch)
    assert fast_results == slow_results != []
    assert fresh(fast) == fresh(slow)
    assert fast.trace.last() == slow.trace.last()


@pytest.mark.parametrize("kernel", DEFAULT_APIS)
def test_every_path_has_a_straight_form(kernel: str) -> None:
    """The straight-line form of every path of the engine can be made."""
    straight = straight_paths(Profile(kernel=kernel, api=DEFAULT_APIS[kernel]))
    names = [name for name, path in PATHS.items() if path.__module__.startswith("kvmlab.engine.")]
    assert [name for name in names if not callable(straight[name])] == []


def test_the_profile_is_asked_once() -> None:
    """What a path does for another kernel only is no part of its straight-line form for this one."""
    length = {
        kernel: len(straight_paths(Profile(kernel=kernel))["vcpu_enter_guest"].__code__.co_code)
        for kernel in DEFAULT_APIS
    }
    assert length["linux-3.6"] < length["linux-6.x"]
