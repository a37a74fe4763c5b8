"""What an op says that it touches, before it runs, against what it changes when it has run."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from kvmlab.engine.kernel.continuation import handle_of
from kvmlab.engine.kernel.object import Object
from kvmlab.engine.kernel.path import Op, describe, footprint
from kvmlab.engine.machine import Machine
from kvmlab.language.errors import LanguageError
from tests.engine.lab import Lab, fresh
from tests.engine.scenarios import SCENARIOS
from tests.engine.stage import POLICIES, Stage
from tests.sayings import MOVES, ROUTED, in_turn, sequences


def outside(op: Op, changed: set[str]) -> set[str]:
    """Return what was changed and does not match the footprint of an op."""
    return {handle for handle in changed if not any(fnmatchcase(handle, of) for of in footprint(op))}


def strays(machine: Machine, name: str) -> list[str]:
    """Step a context; return what its op changed beyond its footprint.

    An object that the op made was nobody else's before, and the context's own place moves on.
    """
    op = machine.contexts.next_op(name)
    before = fresh(machine)
    machine.contexts.step(name)
    after = fresh(machine)
    changed = {handle for handle, value in before.items() if after.get(handle) != value} - {handle_of(name)}
    return [f"{describe(op)} changes {handle}" for handle in outside(op, changed)] if op else []


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_op_of_a_scenario_changes_only_its_footprint(name: str) -> None:
    """Over every path of the engine, each op changes what its footprint names and nothing else."""
    stage = Stage(SCENARIOS[name])
    found: list[str] = []
    ops = 0
    while names := stage.runnable(stage.machine):
        found += strays(stage.machine, POLICIES["in-turn"](names, ops))
        ops += 1
    assert found == []


def is_state(value: Any) -> bool:
    """Tell whether an attribute's value is data, and no link to another object."""
    return isinstance(value, int | str | dict) or (
        isinstance(value, tuple) and not any(isinstance(item, Object) for item in value)
    )


def reads(machine: Machine, name: str, op: Op) -> set[str]:
    """Run an op as a context would, take it back, and return whose state it looked at."""
    seen: set[str] = set()
    known = {id(obj): handle for handle, obj in machine.memory.objects.items()}

    def look(obj: Object, attribute: str) -> Any:
        value = object.__getattribute__(obj, attribute)
        if id(obj) in known and attribute not in Object.__slots__ and is_state(value):
            if not callable(getattr(type(obj), attribute)):
                seen.add(known[id(obj)])
        return value

    state, target = machine.freeze(), machine.memory.objects[op[1]]
    machine.memory.current = name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Object, "__getattribute__", look, raising=False)
        op[0](target, *op[2:])
    machine.memory.current = ""
    machine.thaw(state)
    return seen


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_op_of_a_scenario_reads_only_its_footprint(name: str) -> None:
    """Over every path of the engine, each op looks at the objects that its footprint names."""
    stage = Stage(SCENARIOS[name])
    machine = stage.machine
    while names := stage.runnable(machine):
        op = machine.contexts.next_op(names[0])
        assert op is not None
        assert (describe(op), outside(op, reads(machine, names[0], op))) == (describe(op), set())
        machine.contexts.step(names[0])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(sequences(in_turn(ROUTED, ROUTED, MOVES), most=12))
def test_an_op_of_a_random_run_changes_only_its_footprint(lines: tuple[str, ...]) -> None:
    """The same after any commands, whoever stands where."""
    lab = Lab()
    for line in (*lines, "manual"):
        try:
            lab.say(line)
        except LanguageError:
            continue
        machine = lab.machine
        contexts = machine.contexts
        for _ in range(60):
            names = [n for n in contexts.names if contexts.next_op(n) and contexts.blocked(n) is None]
            if not contexts.manual or not names:
                break
            assert strays(machine, names[0]) == []


def test_a_stray_change_is_noticed() -> None:
    """The comparison that the laws above rest on sees a change outside the footprint."""
    machine = Lab("machine", "eventfd a", "manual", "write a").machine
    op = machine.contexts.next_op("user")
    assert op is not None
    assert outside(op, {op[1]}) == set()
    assert outside(op, {"ioapic", "lapic0"}) == {"ioapic", "lapic0"}
