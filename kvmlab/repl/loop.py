"""Execute and print: what the prompt and the line mode have in common.

A :class:`Shell` takes one line at a time and shows what came of it. It raises nothing: wrong
text, an interrupt and a full disk are shown as sentences, and the next line follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvmlab.language.errors import LanguageError
from kvmlab.language.parse import parse_line
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.result import error_rows, result_rows
from kvmlab.repl.journal import Journal
from kvmlab.settings import state_dir

if TYPE_CHECKING:
    from kvmlab.language.command import Command
    from kvmlab.session import Session

PROMPT = "kvm> "

HELD, FAILED, WRONG = 0, 1, 2
"""Exit status: every expectation held; one did not; a line was wrong text."""

UNRECORDED = frozenset({"quit"})
"""What a journal leaves out: it would end the session that the journal is brought back in."""

Show = Callable[[list[Row]], None]


class Shell:
    """A session, where its output goes, and its journal. ``status`` is the worst that happened."""

    def __init__(self, session: Session, show: Show) -> None:
        self.session = session
        self.show = show
        self.status = HELD
        self._number = 0
        self._journal: Journal | None = None

    def open_journal(self, greet: bool = True) -> None:
        """Begin the journal; ``greet`` offers the newest one of a session that was killed."""
        scope = self.session.scope
        try:
            self._journal = Journal(state_dir() / "journal", f"machine kernel={scope.kernel} api={scope.api}")
        except OSError as error:
            if greet:
                self.warn(f"this session is not journalled: {error}")
            return
        for path in self._journal.lost[-1:] if greet else ():
            offer = Cell("The last session did not end by itself. This brings it back:", "muted")
            self.show([line(offer), line("  ", Cell("source", "word-verb"), f' "{path}"')])

    def run_line(self, text: str) -> bool:
        """Run the commands of one line and show what came of each; False when the session ends."""
        self._number += 1
        try:
            commands = parse_line(text, self.session.scope, self._number)
            return all(self._execute(command) for command in commands)
        except LanguageError as error:
            self.status = WRONG
            self.show(error_rows(str(error), error.caret()))
        except KeyboardInterrupt:
            self.warn("interrupted")
        return True

    def warn(self, sentence: str) -> None:
        """Show a sentence about the program itself."""
        self.show([line(Cell(sentence, "warning"))])

    def close(self) -> None:
        """End the session's journal."""
        if self._journal is not None:
            self._journal.close()

    def _execute(self, command: Command) -> bool:
        if self._journal is not None and not (command.spec.interactive_only or command.verb in UNRECORDED):
            self._journal.add(command.text)
        result = self.session.execute(command)
        if result.held is False:
            self.status = max(self.status, FAILED)
        self.show(result_rows(result))
        return not result.ends
