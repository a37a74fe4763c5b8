"""The prompt: line editing, completion, ghost text, colours and a toolbar over one session.

Ctrl+C clears the line, or interrupts the command that runs; Ctrl+D ends the session; Tab
completes and ``?`` lists what may follow. Output goes through prompt_toolkit, in the theme's colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.shortcuts import PromptSession, print_formatted_text
from prompt_toolkit.styles import Style

from kvmlab.language.complete import what_may_follow
from kvmlab.render.cells import Cell, Row, layout, line, table
from kvmlab.render.theme import Theme, find_theme, prompt_styles
from kvmlab.repl.adapters import LanguageCompleter, LanguageLexer, SavedHistory
from kvmlab.repl.history import HistoryFile
from kvmlab.repl.loop import PROMPT, Shell
from kvmlab.settings import load_settings, state_dir

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.output import Output

    from kvmlab.session import Session

WELCOME = "'help' lists the commands, ? what may follow, Tab completes, Ctrl+D ends."


def run_prompt(session: Session, source: Input | None = None, out: Output | None = None) -> int:
    """Run a session at the prompt until it ends; return the exit status 0."""
    Prompt(session, source, out).run()
    return 0


class Prompt:
    """One session at the prompt."""

    def __init__(self, session: Session, source: Input | None = None, out: Output | None = None) -> None:
        settings, problems = load_settings()
        theme, wrong = find_theme(settings.theme)
        self._problems = problems + wrong
        self._out = out
        self._style = Style.from_dict(_classes(theme))
        self._shell = Shell(session, self._show)
        self._session = session
        self._toolbar = ""
        self._prompt: PromptSession[str] = PromptSession(
            message=[("class:prompt", PROMPT)],
            completer=LanguageCompleter(session),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            history=SavedHistory(HistoryFile(state_dir() / "history", settings.history_size)),
            lexer=LanguageLexer(),
            style=self._style,
            bottom_toolbar=lambda: self._toolbar,
            key_bindings=self._keys(),
            input=source,
            output=out,
        )

    def run(self) -> None:
        """Read and run lines until the session ends."""
        for problem in self._problems:
            self._shell.warn(problem)
        self._show([line(Cell("kvmlab", "header"), f": {WELCOME}")])
        self._shell.open_journal()
        try:
            while self._turn():
                pass
        finally:
            self._shell.close()

    def _turn(self) -> bool:
        """Read and run one line; False when the session ends."""
        self._toolbar = status_line(self._session)
        try:
            text = self._prompt.prompt()
        except KeyboardInterrupt:
            return True
        except EOFError:
            return False
        return self._shell.run_line(text)

    def _show(self, rows: list[Row]) -> None:
        output = self._out or self._prompt.output
        for cells in layout(rows, output.get_size().columns):
            fragments = [(f"class:{style}" if style else "", text) for text, style in cells]
            print_formatted_text(FormattedText(fragments), style=self._style, output=output)

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @Condition
        def in_a_command() -> bool:
            before = self._prompt.default_buffer.document.text_before_cursor
            return "#" not in before and before.count('"') % 2 == 0

        @keys.add("?", filter=in_a_command)
        def _(event: KeyPressEvent) -> None:
            before = event.current_buffer.document.text_before_cursor
            follow = what_may_follow(before, self._session.scope)
            rows = table(("what may follow", ""), [(Cell(word, "word-key"), text) for word, text in follow])
            run_in_terminal(lambda: self._show(rows))

        return keys


def status_line(session: Session) -> str:
    """Return the toolbar: kernel, api, mode, whether anything stands or waits, and the reports."""
    seen = session.snapshot()
    parts = [seen.kernel, seen.api, seen.mode]
    if seen.quiescent is not None:
        parts.append("quiescent" if seen.quiescent else "work waits")
    if seen.reports:
        parts.append(f"{len(seen.reports)} report{'s' if len(seen.reports) > 1 else ''}")
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
