"""How a lab and the shelf of labs are shown: goals with their state, hints, and the way through a chapter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from kvmlab.render.cells import Cell, Part, Row, line, table
from kvmlab.render.prose import prose_rows

STATES = {"open": ("○", "muted"), "reached": ("●", "ok"), "broken": ("✗", "error")}
"""The mark and the style of each state of a goal."""


class Goal(Protocol):
    """What is read of a goal."""

    @property
    def id(self) -> str:
        """Its ID."""

    @property
    def kind(self) -> str:
        """What it is: one that is a "predict" asks for an answer."""

    @property
    def say(self) -> str:
        """What it asks."""

    @property
    def state(self) -> str:
        """One of STATES."""

    @property
    def light(self) -> bool | None:
        """Whether what it asks is so now."""

    @property
    def why(self) -> str:
        """Why it is open."""


def goal_rows(goals: Iterable[Goal], *, why: bool = True) -> list[Row]:
    """Return each goal in one line, and below one that is open why it is.

    Without ``why`` only what asks for an answer says how it is given.
    """
    rows = []
    for goal in goals:
        mark, style = STATES[goal.state]
        now = (
            [Cell("  (so once, and not now)", "muted")]
            if goal.state == "reached" and goal.light is False
            else []
        )
        rows.append(line(Cell(f"{mark} ", style), Cell(f"{goal.id}: ", "word-key"), goal.say, *now))
        if goal.why and (why or goal.kind == "predict"):
            rows.append(line("    ", Cell(goal.why, "warning")))
    return rows


def lab_rows(
    title: str,
    where: str,
    prose: str,
    goals: Iterable[Goal],
    hints: Sequence[str],
    titles: Mapping[str, str],
) -> list[Row]:
    """Return a lab as it is read: its title, its text, its goals and the hints that were given.

    ``titles`` are those of the labs that it may lead to, by their IDs.
    """
    text = prose_rows(prose, titles=titles)
    rows = [line(Cell(title, "header"), Cell(f"  {where}", "muted")), line(), *text, line()]
    rows += [line(Cell("Goals", "header")), *goal_rows(goals, why=False)]
    if hints:
        rows += [line(), line(Cell("Hints so far", "header")), *[line("• ", hint) for hint in hints]]
    return rows


class Listed(NamedTuple):
    """One lab in a list: its state is "new", "open" or "done", ``cost`` its best score in words."""

    id: str
    title: str
    state: str
    minutes: int
    cost: str = ""


MARKS = {"new": ("○", "muted"), "open": ("◐", "warning"), "done": ("●", "ok")}


def shelf_rows(chapters: Iterable[tuple[int, str, Sequence[Listed]]]) -> list[Row]:
    """Return the labs by chapter, each with how far it is and how long it takes."""
    rows: list[Row] = []
    for number, title, labs in chapters:
        done = sum(lab.state == "done" for lab in labs)
        rows.append(line(Cell(f"{number}. {title}", "header"), Cell(f"  {done} of {len(labs)}", "muted")))
        body: list[list[Part]] = []
        for lab in labs:
            mark, style = MARKS[lab.state]
            body.append(
                [Cell(f"{mark} {lab.id}", style), f"{lab.minutes} min", Cell(lab.cost, "muted"), lab.title]
            )
        rows += table(("lab", "time", "best", "what it shows"), body)[1:]
    return rows
