"""What the screen does with a session: run command text, and see before and after. No widget.

Every action of the screen comes here as the text of a command; what came of it is said as rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvmlab.language.errors import LanguageError
from kvmlab.language.expressions import parse_expression
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.lexer import lex
from kvmlab.shell import Shell
from kvmlab.tui.seen import Seen, see

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.session import Session

MOST_STEPS = 10_000
"""As many commands ``run_until`` runs before it gives up."""


class Driver:
    """A session with what was seen ``before`` the last command, and what is seen ``now``.

    ``said`` is the text of every command that was run, oldest first; ``over`` is True after `quit`.
    """

    def __init__(self, session: Session, show: Callable[[list[Row]], None], journal: Journal | None) -> None:
        self.session = session
        self.shell = Shell(session, show, journal)
        self.said: list[str] = []
        self.over = False
        self.before: Seen | None = None
        self.now = see(session)
        self._show = show
        self._version = session.version

    def run(self, text: str) -> None:
        """Run one line of commands, and say it and what came of it."""
        self._show([line(Cell("> ", "prompt"), *said_cells(text))])
        self.before = self.now
        self.over = not self.shell.run_line(text)
        self.said.append(text)
        self.look()

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
        try:
            expression = parse_expression(text, self.session.scope)
        except LanguageError as error:
            self._show([line(Cell(error.sentence(), "error"))])
            return False
        start = self.now
        for count in range(MOST_STEPS):
            held, _why = self.session.judge(expression)
            if held is True:
                self._show([line(Cell(f"{text}: holds after {count} x {command}", "ok"))])
                self.before = start
                return True
            was = self.now
            self.run(command)
            if self.over or (self.now.snapshot, self.now.position) == (was.snapshot, was.position):
                break
        self._show([line(Cell(f"{text}: does not hold, and {command} changes nothing more", "warning"))])
        self.before = start
        return False


def said_cells(text: str) -> list[Cell]:
    """Return a command as cells in the styles of the language's words."""
    from kvmlab.language.commands import VERBS

    return [Cell(word, style) for style, word in lex(text, VERBS)]
