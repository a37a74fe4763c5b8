"""How the lab that is open is drawn: its text, whose commands can be run, and its goals as they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.course import STATES
from kvmlab.render.course import Goal as _Goal
from kvmlab.render.prose import OPENS, prose_rows

MARK = "▸ "
"""Before every line that is a command, which can be run where it stands."""

LIGHTS = {True: ("■ ", "ok"), False: ("□ ", "muted"), None: ("  ", "")}
"""Whether what a goal asks is so at this moment; None where that is no question."""

LEGEND = "○ open ● reached ✗ broken ■ so now □ not now"
"""What the signs before a goal say; the pane of the goals has it in its border."""


class Lesson(Protocol):
    """What is read of how a lab stands."""

    @property
    def goals(self) -> Sequence[_Goal]:
        """Its goals."""

    @property
    def hints(self) -> Sequence[str]:
        """The hints that were given."""

    @property
    def mistakes(self) -> Sequence[str]:
        """What was said of wrong turns."""

    @property
    def solved(self) -> bool:
        """Whether all goals were reached once."""


def lesson_rows(
    where: str,
    prose: str,
    solution: str,
    needs: Sequence[str],
    links: Sequence[tuple[str, str]],
    source: Sequence[str],
    width: int,
    titles: Mapping[str, str],
) -> list[Row]:
    """Return the text of a lab: where it stands, its prose, its solution unless that is "", where it is from.

    ``needs`` are the labs it builds on and ``links``, each a scheme and a target, what it leads to: they can
    be opened. ``titles`` are those of all labs, by their IDs.
    """
    rows = [line(Cell(where, "muted")), line(), *prose_rows(prose, width, MARK, titles)]
    if solution:
        rows += [line(), *prose_rows(solution, width, MARK, titles)]
    before = [("lab", name) for name in needs]
    beside = [each for each in dict.fromkeys(links) if each not in before]
    for head, ways in (("It builds on", before), ("It leads to", beside)):
        rows += [line(), line(Cell(head, "header"))] if ways else []
        for scheme, name in ways:
            rows += [line("  ", titles.get(name, name)), command_row(f"{OPENS[scheme]} {name}")]
    if source:
        rows += [
            line(),
            line(Cell("Source", "header")),
            *[line("  ", Cell(each, "muted")) for each in source],
        ]
    return rows


def standing_rows(lesson: Lesson, choices: Mapping[str, Sequence[str]]) -> list[Row]:
    """Return the goals as they stand, each with why it is open, then the hints and wrong turns so far.

    ``choices`` are the commands to choose from, by the goals that ask.
    """
    rows: list[Row] = []
    for goal in lesson.goals:
        mark, style = STATES[goal.state]
        rows.append(line(Cell(f"{mark} ", style), _light(goal), Cell(f"{goal.id}: ", "word-key"), goal.say))
        offered = choices.get(goal.id, ())
        if goal.why and len(offered) < 2:
            rows.append(line("    ", Cell(goal.why, "warning")))
        rows += [command_row(text) for text in offered]
    rows += _told("Hints so far", lesson.hints, "")
    rows += _told("Wrong turns so far", lesson.mistakes, "warning")
    if lesson.solved:
        rows += [line(), line(Cell("The lab is done. The machine stays, to be played with.", "ok"))]
    return rows


def command_row(text: str) -> Row:
    """Return a command that can be run where it stands."""
    return line("  ", Cell(MARK, "cue"), Cell(text, "word-verb"))


def _light(goal: _Goal) -> Cell:
    return Cell(*LIGHTS[goal.light])


def _told(title: str, said: Sequence[str], style: str) -> Iterator[Row]:
    if said:
        yield line()
        yield line(Cell(title, "header"))
        for each in said:
            yield line("• ", Cell(each, style))
