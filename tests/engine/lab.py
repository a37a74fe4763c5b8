"""A session that is spoken to in text, for tests that need what a command does to the engine."""

from __future__ import annotations

from kvmlab.backends.model import Model
from kvmlab.engine.kernel.object import Value
from kvmlab.engine.machine import Machine
from kvmlab.facts import Segment, lookup
from kvmlab.facts import Value as FactValue
from kvmlab.language.parse import parse_line
from kvmlab.render.looking import LOOKING
from kvmlab.result import Result
from kvmlab.scripts import SCRIPTS
from kvmlab.session import Options, Session
from kvmlab.snapshot import Snapshot


class Lab:
    """A session, the model machine in it, and a short way to say something."""

    def __init__(self, *lines: str) -> None:
        self.session = Session(Options(), {**LOOKING, **SCRIPTS})
        for line in lines:
            self.say(line)

    @property
    def machine(self) -> Machine:
        """The machine that the session holds now."""
        backend = self.session.backend
        assert isinstance(backend, Model)
        return backend.machine

    def say(self, line: str) -> list[Result]:
        """Execute one line and return what each of its commands did."""
        return [self.session.execute(command) for command in parse_line(line, self.session.scope)]

    def one(self, line: str) -> Result:
        """Execute the one command of a line."""
        (result,) = self.say(line)
        return result

    def fact(self, *path: Segment) -> FactValue:
        """Return the value of a fact by its segments."""
        return lookup(self.session.snapshot())(path)

    def snapshot(self) -> Snapshot:
        """Return what can be seen now."""
        return self.session.snapshot()


def fresh(machine: Machine) -> dict[str, Value]:
    """Return the value of every object, read anew: no cached one is trusted."""
    memory = machine.memory
    return {handle: obj.read_state(obj) for handle, obj in {**memory.objects, **memory.quarantine}.items()}
