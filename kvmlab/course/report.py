"""What a learner has achieved, for who teaches: the ways that are kept are played again."""

from __future__ import annotations

from typing import Any, NamedTuple

from kvmlab.course.beginning import begin, set_up
from kvmlab.course.junit import Case
from kvmlab.course.lab import Lab
from kvmlab.course.standing import REACHED, GoalStanding, Score
from kvmlab.course.store import Entry
from kvmlab.course.texts import parse_fence
from kvmlab.course.trial import Make
from kvmlab.language.errors import LanguageError

NO_WAY = "no way to every goal is kept: the lab was not done"


class Account(NamedTuple):
    """One lab: its goals at the end of the way that is kept, what that cost, and why it cannot be played."""

    lab: Lab
    goals: tuple[GoalStanding, ...]
    score: Score | None
    hints: dict[str, int]
    attempts: int
    why: str = ""

    @property
    def done(self) -> bool:
        """Whether the way leads to every goal."""
        return all(goal.state == REACHED for goal in self.goals)

    def as_object(self) -> dict[str, Any]:
        """Return the account as plain data."""
        return {
            "lab": self.lab.id,
            "title": self.lab.head.title,
            "done": self.done,
            "goals": [goal._asdict() for goal in self.goals],
            "score": self.score._asdict() if self.score else None,
            "hints": self.hints,
            "attempts": self.attempts,
            "why": self.why,
        }


def account(lab: Lab, entry: Entry, make: Make) -> Account:
    """Play the way that is kept of a lab, and say what it reaches."""
    session = make()
    set_up(session, lab.start, lab.file)
    player = begin(session, lab)
    schedule: list[str] | None = entry.get("schedule")
    why = NO_WAY if schedule is None else ""
    for number, text in enumerate(schedule or (), 1):
        try:
            for command in parse_fence(text, 1, "", session.scope):
                session.execute(command)
        except LanguageError as error:
            why = f"command {number} of the way, '{text}', cannot be run: {error.sentence()}"
            break
    standing = player.standing()
    goals = tuple(
        goal._replace(why=why or goal.why) if goal.state != REACHED else goal for goal in standing.goals
    )
    score = standing.score if schedule is not None else None
    return Account(lab, goals, score, entry.get("hints", {}), entry.get("attempts", 0), why)


def cases(of: Account) -> tuple[str, list[Case]]:
    """Return an account as a suite: a case a goal, and why one is open as its failure."""
    made = [
        Case(goal.id) if goal.state == REACHED else Case(goal.id, goal.say, goal.why) for goal in of.goals
    ]
    return of.lab.id, made
