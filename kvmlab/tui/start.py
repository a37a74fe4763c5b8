"""Whether a terminal can show the screen, and what is put together before it is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kvmlab.journal import Journal
    from kvmlab.session import Session
    from kvmlab.tui.live import Live

USAGE = 2
"""Exit status where there is no terminal to draw on, or what is to be opened is not there."""

HINT = (
    "kvmlab draws on a terminal, and this is none that it can draw on.\n"
    "Use 'kvmlab run FILE' for scripts, or 'kvmlab repl --plain' for one line at a time."
)


class Repl(Protocol):
    """What opens the prompt on a session, and records it in the session's journal if there is one."""

    def __call__(self, session: Session, *, journal: Journal | None, screen: bool) -> object:
        """Return when the prompt ends, which says that a ``screen`` waits for that."""


def drawable() -> bool:
    """Tell whether input and output are a terminal that understands cursor movement."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _mend_environment() -> None:
    """Take out what Textual would read otherwise than a user means it."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # Exported, they would come before the terminal's own size, and stay.
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # Empty it counts as unset (no-color.org).


def _draw_on_the_output() -> None:
    """Have Textual, which draws on the process's stderr, draw on stdout where stderr goes elsewhere."""
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]


def start(
    make: Callable[[], Session],
    what: str = "",
    theme: str = "",
    layout: str = "",
    *,
    mouse: bool = True,
    repl: Repl | None = None,
    live: Live | None = None,
) -> int:
    """Show the screen over the session that ``make`` returns until it ends; return the exit status.

    ``what`` is opened first: a lab by its ID, a scenario by its name, or the file of either. ``theme``
    and ``layout`` come before the settings'; ``repl`` opens the prompt on a session. ``live`` keeps a
    session fresh that changes by itself; it has no journal.
    """
    if not drawable():
        sys.stderr.write(HINT + "\n")
        return USAGE
    from kvmlab.tui.opening import opening  # after the check: who has no terminal opens nothing

    try:
        first = [opening(what)] if what else []
    except LookupError as error:
        sys.stderr.write(f"kvmlab tui: {error.args[0]}\n")
        return USAGE
    from kvmlab.journal import Journal
    from kvmlab.past import HistoryFile
    from kvmlab.settings import load_settings, state_dir
    from kvmlab.tui.app import KvmlabApp  # Textual takes 150 ms

    _mend_environment()
    _draw_on_the_output()
    settings, problems = load_settings()
    try:
        journal = None if live is not None else Journal(state_dir() / "journal")
    except OSError:
        journal = None
    past = HistoryFile(state_dir() / "history", settings.history_size)
    prompt = partial(repl, journal=journal, screen=True) if repl is not None else None
    app = KvmlabApp(make, past, journal, settings.chosen(theme, layout), first, prompt, live)
    app.theme_problems[:0] = problems
    finished = False
    try:
        app.run(mouse=mouse)
        finished = not app.return_code and not app.unfinished
    finally:
        if journal is not None:
            journal.close(finished=finished)
    return app.return_code or 0
