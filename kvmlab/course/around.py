"""The states round the ways of a lab: how many are of which sort, and which of them lead to no end.

The ways are what stands in a lab: its solution, its prose, its wrong turns. From every state on them the
contexts that stand are moved otherwise. In each state that comes of it is asked whether all that is left
can be reached: by the rest of that way, by the solution from one of its lines on, or by the lab's own
hints. Where nothing of this leads on, and no mistake is told, a learner is stuck and does not know.

A state that is found fine is fine. One that is a dead end may have a way out that nothing in the lab
speaks of; then a hint or a mistake should. Questions are taken as answered, since the program itself says
when it is too late for them, and a search as one that finds what its goal asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Answer, Refused
from kvmlab.course.goals import Searched, shortfall
from kvmlab.course.hints import fitting, helps
from kvmlab.course.lab import PREDICT, PROOF, Fence, Goal
from kvmlab.course.memory import KEPT, Seen
from kvmlab.course.player import Player
from kvmlab.course.texts import learn, parse_fence
from kvmlab.explore.verdict import EXHAUSTED
from kvmlab.facts import lookup
from kvmlab.language.errors import LanguageError
from kvmlab.place import Place
from kvmlab.snapshot import Snapshot

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.result import Result
    from kvmlab.session import Session

STATES = 200
"""As many states of a lab are looked at; what would come behind them is taken as fine."""

ASTRAY = 3
"""As many times in a row contexts are moved otherwise, the first time also by a single op."""

HINTS = 8
"""As many hints are followed one after the other."""

BACK = frozenset({"reset"})
"""Verbs of a hint's last rung that lead on from wherever one stands."""

Key = tuple[Snapshot, frozenset[Seen]]
"""What two states have in common that are the same to a learner."""

Way = tuple["Command", ...]


