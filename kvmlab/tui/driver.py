"""What the screen does with a session: run command text, and see before and after. No widget.

Every action of the screen comes here as the text of a command; what came of it is said as rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kvmlab.language.expressions import parse_expression
from kvmlab.render.cells import Cell, Row, line
from kvmlab.render.lexer import lex
from kvmlab.shell import Shell
from kvmlab.tui.placing import crop
from kvmlab.tui.running import Running
from kvmlab.tui.seen import Seen, see
from kvmlab.tui.until import repeated

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.result import Sliced
    from kvmlab.session import Session

LONGEST = 1_000
"""As many characters of a line are said: what is longer was pasted, and nobody reads it."""

IN_PANES = frozenset({"lab start", "lab next", "lab previous", "lab solution"})
"""Commands whose output the pane of the lab shows."""


class Driver:
    """A session with what was seen ``before`` the last command, and what is seen ``now``.

    ``said`` is the text of every command that was run, oldest first; ``over`` is True after `quit`;
    ``running`` is the line that is under way, and ``meanwhile`` what is told of it to who says another;
    ``studied`` says that somebody looks at how the lab stands.
    """

    def __init__(
        self,
        session: Session,
        show: Callable[[list[Row]], None],
        journal: Journal | None,
        meanwhile: str = "",
    ) -> None:
        self.session = session
        self.shell = Shell(session, self._say, journal, elsewhere=IN_PANES)
        self._journal = journal
        self.said: list[str] = []
        self.over = False
        self.running: Running | None = None
        self.before: Seen | None = None
        self.studied = False
        self.now = see(session)
        self._show = show
        self._meanwhile = meanwhile
        self._rows: list[Row] = []
        self._looked = self._looks()

    def run(self, text: str) -> None:
        """Run one line of commands, and say it and what came of it; a long one only begins here."""
        if self.occupied():
            return
        self.before = self.now
        self._hear(text)
        self._begin(self.shell.slices(text))

    def _begin(self, slices: Sliced[bool]) -> None:
        """Run the first slice of a line, and show what it says."""
        self.running = Running(slices)
        self.go_on()
        if self.running is not None:
            self._tell()

    def occupied(self) -> bool:
        """Tell whether a line is under way, and say so if it is: nothing else may move the machine."""
        if self.running is not None and self.running.at is not None:
            what = self.running.at.command.verb
            self._show([line(Cell(f"{what} is under way{self._meanwhile}", "warning"))])
        return self.running is not None

    def go_on(self) -> None:
        """Run a slice of the line that is under way; say what came of it when it is over."""
        if self.running is not None:
            # Between two cycles of a storm the session's own count stands still.
            self.session.version += not self.running.paused
            if self.running.slice():
                self._end(self.running)

    def stop(self) -> None:
        """End the line that is under way where it is."""
        if self.running is not None:
            self.running.stop()
            self._end(self.running)

    def _end(self, running: Running) -> None:
        self.running, self.over = None, not running.goes_on
        self.session.version += 1
        self._tell()

    def hear(self, text: str) -> None:
        """Say a line that opens a screen of its own and runs nothing."""
        self._hear(text)
        self._tell()

    def keep(self, text: str) -> None:
        """Keep a command that was performed on a screen of its own, for `save` and in the journal."""
        self.session.texts.append(text)
        if self._journal is not None:
            self._journal.add(text)

    def _hear(self, text: str) -> None:
        """Say a line as it was typed."""
        shown = crop(tuple(said_cells(text[: LONGEST + 1])), LONGEST)
        self._say([line(Cell("> ", "prompt"), *shown)])
        self.said.append(text)

    def _say(self, rows: list[Row]) -> None:
        self._rows += rows

    def _tell(self) -> None:
        """Show what was said, at once: a log that is drawn for every line would be the slowest part."""
        self.look()
        self._show(self._rows)
        self._rows = []

    def look(self) -> bool:
        """See anew if the session has changed, or is looked at otherwise; tell whether it had."""
        looked = self._looks()
        if looked == self._looked:
            return False
        self._looked = looked
        self.now = see(self.session, self.studied)
        return True

    def _looks(self) -> tuple[object, ...]:
        """Return what differs where there is something new to be seen."""
        watcher = self.session.watcher
        return self.session.version, self.studied, watcher and watcher.state

    def run_until(self, text: str, command: str) -> None:
        """Run a command again and again until an expression holds, or it can't go on; it only begins here.

        Raises LanguageError where the text is no expression.
        """
        expression = parse_expression(text, self.session.scope)
        if self.occupied():
            return
        self.before = self.now
        self._begin(repeated(self.shell, command, expression, text, hear=self._hear, say=self._say))


def said_cells(text: str) -> list[Cell]:
    """Return a command as cells in the styles of the language's words."""
    from kvmlab.language.commands import VERBS

    return [Cell(word, style) for style, word in lex(text, VERBS)]
