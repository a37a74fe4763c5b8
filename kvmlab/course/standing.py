"""Where a lab stands, as a value: what a pane, a prompt and a report show of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

OPEN, REACHED, BROKEN = "open", "reached", "broken"
"""States of a goal; a broken one is reached only behind an undo, or a reset."""


class Position(NamedTuple):
    """Where a lab stands: the n-th of how many of its chapter, and its neighbours, "" for none."""

    number: int = 1
    of: int = 1
    previous: str = ""
    next: str = ""


NOWHERE = Position()
"""Where a lab stands that is on no shelf."""


class Score(NamedTuple):
    """What the way to the goals has cost: switches between contexts, then steps; undo costs nothing."""

    switches: int
    steps: int


def cost_of(score: Score) -> str:
    """Return a score in words."""
    steps, switches = score.steps, score.switches
    return f"{steps} step{'s' * (steps != 1)}, {switches} switch{'es' * (switches != 1)}"


class GoalStanding(NamedTuple):
    """One goal now. ``light`` tells whether what it asks is so at this moment (None: that is no question).

    ``why`` says in terms of the state why it is open or broken; "" for one that is reached.
    """

    id: str
    kind: str
    say: str
    state: str
    light: bool | None
    why: str


class Standing(NamedTuple):
    """A lab now. ``prose`` is Markdown; ``solution`` is "" until it was asked for.

    ``hints`` are the rungs that were given, ``mistakes`` what was said of wrong turns, each in order.
    ``solved`` stays True while the machine is played with.
    """

    id: str
    title: str
    chapter: str
    position: Position
    prose: str
    solution: str
    goals: tuple[GoalStanding, ...]
    hints: tuple[str, ...]
    mistakes: tuple[str, ...]
    panes: tuple[str, ...]
    minutes: int
    source: tuple[str, ...]
    score: Score
    solved: bool

    @property
    def reached(self) -> int:
        """How many goals are reached."""
        return sum(goal.state == REACHED for goal in self.goals)


class Keeper(Protocol):
    """Who keeps what has been achieved; each method returns a sentence where it cannot, else ""."""

    def reached(self, lab: str, goal: str) -> str:
        """Keep that a goal was reached."""

    def hinted(self, lab: str, hint: str, rung: int) -> str:
        """Keep the highest rung of a hint that was given."""

    def solved(self, lab: str, score: Score, schedule: tuple[str, ...]) -> str:
        """Keep a way to every goal of a lab."""
