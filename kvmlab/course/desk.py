"""What the verbs of the course do: labs are begun, asked about and left, in any front end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Refused
from kvmlab.course.beginning import begin, setting_up, withdraw
from kvmlab.course.lab import Goal, Head, Lab
from kvmlab.course.memory import answering
from kvmlab.course.player import Player
from kvmlab.course.shelf import Missing, Shelf, own_folder, stamp
from kvmlab.course.standing import Score, cost_of
from kvmlab.course.store import Entry, Store, progress_file, state
from kvmlab.language.errors import LanguageError, nearest
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.course import Listed, goal_rows, lab_rows, shelf_rows
from kvmlab.render.prose import prose_rows
from kvmlab.result import Handler, Result, Sliced

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.session import Session


def shelf() -> Shelf:
    """The labs there are, read anew when a file has changed."""
    own = own_folder()
    return _shelf(own, stamp(own))


def store() -> Store:
    """What the learner has achieved."""
    return _store(progress_file())


@lru_cache(maxsize=1)
def _shelf(own: Path, _stamp: object) -> Shelf:
    return Shelf(own)


_store = cache(Store)


def playing(session: Session) -> Player | None:
    """Return the lab that is open in a session, None for none."""
    return session.watcher if isinstance(session.watcher, Player) else None


def opened(session: Session) -> Player:
    """Return the lab that is open; raises Refused with the remedy where none is."""
    player = playing(session)
    if player is None:
        raise Refused("no lab is open: 'lab list' shows them, 'lab start ID' begins one")
    return player


# -- beginning and leaving -------------------------------------------------------------------------


def _begun(session: Session, command: Command, lab: Lab) -> Sliced[tuple[Player | None, Result]]:
    """Begin a lab in slices; its machine and history are given up. None for one that was stopped."""
    before = playing(session)
    results = yield from setting_up(session, lab.start, lab.file)
    if results[-1].stopped:
        ran = tuple(result.command for result in results)
        return None, Result(command, why=f"stopped: {lab.id} is not begun", stopped=ran)
    player = begin(session, lab, shelf().position(lab.id), store())
    if before is not None and before.lab.id == lab.id:
        player.carry(before)
    why = store().began(lab.id)
    return player, Result(command, output=(line(Cell(why, "warning")),) if why else ())


def _opening(session: Session, command: Command, lab: Lab) -> Sliced[Result]:
    """Begin a lab, and show it."""
    player, result = yield from _begun(session, command, lab)
    return result if player is None else replace(result, output=(*_shown(player), *result.output))


def _start(session: Session, command: Command) -> Result | Sliced[Result]:
    return _with_lab(command, command.args["lab"], lambda lab: _opening(session, command, lab))


def _with_lab(
    command: Command, name: str, act: Callable[[Lab], Result | Sliced[Result]]
) -> Result | Sliced[Result]:
    """Act with the lab of a name; of one that is broken its faults are told.

    Raises LanguageError where there is none.
    """
    try:
        lab = shelf().lab(name)
    except Missing as missing:
        if not missing.faults:
            raise LanguageError(str(missing), column=command.column) from None
        rows = [line(Cell(str(each), "error")) for each in (missing, *missing.faults)]
        return Result(command, output=tuple(rows))
    return act(lab)


def _resume(session: Session, command: Command) -> Result | Sliced[Result]:
    def resumed(lab: Lab) -> Result:
        begin(session, lab, shelf().position(lab.id), store())
        return Result(command, output=(line("in the lab ", Cell(lab.id, "header"), f": {lab.head.title}"),))

    return _with_lab(command, command.args["lab"], resumed)


def _neighbour(which: str) -> Handler:
    def handle(session: Session, command: Command) -> Result | Sliced[Result]:
        player = opened(session)
        name = getattr(player.position, which)
        if not name:
            return Result(command, why=f"no lab is {'behind' if which == 'next' else 'before'} this one")
        return _with_lab(command, name, lambda lab: _opening(session, command, lab))

    return handle


def _leave(session: Session, command: Command) -> Result:
    player = opened(session)
    session.watcher = None
    withdraw(session.scope)
    return Result(command, output=(f"left {player.lab.id}; the machine stays as it is",))


def _reset(session: Session, command: Command) -> Sliced[Result]:
    lab = opened(session).lab
    player, result = yield from _begun(session, command, lab)
    said = () if player is None else (f"at the start of {lab.id}",)
    return replace(result, output=(*said, *result.output))


# -- asking ----------------------------------------------------------------------------------------


def _shown(player: Player) -> list[Row]:
    standing = player.standing()
    at, titles = standing.position, shelf().titles()
    where = f"{standing.chapter}, {at.number} of {at.of}; {standing.minutes} min"
    rows = lab_rows(standing.title, where, standing.prose, standing.goals, standing.hints, titles)
    if standing.solution:
        rows += [line(), *prose_rows(standing.solution, titles=titles)]
    return rows


def _show(session: Session, command: Command) -> Result:
    return Result(command, output=tuple(_shown(opened(session))))


def _list(session: Session, command: Command) -> Result:
    last = line("'lab start ID' begins one, 'lab' shows it again, 'hint' and 'check' help")
    return Result(command, output=(*list_rows(), last))


def _listed(head: Head, entry: Entry) -> Listed:
    best = entry.get("best")
    cost = cost_of(Score(**best)) if best else ""
    return Listed(head.id, head.title, state(head, entry), head.minutes, cost)


def list_rows() -> list[Row]:
    """Return the labs there are by chapter, what is wrong with those that cannot be played, and notices."""
    kept = store().labs()
    chapters = [
        (number, title, [_listed(head, kept.get(head.id, {})) for head in heads])
        for number, title, heads in shelf().chapters()
    ]
    rows = shelf_rows(chapters)
    for each in shelf().all:
        rows += [line(Cell(str(fault), "error")) for fault in each.faults]
    return rows + [line(Cell(notice, "warning")) for notice in store().notices]


def _goal(player: Player, name: str, command: Command) -> Goal:
    goal = player.lab.goal(name)
    if goal is None:
        known = [each.id for each in player.lab.goals]
        raise LanguageError(
            f"no goal is called '{name}'", column=command.column, nearest=nearest(name, known),
            expected=", ".join(known),
        )  # fmt: skip
    return goal


def _answer(session: Session, command: Command) -> Result:
    player = opened(session)
    said, taken = player.answer(_goal(player, command.args["goal"], command), command.args["word"])
    return Result(command, output=(said,) if said else ()) if taken else Result(command, why=said)


def _hint(session: Session, command: Command) -> Result:
    player = opened(session)
    wanted = command.args.get("goal")
    said = player.hint(_goal(player, wanted, command) if wanted else None)
    return Result(command, output=(said,)) if said else Result(command, why="there is no hint for this state")


def _check(session: Session, command: Command) -> Result:
    return Result(command, output=tuple(goal_rows(opened(session).standing().goals)))


def _solution(session: Session, command: Command) -> Result:
    text = opened(session).solution(sure=command.args["yes"])
    if not text:
        return Result(command, why="there are goals left; 'lab solution' once more shows it all the same")
    return Result(command, output=tuple(prose_rows(text, titles=shelf().titles())))


def said_again(session: Session, command: Command) -> list[str]:
    """Return the commands that a journal keeps for one that begins a lab: what makes its start, then the lab.

    Behind it stands what of the same lab stays answered. They are asked for before the command is
    performed; [] for a command that begins none.
    """
    player = playing(session)
    try:
        if command.verb == "lab start":
            lab = shelf().lab(command.args["lab"])
        elif player is not None and command.verb in _FROM:
            lab = _FROM[command.verb](player)
        else:
            return []
    except Missing:
        return []
    known = shelf().heads.get(lab.id)
    named = lab.id if known and known.file == lab.file else f'"{Path(lab.file).resolve()}"'
    texts = [text for text in lab.start.script.split("\n") if text.strip()]
    right = player.right() if player is not None and player.lab.id == lab.id else ()
    answers = [answering(*each) for each in right]
    return [lab.start.machine(), *texts, f"lab resume {named}", *answers]


_FROM: dict[str, Callable[[Player], Lab]] = {
    "reset": lambda player: player.lab,
    "lab next": lambda player: shelf().lab(player.position.next),
    "lab previous": lambda player: shelf().lab(player.position.previous),
}
"""Commands that begin a lab from where one is open, and which."""


STUDYING: dict[str, Handler] = {
    "lab": _show,
    "lab list": _list,
    "lab start": _start,
    "lab resume": _resume,
    "lab answer": _answer,
    "lab next": _neighbour("next"),
    "lab previous": _neighbour("previous"),
    "lab solution": _solution,
    "lab leave": _leave,
    "hint": _hint,
    "check": _check,
    "reset": _reset,
}
"""Verb → handler."""
