"""Deadlock: a context that waits in a ring, or for one that has stopped for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kvmlab.engine.kernel.contexts import Contexts
    from kvmlab.engine.kernel.continuation import Context


def is_deadlocked(contexts: Contexts, context: Context) -> bool:
    """Follow whom a context waits for; report it, and return True, if it can never go on."""
    trail: list[str] = []
    name = context.name
    while True:
        here = contexts.get(name)
        why = contexts.blocked(name)
        if here.stopped and trail:
            text = f"{trail[0]} can never go on: {name} has stopped ({here.stopped})"
            break
        if why is None or not why[1]:
            return False
        if name in trail:
            ring = trail[trail.index(name) :]
            text = "each waits for the next: " + " → ".join([*ring, name])
            break
        trail.append(name)
        name = why[1][0]
    contexts.memory.reports.add(context.name, "deadlock", text)
    return True
