"""Where a lab begins: its machine and its start script are there, and history is empty.

What made the start is below what undo can reach; `reset` makes it anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kvmlab.course.player import Player
from kvmlab.course.standing import NOWHERE, Keeper, Position
from kvmlab.course.texts import parse_fence
from kvmlab.history import History
from kvmlab.language.parse import parse_line
from kvmlab.result import drained
from kvmlab.session import NO_RESULT

if TYPE_CHECKING:
    from kvmlab.course.lab import Lab, Start
    from kvmlab.language.scope import Scope
    from kvmlab.result import Result, Sliced
    from kvmlab.session import Session


def set_up(session: Session, start: Start, file: str) -> list[Result]:
    """Make a start's machine in a session and run its script; return what came of its commands.

    Raises LanguageError where the script is no text that can be run.
    """
    return drained(setting_up(session, start, file))


def setting_up(session: Session, start: Start, file: str) -> Sliced[list[Result]]:
    """Do so in slices; where it is stopped the last result says so."""
    session.watcher = None
    results = [session.execute(command) for command in parse_line(start.machine(), session.scope)]
    for command in parse_fence(start.script, start.line, file, session.scope):
        results.append((yield from session.slices(command)))
        if results[-1].stopped:
            break
    return results


def begin(
    session: Session, lab: Lab, position: Position = NOWHERE, keeper: Keeper | None = None,
    playing: type[Player] = Player,
) -> Player:  # fmt: skip
    """Play a lab on a session that stands at its start: history begins here."""
    session.history = History()
    session.last = NO_RESULT
    session.watcher = player = playing(session, lab, position, keeper)
    withdraw(session.scope)
    session.scope.offers |= {kind: partial(dict, words) for kind, words in _offered(lab).items()}
    return player


def withdraw(scope: Scope) -> None:
    """Offer no more what a lab knows."""
    for kind in [kind for kind in scope.offers if kind.partition(" ")[0] in OFFERED]:
        del scope.offers[kind]


OFFERED = ("goal", "question", "answer")
"""Kinds of words that a lab offers: its goals, those that ask, and behind each of these its answers."""


def _offered(lab: Lab) -> dict[str, dict[str, str]]:
    asking = [goal for goal in lab.goals if goal.answers]
    answers = {f"answer {goal.id}": dict.fromkeys(goal.answers, goal.say) for goal in asking}
    goals = {goal.id: goal.say for goal in lab.goals}
    return {"goal": goals, "question": {goal.id: goal.say for goal in asking}, **answers}
