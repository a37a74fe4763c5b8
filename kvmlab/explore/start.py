"""Where an exploration starts: a machine as a value, of which any number of copies can be made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kvmlab.backends.backend import Refused
from kvmlab.backends.model import Model
from kvmlab.engine.kernel.continuation import Continuation
from kvmlab.engine.kernel.memory import State
from kvmlab.engine.machine import Machine
from kvmlab.engine.profile import Profile
from kvmlab.explore.world import World
from kvmlab.session import Session


@dataclass(frozen=True, slots=True)
class Start:
    """A machine of one profile in one state; nothing that is done to a copy reaches the original."""

    profile: Profile
    state: State

    @classmethod
    def of(cls, session: Session) -> Start:
        """Return where a session's machine stands. Raises Refused where it is no model."""
        backend = session.backend
        if not isinstance(backend, Model):
            raise Refused("only the model can be explored: 'machine kernel=linux-6.x' makes one")
        return cls(backend.profile, backend.machine.freeze())

    def machine(self) -> Machine:
        """Return a machine in this state, whose contexts move only when they are moved."""
        machine = Machine(self.profile)
        machine.thaw(self.state)
        machine.contexts.set_manual(True)
        machine.trace.clear()
        return machine

    def world(self) -> World:
        """Return a world that begins in this state."""
        return World(self.machine())


def comparable(world: World) -> tuple[Any, ...]:
    """Return where a world stands as a value that is the same in every copy of its start."""
    return tuple((handle, _plain(value)) for handle, value in world.values())


def _plain(value: Any) -> Any:
    if isinstance(value, Continuation):
        return value.call, tuple(value.received())
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value
