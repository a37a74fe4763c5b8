"""What the screen does with a session: run command text, and see before and after. No widget.

Every action of the screen comes here as the text of a command; what came of it is said as rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvmlab.backends.backend import Refused
from kvmlab.language.errors import LanguageError
from kvmlab.language.expressions import parse_expression
from kvmlab.language.parse import parse_line
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.lexer import lex
from kvmlab.render.result import result_rows
from kvmlab.result import Result
from kvmlab.shell import Shell
from kvmlab.tui.seen import Seen, see
from kvmlab.tui.storm import Storm

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.language.truth import Expression
    from kvmlab.session import Session

MOST_STEPS = 1_000
"""As many commands ``run_until`` runs before it gives up."""


class Driver:
    """A session with what was seen ``before`` the last command, and what is seen ``now``.

    ``said`` is the text of every command that was run, oldest first; ``over`` is True after `quit`.
    """

    def __init__(self, session: Session, show: Callable[[list[Row]], None], journal: Journal | None) -> None:
        self.session = session
        self.shell = Shell(session, self._say, journal)
        self.said: list[str] = []
        self.over = False
        self.storm: Storm | None = None
        self.before: Seen | None = None
        self.now = see(session)
        self._show = show
        self._rows: list[Row] = []
        self._version = session.version

    def run(self, text: str) -> None:
        """Run one line of commands, and say it and what came of it. A storm only begins here."""
        if self.stormy():
            return
        self.before = self.now
        if not self._begin_storm(text):
            self._run(text)
        self._tell()

    def stormy(self) -> bool:
        """Tell whether a storm is under way, and say so if it is: nothing else may move the machine."""
        if self.storm is not None:
            self._show([line(Cell("a storm is under way: F11 pauses it, ^t stops it", "warning"))])
        return self.storm is not None

    def _begin_storm(self, text: str) -> bool:
        """Begin the storm that a line asks for; False where it asks for anything else."""
        if not text.lstrip().startswith("storm"):
            return False
        try:
            commands = parse_line(text, self.session.scope)
        except LanguageError:
            return False
        if [command.verb for command in commands] != ["storm"]:
            return False
        self._say([line(Cell("> ", "prompt"), *said_cells(text))])
        self.said.append(text)
        self.storm = Storm(self.session, commands[0])
        return True

    def blow(self) -> None:
        """Run a slice of the storm; say what came of it when it is over."""
        if self.storm is not None:
            try:
                self._storm_ended(self.storm.slice())
            except Refused as refused:
                self._storm_ended(Result(self.storm.command, why=str(refused)))

    def stop_storm(self) -> None:
        """End the storm where it is."""
        if self.storm is not None and self.storm.done:
            self._storm_ended(self.storm.stop())
        self.storm = None

    def _storm_ended(self, result: Result | None) -> None:
        if result is not None:
            self.storm = None
            self.session.version += 1
            self.session.note(result.command, result)
            self.shell.record(result.command)
            self._say(result_rows(result, events=False))
            self._tell()

    def _run(self, text: str) -> None:
        self._say([line(Cell("> ", "prompt"), *said_cells(text))])
        self.over = not self.shell.run_line(text)
        self.said.append(text)

    def _say(self, rows: list[Row]) -> None:
        self._rows += rows

    def _tell(self) -> None:
        """Show what was said, at once: a log that is drawn for every line would be the slowest part."""
        self.look()
        self._show(self._rows)
        self._rows = []

    def look(self) -> bool:
        """See anew if the session has changed; tell whether it had."""
        if self.session.version == self._version:
            return False
        self._version = self.session.version
        self.now = see(self.session)
        return True

    def run_until(self, text: str, command: str) -> bool:
        """Run a command again and again until an expression holds; False where it never does.

        It ends, too, when the command changes nothing any more. Wrong text is said as such.
        """
        if self.stormy():
            return False
        try:
            expression = parse_expression(text, self.session.scope)
        except LanguageError as error:
            self._show([line(Cell(error.sentence(), "error"))])
            return False
        self.before = self.now
        held = self._go_on(expression, command)
        word = "holds" if held else "does not hold"
        self._say([line(Cell(f"{text}: {word} after {command}", "ok" if held else "warning"))])
        self._tell()
        return held

    def _go_on(self, expression: Expression, command: str) -> bool:
        """Run a command until an expression holds, or nothing changes, or it has been long enough."""
        session = self.session
        for _ in range(MOST_STEPS):
            if session.judge(expression)[0] is True:
                return True
            was = session.snapshot(), session.history.position
            self._run(command)
            if self.over or (session.snapshot(), session.history.position) == was:
                return False
        return False


def said_cells(text: str) -> list[Cell]:
    """Return a command as cells in the styles of the language's words."""
    from kvmlab.language.commands import VERBS

    return [Cell(word, style) for style, word in lex(text, VERBS)]
