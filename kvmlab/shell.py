"""Execute and print: what every front end that takes lines has in common.

A :class:`Shell` takes one line at a time and shows what came of it. Wrong text is shown as a
sentence, and the next line follows; so does an interrupt where a person types, and the command
that it hit has done nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from kvmlab.journal import UNRECORDED, Journal
from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.place import Place, slices, uninterrupted
from kvmlab.progress import Teller, watched
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.result import error_rows, result_rows
from kvmlab.scripts import sourced

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.result import Result, Sliced
    from kvmlab.session import Session

HELD, FAILED, WRONG = 0, 1, 2
"""Exit status: every expectation held; one did not; a line was wrong text."""

BEGINNING = frozenset({"lab start", "lab next", "lab previous", "reset"})
"""Commands that begin a lab; `reset` only where one is open."""

ALARMS = frozenset({"error", "warning"})
"""Styles of the rows that tell what is wrong."""

Show = Callable[[list[Row]], None]


class Shell:
    """A session, where its output goes, and its journal. ``status`` is the worst that happened.

    Where nobody types, an interrupt is raised to the caller as KeyboardInterrupt. What the commands
    ``elsewhere`` print is shown elsewhere: their first line is shown, and what is wrong.
    """

    def __init__(
        self,
        session: Session,
        show: Show,
        journal: Journal | None = None,
        *,
        typed: bool = True,
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self.session = session
        self.status = HELD
        self._teller = Teller()
        self._shown = show
        self._number = 0
        self._journal = journal
        self._typed = typed
        self._elsewhere = elsewhere
        if journal is not None and journal.head:
            journal.head = f"machine kernel={session.scope.kernel} api={session.scope.api}"

    def run_line(self, text: str) -> bool:
        """Run the commands of one line and show what came of each; False when the session ends."""
        return watched(self.slices(text), self._teller)

    def _show(self, rows: list[Row]) -> None:
        self._teller.clear()
        self._shown(rows)

    def slices(self, text: str) -> Sliced[bool]:
        """Run them in slices; where one is stopped, those behind it are not run."""
        self._number += 1
        try:
            commands = parse_line(text, self.session.scope, self._number)
            for number, command in enumerate(commands, 1):
                result = yield from self._execute(command)
                if result.ends:
                    return False
                if result.stopped:
                    rest = "; ".join(each.text for each in commands[number:])
                    self._show([line(Cell(f"not run: {rest}", "warning"))] if rest else [])
                    break
        except LanguageError as error:
            self.status = WRONG
            if not error.source:  # what is found while a command runs is told of its line
                error.line, error.source = self._number, text
            self._show(error_rows(self._placed(error), error.caret()))
        except KeyboardInterrupt:
            if not self._typed:
                raise
            self._show([line(Cell("interrupted: what had not finished is taken back", "warning"))])
        return True

    def _placed(self, error: LanguageError) -> str:
        """Return what is wrong and where: of a line that was typed nobody knows the number."""
        return f"column {error.column}: {error.sentence()}" if self._typed and not error.file else str(error)

    def _execute(self, command: Command) -> Sliced[Result]:
        result = yield from self._revocably(command) if self._typed else self._recorded(command)
        if result.held is False:
            self.status = max(self.status, FAILED)
        if command.verb in self._elsewhere:
            result = replace(result, output=_brief(result.output))
        self._show(result_rows(result))
        return result

    def _revocably(self, command: Command) -> Sliced[Result]:
        """Execute a command; if it is interrupted, take it back whole and raise KeyboardInterrupt."""
        place, written = Place(self.session), self._journal.place() if self._journal else None
        try:
            return (yield from self._recorded(command))
        except KeyboardInterrupt:
            with uninterrupted():
                whole = place.restore()
                if whole and self._journal is not None and written is not None:
                    self._journal.return_to(written)
            if not whole:
                self._show([line(Cell("only the newest units of it could be taken back", "warning"))])
            raise

    def _recorded(self, command: Command) -> Sliced[Result]:
        """Execute a command that is in the journal before it runs, and then as far as it was run."""
        if self._journal is None:
            return (yield from slices(self.session, command))
        written = self._journal.place()
        self._record(self._journal, command)
        result = yield from slices(self.session, command)
        if result.stopped:
            self._journal.return_to(written)
            self._record(self._journal, *result.stopped)
        return result

    def _record(self, journal: Journal, *commands: Command) -> None:
        for said in [each for command in commands for each in self._said(command)]:
            journal.add(said)

    def _said(self, command: Command) -> list[str]:
        """Return what to record of a command: of ``source``, what its file says at this moment.

        Of a command that begins a lab it is what makes the lab's start.
        """
        if command.verb in BEGINNING and (command.spec.interactive_only or self.session.watcher is not None):
            from kvmlab.course.desk import said_again  # only who is in a lab pays for it

            return said_again(self.session, command)
        commands = [command]
        if command.verb == "source":
            with suppress(LanguageError, OSError, ValueError):
                commands = sourced(command, self.session.scope.copy())
        kept = [each for each in commands if not each.spec.interactive_only and each.verb not in UNRECORDED]
        return [each.text for each in kept]


def _brief(output: Sequence[Row]) -> tuple[Row, ...]:
    """Return the first of the rows that a command printed, and those that tell what is wrong."""
    return tuple([row for at, row in enumerate(output) if at == 0 or ALARMS & {c.style for c in row.cells}])
