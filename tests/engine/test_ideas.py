"""The two ideas, for every path: it is a pure function of what it received, and state is a value."""

from __future__ import annotations

import ast
import sys
from itertools import count, cycle
from pathlib import Path as File
from types import CodeType, FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvmlab.engine
from kvmlab.engine.chips.ioapic import IOAPIC, Ioapic
from kvmlab.engine.kernel.path import PATHS, Op, Path, path
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import APIS, Profile, proposal_of
from tests.engine.lab import fresh
from tests.engine.scenarios import SCENARIOS
from tests.engine.stage import POLICIES, Made, Policy, Stage, record

for _api in APIS:
    proposal_of(_api)

ENGINE_PATHS = {name: path for name, path in PATHS.items() if path.__module__.startswith("kvmlab.engine.")}

every_scenario = pytest.mark.parametrize("name", SCENARIOS)
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def is_plain(value: Any) -> bool:
    """Tell whether a value is made of ints, strings, None and tuples only."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, int | str)


@every_scenario
@every_policy
def test_replaying_a_path_yields_the_same_ops(name: str, policy: Policy) -> None:
    """A new generator that is sent the values that another one received yields the same ops."""
    stage = Stage(SCENARIOS[name])
    calls = record(stage, policy)
    assert sum(len(made.ops) for made in calls) > 1
    assert [made.call for made in calls if replayed(stage.machine, made) != made.ops] == []


def replayed(machine: Machine, made: Made) -> list[Op]:
    """Send a new generator of a call the values that were received in it; return the ops it yields."""
    name, arguments = made.call
    generator = PATHS[name](machine.profile, *arguments)
    ops: list[Op] = []
    for value in [None, *made.values]:
        try:
            ops.append(generator.send(value))
        except StopIteration:
            break
    return ops


VISITS = count()
SEEN = [1, 2, 3]


@path
def impure(profile: Profile) -> Path[None]:
    """Look at a pin that depends on how often this was called."""
    yield (Ioapic.entry, IOAPIC, next(VISITS) % 24)


@path
def peeping(profile: Profile) -> Path[None]:
    """Go on for as long as something outside has been seen."""
    while SEEN:
        yield (Ioapic.entry, IOAPIC, SEEN.pop())


def test_a_path_that_is_no_function_of_what_it_received_is_noticed() -> None:
    """Planted among a scenario's calls, it is the one whose replay differs."""
    stage = Stage(next(iter(SCENARIOS.values())))
    for name in ("impure", "peeping"):
        stage.machine.contexts.add(name, ((name, ()),))
    calls = record(stage, POLICIES["in-turn"])
    different = [made.call[0] for made in calls if replayed(stage.machine, made) != made.ops]
    assert sorted(different) == ["impure", "peeping"]


@every_scenario
def test_what_a_path_is_given_is_plain(name: str) -> None:
    """Arguments and received values are ints, strings, None and tuples of these, no live objects."""
    for made in record(Stage(SCENARIOS[name]), POLICIES["first"]):
        assert is_plain(made.call[1])
        assert [value for value in made.values if not is_plain(value)] == []
        assert [op for op in made.ops if not is_plain(op[1:])] == []


@every_scenario
@every_policy
def test_a_scenario_comes_to_its_end(name: str, policy: Policy) -> None:
    """Nobody is left standing, blocked or stopped, and no sanitizer has anything to say."""
    stage = Stage(SCENARIOS[name])
    stage.run(stage.machine, policy)
    assert stage.lab.snapshot().quiescent
    assert stage.machine.memory.reports.made == ()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(SCENARIOS)), st.lists(st.integers(0, 11), min_size=8, max_size=60))
def test_a_scenario_comes_to_its_end_under_any_schedule(name: str, turns: list[int]) -> None:
    """Whoever moves when, the same holds; a schedule is who moves at each op, over and over."""
    stage = Stage(SCENARIOS[name])
    stage.run(stage.machine, lambda names, op: names[turns[op % len(turns)] % len(names)])
    assert stage.lab.snapshot().quiescent
    assert stage.machine.memory.reports.made == ()


