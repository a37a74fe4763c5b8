"""What is remembered of a lab that is being played: with each unit of history, and beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from kvmlab.history import History, Unit

if TYPE_CHECKING:
    from kvmlab.language.command import Command

KEPT = frozenset({"never", "always", "lab answer"})
"""Commands that are no units and belong to a solution all the same."""

PATH = frozenset({"run", "storm"})
"""Commands that are no call and a step of the way all the same."""

Seen = str | int
"""A goal by its ID, or a mistake by its number."""


Starts = tuple[tuple[tuple[str, bool], int], ...]
"""Goals that ask where a search begins, without and with who has to be ready, each with a position."""


class Noted(NamedTuple):
    """What is known when a unit has happened: all that was seen up to it, and what the way has cost.

    ``starts`` are the newest positions from which a search would begin where a goal asks, by the goals.
    """

    seen: frozenset[Seen] = frozenset()
    switches: int = 0
    steps: int = 0
    context: str = ""
    starts: Starts = ()

    def after(self, context: str, steps: int) -> Noted:
        """Return what is known when a context has made steps."""
        switched = self.context not in ("", context)
        return self._replace(switches=self.switches + switched, steps=self.steps + steps, context=context)


class Aside(NamedTuple):
    """An exploration, which is no unit: its moment (position, and the unit before it), what it proved."""

    position: int
    unit: Unit | None
    text: str
    proved: frozenset[Seen]

    def stands(self, history: History) -> bool:
        """Tell whether the moment is on the way of a history."""
        return self.position <= history.position and history.at(self.position) is self.unit


@dataclass(frozen=True, slots=True)
class State:
    """All that a player remembers beside the history.

    ``base`` is what was known when this history began: more than nothing behind a `machine` of the
    learner's, whose way until then is ``earlier``. ``seen`` and ``runs`` are of the unit under way.
    ``forgiven`` are mistakes that were made on purpose, of which nothing is said.
    """

    history: History
    base: Noted = field(default_factory=Noted)
    seen: frozenset[Seen] = frozenset()
    runs: tuple[str, ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()
    answers: tuple[tuple[str, str], ...] = ()
    rungs: tuple[tuple[int, int], ...] = ()
    given: tuple[str, ...] = ()
    told: tuple[int, ...] = ()
    forgiven: frozenset[Seen] = frozenset()
    done: frozenset[str] = frozenset()
    solved: bool = False
    explained: bool = False
    earlier: tuple[str, ...] = ()
    kept: tuple[tuple[int, str], ...] = ()
    aside: tuple[Aside, ...] = ()
    confirmed: bool = False
    shown: bool = False


def at(history: History, base: Noted) -> Noted:
    """Return what is known where a history stands, which began with ``base``."""
    at = history.position - history.first
    noted: Any = history.units[at - 1].noted if at else None
    return noted if isinstance(noted, Noted) else base


def way(state: State) -> Iterator[str]:
    """Yield the units of a history that are done, and between them what else belongs to the way."""
    history = state.history
    asides = [(each.position, each.text) for each in state.aside if each.stands(history)]
    left = sorted([*state.kept, *asides], key=itemgetter(0))
    for number, unit in enumerate(history.units[: history.position - history.first], history.first):
        while left and left[0][0] <= number:
            yield left.pop(0)[1]
        yield unit.text
    for _number, text in left:
        yield text


def answering(goal: str, word: str) -> str:
    """Return the command that answers what a goal asks."""
    return f"lab answer {goal} {word}"


def by(command: Command) -> str:
    """Return the context that makes a call."""
    context = command.spec.context
    if context == "guest":
        return f"vcpu{command.args.get('vcpu', 0)}"
    return str(command.args["name"]) if context == "device" else "user"
