"""A lab put on trial: its texts are played as a learner would type them, and what came of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from kvmlab.course.beginning import begin, set_up
from kvmlab.course.fault import Fault, of_text
from kvmlab.course.hints import helps
from kvmlab.course.lab import Fence, Lab, Start
from kvmlab.course.memory import Seen
from kvmlab.course.player import Player
from kvmlab.course.standing import NOWHERE, Keeper, Position
from kvmlab.course.texts import parse_fence
from kvmlab.language.command import Command
from kvmlab.language.errors import LanguageError
from kvmlab.result import Result
from kvmlab.session import Session

if TYPE_CHECKING:
    from kvmlab.language.truth import Lookup

Make = Callable[[], Session]
"""Makes a fresh session that knows every verb."""


class Judged(Player):
    """A player that also remembers which hints could have been shown while their goals were open.

    ``showable`` are their numbers.
    """

    def __init__(
        self, session: Session, lab: Lab, position: Position = NOWHERE, keeper: Keeper | None = None
    ) -> None:
        super().__init__(session, lab, position, keeper)
        self.showable: set[int] = set()
        self._looked(self._read())

    def _looked(self, read: Lookup) -> set[Seen]:
        reached = self.seen | self.state.seen
        for number, hint in enumerate(self.lab.hints):
            if hint.goal not in reached and helps(hint, read):
                self.showable.add(number)
        return super()._looked(read)


@dataclass(slots=True)
class Run:
    """What became of a text: the goals that were done behind each command, and what went wrong."""

    done: list[tuple[Command, frozenset[str]]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class Trial:
    """One lab on trial; each of its texts is played once, in a session of its own."""

    def __init__(self, lab: Lab, make: Make) -> None:
        self.lab, self._make = lab, make

    def begun(self) -> tuple[Judged | None, list[Fault]]:
        """Return a player at the lab's start, None where that cannot be reached, and what went wrong."""
        session = self._make()
        faults = self._set_up(session, self.lab.start, "start.script")
        if session.watcher is None and not faults:
            player = begin(session, self.lab, playing=Judged)
            assert isinstance(player, Judged)
            return player, []
        return None, faults

    def _set_up(self, session: Session, start: Start, key: str) -> list[Fault]:
        try:
            results = set_up(session, start, self.lab.file)
        except LanguageError as error:
            return [of_text(error, self.lab.file, key)]
        return [fault for result in results for fault in self._wrong(result, key)]

    def _wrong(self, result: Result, key: str) -> Iterator[Fault]:
        """Yield what is wrong with what came of a command: an expectation, or that it did not run."""
        command = result.command
        if result.held is not None and result.held is not True:
            word = "it did not hold" if result.held is False else "nobody can see it"
            yield Fault(self.lab.file, command.line, key, f"{command.text}: {word}: {result.why}")
        elif result.ret is None and result.why:
            yield Fault(self.lab.file, command.line, key, f"{command.text}: it did not run: {result.why}")

    def play(self, session: Session, text: str, line: int, key: str) -> Run:
        """Play a text; the goals of the lab are noted behind each command where one is open."""
        run = Run()
        try:
            for command in parse_fence(text, line, self.lab.file, session.scope):
                result = session.execute(command)
                run.faults += self._wrong(result, key)
                player = session.watcher
                run.done.append((command, player.done() if isinstance(player, Player) else frozenset()))
        except LanguageError as error:
            run.faults.append(of_text(error, self.lab.file, key))
        return run

    def fence(self, fence: Fence) -> tuple[Judged | None, Run]:
        """Play one fence from the lab's start."""
        player, faults = self.begun()
        if player is None:
            return None, Run(faults=faults)
        return player, self.play(player.session, fence.text, fence.line, called(fence))

    @cached_property
    def solution(self) -> tuple[Judged | None, Run]:
        """The way to every goal."""
        return self.fence(self.lab.solution)

    @cached_property
    def wrong(self) -> list[tuple[Fence, Judged | None, Run]]:
        """The wrong turns."""
        return [(fence, *self.fence(fence)) for fence in self.lab.fences if fence.role == "wrong"]

    def fresh(self, fence: Fence) -> Run:
        """Play a fence that needs no lab."""
        return self.play(self._make(), fence.text, fence.line, called(fence))

    def stood(self, start: Start, key: str) -> tuple[Session, list[Fault]]:
        """Return a session in which a start has been made, without a lab."""
        session = self._make()
        return session, self._set_up(session, start, key)


def called(fence: Fence) -> str:
    """Return what a fence is called in a fault."""
    return " ".join(filter(None, ("kvm", fence.role, fence.goal)))