@dataclass(slots=True)
class Around:
    """How many states there are; in how many each goal is reached, and each hint is for an open goal.

    ``ends`` are the ways to those from which nothing leads on, each with the goals that are left there.
    """

    states: int = 0
    goals: dict[str, int] = field(default_factory=dict)
    hints: list[int] = field(default_factory=list)
    ends: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    @property
    def nearest(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The dead end with the shortest way, and with what is left there."""
        return min(self.ends, key=lambda end: len(end[0]))


def around(player: Player) -> Around:
    """Return what lies round the ways of a lab that stands at its start. Its session is used up.

    Raises LanguageError where a text of the lab cannot be parsed.
    """
    return _Walk(player).all()


class _Walk:
    """One walk: what is known of each state, and with how much depth left that was found."""

    def __init__(self, player: Player) -> None:
        self._player, self._session, self._lab = player, player.session, player.lab
        right = [(goal.id, goal.answer) for goal in self._lab.goals if goal.kind == PREDICT]
        player.state = replace(player.state, answers=tuple(right))
        own = {"explore": _explored, "replay": _replayed}
        self._session.handlers = {**self._session.handlers, **own}
        self._found = Around(0, dict.fromkeys([goal.id for goal in self._lab.goals], 0))
        self._found.hints = [0] * len(self._lab.hints)
        self._known: dict[Key, tuple[bool, int]] = {}
        self._ends: dict[Key, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._solution = self._parsed([self._lab.solution])

    def all(self) -> Around:
        """Go every way, and astray from each of its states."""
        fences = self._lab.fences
        prose = [each for each in fences if each.role == ""]
        wrong = [[each] for each in fences if each.role == "wrong"]
        for way in [self._solution, *map(self._parsed, [prose, *wrong])]:
            self._go(way)
        self._found.ends = list(self._ends.values())
        return self._found

    def _parsed(self, fences: Sequence[Fence]) -> Way:
        scope = self._session.scope.copy()
        parsed = [parse_fence(each.text, each.line, self._lab.file, scope) for each in fences]
        learn(self._session.scope, scope)
        return tuple(command for commands in parsed for command in commands)

    def _go(self, way: Way) -> None:
        """Go a way to its end, then look at its states from the last one back to the start."""
        places = [Place(self._session)]
        for command in way:
            self._do(command)
            places.append(Place(self._session))
        fine = False
        for at in reversed(range(len(places))):
            places[at].restore()
            fine = self._look(way[:at], ASTRAY, fine)

    def _look(self, way: Way, depth: int, fine: bool) -> bool:
        """Tell whether what is left can be reached from the state that a way has led to, by now as known."""
        key = self._key()
        before = self._known.get(key)
        if before is None:
            if self._found.states >= STATES:
                return True
            self._count()
        elif before[0] or (before[1] >= depth and not fine):
            return before[0]
        fine = fine or self._excused()
        if not self._excused():
            for command in self._otherwise(depth):
                place = Place(self._session)
                self._do(command)
                fine = self._look((*way, command), depth - 1, fine=False) or fine
                place.restore()
        fine = fine or self._solved() or self._helped()
        self._known[key] = fine, depth
        self._ends.pop(key, None)
        if not fine:
            left = tuple(goal.id for goal in self._left())
            self._ends[key] = tuple(each.text for each in way if each.spec.unit), left
        return fine

    def _key(self) -> Key:
        return self._session.snapshot(), self._player.seen

    def _count(self) -> None:
        """Count a state that is new."""
        read, left = lookup(self._session.snapshot()), [goal.id for goal in self._left()]
        self._found.states += 1
        for goal in self._lab.goals:
            self._found.goals[goal.id] += goal.id not in left
        left += [goal.id for goal in self._lab.goals if goal.kind == PREDICT]
        for at, hint in enumerate(self._lab.hints):
            self._found.hints[at] += hint.goal in ("", *left) and helps(hint, read)

    def _left(self) -> list[Goal]:
        done = self._player.done()
        return [goal for goal in self._lab.goals if goal.id not in done]

    def _excused(self) -> bool:
        """Tell whether nothing is left, or a mistake was told."""
        return not self._left() or any(isinstance(each, int) for each in self._player.seen)

    def _otherwise(self, depth: int) -> Iterator[Command]:
        """Yield how the contexts that stand can be moved."""
        standing = [each.name for each in self._session.snapshot().contexts or () if each.state != "idle"]
        for verb in ("finish", "step") if depth == ASTRAY else ("finish",) if depth else ():
            for name in standing:
                yield from parse_fence(f"{verb} {name}", 1, "", self._session.scope)

    def _do(self, command: Command) -> None:
        # What cannot be done here is done by nobody.
        with suppress(LanguageError):
            self._session.execute(command)

    def _solved(self) -> bool:
        """Tell whether the solution reaches what is left, from one of its lines on."""
        return any(self._leads_on(self._solution[at:]) for at in range(len(self._solution)))

    def _leads_on(self, way: Way) -> bool:
        place, start = Place(self._session), self._key()
        try:
            for at, command in enumerate(way):
                self._do(command)
                key = self._key()
                if at == 0 and key == start and command.verb not in KEPT:
                    return False  # It does the same without this command, which is tried by itself.
                if not self._left() or self._known.get(key, (False, 0))[0] or command.verb == "replay":
                    return True
        finally:
            place.restore()
        return False

    def _helped(self) -> bool:
        """Tell whether the last rungs of the lab's hints, one after the other, reach what is left."""
        place = Place(self._session)
        try:
            return any(self._followed() for _ in range(HINTS))
        except _NoHint:
            return False
        finally:
            place.restore()

    def _followed(self) -> bool:
        """Do what the hints for the first open goal say; tell whether that led to an end or a mistake."""
        goal = self._left()[0]
        back = self._player.back(goal)
        for rung in [back] if back else self._rungs(goal):
            was = self._key()
            with suppress(LanguageError):
                for command in parse_fence(rung, 1, "", self._session.scope.copy()):
                    if command.verb in BACK:
                        return True
                    self._do(command)
            if self._excused() or (back and self._solved()):
                return True
            if self._key() != was:
                return False
        raise _NoHint

    def _rungs(self, goal: Goal) -> list[str]:
        read = lookup(self._session.snapshot())
        return [self._lab.hints[at].rungs[-1] for at in fitting(self._lab, goal.id, read, {})]


class _NoHint(Exception):
    """Raised where no hint changes anything."""


def _explored(session: Session, command: Command) -> Result:
    """Take a search to find what each goal asks for that has its machine, its start and its property."""
    player = session.watcher
    assert isinstance(player, Player)
    if any(each.state != "idle" for each in session.snapshot().contexts or ()):
        proofs = [goal for goal in player.lab.goals if goal.kind == PROOF]
        proved = [goal.id for goal in proofs if not shortfall(goal, _asked(goal), session)]
        player.proved(frozenset(proved), command.text)
    return session.answered(command, Answer(0))


def _asked(goal: Goal) -> Searched:
    kinds = {goal.violation or "never"} if goal.verdict == "violated" else set()
    return Searched(frozenset(kinds), EXHAUSTED, "op", 1)


def _replayed(_session: Session, _command: Command) -> Result:
    raise Refused("only a search could tell what is played here")
