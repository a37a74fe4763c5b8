"""A scenario under way: who can go on, who moves next, and what every call did.

Which context moves next depends only on the state and on how many ops have run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvmlab.engine.kernel.continuation import Call
from kvmlab.engine.kernel.path import Op
from kvmlab.engine.kernel.workqueue import QUEUES
from kvmlab.engine.machine import Machine
from tests.engine.lab import Lab
from tests.engine.scenarios import Notebook, Scenario

Policy = Callable[[list[str], int], str]
"""Which of the contexts that can go on moves, by the number of ops run so far."""

POLICIES: dict[str, Policy] = {
    "first": lambda names, _op: names[0],
    "last": lambda names, _op: names[-1],
    "in-turn": lambda names, op: names[op % len(names)],
}


class Stage:
    """A scenario under way: the lab it plays in and how many ops have run since the acts began."""

    def __init__(self, scenario: Scenario) -> None:
        self.lab = Lab()
        self.ops = 0
        for line in scenario.before:
            self.lab.say(line)
            if "notebook" not in self.machine.memory.objects:
                self.machine.memory.place("notebook", Notebook())
        if ("user", ("kvm_unregister_irq_mask_notifier", ("note_mask", "notebook"))) in scenario.acts:
            self.machine.call("user", "kvm_register_irq_mask_notifier", 11, "note_mask", "notebook")
        self.lab.say("manual")
        for act in scenario.acts:
            if isinstance(act, str):
                self.lab.say(act)
            else:
                self.machine.submit(*act)
        self.lab.session.backend.commit()

    @property
    def machine(self) -> Machine:
        """The machine of the scenario."""
        return self.lab.machine

    def runnable(self, machine: Machine) -> list[str]:
        """Return the contexts that can go on, in the order they were made."""
        contexts = machine.contexts
        return [name for name in contexts.names if contexts.next_op(name) and contexts.blocked(name) is None]

    def run(self, machine: Machine, policy: Policy) -> None:
        """Let a machine go on until nothing can."""
        ops = 0
        while names := self.runnable(machine):
            machine.contexts.step(policy(names, ops))
            ops += 1


@dataclass(slots=True)
class Made:
    """One call that a context made: the ops it yielded and the values it received."""

    call: Call
    ops: list[Op]
    values: list[Any]


def call_of(machine: Machine, name: str) -> Call:
    """Return the call that a context stands in or is about to begin."""
    context = machine.contexts.get(name)
    if context.at is not None:
        return context.at.call
    return ("process_one_work", (QUEUES[name],)) if name in QUEUES else context.calls[0]


def record(stage: Stage, policy: Policy) -> list[Made]:
    """Run a scenario to its end and return every call that was made in it."""
    machine = stage.machine
    made: list[Made] = []
    under_way: dict[str, Made] = {}
    ops = 0
    while names := stage.runnable(machine):
        name = policy(names, ops)
        if name not in under_way:
            under_way[name] = Made(call_of(machine, name), [], [])
            made.append(under_way[name])
        here, op = under_way[name], machine.contexts.next_op(name)
        assert op is not None
        here.ops.append(op)
        machine.contexts.step(name)
        place = machine.contexts.get(name).at
        if place is None:
            del under_way[name]
        else:
            here.values = place.received()
        ops += 1
    return made
