"""The prompt: line editing, completion, ghost text, colours and a toolbar over one session.

Ctrl+C clears the line, or interrupts the command that runs; Ctrl+D ends the session; Tab
completes and ``?`` lists what may follow. The prompt is painted first, and the session and the
language are loaded (:meth:`Prompt._load`) while the user reads it; keys wait for that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import PromptSession, print_formatted_text
from prompt_toolkit.styles import Style

from kvmlab.journal import OFFER, Journal
from kvmlab.past import HistoryFile
from kvmlab.render.cells import Cell, Row, layout, line, table
from kvmlab.render.fold import columns, fold
from kvmlab.render.theme import Theme, find_theme, prompt_styles
from kvmlab.repl.history import SavedHistory
from kvmlab.settings import load_settings, state_dir

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from kvmlab.repl.adapters import Take
    from kvmlab.session import Session
    from kvmlab.shell import Shell

PROMPT = "kvm> "

MORE = "   > "
"""What stands before the further lines of a text that was pasted."""

OTHER_LINES = 4
"""Lines of a screen that the answer to ? leaves free: its header, the prompt and the toolbar."""

WELCOME = {
    False: "'help' lists the commands, 'lab list' the course; ? and Tab help, Ctrl+D ends",
    True: "F12 or Ctrl+D goes back to the screen; 'help', ? and Tab help",
}
"""What the prompt greets with, by whether a screen waits for its end."""


def run_prompt(
    make: Callable[[], Session],
    source: Input | None = None,
    out: Output | None = None,
    journal: Journal | None = None,
    first: Sequence[str] = (),
    take: Take | None = None,
    *,
    screen: bool = False,
) -> int:
    """Run the session that ``make`` returns at the prompt until it ends; return the exit status 0.

    The ``first`` lines are run before anything is read. ``take`` is given every line before the
    language is. Where a ``screen`` waits for the end, its key for the prompt ends it too.
    """
    prompt = Prompt(make, source, out, journal, take, screen=screen)
    try:
        if all(prompt.run_line(text) for text in first):
            prompt.run()
    finally:
        prompt.close()
    return 0


class Prompt:
    """One session at the prompt. A ``journal`` that is given stays open at the end; else it has its own."""

    def __init__(
        self,
        make: Callable[[], Session],
        source: Input | None = None,
        out: Output | None = None,
        journal: Journal | None = None,
        take: Take | None = None,
        *,
        screen: bool = False,
    ) -> None:
        settings, problems = load_settings()
        theme, wrong = find_theme(settings.theme, settings.place("theme"))
        self._make, self._take, self._screen = make, take, screen
        self._shell: Shell | None = None
        self._style = Style.from_dict(_classes(theme))
        self._toolbar = ""
        self._prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", PROMPT)],
            prompt_continuation=[("class:prompt", MORE)],
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            history=SavedHistory(HistoryFile(state_dir() / "history", settings.history_size)),
            style=self._style,
            bottom_toolbar=lambda: self._toolbar,
            key_bindings=self._keys(),
            input=source,
            output=out,
        )
        self._greet([*problems, *wrong])
        self._own = None if journal else self._open_journal()
        self._journal = journal or self._own

    def run(self) -> None:
        """Read and run lines until the session ends."""
        self._prompt.app.after_render += self._painted
        while self._turn():
            pass

    def run_line(self, text: str) -> bool:
        """Run one line; False when the session ends."""
        shell = self._load()
        goes_on = self._run(shell, text, pasted=False)
        self._toolbar = status_line(shell.session)
        return goes_on

    def close(self) -> None:
        """End the journal that was begun here."""
        if self._own is not None:
            self._own.close(finished=self._shell is None or not self._shell.session.unfinished)

    def _turn(self) -> bool:
        """Read and run one line; False when the session ends."""
        try:
            text = self._prompt.prompt()
        except KeyboardInterrupt:
            return True
        except EOFError:
            return False
        shell = self._load()
        lines = text.split("\n")
        goes_on = all(self._run(shell, each, pasted=len(lines) > 1) for each in lines)
        self._toolbar = status_line(shell.session)
        return goes_on

    def _run(self, shell: Shell, text: str, pasted: bool) -> bool:
        """Run one line; of several that were pasted at once each is shown before its answer."""
        if pasted and text.strip():
            self._show([line(Cell("> ", "muted"), text)])
        taken = None if self._take is None else self._take(text)
        return shell.run_line(text) if taken is None else taken

    def _painted(self, _app: object) -> None:
        self._load()

    def _load(self) -> Shell:
        """Make the session, if it is not there yet, and have the prompt speak its language."""
        if self._shell is None:
            from kvmlab.repl.adapters import LanguageCompleter, LanguageLexer  # see the top
            from kvmlab.shell import Shell

            session = self._make()
            self._shell = Shell(session, self._show, self._journal)
            self._prompt.completer, self._prompt.lexer = (
                LanguageCompleter(session, self._take),
                LanguageLexer(),
            )
            self._toolbar = status_line(session)
            self._prompt.app.invalidate()
        return self._shell

    def _greet(self, problems: list[str]) -> None:
        self._show([line(Cell(problem, "warning")) for problem in problems])
        self._show([line(Cell("kvmlab", "header"), f": {WELCOME[self._screen]}")])

    def _open_journal(self) -> Journal | None:
        """Begin the journal, and offer the newest one of a session that was killed."""
        try:
            journal = Journal(state_dir() / "journal")
        except OSError as error:
            self._show([line(Cell(f"this session is not journalled: {error}", "warning"))])
            return None
        for path in journal.lost[-1:]:
            offer = Cell(f"{OFFER}:", "muted")
            self._show([line(offer), line("  ", Cell("source", "word-verb"), f' "{path}"')])
        return journal

    def _show(self, rows: list[Row]) -> None:
        output = self._prompt.output
        width = output.get_size().columns
        for cells in chain.from_iterable(fold(each, width) for each in layout(rows, width)):
            fragments = [(f"class:{style}" if style else "", text) for text, style in cells]
            print_formatted_text(FormattedText(fragments), style=self._style, output=output)

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @Condition
        def in_a_command() -> bool:
            before = self._prompt.default_buffer.document.text_before_cursor
            return "#" not in before and before.count('"') % 2 == 0

        @keys.add("c-c")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.reset()

        @keys.add("f12", filter=Condition(lambda: self._screen))
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=EOFError, style="class:exiting")

        @keys.add("?", filter=in_a_command)
        def _(event: KeyPressEvent) -> None:
            rows = self._following(event.current_buffer.document.text_before_cursor)
            run_in_terminal(lambda: self._show(rows))

        return keys

    def _following(self, before: str) -> list[Row]:
        """Return what may follow a text, as a table; only the words where that is higher than the screen."""
        from kvmlab.language.complete import what_may_follow  # see the top

        follow = what_may_follow(before, self._load().session.scope)
        if not follow:
            return [line(Cell("nothing more may follow", "muted"))]
        size = self._prompt.output.get_size()
        if len(follow) > size.rows - OTHER_LINES:
            return columns([word for word, _text in follow], "word-key", size.columns)
        return table(("may follow", ""), [(Cell(word, "word-key"), text) for word, text in follow])


def status_line(session: Session) -> str:
    """Return the toolbar: kernel, api, mode, whether anything stands or waits, and the reports."""
    seen = session.snapshot()
    parts = [seen.kernel, seen.api, seen.mode]
    if seen.quiescent is not None:
        parts.append("quiescent" if seen.quiescent else "work waits")
    if seen.reports:
        parts.append(f"{len(seen.reports)} report{'s' if len(seen.reports) > 1 else ''}")
    if session.backend.status:
        parts.append(session.backend.status)
    return " " + " · ".join(parts)


def _classes(theme: Theme) -> dict[str, str]:
    """Return the theme's styles, and prompt_toolkit's own classes in terms of them."""
    styles = prompt_styles(theme)
    menu = {
        "completion-menu.completion": styles["toolbar"],
        "completion-menu.completion.current": "noreverse bold",
        "completion-menu.meta.completion": styles["toolbar"],
        "completion-menu.meta.completion.current": "noreverse bold",
    }
    return {**styles, **menu, "auto-suggestion": styles["ghost"], "bottom-toolbar": styles["toolbar"]}
