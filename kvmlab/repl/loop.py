"""Execute and print: what the prompt and the line mode have in common.

A :class:`Shell` takes one line at a time and shows what came of it. It raises nothing: wrong text
and an interrupt are shown as sentences, and the next line follows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.language.script import parse_script
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.result import error_rows, result_rows
from kvmlab.repl.journal import UNRECORDED, Journal
from kvmlab.scripts import beside, read_script

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.session import Session

HELD, FAILED, WRONG = 0, 1, 2
"""Exit status: every expectation held; one did not; a line was wrong text."""

Show = Callable[[list[Row]], None]


class Shell:
    """A session, where its output goes, and its journal. ``status`` is the worst that happened."""

    def __init__(self, session: Session, show: Show, journal: Journal | None = None) -> None:
        self.session = session
        self.status = HELD
        self._show = show
        self._number = 0
        self._journal = journal
        if journal is not None:
            journal.head = f"machine kernel={session.scope.kernel} api={session.scope.api}"

    def run_line(self, text: str) -> bool:
        """Run the commands of one line and show what came of each; False when the session ends."""
        self._number += 1
        try:
            commands = parse_line(text, self.session.scope, self._number)
            return all(self._execute(command) for command in commands)
        except LanguageError as error:
            self.status = WRONG
            self._show(error_rows(str(error), error.caret()))
        except KeyboardInterrupt:
            self._show([line(Cell("interrupted: what had not finished is taken back", "warning"))])
        return True

    def _execute(self, command: Command) -> bool:
        if self._journal is not None:
            for said in self._said(command):
                self._journal.add(said.text)
        result = self.session.execute(command)
        if result.held is False:
            self.status = max(self.status, FAILED)
        self._show(result_rows(result))
        return not result.ends

    def _said(self, command: Command) -> list[Command]:
        """Return what to record of a command: of ``source``, what its file says at this moment."""
        commands = [command]
        if command.verb == "source":
            path = command.args["file"]
            with suppress(LanguageError, OSError, ValueError):
                commands = parse_script(read_script(path), path, self.session.scope.copy(), beside)
        return [each for each in commands if not each.spec.interactive_only and each.verb not in UNRECORDED]