@every_scenario
@every_policy
def test_going_on_from_any_op_ends_as_the_undisturbed_run(name: str, policy: Policy) -> None:
    """A state thawed at any op, into its own machine or a second one in turn, goes on to the same end."""
    stage = Stage(SCENARIOS[name])
    machine = stage.machine
    states = []
    moved: list[str] = []
    while names := stage.runnable(machine):
        states.append(machine.freeze())
        moved.append(policy(names, len(moved)))
        machine.contexts.step(moved[-1])
    end = machine.freeze()
    assert len(set(states)) > 1
    for (ops, state), target in zip(
        enumerate(states), cycle((machine, Machine(machine.profile))), strict=False
    ):
        target.thaw(state)
        assert target.freeze() == state
        assert [name for name in moved[ops:] if not target.contexts.step(name)] == []
        assert stage.runnable(target) == []
        assert target.freeze() == end


@every_scenario
def test_undo_works_between_any_two_ops(name: str) -> None:
    """Each step undone is the state before it, redone the state after it; undone all, the start."""
    stage = Stage(SCENARIOS[name])
    machine, session = stage.machine, stage.lab.session
    states, seen = [fresh(machine)], [stage.lab.snapshot()]
    units = len(session.history)
    while names := stage.runnable(machine):
        stage.lab.say(f"step {POLICIES['in-turn'](names, len(states))}")
        states.append(fresh(machine))
        seen.append(stage.lab.snapshot())
        stage.lab.say("undo")
        assert (fresh(machine), stage.lab.snapshot()) == (states[-2], seen[-2])
        stage.lab.say("redo")
        assert (fresh(machine), stage.lab.snapshot()) == (states[-1], seen[-1])
    steps = len(session.history) - units
    assert steps == len(states) - 1 > 1
    stage.lab.say(f"undo {steps}")
    assert (fresh(machine), stage.lab.snapshot()) == (states[0], seen[0])
    for state, sight in zip(states[1:], seen[1:], strict=True):
        stage.lab.say("redo")
        assert (fresh(machine), stage.lab.snapshot()) == (state, sight)


def test_the_scenarios_run_every_path() -> None:
    """Each registered path of the engine is run by some scenario: a new path needs one too."""
    codes = {path.__code__: name for name, path in ENGINE_PATHS.items()}
    entered: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered.add(frame.f_code)

    for scenario in SCENARIOS.values():
        stage = Stage(scenario)
        sys.setprofile(note)
        try:
            stage.run(stage.machine, POLICIES["first"])
        finally:
            sys.setprofile(None)
    assert sorted(name for code, name in codes.items() if code not in entered) == []


class _Generators(ast.NodeVisitor):
    """Collects the functions that yield, each with the names of its decorators."""

    def __init__(self) -> None:
        self.open: list[ast.FunctionDef] = []
        self.found: dict[str, set[str]] = {}

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Look into a function."""
        self.open.append(node)
        self.generic_visit(node)
        self.open.pop()

    def _yields(self, node: ast.AST) -> None:
        function = self.open[-1]
        self.found[function.name] = {d.id for d in function.decorator_list if isinstance(d, ast.Name)}
        self.generic_visit(node)

    visit_Yield = visit_YieldFrom = _yields  # noqa: N815 - ast's own names


def generators(source: str) -> dict[str, set[str]]:
    """Return the generator functions of a module's text, each with its decorators."""
    visitor = _Generators()
    visitor.visit(ast.parse(source))
    return visitor.found


def test_every_generator_of_the_engine_is_a_path() -> None:
    """A function of the engine that yields is registered with @path, under its own name."""
    folder = File(kvmlab.engine.__path__[0])
    found: dict[str, set[str]] = {}
    for file in folder.rglob("*.py"):
        found |= generators(file.read_text())
    assert found.keys() == ENGINE_PATHS.keys()
    assert [name for name, decorators in found.items() if "path" not in decorators] == []


def test_the_scan_sees_a_generator_without_registration() -> None:
    """The scan that the law above rests on finds plain, nested and delegating generators."""
    plain, nested = (
        "def a():\n    yield 1\n",
        "def b():\n    def c():\n        yield from a()\n    return c\n",
    )
    source = plain + nested + "@path\ndef d():\n    yield"
    assert generators(source) == {"a": set(), "c": set(), "d": {"path"}}
